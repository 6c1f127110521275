//! `--in-place`: the file gets a section .BTF and stays what it is in all else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use btfkit_btf::{Btf, Kind};
use btfkit_encode::object::Object;

use super::{btfkit, compile, finish, path, program};

const PROGRAM: &str = "#include <stdio.h>\nstruct pair { int a, b; } pair = { 1, 2 };\n\
    int main(void) { printf(\"%d\\n\", pair.a + pair.b); return 0; }\n";

/// Name, kind, flags, address and content of each section but those that must change.
fn sections(file: &Path) -> Vec<(String, String, u64, Vec<u8>)> {
    let object = Object::open(file).unwrap();
    object
        .sections()
        .filter(|section| ![&b".BTF"[..], b".shstrtab", b""].contains(&section.name))
        .map(|section| {
            let name = String::from_utf8_lossy(section.name).into_owned();
            let content = if section.has_content() {
                object.raw_section_data(section.index).unwrap().to_vec()
            } else {
                Vec::new()
            };
            (
                name,
                format!("{:?} {:?} {}", section.kind, section.flags, section.alignment),
                section.address,
                content,
            )
        })
        .collect()
}

fn check(file: &Path) {
    let before = sections(file);
    btfkit(&["encode", path(file), "--in-place"]).fine();
    assert_eq!(sections(file), before);
    let readelf = Command::new("readelf").args(["-SW", path(file)]).output().expect("readelf");
    let listing = String::from_utf8_lossy(&readelf.stdout);
    assert!(readelf.status.success() && readelf.stderr.is_empty(), "{readelf:?}");
    assert!(listing.lines().any(|line| line.contains(" .BTF ") && line.contains("PROGBITS")), "{listing}");

    let object = Object::open(file).unwrap();
    let section = object.section_by_name(".BTF").unwrap();
    let btf = Btf::parse(object.section_data(section.index).unwrap().into_owned()).unwrap();
    assert!(btf.find(b"pair", Kind::Struct).is_some() && btf.find(b"pair", Kind::Var).is_some());

    let first = fs::read(file).unwrap();
    btfkit(&["encode", path(file), "--in-place"]).fine();
    assert_eq!(fs::read(file).unwrap().len(), first.len(), "a second run grows the file");
    btfkit(&["encode", path(file), "--in-place"]).fine();
    assert_eq!(sections(file), before);
}

#[test]
fn an_executable_gets_btf_and_still_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = compile(directory.path(), "program", PROGRAM, &["-g"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    check(&file);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o751);
    let output = Command::new(&file).output().unwrap();
    assert_eq!(output.stdout, b"3\n");
}

#[test]
fn an_object_gets_btf_and_still_links() {
    let directory = tempfile::tempdir().unwrap();
    let object = compile(directory.path(), "object.o", PROGRAM, &["-g", "-c"]);
    check(&object);
    let program = directory.path().join("linked");
    let status = Command::new("cc").arg(&object).arg("-o").arg(&program).status().unwrap();
    assert!(status.success());
    assert_eq!(Command::new(&program).output().unwrap().stdout, b"3\n");
}

#[test]
fn a_write_that_fails_leaves_the_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = compile(directory.path(), "object.o", PROGRAM, &["-g", "-c"]);
    let before = fs::read(&file).unwrap();
    // No file may grow beyond one block: what a full disk does, without one.
    let script = "ulimit -f 1; trap '' XFSZ; exec \"$0\" encode \"$1\" --in-place";
    let mut shell = Command::new("sh");
    let run = finish(shell.args(["-c", script, env!("CARGO_BIN_EXE_btfkit"), path(&file)]));
    run.fails_with(&["object.o", "cannot write"]);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "a temporary file was left behind");
}

#[test]
fn symbolic_links_lead_to_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = compile(directory.path(), "object.o", PROGRAM, &["-g", "-c"]);
    std::os::unix::fs::symlink("object.o", directory.path().join("link.o")).unwrap();
    finish(program().args(["encode", "link.o", "--in-place"]).current_dir(directory.path())).fine();
    assert!(fs::symlink_metadata(directory.path().join("link.o")).unwrap().is_symlink());
    assert!(Object::open(&file).unwrap().section_by_name(".BTF").is_some());
}
