//! `distill` and `relocate`: a module's BTF leaves its kernel and finds another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use btfkit_btf::{Btf, Kind};
use btfkit_encode::object::Object;

use super::{btfkit, compile, path};

const KERNEL: &str = "struct item { long a, b; } item; enum mode { ONE } mode; unsigned int counter;\n\
    int call(struct item *item) { return item->a; }\n";

/// A kernel with other ids, and a structure of another size if that is wanted.
const OTHER: &str = "struct first { char c; } first; struct item { long a, b; } item; enum mode { ONE } mode;\n\
    unsigned int counter; int call(struct item *item) { return item->a; }\n";
const GROWN: &str =
    "struct item { long a, b, c; } item; enum mode { ONE } mode; unsigned int counter; int number;\n";

const MODULE: &str = "struct item { long a, b; }; enum mode { ONE };\n\
    struct driver { struct item item; struct item *next; enum mode mode; unsigned int count; } driver;\n\
    int probe(struct driver *driver) { return driver->mode; }\n";

/// Ids of the kernel's `struct item` and the module's `driver` and `probe`, as a kernel's build fills them in: the last two
/// are a set.
const IDS: &str = "asm(\".pushsection .BTF_ids,\\\"a\\\"\\n\"\n\
    \"__BTF_ID__struct__item__1: .zero 4\\n\"\n\
    \"__BTF_ID__set8__kfuncs: .zero 8\\n\"\n\
    \"__BTF_ID__func__probe__2: .zero 4\\n .zero 4\\n\"\n\
    \"__BTF_ID__struct__driver__3: .zero 4\\n .zero 4\\n\"\n\
    \".popsection\");\n";

fn encode(directory: &Path, name: &str, source: &str, base: Option<&Path>) -> PathBuf {
    let object = compile(directory, name, source, &["-g", "-c"]);
    let output = directory.join(format!("{name}.btf"));
    let mut arguments = vec!["encode", path(&object), "-o", path(&output)];
    arguments.extend(base.into_iter().flat_map(|base| ["--base", path(base)]));
    btfkit(&arguments).fine();
    output
}

#[test]
fn a_module_goes_from_kernel_to_kernel_and_is_refused_where_it_does_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let kernel = encode(directory, "kernel", KERNEL, None);
    let module = encode(directory, "module", MODULE, Some(&kernel));
    let (split, base) = (directory.join("split.btf"), directory.join("base.btf"));
    let arguments =
        ["distill", path(&module), "--base", path(&kernel), "-o", path(&split), "--base-output", path(&base)];
    let summary = btfkit(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(summary["base_bytes"], fs::metadata(&base).unwrap().len());
    assert!(summary["ambiguous"].as_array().unwrap().is_empty());
    let first = fs::read(&split).unwrap();
    btfkit(&arguments).fine();
    assert_eq!(fs::read(&split).unwrap(), first);

    let other = encode(directory, "other", OTHER, None);
    let moved = directory.join("moved.btf");
    let to = |kernel: &Path| {
        let (kernel, moved) = (path(kernel).to_owned(), path(&moved).to_owned());
        btfkit(&["relocate", path(&split), "--distilled", path(&base), "--base", &kernel, "-o", &moved])
    };
    assert!(to(&other).fine().starts_with("fits: all "));
    let other = Arc::new(Btf::parse(fs::read(&other).unwrap()).unwrap());
    let item = other.find(b"item", Kind::Struct).unwrap().id();
    let btf = Btf::parse_split(fs::read(&moved).unwrap(), other).unwrap();
    let driver = btf.find(b"driver", Kind::Struct).unwrap();
    assert_eq!(driver.members().next().unwrap().type_id, item);

    let grown = encode(directory, "grown", GROWN, None);
    to(&grown).fails_with(&["does not fit on", "grown.btf", "struct item of 16 bytes", "24 bytes"]);
}

#[test]
fn a_side_file_on_another_base_says_that_base_and_still_where_it_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let flags = ["-g", "-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=0x0123456789abcdef"];
    let object = compile(directory, "kernel.so", KERNEL, &flags);
    let at = |name: &str| directory.join(name);
    let (base, side) = (at("kernel.btf"), at("side.btf"));
    btfkit(&["encode", path(&object), "--vars", "none", "-q", "-o", path(&base)]).fine();
    btfkit(&["encode", path(&object), "--only-vars", "--base", path(&base), "-q", "-o", path(&side)]).fine();
    let (split, small, moved) = (at("split.btf"), at("small.btf"), at("moved.btf"));
    btfkit(&["distill", path(&side), "-B", path(&base), "-o", path(&split), "--base-output", path(&small)])
        .fine();
    let other = encode(directory, "other", OTHER, None);
    let relocate = |base: &Path| {
        let from = ["relocate", path(&split), "--distilled", path(&small)];
        btfkit(&[&from[..], &["-B", path(base), "-o", path(&moved)]].concat()).fine();
    };

    // cksum prints a CRC, the size and the name.
    let tags = |file: &Path, base: &Path| {
        let printed = Command::new("cksum").arg(base).output().unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        let [crc, size] = [0, 1].map(|word| printed.split(' ').nth(word).unwrap());
        let expected = ["btfkit:build_id=0123456789abcdef".to_owned(), format!("btfkit:base={crc},{size}")];
        let bytes = fs::read(file).unwrap();
        let strings = bytes.split(|&byte| byte == 0).filter(|string| string.starts_with(b"btfkit:"));
        let mut found: Vec<_> = strings.map(|string| String::from_utf8_lossy(string).into_owned()).collect();
        found.sort_by_key(|tag| !tag.contains("build_id"));
        assert_eq!(found, expected, "{}", file.display());
    };
    tags(&side, &base);
    tags(&split, &small);
    relocate(&other);
    tags(&moved, &other);
    let module = |side: &Path, base: &Path, name: &str| {
        let output = path(&at(name)).to_owned();
        btfkit(&["extra-module", path(side), "--base", path(base), "--kernel", "6.12", "-o", &output])
    };
    module(&moved, &other, "right").fine();
    module(&moved, &base, "wrong").fails_with(&["moved.btf", "another kernel"]);
    relocate(&base);
    tags(&moved, &base);
}

#[test]
fn a_module_gets_both_sections_and_its_ids_follow() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let kernel = encode(directory, "kernel", KERNEL, None);
    let module = compile(directory, "module.ko", &format!("{IDS}{MODULE}"), &["-g", "-c", "-x", "c"]);
    btfkit(&["encode", path(&module), "--in-place", "--base", path(&kernel)]).fine();

    // Fill the ids in as the build of a kernel does.
    let base = Arc::new(Btf::parse(fs::read(&kernel).unwrap()).unwrap());
    let section = |file: &Path, name: &str| {
        let object = Object::open(file).unwrap();
        object.section_data(object.section_by_name(name).unwrap().index).unwrap().into_owned()
    };
    let btf = Btf::parse_split(section(&module, ".BTF"), Arc::clone(&base)).unwrap();
    let id = |btf: &Btf<'_>, name: &str, kind| btf.find(name.as_bytes(), kind).unwrap().id().0;
    let fill = |btf: &Btf<'_>| {
        let mut set = [(id(btf, "probe", Kind::Func), 7u32), (id(btf, "driver", Kind::Struct), 9)];
        set.sort_unstable();
        let words = [id(btf, "item", Kind::Struct), 2, 0, set[0].0, set[0].1, set[1].0, set[1].1];
        words.into_iter().flat_map(u32::to_ne_bytes).collect::<Vec<u8>>()
    };
    let ids = directory.join("ids");
    fs::write(&ids, fill(&btf)).unwrap();
    let update = format!(".BTF_ids={}", ids.display());
    let Ok(status) = Command::new("objcopy").args(["--update-section", &update]).arg(&module).status() else {
        println!("SKIPPED ids of a module: there is no objcopy");
        return;
    };
    assert!(status.success());

    btfkit(&["distill", path(&module), "--base", path(&kernel), "--in-place", "--quiet"]).fine();
    let small = Arc::new(Btf::parse(section(&module, ".BTF.base")).unwrap());
    let distilled = Btf::parse_split(section(&module, ".BTF"), Arc::clone(&small)).unwrap();
    assert!(small.find(b"item", Kind::Struct).is_some());
    assert_eq!(section(&module, ".BTF_ids"), fill(&distilled));

    // A module that carries its base needs no other, and is not distilled twice.
    assert!(btfkit(&["relocate", path(&module), "--base", path(&kernel)]).fine().starts_with("fits"));
    btfkit(&["distill", path(&module), "--in-place"]).fails_with(&["module.ko", "distilled base", "already"]);
}

#[test]
fn what_is_missing_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let kernel = encode(directory, "kernel", KERNEL, None);
    let out = path(&kernel);
    btfkit(&["distill", out, "-o", "x", "--base-output", "y"]).fails_with(&["kernel.btf", "--base"]);
    btfkit(&["relocate", out, "--base", out]).fails_with(&["kernel.btf", "--distilled"]);
    assert_eq!(btfkit(&["distill", out, "--base", out]).code, Some(2));
    assert_eq!(btfkit(&["distill", out, "-o", "x"]).code, Some(2));
}
