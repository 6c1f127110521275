//! What `layout` prints. The compiler is the judge of places and of better orders; the texts were printed by pahole 1.32
//! from the same BTF.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use btfkit_btf::structure::Structures;
use btfkit_btf::{Btf, Kind};

use super::{btfkit, compile, path};

/// The BTF of a C source.
fn btf_of(directory: &Path, name: &str, source: &str) -> PathBuf {
    let object = compile(directory, name, source, &["-g", "-c", "-w", "-fno-eliminate-unused-debug-types"]);
    let output = object.with_extension("btf");
    btfkit(&["encode", path(&object), "-q", "-o", path(&output)]).fine();
    output
}

const SOURCE: &str = "
    typedef unsigned int u32; typedef unsigned char u8; typedef struct { int counter; } atomic_t;
    struct list { struct list *next, *prev; };
    struct shown {
        u8 kind; long size; struct list list; const char *const *names; int (*call)(struct shown *, ...);
        u32 low:3, :2, high:3; u32 count; enum { OFF, ON = 5 } state; atomic_t users;
        union { long a; struct { char b; short c; }; }; char text[16] __attribute__((aligned(32))); u8 tail[];
    };
    struct tight { char a; long b; } __attribute__((packed));
    union either { int a; struct { char b; } c; };
    struct loose { int a; long b; short c; long d; char e; };
    struct shown *use; struct tight *use_tight; union either *use_either; struct loose *use_loose; atomic_t *use_atomic;
";

/// As pahole 1.32 prints it.
const SHOWN: &str = "\
struct shown {
\tu8                         kind;                 /*     0     1 */

\t/* XXX 7 bytes hole, try to pack */

\tlong int                   size;                 /*     8     8 */
\tstruct list                list;                 /*    16    16 */
\tconst char  * const *      names;                /*    32     8 */
\tint                        (*call)(struct shown *, ...); /*    40     8 */
\tu32                        low:3;                /*    48: 0  4 */

\t/* XXX 2 bits hole, try to pack */
\tu32                        :2;

\tu32                        high:3;               /*    48: 5  4 */

\t/* XXX 24 bits hole, try to pack */

\tu32                        count;                /*    52     4 */
\tenum {
\t\tOFF = 0,
\t\tON  = 5,
\t} state;                                         /*    56     4 */
\tatomic_t                   users;                /*    60     4 */
\t/* --- cacheline 1 boundary (64 bytes) --- */
\tunion {
\t\tlong int           a;                    /*    64     8 */
\t\tstruct {
\t\t\tchar       b;                    /*    64     1 */

\t\t\t/* XXX 1 byte hole, try to pack */

\t\t\tshort int  c;                    /*    66     2 */
\t\t};                                       /*    64     4 */
\t};                                               /*    64     8 */

\t/* XXX 24 bytes hole, try to pack */

\tchar                       text[16] __attribute__((__aligned__(32))); /*    96    16 */
\tu8                         tail[];               /*   112     0 */

\t/* size: 128, cachelines: 2, members: 13 */
\t/* sum members: 77, holes: 2, sum holes: 31 */
\t/* sum bitfield members: 6 bits, bit holes: 2, sum bit holes: 26 bits */
\t/* padding: 16 */
\t/* forced alignments: 1, forced holes: 1, sum forced holes: 24 */
} __attribute__((__aligned__(64)));

";

#[test]
fn structs_unions_enums_and_typedefs_look_as_pahole_prints_them() {
    let directory = tempfile::tempdir().unwrap();
    let btf = btf_of(directory.path(), "source", SOURCE);
    assert_eq!(btfkit(&["layout", "shown", path(&btf)]).fine(), SHOWN);
    assert_eq!(
        btfkit(&["layout", "struct tight,either", path(&btf)]).fine(),
        "struct tight {
\tchar                       a;                    /*     0     1 */
\tlong int                   b;                    /*     1     8 */

\t/* size: 9, cachelines: 1, members: 2 */
\t/* last cacheline: 9 bytes */
} __attribute__((__packed__));

union either {
\tint                        a;                  /*     0     4 */
\tstruct {
\t\tchar               b;                  /*     0     1 */
\t} c;                                           /*     0     1 */
};

"
    );
    assert_eq!(
        btfkit(&["layout", "--hex", "atomic_t", path(&btf)]).fine(),
        "typedef struct {
\tint                counter;              /*     0   0x4 */

\t/* size: 4, cachelines: 1, members: 1 */
\t/* last cacheline: 4 bytes */
} atomic_t;

"
    );
}

#[test]
fn without_a_type_all_are_shown_and_options_choose_among_them() {
    let directory = tempfile::tempdir().unwrap();
    let btf = btf_of(directory.path(), "source", SOURCE);
    let lines = |arguments: &[&str]| {
        let mut all = vec!["layout", "--file", path(&btf)];
        all.extend(arguments);
        let text = btfkit(&all).fine();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let sizes = ["either\t4\t0", "list\t16\t0", "loose\t40\t2", "shown\t128\t2", "tight\t9\t0"];
    assert_eq!(lines(&["-s"]), sizes);
    assert_eq!(btfkit(&["layout", "-s", path(&btf)]).fine().lines().count(), 5, "a file alone is no type");
    assert_eq!(lines(&["-n", "--structs", "--prefix", "l", "-x", "li"]), ["loose\t5"]);
    assert_eq!(lines(&["-s", "--unions"]), ["either\t4\t0"]);
    assert_eq!(lines(&["-s", "--holes"]), ["loose\t40\t2", "shown\t128\t2"]);
    assert_eq!(lines(&["-s", "-H=3"]), [""; 0]);
    assert_eq!(lines(&["-n", "--with-flexible-array"]), ["shown\t13"]);
    assert_eq!(lines(&["--contains", "struct list"]), ["shown"]);
    assert_eq!(lines(&["--pointers-to", "list"]), ["list: next", "list: prev"]);
    assert_eq!(lines(&["--packable", "--prefix", "lo"]), ["loose\t40\t24\t16"]);
    let expanded = btfkit(&["layout", "-E", "shown", path(&btf)]).fine();
    assert!(expanded.contains("\t/* typedef atomic_t */ struct {\n\t\tint "), "{expanded}");
    assert!(expanded.contains("\tstruct list {\n\t\tstruct list *      next; "), "{expanded}");
    btfkit(&["layout", "nothing", path(&btf)]).fails_with(&["nothing"]);
    assert_eq!(btfkit(&["layout", "-c", "0", path(&btf)]).code, Some(2));
}

#[test]
fn json_has_the_keys_that_the_manual_lists_and_the_compilers_places() {
    let directory = tempfile::tempdir().unwrap();
    let btf = btf_of(directory.path(), "source", SOURCE);
    let object = btfkit(&["layout", "--json", "shown", path(&btf)]).json();
    let manual = include_str!("../../../../docs/layout.md");
    for key in object.as_object().unwrap().keys().chain(object["fields"][0].as_object().unwrap().keys()) {
        assert!(manual.contains(&format!("`{key}`")), "{key} is not in the manual");
    }
    let mut asserts =
        format!("{SOURCE}\n_Static_assert(sizeof(struct shown) == {}, \"\");\n", object["size"]);
    for field in object["fields"].as_array().unwrap() {
        let name = field["name"].as_str().unwrap();
        if field["bit_size"] == 0 && !name.is_empty() {
            let offset = &field["offset"];
            writeln!(asserts, "_Static_assert(__builtin_offsetof(struct shown, {name}) == {offset}, \"\");")
                .unwrap();
        }
    }
    assert!(asserts.matches("_Static_assert").count() > 9);
    compile(directory.path(), "asserts", &asserts, &["-c", "-w"]);
}

#[test]
fn moves_lead_to_the_order_that_is_shown_last() {
    let directory = tempfile::tempdir().unwrap();
    let btf = btf_of(directory.path(), "source", SOURCE);
    let text = btfkit(&["layout", "--reorganize", "--show-steps", "loose", path(&btf)]).fine();
    assert_eq!(text.matches("/* Moving '").count(), 2, "{text}");
    assert!(text.ends_with("};   /* saved 16 bytes! */\n"), "{text}");
    let last = text.split("/* Final reorganized struct: */\n").nth(1).unwrap();
    assert_eq!(last, btfkit(&["layout", "-R", "loose", path(&btf)]).fine());
}

/// A member of a random structure: what stands before its name, and behind.
fn random_member(next: &mut impl FnMut(usize) -> usize) -> (&'static str, String) {
    const TYPES: [(&str, usize); 7] = [
        ("char", 8),
        ("short", 16),
        ("int", 32),
        ("long", 64),
        ("struct inner", 0),
        ("void *", 0),
        ("struct strict", 0),
    ];
    let (ty, bits) = TYPES[next(TYPES.len())];
    let behind = match next(6) {
        0 => format!("[{}]", 1 + next(5)),
        1 | 2 if bits > 0 => format!(":{}", 1 + next(bits)),
        _ => String::new(),
    };
    (ty, behind)
}

#[test]
fn the_compiler_agrees_with_every_better_order() {
    const STRUCTS: usize = 300;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let head = "struct inner { char a; int b; char c; }; struct strict { char a[24]; } __attribute__((aligned(16)));";
    let structs: Vec<Vec<(&str, String)>> =
        (0..STRUCTS).map(|_| (0..2 + next(9)).map(|_| random_member(&mut next)).collect()).collect();
    let mut source = format!("{head}\n");
    for (number, members) in structs.iter().enumerate() {
        writeln!(source, "struct s{number} {{").unwrap();
        for (index, (ty, behind)) in members.iter().enumerate() {
            writeln!(source, "  {ty} m{index}{behind};").unwrap();
        }
        writeln!(source, "}} v{number};").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let btf = Btf::parse(std::fs::read(btf_of(directory.path(), "random", &source)).unwrap()).unwrap();
    let mut structures = Structures::new(&btf);
    let mut judged = format!("{head}\n");
    let mut better = 0;
    for (number, members) in structs.iter().enumerate() {
        let ty = btf.find(format!("s{number}").as_bytes(), Kind::Struct).unwrap();
        let Some(order) = structures.get(ty.id()).unwrap().repack() else { continue };
        better += 1;
        assert_eq!(order.structure.fields.len(), members.len());
        writeln!(judged, "struct s{number} {{").unwrap();
        let mut asserts = String::new();
        for field in &order.structure.fields {
            let name = String::from_utf8_lossy(ty.string(field.name));
            let (ty, behind) = &members[name[1..].parse::<usize>().unwrap()];
            writeln!(judged, "  {ty} {name}{behind};").unwrap();
            if !field.is_bitfield() {
                let offset = field.offset;
                writeln!(
                    asserts,
                    "_Static_assert(__builtin_offsetof(struct s{number}, {name}) == {offset}, \"{name}\");"
                )
                .unwrap();
            }
        }
        let size = order.structure.size;
        writeln!(judged, "}};\n{asserts}_Static_assert(sizeof(struct s{number}) == {size}, \"size\");")
            .unwrap();
    }
    assert!(better > STRUCTS / 3, "only {better} of {STRUCTS} have a better order");
    compile(directory.path(), "judged", &judged, &["-c", "-w"]);
}
