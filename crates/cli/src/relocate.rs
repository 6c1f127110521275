//! `btfkit relocate`: a module's BTF from its distilled base to a kernel's.

use std::io::Write;
use std::path::{Path, PathBuf};

use btfkit_btf::relocate::{Report, relocate};
use btfkit_encode::atomic_file::atomic_write;
use clap::Args;

use crate::input::{self, Source};

/// Put a module's BTF that stands on a distilled base onto a kernel's BTF
///
/// This is what a kernel does when it loads a module with a section .BTF.base: each type of the distilled base is looked
/// up by name and size. The first type that is not found, or not the same, is the error: so this also tells whether a
/// module would get its BTF on that kernel.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit relocate driver.ko --base /sys/kernel/btf/vmlinux\n  \
    btfkit relocate driver.ko --base vmlinux.btf -o driver.btf\n  \
    btfkit relocate driver.split.btf --distilled driver.base.btf --base vmlinux.btf -o driver.btf")]
pub(crate) struct Arguments {
    /// Module with the sections .BTF and .BTF.base, or raw split BTF with --distilled
    input: PathBuf,

    /// The BTF to put it on (raw BTF, or an ELF file with a section .BTF)
    #[arg(short = 'B', long, value_name = "FILE")]
    base: PathBuf,

    /// The distilled base, where it is a file of its own
    #[arg(long, value_name = "FILE")]
    distilled: Option<PathBuf>,

    /// Write the split BTF on its new base to this file ("-" for standard output); without, only find out if it fits
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Debug, serde::Serialize)]
struct Summary {
    /// Bytes of the split BTF on its new base.
    bytes: usize,
    #[serde(flatten)]
    report: Report,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let source = Source::read(&arguments.input)?;
    let name = source.name.clone();
    if source.distilled_base.is_none() && arguments.distilled.is_none() {
        return Err(format!(
            "{name}: has no section .BTF.base: give the distilled base that it stands on with --distilled"
        )
        .into());
    }
    let distilled = source.base(arguments.distilled.as_deref())?;
    let input = source.open(distilled)?;
    let base = input::base(&arguments.base)?;
    let relocated = relocate(&input.btf, base)
        .map_err(|error| format!("{name}: does not fit on {}: {error}", arguments.base.display()))?;
    let to_standard_output = arguments.output.as_deref() == Some(Path::new("-"));
    match &arguments.output {
        Some(_) if to_standard_output => crate::put(&relocated.bytes)?,
        Some(output) => atomic_write(output, |file| file.write_all(&relocated.bytes))?,
        None => {}
    }
    if arguments.quiet {
        return Ok(());
    }
    let summary = Summary { bytes: relocated.bytes.len(), report: relocated.report };
    let text = if arguments.json { serde_json::to_string_pretty(&summary)? + "\n" } else { render(&summary) };
    if to_standard_output {
        // A summary that nobody can read is no reason to fail.
        let _ = anstream::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    crate::print(&text)
}

fn render(summary: &Summary) -> String {
    let Summary { bytes, report } = summary;
    let mut text = format!(
        "{HEAD}fits{HEAD:#}: all {} types of the distilled base are found; {} types, {bytes} bytes\n",
        report.found, report.own
    );
    for resized in &report.resized {
        text += &format!(
            "  {} {}: {} bytes, were {} (used through pointers only)\n",
            resized.kind, resized.name, resized.after, resized.before
        );
    }
    text
}

const HEAD: anstyle::Style = anstyle::Style::new().bold();
