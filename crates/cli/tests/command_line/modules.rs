//! Many inputs in one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use btfkit_btf::{Btf, Kind};
use btfkit_encode::object::Object;

use super::{btfkit, compile, path};

const KERNEL: &str = "struct device { int id; struct device *parent; } root; int kernel_only;";

fn module(directory: &Path, number: usize) -> PathBuf {
    let source = format!(
        "struct device {{ int id; struct device *parent; }};\nstruct own_{number} {{ struct device device; }} own_{number};\n\
         int probe_{number}(struct device *device) {{ return device->id; }}\n"
    );
    compile(directory, &format!("m{number}.ko"), &source, &["-c", "-g", "-O1"])
}

/// A kernel with BTF, and three modules.
fn kernel_and_modules(directory: &Path) -> (PathBuf, Vec<PathBuf>) {
    let kernel = compile(directory, "vmlinux", KERNEL, &["-c", "-g"]);
    btfkit(&["encode", path(&kernel), "--in-place", "-q"]).fine();
    (kernel, (0..3).map(|number| module(directory, number)).collect())
}

fn base(kernel: &Path) -> Arc<Btf<'static>> {
    Arc::new(Btf::parse(section(kernel, ".BTF")).unwrap())
}

fn section(file: &Path, name: &str) -> Vec<u8> {
    let object = Object::open(file).unwrap();
    object.section_data(object.section_by_name(name).unwrap().index).unwrap().into_owned()
}

fn check(bytes: Vec<u8>, base: &Arc<Btf<'static>>, number: usize) {
    let split = Btf::parse_split(bytes, Arc::clone(base)).unwrap();
    assert!(split.own_named(b"device").next().is_none(), "the base has it");
    let named = |name: String, kind| split.own_named(name.as_bytes()).any(|ty| ty.kind() == kind);
    assert!(named(format!("own_{number}"), Kind::Struct) && named(format!("own_{number}"), Kind::Var));
    assert!(named(format!("probe_{number}"), Kind::Func));
}

#[test]
fn modules_go_into_a_directory_or_get_their_sections_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    let base = base(&kernel);
    let names: Vec<&str> = modules.iter().map(|module| path(module)).collect();
    let output = directory.path().join("btf/of/modules");
    let summary =
        btfkit(&[&["encode", "--base", path(&kernel), "--output-dir", path(&output)], &names[..]].concat())
            .fine();
    assert!(summary.starts_with("3 of 3 encoded: "), "{summary}");
    btfkit(&[&["encode", "--base", path(&kernel), "--in-place", "-q"], &names[..]].concat()).fine();
    for (number, module) in modules.iter().enumerate() {
        let written = fs::read(output.join(format!("m{number}.btf"))).unwrap();
        assert_eq!(section(module, ".BTF"), written);
        let alone = directory.path().join("alone.btf");
        btfkit(&["encode", "--base", path(&kernel), path(module), "-q", "-o", path(&alone)]).fine();
        assert_eq!(fs::read(alone).unwrap(), written, "the company makes no difference");
        check(written, &base, number);
    }
}

#[test]
fn one_that_fails_is_told_and_the_rest_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    fs::write(&modules[1], "no module").unwrap();
    let output = directory.path().join("btf");
    let names: Vec<&str> = modules.iter().map(|module| path(module)).collect();
    let run =
        btfkit(&[&["encode", "--base", path(&kernel), "--output-dir", path(&output)], &names[..]].concat());
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.text().starts_with("2 of 3 encoded"), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.contains("m1.ko") && run.err.contains("not an ELF file"), "{}", run.err);
    assert!(
        output.join("m0.btf").exists() && !output.join("m1.btf").exists() && output.join("m2.btf").exists()
    );
}

#[test]
fn the_report_has_a_line_for_each_in_the_order_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    let absent = directory.path().join("absent.ko");
    let names = [path(&modules[2]), path(&absent), path(&modules[0])];
    let run = btfkit(&[&["encode", "--base", path(&kernel), "--json"], &names[..]].concat());
    assert_eq!(run.code, Some(1));
    let lines: Vec<serde_json::Value> =
        run.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|line| line["file"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert!(lines[1]["error"].as_str().unwrap().contains("No such file"));
    assert_eq!((&lines[0]["functions"], &lines[0]["error"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn compressed_modules_are_unpacked_but_not_written_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    let base = base(&kernel);
    for (number, (program, suffix)) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")].into_iter().enumerate()
    {
        let packed = format!("{}.{suffix}", path(&modules[number]));
        let done = Command::new(program).args(["-q", "-k", path(&modules[number])]).status();
        if !done.is_ok_and(|status| status.success()) {
            println!("SKIPPED compressed_modules_are_unpacked_but_not_written_in_place: no {program}");
            continue;
        }
        let output = directory.path().join(suffix);
        btfkit(&["encode", "--base", path(&kernel), "--output-dir", path(&output), &packed]).fine();
        check(fs::read(output.join(format!("m{number}.btf"))).unwrap(), &base, number);
        let before = fs::read(&packed).unwrap();
        btfkit(&["encode", "--base", path(&kernel), "--in-place", &packed])
            .fails_with(&["compressed", "unpack it first"]);
        assert_eq!(fs::read(&packed).unwrap(), before);
    }
}

#[test]
fn distilled_bases_go_beside_their_modules() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    let names: Vec<&str> = modules.iter().map(|module| path(module)).collect();
    let output = directory.path().join("btf");
    let arguments = ["encode", "--distill", "--base", path(&kernel)];
    btfkit(&[&arguments[..], &["--output-dir", path(&output)], &names[..]].concat()).fine();
    btfkit(&[&arguments[..], &["--in-place"], &names[..]].concat()).fine();
    for (number, module) in modules.iter().enumerate() {
        let base = fs::read(output.join(format!("m{number}.base.btf"))).unwrap();
        assert_eq!(section(module, ".BTF.base"), base);
        let base = Arc::new(Btf::parse(base).unwrap());
        check(section(module, ".BTF"), &base, number);
    }
}

#[test]
fn outputs_that_would_overwrite_each_other_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (kernel, modules) = kernel_and_modules(directory.path());
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    let copy = other.join("m0.ko");
    fs::copy(&modules[0], &copy).unwrap();
    let output = path(directory.path()).to_owned() + "/btf";
    btfkit(&["encode", "--base", path(&kernel), "--output-dir", &output, path(&modules[0]), path(&copy)])
        .fails_with(&["m0.ko", "both", "m0.btf"]);
    let run = btfkit(&["encode", "-o", &output, path(&modules[0]), path(&copy)]);
    assert_eq!(run.code, Some(2), "{run:?}");
}
