//! `btfkit distill`: a module's BTF for other kernels than the one it was built against.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_btf::distill::{Ambiguous, Distilled, distill_with};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_encode::btf_ids::BtfIds;
use btfkit_encode::section_writer::{NewSection, put_sections};
use clap::Args;

use crate::input::Input;

/// Make a module's BTF independent of the exact kernel it was built against
///
/// The types that the module uses of its kernel go by name, kind and size into a small distilled base, which kernels
/// from 6.11 on read from the section .BTF.base; the module's own BTF is renumbered to stand on that. The kernel that
/// loads the module finds the types again in its own BTF.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit distill driver.ko --base vmlinux --in-place\n  \
    btfkit distill driver.btf --base vmlinux.btf -o driver.split.btf --base-output driver.base.btf\n  \
    btfkit distill /sys/kernel/btf/xfs -o xfs.btf --base-output xfs.base.btf")]
pub(crate) struct Arguments {
    /// Split BTF: raw, in a module, or in sysfs
    input: PathBuf,

    /// The BTF that it is split on (raw BTF, or an ELF file with a section .BTF)
    #[arg(short = 'B', long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Write the split BTF on the distilled base to this file
    #[arg(short, long, value_name = "FILE", requires = "base_output", required_unless_present = "in_place")]
    output: Option<PathBuf>,

    /// Write the distilled base to this file
    #[arg(long, value_name = "FILE", requires = "output")]
    base_output: Option<PathBuf>,

    /// Put both into the module itself, as its sections .BTF and .BTF.base, and renumber its section .BTF_ids
    #[arg(long, conflicts_with_all = ["output", "base_output"])]
    in_place: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors and warnings
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Debug, serde::Serialize)]
struct Summary {
    /// Bytes of the split BTF before.
    bytes_before: usize,
    /// Bytes of the split BTF on the distilled base.
    bytes: usize,
    /// Bytes of the distilled base.
    base_bytes: usize,
    /// Types of the distilled base.
    base_types: u32,
    /// Types of the split BTF.
    types: u32,
    /// How many of these are copies of what the base had.
    copied: u32,
    /// Types that no kernel can tell from others of its own.
    ambiguous: Vec<Ambiguous>,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let input = Input::open(&arguments.input, arguments.base.as_deref())?;
    let name = input.name();
    if input.source.distilled_base.is_some() {
        return Err(format!("{name}: stands on a distilled base (.BTF.base) already").into());
    }
    if input.btf.base().is_none() {
        return Err(format!("{name}: give the BTF that it is split on with --base").into());
    }
    let module =
        if arguments.in_place {
            let module = input.source.object.as_ref();
            Some(module.ok_or_else(|| {
                format!("{name}: --in-place is for ELF files; use --output and --base-output")
            })?)
        } else {
            None
        };
    let used = module.map(BtfIds::of).transpose()?;
    let more = used.as_ref().map_or_else(Vec::new, BtfIds::types);
    let distilled = distill_with(&input.btf, &more).map_err(|error| format!("{name}: {error}"))?;
    if let Some(module) = module {
        let renumbered = used.as_ref().and_then(|used| used.renumbered(|id| distilled.ids.get(id)));
        let mut sections = vec![
            NewSection { name: ".BTF", bytes: &distilled.split, alignment: 4 },
            NewSection { name: ".BTF.base", bytes: &distilled.base, alignment: 4 },
        ];
        if let Some(bytes) = &renumbered {
            sections.push(NewSection { name: ".BTF_ids", bytes, alignment: 4 });
        }
        put_sections(module, &sections, &arguments.input)?;
    } else if let (Some(output), Some(base)) = (&arguments.output, &arguments.base_output) {
        atomic_write(base, |file| file.write_all(&distilled.base))?;
        atomic_write(output, |file| file.write_all(&distilled.split))?;
    }
    report(arguments, &input, &distilled)
}

fn report(arguments: &Arguments, input: &Input, distilled: &Distilled) -> crate::Outcome {
    let types = Btf::parse(&distilled.base[..])?.type_count();
    let own = input.btf.type_count();
    let all =
        Btf::parse_split(&distilled.split[..], Arc::new(Btf::parse(&distilled.base[..])?))?.type_count();
    let summary = Summary {
        bytes_before: input.source.btf.len(),
        bytes: distilled.split.len(),
        base_bytes: distilled.base.len(),
        base_types: types,
        types: all,
        copied: all - own,
        ambiguous: distilled.ambiguous.clone(),
    };
    for ambiguous in &summary.ambiguous {
        let (kind, name) = (ambiguous.kind, &ambiguous.name);
        anstream::eprintln!(
            "{WARNING}warning:{WARNING:#} {}: the base has several {kind} '{name}' of {} bytes; no kernel with as many \
             can tell which one is meant",
            input.name(),
            ambiguous.size
        );
    }
    if arguments.quiet {
        return Ok(());
    }
    if arguments.json {
        return crate::print(&(serde_json::to_string_pretty(&summary)? + "\n"));
    }
    crate::print(&format!(
        "{HEAD}{} bytes{HEAD:#} on the base, {} + {} on a distilled one\n  \
           base   {:>8} bytes  {:>7} types\n  \
           split  {:>8} bytes  {:>7} types, {} of them copies of what the base had\n",
        summary.bytes_before,
        summary.bytes,
        summary.base_bytes,
        summary.base_bytes,
        summary.base_types,
        summary.bytes,
        summary.types,
        summary.copied
    ))
}

const HEAD: anstyle::Style = anstyle::Style::new().bold();
const WARNING: anstyle::Style = anstyle::AnsiColor::Yellow.on_default().bold();
