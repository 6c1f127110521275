//! Side files: what the base places already is not said again; what they were made of is.

use btfkit_btf::provenance::{Checksum, Provenance, hexadecimal};
use btfkit_btf::{Btf, Kind};
use hashbrown::HashSet;

use crate::names::Names;
use crate::object::Object;
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

/// What a side file made of `object`, on `base`, says of both.
pub fn provenance(object: &Object, base: &Btf<'_>) -> Provenance {
    Provenance {
        build_id: object.build_id().map(hexadecimal),
        module: module_name(object),
        base: Some(Checksum::of_btf(base.bytes())),
    }
}

/// The name of the module that an object is: as `.modinfo` has it, or, where debug information was put into a file of its own,
/// that of the file with `_` for `-`. `None` for a kernel.
fn module_name(object: &Object) -> Option<String> {
    let section = object.section_by_name(".modinfo");
    let is_module = object.section_by_name(".gnu.linkonce.this_module").is_some();
    let content = section.and_then(|section| object.section_data(section.index).ok());
    let lines = content.as_deref().unwrap_or_default();
    // A kernel's own lines begin with the name of what was built in.
    let named = lines.split(|&byte| byte == 0).find_map(|line| line.strip_prefix(b"name="));
    if let Some(name) = named {
        return Some(String::from_utf8_lossy(name).into_owned());
    }
    let file = object.path().file_name().filter(|_| is_module)?.to_string_lossy().into_owned();
    Some(file.split('.').next()?.replace('-', "_"))
}
