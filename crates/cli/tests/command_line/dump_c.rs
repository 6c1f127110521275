//! `btfkit dump --format c`.

use std::fs;
use std::process::Command;

use crate::{btfkit, compile, kernel, path};

/// A compiler takes the header, in these words of C around it.
fn compiles(before: &str, header: &str, after: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user.c");
    fs::write(&file, format!("{before}\n{header}\n{after}\n")).unwrap();
    let output = Command::new("cc").args(["-std=gnu11", "-Werror", "-fsyntax-only"]).arg(&file).output();
    let output = output.expect("a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The BTF of some C.
fn encoded(folder: &tempfile::TempDir, source: &str) -> String {
    let object = compile(folder.path(), "unit.o", source, &["-g", "-c"]);
    let btf = folder.path().join("unit.btf");
    btfkit(&["encode", path(&object), "-o", path(&btf), "-q"]).fine();
    path(&btf).to_owned()
}

#[test]
fn the_demo_kernel_becomes_a_header_that_compiles_and_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let btf = folder.path().join("demo.btf");
    btfkit(&["encode", kernel(), "-o", path(&btf), "-q"]).fine();
    let header = folder.path().join("vmlinux.h");
    let arguments = ["dump", path(&btf), "--format", "c", "--variables", "--assert", "-o", path(&header)];
    assert_eq!(btfkit(&arguments).fine(), "");
    let text = fs::read_to_string(&header).unwrap();
    assert!(text.starts_with("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n"), "{text}");
    assert!(
        text.contains("_Static_assert(sizeof(struct ") && text.contains("__ksym; /* .data + 0x"),
        "{text}"
    );
    compiles("", &text, "");
}

#[test]
fn what_libc_and_other_headers_define_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let btf = encoded(
        &folder,
        "typedef unsigned long size_t; typedef unsigned int dev_t; typedef unsigned char __u8;
         enum color { RED, GREEN }; struct own { size_t length; dev_t device; __u8 byte; enum color color; } own;",
    );
    let header = btfkit(&["dump", &btf, "--format", "c", "--no-libc", "--assert"]).fine();
    assert!(header.contains("#include <linux/types.h>") && !header.contains("typedef unsigned char __u8"));
    // The C library's has eight bytes.
    assert!(header.contains("typedef unsigned int dev_t___2;"), "{header}");
    compiles("#include <stdint.h>\n#include <sys/types.h>", &header, "size_t length; __u8 byte;");

    let other = folder.path().join("other.h");
    fs::write(&other, "enum color { RED, GREEN };\ntypedef unsigned long size_t;\n").unwrap();
    let arguments =
        ["dump", &btf, "--format", "c", "--exclude-from", path(&other), "--exclude", "dev_t,__u8"];
    let header = btfkit(&arguments).fine();
    assert!(!header.contains("enum color {") && !header.contains("typedef"), "{header}");
    let before = format!(
        "{}typedef unsigned int dev_t;\ntypedef unsigned char __u8;",
        fs::read_to_string(&other).unwrap()
    );
    compiles(&before, &header, "_Static_assert(sizeof(struct own) == 24, \"\");");
}

#[test]
fn selected_types_functions_and_variables_come_with_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let btf = encoded(
        &folder,
        "struct inner { int x; }; struct outer { struct inner in; struct far *far; }; struct far { int y; };
         struct outer here; int use(struct far *far) { return far->y + here.in.x; }",
    );
    let header = btfkit(&["dump", &btf, "-f", "c", "var here", "func use"]).fine();
    for part in
        ["struct inner {", "struct outer {", "extern struct outer here", "extern int use(struct far *far);"]
    {
        assert!(header.contains(part), "no {part} in {header}");
    }
    assert!(!header.contains("struct far {"), "{header}");
    compiles("", &header, "int user(struct far *far) { return use(far) + here.in.x; }");
    assert!(btfkit(&["dump", &btf, "-f", "c", "here", "--follow-pointers"]).fine().contains("struct far {"));
    btfkit(&["dump", &btf, "-f", "c", "nothing"]).fails_with(&["unit.btf", "nothing"]);
}

#[test]
fn options_of_the_header_are_wrong_for_other_formats() {
    let run = btfkit(&["dump", "some.btf", "--assert"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let folder = tempfile::tempdir().unwrap();
    let btf = encoded(&folder, "int x;");
    let run = btfkit(&["dump", &btf, "--assert"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("--format c"), "{run:?}");
}
