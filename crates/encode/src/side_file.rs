//! Side files: what the base places already is not said again.

use btfkit_btf::{Btf, Kind};
use hashbrown::HashSet;

use crate::names::Names;
use crate::symbols::DataSymbols;
use crate::variables::Selection;

/// Takes out the variables that `base` has at the same place of a section of the same name: kernels have their per-CPU
/// variables in their own BTF, where BPF programs look for them.
pub fn leave_to_base(selection: &mut Selection, base: &Btf<'_>, names: &Names<'_>, data: &DataSymbols) {
    let (placed, named) = (placed(base), named(base));
    if named.is_empty() {
        return;
    }
    selection.variables.retain(|variable| {
        // Another name for a place that is taken, or a label: kernels have such per-CPU variables in their own BTF.
        let Some(place) = variable.place else { return !named.contains(names.bytes(variable.name)) };
        let Some(section) = data.section(place.section) else { return true };
        !placed.contains(&(&section.name[..], names.bytes(variable.name), place.offset))
    });
}

/// (section, variable, offset) of all that a BTF and its bases place.
fn placed<'b>(base: &'b Btf<'_>) -> HashSet<(&'b [u8], &'b [u8], u64)> {
    let mut placed = HashSet::new();
    let mut level = Some(base);
    while let Some(btf) = level {
        for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            for entry in section.section_entries() {
                if let Ok(variable) = btf.get(entry.variable) {
                    placed.insert((section.name(), variable.name(), u64::from(entry.offset)));
                }
            }
        }
        level = btf.base().map(|base| &**base);
    }
    placed
}

/// The names of all variables of a BTF and its bases.
fn named<'b>(base: &'b Btf<'_>) -> HashSet<&'b [u8]> {
    let mut named = HashSet::new();
    let mut level = Some(base);
    while let Some(btf) = level {
        named.extend(btf.types().filter(|ty| ty.kind() == Kind::Var).map(btfkit_btf::Type::name));
        level = btf.base().map(|base| &**base);
    }
    named
}
