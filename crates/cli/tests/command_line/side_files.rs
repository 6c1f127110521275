//! `btfkit debug --btf`: side files for the demo's dump, and such as were made for something else.

use std::sync::Arc;

use btfkit_btf::provenance::{Checksum, Provenance};
use btfkit_btf::{Btf, Builder, Linkage};
use btfkit_kernel::{Kernel, Options};
use btfkit_vmcore::Dump;

use super::{btfkit, path};

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/crash.kdump");

/// The kernel's BTF, the build ID that VMCOREINFO has, and the name of data that assembler made, which has no type.
fn kernel() -> (Arc<Btf<'static>>, String, String) {
    let kernel = Kernel::new(Dump::open(&[DUMP]).unwrap(), Options::default());
    let info = kernel.memory().dump().vmcoreinfo().unwrap();
    let id = info.text().lines().find_map(|line| line.strip_prefix("BUILD-ID=")).unwrap();
    let symbols = kernel.symbols().unwrap();
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut data = symbols.iter().filter(|symbol| matches!(symbol.kind, 'd' | 'D') && is_plain(symbol.name));
    let untyped = data.find(|symbol| {
        kernel.variables(symbol.name).next().is_none() && symbols.named(symbol.name).count() == 1
    });
    (kernel.types().unwrap().vmlinux().clone(), id.to_owned(), untyped.unwrap().name.to_owned())
}

/// A side file of one variable of type `int`, that says this of itself.
fn side_file(base: &Arc<Btf<'static>>, variable: &str, told: &Provenance) -> Vec<u8> {
    let int = base.find(b"int", btfkit_btf::Kind::Int).unwrap().id();
    let mut builder = Builder::split(base.clone());
    let name = builder.string(variable.as_bytes());
    let variable = builder.variable(name, int, Linkage::Static);
    for tag in told.tags() {
        let tag = builder.string(&tag);
        builder.decl_tag(tag, variable, -1);
    }
    builder.finish().unwrap()
}

#[test]
fn a_side_file_is_taken_for_the_kernel_that_it_was_made_for_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("side.btf");
    let (base, id, untyped) = kernel();
    let size = format!("sizeof({untyped})");
    let checksum = Checksum::of_btf(base.bytes());
    let right = Provenance { build_id: Some(id.clone()), module: None, base: Some(checksum) };
    let debug = |told: &Provenance, variable: &str, expression: &str| {
        std::fs::write(&file, side_file(&base, variable, told)).unwrap();
        btfkit(&["debug", DUMP, "--btf", path(&file), "-e", expression])
    };
    btfkit(&["debug", DUMP, "-e", &size]).fails_with(&["has no size"]);
    for told in [&right, &Provenance::default(), &Provenance { build_id: None, ..right.clone() }] {
        assert_eq!(debug(told, &untyped, &size).fine(), "4\n", "{told:?}");
    }
    let other = "0123456789abcdef0123456789abcdef01234567".to_owned();
    debug(&Provenance { build_id: Some(other.clone()), ..right.clone() }, "_edata", "1")
        .fails_with(&["side.btf", &other, &id]);
    let elsewhere = Checksum { crc: 1, length: 2 };
    let own = format!("{} {}", checksum.crc, checksum.length);
    for build_id in [None, Some(id.clone())] {
        let told = Provenance { build_id, base: Some(elsewhere), ..right.clone() };
        debug(&told, "_edata", "1").fails_with(&["whose cksum is 1 2", &own]);
    }
    // A module that is not loaded; one that is has its own build ID, and its own symbols.
    let module =
        |name: &str, build_id| Provenance { build_id, module: Some(name.into()), base: Some(checksum) };
    debug(&module("nfs", None), "x", "1").fails_with(&["module nfs, which is not loaded"]);
    debug(&module("loop", Some(other.clone())), "x", "1").fails_with(&["was made of a loop", &other]);
    let run = debug(&module("loop", None), "max_loop", "/x &loop:max_loop");
    let symbol = btfkit(&["debug", DUMP, "-c", "sym max_loop"]).fine();
    assert!(symbol.starts_with(run.fine().trim().trim_start_matches("0x")), "{symbol}");
}

#[test]
fn a_side_file_that_says_nothing_of_itself_is_judged_by_what_it_refers_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("side.btf");
    // On another base: ids and names are those of somewhere else.
    let mut builder = Builder::new(btfkit_btf::ByteOrder::Little);
    let name = builder.string(b"int");
    builder.int(name, 4, btfkit_btf::IntEncoding::signed(32));
    let base = Arc::new(Btf::parse(builder.finish().unwrap()).unwrap());
    std::fs::write(&file, side_file(&base, "_edata", &Provenance::default())).unwrap();
    btfkit(&["debug", DUMP, "--btf", path(&file), "-e", "1"])
        .fails_with(&["side.btf", "not made for this kernel"]);
}
