//! `btfkit man`: manual pages made from the same definitions as `--help`.

use std::io::{self, Write};
use std::path::PathBuf;

use btfkit_encode::atomic_file::atomic_write;
use clap::{Args, CommandFactory};
use clap_mangen::Man;

/// Print manual pages
///
/// Without arguments the page btfkit(1). To read a page at once: `btfkit man dump | man -l -`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit man dump | man -l -\n  \
    btfkit man --output-dir ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// The subcommand to print the page of
    command: Option<String>,

    /// Write the pages of btfkit and of every subcommand into this folder
    #[arg(short = 'd', long, value_name = "DIR", conflicts_with = "command")]
    output_dir: Option<PathBuf>,
}

/// A page and the name of its file.
struct Page {
    file: String,
    text: Vec<u8>,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let mut program = <crate::Cli>::command().disable_help_subcommand(true);
    program.build();
    if let Some(directory) = &arguments.output_dir {
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let mut commands = vec![program];
        while let Some(command) = commands.pop() {
            let page = page(&command)?;
            atomic_write(directory.join(page.file), |file| file.write_all(&page.text))?;
            commands.extend(visible_subcommands(&command).cloned());
        }
        return Ok(());
    }
    let command = match &arguments.command {
        None => &program,
        Some(name) => {
            visible_subcommands(&program).find(|command| command.get_name() == name).ok_or_else(|| {
                let names: Vec<&str> = visible_subcommands(&program).map(clap::Command::get_name).collect();
                format!("there is no subcommand {name}; there are {}", names.join(", "))
            })?
        }
    };
    crate::put(&page(command)?.text)
}

fn visible_subcommands(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn page(command: &clap::Command) -> io::Result<Page> {
    let man = Man::new(command.clone());
    // No date: pages are a function of the program alone. (clap_mangen would leave the empty field out.)
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(".TH \"{name}\" \"1\" \"\" \"btfkit {version}\" \"User Commands\"\n").into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if visible_subcommands(command).next().is_some() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(help) = command.get_after_long_help().or(command.get_after_help()) {
        sections(&mut text, &help.to_string());
    }
    if command.get_name() != "btfkit" {
        text.extend_from_slice(b".SH \"SEE ALSO\"\n.BR btfkit (1)\n");
    }
    Ok(Page { file: man.get_filename(), text })
}

/// What follows a help text: a line that ends with a colon heads a section, and indented lines stay as they are.
fn sections(out: &mut Vec<u8>, help: &str) {
    let mut indented = false;
    let mut headed = false;
    for line in help.lines() {
        let heading = line.strip_suffix(':').filter(|heading| !heading.starts_with(' '));
        let is_indented = heading.is_none() && line.starts_with(' ');
        if is_indented != indented {
            out.extend_from_slice(if is_indented { b".nf\n" } else { b".fi\n" });
            indented = is_indented;
        }
        if let Some(heading) = heading {
            out.extend_from_slice(b".SH \"");
            literal(out, &heading.to_uppercase());
            out.extend_from_slice(b"\"\n");
        } else {
            if !headed {
                out.extend_from_slice(b".SH NOTES\n");
            }
            if line.is_empty() {
                out.extend_from_slice(b".PP\n");
            } else {
                literal(out, line.trim_start());
                out.push(b'\n');
            }
        }
        headed = true;
    }
    if indented {
        out.extend_from_slice(b".fi\n");
    }
}

/// Text that must not be taken for requests of roff.
fn literal(out: &mut Vec<u8>, text: &str) {
    if text.starts_with(['.', '\'']) {
        out.extend_from_slice(b"\\&");
    }
    for character in text.chars() {
        match character {
            '\\' => out.extend_from_slice(b"\\e"),
            '-' => out.extend_from_slice(b"\\-"),
            '\'' => out.extend_from_slice(b"\\(aq"),
            '"' => out.extend_from_slice(b"\\(dq"),
            '~' => out.extend_from_slice(b"\\(ti"),
            '^' => out.extend_from_slice(b"\\(ha"),
            other if other.is_ascii() => out.push(other as u8),
            other => out.extend_from_slice(format!("\\[u{:04X}]", u32::from(other)).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_help_text_becomes_sections_of_the_page() {
        let mut out = Vec::new();
        sections(&mut out, "Free text.\n\nExamples:\n  btfkit 'x' \\d\n  .btf\nExit codes:\n  1  no");
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            ".SH NOTES\nFree text.\n.PP\n.SH \"EXAMPLES\"\n.nf\nbtfkit \\(aqx\\(aq \\ed\n\\&.btf\n.fi\n\
             .SH \"EXIT CODES\"\n.nf\n1  no\n.fi\n"
        );
    }

    #[test]
    fn every_subcommand_has_a_page_with_its_options() {
        let mut program = <crate::Cli>::command();
        program.build();
        assert!(visible_subcommands(&program).count() > 3);
        for command in visible_subcommands(&program) {
            let page = page(command).unwrap();
            let text = String::from_utf8(page.text).unwrap().replace("\\-", "-");
            assert_eq!(page.file, format!("btfkit-{}.1", command.get_name()));
            for option in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let name = option.get_long().map_or_else(String::new, |long| format!("--{long}"));
                assert!(text.contains(&name), "{}: no {name}", command.get_name());
            }
        }
    }
}
