//! `btfkit demo`: the project on one screen, on bundled data.

mod crash;
mod encode;

use clap::Args;

const HEAD: anstyle::Style = anstyle::Style::new().bold();
const FAINT: anstyle::Style = anstyle::Style::new().dimmed();

/// Encode a bundled tiny kernel, then debug a bundled dump of one that crashed
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> crate::Outcome {
    let mut out = String::new();
    encode::show(&mut out)?;
    crash::show(&mut out)?;
    crate::print(&out)
}
