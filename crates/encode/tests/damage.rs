//! DWARF that no compiler writes: one broken DIE costs that DIE, and nothing costs more than its size.

mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use btfkit_btf::Btf;
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Options, encode};
use table::{build, encode_file, lines_of, text};

/// A unit of DWARF 4 in assembler: abbreviations for C's DIEs with names in the DIEs, then `body`.
fn unit(body: &str) -> String {
    format!(
        r#"//// unit.S
.section .debug_abbrev,"",@progbits
.uleb128 1,0x11 ; .byte 1 ; .uleb128 0x13,0x0b,0,0        /* unit: language */
.uleb128 2,0x24 ; .byte 0 ; .uleb128 3,8,0x0b,0x0b,0x3e,0x0b,0,0 /* base: name, size, encoding */
.uleb128 3,0x0f ; .byte 0 ; .uleb128 0x49,0x13,0,0        /* pointer */
.uleb128 4,0x16 ; .byte 0 ; .uleb128 3,8,0x49,0x13,0,0    /* typedef */
.uleb128 5,0x13 ; .byte 1 ; .uleb128 3,8,0x0b,0x0f,0,0    /* struct: name, size */
.uleb128 6,0x0d ; .byte 0 ; .uleb128 3,8,0x49,0x13,0x38,0x0f,0,0 /* member: name, type, offset */
.uleb128 7,0x26 ; .byte 0 ; .uleb128 0x49,0x13,0,0        /* const */
.uleb128 8,0x01 ; .byte 1 ; .uleb128 0x49,0x13,0,0        /* array */
.uleb128 9,0x21 ; .byte 0 ; .uleb128 0x37,0x0f,0,0        /* subrange: count */
.uleb128 10,0x04 ; .byte 1 ; .uleb128 3,8,0x0b,0x0f,0,0   /* enum: name, size */
.uleb128 11,0x28 ; .byte 0 ; .uleb128 3,8,0x1c,0x0f,0,0   /* enumerator */
.uleb128 12,0x34 ; .byte 0 ; .uleb128 0x47,0x13,0,0       /* variable: specification */
.uleb128 13,0x2e ; .byte 0 ; .uleb128 0x31,0x13,0,0       /* function: abstract origin */
.uleb128 14,0x13 ; .byte 0 ; .uleb128 0x47,0x13,0x0b,0x0f,0,0 /* struct: specification, size */
.uleb128 15,0x17 ; .byte 1 ; .uleb128 3,8,0x0b,0x0f,0,0   /* union */
.uleb128 16,0x0d ; .byte 0 ; .uleb128 3,8,0x49,0x13,0x38,0x0f,0x0d,0x0f,0x0c,0x0f,0,0 /* bit-field: …, bits, bit offset */
.uleb128 17,0x15 ; .byte 1 ; .uleb128 0x49,0x13,0,0       /* subroutine type */
.uleb128 18,0x05 ; .byte 0 ; .uleb128 0x49,0x13,0,0       /* parameter */
.uleb128 19,0x24 ; .byte 0 ; .uleb128 3,0x0e,0x0b,0x0b,0x3e,0x0b,0,0 /* base: name in .debug_str */
.byte 0
.section .debug_info,"",@progbits
unit: .long unit_end-unit_start
unit_start: .value 4 ; .long .debug_abbrev ; .byte 8
.uleb128 1 ; .byte 12
int: .uleb128 2 ; .string "int" ; .byte 4,5
good: .uleb128 5 ; .string "good" ; .uleb128 4
.uleb128 6 ; .string "x" ; .long int-unit ; .uleb128 0
.byte 0
.macro named_struct name size ; .uleb128 5 ; .string "\name" ; .uleb128 \size ; .endm
.macro member name type offset ; .uleb128 6 ; .string "\name" ; .long \type-unit ; .uleb128 \offset ; .endm
{body}
.byte 0
unit_end:
.section .debug_str,"MS",@progbits,1
.string "text"
"#
    )
}

/// (name, DIEs, lines that must be there, damage that must be counted)
const BROKEN: &[(&str, &str, &[&str], bool)] = &[
    ("nothing", "", &[], false),
    ("a typedef of itself", "a: .uleb128 4 ; .string \"a\" ; .long a-unit", &[], false),
    (
        "typedefs of each other",
        "a: .uleb128 4 ; .string \"a\" ; .long b-unit\nb: .uleb128 4 ; .string \"b\" ; .long c-unit\n\
         c: .uleb128 7 ; .long a-unit\nnamed_struct s 8\nmember m a 0\n.byte 0",
        &[],
        false,
    ),
    ("const of itself", "a: .uleb128 7 ; .long a-unit\np: .uleb128 3 ; .long a-unit", &[], false),
    (
        "a pointer to itself",
        "a: .uleb128 3 ; .long a-unit\nt: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &[],
        false,
    ),
    ("an array of itself", "a: .uleb128 8 ; .long a-unit\n.uleb128 9 ; .uleb128 3\n.byte 0", &[], false),
    (
        "a struct in itself",
        "a: named_struct s 8\nmember m a 0\n.byte 0",
        &["struct s (8) { m: struct s @0 }"],
        false,
    ),
    (
        "a function that returns itself",
        "a: .uleb128 17 ; .long a-unit\n.uleb128 18 ; .long a-unit\n.byte 0",
        &[],
        false,
    ),
    (
        "a member that lies outside",
        "named_struct s 8\nmember a int 0\nmember b int 400\n.byte 0",
        &["struct s (8) { a: int @0 }"],
        false,
    ),
    (
        "a member without a type",
        "named_struct s 8\nmember a int 0\n.uleb128 6 ; .string \"b\" ; .long 0 ; .uleb128 4\nmember c int 4\n.byte 0",
        &["struct s (8) { a: int @0, c: int @32 }"],
        false,
    ),
    (
        "a member of a union that is not at its start",
        ".uleb128 15 ; .string \"u\" ; .uleb128 8\nmember a int 0\nmember b int 4\n.byte 0",
        &["union u (8) { a: int @0 }"],
        false,
    ),
    (
        "bit-fields of no sense",
        "named_struct s 8\n.uleb128 16 ; .string \"a\" ; .long int-unit ; .uleb128 0,200,0\n\
         .uleb128 16 ; .string \"b\" ; .long good-unit ; .uleb128 4,70000,1000000\n\
         .uleb128 16 ; .string \"c\" ; .long int-unit ; .uleb128 0,3,5\n.byte 0",
        &[],
        false,
    ),
    ("a reference outside of the unit", "a: .uleb128 3 ; .long 0x7fffff00", &[], true),
    (
        "a reference into a DIE",
        "a: .uleb128 3 ; .long int-unit+2\nt: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &["typedef t = *void"],
        false,
    ),
    (
        "a string that is not there",
        ".uleb128 19 ; .long 4000 ; .byte 4,5\nt: .uleb128 4 ; .string \"t\" ; .long int-unit",
        &["typedef t = int"],
        true,
    ),
    (
        "an enum of three bytes",
        ".uleb128 10 ; .string \"e\" ; .uleb128 3\n.uleb128 11 ; .string \"A\" ; .uleb128 7\n.byte 0",
        &["enum e (4) { A = 7 }"],
        false,
    ),
    (
        "an enumerator without a name",
        ".uleb128 10 ; .string \"e\" ; .uleb128 4\n.uleb128 11 ; .string \"\" ; .uleb128 7\n.uleb128 11 ; .string \"B\" ; .uleb128 8\n.byte 0",
        &["enum e (4) { B = 8 }"],
        false,
    ),
    (
        "a typedef without a name",
        "a: .uleb128 4 ; .string \"\" ; .long int-unit\nt: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &["typedef t = int"],
        false,
    ),
    (
        "a typedef of a variable",
        "v: .uleb128 12 ; .long int-unit\nt: .uleb128 4 ; .string \"t\" ; .long v-unit",
        &[],
        false,
    ),
    (
        "variables that complete each other",
        "v: .uleb128 12 ; .long w-unit\nw: .uleb128 12 ; .long v-unit",
        &[],
        false,
    ),
    (
        "functions that are instances of each other",
        "v: .uleb128 13 ; .long w-unit\nw: .uleb128 13 ; .long v-unit",
        &[],
        false,
    ),
    (
        "structs that complete each other",
        "v: .uleb128 14 ; .long w-unit ; .uleb128 4\nw: .uleb128 14 ; .long v-unit ; .uleb128 4",
        &[],
        false,
    ),
    (
        "more elements than there are bytes",
        "a: .uleb128 8 ; .long int-unit\n.uleb128 9 ; .uleb128 0xffffffff\n.byte 0\n\
        t: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &["typedef t = [4294967295]int"],
        false,
    ),
    ("a DIE of an unknown sort", ".uleb128 99", &[], true),
    (
        "a struct of 1 EiB",
        "a: named_struct huge 0x1000000000000000\nmember m int 0x1000000000000\n.byte 0",
        &["struct huge;"],
        true,
    ),
    (
        "a member 1 GiB away",
        "named_struct s 0x50000000\nmember n int 8\nmember m int 0x40000000\n.byte 0",
        &["struct s (1342177280) { n: int @64 }"],
        true,
    ),
    (
        "an array of more elements than can be counted",
        "a: .uleb128 8 ; .long int-unit\n.uleb128 9 ; .uleb128 0x10000000000\n.byte 0\n\
        t: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &["typedef t = [0]int"],
        true,
    ),
    (
        "integers of odd sizes",
        ".uleb128 2 ; .string \"odd\" ; .byte 3,5\na: .uleb128 2 ; .string \"wide\" ; .byte 200,5\n\
        t: .uleb128 4 ; .string \"t\" ; .long a-unit",
        &[],
        false,
    ),
];

#[test]
fn one_broken_die_costs_no_other() {
    let mut failures = Vec::new();
    for (name, body, expected, counted) in BROKEN {
        let directory = tempfile::tempdir().unwrap();
        let Some(object) = build(&unit(body), "gcc", "", directory.path()) else { return };
        let encoded = match encode_file(&object, &Options::default()) {
            Ok(encoded) => encoded,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let lines = text::lines(&Btf::parse(&*encoded.bytes).unwrap());
        for line in [&["struct good (4) { x: int @0 }"], *expected].concat() {
            if !lines.iter().any(|have| have == line) {
                failures.push(format!("{name}: {line} not in {lines:#?}"));
            }
        }
        if *counted == encoded.report.damage.is_empty() {
            failures.push(format!("{name}: damage {:?}", encoded.report.damage));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

fn repeat(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// Encodes a unit; how long that took.
fn time(directory: &Path, body: &str) -> Option<(Vec<String>, Duration)> {
    let object: PathBuf = build(&unit(body), "gcc", "", directory)?;
    let start = Instant::now();
    let encoded = encode_file(&object, &Options::default()).unwrap();
    let took = start.elapsed();
    Some((text::lines(&Btf::parse(encoded.bytes).unwrap()), took))
}

#[test]
fn depth_and_length_are_not_limited_by_the_stack() {
    let long = 200_000;
    let last = |kind: &str| {
        format!("d{long}: {kind} ; .long int-unit\nend: .uleb128 4 ; .string \"end\" ; .long d0-unit\n")
    };
    for (name, body) in [
        (
            "pointers",
            repeat(long, |n| format!("d{n}: .uleb128 3 ; .long d{}-unit\n", n + 1)) + &last(".uleb128 3"),
        ),
        (
            "qualifiers",
            repeat(long, |n| format!("d{n}: .uleb128 7 ; .long d{}-unit\n", n + 1)) + &last(".uleb128 7"),
        ),
        (
            "typedefs",
            repeat(long, |n| format!("d{n}: .uleb128 4 ; .string \"t{n}\" ; .long d{}-unit\n", n + 1))
                + &last(".uleb128 4 ; .string \"t\""),
        ),
        (
            "structs in structs",
            repeat(3000, |n| format!("d{n}: named_struct s{n} 4\nmember m d{} 0\n.byte 0\n", n + 1))
                + "d3000: named_struct s 4\nmember m int 0\n.byte 0\n",
        ),
        (
            "structs that point at the next, the last with two meanings",
            repeat(20_000, |n| {
                format!(
                    "d{n}: named_struct s{n} 8\nmember m p{n} 0\n.byte 0\np{n}: .uleb128 3 ; .long d{}-unit\n",
                    n + 1
                )
            }) + "d20000: named_struct last 4\nmember a int 0\n.byte 0\nnamed_struct last 4\nmember b int 0\n.byte 0\n",
        ),
        ("DIEs in DIEs", repeat(3000, |n| format!("named_struct s{n} 4\n")) + &".byte 0\n".repeat(3000)),
        (
            "many structs of one name",
            repeat(3000, |n| format!("named_struct s 4\nmember m{n} int 0\n.byte 0\n")),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let Some((lines, took)) = time(directory.path(), &body) else { return };
        eprintln!("{name}: {took:?}");
        assert!(lines.contains(&"struct good (4) { x: int @0 }".to_owned()), "{name}");
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
    }
}

#[test]
fn flips_of_bits_give_output_that_kernels_take_or_an_error_that_is_none_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let source = "struct s { int a:3; union { long b; char *c[3]; }; struct s *n; } s; enum e { A, B = -4 } e; typedef int t[3];
        int f(struct s *p, const char *q, ...) { static t x; return p->a + x[0] + q[1]; } volatile double d; _Complex float z;
        static inline int g(int a) { return a * 2; } void h(void (*c)(enum e)) { c(g(e)); }";
    let mut refused = Vec::new();
    for with in ["gcc -g -O1", "clang -gdwarf-4 -O1"] {
        let Some(object) = build(source, with, "", directory.path()) else { continue };
        let intact = std::fs::read(&object).unwrap();
        let parsed = Object::open(&object).unwrap();
        let ranges: Vec<_> = [".debug_info", ".debug_abbrev"]
            .iter()
            .map(|name| parsed.section_by_name(name).unwrap())
            .map(|section| section.offset as usize..(section.offset + section.size) as usize)
            .collect();
        let mut random = 0x2545_f491_4f6c_dd1du64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) as usize % below
        };
        for case in 0..2000 {
            let mut bytes = intact.clone();
            for _ in 0..=next(3) {
                let range = &ranges[next(2)];
                bytes[range.start + next(range.len())] ^= 1 << next(8);
            }
            let object = Object::from_bytes("input", bytes).unwrap();
            let options = Options { threads: 1, function_statics: true, ..Options::default() };
            match encode(&object, &options, &Companions::new(Vec::new()), &|_, _| {}) {
                Ok(encoded) => drop(text::lines(&Btf::parse(encoded.bytes).unwrap())),
                Err(error) if error.to_string().contains("refuse") => {
                    refused.push(format!("{with} {case}: {error}"));
                }
                Err(_) => {}
            }
        }
    }
    assert!(
        refused.is_empty(),
        "{} results that a kernel would refuse\n{}",
        refused.len(),
        refused[..refused.len().min(12)].join("\n")
    );
}

#[test]
fn an_intact_unit_beside_a_broken_one_is_encoded() {
    let directory = tempfile::tempdir().unwrap();
    let broken = unit(".uleb128 99") + "//// other.c\nstruct intact { int a; } x;";
    let Some(object) = build(&broken, "gcc -g", "ld.bfd -r", directory.path()) else { return };
    let encoded = encode_file(&object, &Options::default()).unwrap();
    let lines = lines_of(&encoded, None);
    assert!(
        lines.contains(&"struct intact (4) { a: int @0 }".to_owned())
            && lines.contains(&"var x: struct intact".to_owned())
    );
    assert_eq!(encoded.report.damage.values().sum::<u64>(), 1, "{:?}", encoded.report.damage);
}
