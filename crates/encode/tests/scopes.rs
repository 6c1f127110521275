//! Names that mean several things: in several units, in several scopes of one, in several languages' name spaces.

mod table;

use table::{Row, run};

const BOTH: &[&str] = &["gcc -g -gdwarf-5", "gcc -g -gdwarf-4", "clang -g"];

#[test]
fn units() {
    run(&[
        Row {
            name: "a forward declaration is what another unit defines",
            source: "//// a.c\nstruct s; struct s *p; union u; union u *q; enum e; enum e *r;
//// b.c\nstruct s { int a; } s; union u { int b; } u; enum e { A } e;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "var p: *struct s",
                "struct s (4) { a: int @0 }",
                "union u (4) { b: int @0 }",
                "enum e (4) { A = 0 }",
                "!struct s;",
                "!union u;",
                "!{}",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a forward declaration that nobody defines stays one",
            source: "struct s; struct s *p; union u; struct t { union u *q; } t;",
            with: BOTH,
            expect: &["struct s;", "union u;", "struct t (8) { q: *union u @0 }", "var p: *struct s"],
            ..Row::PLAIN
        },
        Row {
            name: "a struct and a union of one name do not become each other",
            source: "//// a.c\nstruct x { int a; } sx; struct p { struct x *x; } p;
//// b.c\nunion x { int b; } ux; struct q { union x *x; } q;
//// c.c\nstruct x; struct r { struct x *x; } r;
//// d.c\nunion x; struct t { union x *x; } t;
//// e.c\nenum x { A } ex;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "struct x (4) { a: int @0 }",
                "union x (4) { b: int @0 }",
                "enum x (4) { A = 0 }",
                "struct p (8) { x: *struct x @0 }",
                "struct q (8) { x: *union x @0 }",
                "struct r (8) { x: *struct x @0 }",
                "struct t (8) { x: *union x @0 }",
                "!struct x;",
                "!union x;",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "one name with two meanings stays two, and so does what contains it",
            source: "//// both.h\nstruct outer { struct inner *inner; int n; }; struct top { struct outer *outer; };
//// a.c\nstruct inner { int a; };\n#include \"both.h\"\nstruct top a; struct inner ai;
//// b.c\nstruct inner { long b; };\n#include \"both.h\"\nstruct top b; struct inner bi;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "struct inner (4) { a: int @0 }",
                "struct inner (8) { b: long @0 }",
                "2× struct outer (16) { inner: *struct inner @0, n: int @64 }",
                "2× struct top (8) { outer: *struct outer @0 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "what does not contain the name with two meanings stays one",
            source: "//// both.h\nstruct outer { int n; struct outer *next; }; struct top { struct outer *outer; };
//// a.c\nstruct inner { int a; };\n#include \"both.h\"\nstruct top a; struct inner ai;
//// b.c\nstruct inner { long b; };\n#include \"both.h\"\nstruct top b; struct inner bi;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "struct inner (4) { a: int @0 }",
                "struct inner (8) { b: long @0 }",
                "struct outer (16) { n: int @0, next: *struct outer @64 }",
                "struct top (8) { outer: *struct outer @0 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "what a unit only declares has the members that its own unit gave it",
            source: "//// table.h\nstruct table { struct bucket *buckets[2]; };
//// a.c\nstruct bucket { char key; }; struct map { struct bucket *buckets; } map;
//// b.c\nstruct table; struct map; struct user { struct table *table; struct map *map; } b;
//// c.c\nstruct bucket { long queue; };\n#include \"table.h\"\nstruct table table; struct bucket bucket;
//// d.c\nstruct table; struct map; struct user { struct table *table; struct map *map; } d;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "struct bucket (1) { key: char @0 }",
                "struct bucket (8) { queue: long @0 }",
                "struct table (16) { buckets: [2]*struct bucket @0 }",
                "struct map (8) { buckets: *struct bucket @0 }",
                "struct user (16) { table: *struct table @0, map: *struct map @64 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a unit that only declares a name with two meanings does not add a third",
            source: "//// both.h\nstruct outer { struct inner *inner; int n; }; 
//// a.c\nstruct inner { int a; };\n#include \"both.h\"\nstruct outer a; struct inner ai;
//// b.c\nstruct inner { long b; };\n#include \"both.h\"\nstruct outer b; struct inner bi;
//// c.c\nstruct inner;\n#include \"both.h\"\nstruct outer c;",
            with: BOTH,
            link: "ld -r",
            expect: &["!struct inner;", "2× struct outer (16) { inner: *struct inner @0, n: int @64 }"],
            ..Row::PLAIN
        },
        Row {
            name: "typedefs, integers and enums of one name in two units stay two",
            source: "//// a.c\ntypedef int t; t a; enum e { A } ae;\n//// b.c\ntypedef long t; t b; enum e { B } be;",
            with: BOTH,
            link: "ld -r",
            expect: &["typedef t = int", "typedef t = long", "enum e (4) { A = 0 }", "enum e (4) { B = 0 }"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn functions_and_blocks() {
    run(&[
        Row {
            name: "structs local to functions are different ones",
            source: "int f(int x) { struct s { int a; } s = { x }; struct t { struct s *s; } t = { &s }; return t.s->a; }
int g(int x) { struct s { char b[4]; long c; } s = { .c = x }; struct t { struct s *s; } t = { &s }; return t.s->c; }
int h(int x) { struct s { int a; } s = { x }; struct t { struct s *s; } t = { &s }; return t.s->a; }",
            with: BOTH,
            expect: &["struct s (4) { a: int @0 }", "struct s (16) { b: [4]char @0, c: long @64 }"],
            ..Row::PLAIN
        },
        Row {
            name: "what reaches local structs through others is told apart as well",
            source: "int f(int x) { struct s { int a; } s = { x }; struct t { struct s *s; } t = { &s };
  struct u { struct t t; int (*f)(struct t *); } u = { t }; return u.t.s->a; }
int g(int x) { struct s { long b; } s = { x }; struct t { struct s *s; } t = { &s };
  struct u { struct t t; int (*f)(struct t *); } u = { t }; return u.t.s->b; }
struct u { int out; } u;",
            with: BOTH,
            expect: &[
                "struct s (4) { a: int @0 }",
                "struct s (8) { b: long @0 }",
                "struct u (4) { out: int @0 }",
                "var u: struct u",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a struct local to a block is not the one outside",
            source: "struct s { int a; } s; int f(int x) { { struct s { long b; } s = { x }; \
                     { struct s { short c; } s = { x }; x += s.c; } return s.b + x; } }",
            with: BOTH,
            expect: &[
                "struct s (4) { a: int @0 }",
                "struct s (8) { b: long @0 }",
                "struct s (2) { c: short @0 }",
                "var s: struct s",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a local meaning in one unit does not split what other units share",
            source: "//// both.h\nstruct in { int a; }; struct out { struct in *in; };
//// a.c\n#include \"both.h\"\nstruct out a; int f(int x) { struct in { long b; } in = { x }; return in.b; }
//// b.c\n#include \"both.h\"\nstruct out b;",
            with: BOTH,
            link: "ld -r",
            expect: &[
                "struct in (4) { a: int @0 }",
                "struct in (8) { b: long @0 }",
                "struct out (8) { in: *struct in @0 }",
            ],
            ..Row::PLAIN
        },
        Row {
            name: "a type that the compiler writes twice into one unit is one",
            // Two -gdwarf units in one by inclusion of the same header in two name spaces.
            source: "namespace a { struct s { int x; s *next; }; s v; } namespace b { struct s { int x; s *next; }; s w; }",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct s (16) { x: int @0, next: *struct s @64 }"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn cpp() {
    run(&[
        Row {
            name: "classes have their data members, no methods, no static members",
            source: "class c { public: int a; static int count; static const int limit = 3; int get() const; \
                     virtual ~c(); private: char b; struct nested { int x; } n; };
                     int c::count; int c::get() const { return a; } c::~c() {} c v;",
            with: &["g++ -gdwarf-4", "g++ -gdwarf-5", "clang++ -gdwarf-4", "clang++ -gdwarf-5"],
            expect: &["struct nested (4) { x: int @0 }", "!count: int", "!limit:", "var v: struct c"],
            ..Row::PLAIN
        },
        Row {
            name: "references are pointers",
            source: "struct s { int &a; const char &b; long &&c; s(int &x); }; extern s &r; int &q(s &x) { return x.a; } \
                     void *p = (void *)q;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct s (24) { a: *int @0, b: *const char @64, c: *long @128 }"],
            ..Row::PLAIN
        },
        Row {
            name: "a base class takes its place",
            source: "struct a { int x; }; struct b { long y; }; struct c : a, b { int z; }; c v;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct a (4) { x: int @0 }", "struct b (8) { y: long @0 }"],
            ..Row::PLAIN
        },
        Row {
            name: "one name in two name spaces is two types",
            source: "namespace a { struct s { int x; }; struct t { s *p; }; t v; }
                     namespace b { struct s { long y; }; struct t { s *p; }; t w; } struct s { char z; } u;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct s (4) { x: int @0 }", "struct s (8) { y: long @0 }", "struct s (1) { z: char @0 }"],
            ..Row::PLAIN
        },
        Row {
            name: "templates have names that a kernel takes",
            source: "template <typename T, int N> struct array { T items[N]; }; array<int, 3> a; array<char *, 2> b;
                     template <typename... T> struct pack { int n; }; pack<int, long> c;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct array_int__3_ (12) { items: [3]int @0 }"],
            ..Row::PLAIN
        },
        Row {
            name: "pointers to members and to nothing do not cost the output",
            source: "struct s { int a; int f(); }; int s::*p = &s::a; int (s::*q)() = &s::f; decltype(nullptr) n;
                     struct t { decltype(nullptr) n; int x; int s::*p; int (s::*q)(); int y; } t;
                     int f(decltype(nullptr) n, int x) { return x; }",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["var t: struct t", "struct s (4) { a: int @0 }"],
            ..Row::PLAIN
        },
        Row {
            name: "enums with an underlying type and scope are enums",
            source: "enum class e : unsigned char { A, B = 200 }; enum class f : long { C = -5 }; \
                     enum g : unsigned long { D = 1 }; e x; f y; g z; bool b; char16_t c; wchar_t w; char32_t d;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug", "g++ -gdwarf-3", "clang++ -gdwarf-3"],
            expect: &["enum e (1) { A = 0, B = 200 }", "enum64 signed f (8) { C = -5 }", "enum64 g (8) { D = 1 }",
                      "int bool (1 bool)"],
            ..Row::PLAIN
        },
        Row {
            name: "anonymous and incomplete classes",
            source: "struct s; struct o { struct { int a; union { int b; long c; }; }; s *p; class k *q; }; o v;",
            with: &["g++ -g", "clang++ -g -fstandalone-debug"],
            expect: &["struct s;", "struct k;"],
            ..Row::PLAIN
        },
        Row {
            name: "lambdas and what they capture",
            source: "int f(int x) { auto l = [&x](int y) { return x + y; }; struct { int a; } s = { l(3) }; return s.a; }",
            with: &["g++ -g -std=c++17", "clang++ -g -fstandalone-debug -std=c++17"],
            expect: &["int int (4 signed)"],
            ..Row::PLAIN
        },
    ]);
}

#[test]
fn rust() {
    run(&[Row {
        name: "Rust's types have names that a kernel takes and members in order",
        source: r"
            pub struct Point { pub small: u8, pub wide: u64, pub odd: u16 }
            pub struct Generic<T> { pub a: T, pub b: u32 }
            pub enum Shape { Circle(u32), Square { side: u64, name: &'static str }, Nothing }
            #[repr(u8)] pub enum Plain { A = 1, B = 200 }
            pub union Either { pub a: u32, pub b: f32 }
            #[unsafe(no_mangle)] pub static TABLE: [Option<&Point>; 3] = [None; 3];
            #[unsafe(no_mangle)] pub fn area(s: &Shape, g: &Generic<u64>, p: Plain, e: Either, x: u128, t: (u8, u32)) -> u64 {
                match s { Shape::Circle(r) => u64::from(*r), Shape::Square { side, .. } => *side, _ => g.a + p as u64 + x as u64 + t.1 as u64 }
            }
            pub fn point(p: &Point, f: &dyn Fn(i32) -> i32) -> i32 { f(p.small as i32) }",
        with: &["rustc --edition 2024 -C debuginfo=2", "rustc --edition 2024 -C debuginfo=2 -C opt-level=2"],
        expect: &[
            "enum Plain (1) { A = 1, B = 200 }",
            "int u8 (1)",
            "struct Point (16) { wide: u64 @0, odd: u16 @64, small: u8 @80 }",
            "struct Generic_u64_ (16) { a: u64 @0, b: u32 @64 }",
            "union Either (4) { a: u32 @0, b: f32 @0 }",
        ],
        ..Row::PLAIN
    }]);
}
