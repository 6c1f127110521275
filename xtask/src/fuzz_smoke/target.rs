//! What broken inputs are fed to.

use btfkit_btf::Btf;

/// A parser, and the folder of its seeds.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) folder: &'static str,
    pub(crate) run: fn(&[u8]),
}

pub(crate) const TARGETS: [Target; 1] = [Target { folder: "btf", run: read_btf }];

/// Opens a BTF and asks for everything in it.
fn read_btf(input: &[u8]) {
    let Ok(btf) = Btf::parse(input) else { return };
    for ty in btf.types() {
        // The sizes of a broken BTF's types are errors, or not; asking is what matters.
        let _ = btf.size_of(ty.id());
        let _ = btf.skip_modifiers(ty.id());
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
