//! `cargo xtask test`: the README's test command, and what CI runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::verdict::Tally;
use crate::{fast, real};

/// Run the tests: the fast tier, then the checks against real kernels.
///
/// The fast tier needs a C compiler. The real tier needs Debian's apt and about 4 GB of disk under ~/.cache/btfkit;
/// root lets it also ask the running kernel. What cannot run here says so in one line that begins with SKIPPED. The
/// last line counts: `N passed, N failed, N skipped`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which tests.
    #[arg(long, value_enum, default_value_t = Tier::All)]
    tier: Tier,
    /// The btfkit that the real tier tests [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Formatting, lints, documentation, unit and command line tests.
    Fast,
    /// Debian kernels, checked against pahole, bpftool, libbpf and the running kernel.
    Real,
    /// Of these, those on dumps only: checked against drgn.
    Debug,
    /// Dumps of other machines: arm64, riscv64 and s390x. Not part of the other tiers but for one arm64 kernel.
    Machines,
    /// Fast and real.
    All,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut tally = Tally::default();
    if matches!(arguments.tier, Tier::Fast | Tier::All) {
        fast::run(&mut tally);
    }
    match arguments.tier {
        Tier::Real | Tier::All => real::run(&mut tally, arguments.btfkit.as_deref()),
        Tier::Debug => real::run_debug(&mut tally, arguments.btfkit.as_deref(), false),
        Tier::Machines => real::run_debug(&mut tally, arguments.btfkit.as_deref(), true),
        Tier::Fast => {}
    }
    println!("{tally}");
    Ok(tally.exit_code())
}
