//! Time and memory beside the peer's.

use std::process::Command;

use anyhow::{Result, ensure};

use super::{Subject, have};
use crate::bench::Comparison;
use crate::command;

/// The goals: a tenth of the time, a quarter of the memory.
const GOAL: (f64, f64) = (10.0, 4.0);
/// Machines are noisy: only half of a goal is insisted on.
const INSIST: f64 = 0.5;

/// Runs the benchmark in a process of its own: what it measures begins with the memory of the one that measures.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    have(&subject.peers.pahole)?;
    let mut bench = Command::new("/proc/self/exe");
    bench.args(["bench", "encode", "--json", "-n", "3", "--btfkit"]).arg(subject.encoder.program());
    let medians: Comparison =
        serde_json::from_str(&command::text(bench.arg("--kernel").arg(&subject.kernel.vmlinux))?)?;
    let (theirs, ours) = (&medians.pahole, &medians.btfkit);
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
    ensure!(time >= GOAL.0 * INSIST && memory >= GOAL.1 * INSIST, "far from the goals: {figures}");
    Ok(figures)
}
