//! Help, version, completions, the demo.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{btfkit, finish, kernel, program};

#[test]
fn help_names_every_subcommand_and_fits_a_screen() {
    let help = btfkit(&["--help"]).fine();
    for word in ["encode", "dump", "size", "demo", "completions", "man", "Usage: btfkit <COMMAND>"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    assert_eq!(btfkit(&["help"]).fine(), help);
    let encode = btfkit(&["encode", "--help"]).fine();
    for option in [
        "--output",
        "--in-place",
        "--base",
        "--vars",
        "--function-statics",
        "--only-vars",
        "--true-signatures",
        "--no-functions",
        "--layout",
        "--lang",
        "--lang-exclude",
        "--jobs",
        "--explain",
        "--debug-root",
        "--time",
        "--json",
        "--quiet",
    ] {
        assert!(encode.contains(option), "no {option} in {encode}");
    }
    assert!(encode.lines().all(|line| line.chars().count() <= 100), "{encode}");
    assert!(encode.contains("Examples:"));
}

#[test]
fn the_manual_explains_every_option_of_encode() {
    super::assert_explained("encode", include_str!("../../../../docs/encode.md"));
}

#[test]
fn each_excused_difference_from_pahole_is_explained() {
    let manual = include_str!("../../../../docs/differences.md");
    let excuses = include_str!("../../../../xtask/data/differences.toml");
    let headings = excuses.lines().filter_map(|line| line.strip_prefix("why = \"")?.strip_suffix('"'));
    let mut count = 0;
    for heading in headings {
        assert!(
            manual.contains(&format!("\n## {heading}\n")),
            "docs/differences.md has no heading {heading:?}"
        );
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn links_between_pages_lead_to_files() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut pages: Vec<std::path::PathBuf> =
        std::fs::read_dir(format!("{root}/docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(format!("{root}/README.md").into());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let target = page.parent().unwrap().join(link);
            assert!(link.contains("://") || target.exists(), "{}: {link}", page.display());
        }
    }
}

#[test]
fn the_readme_has_the_two_commands() {
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains("cargo run --release -- demo") && readme.contains("cargo xtask test"));
}

#[test]
fn the_version_is_the_package_s() {
    assert_eq!(btfkit(&["--version"]).fine(), format!("btfkit {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_exits_with_2_and_says_how_to_get_help() {
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["encode"],
        &["encode", "--no-such-option", "file"],
        &["encode", "file", "--vars", "most"],
        &["encode", "file", "--in-place", "-o", "other"],
        &["encode", "file", "--only-vars"],
        &["encode", "file", "--lang", "klingon"],
        &["encode", "file", "-j", "many"],
        &["encode", "file", "--quiet", "--json"],
        &["completions", "tcsh-of-mine"],
        &["dump"],
        &["dump", "file", "--format", "yaml"],
        &["size"],
        &["man", "dump", "--output-dir", "folder"],
    ] {
        let run = btfkit(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?} {run:?}");
        assert!(run.out.is_empty(), "{arguments:?}");
        assert!(run.err.contains("--help") || run.err.contains("Usage:"), "{arguments:?} {}", run.err);
    }
}

#[test]
fn completions_are_what_their_shells_can_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = btfkit(&["completions", shell]).fine();
        assert!(script.contains("function-statics"), "{shell}: {script}");
        let parser = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn();
        let (true, Ok(mut parser)) = (["bash", "zsh", "fish"].contains(&shell), parser) else { continue };
        parser.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(parser.wait().unwrap().success(), "{shell} cannot read its completions");
    }
}

#[test]
fn the_demo_shows_types_functions_variables_and_what_is_left_out() {
    let text = btfkit(&["demo"]).fine();
    for line in [
        "in    tiny-kernel.elf (sched.c, devices.c, entry.S): ",
        "  struct task_struct {",
        "      enum policy policy : 3;              /* 8, bit 2 */",
        "  struct slot { u64 deadline; struct task_struct *task; };",
        "  struct slot { u8 bus; u8 device; u32 pins[4]; };",
        "  void switch_to(struct task_struct *arg0, struct task_struct *arg1);",
        "  .rodata+0x0           16  const char banner[16];               declared banner[], completed later",
        "  .data+0x0           4096  pgd_t init_top_pgt[512];             assembler's, typed by C",
        "  function reset: left out: functions of this name have different prototypes",
        "rules of the kernel's verifier hold",
        "default_ops twice at one place",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.lines().count() <= 60, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 105), "{text}");
    assert_eq!(text.matches("default_ops;").count(), 1, "a weak and a strong definition are one variable");
}

#[test]
fn only_terminals_get_colours() {
    let btf = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/btf/gcc.btf");
    for arguments in [
        &["demo"][..],
        &["encode", kernel()],
        &["encode", "/no/such/file"],
        &["size", btf],
        &["size", btf, btf],
    ] {
        let run = btfkit(arguments);
        assert!(!run.out.contains(&0x1b) && !run.err.contains('\x1b'), "{run:?}");
        let forced = finish(program().args(arguments).env("CLICOLOR_FORCE", "1"));
        assert!(forced.out.contains(&0x1b) || forced.err.contains('\x1b'), "{forced:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    for arguments in
        [&["demo"][..], &["encode", kernel()], &["encode", kernel(), "-o", "-"], &["completions", "zsh"]]
    {
        let mut child =
            program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked") && !err.contains("error"), "{err}");
    }
}
