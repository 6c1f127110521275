//! `cargo xtask fixtures`: real kernels and the peers, from Debian's archive through apt.
//!
//! Packages are found by name pattern and the newest is taken; nothing is pinned to a version that the archive will
//! drop. Downloads are kept in `deb/`, what is unpacked from them in a folder named by package file and hash, so an
//! entry of the cache is never wrong, only superfluous. Without a network the newest cached kernel serves.

pub(crate) mod apt;
pub(crate) mod cache;
mod dumps;
pub(crate) mod headers;
pub(crate) mod image;
mod kernel;
mod peer;

use std::process::ExitCode;

use anyhow::Result;

use crate::verdict::Tally;

pub(crate) use dumps::{Container, Dumps, drgn, small_kernels};
pub(crate) use kernel::{KERNELS, Kernel, KernelPackage, OTHER_KERNELS, fetch_all};
pub(crate) use peer::{Pahole, bpftool, libbpf};

/// Fetch and unpack what the tests against real kernels and the benchmarks need.
///
/// Three Debian kernels with debug information, dumps of two of them and of one for arm64, the newest packaged pahole, drgn, bpftool and libbpf's
/// headers. About 1.9 GB are downloaded the first time; they and 4 GB of dumps are kept in ~/.cache/btfkit (or below
/// XDG_CACHE_HOME).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let mut tally = Tally::default();
    for (package, kernel) in fetch_all() {
        tally.check(package.label, || kernel.map(|kernel| kernel.describe()));
    }
    tally.check("pahole", || Pahole::fetch()?.version());
    tally.check("bpftool", || Ok(bpftool()?.display().to_string()));
    for label in ["6.12-cloud", "6.1-cloud", "6.12-arm64"] {
        tally.check(&format!("dumps of {label}"), || {
            Ok(format!("{} containers", Dumps::labelled(label)?.containers().len()))
        });
    }
    tally.check("drgn", || Ok(drgn()?.display().to_string()));
    tally.check("libbpf", || libbpf().map(|()| "headers and library are installed".into()));
    println!("{tally}");
    Ok(tally.exit_code())
}
