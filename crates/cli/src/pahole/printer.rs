//! pahole without `-J`: structures, printed.

use super::options::Verdict;
use super::parse::CommandLine;

/// Prints the types that the command line asks for.
pub(super) fn run(line: &CommandLine) -> crate::Outcome {
    // Here `btfkit layout` is to be called.
    let asked = line.options.iter().find(|(entry, _)| entry.verdict == Verdict::Printer);
    let what = match (asked, line.operands.first()) {
        (Some((entry, _)), _) => format!("--{}", entry.name),
        (None, Some(name)) => name.clone(),
        (None, None) => "no option -J".to_owned(),
    };
    Err(format!("{what}: types are not printed by this program; it encodes, with -J").into())
}
