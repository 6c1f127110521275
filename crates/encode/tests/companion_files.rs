//! Companion files as strip, objcopy, dwz and dwp make them.

mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use btfkit_encode::object::Object;
use btfkit_encode::object::companion::{Companions, Reason, Search};
use btfkit_encode::object::package::Package;
use toolchain::{path, run};

const PROGRAM: &str = "struct s { int a; } v; int main(void) { return v.a; }";
const ID: &str = "-Wl,--build-id=0xabcdef0102030405";

/// A program and its debug file; `options` are gcc's.
fn separate(directory: &Path, options: &[&str]) -> (PathBuf, PathBuf) {
    let full = toolchain::compile(PROGRAM, "full", directory, &[&["-g"], options].concat());
    let debug = directory.join("program.debug");
    let program = directory.join("program");
    run("objcopy", &["--only-keep-debug", path(&full), path(&debug)]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run("objcopy", &["--strip-debug", &link, path(&full), path(&program)]);
    (program, debug)
}

fn found(search: &Search) -> Option<&Path> {
    search.found.as_ref().map(Object::path)
}

#[test]
fn a_debug_file_is_found_by_build_id_under_each_root() {
    if !toolchain::have("gcc") || !toolchain::have("objcopy") {
        return;
    }
    let directory = toolchain::directory();
    let (program, debug) = separate(directory.path(), &[ID]);
    let root = directory.path().join("roots/second");
    let place = root.join(".build-id/ab/cdef0102030405.debug");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::rename(&debug, &place).unwrap();
    let program = Object::open(&program).unwrap();
    assert!(!program.has_debug_info());

    let first = directory.path().join("roots/first");
    let search = Companions::new(vec![first, root.clone()]).debug_file(&program);
    assert_eq!(found(&search), Some(&*place));
    assert!(search.found.as_ref().unwrap().has_debug_info());
    assert_eq!(search.rejected.len(), 1);

    // Another build at the same place is not taken.
    let other = toolchain::compile(PROGRAM, "other", directory.path(), &["-g", "-Wl,--build-id=0x01"]);
    fs::copy(&other, &place).unwrap();
    let search = Companions::new(vec![root]).debug_file(&program);
    assert_eq!(found(&search), None);
    assert!(matches!(search.rejected[0].reason, Reason::OtherBuildId), "{:?}", search.rejected);
}

#[test]
fn a_debug_file_is_found_by_its_link_and_verified_by_its_checksum() {
    if !toolchain::have("gcc") || !toolchain::have("objcopy") {
        return;
    }
    let directory = toolchain::directory();
    let (program, debug) = separate(directory.path(), &["-Wl,--build-id=none"]);
    let object = Object::open(&program).unwrap();
    assert_eq!(object.build_id(), None);
    let root = directory.path().join("root");
    let companions = Companions::new(vec![root.clone()]);
    assert_eq!(found(&companions.debug_file(&object)), Some(&*debug));

    let hidden = directory.path().join(".debug/program.debug");
    let mirrored = root.join(directory.path().strip_prefix("/").unwrap()).join("program.debug");
    let mut present = debug;
    for place in [hidden, mirrored] {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::rename(&present, &place).unwrap();
        assert_eq!(found(&companions.debug_file(&object)), Some(&*place));
        present = place;
    }

    let mut bytes = fs::read(&present).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&present, bytes).unwrap();
    let search = companions.debug_file(&object);
    assert_eq!(found(&search), None);
    assert!(matches!(search.rejected.last().unwrap().reason, Reason::OtherChecksum));
}

#[test]
fn a_link_to_the_file_itself_is_not_followed() {
    if !toolchain::have("gcc") || !toolchain::have("objcopy") {
        return;
    }
    let directory = toolchain::directory();
    let (program, _) = separate(directory.path(), &[ID]);
    let renamed = directory.path().join("program.debug");
    fs::rename(program, &renamed).unwrap();
    let search = Companions::new(Vec::new()).debug_file(&Object::open(&renamed).unwrap());
    assert_eq!(found(&search), None);
    assert!(matches!(search.rejected[0].reason, Reason::Itself), "{:?}", search.rejected);
}

#[test]
fn the_alternate_file_of_dwz_is_found_and_verified() {
    if !toolchain::have("gcc") || !toolchain::have("dwz") {
        return;
    }
    let directory = toolchain::directory();
    // dwz moves only what is worth it to the alternate file.
    let members: String = (0..60).map(|i| format!("struct part_{i} {{ int x, y; }} part_{i};")).collect();
    let source = format!("struct large {{ {members} }} large; int main(void) {{ return 0; }}");
    let one = toolchain::compile(&source, "one", directory.path(), &["-g"]);
    let two = directory.path().join("two");
    fs::copy(&one, &two).unwrap();
    let shared = directory.path().join("shared");
    run("dwz", &["-m", path(&shared), "-M", "shared", path(&one), path(&two)]);

    let object = Object::open(&one).unwrap();
    let companions = Companions::new(Vec::new());
    let search = companions.alternate_file(&object);
    assert_eq!(found(&search), Some(&*shared), "{:?}", search.rejected);
    assert!(search.found.unwrap().has_debug_info());

    // By a symbolic link in another directory: the path is relative to the file that the link leads to.
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&one, elsewhere.join("one")).unwrap();
    let object = Object::open(elsewhere.join("one")).unwrap();
    assert!(companions.alternate_file(&object).found.is_some());

    fs::copy(&two, &shared).unwrap();
    assert!(matches!(companions.alternate_file(&object).rejected[0].reason, Reason::OtherBuildId));
}

#[test]
fn split_units_and_their_package_are_found() {
    if !toolchain::have("gcc") || !toolchain::have("llvm-dwp") || !toolchain::have("readelf") {
        return;
    }
    let directory = toolchain::directory();
    let source = directory.path().join("unit.c");
    fs::write(&source, PROGRAM).unwrap();
    let object = directory.path().join("unit.o");
    run("gcc", &["-g", "-gsplit-dwarf", "-gdwarf-5", "-c", path(&source), "-o", path(&object)]);
    let program = directory.path().join("program");
    run("gcc", &[path(&object), "-o", path(&program)]);
    let split = directory.path().join("unit.dwo");

    let companions = Companions::new(Vec::new());
    let opened = Object::open(&program).unwrap();
    let compiled_in = directory.path().to_str().unwrap().as_bytes();
    assert_eq!(found(&companions.split_unit(&opened, compiled_in, b"unit.dwo")), Some(&*split));
    // The tree was moved: beside the program will do.
    let search = companions.split_unit(&opened, b"/no/such/directory", b"sub/unit.dwo");
    assert_eq!(found(&search), Some(&*split));
    assert!(search.found.unwrap().has_debug_info());
    assert!(companions.split_unit(&opened, compiled_in, b"none.dwo").found.is_none());

    assert!(companions.package_file(&opened).found.is_none());
    let package = directory.path().join("program.dwp");
    run("llvm-dwp", &["-e", path(&program), "-o", path(&package)]);
    let search = companions.package_file(&opened);
    assert_eq!(found(&search), Some(&*package));
    let file = search.found.unwrap();
    let package = Package::new(&file).unwrap();
    assert_eq!(package.counts().unwrap(), (1, 0));

    let printed = run("readelf", &["--debug-dump=info", path(&split)]);
    let id = printed.lines().find_map(|line| line.trim().strip_prefix("DWO ID:")).expect("a unit id");
    let id = u64::from_str_radix(id.trim().trim_start_matches("0x"), 16).unwrap();
    let contributions = package.unit(id).unwrap().expect("the unit");
    let info = contributions.iter().find(|part| part.name == "info.dwo").unwrap();
    let size = file.debug_section("info.dwo").unwrap().size;
    assert_eq!(info.range, 0..size);
    assert_eq!(package.unit(id ^ 1).unwrap(), None);
    assert!(Package::new(&opened).is_err());
}
