//! Types of C, from every version of DWARF that compilers write, in the words of BTF.

mod table;

use table::{Row, run};

const VERSIONS: &[&str] = &[
    "gcc -gdwarf-2 -gstrict-dwarf",
    "gcc -gdwarf-2",
    "gcc -gdwarf-3 -gstrict-dwarf",
    "gcc -gdwarf-4 -gstrict-dwarf",
    "gcc -gdwarf-4",
    "gcc -gdwarf-5 -gstrict-dwarf",
    "gcc -gdwarf-5",
    "clang -gdwarf-2",
    "clang -gdwarf-3",
    "clang -gdwarf-4",
    "clang -gdwarf-5",
    "clang -gdwarf-4 --target=i386-linux-gnu -mlong-double-128",
];
const BOTH: &[&str] = &["gcc -g", "clang -g"];
/// Big-endian machines with 64-bit longs.
const BIG_ENDIAN: &[&str] = &[
    "clang -gdwarf-2 --target=s390x-linux-gnu",
    "clang -gdwarf-4 --target=s390x-linux-gnu",
    "clang -gdwarf-5 --target=s390x-linux-gnu",
    "clang -gdwarf-3 --target=aarch64_be-linux-gnu",
    "clang -gdwarf-5 --target=powerpc64-linux-gnu",
];

#[test]
fn members_and_their_bits() {
    run(&[
        Row {
            name: "bit-fields have the same place in every version of DWARF",
            source: "struct s { int a:3; unsigned b:20; unsigned c:9; int d; unsigned char e:7, f:1; short g; } s;",
            with: VERSIONS,
            expect: &[
                "struct s (12) { a: int @0:3, b: unsigned int @3:20, c: unsigned int @23:9, d: int @32, \
                       e: unsigned char @64:7, f: unsigned char @71:1, g: short @80 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "bit-fields of big-endian machines count from the other end",
            source: "struct s { int a:3; unsigned b:20; unsigned c:9; int d; unsigned char e:7, f:1; short g; } s;",
            with: BIG_ENDIAN,
            expect: &[
                "struct s (12) { a: int @0:3, b: unsigned int @3:20, c: unsigned int @23:9, d: int @32, \
                       e: unsigned char @64:7, f: unsigned char @71:1, g: short @80 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "bit-fields may be booleans, enums and typedefs",
            source: "typedef unsigned int u32; typedef const volatile u32 cu32; enum e { A, B };
                     struct s { _Bool a:1; enum e b:2; u32 c:5; cu32 d:4; } s;",
            with: VERSIONS,
            expect: &["struct s (4) { a: _Bool @0:1, b: enum e @1:2, c: u32 @3:5, d: cu32 @8:4 }"],
            ..Row::PLAIN
        },
        Row {
            name: "bit-fields may be wider than 32 and 64 bits",
            source: "struct s { long a:33; unsigned long b:31; unsigned long c:63; } s; \
                     struct i { __int128 a:100; unsigned __int128 b:28; } i;",
            with: &["gcc -gdwarf-2", "gcc -gdwarf-4", "gcc -gdwarf-5", "clang -gdwarf-3", "clang -gdwarf-5"],
            expect: &[
                "struct s (16) { a: long @0:33, b: unsigned long @33:31, c: unsigned long @64:63 }",
                "struct i (16) { a: __int128 @0:100, b: unsigned __int128 @100:28 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "bit-fields of packed structs lie across storage units",
            source: "struct s { char x; int a:13; int b:30; unsigned long long c:41; char y; } __attribute__((packed)) s;",
            with: VERSIONS,
            expect: &[
                "struct s (13) { x: char @0, a: int @8:13, b: int @21:30, c: unsigned long long @51:41, \
                       y: char @96 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a bit-field as wide as its type and one without a name keep the places of the others",
            source: "struct s { int a:32; int :7; int b:2; int :0; int c:1; } s;",
            // clang says nothing of the bits of a.
            with: &["gcc -gdwarf-2 -gstrict-dwarf", "gcc -gdwarf-4", "gcc -gdwarf-5"],
            expect: &["struct s (12) { a: int @0:32, b: int @39:2, c: int @64:1 }"],
            ..Row::PLAIN
        },
        Row {
            name: "unions hold bit-fields",
            source: "union u { int a:3; unsigned char b:1; long c; } u;",
            with: &["gcc -gdwarf-2", "gcc -gdwarf-5", "clang -gdwarf-3", "clang -gdwarf-5"],
            expect: &["union u (8) { a: int @0:3, b: unsigned char @0:1, c: long @0 }"],
            ..Row::PLAIN
        },
        Row {
            name: "structs of more than 2 MiB have all their members at the right places",
            source: "struct s { char a[3 << 20]; int b; } s; struct t { char a[1 << 20]; int b:5; } t;",
            with: BOTH,
            expect: &[
                "struct s (3145732) { a: [3145728]char @0, b: int @25165824 }",
                "struct t (1048580) { a: [1048576]char @0, b: int @8388608:5 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a bit-field does not corrupt a member beyond 2 MiB",
            source: "struct s { int a:5; int b:3; int c; char d[3 << 20]; int e; } s;",
            with: BOTH,
            // BTF has 24 bits for offsets where a struct has bit-fields: as members of integers of that many bits.
            expect: &["struct s (3145740) { a: int/5 @0, b: int/3 @5, c: int @32, d: [3145728]char @64, \
                       e: int @25165888 }"],
            ..Row::PLAIN
        },
        Row {
            name: "a bit-field beyond 2 MiB is where it is",
            source: "enum e { A }; struct s { char d[3 << 20]; int a:5; _Bool b:1; enum e c:3; int z; } s;",
            with: BOTH,
            expect: &["struct s (3145736) { d: [3145728]char @0, a: int/5 @25165824, b: _Bool/1 @25165829, \
                       c: e/3 @25165830, z: int @25165856 }"],
            ..Row::PLAIN
        },
        Row {
            name: "anonymous structs and unions nest",
            source: "struct s { int a; union { struct { short b, c; }; struct { int d:4; } e; int f; }; struct {} g; } s;",
            with: BOTH,
            expect: &[
                "struct s (8) { a: int @0, : union (4) { : struct (4) { b: short @0, c: short @16 } @0, \
                       e: struct (4) { d: int @0:4 } @0, f: int @0 } @32, g: struct (0) {} @64 }",
            ],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn arrays() {
    run(&[
        Row {
            name: "arrays of arrays stay arrays of arrays",
            source: "int a[2][3][4]; const char *b[5][6]; typedef int row[7]; row *c;",
            with: BOTH,
            expect: &[
                "var a: [2][3][4]int",
                "var b: [5][6]*const char",
                "var c: *row",
                "typedef row = [7]int",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "flexible and empty arrays have no elements",
            source: "struct s { int n; int a[0]; char b[]; } s; struct t { int n; struct s c[0][4]; } t;",
            with: &["gcc -gdwarf-2", "gcc -gdwarf-4", "gcc -gdwarf-5", "clang -gdwarf-4", "clang -gdwarf-5"],
            expect: &[
                "struct s (4) { n: int @0, a: [0]int @32, b: [0]char @32 }",
                "struct t (4) { n: int @0, c: [0][4]struct s @32 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "large arrays have all their elements",
            source: "struct s { char a[255], b[256], c[257], d[65536], e[1 << 24]; } s; extern char f[0x80000001]; \
                     void *g = f;",
            with: BOTH,
            expect: &[
                "struct s (16843520) { a: [255]char @0, b: [256]char @2040, c: [257]char @4088, d: [65536]char @6144, \
                 e: [16777216]char @530432 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "arrays whose size is known at run time only have none",
            source: "int f(int n) { struct in { int a; } b[n]; typedef int vla[n]; extern int g(void *); vla c; \
                     int (*p)[n] = (void *)b; return g(b) + g(c) + (*p)[0]; }",
            with: BOTH,
            expect: &["func f(n: int) -> int"],
            ..Row::PLAIN
        },
        Row {
            name: "vectors are arrays",
            source: "typedef int v __attribute__((vector_size(16))); v x;",
            with: BOTH,
            expect: &["typedef v = [4]int", "var x: v"],
            ..Row::PLAIN
        },
        Row {
            name: "arrays are indexed by int where no unit has one",
            source: "char a[4];",
            with: BOTH,
            expect: &["int int (4 signed)", "int char (1 signed)"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn enums() {
    run(&[
        Row {
            name: "enums are signed where a value is negative",
            source: "enum e { A = -1, B = 0x7fffffff } e; enum f { C, D = 0xffffffff } f; enum g { E = 200, F = 255 } g;",
            with: VERSIONS,
            expect: &[
                "enum signed e (4) { A = -1, B = 2147483647 }",
                "enum f (4) { C = 0, D = 4294967295 }",
                "enum g (4) { E = 200, F = 255 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "enums of more than 32 bits have 64",
            source: "enum e { A = -1, B = 0x7fffffffffffffff } e; enum f { C, D = 0xffffffffffffffff } f; \
                     enum g { E = 0x100000000 } g;",
            with: &["gcc -gdwarf-2", "gcc -gdwarf-4", "gcc -gdwarf-5", "clang -gdwarf-4", "clang -gdwarf-5"],
            expect: &[
                "enum64 signed e (8) { A = -1, B = 9223372036854775807 }",
                "enum64 f (8) { C = 0, D = 18446744073709551615 }",
                "enum64 g (8) { E = 4294967296 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "packed enums have one byte or two",
            source: "enum e { A, B = 255 } __attribute__((packed)) e; enum f { C = -1, D = 127 } __attribute__((packed)) f;\
                     enum g { E = -300 } __attribute__((packed)) g;",
            with: VERSIONS,
            expect: &[
                "enum e (1) { A = 0, B = 255 }",
                "enum signed f (1) { C = -1, D = 127 }",
                "enum signed g (2) { E = -300 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "an enum that is never defined has no values",
            source: "enum e; enum e *p; struct s { enum e *q; } s;",
            with: BOTH,
            expect: &["enum e (4) {}", "struct s (8) { q: *enum e @0 }", "var p: *enum e"],
            ..Row::PLAIN
        },
        Row {
            name: "an enum without a name has values",
            source: "enum { A = 1, B = -2 } e;",
            with: BOTH,
            expect: &["var e: enum signed (4) { A = 1, B = -2 }"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn base_types() {
    run(&[
        Row {
            name: "integers have their signs",
            source: "char a; signed char b; unsigned char c; short d; unsigned long e; long long f; _Bool g; \
                     __int128 h; unsigned __int128 i; __CHAR16_TYPE__ j;",
            with: &["gcc -gdwarf-2", "gcc -gdwarf-5", "clang -gdwarf-4"],
            expect: &[
                "int char (1 signed)",
                "int signed char (1 signed)",
                "int unsigned char (1)",
                "int _Bool (1 bool)",
                "int __int128 (16 signed)",
                "var a: char",
                "var b: signed char",
                "var h: __int128",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "char is unsigned where the machine has it so",
            source: "char a;",
            with: &[
                "clang -g --target=aarch64-linux-gnu",
                "gcc -g -funsigned-char",
                "clang -g --target=s390x-linux-gnu",
            ],
            expect: &["int char (1)"],
            ..Row::PLAIN
        },
        Row {
            name: "floating point numbers keep their sizes",
            source: "float a; double b; long double c; __float128 d; _Float16 e;",
            with: &["gcc -g", "?clang -g -msse2"],
            expect: &["float float (4)", "float double (8)", "float long double (16)", "float _Float16 (2)"],
            ..Row::PLAIN
        },
        Row {
            name: "long double has the size of the machine",
            source: "long double a; struct s { long double b; int c; } s;",
            with: &["clang -g --target=i386-linux-gnu"],
            expect: &["float long double (12)", "struct s (16) { b: long double @0, c: int @96 }"],
            ..Row::PLAIN
        },
        Row {
            name: "decimal numbers are numbers of that size",
            source: "_Decimal64 a; _Decimal32 b; struct s { _Decimal128 c; int d; } s;",
            with: &["gcc -g"],
            expect: &["struct s (32) { c: _Decimal128 @0, d: int @128 }"],
            ..Row::PLAIN
        },
        Row {
            name: "complex numbers, which BTF cannot say, cost nothing but themselves",
            source: "_Complex double a; _Complex float b; struct s { int x; _Complex double c; int y; } s;
                     _Complex int d; double f(_Complex float z, int n) { return n; }",
            with: BOTH,
            expect: &["var s: struct s", "float double (8)"],
            ..Row::PLAIN
        },
        Row {
            name: "integers of odd widths cost nothing but themselves",
            source: "_BitInt(17) a; struct s { _BitInt(100) b; int c; } s; _Bool d;",
            with: &["?clang -g -std=c2x", "?clang -g -Xclang -fexperimental-max-bitint-width=128"],
            expect: &["var d: _Bool"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn chains_of_qualifiers() {
    run(&[
        Row {
            name: "qualifiers stay in order",
            source: "const volatile int *const volatile *restrict a; int *restrict *b; const int c[3]; void *const d;
                     const void *e; volatile struct s { const int x; } f;",
            with: &["gcc -gdwarf-3", "gcc -gdwarf-5", "clang -gdwarf-4"],
            expect: &[
                "var b: *restrict *int",
                "var d: const *void",
                "var e: *const void",
                "struct s (4) { x: const int @0 }",
                "var f: volatile struct s",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "atomic types are what they are atomic of",
            source: "_Atomic int a; _Atomic(long *) b; struct s { _Atomic unsigned c; const _Atomic char d; } s;",
            with: &["gcc -gdwarf-4", "gcc -gdwarf-5", "clang -gdwarf-5"],
            expect: &["var a: int", "var b: *long"],
            ..Row::PLAIN
        },
        Row {
            name: "pointers to functions have prototypes",
            source: "int (*a)(int, char *); void (*b)(void); void (*c)(); int (*d)(const char *, ...);
                     struct s { struct s *(*next)(struct s *, int (*)(void)); } s; typedef void fn(int); fn *e;",
            with: BOTH,
            expect: &[
                "var a: *fn(int, *char) -> int",
                "var b: *fn()",
                "var d: *fn(*const char, ...) -> int",
                "struct s (8) { next: *fn(*struct s, *fn() -> int) -> *struct s @0 }",
                "typedef fn = fn(int)",
                "var e: *fn",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "types refer to each other in circles",
            source: "struct a { struct b *b; }; struct b { struct c { struct a *a; union d *d; } c; }; 
                     union d { struct b b; union d *next; int (*f)(struct a *); }; struct a x;",
            with: BOTH,
            expect: &[
                "struct a (8) { b: *struct b @0 }",
                "struct b (16) { c: struct c @0 }",
                "struct c (16) { a: *struct a @0, d: *union d @64 }",
                "union d (16) { b: struct b @0, next: *union d @0, f: *fn(*struct a) -> int @0 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "assembler functions return nothing that C knows (DW_TAG_unspecified_type)",
            source: "//// unit.S\n.text\n.globl f\n.type f,@function\nf: ret\n.size f,.-f\n//// other.c\nint x;\n",
            with: &["gcc -g"],
            link: "ld -r",
            expect: &["var x: int"],
            ..Row::PLAIN
        },
    ]);
}
