//! What `extra-module` checks and writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfkit_btf::provenance::Provenance;

use super::{btfkit, compile, kernel, path};

/// The BTF of the demo's kernel without variables, and a side file with them.
fn base_and_side_file(directory: &Path) -> (PathBuf, PathBuf) {
    let (base, side) = (directory.join("base.btf"), directory.join("vars.btf"));
    btfkit(&["encode", kernel(), "--vars", "none", "-q", "-o", path(&base)]).fine();
    btfkit(&["encode", kernel(), "--only-vars", "--base", path(&base), "-q", "-o", path(&side)]).fine();
    (base, side)
}

#[test]
fn the_module_carries_the_side_file_and_names_its_kernel() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = base_and_side_file(directory.path());
    let output = directory.path().join("module");
    let options = ["--base", path(&base), "--kernel", "6.1.0-9+x", "--name", "extra", "-o", path(&output)];
    let json = btfkit(&[&["extra-module", path(&side), "--json"], &options[..]].concat()).json();
    assert_eq!(json["variables"], 10);
    assert_eq!(json["bytes"], fs::metadata(&side).unwrap().len());
    let mut files: Vec<String> =
        fs::read_dir(&output).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["Kbuild", "Makefile", "README", "dkms.conf", "extra.btf", "extra.c"]);
    assert_eq!(fs::read(output.join("extra.btf")).unwrap(), fs::read(&side).unwrap());
    let dkms = fs::read_to_string(output.join("dkms.conf")).unwrap();
    assert!(dkms.contains("BUILD_EXCLUSIVE_KERNEL=\"^6[.]1[.]0-9[+]x$\""), "{dkms}");
    let cksum = |file: &Path| {
        let output = Command::new("cksum").stdin(fs::File::open(file).unwrap()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    };
    let version = format!("PACKAGE_VERSION=\"{}.{}\"\n", cksum(&base), cksum(&side));
    assert!(dkms.contains(&version), "{dkms}");
    // A module for one kernel must not be tried on those that are installed later.
    assert!(!dkms.contains("AUTOINSTALL="), "{dkms}");
}

#[test]
fn its_makefile_tells_the_right_base_from_another() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = base_and_side_file(directory.path());
    let output = directory.path().join("module");
    btfkit(&["extra-module", path(&side), "--base", path(&base), "--kernel", "6.1", "-o", path(&output)])
        .fine();
    let check = |file: &Path| {
        let make = Command::new("make")
            .arg("-C")
            .arg(&output)
            .arg("check")
            .arg(format!("BTF={}", path(file)))
            .output();
        make.ok().map(|make| make.status.success())
    };
    let Some(right) = check(&base) else {
        println!("SKIPPED the makefile's check: there is no make");
        return;
    };
    assert!(right);
    assert_eq!(check(&side), Some(false));
}

#[test]
fn a_side_file_of_another_kernel_is_refused_and_nothing_written() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = base_and_side_file(directory.path());
    let other = compile(directory.path(), "other.o", "struct other { int x; } other; long y;", &["-g", "-c"]);
    let other_base = directory.path().join("other.btf");
    btfkit(&["encode", path(&other), "-q", "-o", path(&other_base)]).fine();
    let output = directory.path().join("module");
    let make = |side: &Path, base: &Path| {
        btfkit(&["extra-module", path(side), "--base", path(base), "--kernel", "6.1", "-o", path(&output)])
    };
    make(&side, &other_base).fails_with(&["vars.btf", "other.btf", "another kernel"]);
    make(&base, &base).fails_with(&["base.btf", "stands on no base"]);
    make(&side, &side).fails_with(&["vars.btf", "does not begin with the empty string"]);
    make(&other, &base).fails_with(&["other.o", "no section .BTF"]);
    make(&directory.path().join("absent"), &base).fails_with(&["absent", "No such file"]);
    assert!(!output.exists());
}

#[test]
fn what_is_in_the_directory_is_not_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = base_and_side_file(directory.path());
    let arguments = ["extra-module", path(&side), "--base", path(&base)];
    let with = |more: &[&str]| btfkit(&[&arguments[..], more].concat());
    with(&["--kernel", "6.1", "-o", path(directory.path())]).fails_with(&["is not empty"]);
    let output = directory.path().join("module");
    with(&["-o", path(&output)]).fails_with(&["base.btf", "--kernel"]);
    assert_eq!(with(&["--kernel", "6 $(x)", "-o", path(&output)]).code, Some(2));
    assert_eq!(with(&["--kernel", "6.1", "--name", "a-b", "-o", path(&output)]).code, Some(2));
    assert!(!output.exists());
}

#[test]
fn kernels_that_do_not_know_tags_get_a_side_file_without_them() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = base_and_side_file(directory.path());
    let carried = |release: &str| {
        let output = directory.path().join(release);
        btfkit(&[
            "extra-module",
            path(&side),
            "--base",
            path(&base),
            "--kernel",
            release,
            "-o",
            path(&output),
        ])
        .fine();
        output.join("vmlinux_btf_extra.btf")
    };
    let fits = |file: &Path, release: &str| {
        btfkit(&["check", path(file), "--base", path(&base), "--kernel", release, "-q"]).code == Some(0)
    };
    assert!(!fits(&side, "5.15") && fits(&side, "5.16"));
    let (old, new) = (carried("5.15.0-91-generic"), carried("5.16.0-1-amd64"));
    assert!(fits(&old, "5.15"));
    // What the tags said is still there for who reads it without them.
    let told = |file: &Path| Provenance::of(&fs::read(file).unwrap());
    assert!(told(&old).base.is_some());
    assert_eq!(told(&old), told(&side));
    assert_eq!(fs::read(&new).unwrap(), fs::read(&side).unwrap());
}

#[test]
fn a_side_file_of_a_module_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (base, _) = base_and_side_file(directory.path());
    let source = "__attribute__((section(\".modinfo\"), used)) static const char name[] = \"name=own\";\n\
                  __attribute__((section(\".gnu.linkonce.this_module\"), used)) static long this_module[8]; int mine = 1;";
    let module = compile(directory.path(), "own.ko", source, &["-g", "-c"]);
    let side = directory.path().join("own.btf");
    btfkit(&["encode", path(&module), "--only-vars", "--base", path(&base), "-q", "-o", path(&side)]).fine();
    let output = directory.path().join("module");
    btfkit(&["extra-module", path(&side), "--base", path(&base), "--kernel", "6.1", "-o", path(&output)])
        .fails_with(&["own.btf", "was made of module own"]);
    assert!(!output.exists());
}
