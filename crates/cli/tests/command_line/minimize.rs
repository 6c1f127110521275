//! `minimize`: kernels' BTF shrinks to what BPF objects ask for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfkit_btf::{Btf, Kind};

use super::{btfkit, compile, path};

const KERNEL: &str = "struct inner { int a, b; }; struct other { long x; };\n\
    struct task { int pid; struct inner inner; struct other *other; char name[16]; } task;\n\
    enum colour { RED, GREEN } colour;\n";

const NEWER: &str = "struct inner { long pad; int a, b; };\n\
    struct task { long pad; int pid; struct inner inner; } task;\n";

const PROBE: &str = "#define HERE __attribute__((preserve_access_index))\n\
    struct inner { int b; } HERE; struct task___mine { char name[8]; struct inner inner; } HERE;\n\
    unsigned long long out;\n\
    int probe(struct task___mine *task)\n\
    { out = (unsigned long)__builtin_preserve_access_index(&task->name[4]); return task->inner.b; }\n";

fn encode(directory: &Path, name: &str, source: &str) -> PathBuf {
    let object = compile(directory, name, source, &["-g", "-c"]);
    let output = directory.join(name).with_extension("btf");
    btfkit(&["encode", path(&object), "-o", path(&output)]).fine();
    output
}

/// A BPF object; `None`, and a line that says so, without a clang that makes them.
fn probe(directory: &Path) -> Option<PathBuf> {
    let (source, object) = (directory.join("probe.bpf.c"), directory.join("probe.bpf.o"));
    fs::write(&source, PROBE).unwrap();
    let mut clang = Command::new("clang");
    clang.args(["-target", "bpf", "-g", "-O2", "-c", "-o"]).arg(&object).arg(&source);
    match clang.status() {
        Ok(status) if status.success() => Some(object),
        _ => {
            println!("SKIPPED minimize: there is no clang that compiles for BPF");
            None
        }
    }
}

#[test]
fn one_kernel_goes_to_a_file_and_several_to_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let Some(object) = probe(directory) else { return };
    let (old, new) = (encode(directory, "old", KERNEL), encode(directory, "new", NEWER));
    let file = directory.join("small.btf");
    let summary =
        btfkit(&["minimize", "-o", path(&file), "--json", "--btf", path(&old), path(&object)]).json();
    assert_eq!(summary[0]["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(summary[0]["answered"], 2);
    let small = Btf::parse(fs::read(&file).unwrap()).unwrap();
    let task = small.find(b"task", Kind::Struct).unwrap();
    let names: Vec<_> = task.members().map(|member| task.string(member.name)).collect();
    assert_eq!((task.size(), &names[..]), (Some(40), &[&b"inner"[..], b"name"][..]));
    assert!(small.find(b"other", Kind::Struct).is_none() && small.find(b"colour", Kind::Enum).is_none());

    let folder = directory.join("out");
    let both = ["minimize", path(&object), "-o", path(&folder), "--btf", path(&old), path(&new)];
    let text = btfkit(&both).fine();
    assert!(text.contains("2 of 2") && text.contains("1 of 2"), "{text}");
    assert!(text.contains("without struct task___mine.name[4]"), "{text}");
    assert_eq!(fs::read(folder.join("old.btf")).unwrap(), fs::read(&file).unwrap());
    let small = Btf::parse(fs::read(folder.join("new.btf")).unwrap()).unwrap();
    let inner = small.find(b"inner", Kind::Struct).unwrap();
    assert_eq!(inner.members().next().unwrap().bit_offset, 96);
    // However many threads, the same.
    let again = directory.join("again");
    btfkit(&["minimize", path(&object), "-j1", "-q", "-o", path(&again), "--btf", path(&old), path(&new)])
        .fine();
    for name in ["old.btf", "new.btf"] {
        assert_eq!(fs::read(folder.join(name)).unwrap(), fs::read(again.join(name)).unwrap());
    }
}

#[test]
fn a_directory_is_a_kernel_with_its_modules() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let Some(object) = probe(directory) else { return };
    let kernel = directory.join("6.99");
    fs::create_dir_all(kernel.join("modules")).unwrap();
    let vmlinux = encode(directory, "vmlinux", "struct inner { int a, b; } inner; char name[16];");
    fs::rename(&vmlinux, kernel.join("vmlinux")).unwrap();
    let vmlinux = kernel.join("vmlinux");
    let module = compile(&kernel.join("modules"), "driver.ko", KERNEL, &["-g", "-c", "-x", "c"]);
    fs::remove_file(kernel.join("modules/driver.ko.c")).unwrap();
    btfkit(&["encode", path(&module), "--in-place", "--base", path(&vmlinux)]).fine();
    let out = directory.join("out/");
    fs::create_dir(&out).unwrap();
    let text = btfkit(&["minimize", path(&object), "-o", path(&out), "--btf", path(&kernel)]).fine();
    assert!(text.contains("2 of 2"), "{text}");
    assert!(
        Btf::parse(fs::read(out.join("6.99.btf")).unwrap()).unwrap().find(b"task", Kind::Struct).is_some()
    );
}

#[test]
fn without_objects_or_kernels_there_is_nothing_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let old = encode(directory, "old", KERNEL);
    btfkit(&["minimize", "-o", "x", "--btf", path(&old)]).fails_with(&["no BPF object"]);
    btfkit(&["minimize", path(&old), "-o", "x", "--btf", path(directory)]).fails_with(&["no vmlinux"]);
    btfkit(&["minimize", path(&old), "-o", "x", "--btf", path(&old)]).fails_with(&["nothing to keep"]);
    assert_eq!(btfkit(&["minimize", path(&old), "-o", "x"]).code, Some(2));
}
