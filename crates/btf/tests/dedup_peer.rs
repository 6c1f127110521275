//! Deduplication beside libbpf's on what compilers and kernels make. Each test skips, in one line, where it cannot run.

use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, IntEncoding, Kind, Member, Type, TypeId, dedup, merge::merge,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Joins and deduplicates BTF files: `peer OUTPUT FILE...`.
const PEER: &str = r#"
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
int main(int count, char **files)
{
    struct btf *all = btf__new_empty();
    for (int i = 2; i < count; i++) {
        struct btf *one = btf__parse(files[i], NULL);
        if (!one || libbpf_get_error(one) || btf__add_btf(all, one) < 0)
            return 2;
        btf__free(one);
    }
    if (btf__dedup(all, NULL))
        return 3;
    unsigned int size;
    const void *data = btf__raw_data(all, &size);
    FILE *out = fopen(files[1], "w");
    return !out || fwrite(data, 1, size, out) != size || fclose(out) ? 4 : 0;
}
"#;

/// A directory of its own for each test.
fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// What libbpf makes of these files; `None` where it is not installed.
fn peer(directory: &Path, files: &[PathBuf]) -> Option<Vec<u8>> {
    let (source, program) = (directory.join("peer.c"), directory.join("peer"));
    std::fs::write(&source, PEER).unwrap();
    let compiled = Command::new("cc").arg("-o").arg(&program).arg(&source).arg("-lbpf").output().ok()?;
    if !compiled.status.success() {
        return None;
    }
    let output = directory.join("peer.btf");
    let status = Command::new(program).arg(&output).args(files).status().unwrap();
    assert!(status.success(), "libbpf fails on its own: {status}");
    Some(std::fs::read(output).unwrap())
}

/// What we make of these files.
fn ours(files: &[PathBuf]) -> (Vec<u8>, dedup::Report) {
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let btfs: Vec<Btf<'_>> = files.iter().map(|file| Btf::parse(&file[..]).unwrap()).collect();
    let all = merge(&btfs.iter().collect::<Vec<_>>(), false, |_, _| Vec::new()).unwrap();
    let all = Btf::parse(all.builder.finish().unwrap()).unwrap();
    let found = dedup::deduplicate(&all).unwrap();
    (found.rewrite(&all).unwrap().builder.finish().unwrap(), found.report)
}

/// How often each kind and name, with what it directly holds, is there.
fn census(bytes: &[u8]) -> BTreeMap<(Kind, String), u32> {
    let btf = Btf::parse(bytes).unwrap();
    let mut census = BTreeMap::new();
    let about = |id: TypeId| {
        let ty = btf.get(id).unwrap();
        format!("{} {}", ty.kind(), ty.name_str())
    };
    for ty in btf.types() {
        let mut text = format!("{} {:?} {}", ty.name_str(), ty.size(), ty.vlen());
        ty.for_each_reference(|id| text += &format!(" {}", about(id)));
        ty.members().for_each(|member| text += &format!(" {}", ty.owner().str(member.name).unwrap()));
        *census.entry((ty.kind(), text)).or_default() += 1;
    }
    census
}

fn assert_same(ours: &[u8], theirs: &[u8]) {
    let (ours, theirs) = (census(ours), census(theirs));
    for (type_, count) in &ours {
        assert_eq!(theirs.get(type_), Some(count), "{type_:?} here and in libbpf's");
    }
    for (type_, count) in &theirs {
        assert_eq!(ours.get(type_), Some(count), "{type_:?} in libbpf's and here");
    }
}

const KERNEL: &str = "/sys/kernel/btf/vmlinux";

#[test]
fn eight_copies_of_a_kernel_are_the_kernel() {
    let Ok(kernel) = std::fs::read(KERNEL) else {
        eprintln!("SKIPPED: no {KERNEL}");
        return;
    };
    let directory = directory("copies");
    let file = directory.join("kernel.btf");
    std::fs::write(&file, &kernel).unwrap();
    let files = vec![file; 8];
    let (bytes, report) = ours(&files);
    // Variables and sections are places; all else is there as often as before.
    let is_place = |kind| matches!(kind, Kind::Var | Kind::DataSec);
    let (mut before, mut after) = (census(&kernel), census(&bytes));
    assert!(
        before
            .iter()
            .filter(|each| is_place(each.0.0))
            .all(|(key, count)| after.get(key) == Some(&(count * 8)))
    );
    before.retain(|key, _| !is_place(key.0));
    after.retain(|key, _| !is_place(key.0));
    assert!(before == after, "{report:?}");
    match peer(&directory, &files) {
        Some(theirs) => assert_same(&bytes, &theirs),
        None => eprintln!("SKIPPED: comparison with libbpf: no cc, or no libbpf-dev"),
    }
}

const HEADER: &str = r#"
#ifndef SHARED_H
#define SHARED_H
typedef unsigned int u32;
typedef unsigned long long u64;
enum colour { RED, GREEN = 7, BLUE };
struct list { struct list *next, **prev; };
struct spare;
struct operations;
union value { u32 word; u64 wide; void *pointer; char bytes[8]; };
struct device {
    struct list node;
    const struct operations *operations;
    union value value[4];
    union { u32 flags; struct { u32 on : 1, ready : 3; enum colour colour : 8; }; };
    struct { int x; volatile int *y; } inner, *pointer;
    int (*probe)(struct device *device, const char *name, ...);
    struct spare *spare;
};
#ifdef FULL
struct operations { int (*open)(struct device *); void (*close)(struct device *); u64 count[3][5]; };
#endif
struct tree { struct tree *left, *right; struct device *owner; struct leaf *leaf; };
#endif
"#;

const UNITS: &[(&str, &str)] = &[
    (
        "full.c",
        "#define FULL\n#include \"shared.h\"\nstruct leaf { long size; struct tree *up; };\n\
        struct leaf one_leaf;\n\
        int full(struct device *d, struct tree *t, struct leaf *l) { return d->flags + (t != 0) + (l != 0); }",
    ),
    (
        "plain.c",
        "#include \"shared.h\"\nint plain(struct device *d, struct tree *t) { return d->inner.x + (t != 0); }",
    ),
    (
        "spare.c",
        "#include \"shared.h\"\nstruct spare { enum colour c; struct device d; };\n\
        u64 spare(struct spare *s) { return s->d.value[1].wide; }",
    ),
    (
        "again.c",
        "#define FULL\n#include \"shared.h\"\nstruct operations operations;\n\
        static int helper(struct device *d) { return d->flags; }\n\
        int again(struct device *d, union value v) { return helper(d) + v.word + (d->operations->open != 0); }",
    ),
];

/// Compiles the units one by one; gives the file that holds the BTF of each. `None` where clang is missing.
fn compile(directory: &Path) -> Option<Vec<PathBuf>> {
    std::fs::write(directory.join("shared.h"), HEADER).unwrap();
    UNITS
        .iter()
        .map(|(name, text)| {
            let source = directory.join(name);
            std::fs::write(&source, text).unwrap();
            let object = source.with_extension("o");
            let clang = Command::new("clang")
                .args(["-target", "bpf", "-g", "-O1", "-c", "-o"])
                .args([&object, &source])
                .output()
                .ok()?;
            assert!(clang.status.success(), "{}", String::from_utf8_lossy(&clang.stderr));
            let btf = source.with_extension("btf");
            std::fs::write(&btf, section(&std::fs::read(object).unwrap(), b".BTF").unwrap()).unwrap();
            Some(btf)
        })
        .collect()
}

/// The contents of a section of a little-endian 64-bit ELF file.
fn section<'a>(file: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let number =
        |at: usize, size: usize| file[at..at + size].iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    let header = |index: usize| number(40, 8) + index * number(58, 2);
    let data = |at: usize| &file[number(at + 24, 8)..number(at + 24, 8) + number(at + 32, 8)];
    let names = data(header(number(62, 2)));
    (0..number(60, 2))
        .map(header)
        .find(|&at| names[number(at, 4)..].split(|&byte| byte == 0).next() == Some(wanted))
        .map(data)
}

#[test]
fn units_of_a_program_merge_as_libbpf_merges_them() {
    let directory = directory("units");
    let Some(files) = compile(&directory) else {
        eprintln!("SKIPPED: no clang");
        return;
    };
    let (bytes, report) = ours(&files);
    // clang leaves a declaration of what is only pointed at, also where the unit defines it.
    assert!(report.forwards_resolved > 0 && report.ambiguous.is_empty(), "{report:?}");
    let btf = Btf::parse(&bytes[..]).unwrap();
    for name in ["device", "tree", "operations", "spare", "leaf", "list"] {
        assert_eq!(btf.named(name.as_bytes()).filter(|ty| ty.kind() == Kind::Struct).count(), 1, "{name}");
    }
    match peer(&directory, &files) {
        Some(theirs) => assert_same(&bytes, &theirs),
        None => eprintln!("SKIPPED: comparison with libbpf: no cc, or no libbpf-dev"),
    }
}

/// A unit of a kernel made up from its types: every `step`th function from the `first` on, and what these lead to; but of
/// the structures and unions that are only pointed at, about half are but declared, other ones in each unit. Beside the
/// BTF there is the list of what is in it, with `true` for declarations.
fn kernel_unit(kernel: &Btf<'_>, first: usize, step: usize) -> (Vec<u8>, Vec<(TypeId, bool)>) {
    let declared = |ty: Type<'_>| {
        let mixed = (u64::from(ty.id().0) << 20 | first as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // A name with two meanings tells nothing alone: that case has its own tests.
        let unique = || kernel.named(ty.name()).filter(|other| other.kind() == ty.kind()).count() == 1;
        ty.kind().is_aggregate() && !ty.name().is_empty() && mixed >> 63 != 0 && unique()
    };
    // Each type taken is itself or, as what a pointer leads to, a declaration.
    let mut builder = Builder::like(kernel);
    let mut order: Vec<(TypeId, bool)> = Vec::new();
    let mut ids: HashMap<(TypeId, bool), TypeId> = HashMap::new();
    let mut take = |id: TypeId, pointed_at: bool, order: &mut Vec<(TypeId, bool)>| {
        if id.is_void() {
            return id;
        }
        let key = (id, pointed_at && declared(kernel.get(id).unwrap()));
        *ids.entry(key).or_insert_with(|| {
            order.push(key);
            TypeId(order.len() as u32)
        })
    };
    for function in kernel.types().filter(|ty| ty.kind() == Kind::Func).skip(first).step_by(step) {
        take(function.id(), false, &mut order);
    }
    let mut at = 0;
    while let Some(&(id, declare)) = order.get(at) {
        let ty = kernel.get(id).unwrap();
        if declare {
            let name = builder.string(ty.name());
            builder.forward(name, ty.kind() == Kind::Union);
        } else {
            builder.push_mapped(ty, |id| take(id, ty.kind() == Kind::Ptr, &mut order)).unwrap();
        }
        at += 1;
    }
    (builder.finish().unwrap(), order)
}

#[test]
fn units_of_a_kernel_with_declarations_in_place_of_types_are_the_kernel() {
    let Ok(kernel) = std::fs::read(KERNEL) else {
        eprintln!("SKIPPED: no {KERNEL}");
        return;
    };
    let directory = directory("kernel-units");
    let kernel = Btf::parse(kernel).unwrap();
    let functions = kernel.types().filter(|ty| ty.kind() == Kind::Func).count();
    let step = functions / 200;
    let mut taken: BTreeSet<(TypeId, bool)> = BTreeSet::new();
    let files: Vec<PathBuf> = (0..32)
        .map(|unit| {
            let file = directory.join(format!("{unit}.btf"));
            let (bytes, types) = kernel_unit(&kernel, unit, step);
            std::fs::write(&file, bytes).unwrap();
            taken.extend(types);
            file
        })
        .collect();
    let (bytes, report) = ours(&files);
    let btf = Btf::parse(&bytes[..]).unwrap();
    // What some unit has comes out once, and so do declarations of what none has.
    let defined = taken.iter().filter(|(_, declared)| !declared).count();
    let declared = taken.iter().filter(|(id, declared)| *declared && !taken.contains(&(*id, false))).count();
    let forwards = btf.types().filter(|ty| ty.kind() == Kind::Fwd).count();
    assert_eq!(btf.type_count() as usize - forwards, defined - of_kind(&kernel, &taken, Kind::Fwd));
    assert!(forwards <= declared + of_kind(&kernel, &taken, Kind::Fwd));
    assert!(report.forwards_resolved > 1000, "{report:?}");
    // libbpf takes a declaration and a definition of one name in one unit for different types, and is left with copies.
    match peer(&directory, &files) {
        Some(theirs) => assert!(btf.type_count() <= Btf::parse(theirs).unwrap().type_count()),
        None => eprintln!("SKIPPED: comparison with libbpf: no cc, or no libbpf-dev"),
    }
}

fn of_kind(btf: &Btf<'_>, taken: &BTreeSet<(TypeId, bool)>, kind: Kind) -> usize {
    taken.iter().filter(|(id, declared)| !declared && btf.get(*id).unwrap().kind() == kind).count()
}

/// Two structures of one name, the one with four and four integers, the other with four integers and four unsigned ones;
/// `struct foo` and `union foo` with a declaration of each.
fn easily_mistaken() -> Vec<u8> {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let name = |builder: &mut Builder<'_>, name: &str| builder.string(name.as_bytes());
    let (int, unsigned) = (name(&mut builder, "int"), name(&mut builder, "unsigned"));
    let int = builder.int(int, 4, IntEncoding::signed(32));
    let unsigned = builder.int(unsigned, 4, IntEncoding::unsigned(32));
    let arrays =
        [int, int, int, unsigned].map(|element| builder.array(Array { element, index: int, count: 4 }));
    let (field, s, tag) = (name(&mut builder, "f"), name(&mut builder, "s"), name(&mut builder, "foo"));
    for pair in arrays.chunks(2) {
        let member = |at: usize| Member {
            name: field,
            type_id: pair[at],
            bit_offset: 128 * at as u32,
            bitfield_size: 0,
        };
        builder.aggregate(Kind::Struct, s, 32, &[member(0), member(1)]).unwrap();
    }
    let member = Member { name: field, type_id: int, ..Member::default() };
    builder.aggregate(Kind::Struct, tag, 4, &[member]).unwrap();
    builder.aggregate(Kind::Union, tag, 4, &[member]).unwrap();
    let (structure, union) = (builder.forward(tag, false), builder.forward(tag, true));
    builder.pointer(structure);
    builder.pointer(union);
    builder.finish().unwrap()
}

#[test]
fn what_libbpf_mistakes_is_kept_apart_and_resolved() {
    let directory = directory("mistaken");
    let file = directory.join("mistaken.btf");
    std::fs::write(&file, easily_mistaken()).unwrap();
    let files = vec![file];
    let (bytes, _) = ours(&files);
    let counts = |bytes: &[u8]| {
        let btf = Btf::parse(bytes.to_vec()).unwrap();
        let count = |kind| btf.types().filter(|ty| ty.kind() == kind).count();
        (btf.types().filter(|ty| ty.name() == b"s").count(), count(Kind::Fwd))
    };
    assert_eq!(counts(&bytes), (2, 0));
    match peer(&directory, &files) {
        Some(theirs) => eprintln!("libbpf: (structures named s, declarations) = {:?}", counts(&theirs)),
        None => eprintln!("SKIPPED: comparison with libbpf: no cc, or no libbpf-dev"),
    }
}
