//! `btfkit layout`: structures as they lie in memory, shown as pahole shows them.
//!
//! Other fronts fill a [`Request`] and call [`run_with`]: `names` as pahole's `-C` lists them, one [`View`] for what is
//! printed, a [`Filter`] for which structures, a [`Style`] for how. [`Request::default`] shows all structures and unions
//! of the running kernel.

mod json;
mod listing;
mod text;
mod trailer;
mod type_name;
mod views;

use std::path::{Path, PathBuf};

use btfkit_btf::structure::Structures;
use clap::Args;

use crate::input::{self, Input};
use crate::selector::{self, Selector};
pub(crate) use listing::Filter;
pub(crate) use text::Style;

/// Show how structs and unions lie in memory: offsets, sizes, holes, cache lines
///
/// Laid out as pahole prints it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  btfkit layout task_struct                  of the running kernel
  btfkit layout 'struct inode' vmlinux       of a file: raw BTF or ELF
  btfkit layout --file vmlinux --holes=3     all with at least three holes
  btfkit layout list_head,rb_node vmlinux    several
  btfkit layout --contains mutex             names of all that have a member of this type
  btfkit layout --packable --sort vmlinux    what a better order of members would save
  btfkit layout --reorganize device vmlinux  that order")]
pub(crate) struct Arguments {
    /// Types to show: NAME, 'struct NAME' or an id; several with commas [default: all structs and unions with a name]
    #[arg(value_name = "TYPE")]
    name: Option<String>,
    /// Raw BTF, an ELF file with .BTF, or - for standard input [default: the running kernel's]
    #[arg(value_name = "FILE", conflicts_with = "input")]
    file: Option<PathBuf>,
    /// The same as FILE, when there is no TYPE
    #[arg(long = "file", value_name = "FILE")]
    input: Option<PathBuf>,
    /// The BTF that FILE is split on
    #[arg(long, value_name = "BASE")]
    base: Option<PathBuf>,

    /// Show the members of named structs too
    #[arg(short = 'E', long)]
    expand: bool,
    /// Offsets and sizes of members in hexadecimal
    #[arg(long)]
    hex: bool,
    /// Bytes of a cache line
    #[arg(short, long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    cacheline: u64,

    /// A table instead: name, size, holes
    #[arg(short, long, group = "view")]
    sizes: bool,
    /// A table instead: name, members
    #[arg(short, long, group = "view")]
    nr_members: bool,
    /// A table instead of what a better order of members would save: name, size, that size, bytes saved
    #[arg(short = 'P', long, group = "view")]
    packable: bool,
    /// Show a better order of the members, where there is one
    #[arg(short = 'R', long, group = "view")]
    reorganize: bool,
    /// With --reorganize: what to move, and the struct after each move
    #[arg(short = 'S', long, requires = "reorganize")]
    show_steps: bool,
    /// Names of the structs with a member of this type
    #[arg(short = 'i', long, group = "view", value_name = "TYPE", value_parser = selector::parse)]
    contains: Option<Selector>,
    /// Members that are pointers to this type
    #[arg(short = 'f', long, group = "view", value_name = "TYPE", value_parser = selector::parse)]
    pointers_to: Option<Selector>,
    /// A JSON object for each struct, one a line
    #[arg(long, group = "view")]
    json: bool,

    /// Only structs
    #[arg(long, conflicts_with = "unions")]
    structs: bool,
    /// Only unions
    #[arg(long)]
    unions: bool,
    /// Only with at least N holes
    #[arg(short = 'H', long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    holes: Option<u32>,
    /// Only names that begin so
    #[arg(short = 'y', long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Only names that do not begin so
    #[arg(short = 'x', long, value_name = "PREFIX")]
    exclude_prefix: Option<String>,
    /// Only structs that end in a flexible array
    #[arg(long)]
    with_flexible_array: bool,
    /// In the order of names
    #[arg(long)]
    sort: bool,
}

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Types to show; all structures and unions with a name when empty.
    pub(crate) names: Vec<Selector>,
    /// Of a name that several different types have, only the first, as pahole.
    pub(crate) first_of_name: bool,
    /// Where the BTF is; the running kernel's when none.
    pub(crate) file: Option<PathBuf>,
    /// The BTF that it is split on.
    pub(crate) base: Option<PathBuf>,
    pub(crate) view: View,
    pub(crate) filter: Filter,
    pub(crate) style: Style,
}

/// What is printed of the types.
#[derive(Clone, Debug, Default)]
pub(crate) enum View {
    /// They themselves.
    #[default]
    Bodies,
    /// Name, size, holes.
    Sizes { separator: char },
    /// Name, members.
    Members { separator: char },
    /// Name, size, size in a better order, bytes saved.
    Packable { separator: char },
    /// They themselves in a better order.
    Reorganized { steps: bool },
    /// Names of those that have a member of this type.
    Containing(Selector),
    /// Name and member of the pointers to this type.
    PointersTo(Selector),
    /// All about them, a JSON object a line.
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    run_with(&request(arguments))
}

fn request(arguments: &Arguments) -> Request {
    // `layout FILE` has no type: names of types have no place for a dot or a slash.
    let is_file = |name: &str| name == "-" || name.contains(['.', '/']) || Path::new(name).is_file();
    let mut names = arguments.name.clone();
    let mut file = arguments.file.clone().or_else(|| arguments.input.clone());
    if file.is_none() {
        file = names.take_if(|name| is_file(name)).map(PathBuf::from);
    }
    let parse = |name: &str| selector::parse(name).unwrap_or_else(|never| match never {});
    let separator = '\t';
    let view = match arguments {
        Arguments { sizes: true, .. } => View::Sizes { separator },
        Arguments { nr_members: true, .. } => View::Members { separator },
        Arguments { packable: true, .. } => View::Packable { separator },
        Arguments { reorganize: true, show_steps, .. } => View::Reorganized { steps: *show_steps },
        Arguments { contains: Some(target), .. } => View::Containing(target.clone()),
        Arguments { pointers_to: Some(target), .. } => View::PointersTo(target.clone()),
        Arguments { json: true, .. } => View::Json,
        _ => View::Bodies,
    };
    Request {
        names: names.iter().flat_map(|names| names.split(',')).map(parse).collect(),
        first_of_name: false,
        file,
        base: arguments.base.clone(),
        view,
        filter: Filter {
            structs: arguments.structs,
            unions: arguments.unions,
            holes: arguments.holes.unwrap_or(0),
            prefix: arguments.prefix.clone(),
            exclude_prefix: arguments.exclude_prefix.clone(),
            flexible_array: arguments.with_flexible_array,
            sort: arguments.sort,
            ..Filter::default()
        },
        style: Style { expand: arguments.expand, hex: arguments.hex, cacheline: arguments.cacheline },
    }
}

/// Prints what is asked for.
pub(crate) fn run_with(request: &Request) -> crate::Outcome {
    let file = request.file.as_deref().unwrap_or(Path::new(input::RUNNING));
    let input = Input::open(file, request.base.as_deref())?;
    let mut structures = Structures::new(&input.btf).with_cacheline(request.style.cacheline);
    let put = &mut |text: &str| crate::put(text.as_bytes());
    views::render(request, &mut structures, put)
}
