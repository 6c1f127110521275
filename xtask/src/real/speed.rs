//! Time and memory beside the peer's.

use std::process::Command;

use anyhow::{Result, ensure};

use super::{Subject, have};
use crate::bench::Comparison;
use crate::command;

/// The goals: a tenth of the time, a quarter of the memory.
const GOAL: (f64, f64) = (10.0, 4.0);
/// What is insisted on. Time is measured on machines that have other work (two runs of the same program have differed by
/// a factor of two there), memory is not: a check that fails by chance says nothing.
const INSIST: (f64, f64) = (2.5, 3.0);

/// Runs the benchmark in a process of its own: what it measures begins with the memory of the one that measures.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    have(&subject.peers.pahole)?;
    let mut bench = Command::new("/proc/self/exe");
    bench.args(["bench", "encode", "--json", "-n", "3", "--btfkit"]).arg(subject.encoder.program());
    let medians: Comparison =
        serde_json::from_str(&command::text(bench.arg("--kernel").arg(&subject.kernel.vmlinux))?)?;
    let (theirs, ours) = (&medians.theirs, &medians.btfkit);
    let time = theirs.wall_seconds / ours.wall_seconds;
    let memory = theirs.peak_bytes / ours.peak_bytes;
    let figures = format!(
        "{:.2} s, 1/{time:.1} of {}'s {:.2} s (goal 1/{:.0}); {:.0} MB, 1/{memory:.1} of {:.0} MB (goal 1/{:.0})",
        ours.wall_seconds,
        medians.peer,
        theirs.wall_seconds,
        GOAL.0,
        ours.peak_bytes / 1e6,
        theirs.peak_bytes / 1e6,
        GOAL.1,
    );
    ensure!(time >= INSIST.0 && memory >= INSIST.1, "far from the goals: {figures}");
    Ok(figures)
}
