//! `btfkit diff`: what two BTFs mean differently.

use std::path::PathBuf;

use btfkit_btf::diff::{Breaks, Diff, Difference, Status, Subject, compare};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::input::Input;
use crate::selector::{self, Selector};

mod text;

/// Compare two BTFs by meaning: types, functions and variables that came, went or changed
///
/// Types are compared by kind and name, functions and variables by name; ids, order and spelling play no part.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit diff old.btf new.btf\n  \
    btfkit diff vmlinux-6.1 vmlinux-6.12 'struct sk_buff' vfs_read\n  \
    btfkit diff vmlinux-6.1 /sys/kernel/btf/vmlinux --kinds functions --json\n  \
    btfkit diff old.ko new.ko --base-a old.btf --base-b new.btf --abi=module")]
pub(crate) struct Arguments {
    /// The older BTF: raw, an ELF file, or "-"
    a: PathBuf,

    /// The newer BTF
    b: PathBuf,

    /// Only what has one of these names ("task_struct", "struct sk_buff", "func vfs_read")
    #[arg(value_name = "NAME", value_parser = selector::parse)]
    names: Vec<Selector>,

    /// The BTF that A is split on
    #[arg(long, value_name = "FILE")]
    base_a: Option<PathBuf>,

    /// The BTF that B is split on
    #[arg(long, value_name = "FILE")]
    base_b: Option<PathBuf>,

    /// Only these
    #[arg(long, value_enum, value_name = "KIND,…", value_delimiter = ',')]
    kinds: Vec<Kinds>,

    /// Only what breaks those who were built against A; exit code 1 if anything does
    #[arg(long, value_enum, value_name = "WHOM", num_args = 0..=1, require_equals = true,
          default_missing_value = "any")]
    abi: Option<Abi>,

    /// Exit code 1 if anything differs
    #[arg(long)]
    exit_code: bool,

    /// Print the counts only
    #[arg(long, conflicts_with = "json")]
    summary: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kinds {
    /// Structures, unions, enumerations and typedefs
    Types,
    Functions,
    Variables,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Abi {
    /// BPF programs, relocated by names
    Core,
    /// Modules, compiled with the layout built in
    Module,
    /// Either
    Any,
}

impl Abi {
    fn whom(self) -> fn(Breaks) -> bool {
        match self {
            Self::Core => |breaks| breaks.core,
            Self::Module => |breaks| breaks.module,
            Self::Any => Breaks::any,
        }
    }
}

/// How many came, went and changed.
#[derive(Debug, Default, Serialize)]
struct Count {
    added: usize,
    removed: usize,
    changed: usize,
}

#[derive(Debug, Serialize)]
struct Counts {
    types: Count,
    functions: Count,
    variables: Count,
    /// How many differences break a BPF program, and a module.
    breaks_core: usize,
    breaks_module: usize,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    a: &'a str,
    b: &'a str,
    summary: Counts,
    #[serde(flatten)]
    diff: &'a Diff,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let a = Input::open(&arguments.a, arguments.base_a.as_deref())?;
    let b = Input::open(&arguments.b, arguments.base_b.as_deref())?;
    let wanted = names(arguments, &a, &b)?;
    let compared = compare(&a.btf, &b.btf);
    let mut diff = compared.map_err(|error| format!("{} and {}: {error}", a.name(), b.name()))?;
    diff.retain(|difference| {
        let kind = match difference.subject {
            Subject::Function => Kinds::Functions,
            Subject::Variable => Kinds::Variables,
            _ => Kinds::Types,
        };
        (arguments.kinds.is_empty() || arguments.kinds.contains(&kind))
            && (wanted.is_empty() || wanted.iter().any(|name| name.is(difference)))
    });
    if let Some(abi) = arguments.abi {
        diff.retain_breaking(abi.whom());
    }
    let counts = count(&diff);
    let text = if arguments.json {
        let document = Document { a: a.name(), b: b.name(), summary: counts, diff: &diff };
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        let list = if arguments.summary { String::new() } else { text::list(&diff, arguments.abi.is_some()) };
        list + &text::summary(&counts, arguments.abi.is_some())
    };
    crate::print(&text)?;
    if (arguments.abi.is_some() || arguments.exit_code) && !diff.is_empty() {
        return Err(crate::No.into());
    }
    Ok(())
}

fn count(diff: &Diff) -> Counts {
    let of = |list: &[Difference]| {
        let of = |status| list.iter().filter(|difference| difference.status == status).count();
        Count { added: of(Status::Added), removed: of(Status::Removed), changed: of(Status::Changed) }
    };
    Counts {
        types: of(&diff.types),
        functions: of(&diff.functions),
        variables: of(&diff.variables),
        breaks_core: diff.all().filter(|difference| difference.breaks.core).count(),
        breaks_module: diff.all().filter(|difference| difference.breaks.module).count(),
    }
}

/// A name that is asked for.
struct Wanted {
    subjects: Vec<Subject>,
    name: String,
}

impl Wanted {
    fn is(&self, difference: &Difference) -> bool {
        difference.name == self.name && self.subjects.contains(&difference.subject)
    }
}

/// The names that are asked for: each is there on one side at least.
fn names(arguments: &Arguments, a: &Input, b: &Input) -> Result<Vec<Wanted>, String> {
    let mut wanted = Vec::new();
    for selector in &arguments.names {
        let Selector::Name { name, .. } = selector else {
            return Err(format!(
                "{selector}: two BTFs are compared by name, their ids have nothing in common"
            ));
        };
        let found = [a, b].map(|input| selector.find(&input.btf).unwrap_or_default());
        if found.iter().all(Vec::is_empty) {
            return Err(format!("{selector}: neither {} nor {} has it", a.name(), b.name()));
        }
        let subjects = found.iter().flatten().filter_map(|ty| subject(ty.kind())).collect();
        wanted.push(Wanted { subjects, name: name.clone() });
    }
    Ok(wanted)
}

fn subject(kind: btfkit_btf::Kind) -> Option<Subject> {
    use btfkit_btf::Kind;
    Some(match kind {
        Kind::Int | Kind::Float => Subject::Basic,
        Kind::Struct => Subject::Struct,
        Kind::Union => Subject::Union,
        Kind::Enum | Kind::Enum64 => Subject::Enum,
        Kind::Typedef => Subject::Typedef,
        Kind::Func => Subject::Function,
        Kind::Var => Subject::Variable,
        _ => return None,
    })
}
