//! Variables: which have a place, which have none, and what their names, types and sizes are.

mod table;

use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_encode::{Options, Variables};
use table::{Row, build, encode_file, lines_of, run};

const BOTH: &[&str] = &["gcc -g -fno-pie", "clang -g -fno-pie"];
const LINK: &str = "gcc -nostdlib -static -Wl,-e0";
const WITH_STATICS: fn() -> Options = || Options { function_statics: true, ..Options::default() };

#[test]
fn places() {
    run(&[
        Row {
            name: "each variable is in its section, at its offset",
            source: "int a = 1; static const char b[3] = \"ab\"; long c; __attribute__((section(\"mine\"))) short d = 4; \
                     const void *e = b; int f(void) { return a + c + d; }",
            with: BOTH,
            link: LINK,
            expect: &["var a: int", "var c: long", "section mine { d @0 +2 }"],
            ..Row::PLAIN
        },
        Row {
            name: "an array that is completed later has its elements",
            source: "extern const char banner[]; const char banner[] = \"hello\"; struct s { int a; }; extern struct s list[]; \
                     struct s list[3];",
            with: BOTH,
            link: LINK,
            expect: &["section .rodata { banner @0 +6 }", "section .bss { list @0 +12 }", "!banner: [0]", "!list: [0]"],
            ..Row::PLAIN
        },
        Row {
            name: "a flexible array that is initialised takes the bytes that its symbol has",
            source: "struct s { int n; char a[]; }; struct s x = { 1, \"abcdefg\" }; int y = 2;",
            with: BOTH,
            link: LINK,
            expect: &["var x: struct s", "section .data { x @0 +12, y @12 +4 }"],
            ..Row::PLAIN
        },
        Row {
            name: "a weak and a strong definition are one variable, of the strong one's type",
            source: "//// a.c\n__attribute__((weak)) const int x = 1; const int *p = &x;
//// b.c\nstruct s { long a, b; }; const struct s x = { 1, 2 }; const struct s *q = &x;",
            with: BOTH,
            link: LINK,
            expect: &["var x: const struct s", "!x: const int"],
            ..Row::PLAIN
        },
        Row {
            name: "two weak definitions that differ in their type's name only give one variable",
            source: "//// a.c\ntypedef int first; __attribute__((weak)) first x = 1; int *p = &x;
//// b.c\ntypedef int second; __attribute__((weak)) second x = 1; int *q = &x;",
            with: BOTH,
            link: LINK,
            expect: &["var x: first", "!x: second"],
            ..Row::PLAIN
        },
        Row {
            name: "another name for a place is a variable without one",
            source: "//// a.c\nint a = 1; extern int b __attribute__((alias(\"a\"))); int c = 2;
//// b.c\nextern int b; int *f(void) { return &b; }",
            with: &["gcc -g -fno-pie"],
            link: LINK,
            expect: &["section .data { a @0 +4, c @4 +4 }", "var a: int", "var b: int"],
            ..Row::PLAIN
        },
        Row {
            name: "an object of the assembler has the type of its declaration in C",
            source: "//// a.S\n.data\n.globl x\n.type x,@object\nx: .quad 1,2\n.size x,16\n.globl label\nlabel: .quad 3\n
.globl unknown\n.type unknown,@object\nunknown: .long 3\n.size unknown,4
//// b.c\nextern long x[]; extern long label; long *p(void) { return x + label; }
//// c.c\nextern long x[2]; long *q(void) { return x; }",
            with: &["gcc -g -fno-pie"],
            link: LINK,
            expect: &["var x: [2]long", "var label: long", "section .data { x @0 +16, label @16 +8 }", "!unknown"],
            ..Row::PLAIN
        },
        Row {
            name: "a declaration that is larger than the object does not push out its neighbour",
            source: "//// a.S\n.data\n.globl x\n.type x,@object\nx: .long 1\n.size x,4\n
//// b.c\nextern int x[64]; int y = 5, z = 6; int *p(void) { return x; }",
            with: &["gcc -g -fno-pie"],
            link: LINK,
            expect: &["var x: [64]int", "section .data { y @4 +4, z @8 +4 }"],
            ..Row::PLAIN
        },
        Row {
            name: "a symbol of the linker script has the type of its declaration and no place",
            source: "//// a.c\nextern char __start[], __bss_start[]; extern unsigned long absolute; int x = 1; \
                     long f(void) { return __bss_start - __start + absolute; }",
            with: &["gcc -g -fno-pie"],
            link: "gcc -nostdlib -static -Wl,-e0 -Wl,--defsym=absolute=0x1234 -Wl,--defsym=__start=x",
            expect: &["var __start: [0]char", "var absolute: unsigned long", "section .data { x @0 +4 }"],
            ..Row::PLAIN
        },
        Row {
            name: "what has no place in memory is no variable",
            source: "__thread int tls = 1; extern int declared; enum { K = 4 }; static const int folded = 3; register long r asm(\"rsp\"); \
                     extern void incomplete; struct never; extern struct never n; int x; \
                     int f(void) { return tls + folded + (int)(long)&incomplete + (int)(long)&n + declared; }",
            with: &["gcc -g -O2", "clang -g -O2"],
            expect: &["section .bss { x @0 +4 }", "!tls", "!declared", "!var r:", "!incomplete", "!never n"],
            ..Row::PLAIN
        },
        Row {
            name: "variables of relocatable files are judged by their sections",
            source: "//// a.c\nint x = 1; static int y = 2; int *p(void) { return &y; } int z;
//// b.c\nstatic long y = 3; long *q(void) { return &y; } __attribute__((section(\".note.mine\"))) const int n = 4;",
            with: &["gcc -g", "clang -g", "gcc -g -fdata-sections"],
            link: "ld.bfd -r",
            expect: &["var x: int", "static var y: int", "static var y: long", "var z: int", "var n: const int",
                      "section .note.mine { n @0 +4 }", "!section .debug"],
            ..Row::PLAIN
        },
        Row {
            name: "notes and tables of functions are sections as others",
            source: "void f(void) {} void (*init)(void) __attribute__((section(\".init_array\"), used)) = f; \
                     __attribute__((section(\".note.x\"), used)) const int note[4] = { 4, 0, 1, 0x58 };",
            with: BOTH,
            link: LINK,
            expect: &["section .init_array { init @0 +8 }", "section .note.x { note @0 +16 }"],
            ..Row::PLAIN
        },
        Row {
            name: "a section of a relocatable file may have an address, which means nothing",
            source: "struct k { long a, b; }; extern struct k third; struct k *p(void) { return &third; } long first[3] = {1}; \
                     static long second = 2; __attribute__((weak)) struct k third = {3}; long *f(void) { return &second; }",
            with: &["gcc -g -fno-pie"],
            link: "gcc -nostdlib -r -Wl,--section-start=.data=8",
            expect: &["section .data { first @8 +24, second @32 +8, third @40 +16 }"],
            ..Row::PLAIN
        },
        Row {
            name: "common symbols of relocatable files are variables",
            source: "int x; static int y; int *p(void) { return &y; }",
            with: &["gcc -g -fcommon"],
            expect: &["var x: int", "section .bss { y @0 +4 }"],
            ..Row::PLAIN
        },
        Row {
            name: "what the compiler took apart has no place",
            source: "static struct { int *a; int *b; long c; } s; int f(int *x) { s.a = x; s.b = x; s.c += 1; return s.c; } \
                     static struct { int used, unused; } t; int g(int v) { t.used = v; return t.used++; }",
            with: &["clang -g -O2", "gcc -g -O2"],
            expect: &["int int (4 signed)"],
            ..Row::PLAIN
        },
        Row {
            name: "variables that were merged into one object have their own offsets",
            source: "static int a, b; static long c; int f(int x) { a += x; b -= x; c += x; return a + b + c; } \
                     int g(int x) { a ^= x; b |= x; c -= x; return a; }",
            with: &["clang -g -O3 --target=aarch64-linux-gnu -mllvm -aarch64-enable-global-merge=true"],
            expect: &["static var a: int", "static var b: int", "static var c: long"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn inside_functions() {
    run(&[
        Row {
            name: "statics of functions have the names of their symbols",
            source: "int f(void) { static int x = 1; return x++; } int g(void) { static long x = 2; return x++; }",
            with: &["gcc -g"],
            options: WITH_STATICS,
            expect: &["static var x.1: int", "static var x.0: long"],
            ..Row::PLAIN
        },
        Row {
            name: "statics of functions have the names of their symbols with clang",
            source: "int f(void) { static int x = 1; return x++; } int g(void) { static long x = 2; return x++; }",
            with: &["clang -g", "clang -g -O1"],
            options: WITH_STATICS,
            expect: &["static var f.x: int", "static var g.x: long", "!var x:"],
            ..Row::PLAIN
        },
        Row {
            name: "statics of functions in C++ have the names of their symbols",
            source: "int f() { static int x = 1; return x++; } inline int h() { static int y = 3; return y++; } int g() { return h(); }",
            with: &["g++ -g", "clang++ -g"],
            options: WITH_STATICS,
            expect: &["static var _ZZ1fvE1x: int", "var _ZZ1hvE1y: int"],
            ..Row::PLAIN
        },
        Row {
            name: "statics of functions that are inlined everywhere are there",
            source: "static inline int f(void) { static int x = 1; { static int y = 5; y++; } return x++; } int g(void) { return f(); } \
                     int h(void) { return f() + 1; }",
            with: &["gcc -g -O2", "gcc -gdwarf-4 -O2"],
            options: WITH_STATICS,
            expect: &["static var x.0: int", "static var y.1: int"],
            ..Row::PLAIN
        },
        Row {
            name: "statics of functions are left out unless they are asked for",
            source: "int y; int f(void) { static int x = 1; extern int y; return x++ + y; }",
            with: BOTH,
            expect: &["!x", "section .bss { y @0 +4 }"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn other_languages_and_link_time_optimisation() {
    run(&[
        Row {
            name: "variables of C++ have the names of their symbols",
            source: "namespace a { int x = 1; static long y = 2; long *p() { return &y; } } struct s { static int count; static const char name[]; };
                     int s::count = 3; const char s::name[] = \"abc\"; int plain; inline int everywhere = 4; int *q() { return &everywhere; }
                     namespace { int hidden = 7; } int *r() { return &hidden; } extern \"C\" { int c_name = 5; }",
            with: &["g++ -g -std=c++17", "clang++ -g -std=c++17", "g++ -gdwarf-3 -std=c++17"],
            expect: &[
                "var _ZN1a1xE: int",
                "static var _ZN1aL1yE: long",
                "var _ZN1s5countE: int",
                "var plain: int",
                "var everywhere: int",
                "static var _ZN12_GLOBAL__N_16hiddenE: int",
                "var c_name: int",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "variables of programs that gcc optimised as a whole are there",
            source: "//// a.c\nstatic int x = 1; int shared = 3; int f(void) { return x++ + shared++; }
//// b.c\nstatic long x = 2; extern int shared; int f(void); int main(void) { return f() + x++ + shared; }",
            with: &["gcc -g -O2 -flto", "gcc -gdwarf-4 -O2 -flto"],
            link: "gcc -g -O2 -flto -flto-partition=none",
            expect: &["!nothing"],
            ..Row::PLAIN
        },
        Row {
            name: "variables of programs that clang optimised as a whole are there",
            source: "//// a.c\nint x = 1; int shared[3] = {3}; int f(void) { return x++ + shared[1]++; }
//// b.c\nstatic long x = 2; extern int shared[]; int f(void); int main(void) { return f() + x++ + shared[0]; }",
            with: &["clang -g -O1 -flto"],
            link: "?clang -g -O1 -flto -fuse-ld=lld",
            // The linker made it a local symbol, as no other program can use it.
            expect: &["static var shared: [3]int"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn per_cpu_data_at_address_zero() {
    const SOURCE: &str = "//// a.c
__attribute__((section(\".data..percpu\"))) int first = 1; __attribute__((section(\".data..percpu\"))) long second = 2;
__attribute__((section(\".gone\"))) int discarded = 3; int plain = 4; int _start(void) { return plain; }
//// map.ld
SECTIONS { .text 0x10000 : { *(.text) } .data 0x20000 : { *(.data) } .data..percpu 0 : { *(.data..percpu) } /DISCARD/ : { *(.gone) } }";
    run(&[
        Row {
            name: "a discarded variable does not take the place of one at address 0",
            source: SOURCE,
            with: BOTH,
            link: "ld.bfd -T map.ld",
            expect: &[
                "section .data..percpu { first @0 +4, second @8 +8 }",
                "section .data { plain @0 +4 }",
                "!discarded",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "per-CPU variables alone",
            source: SOURCE,
            with: BOTH,
            link: "ld.bfd -T map.ld",
            options: || Options { variables: Variables::PerCpu, ..Options::default() },
            expect: &["section .data..percpu { first @0 +4, second @8 +8 }", "!plain", "!discarded"],
        },
        Row {
            name: "no variables",
            source: SOURCE,
            with: BOTH,
            link: "ld.bfd -T map.ld",
            options: || Options { variables: Variables::None, ..Options::default() },
            expect: &["!var ", "!section ", "func _start() -> int"],
        },
    ]);
}

#[test]
fn lean_output_has_neither_what_is_freed_nor_what_macros_make() {
    run(&[Row {
        name: "lean",
        source: "int kept = 1; __attribute__((section(\".init.data\"))) int freed = 2; int __tracepoint_x = 3; int trace_event_fields_y = 4;
                 int __UNIQUE_ID_z = 5; static int __already_done = 6; int *p(void) { return &__already_done; }",
        with: BOTH,
        options: || Options { variables: Variables::Lean, ..Options::default() },
        expect: &["var kept: int", "!freed", "!__tracepoint_x", "!trace_event_fields_y", "!__UNIQUE_ID_z", "!__already_done"],
        ..Row::PLAIN
    }]);
}

#[test]
fn a_side_file_holds_variables_and_what_only_they_need() {
    const SHARED: &str = "struct shared { int a; struct shared *next; }; typedef struct shared shared_t;
        struct shared x; int f(struct shared *s) { return s->a; }
        struct unused { struct shared s; }; int g(struct unused *u) { return u->s.a; }";
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let more = format!(
        "{SHARED} struct only {{ long b; shared_t *s; }} y; int h(struct later *l) {{ return y.b; }}"
    );
    let Some(kernel) = build(SHARED, "gcc -g", "", directories[0].path()) else { return };
    let Some(grown) = build(&more, "gcc -g", "", directories[1].path()) else { return };
    let base = Options { variables: Variables::None, ..Options::default() };
    let base = Arc::new(Btf::parse(encode_file(&kernel, &base).unwrap().bytes).unwrap());
    let side = Options { only_variables: true, base: Some(Arc::clone(&base).into()), ..Options::default() };
    let side = encode_file(&grown, &side).unwrap();
    let expected = [
        "section .bss { x @0 +16, y @16 +16 }",
        "struct only (16) { b: long @0, s: *shared_t @64 }",
        "typedef shared_t = struct shared",
        "var x: struct shared",
        "var y: struct only",
    ];
    let lines = lines_of(&side, Some(&base));
    // The typedef is in the base only if the compiler wrote it there; and so is `long`.
    let is_type = |line: &&String| !line.starts_with("int long") && !line.contains("btfkit:");
    assert_eq!(lines.iter().filter(is_type).collect::<Vec<_>>(), expected);
    // What the base is, says cksum, too.
    let file = directories[0].path().join("base.btf");
    std::fs::write(&file, base.bytes()).unwrap();
    let cksum = std::process::Command::new("cksum").arg(&file).output().unwrap().stdout;
    let cksum = String::from_utf8(cksum).unwrap();
    let numbers: Vec<&str> = cksum.split(' ').take(2).collect();
    let told = format!("btfkit:base={}", numbers.join(","));
    assert_eq!(lines.iter().filter(|line| line.contains(&told)).count(), 1, "{told}: {lines:?}");
}

#[test]
fn a_side_file_leaves_what_the_base_has_also_names_without_a_place() {
    const SOURCE: &str = r#"int taken = 1; __asm__(".globl other_name; .set other_name, taken");
        extern int other_name; int *place(void) { return &other_name; }"#;
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let grown = format!("{SOURCE} int added = 2;");
    let Some(kernel) = build(SOURCE, "gcc -g", "", directories[0].path()) else { return };
    let Some(grown) = build(&grown, "gcc -g", "", directories[1].path()) else { return };
    let base = encode_file(&kernel, &Options::default()).unwrap();
    let variables =
        |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with("var ")).collect::<Vec<_>>();
    assert_eq!(variables(lines_of(&base, None)), ["var other_name: int", "var taken: int"]);
    let base = Arc::new(Btf::parse(base.bytes).unwrap());
    let side = Options { only_variables: true, base: Some(Arc::clone(&base).into()), ..Options::default() };
    let side = encode_file(&grown, &side).unwrap();
    assert_eq!(variables(lines_of(&side, Some(&base))), ["var added: int"]);
}

#[test]
fn more_variables_than_a_section_of_btf_can_hold_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source: String = (0..65_536).map(|number| format!("char v{number}=1;")).collect();
    let Some(object) = build(&source, "gcc -g", "", directory.path()) else { return };
    let error = encode_file(&object, &Options::default()).unwrap_err();
    assert!(error.contains(".data") && error.contains("65536"), "{error}");
}
