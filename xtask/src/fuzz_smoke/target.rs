//! What broken inputs are fed to. Shared by `cargo xtask fuzz-smoke` and the targets in `fuzz/`.

use std::sync::Arc;

use btfkit_btf::check::{Profile, check};
use btfkit_btf::{Btf, order};
use btfkit_encode::object::Object;

/// A parser, and the folders of its seeds.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) folders: &'static [&'static str],
    pub(crate) run: fn(&[u8]),
}

/// All targets.
pub(crate) const TARGETS: [Target; 2] = [
    Target { name: "btf", folders: &["btf"], run: read_btf },
    Target { name: "elf", folders: &["elf", "dwarf"], run: read_elf },
];

/// Checks a BTF, opens it alone and on itself, asks for everything in it, and puts its types into another order.
pub(crate) fn read_btf(input: &[u8]) {
    let _ = (check(input, None, Profile::Vmlinux), check(input, None, Profile::Load));
    let Ok(btf) = Btf::parse(input) else { return };
    ask(&btf);
    for order in [order::by_name(&btf), order::leaves_first(&btf)].into_iter().flatten() {
        let _ = order::permute(&btf, &order);
    }
    if let Ok(split) = Btf::parse_split(input, Arc::new(btf)) {
        ask(&split);
    }
}

fn ask(btf: &Btf<'_>) {
    for ty in btf.types() {
        // The size of a broken BTF's type is an error, or not; asking is what matters.
        let _ = (btf.size_of(ty.id()), btf.skip_modifiers(ty.id()));
        ty.for_each_reference(|id| drop(btf.get(id)));
        let _ = (ty.name_str(), ty.members().count(), ty.enumerators().count(), ty.params().count());
        let _ =
            (ty.section_entries().count(), ty.array(), ty.int_encoding(), ty.linkage(), ty.component_index());
        assert!(
            btf.own_named(ty.name()).any(|other| other.id() == ty.id()),
            "a type is not found by its name"
        );
    }
}

/// Opens an ELF file and asks for every section, relocated and decompressed, and every symbol.
pub(crate) fn read_elf(input: &[u8]) {
    let Ok(object) = Object::from_bytes("input", input.to_vec()) else { return };
    for section in object.sections() {
        let _ = (
            object.raw_section_data(section.index),
            object.section_content(section.index),
            section.debug_name(),
        );
    }
    if let Ok(symbols) = object.symbols() {
        for symbol in symbols.iter() {
            let _ = (symbol.name(), symbol.is_defined());
        }
    }
    let _ = (object.segments(), object.build_id(), object.debug_link(), object.alternate_link());
    let _ = object.link_time_optimised();
}
