//! What broken inputs are fed to. Shared by `cargo xtask fuzz-smoke` and the targets in `fuzz/`.

use std::sync::Arc;

use btfkit_btf::check::{Profile, check};
use btfkit_btf::structure::{Structure, Structures};
use btfkit_btf::{Btf, order};
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Options, encode};

/// A parser, and the folders of its seeds.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) folders: &'static [&'static str],
    /// Feeds it an input; tells whether that was accepted.
    pub(crate) run: fn(&[u8]) -> bool,
}

/// All targets.
pub(crate) const TARGETS: [Target; 3] = [
    Target { name: "btf", folders: &["btf"], run: read_btf },
    Target { name: "elf", folders: &["elf"], run: read_elf },
    Target { name: "dwarf", folders: &["dwarf"], run: encode_dwarf },
];

/// Checks a BTF, opens it alone and on itself, asks for everything in it, and puts its types into another order.
pub(crate) fn read_btf(input: &[u8]) -> bool {
    let _ = (check(input, None, Profile::Vmlinux), check(input, None, Profile::Load));
    let Ok(btf) = Btf::parse(input) else { return false };
    ask(&btf);
    for order in [order::by_name(&btf), order::leaves_first(&btf)].into_iter().flatten() {
        let _ = order::permute(&btf, &order);
    }
    if let Ok(split) = Btf::parse_split(input, Arc::new(btf)) {
        ask(&split);
    }
    true
}

fn ask(btf: &Btf<'_>) {
    let mut structures = Structures::new(btf);
    for ty in btf.types() {
        let better = structures.get(ty.id()).and_then(Structure::repack);
        assert!(better.is_none_or(|better| better.saved > 0), "an order that saves nothing is not better");
    }
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
pub(crate) fn read_elf(input: &[u8]) -> bool {
    let Ok(object) = Object::from_bytes("input", input.to_vec()) else { return false };
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
    true
}

/// Encodes an object on one thread with everything asked for; what comes out passes the kernel's rules.
pub(crate) fn encode_dwarf(input: &[u8]) -> bool {
    read_elf(input);
    let Ok(object) = Object::from_bytes("input", input.to_vec()) else { return false };
    let options = Options { threads: 1, function_statics: true, ..Options::default() };
    let Ok(encoded) = encode(&object, &options, &Companions::new(Vec::new()), &|_, _| {}) else {
        return false;
    };
    let report = check(&encoded.bytes, None, Profile::Vmlinux);
    assert!(report.is_clean(), "a kernel would refuse what was encoded: {}", report.violations[0]);
    true
}
