//! `cargo xtask modules`: all modules of a kernel, of which the tests take fifty.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::fixtures::KERNELS;
use crate::verdict::Tally;
use crate::{bench, real};

/// Encode every module of Debian's 6.12 cloud kernel, and check each as the real tier checks fifty: by our rules, by bpftool,
/// libbpf and the running kernel, loaded by the kernel that it was built for, and beside pahole's: on the kernel's BTF as it is
/// shipped, and as it is encoded today.
///
/// The modules, 1,100 of 1.4 GB, are unpacked to a temporary folder. As root, and on two processors, it takes 7 minutes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A folder with the modules [default: unpack them].
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// List here all that differs from pahole's modules, as JSON.
    #[arg(long, value_name = "FILE")]
    differences: Option<PathBuf>,
    /// The btfkit to test [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = arguments.btfkit.clone().map_or_else(bench::release_build, Ok)?;
    let mut kernel = KERNELS[0].fetch()?;
    let unpacked = tempfile::tempdir()?;
    kernel.modules = match &arguments.modules {
        Some(folder) => bench::modules_in(folder)?,
        None => KERNELS[0].all_modules(&kernel, unpacked.path())?,
    };
    let mut tally = Tally::default();
    real::run_modules(&mut tally, &kernel, &program, arguments.differences.as_deref())?;
    println!("{tally}");
    Ok(tally.exit_code())
}
