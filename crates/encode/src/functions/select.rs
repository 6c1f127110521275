//! All that DWARF says about the functions of one name, and the verdict.

use serde::Serialize;

use super::examine::{
    ASSEMBLER, DECLARED, FunctionState, NOCALL, OPTIMIZED, REORDERED, UNCERTAIN_LOCATION, UNEXPECTED_REGISTER,
};
use super::prototype::{same_declaration, same_prototype};
use super::{FunctionSymbols, Suffix};
use crate::names::{Name, Names};
use crate::record::{Kind, RecordId, RecordTable, head};
use crate::render;

/// Whether a function is in the output, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is.
    Kept,
    /// A parameter arrives in another register than the calling convention says.
    UnexpectedRegister,
    /// Functions of this name have different prototypes.
    InconsistentPrototype,
    /// A packed struct among the parameters on the stack makes their places uncertain.
    UncertainLocation,
    /// The compiler changed the order of the parameters.
    ReorderedParameters,
    /// The compiler removed parameters, or the function does not follow the calling convention.
    OptimizedParameters,
    /// Symbols of this name have several addresses.
    AmbiguousAddress,
    /// Written in assembler, and no C declaration gives its prototype.
    NoPrototype,
}

impl Verdict {
    /// What to tell a person.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::UnexpectedRegister => "a parameter is not in the register of the calling convention",
            Self::InconsistentPrototype => "functions of this name have different prototypes",
            Self::UncertainLocation => {
                "a packed struct on the stack makes the places of parameters uncertain"
            }
            Self::ReorderedParameters => "the compiler reordered the parameters",
            Self::OptimizedParameters => "the compiler removed parameters",
            Self::AmbiguousAddress => "symbols of this name have several addresses",
            Self::NoPrototype => "written in assembler, and no C declaration gives its prototype",
        }
    }
}

/// What became of the functions of one name.
#[derive(Debug, Clone, Copy)]
pub struct FunctionChoice {
    /// The key of the name.
    pub key: u32,
    /// The name in the output.
    pub name: Name,
    /// In, or why not.
    pub verdict: Verdict,
    /// The prototype, if kept.
    pub prototype: RecordId,
    /// The unit whose meaning of names the prototype has.
    pub unit: u32,
    /// Index of the state that was chosen.
    pub state: u32,
}

/// Judges each name. `states` are sorted by key here; the outcome depends on what they say alone, not on their order.
/// Without `consistent`, several prototypes of one name are no reason to leave it out.
pub fn select(
    states: &mut [FunctionState],
    symbols: &FunctionSymbols,
    table: &RecordTable,
    names: &Names<'_>,
    consistent: bool,
) -> Vec<FunctionChoice> {
    states.sort_unstable_by_key(|state| (state.key, state.unit, state.node));
    let mut choices = Vec::with_capacity(symbols.len());
    let mut first = 0;
    for group in states.chunk_by(|a, b| a.key == b.key) {
        if let Some(choice) = judge(group, first, symbols, table, names, consistent) {
            choices.push(choice);
        }
        first += group.len() as u32;
    }
    choices
}

fn judge(
    group: &[FunctionState],
    first: u32,
    symbols: &FunctionSymbols,
    table: &RecordTable,
    names: &Names<'_>,
    only_consistent: bool,
) -> Option<FunctionChoice> {
    let key = group[0].key;
    let (name, places) = symbols.group(key);
    let mut choice = FunctionChoice {
        key,
        name,
        verdict: Verdict::Kept,
        prototype: RecordId::VOID,
        unit: 0,
        state: first,
    };
    let defined = |state: &&FunctionState| state.flags & (DECLARED | ASSEMBLER) == 0;
    let symbol_of = |state: &FunctionState| {
        let entry = state.entry?;
        places.iter().find(|symbol| {
            symbol.section != 0
                && symbol.value == entry.value
                && entry.section.is_none_or(|section| section.0 == symbol.section)
        })
    };
    let changed = |state: &FunctionState| {
        state.flags & OPTIMIZED != 0
            && (state.flags & NOCALL != 0
                || symbol_of(state).is_some_and(|symbol| symbol.suffix == Suffix::ChangedParameters))
    };
    let prefer = |a: &FunctionState, b: &FunctionState, table: &RecordTable| {
        let rank = |state: &FunctionState| match symbol_of(state) {
            Some(_) if !changed(state) => 0,
            Some(_) => 1,
            None => 2,
        };
        rank(a).cmp(&rank(b)).then_with(|| {
            if a.prototype == b.prototype {
                return std::cmp::Ordering::Equal;
            }
            render::content(table, names, a.prototype).cmp(&render::content(table, names, b.prototype))
        })
    };

    let canonical =
        group.iter().enumerate().filter(|(_, state)| defined(state)).min_by(|a, b| prefer(a.1, b.1, table));
    let Some((index, canonical)) = canonical else {
        if group.iter().all(|state| state.flags & ASSEMBLER == 0) {
            return None; // nothing but declarations
        }
        let declared = group.iter().enumerate().filter(|(_, state)| state.flags & DECLARED != 0);
        let Some((index, state)) = declared.min_by(|a, b| prefer(a.1, b.1, table)) else {
            choice.verdict = Verdict::NoPrototype;
            return Some(choice);
        };
        (choice.prototype, choice.unit, choice.state) = (state.prototype, state.unit, first + index as u32);
        let same = |other: &FunctionState| same_declaration(table, state.prototype, other.prototype);
        if only_consistent && !group.iter().filter(|state| state.flags & DECLARED != 0).all(same) {
            choice.verdict = Verdict::InconsistentPrototype;
        } else if is_ambiguous(symbols, key) {
            choice.verdict = Verdict::AmbiguousAddress;
        }
        return Some(choice);
    };
    (choice.prototype, choice.unit, choice.state) =
        (canonical.prototype, canonical.unit, first + index as u32);
    let all = group.iter().filter(defined).fold(0, |flags, state| flags | state.flags);
    let consistent =
        group.iter().filter(defined).all(|state| same_prototype(table, canonical.prototype, state.prototype));
    // What the compiler did to one function also makes its entries differ from each other: it is told first.
    choice.verdict = if all & UNEXPECTED_REGISTER != 0 {
        Verdict::UnexpectedRegister
    } else if all & UNCERTAIN_LOCATION != 0 {
        Verdict::UncertainLocation
    } else if all & REORDERED != 0 {
        Verdict::ReorderedParameters
    } else if changed(canonical) {
        Verdict::OptimizedParameters
    } else if only_consistent && !consistent {
        Verdict::InconsistentPrototype
    } else if is_ambiguous(symbols, key) {
        Verdict::AmbiguousAddress
    } else {
        Verdict::Kept
    };
    Some(choice)
}

/// Puts functions that the compiler changed in place of what the source says about them. `states` are sorted, as
/// [`select`] leaves them.
pub fn true_signatures(
    choices: &mut [FunctionChoice],
    states: &[FunctionState],
    symbols: &FunctionSymbols,
    table: &mut RecordTable,
    names: &Names<'_>,
) {
    for choice in choices {
        let first = states.partition_point(|state| state.key < choice.key);
        let count = states[first..].partition_point(|state| state.key == choice.key);
        let group = &states[first..first + count];
        if let Some(changed) = true_signature(group, first as u32, symbols, table, names) {
            *choice = changed;
        }
    }
}

/// Have the symbols of this name several places?
fn is_ambiguous(symbols: &FunctionSymbols, key: u32) -> bool {
    let (_, places) = symbols.group(key);
    let mut defined = places.iter().filter(|symbol| symbol.section != 0);
    let Some(first) = defined.next() else { return false };
    defined.any(|symbol| (symbol.section, symbol.value) != (first.section, first.value))
}

/// The function as the compiler left it, under the name that says so (`foo.isra.0`), without the parameters that
/// are not passed.
fn true_signature(
    group: &[FunctionState],
    first: u32,
    symbols: &FunctionSymbols,
    table: &mut RecordTable,
    names: &Names<'_>,
) -> Option<FunctionChoice> {
    let key = group[0].key;
    let (_, places) = symbols.group(key);
    let mut best: Option<(usize, Name)> = None;
    for (index, state) in group.iter().enumerate() {
        let Some(entry) = state.entry else { continue };
        let symbol = places.iter().find(|symbol| {
            symbol.suffix != Suffix::None
                && symbol.value == entry.value
                && entry.section.is_none_or(|section| section.0 == symbol.section)
        });
        let Some(symbol) = symbol else { continue };
        if state.flags & (UNEXPECTED_REGISTER | UNCERTAIN_LOCATION | DECLARED | ASSEMBLER) != 0 {
            continue;
        }
        if best.is_none_or(|(_, name)| names.bytes(symbol.name) < names.bytes(name)) {
            best = Some((index, symbol.name));
        }
    }
    let (index, name) = best?;
    let state = &group[index];
    let record = table.get(state.prototype);
    let mut words = vec![head(Kind::Function, 0), record.words[0]];
    let (parameters, _) = record.words[1..].as_chunks::<2>();
    for (position, parameter) in parameters.iter().enumerate() {
        if position >= 64 || state.dropped >> position & 1 == 0 {
            words.extend(parameter);
        }
    }
    let prototype = table.intern(&words);
    let state_index = first + index as u32;
    Some(FunctionChoice {
        key,
        name,
        verdict: Verdict::Kept,
        prototype,
        unit: state.unit,
        state: state_index,
    })
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn the_manual_lists_each_reason() {
        let manual = include_str!("../../../../docs/encode.md");
        for verdict in [
            Verdict::UnexpectedRegister,
            Verdict::InconsistentPrototype,
            Verdict::UncertainLocation,
            Verdict::ReorderedParameters,
            Verdict::OptimizedParameters,
            Verdict::AmbiguousAddress,
            Verdict::NoPrototype,
        ] {
            assert!(manual.contains(verdict.reason()), "docs/encode.md does not have {:?}", verdict.reason());
        }
    }
}
