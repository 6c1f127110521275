//! `btfkit man`: a page for every subcommand, that man and mandoc can read.

use std::process::{Command, Stdio};

use super::{btfkit, path};

/// The subcommands that `--help` names.
fn subcommands() -> Vec<String> {
    let help = btfkit(&["--help"]).fine();
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_subcommand_has_a_page_that_man_reads_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("share/man/man1");
    btfkit(&["man", "--output-dir", path(&folder)]).fine();
    let mut pages: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let mut expected: Vec<String> = subcommands().iter().map(|name| format!("btfkit-{name}.1")).collect();
    expected.push("btfkit.1".into());
    expected.sort();
    assert!(pages.len() > 5);
    assert_eq!(pages, expected);
    for page in &pages {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        let command = page.trim_end_matches(".1");
        assert!(text.starts_with(&format!(".TH \"{}\" ", command.to_uppercase())), "{text}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            assert!(text.contains(&format!(".SH {section}\n")), "{page} has no {section}");
        }
        let name = command.strip_prefix("btfkit-");
        let printed = btfkit(&["man"].into_iter().chain(name).collect::<Vec<_>>()).fine();
        assert_eq!(printed, text, "{page} is the same on standard output");
        let mut man = Command::new("man");
        man.args(["--warnings", "-l", path(&folder.join(page))]).env("MANWIDTH", "80").stdin(Stdio::null());
        match man.output() {
            Ok(output) if output.status.success() => {
                assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{page}");
                assert!(!output.stdout.is_empty());
            }
            _ => println!("SKIPPED reading {page} with man: there is none that reads files"),
        }
    }
}

#[test]
fn pages_have_the_examples_of_the_help() {
    let page = btfkit(&["man", "dump"]).fine();
    assert!(page.contains(".SH \"EXAMPLES\"\n.nf\nbtfkit dump /sys/kernel/btf/vmlinux\n"), "{page}");
    btfkit(&["man", "no-such"]).fails_with(&["no-such", "encode"]);
}
