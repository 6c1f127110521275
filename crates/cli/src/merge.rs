//! `btfkit merge`: several BTFs in one, each type once.

use std::path::PathBuf;
use std::sync::Arc;

use btfkit_btf::merge::merge;
use btfkit_btf::{Btf, Type};
use clap::Args;

use crate::input::{self, Input, Source};
use crate::{dedup, output};

/// Write several BTFs as one that has each type once
///
/// Either all stand alone, or all are split on the same base: then the result is split on it too, unless --flatten is
/// given. Variables and sections are all kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit merge a.bpf.o b.bpf.o -o all.btf\n  \
    btfkit merge /sys/kernel/btf/nf_tables /sys/kernel/btf/nft_nat -o nft.btf\n  \
    btfkit merge modules/*.ko --base vmlinux.btf --flatten -o everything.btf")]
pub(crate) struct Arguments {
    /// Raw BTFs or ELF files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The BTF that all of them are split on
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Write the base and what is split on it as one BTF that stands alone
    #[arg(long)]
    flatten: bool,

    /// Keep duplicates: write the types of all files one after the other
    #[arg(long)]
    no_dedup: bool,

    /// Call the sections of each file by its name, too (".data@nf_tables"), to tell them apart. Kernels accept such
    /// names from 6.12 on
    #[arg(long)]
    name_sections: bool,

    /// Write the BTF to this file ("-" for standard output). Without it, only the summary is printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long, conflicts_with = "no_dedup")]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let inputs = open(arguments)?;
    let btfs: Vec<&Btf<'static>> = inputs.iter().map(|input| &*input.btf).collect();
    let section_name = |number: usize, section: Type<'_>| {
        if !arguments.name_sections {
            return Vec::new();
        }
        let file = arguments.files[number].file_stem().unwrap_or_default().as_encoded_bytes();
        [section.name(), b"@", file].concat()
    };
    let failed = |error| format!("{}: {error}", names(&inputs));
    let merged = merge(&btfs, arguments.flatten, section_name).map_err(failed)?;
    let bytes = merged.builder.finish().map_err(failed)?;
    if arguments.no_dedup {
        return write_as_it_is(arguments, &bytes);
    }
    let merged = match btfs[0].base().filter(|_| !arguments.flatten) {
        Some(base) => Btf::parse_split(bytes, base.clone()),
        None => Btf::parse(bytes),
    };
    let merged = merged.and_then(|merged| dedup::unique(&merged, false)).map_err(failed)?;
    if let Some(path) = &arguments.output {
        output::write_raw(path, &merged.bytes)?;
    }
    let output = arguments.output.as_deref();
    if arguments.json {
        return output::say(output, &(serde_json::to_string_pretty(&merged.summary)? + "\n"));
    }
    if arguments.quiet { Ok(()) } else { output::say(output, &merged.summary.render()) }
}

fn write_as_it_is(arguments: &Arguments, bytes: &[u8]) -> crate::Outcome {
    match &arguments.output {
        Some(path) => output::write_raw(path, bytes),
        None => Err("nothing to write to: --no-dedup wants -o FILE".into()),
    }
}

/// What to call the inputs in a message.
fn names(inputs: &[Input]) -> String {
    match inputs {
        [one] => one.name().to_owned(),
        [first, rest @ ..] => format!("{} and {} more", first.name(), rest.len()),
        [] => String::new(),
    }
}

/// Opens all files, on one and the same base if they have one.
fn open(arguments: &Arguments) -> Result<Vec<Input>, Box<dyn std::error::Error>> {
    let sources: Vec<Source> =
        arguments.files.iter().map(|path| Source::read(path)).collect::<Result<_, _>>()?;
    if let Some(source) = sources.iter().find(|source| source.distilled_base.is_some()) {
        return Err(format!(
            "{}: is split on a distilled base of its own (.BTF.base): relocate it to the kernel's BTF first",
            source.name
        )
        .into());
    }
    let known = sources.iter().find_map(Source::known_base);
    let base = match (arguments.base.as_deref(), known) {
        (Some(given), _) => Some(input::base(given)?),
        (None, Some(known)) => {
            if let Some(alone) = sources.iter().find(|source| source.known_base() != Some(known)) {
                return Err(format!(
                    "{}: is not split on {known}, as others are; --flatten writes that base, too",
                    alone.name,
                    known = known.display()
                )
                .into());
            }
            Some(input::base(known)?)
        }
        (None, None) => None,
    };
    sources.into_iter().map(|source| source.open(base.as_ref().map(Arc::clone))).collect()
}
