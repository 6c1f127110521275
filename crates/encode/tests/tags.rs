//! Declaration and type tags: what clang itself writes for `-target bpf` is the oracle.

mod table;

use btfkit_btf::Btf;
use btfkit_encode::Options;
use btfkit_encode::object::Object;
use table::{Row, encode_file, run, shell, text};

const SOURCE: &str = r#"
#define tag(x) __attribute__((btf_decl_tag(x)))
#define type(x) __attribute__((btf_type_tag(x)))
struct s { int a tag("member a"); int b; int c tag("c1") tag("c2"); } tag("on s");
union u { int x; long y tag("y"); } tag("on u");
typedef int number tag("on number");
typedef struct { int q tag("q"); } anonymous tag("on anonymous");
struct s global tag("on global");
int type("user") *one;
int type("user") type("rcu") *two;
int type("outer") type("middle") type("inner") *three;
const int type("percpu") *const *type("second") *deep;
struct p { void type("user") *buffer; int (type("fn") *call)(void); } p;
number n; anonymous an; union u un;
int plain(int a tag("param a"), struct s type("user") *b tag("param b")) tag("on plain");
int plain(int a tag("param a"), struct s *b tag("param b")) { return a + b->a; }
static __attribute__((noinline)) int local(int z tag("param z")) tag("on local");
static int local(int z tag("param z")) { return z; }
int caller(int y) { return local(y) + plain(y, &global); }
"#;

/// The lines that say something of tags.
fn tag_lines(btf: &Btf<'_>) -> Vec<String> {
    let mut lines = text::lines(btf);
    lines.retain(|line| (line.starts_with("tag ") || line.contains('#')) && !line.contains("section "));
    lines
}

#[test]
fn tags_are_those_that_clang_writes_itself() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("unit.c"), SOURCE).unwrap();
    if !shell("clang -w -O1 -g -target bpf -c unit.c -o oracle.o", directory.path(), true)
        || !shell("clang -w -O1 -g -c unit.c -o unit.o", directory.path(), true)
    {
        return;
    }
    let oracle = Object::open(directory.path().join("oracle.o")).unwrap();
    let section = oracle.section_by_name(".BTF").unwrap().index;
    let oracle = tag_lines(&Btf::parse(oracle.section_data(section).unwrap().into_owned()).unwrap());
    assert!(oracle.len() > 15, "{oracle:#?}");
    let encoded = encode_file(&directory.path().join("unit.o"), &Options::default()).unwrap();
    let ours = tag_lines(&Btf::parse(encoded.bytes).unwrap());
    for line in &oracle {
        assert!(ours.contains(line), "{line}\n  not in\n{ours:#?}");
    }
    for line in &ours {
        assert!(oracle.contains(line), "{line}\n  not in the oracle's\n{oracle:#?}");
    }
}

#[test]
fn tags_reach_what_they_are_on() {
    run(&[
        Row {
            name: "a function that is also inlined keeps its tags",
            source: "#define tag(x) __attribute__((btf_decl_tag(x)))
                     static int f(int a tag(\"on a\"), int b) tag(\"on f\");
                     static int f(int a tag(\"on a\"), int b) { int i; for (i = 0; i < b; i++) a += __builtin_bswap32(a); return a; }
                     void *address = f; int g(int x) { return f(x, 3) + f(x, 4); }",
            with: &["clang -g -O2", "clang -g -O0"],
            expect: &["tag \"on f\" on func f", "tag \"on a\" on func f(a)"],
            ..Row::PLAIN
        },
        Row {
            name: "a type that units tag differently has the tags of all",
            source: "//// a.c\nstruct s { int a __attribute__((btf_decl_tag(\"one\"))); } x;
//// b.c\nstruct s { int a __attribute__((btf_decl_tag(\"two\"))); } y;
//// c.c\nstruct s { int a; } z;",
            with: &["clang -g"],
            link: "ld -r",
            expect: &["struct s (4) { a: int @0 }", "tag \"one\" on struct s.a", "tag \"two\" on struct s.a"],
            ..Row::PLAIN
        },
        Row {
            name: "a variable that is declared first keeps its tags",
            source: "#define tag(x) __attribute__((btf_decl_tag(x)))
                     extern int x tag(\"on x\"); int x; static int y tag(\"on y\"); int *f(void) { return &y; }",
            with: &["clang -g -O1"],
            expect: &["tag \"on x\" on var x", "tag \"on y\" on var y"],
            ..Row::PLAIN
        },
    ]);
}

/// `int type_tag(outer) type_tag(inner) *p`, a struct and its member with tags, as gcc 16 writes them: chains that DIEs
/// share. In a chain the tag next to the pointer is first.
const GNU: &str = r#"//// unit.S
.section .debug_abbrev,"",@progbits
.uleb128 1,0x11 ; .byte 1 ; .uleb128 0x13,0x0b,0,0
.uleb128 2,0x24 ; .byte 0 ; .uleb128 3,8,0x0b,0x0b,0x3e,0x0b,0,0
.uleb128 3,0x0f ; .byte 0 ; .uleb128 0x49,0x13,0x2139,0x13,0,0
.uleb128 4,0x16 ; .byte 0 ; .uleb128 3,8,0x49,0x13,0,0
.uleb128 5,0x13 ; .byte 1 ; .uleb128 3,8,0x0b,0x0b,0x2139,0x13,0,0
.uleb128 6,0x0d ; .byte 0 ; .uleb128 3,8,0x49,0x13,0x38,0x0b,0x2139,0x13,0,0
.uleb128 7,0x6001 ; .byte 0 ; .uleb128 3,8,0x1c,8,0,0
.uleb128 8,0x6001 ; .byte 0 ; .uleb128 3,8,0x1c,8,0x2139,0x13,0,0
.byte 0
.section .debug_info,"",@progbits
unit: .long end-start
start: .value 4 ; .long .debug_abbrev ; .byte 8
.uleb128 1 ; .byte 12
int: .uleb128 2 ; .string "int" ; .byte 4,5
outer: .uleb128 7 ; .string "btf_type_tag" ; .string "outer"
inner: .uleb128 8 ; .string "btf_type_tag" ; .string "inner" ; .long outer-unit
p: .uleb128 3 ; .long int-unit ; .long inner-unit
.uleb128 4 ; .string "t" ; .long p-unit
one: .uleb128 7 ; .string "btf_decl_tag" ; .string "one"
two: .uleb128 8 ; .string "btf_decl_tag" ; .string "two" ; .long one-unit
.uleb128 5 ; .string "s" ; .byte 4 ; .long one-unit
.uleb128 6 ; .string "a" ; .long int-unit ; .byte 0 ; .long two-unit
.byte 0
.byte 0
end:
"#;

#[test]
fn tags_of_gcc_are_understood() {
    run(&[Row {
        name: "chains",
        source: GNU,
        with: &["gcc"],
        expect: &[
            "typedef t = *#inner #outer int",
            "tag \"one\" on struct s",
            "tag \"one\" on struct s.a",
            "tag \"two\" on struct s.a",
        ],
        ..Row::PLAIN
    }]);
}
