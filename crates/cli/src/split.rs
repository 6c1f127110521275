//! `btfkit split`: the variables of a BTF in one of their own, split on the rest.

use std::fmt::Write;
use std::path::PathBuf;

use btfkit_btf::split::variables;
use btfkit_btf::{Btf, Kind};
use clap::Args;
use serde::Serialize;

use crate::input::Input;
use crate::output;

/// Take the variables out of a BTF, into one that is split on the rest
///
/// With variables go their sections, and types without a name that only they need. Joined again by
/// "btfkit merge EXTRA --base BASE --flatten", the two mean what the whole did.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit split vmlinux.btf -o vars.btf --base-output lean.btf\n  \
    btfkit split vmlinux.btf --percpu -o vars.btf --base-output types.btf")]
pub(crate) struct Arguments {
    /// Raw BTF, an ELF file, or "-"
    file: PathBuf,

    /// Write the variables to this file: BTF that is split on the rest
    #[arg(short, long, value_name = "EXTRA")]
    output: PathBuf,

    /// Write the rest to this file: what EXTRA is split on. It is the whole BTF without variables, not the input
    #[arg(long, value_name = "BASE")]
    base_output: Option<PathBuf>,

    /// Take out per-CPU variables, too
    #[arg(long)]
    percpu: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Debug, Serialize)]
struct Part {
    bytes: usize,
    types: u32,
    variables: usize,
    sections: usize,
}

#[derive(Debug, Serialize)]
struct Summary {
    whole: Part,
    base: Part,
    extra: Part,
}

impl Part {
    fn of(btf: &Btf<'_>) -> Self {
        let count = |kind| btf.types().filter(|ty| ty.kind() == kind).count();
        Self {
            bytes: btf.bytes().len(),
            types: btf.type_count(),
            variables: count(Kind::Var),
            sections: count(Kind::DataSec),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let input = Input::open(&arguments.file, None)?;
    if input.btf.base().is_some() {
        return Err(format!(
            "{}: is split BTF already; flatten it first (btfkit merge --flatten)",
            input.name()
        )
        .into());
    }
    let split = variables(&input.btf, arguments.percpu);
    let split = split.map_err(|error| format!("{}: {error}", input.name()))?;
    let base = std::sync::Arc::new(Btf::parse(split.base)?);
    let extra = Btf::parse_split(split.extra, base.clone())?;
    if let Some(path) = &arguments.base_output {
        output::write_raw(path, base.bytes())?;
    }
    output::write_raw(&arguments.output, extra.bytes())?;
    let summary = Summary { whole: Part::of(&input.btf), base: Part::of(&base), extra: Part::of(&extra) };
    let text = if arguments.json {
        serde_json::to_string_pretty(&summary)? + "\n"
    } else if arguments.quiet {
        return Ok(());
    } else {
        let mut text = String::new();
        for (name, part) in [("whole", &summary.whole), ("base", &summary.base), ("extra", &summary.extra)] {
            let Part { bytes, types, variables, sections } = part;
            let _ = writeln!(
                text,
                "{name:<6} {bytes:>9} bytes, {types:>7} types; {variables} variables in {sections} sections"
            );
        }
        text
    };
    output::say(Some(&arguments.output), &text)
}
