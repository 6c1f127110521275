//! Functions: a prototype is written where it tells the truth about the registers, and nowhere else.

mod table;

use btfkit_encode::Options;
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use table::{Row, build, encode_file, lines_of, run};

const BOTH: &[&str] = &["gcc -g -O2", "clang -g -O2"];
/// Linked and relocatable: addresses are compared in one, sections and offsets in the other.
const LINKS: [&str; 2] = ["gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie", "ld.bfd -r"];

/// Runs rows linked and relocatable.
fn run_linked(rows: &[Row]) {
    for link in LINKS {
        let rows: Vec<Row> = rows.iter().map(|row| Row { link, ..*row }).collect();
        run(&rows);
    }
}

#[test]
fn prototypes() {
    run_linked(&[
        Row {
            name: "a function has its parameters and what it returns",
            source: "struct s { int a; }; struct s *f(const struct s *a, unsigned long b, void (*c)(int), ...) { return 0; } \
                     void g(void) {} static __attribute__((noinline)) int h(int x) { asm(\"\"); return x; } int i(void) { return h(1); }",
            with: &["gcc -g -O0", "gcc -g -O2", "clang -g -O0", "clang -g -O2 -fno-inline"],
            expect: &[
                "func f(a: *const struct s, b: unsigned long, c: *fn(int), ...) -> *struct s",
                "func g()",
                "func i() -> int",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a function that is only declared is none",
            source: "__attribute__((weak)) int outside(int x); int f(void) { return outside(1); }",
            with: BOTH,
            expect: &["func f() -> int", "!outside"],
            ..Row::PLAIN
        },
        Row {
            name: "a parameter without a name leaves the function out",
            source: "int f(int a, int) { return a; } int g(int a) { return a; }",
            with: &["clang -g -O1 -std=c2x", "gcc -g -O1"],
            expect: &["func g(a: int) -> int", "!func f"],
            ..Row::PLAIN
        },
        Row {
            name: "a function that is inlined everywhere is none",
            source: "static inline __attribute__((always_inline)) int f(int a) { return a * 3; } int g(int a) { return f(a); }",
            with: BOTH,
            expect: &["func g(a: int) -> int", "!func f"],
            ..Row::PLAIN
        },
        Row {
            name: "more than 255 parameters are as good as any",
            source: "#define A(x) int x##0,int x##1,int x##2,int x##3,int x##4,int x##5,int x##6,int x##7,int x##8,int x##9\n
                     #define B(x) A(x##0),A(x##1),A(x##2),A(x##3),A(x##4),A(x##5),A(x##6),A(x##7),A(x##8),A(x##9)\n
                     int f(B(a),B(b),B(c)) { return a00; } int g(int a) { return a; }",
            with: BOTH,
            expect: &["func g(a: int) -> int"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn functions_of_one_name() {
    run_linked(&[
        Row {
            name: "static functions of one name have several addresses",
            source: "//// a.c\nstatic __attribute__((noinline)) int f(int a) { asm(\"\"); return a; } int x(int v) { return f(v); }
//// b.c\nstatic __attribute__((noinline)) int f(int a) { asm(\"\"); return a + 1; } int y(int v) { return f(v); }",
            with: BOTH,
            expect: &["!func f", "func x(v: int) -> int", "func y(v: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "static functions of one name have several prototypes",
            source: "//// a.c\nstatic __attribute__((noinline)) int f(int a) { asm(\"\"); return a; } int x(int v) { return f(v); }
//// b.c\nstatic __attribute__((noinline)) int f(int a, int b) { asm(\"\"); return a + b; } int y(int v) { return f(v, v); }",
            with: BOTH,
            expect: &["!func f", "func x(v: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "one of them that is inlined everywhere still has another prototype",
            source: "//// a.c\nint f(int a) { return a; }
//// b.c\nstatic inline __attribute__((always_inline)) int f(long a, char *b) { return a + *b; } int y(char *v) { return f(1, v); }",
            with: BOTH,
            expect: &["!func f", "func y(v: *char) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "const and the names of parameters make no difference",
            source: "//// a.c\nstruct s; __attribute__((weak)) int f(const struct s *a, int b) { return b; }
//// b.c\nstruct s { int x; }; int f(struct s *other, const int name) { return name; }",
            with: BOTH,
            expect: &["func f(other: *struct s, name: const int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "the strong definition wins over the weak one in either order",
            source: "//// a.c\nint f(int strong) { return strong; }
//// b.c\n__attribute__((weak)) int f(int weak) { return weak + 1; }",
            with: BOTH,
            expect: &["func f(strong: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "pointers to functions are compared by their parameters",
            source: "//// a.c\n__attribute__((weak)) int f(int (*a)(int)) { return a(1); }
//// b.c\nint f(int (*a)(int, int)) { return a(1, 2); }",
            with: BOTH,
            expect: &["!func f"],
            ..Row::PLAIN
        },
        Row {
            name: "functions are told apart by section and offset, not by offset alone",
            source: "//// a.c\n__attribute__((section(\".text.one\"))) int one(int a) { return a; }
//// b.c\n__attribute__((section(\".text.two\"))) int two(long b) { return b; }
//// c.c\n__attribute__((section(\".text.three\"), weak)) int two(long weak) { return weak + 1; }",
            with: BOTH,
            expect: &["func one(a: int) -> int", "func two(b: long) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "a second name of a function is a function only where DWARF says so",
            source: "int f(int a) { return a; } extern int alias(int) __attribute__((alias(\"f\"))); int g(void) { return alias(1); }",
            with: &["gcc -g -O1"],
            expect: &["func f(a: int) -> int", "!func alias"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn what_the_optimiser_does() {
    run_linked(&[
        Row {
            name: "a function whose parameters were removed is left out",
            source: "struct s { int a, b; }; static __attribute__((noinline)) int f(struct s *p, int unused) { return p->a * 3; } \
                     int g(struct s *p) { return f(p, 4) + f(p + 1, 5); }",
            with: &["gcc -g -O2"],
            expect: &["!func f(", "func g(p: *struct s) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "a function with a constant propagated into it is left out",
            source: "static __attribute__((noinline)) int f(int a, int b) { asm volatile(\"\" :: \"r\"(b)); return a * b; } \
                     int g(int x) { return f(x, 4) + f(x + 1, 4); }",
            with: &["gcc -g -O2"],
            expect: &["!func f(", "func g(x: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "an unused parameter that is still passed does not leave the function out",
            source: "int f(int a, int unused, int b) { return a + b; }",
            with: BOTH,
            expect: &["func f(a: int, unused: int, b: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "the cold part of a function is not a second function",
            source: "void cold(int) __attribute__((cold)); int f(int a) { if (__builtin_expect(a > 100, 0)) { cold(a); cold(a + 1); } return a; } \
                     void cold(int x) { asm(\"\"); }",
            with: &["gcc -g -O2", "gcc -gdwarf-4 -O2"],
            expect: &["func f(a: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "a packed struct on the stack makes places uncertain",
            source: "struct p { char a; long b, c; } __attribute__((packed)); struct n { long a, b, c; };
                     int f(int a, int b, int c, int d, int e, int g, struct p p, int last) { return last; }
                     int h(int a, int b, int c, int d, int e, int g, struct n n, int last) { return last; }",
            with: BOTH,
            expect: &["!func f(", "func h(a: int, b: int, c: int, d: int, e: int, g: int, n: struct n, last: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "structs and large unions among the parameters are where the convention says",
            source: "struct s { long a, b; }; union u { char c[24]; long d; };
                     long f(int a, struct s s, int b) { return s.a + b; } long g(union u u, int a, int b) { return u.d + a + b; }
                     long h(__int128 a, int b) { return (long)a + b; }",
            with: BOTH,
            expect: &[
                "func f(a: int, s: struct s, b: int) -> long",
                "func g(u: union u, a: int, b: int) -> long",
                "func h(a: __int128, b: int) -> long",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "variants with another calling convention are left out",
            source: "__attribute__((regparm(3))) int f(int a, int b) { return a + b; } int g(int a) { return a; }",
            with: &["clang -g -O1"],
            expect: &["func g(a: int) -> int"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn true_signatures() {
    run_linked(&[Row {
        name: "with true signatures an optimised function is what the compiler left, under its symbol's name",
        source: "struct s { int a, b; }; static __attribute__((noinline)) int f(struct s *p, int unused) { asm(\"\"); return p->a * p->b; } \
                 static __attribute__((noinline)) int h(int a, int b) { asm volatile(\"\" :: \"r\"(b)); return a * b; }
                 int g(struct s *p) { return f(p, 4) + f(p + 1, 5) + h(p->a, 3) + h(p->b, 3); }",
        with: &["gcc -g -O2"],
        options: || Options { true_signatures: true, ..Options::default() },
        expect: &["!func f(", "!func h(", "func h.constprop.0(a: int) -> int", "func g(p: *struct s) -> int"],
        ..Row::PLAIN
    }]);
}

/// Locations as no compiler at hand writes them: `LOCATION` is an expression for parameter `b` of `f(int a, int b)`.
fn with_location(location: &str, order: [&str; 2]) -> String {
    let parameter = |name: &str| match name {
        "a" => ".uleb128 4,21 ; .uleb128 1f-2f\n 2: .byte 0x55\n 1:\n".to_owned(),
        _ => format!(".uleb128 4,31 ; .uleb128 3f-4f\n 4: .byte {location}\n 3:\n"),
    };
    let concrete: String = order.iter().map(|name| parameter(name)).collect();
    format!(
        r#"//// unit.S
.text
.globl f
.type f,@function
f: ret
f_end: .size f,.-f
.section .debug_abbrev,"",@progbits
.uleb128 1,0x11 ; .byte 1 ; .uleb128 0x13,0x0b,0x25,0x08,0,0
.uleb128 2,0x24 ; .byte 0 ; .uleb128 0x03,0x08,0x0b,0x0b,0x3e,0x0b,0,0
.uleb128 3,0x2e ; .byte 1 ; .uleb128 0x31,0x13,0x11,0x01,0x12,0x07,0,0
.uleb128 4,0x05 ; .byte 0 ; .uleb128 0x31,0x13,0x02,0x18,0,0
.uleb128 5,0x2e ; .byte 1 ; .uleb128 0x03,0x08,0x3f,0x19,0x49,0x13,0x20,0x0b,0,0
.uleb128 6,0x05 ; .byte 0 ; .uleb128 0x03,0x08,0x49,0x13,0,0
.byte 0
.section .debug_info,"",@progbits
unit: .long unit_end-unit_start
unit_start: .value 4
.long .debug_abbrev
.byte 8
.uleb128 1 ; .byte 12 ; .string "GNU C11"
int: .uleb128 2 ; .string "int" ; .byte 4,5
abstract: .uleb128 5 ; .string "f" ; .long int-unit ; .byte 1
{}
.byte 0
.uleb128 3 ; .long abstract-unit ; .quad f ; .quad f_end-f
{}
.byte 0
.byte 0
unit_end:
"#,
        "a21: .uleb128 6 ; .string \"a\" ; .long int-unit\na31: .uleb128 6 ; .string \"b\" ; .long int-unit",
        concrete
            .replace(".uleb128 4,21 ;", ".uleb128 4 ; .long a21-unit ;")
            .replace(".uleb128 4,31 ;", ".uleb128 4 ; .long a31-unit ;"),
    )
}

#[test]
fn registers() {
    // rdi is register 5, rsi 4, rax 0 (System V ABI, figure 3.36).
    let rows: [(&str, &str, [&str; 2], bool); 7] = [
        ("in its register", "0x54", ["a", "b"], true),
        ("in the register of another", "0x50", ["a", "b"], false),
        ("in its register by the long form", "0x90,4", ["a", "b"], true),
        ("an offset from a register, as a value", "0x74,0,0x9f", ["a", "b"], true),
        ("what another register held on entry", "0xa3,1,0x51,0x9f", ["a", "b"], false),
        ("what its register held on entry", "0xf3,1,0x54,0x9f", ["a", "b"], true),
        ("in another order", "0x54", ["b", "a"], false),
    ];
    for (name, location, order, kept) in rows {
        let directory = tempfile::tempdir().unwrap();
        let source = with_location(location, order);
        let Some(object) = build(&source, "gcc", "", directory.path()) else { return };
        let encoded = encode_file(&object, &Options::default()).unwrap();
        assert!(encoded.report.damage.is_empty(), "{name}: {:?}", encoded.report.damage);
        let lines = lines_of(&encoded, None);
        assert_eq!(lines.contains(&"func f(a: int, b: int) -> int".to_owned()), kept, "{name}: {lines:#?}");
    }
}

#[test]
fn assembler() {
    run_linked(&[
        Row {
            name: "a function of the assembler has the prototype of its declaration in C",
            source: "//// a.S\n.text\n.globl f\n.type f,@function\nf: ret\n.size f,.-f\n.globl nobody\n.type nobody,@function\nnobody: ret\n.size nobody,.-nobody
//// b.c\nint f(char *, int); int g(void) { return f(0, 1); }",
            with: BOTH,
            expect: &["func f(arg0: *char, arg1: int) -> int", "func g() -> int", "!nobody"],
            ..Row::PLAIN
        },
        Row {
            name: "declarations that disagree leave a function of the assembler out",
            source: "//// a.S\n.text\n.globl f\n.type f,@function\nf: ret\n.size f,.-f
//// b.c\nint f(char *, int); int g(void) { return f(0, 1); }
//// c.c\nvoid f(int); void h(void) { f(0); }",
            with: BOTH,
            expect: &["!func f"],
            ..Row::PLAIN
        },
    ]);
}

const KFUNCS: &str = "//// a.c
int plain(int a) { return a; } int kfunc(int a) { return a; } int fast(int a) { return a; } int hook(int a) { return a; }
//// b.S
.section .BTF_ids,\"a\"
.local __BTF_ID__set8__mine
.type __BTF_ID__set8__mine,STT_OBJECT
.size __BTF_ID__set8__mine,24
__BTF_ID__set8__mine: .4byte 2, 1
.local __BTF_ID__func__kfunc__123
.type __BTF_ID__func__kfunc__123,STT_OBJECT
__BTF_ID__func__kfunc__123: .4byte 0, 0
.local __BTF_ID__func__fast__12345
.type __BTF_ID__func__fast__12345,STT_OBJECT
__BTF_ID__func__fast__12345: .4byte 0, 0x1000
.local __BTF_ID__set8__hooks
.type __BTF_ID__set8__hooks,STT_OBJECT
.size __BTF_ID__set8__hooks,16
__BTF_ID__set8__hooks: .4byte 1, 0
.local __BTF_ID__func__hook__7
.type __BTF_ID__func__hook__7,STT_OBJECT
__BTF_ID__func__hook__7: .4byte 0, 0
";

#[test]
fn kfuncs() {
    let expect: &[&str] = &[
        "tag \"bpf_kfunc\" on func kfunc",
        "tag \"bpf_kfunc\" on func fast",
        "tag \"bpf_fastcall\" on func fast",
        "!func plain\"",
        "!on func hook",
        "!on func plain",
    ];
    run_linked(&[Row { name: "kfuncs", source: KFUNCS, with: BOTH, expect, ..Row::PLAIN }]);
    // One file, for machines that no linker is at hand for.
    let (code, table) = KFUNCS.split_once("//// b.S\n").unwrap();
    let assembler: String = table.lines().map(|line| format!("asm({line:?});\n")).collect();
    let source: &'static str = Box::leak(format!("{code}\n{assembler}asm(\".text\");\n").into_boxed_str());
    run(&[Row {
        name: "kfuncs of other machines",
        source,
        with: &[
            "?clang -g --target=s390x-linux-gnu",
            "?clang -g --target=aarch64_be-linux-gnu",
            "?clang -g --target=aarch64-linux-gnu",
            "?clang -g --target=powerpc64-linux-gnu",
        ],
        expect,
        ..Row::PLAIN
    }]);
}

#[test]
fn the_report_tells_why_a_function_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let source = "//// a.c\nstatic __attribute__((noinline)) int f(int a) { asm(\"\"); return a; } int x(int v) { return f(v); }
//// b.c\nstatic __attribute__((noinline)) int f(int a) { asm(\"\"); return a + 1; } int y(int v) { return f(v); }";
    let Some(object) = build(source, "gcc -g -O2", "ld -r", directory.path()) else { return };
    let options = Options { explain: Some("f".to_owned()), ..Options::default() };
    let object = Object::open(&object).unwrap();
    let encoded = btfkit_encode::encode(&object, &options, &Companions::new(Vec::new()), &|_, _| {}).unwrap();
    let explanation = encoded.report.explanations.join("\n");
    assert!(explanation.contains("several addresses"), "{explanation}");
    assert_eq!(encoded.report.functions_left_out.values().sum::<usize>(), 1);
}
