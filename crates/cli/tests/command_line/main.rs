//! Whole command lines against the built program: what it prints, where, and how it exits.

mod check;
mod debug;
mod diff;
mod distill;
mod dump;
mod dump_c;
mod encode;
mod extra_module;
mod failures;
mod in_place;
mod layout;
mod man;
mod minimize;
mod modules;
mod pahole;
mod program;
mod rewrite;
mod side_files;
mod size;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the program left behind.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Run {
    fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("standard output is text")
    }

    /// Asserts success, and gives standard output as text.
    #[track_caller]
    fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.text()
    }

    /// Asserts exit code 1 and exactly one line on standard error, which has all of `words`.
    #[track_caller]
    fn fails_with(self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.starts_with("error: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {}", self.err);
        }
    }

    fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.fine()).expect("JSON")
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btfkit"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

fn finish(command: &mut Command) -> Run {
    let output = command.output().expect("the program runs");
    Run {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn btfkit(arguments: &[&str]) -> Run {
    finish(program().args(arguments))
}

/// The kernel that the demo carries.
fn kernel() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/demo/tiny-kernel.elf")
}

/// Compiles C.
fn compile(directory: &Path, name: &str, source: &str, options: &[&str]) -> PathBuf {
    let (input, output) = (directory.join(format!("{name}.c")), directory.join(name));
    std::fs::write(&input, source).unwrap();
    let status = Command::new("cc").args(options).arg("-o").arg(&output).arg(&input).status();
    assert!(status.expect("a C compiler").success());
    output
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Asserts that a page of the manual has every option that the subcommand's help has.
#[track_caller]
fn assert_explained(command: &str, manual: &str) {
    let help = btfkit(&[command, "--help"]).fine();
    let words = help.split_whitespace();
    for word in words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-')) {
        if word.starts_with("--") && word.len() > 2 {
            assert!(manual.contains(word), "docs/{command}.md does not have {word}");
        }
    }
}
