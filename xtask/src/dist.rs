//! `cargo xtask dist`: the program as one static file.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::command;

/// Build btfkit as one static program that runs anywhere: in a rescue system, in an initial file system.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to optimise: a profile of Cargo.toml.
    #[arg(long, value_name = "PROFILE", default_value = "dist")]
    profile: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = static_build(&arguments.profile)?;
    let size = std::fs::metadata(&program)?.len();
    println!("{}: {:.1} MB, static", program.display(), size as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}

/// The program, built with the C library inside.
fn static_build(profile: &str) -> Result<PathBuf> {
    let machine = std::env::consts::ARCH;
    // Naming the target keeps the flags away from procedural macros, which have to be shared objects.
    let target = format!("{machine}-unknown-linux-gnu");
    let mut build = command::cargo();
    build.args(["build", "--quiet", "--package", "btfkit", "--profile", profile, "--target", &target]);
    command::run(build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::repository().join("target"), PathBuf::from);
    let program = folder.join(target).join(profile).join("btfkit");
    let bytes = std::fs::read(&program).with_context(|| program.display().to_string())?;
    if asks_for_an_interpreter(&bytes) {
        bail!("{} asks for a dynamic linker", program.display());
    }
    Ok(program)
}

/// The program as guests get it: built quickly, and without debug information.
pub(crate) fn stripped(to: &Path) -> Result<()> {
    let mut strip = Command::new(command::require("strip")?);
    command::output(strip.arg("-o").arg(to).arg(static_build("quick")?)).map(drop)
}

/// Whether an ELF file of 64 bits has a program header PT_INTERP.
fn asks_for_an_interpreter(file: &[u8]) -> bool {
    let number = |at: usize, size: usize| {
        let bytes = file.get(at..at + size).unwrap_or_default();
        bytes.iter().rev().fold(0usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|index| number(start.saturating_add(index * size), 4) == 3)
}
