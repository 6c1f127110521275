//! The btfkit under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command;

/// A btfkit program.
#[derive(Debug)]
pub(crate) struct Encoder {
    program: PathBuf,
}

impl Encoder {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program: program.canonicalize().unwrap_or(program) }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// `btfkit encode INPUT -o OUTPUT …`, with the language that pahole leaves out left out too.
    pub(crate) fn command(&self, input: &Path, output: &Path, options: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("encode").arg(input).arg("-o").arg(output).args(["--lang-exclude", "rust"]).args(options);
        command
    }

    pub(crate) fn encode(&self, input: &Path, output: &Path, options: &[&OsStr]) -> Result<()> {
        command::output(&mut self.command(input, output, options)).map(drop)
    }
}
