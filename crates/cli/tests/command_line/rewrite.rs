//! `dedup`, `merge`, `split` and `sort`: BTF written anew, and what goes with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use btfkit_btf::check::{Profile, check};
use btfkit_btf::ext::Ext;
use btfkit_btf::{Btf, Builder, ByteOrder, IntEncoding, Kind, Linkage, Member, SectionEntry};
use btfkit_encode::object::Object;

use super::{btfkit, compile, kernel, path};

/// A BPF program with relocations to the kernel's types, a map, globals, and two functions.
const PROGRAM: &str = include_str!("versions/program.bpf.c");

fn program(directory: &Path, test: &str) -> Option<PathBuf> {
    let (source, object) = (directory.join("program.bpf.c"), directory.join("program.bpf.o"));
    fs::write(&source, PROGRAM).unwrap();
    let arguments = ["-target", "bpf", "-g", "-O2", "-c", "-o", path(&object), path(&source)];
    match Command::new("clang").args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(object)
        }
        Err(_) => {
            eprintln!("SKIPPED {test}: no clang");
            None
        }
    }
}

/// Raw BTF with every variable of the kernel that the demo carries.
fn tiny(directory: &Path) -> PathBuf {
    let btf = directory.join("tiny.btf");
    btfkit(&["encode", kernel(), "--function-statics", "-o", path(&btf), "-q"]).fine();
    btf
}

fn open(file: &Path) -> Btf<'static> {
    Btf::parse(fs::read(file).unwrap()).unwrap()
}

fn assert_same_meaning(a: &Path, b: &Path, options: &[&str]) {
    let text = btfkit(&[&["diff", path(a), path(b), "--exit-code"], options].concat()).fine();
    assert!(text.starts_with("types: 0 added, 0 removed, 0 changed; functions: 0 added"), "{text}");
}

/// What an object says of its instructions, in words rather than numbers, by table and place.
fn said(object: &Path) -> BTreeMap<String, String> {
    let object = Object::open(object).unwrap();
    let section = |name: &str| object.raw_section_data(object.section_by_name(name).unwrap().index).unwrap();
    let btf = Btf::parse(section(".BTF").to_vec()).unwrap();
    let ext = Ext::parse(section(".BTF.ext")).unwrap();
    let text = |offset| btf.str(offset).unwrap().into_owned();
    let type_name = |id| format!("{:?}", btf.get(id).unwrap().name_str());
    let mut said = BTreeMap::new();
    for part in ext.functions() {
        for record in part.records {
            let place = format!("function {} {}", text(part.name), record.instruction);
            said.insert(place, type_name(record.type_id));
        }
    }
    for part in ext.lines() {
        for record in part.records {
            let place = format!("line {} {}", text(part.name), record.instruction);
            said.insert(place, format!("{} {}", text(record.file), text(record.text)));
        }
    }
    for part in ext.relocations() {
        for record in part.records {
            let place = format!("relocation {} {}", text(part.name), record.instruction);
            let what = format!("{} {} {:?}", type_name(record.type_id), text(record.access), record.kind);
            said.insert(place, what);
        }
    }
    said
}

/// The variables whose offsets a linker fills in.
fn relocated(object: &Path) -> Vec<String> {
    let object = Object::open(object).unwrap();
    let section = |name: &str| object.raw_section_data(object.section_by_name(name).unwrap().index).unwrap();
    let btf = Btf::parse(section(".BTF").to_vec()).unwrap();
    let offset = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let places = section(".rel.BTF").chunks_exact(16).map(offset);
    places
        .map(|place| {
            let entries = btf.types().filter(|ty| ty.kind() == Kind::DataSec).flat_map(|section| {
                let start = section.record().as_ptr().addr() - btf.bytes().as_ptr().addr();
                section
                    .section_entries()
                    .enumerate()
                    .map(move |(index, entry)| (start + 12 + index * 12 + 4, entry))
            });
            let (_, entry) =
                entries.into_iter().find(|(at, _)| *at == place).expect("an offset is relocated");
            btf.get(entry.variable).unwrap().name_str().into_owned()
        })
        .collect()
}

#[test]
fn a_sorted_object_says_the_same_of_its_instructions() {
    let directory = tempfile::tempdir().unwrap();
    let Some(object) = program(directory.path(), "a_sorted_object_says_the_same_of_its_instructions") else {
        return;
    };
    let before = said(&object);
    assert!(before.keys().any(|place| place.starts_with("relocation ")), "{before:?}");
    let new = directory.path().join("new.o");
    let ids = directory.path().join("ids");
    for (command, options) in
        [("sort", &["--by", "name"][..]), ("sort", &["--by", "leaves"]), ("dedup", &["-q"])]
    {
        let write = ["-o", path(&new), "--id-map", path(&ids)];
        btfkit(&[&[command, path(&object)], options, &write].concat()).fine();
        assert_eq!(said(&new), before, "{command} {options:?}");
        assert_eq!(relocated(&new), relocated(&object), "{command} {options:?}");
        assert_same_meaning(&object, &new, &[]);
        // The map leads from each type to one of the same kind and name.
        let objects = [path(&object), path(&new)].map(|file| Object::open(file).unwrap());
        let btfs = objects.map(|object| {
            let section = object.section_by_name(".BTF").unwrap();
            Btf::parse(object.raw_section_data(section.index).unwrap().to_vec()).unwrap()
        });
        let map = fs::read_to_string(&ids).unwrap();
        assert_eq!(map.lines().count(), btfs[0].type_count() as usize);
        for line in map.lines() {
            let (old, new) = line.split_once(' ').unwrap();
            let [old, new] = [old, new].map(|id| btfkit_btf::TypeId(id.parse().unwrap()));
            let [old, new] = [btfs[0].get(old).unwrap(), btfs[1].get(new).unwrap()];
            assert_eq!((old.kind(), old.name()), (new.kind(), new.name()));
        }
    }
    let by_name = directory.path().join("by-name.o");
    btfkit(&["sort", path(&object), "-o", path(&by_name)]).fine();
    btfkit(&["sort", path(&object), "--in-place"]).fine();
    assert_eq!(said(&object), before);
    assert_eq!(fs::read(&by_name).unwrap(), fs::read(&object).unwrap());
}

#[test]
fn bpftool_links_and_the_kernel_loads_a_sorted_object() {
    let test = "bpftool_links_and_the_kernel_loads_a_sorted_object";
    let directory = tempfile::tempdir().unwrap();
    let Some(object) = program(directory.path(), test) else { return };
    let bpftool = |arguments: &[&str]| Command::new("bpftool").args(arguments).output();
    if bpftool(&["version"]).is_err() {
        eprintln!("SKIPPED {test}: no bpftool");
        return;
    }
    let pins = directory.path().join("bpffs");
    fs::create_dir(&pins).unwrap();
    let mounted = Command::new("mount").args(["-t", "bpf", "bpf", path(&pins)]).output();
    let mounted = mounted.is_ok_and(|output| output.status.success());
    let pin = pins.join("program");
    let loads = |object: &Path| {
        let output = bpftool(&["prog", "load", path(object), path(&pin)]).unwrap();
        let _ = fs::remove_file(&pin);
        output.status.success()
    };
    // Where the kernel does not take the object as it is, it says nothing of what was made of it.
    let asks_kernel = mounted && loads(&object);
    let (new, linked) = (directory.path().join("new.o"), directory.path().join("linked.o"));
    let mut verdicts = Vec::new();
    for arguments in [["sort", "--by=name"], ["sort", "--by=leaves"], ["dedup", "-q"]] {
        btfkit(&[arguments[0], path(&object), arguments[1], "-o", path(&new)]).fine();
        let output = bpftool(&["gen", "object", path(&linked), path(&new)]).unwrap();
        verdicts.push((arguments, output.status.success(), !asks_kernel || (loads(&new) && loads(&linked))));
    }
    if mounted {
        let _ = Command::new("umount").arg(&pins).status();
    }
    assert!(verdicts.iter().all(|&(_, linked, loaded)| linked && loaded), "{verdicts:?}");
    if !asks_kernel {
        eprintln!("SKIPPED {test}: loading: no bpf file system, or the kernel refuses the program itself");
    }
}

#[test]
fn variables_taken_out_and_joined_again_mean_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let whole = tiny(directory.path());
    let file = |name: &str| directory.path().join(name);
    let (base, extra, joined) = (file("base"), file("extra"), file("joined"));
    for (options, left) in [(&[][..], 1), (&["--percpu"], 0)] {
        let arguments = ["split", path(&whole), "-o", path(&extra), "--base-output", path(&base), "--json"];
        let summary = btfkit(&[&arguments, options].concat()).json();
        let count = |part: &str, what: &str| summary[part][what].as_u64().unwrap();
        assert_eq!(count("base", "variables"), left);
        assert_eq!(count("base", "variables") + count("extra", "variables"), count("whole", "variables"));
        assert_eq!(count("base", "types") + count("extra", "types"), count("whole", "types"));
        let base_btf = Arc::new(open(&base));
        assert!(check(&fs::read(&base).unwrap(), None, Profile::Vmlinux).is_clean());
        assert!(check(&fs::read(&extra).unwrap(), Some(&base_btf), Profile::Vmlinux).is_clean());
        let merge = ["merge", path(&extra), "--base", path(&base), "--flatten", "-o", path(&joined), "-q"];
        btfkit(&merge).fine();
        assert_same_meaning(&whole, &joined, &[]);
        assert_eq!(open(&joined).type_count(), open(&whole).type_count());
        // Without variables and what only they need, there are types and functions still.
        assert_same_meaning(&whole, &base, &["--kinds", "types,functions"]);
    }
}

#[test]
fn the_rest_of_a_split_is_what_an_encoder_writes_without_variables() {
    let directory = tempfile::tempdir().unwrap();
    let whole = tiny(directory.path());
    let file = |name: &str| directory.path().join(name);
    let (base, encoded) = (file("base"), file("encoded"));
    btfkit(&["split", path(&whole), "-o", path(&file("extra")), "--base-output", path(&base), "-q"]).fine();
    btfkit(&["encode", kernel(), "--vars", "percpu", "-o", path(&encoded), "-q"]).fine();
    assert_same_meaning(&encoded, &base, &[]);
    let census = |file: &Path| {
        let mut census: BTreeMap<(Kind, String), i32> = BTreeMap::new();
        open(file)
            .types()
            .for_each(|ty| *census.entry((ty.kind(), ty.name_str().into_owned())).or_default() += 1);
        census
    };
    // An encoder also keeps what has no name and only variables use: nothing else is different.
    let (base, encoded) = (census(&base), census(&encoded));
    assert!(base.keys().all(|key| encoded.contains_key(key)));
    for ((kind, name), count) in &encoded {
        let more = count - base.get(&(*kind, name.clone())).unwrap_or(&0);
        assert!(more == 0 || (more > 0 && name.is_empty()), "{more} more {kind} {name}");
    }
}

#[test]
fn copies_of_one_btf_are_that_btf() {
    let directory = tempfile::tempdir().unwrap();
    let whole = tiny(directory.path());
    let file = |name: &str| directory.path().join(name);
    let (copies, once) = (file("copies"), file("once"));
    let btf = open(&whole);
    let all = btfkit_btf::merge::merge(&[&btf; 8], false, |_, _| Vec::new()).unwrap();
    fs::write(&copies, all.builder.finish().unwrap()).unwrap();
    let summary = btfkit(&["dedup", path(&copies), "--same-places", "-o", path(&once), "--json"]).json();
    assert_eq!(summary["types_before"], btf.type_count() * 8);
    assert_eq!(fs::read(&once).unwrap(), fs::read(&whole).unwrap());
    // Without that option, each copy's variables are places of their own.
    let kinds = btfkit(&["dedup", path(&copies), "--json"]).json()["kinds"].clone();
    let variables = kinds["VAR"][1].as_u64().unwrap();
    assert_eq!(variables, 8 * btf.types().filter(|ty| ty.kind() == Kind::Var).count() as u64);
    assert_eq!(kinds["STRUCT"][1], btf.types().filter(|ty| ty.kind() == Kind::Struct).count());
}

/// A base with `int`, and two modules on it: each with a `.data` of its own, and both with `struct shared`.
fn modules(directory: &Path) -> [PathBuf; 3] {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let name = builder.string(b"int");
    builder.int(name, 4, IntEncoding::signed(32));
    let base = builder.finish().unwrap();
    let opened = Arc::new(Btf::parse(base.clone()).unwrap());
    let module = |variable: &[u8]| {
        let mut builder = Builder::split(Arc::clone(&opened));
        let int = opened.find(b"int", Kind::Int).unwrap().id();
        let names = [&b"shared"[..], b"x", variable, b".data"].map(|name| builder.string(name));
        let member = Member { name: names[1], type_id: int, ..Member::default() };
        let shared = builder.aggregate(Kind::Struct, names[0], 4, &[member]).unwrap();
        let variable = builder.variable(names[2], shared, Linkage::Global);
        builder.data_section(names[3], 4, &[SectionEntry { variable, offset: 0, size: 4 }]).unwrap();
        builder.finish().unwrap()
    };
    [("base.btf", base.clone()), ("one.btf", module(b"first")), ("two.btf", module(b"second"))].map(
        |(name, bytes)| {
            let file = directory.join(name);
            fs::write(&file, bytes).unwrap();
            file
        },
    )
}

#[test]
fn modules_merge_on_their_base_or_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let [base, one, two] = modules(directory.path());
    let merged = directory.path().join("merged.btf");
    let arguments = ["merge", path(&one), path(&two), "--base", path(&base), "-o", path(&merged), "-q"];
    let count = |btf: &Btf<'_>, kind| btf.types().filter(|ty| ty.kind() == kind).count();

    btfkit(&arguments).fine();
    let opened = Arc::new(open(&base));
    let split = Btf::parse_split(fs::read(&merged).unwrap(), opened).unwrap();
    assert_eq!(
        [Kind::Int, Kind::Struct, Kind::Var, Kind::DataSec].map(|kind| count(&split, kind)),
        [0, 1, 2, 2]
    );

    btfkit(&[&arguments[..], &["--flatten"]].concat()).fine();
    let flat = open(&merged);
    assert_eq!(
        [Kind::Int, Kind::Struct, Kind::Var, Kind::DataSec].map(|kind| count(&flat, kind)),
        [1, 1, 2, 2]
    );
    assert_eq!(flat.named(b".data").count(), 2);
    assert!(check(&fs::read(&merged).unwrap(), None, Profile::Load).is_clean());

    btfkit(&[&arguments[..], &["--flatten", "--name-sections"]].concat()).fine();
    let flat = open(&merged);
    let sections: Vec<_> =
        flat.types().filter(|ty| ty.kind() == Kind::DataSec).map(btfkit_btf::Type::name_str).collect();
    assert_eq!(sections, [".data@one", ".data@two"]);

    btfkit(&["merge", path(&one), "-q"]).fails_with(&["one.btf", "--base"]);
}

#[test]
fn a_kernel_that_lists_its_types_by_id_is_not_sorted_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let source = "struct b { int x; } b; struct a { struct b *b; long y; } a;\n\
        __attribute__((section(\".BTF_ids\"))) unsigned int id = 1;\n";
    let object = compile(directory.path(), "object.o", source, &["-g", "-c"]);
    btfkit(&["encode", path(&object), "--in-place", "-q"]).fine();
    let before = fs::read(&object).unwrap();
    btfkit(&["sort", path(&object), "--by", "leaves", "--in-place"])
        .fails_with(&["object.o", ".BTF_ids", "--raw"]);
    assert_eq!(fs::read(&object).unwrap(), before);
    let raw = directory.path().join("raw.btf");
    btfkit(&["sort", path(&object), "--by", "leaves", "--raw", "-o", path(&raw)]).fine();
    assert_same_meaning(&object, &raw, &[]);
    // As it is sorted by name already, nothing changes there.
    btfkit(&["sort", path(&object), "--in-place"]).fine();
    btfkit(&["sort", path(&object)]).fails_with(&["-o FILE"]);
}
