//! `btfkit sort`: the types of a BTF in another order.

use std::path::PathBuf;

use btfkit_btf::order;
use clap::{Args, ValueEnum};

use crate::input::Input;
use crate::output::Destination;

/// Write the types of a BTF in another order
///
/// References and the .BTF.ext of a BPF object follow; strings are written in the order of their use.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit sort vmlinux.btf -o sorted.btf --id-map ids\n  \
    btfkit sort prog.bpf.o --by leaves --in-place")]
pub(crate) struct Arguments {
    /// Raw BTF, an ELF file, or "-"
    file: PathBuf,

    /// The BTF that it is split on
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// The order
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    by: By,

    #[command(flatten)]
    destination: Destination,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum By {
    /// Name, then kind, then content: readers can search by name
    #[default]
    Name,
    /// What a type is made of before the type: long chains of types can be loaded
    Leaves,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    if !arguments.destination.is_given() {
        return Err("nothing to write to: give -o FILE or --in-place".into());
    }
    let input = Input::open(&arguments.file, arguments.base.as_deref())?;
    let order = match arguments.by {
        By::Name => order::by_name(&input.btf),
        By::Leaves => order::leaves_first(&input.btf),
    };
    let permuted = order.and_then(|order| order::permute(&input.btf, &order));
    let permuted = permuted.map_err(|error| format!("{}: {error}", input.name()))?;
    arguments.destination.write(&input, permuted.bytes, &permuted.ids)?;
    Ok(())
}
