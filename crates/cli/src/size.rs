//! `btfkit size`: where the bytes of BTF are, for one file or several side by side.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_btf::size::Size;
use clap::Args;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use crate::input::{self, Input, Source};

mod table;

/// Show where the bytes of BTF are: by kind, by section of variables, and strings by what uses them
///
/// Several files are shown side by side, each with its difference from the first. Of BTF that is split on a base only
/// its own part counts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit size /sys/kernel/btf/vmlinux\n  \
    btfkit size percpu.btf all.btf lean.btf --compressed\n  \
    btfkit size percpu.btf all.btf vars.btf --base percpu.btf --with-base")]
pub(crate) struct Arguments {
    /// Raw BTF, ELF files with a section .BTF, or "-" for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The BTF that those files are split on that do not stand alone (raw BTF, or an ELF file with a section .BTF)
    #[arg(short = 'B', long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Add the base to each file that is split on one: what the two take together
    #[arg(long)]
    with_base: bool,

    /// Also show the size after gzip
    #[arg(long)]
    compressed: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A file with its size.
#[derive(Debug, Serialize)]
struct Column {
    file: String,
    /// Whether it is split on a base.
    split: bool,
    #[serde(flatten)]
    size: Size,
    /// Bytes after gzip.
    #[serde(skip_serializing_if = "Option::is_none")]
    compressed: Option<u64>,
}

#[derive(Serialize)]
struct Document<'c> {
    files: &'c [Column],
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let base = arguments.base.as_deref().map(input::base).transpose()?;
    let mut columns = Vec::with_capacity(arguments.files.len());
    for file in &arguments.files {
        let input = open(Source::read(file)?, base.as_ref())?;
        columns.push(column(arguments, &input)?);
    }
    if arguments.json {
        let document = Document { files: &columns };
        return crate::print(&(serde_json::to_string_pretty(&document)? + "\n"));
    }
    crate::print(&table::render(&columns))
}

/// Opens what stands alone alone, and all else on the base that it comes with or that is given.
fn open(source: Source, given: Option<&Arc<Btf<'static>>>) -> Result<Input, Box<dyn std::error::Error>> {
    let own = source.base(None)?;
    let Some(given) = given else { return source.open(own) };
    if source.distilled_base.is_some() {
        return source.open(own);
    }
    let alone = Btf::parse(source.btf).is_ok_and(|btf| !input::refers_beyond(&btf));
    source.open((!alone).then(|| Arc::clone(given)))
}

fn column(arguments: &Arguments, input: &Input) -> std::io::Result<Column> {
    let btf = &input.btf;
    let mut size = Size::of(btf);
    let mut compressed = if arguments.compressed { Some(gzip(btf.bytes())?) } else { None };
    if let Some(base) = btf.base().filter(|_| arguments.with_base) {
        size.add(&Size::of(base));
        if let Some(compressed) = &mut compressed {
            *compressed += gzip(base.bytes())?;
        }
    }
    Ok(Column { file: input.name().to_owned(), split: btf.base().is_some(), size, compressed })
}

/// How many bytes gzip makes of these.
fn gzip(bytes: &[u8]) -> std::io::Result<u64> {
    let mut encoder = GzEncoder::new(Counter(0), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.0)
}

/// Counts what is written.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
