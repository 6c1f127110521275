//! Time and memory of the first answer beside drgn's.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::bench::Comparison;
use crate::command;

/// The goals: a fifteenth of the time, a sixth of the memory.
const GOAL: (f64, f64) = (15.0, 6.0);
/// What is insisted on: less of time, which other work on the machine moves.
const INSIST: (f64, f64) = (6.0, 6.0);

/// Runs the benchmark in a process of its own: what it measures begins with the memory of the one that measures.
pub(super) fn check(btfkit: &Path) -> Result<String> {
    let mut bench = Command::new("/proc/self/exe");
    bench.args(["bench", "debug", "--json", "-n", "5", "--btfkit"]).arg(btfkit);
    let medians: Comparison = serde_json::from_str(&command::text(&mut bench)?)?;
    let (theirs, ours) = (&medians.theirs, &medians.btfkit);
    let time = theirs.wall_seconds / ours.wall_seconds;
    let memory = theirs.peak_bytes / ours.peak_bytes;
    let figures = format!(
        "{:.3} s, 1/{time:.1} of {}'s {:.2} s (goal 1/{:.0}); {:.0} MB, 1/{memory:.1} of {:.0} MB (goal 1/{:.0})",
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
