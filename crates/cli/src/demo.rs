//! `btfkit demo`: the main job on bundled data.

use clap::Args;

/// Show the main job on bundled data
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> crate::Outcome {
    Ok(())
}
