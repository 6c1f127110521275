//! `btfkit dump`: bpftool's lines, bpftool's JSON, and a choice of types.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Run, btfkit, finish, path, program};

const RUNNING: &str = "/sys/kernel/btf/vmlinux";

fn seed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name)
}

/// What bpftool prints with these arguments; `None` where it is not installed.
fn bpftool(arguments: &[&str]) -> Option<Run> {
    let mut command = Command::new("bpftool");
    command.args(arguments).stdin(Stdio::null());
    match command.output() {
        Ok(_) => Some(finish(&mut command)),
        Err(_) => None,
    }
}

/// BTF of C for BPF, both byte orders; nothing where there is no clang.
fn bpf_objects(directory: &Path) -> Vec<PathBuf> {
    let source = directory.join("source.c");
    std::fs::write(&source, include_str!("bpf.c")).unwrap();
    ["bpfel", "bpfeb"]
        .iter()
        .filter_map(|target| {
            let object = directory.join(target).with_extension("o");
            let mut clang = Command::new("clang");
            clang.args(["-target", target, "-g", "-O2", "-c", "-o", path(&object), path(&source)]);
            let status = clang.status().ok()?;
            assert!(status.success(), "clang -target {target}");
            Some(object)
        })
        .collect()
}

/// The files that tests of both formats look at.
fn inputs(directory: &Path) -> Vec<PathBuf> {
    let mut inputs = vec![seed("btf/gcc.btf"), seed("elf/btf.o")];
    let objects = bpf_objects(directory);
    if objects.is_empty() {
        println!("SKIPPED dumps of BPF objects: there is no clang for BPF");
    }
    inputs.extend(objects);
    if Path::new(RUNNING).exists() {
        inputs.push(RUNNING.into());
    } else {
        println!("SKIPPED dump of the running kernel: there is no {RUNNING}");
    }
    inputs
}

#[test]
fn raw_dumps_are_bpftool_s_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    for input in inputs(directory.path()) {
        let input = path(&input);
        let Some(theirs) = bpftool(&["btf", "dump", "file", input]) else {
            println!("SKIPPED raw_dumps_are_bpftool_s_byte_for_byte: there is no bpftool");
            return;
        };
        assert_eq!(theirs.code, Some(0), "{input}: {}", theirs.err);
        let ours = btfkit(&["dump", input]);
        assert_eq!((ours.code, &ours.err[..]), (Some(0), ""));
        assert!(ours.out == theirs.out, "{input}: the dumps differ");
    }
}

#[test]
fn split_btf_is_dumped_on_its_base_as_bpftool_does() {
    let directory = tempfile::tempdir().unwrap();
    let (base, split) = (directory.path().join("base.btf"), directory.path().join("split.btf"));
    btfkit(&["encode", super::kernel(), "--vars", "none", "-o", path(&base)]).fine();
    btfkit(&["encode", super::kernel(), "--only-vars", "--base", path(&base), "-o", path(&split)]).fine();
    let ours = btfkit(&["dump", path(&split), "-B", path(&base)]).fine();
    assert!(ours.contains("VAR 'jiffies'") || ours.contains("] VAR '"), "{ours}");
    match bpftool(&["-B", path(&base), "btf", "dump", "file", path(&split)]) {
        Some(theirs) => assert_eq!(ours, theirs.fine()),
        None => println!("SKIPPED comparison with bpftool: there is none"),
    }
    btfkit(&["dump", path(&split)]).fails_with(&["split.btf", "split BTF", "--base"]);
}

/// What bpftool 7.1 does not write, and where it is wrong.
fn as_bpftool_has_it(mut ty: Value) -> Value {
    let object = ty.as_object_mut().unwrap();
    match object["kind"].as_str().unwrap() {
        "VAR" => ["section", "offset", "size"].iter().for_each(|key| drop(object.remove(*key))),
        "DECL_TAG" | "TYPE_TAG" => drop(object.remove("attribute")),
        "DATASEC" => {
            for entry in object["vars"].as_array_mut().unwrap() {
                entry.as_object_mut().unwrap().remove("name");
            }
        }
        // 32 bits without sign become 64 bits as if they had one.
        "ENUM" if object["encoding"] == "UNSIGNED" => {
            for value in object["values"].as_array_mut().unwrap() {
                value["val"] = (i64::from(value["val"].as_u64().unwrap() as u32 as i32) as u64).into();
            }
        }
        _ => {}
    }
    ty
}

#[test]
fn json_dumps_have_what_bpftool_s_have() {
    let directory = tempfile::tempdir().unwrap();
    for input in inputs(directory.path()) {
        let input = path(&input);
        let Some(theirs) = bpftool(&["-j", "btf", "dump", "file", input]) else {
            println!("SKIPPED json_dumps_have_what_bpftool_s_have: there is no bpftool");
            return;
        };
        let (theirs, ours) = (theirs.json(), btfkit(&["dump", input, "--format", "json"]).json());
        let types = |document: &Value| document["types"].as_array().unwrap().clone();
        let (theirs, ours) = (types(&theirs), types(&ours));
        assert_eq!(ours.len(), theirs.len(), "{input}");
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            assert_eq!(as_bpftool_has_it(ours), theirs, "{input}");
        }
    }
}

#[test]
fn selected_types_are_printed_once_each_in_the_order_of_their_ids() {
    let file = seed("btf/gcc.btf");
    let all = btfkit(&["dump", path(&file)]).fine();
    let record = |id: &str| {
        let start = all.find(&format!("[{id}] ")).unwrap();
        let end = all[start + 1..].find("\n[").map_or(all.len(), |end| start + 1 + end + 1);
        &all[start..end]
    };
    let (second, fifth) = (record("2"), record("5"));
    assert_eq!(btfkit(&["dump", path(&file), "5", "2", "[5]"]).fine(), format!("{second}{fifth}"));
    let name = all.lines().find(|line| line.contains("] STRUCT '") && !line.contains("(anon)"));
    let name = name.unwrap();
    let (id, name) = (&name[1..name.find(']').unwrap()], name.split('\'').nth(1).unwrap());
    assert_eq!(btfkit(&["dump", path(&file), &format!("struct {name}")]).fine(), record(id));
    let json = btfkit(&["dump", path(&file), "5", "--format", "json"]).json();
    let ids: Vec<u64> =
        json["types"].as_array().unwrap().iter().map(|ty| ty["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5]);
    assert_eq!(btfkit(&["dump", path(&file), "0"]).fine(), "[0] VOID '(anon)'\n");
    btfkit(&["dump", path(&file), "99999999"]).fails_with(&["gcc.btf", "type [99999999]"]);
    btfkit(&["dump", path(&file), "union no_such"]).fails_with(&["gcc.btf", "union no_such"]);
}

#[test]
fn variables_have_their_places_in_json() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tiny.btf");
    btfkit(&["encode", super::kernel(), "-o", path(&file)]).fine();
    let document = btfkit(&["dump", path(&file), "--format", "json"]).json();
    assert_eq!((&document["byte_order"], &document["first_id"]), (&"little".into(), &1.into()));
    let types = document["types"].as_array().unwrap();
    let banner = types.iter().find(|ty| ty["kind"] == "VAR" && ty["name"] == "banner").unwrap();
    assert_eq!(
        (&banner["section"], &banner["offset"], &banner["size"]),
        (&".rodata".into(), &0.into(), &16.into())
    );
    let sections: BTreeSet<&str> =
        types.iter().filter(|ty| ty["kind"] == "DATASEC").map(|ty| ty["name"].as_str().unwrap()).collect();
    assert!(sections.contains(".rodata"), "{sections:?}");
}

#[test]
fn dumps_go_to_files_whole_and_come_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let (file, output) = (seed("btf/gcc.btf"), directory.path().join("dump.txt"));
    let text = btfkit(&["dump", path(&file)]).fine();
    assert_eq!(btfkit(&["dump", path(&file), "-o", path(&output)]).fine(), "");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), text);
    let mut command = program();
    command.args(["dump", "-"]).stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(finish(&mut command).fine(), text);
    btfkit(&["dump", path(&file), "-o", "/no/such/folder/x"]).fails_with(&["/no/such/folder"]);
    btfkit(&["dump", path(&file), "no_such", "-o", path(&output)]).fails_with(&["no_such"]);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), text, "a failure leaves the file as it was");
}

#[test]
fn btf_that_refers_beyond_its_end_is_shown_with_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken.btf");
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let words: [u32; 8] = [24, 0, 12, 12, 1, 0, 2 << 24, 77];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.push(0);
    std::fs::write(&file, bytes).unwrap();
    let run = btfkit(&["dump", path(&file)]);
    assert!(run.err.starts_with("note: ") && run.err.contains("--base"), "{}", run.err);
    assert_eq!(run.err.lines().count(), 1);
    assert_eq!(run.fine(), "[1] PTR '(anon)' type_id=77\n");
}

#[test]
fn the_manual_explains_every_option_of_dump() {
    super::assert_explained("dump", include_str!("../../../../docs/dump.md"));
}
