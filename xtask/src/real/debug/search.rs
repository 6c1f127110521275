//! `search`: every place that the guest's memory has, as it lies in a file of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Case;
use crate::verdict::unavailable;

pub(super) fn check(case: &Case, raw: &Path) -> Result<String> {
    let memory = fs::read(raw)?;
    let session = case.session();
    let known = session.run(&["p/x &init_task", "p/x page_offset_base"].map(str::to_owned))?;
    let wanted = known.address("&init_task").context("no init_task")?;
    // Where all memory is mapped in one piece.
    let base = known
        .address("page_offset_base")
        .ok_or_else(|| unavailable("only x86_64 says where all memory is mapped in one piece"))?;
    let words = memory.chunks_exact(8).enumerate();
    let theirs: BTreeSet<u64> = words
        .filter(|(_, word)| **word == wanted.to_le_bytes())
        .map(|(index, _)| base + index as u64 * 8)
        .collect();
    let end = base + memory.len() as u64;
    let answers = session.run(&[format!("search {wanted:#x} {base:#x} {end:#x}")])?;
    let found: Vec<String> = serde_json::from_value(answers.others.first().context("no answer")?.clone())?;
    let ours: BTreeSet<u64> = found.iter().filter_map(|place| super::session::hexadecimal(place)).collect();
    ensure!(
        ours == theirs && ours.len() == found.len() && ours.len() > 10,
        "search finds {} places, {} are there; {} are in one only",
        found.len(),
        theirs.len(),
        ours.symmetric_difference(&theirs).count()
    );
    Ok(format!(
        "{} places of init_task in {} MiB; {:.1} s",
        ours.len(),
        memory.len() >> 20,
        answers.took.as_secs_f64()
    ))
}
