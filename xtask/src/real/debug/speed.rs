//! Time and memory of the first answer beside drgn's.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::bench::{Comparison, Factors};
use crate::command;

/// The goals: a fifteenth of the time, a sixth of the memory.
const GOAL: Factors = Factors { time: 15.0, memory: 6.0 };
/// What is insisted on: less of time, which other work on the machine moves.
const INSIST: Factors = Factors { time: 6.0, memory: 6.0 };

/// Runs the benchmark in a process of its own: what it measures begins with the memory of the one that measures.
pub(super) fn check(btfkit: &Path) -> Result<String> {
    let mut bench = Command::new("/proc/self/exe");
    bench.args(["bench", "debug", "--json", "-n", "5", "--btfkit"]).arg(btfkit);
    let medians: Comparison = serde_json::from_str(&command::text(&mut bench)?)?;
    medians.held_against(GOAL, INSIST)
}
