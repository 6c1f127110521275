//! `btfkit dump`: types as text.

mod c;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use btfkit_btf::dump::{Output, json, raw};
use btfkit_btf::{Btf, Type, TypeId};
use btfkit_encode::atomic_file::atomic_write;
use clap::{Args, ValueEnum};

use crate::input::{Input, Source, refers_beyond};
use crate::selector::{self, Selector};

/// Print types: as bpftool does, as JSON, or as a C header that compiles
///
/// All of a file's own types, or those selected; types of a base are printed only when they are selected.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit dump /sys/kernel/btf/vmlinux\n  \
    btfkit dump vmlinux 'struct task_struct' 42\n  \
    btfkit dump nf_tables.ko --base vmlinux --format json -o nf_tables.json\n  \
    btfkit dump /sys/kernel/btf/vmlinux --format c -o vmlinux.h\n  \
    btfkit dump vmlinux task_struct runqueues --format c --assert")]
pub(crate) struct Arguments {
    /// Raw BTF, an ELF file with a section .BTF, or "-" for standard input
    file: PathBuf,

    /// Print only these types: a name, a kind and a name ("struct file"), or an id
    #[arg(value_name = "NAME|ID", value_parser = selector::parse)]
    selectors: Vec<Selector>,

    /// What to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// The BTF that FILE is split on (raw BTF, or an ELF file with a section .BTF)
    #[arg(short = 'B', long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    c: c::Arguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A line for each type and member, as `bpftool btf dump` prints them
    #[default]
    Raw,
    /// One JSON object, a line for each type, with the keys of `bpftool -j btf dump`
    Json,
    /// A header: a `vmlinux.h`
    C,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let input = open(arguments)?;
    if arguments.format == Format::C {
        let text = header(arguments, &input)?;
        return put(arguments, |out| out.write_all(&text));
    }
    arguments.c.check_unused();
    let selected = select(&input, &arguments.selectors)?;
    put(arguments, |out| match arguments.format {
        Format::Json => write_json(out, &input.btf, &selected),
        _ => write_raw(out, &selected),
    })
}

/// Writes to where the output goes.
fn put(arguments: &Arguments, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> crate::Outcome {
    match arguments.output.as_deref() {
        Some(path) if path != Path::new("-") => Ok(atomic_write(path, |file| write(file))?),
        _ => crate::stream(write),
    }
}

/// Opens the BTF as the file stores it, broken or not: bpftool shows it too, and what is broken is worth looking at.
fn open(arguments: &Arguments) -> Result<Input, Box<dyn std::error::Error>> {
    let source = Source::read(&arguments.file)?.stored()?;
    let base = source.base(arguments.base.as_deref())?;
    let alone = base.is_none();
    let input = source.open_unchecked(base)?;
    if alone && refers_beyond(&input.btf) {
        anstream::eprintln!(
            "{NOTE}note:{NOTE:#} {}: refers to types that it does not have: if it is split BTF, give its base with --base",
            input.name()
        );
    }
    Ok(input)
}

/// The types to print, in the order of their ids, each once.
fn select<'b>(input: &'b Input, selectors: &[Selector]) -> Result<Vec<Type<'b>>, String> {
    let btf: &Btf<'static> = &input.btf;
    if selectors.is_empty() {
        return Ok(btf.types().collect());
    }
    let mut selected = Vec::new();
    for selector in selectors {
        selected.extend(selector.find(btf).map_err(|error| format!("{}: {error}", input.name()))?);
    }
    selected.sort_unstable_by_key(|ty| ty.id());
    selected.dedup_by_key(|ty| ty.id());
    Ok(selected)
}

/// The text of a header, made as a whole: what is broken shows before any of it is written.
fn header(arguments: &Arguments, input: &Input) -> Result<Vec<u8>, String> {
    let selected: Option<Vec<TypeId>> = match arguments.selectors.is_empty() {
        true => None,
        false => Some(select(input, &arguments.selectors)?.iter().map(|ty| ty.id()).collect()),
    };
    let header = arguments.c.header(&input.btf, selected.as_deref());
    Ok(header.map_err(|error| format!("{}: {error}", input.name()))?.text)
}

const NOTE: anstyle::Style = anstyle::AnsiColor::Yellow.on_default().bold();

fn write_raw(out: &mut dyn Write, types: &[Type<'_>]) -> io::Result<()> {
    let mut text = Output::new(out);
    for &ty in types {
        raw::write(&mut text, ty)?;
    }
    text.finish()
}

fn write_json(out: &mut dyn Write, btf: &Btf<'_>, types: &[Type<'_>]) -> io::Result<()> {
    let mut text = Output::new(out);
    let mut document = json::Document::new(btf);
    document.begin(&mut text);
    for &ty in types {
        document.write(&mut text, ty)?;
    }
    document.end(&mut text);
    text.finish()
}
