//! Bad input: exit 1, one line that names the file, and nothing is written over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use btfkit_btf::{Builder, ByteOrder, IntEncoding};

use super::{btfkit, compile, finish, kernel, path, program};

#[test]
fn inputs_that_cannot_be_encoded() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("text"), "this is no ELF file").unwrap();
    fs::write(at("empty"), "").unwrap();
    let bytes = fs::read(kernel()).unwrap();
    fs::write(at("short"), &bytes[..40]).unwrap();
    let bare = compile(directory.path(), "bare.o", "int x;", &["-c"]);
    btfkit(&["encode", path(&at("absent"))]).fails_with(&["absent", "No such file"]);
    btfkit(&["encode", path(&at("text"))]).fails_with(&["text", "not an ELF file"]);
    btfkit(&["encode", path(&at("empty"))]).fails_with(&["empty", "not an ELF file"]);
    btfkit(&["encode", path(&at("short"))]).fails_with(&["short"]);
    btfkit(&["encode", path(directory.path())]).fails_with(&["directory"]);
    btfkit(&["encode", path(&bare)]).fails_with(&["bare.o", "no DWARF", "build with -g"]);
    btfkit(&["encode", kernel(), "--lang", "rust"]).fails_with(&[
        "tiny-kernel.elf",
        "nothing to encode",
        "3 units left out by their language",
    ]);
}

#[test]
fn bases_that_do_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("text"), "this is no BTF").unwrap();
    let foreign = if cfg!(target_endian = "little") { ByteOrder::Big } else { ByteOrder::Little };
    let mut builder = Builder::new(foreign);
    let name = builder.string(b"int");
    builder.int(name, 4, IntEncoding::signed(32));
    fs::write(at("foreign.btf"), builder.finish().unwrap()).unwrap();
    let input = compile(directory.path(), "input.o", "int x;", &["-g", "-c"]);
    let with_base = |base: &str| btfkit(&["encode", path(&input), "--base", base]);
    with_base(path(&at("absent"))).fails_with(&["absent", "No such file"]);
    with_base(path(&at("text"))).fails_with(&["text", "not BTF"]);
    with_base(path(&input)).fails_with(&["input.o", "no section .BTF"]);
    with_base(path(&at("foreign.btf"))).fails_with(&["foreign.btf", "-endian", "input.o"]);
}

#[test]
fn a_failed_encode_does_not_touch_the_output() {
    let directory = tempfile::tempdir().unwrap();
    let bare = compile(directory.path(), "bare.o", "int x;", &["-c"]);
    let output = directory.path().join("out.btf");
    fs::write(&output, "old").unwrap();
    btfkit(&["encode", path(&bare), "-o", path(&output)]).fails_with(&["bare.o"]);
    btfkit(&["encode", "/no/such/file", "-o", path(&output)]).fails_with(&["/no/such/file"]);
    assert_eq!(fs::read(&output).unwrap(), b"old");
}

#[test]
fn outputs_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    btfkit(&["encode", kernel(), "-o", path(directory.path())]).fails_with(&["cannot write"]);
    let absent = directory.path().join("absent/out.btf");
    btfkit(&["encode", kernel(), "-o", path(&absent)]).fails_with(&["absent/out.btf", "cannot write"]);
}

#[test]
fn a_full_disk_is_an_error() {
    btfkit(&["encode", kernel(), "-o", "/dev/full"]).fails_with(&["/dev/full", "No space left"]);
    for arguments in [
        &["encode", kernel()][..],
        &["encode", kernel(), "--json"],
        &["encode", kernel(), "-o", "-"],
        &["demo"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = program().args(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains("standard output: cannot write") && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file_whole() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.btf");
    fs::write(&output, "old").unwrap();
    let script = "ulimit -f 1; trap '' XFSZ; exec \"$0\" encode \"$1\" -q -o \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_btfkit"), kernel(), path(&output)]);
    finish(&mut shell).fails_with(&["out.btf", "cannot write"]);
    assert_eq!(fs::read(&output).unwrap(), b"old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn a_directory_without_write_permission_leaves_the_old_file_whole() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.btf");
    fs::write(&output, "old").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = program();
    if fs::write(directory.path().join("probe"), "").is_ok() {
        // Root may write everywhere, unless it gives up that right.
        fs::remove_file(directory.path().join("probe")).unwrap();
        command = Command::new("setpriv");
        command.args(["--bounding-set", "-dac_override", env!("CARGO_BIN_EXE_btfkit")]);
        if Command::new("setpriv").args(["--bounding-set", "-dac_override", "true"]).status().is_err() {
            println!("SKIPPED a directory without write permission: root, and no setpriv");
            return;
        }
    }
    finish(command.args(["encode", kernel(), "-q", "-o", path(&output)]))
        .fails_with(&["out.btf", "cannot write"]);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read(&output).unwrap(), b"old");
}
