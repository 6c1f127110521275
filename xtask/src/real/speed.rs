//! Time and memory beside the peer's.

use std::process::Command;

use anyhow::Result;

use super::{Subject, have};
use crate::bench::{Comparison, Factors};
use crate::command;

/// The goals: a tenth of the time, a quarter of the memory.
const GOAL: Factors = Factors { time: 10.0, memory: 4.0 };
/// What is insisted on. Time is measured on machines that have other work (two runs of the same program have differed by
/// a factor of two there), memory is not: a check that fails by chance says nothing.
const INSIST: Factors = Factors { time: 2.5, memory: 3.0 };

/// Runs the benchmark in a process of its own: what it measures begins with the memory of the one that measures.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    have(&subject.peers.pahole)?;
    let mut bench = Command::new("/proc/self/exe");
    bench.args(["bench", "encode", "--json", "-n", "3", "--btfkit"]).arg(subject.encoder.program());
    let medians: Comparison =
        serde_json::from_str(&command::text(bench.arg("--kernel").arg(&subject.kernel.vmlinux))?)?;
    medians.held_against(GOAL, INSIST)
}
