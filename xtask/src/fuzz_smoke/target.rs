//! What broken inputs are fed to. Shared by `cargo xtask fuzz-smoke` and the targets in `fuzz/`.

#[path = "target/debugger.rs"]
mod debugger;
#[path = "target/parts.rs"]
mod parts;
#[path = "target/toolbox.rs"]
mod toolbox;

use std::sync::Arc;

use btfkit_btf::check::{self, Profile, Version, check, check_with};
use btfkit_btf::dedup::deduplicate;
use btfkit_btf::sanitize::sanitize;
use btfkit_btf::{Btf, Builder, declaration, order};
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
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "btf", folders: &["btf"], run: read_btf },
    Target { name: "header", folders: &["header"], run: parts::read_header },
    Target { name: "types", folders: &["types"], run: parts::read_types },
    Target { name: "strings", folders: &["strings"], run: parts::read_strings },
    Target { name: "split", folders: &["split"], run: parts::read_split },
    Target { name: "ext", folders: &["ext"], run: parts::read_ext },
    Target { name: "elf", folders: &["elf"], run: read_elf },
    Target { name: "dwarf", folders: &["dwarf"], run: encode_dwarf },
    Target { name: "dump", folders: &["dump"], run: debugger::read_dump },
    Target { name: "expression", folders: &["expression"], run: debugger::evaluate },
    Target { name: "kallsyms", folders: &["kallsyms"], run: debugger::read_symbols },
];

/// Feeds an input to the target of this name.
#[allow(dead_code)]
pub(crate) fn run(name: &str, input: &[u8]) -> bool {
    TARGETS.iter().filter(|target| target.name == name).any(|target| (target.run)(input))
}

/// The header of the sound BTF that the target `header` puts another one on.
pub(crate) fn header_of_sound() -> Vec<u8> {
    parts::sound()[..24].to_vec()
}

/// Checks a BTF, opens it alone and on itself, asks for everything in it, prints it, and does to it whatever can be done
/// to BTF.
pub(crate) fn read_btf(input: &[u8]) -> bool {
    let _ = (check(input, None, Profile::Vmlinux), check(input, None, Profile::Load));
    let Ok(btf) = Btf::parse(input) else { return false };
    ask(&btf);
    rewrite(&btf);
    for order in [order::by_name(&btf), order::leaves_first(&btf)].into_iter().flatten() {
        let _ = order::permute(&btf, &order);
    }
    toolbox::reshape(&btf);
    toolbox::keep_parts(&btf);
    let base = Arc::new(btf);
    if let Ok(split) = Btf::parse_split(input, Arc::clone(&base)) {
        ask(&split);
        toolbox::reshape(&split);
        toolbox::move_to(&split, base);
    }
    true
}

/// Writes it again, deduplicated, and for old kernels: those take what newer ones do.
fn rewrite(btf: &Btf<'_>) {
    assert!(Builder::from_btf(btf).finish().is_ok());
    let _ = deduplicate(btf);
    let clean = |data: &[u8], kernel| {
        check_with(
            data,
            btf.base(),
            &check::Options { kernel, limit: 1, ..check::Options::new(Profile::Vmlinux) },
        )
    };
    let was_clean = clean(btf.bytes(), Version::NEWEST).is_clean();
    for kernel in [Version::OLDEST, Version::new(5, 10, 0), Version::new(6, 1, 0)] {
        let Ok(done) = sanitize(btf, kernel) else { continue };
        let now = match btf.base() {
            Some(base) => Btf::parse_split(&done.bytes, base.clone()),
            None => Btf::parse(&done.bytes),
        };
        let now = now.expect("what is rewritten can be read");
        assert_eq!(now.type_count(), btf.type_count() + done.added, "ids stay");
        let report = clean(&done.bytes, kernel);
        // Before Linux 5.5 there are things that cannot be said in another way.
        let can_be_said = kernel > Version::OLDEST;
        assert!(!was_clean || !can_be_said || report.is_clean(), "{kernel}: {}", report.violations[0]);
    }
}

fn ask(btf: &Btf<'_>) {
    for ty in btf.types() {
        // The size of a broken BTF's type is an error, or not; asking is what matters.
        let _ = (btf.size_of(ty.id()), btf.skip_modifiers(ty.id()));
        ty.for_each_reference(|id| drop(btf.get(id)));
        let _ = declaration::define(btf, ty);
        let _ = (ty.name_str(), ty.members().count(), ty.enumerators().count(), ty.params().count());
        let _ =
            (ty.section_entries().count(), ty.array(), ty.int_encoding(), ty.linkage(), ty.component_index());
        assert!(
            btf.own_named(ty.name()).any(|other| other.id() == ty.id()),
            "a type is not found by its name"
        );
    }
    toolbox::show(btf);
    toolbox::lay_out(btf);
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
