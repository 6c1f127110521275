//! Files of every sort that hold DWARF: the same source says the same in all of them.

mod table;

use std::path::Path;

use btfkit_btf::Btf;
use btfkit_encode::Options;
use table::{build, encode_file, lines_of, shell};

/// Two units with a bit of everything; `DW_TAG_partial_unit` wants types that both have.
const SOURCE: &str = "//// both.h
struct point { int x, y; struct shape *shape; char name[16]; unsigned flags:3, more:7; };
union value { long integer; void *pointer; struct point point; enum kind { NONE, INTEGER = -1, POINTER = 5 } kind; };
struct shape { const char *name; union value values[4]; struct shape *next; int (*draw)(struct shape *, int depth); };
typedef struct shape shape_t; struct forward;
//// a.c
#include \"both.h\"
shape_t first = { \"first\" }; static union value hidden; struct forward *later;
int use(struct shape *shape, long by) { hidden.integer += by; return shape->draw(shape, by) + hidden.kind; }
//// b.c
#include \"both.h\"
struct forward { int here; struct point at; }; shape_t second[2]; static struct forward known; extern shape_t first;
static __attribute__((noinline)) long inner(struct forward *f, const char *text) { return f->at.x + text[0]; }
long other(long a) { known.here += a; return inner(&known, first.name) + use(&second[1], a); }
";

const EXPECTED: &[&str] = &[
    "struct point (40) { x: int @0, y: int @32, shape: *struct shape @64, name: [16]char @128, \
     flags: unsigned int @256:3, more: unsigned int @259:7 }",
    "union value (40) { integer: long @0, pointer: *void @0, point: struct point @0, kind: enum kind @0 }",
    "enum signed kind (4) { NONE = 0, INTEGER = -1, POINTER = 5 }",
    "struct shape (184) { name: *const char @0, values: [4]union value @64, next: *struct shape @1344, \
     draw: *fn(*struct shape, int) -> int @1408 }",
    "struct forward (48) { here: int @0, at: struct point @64 }",
    "typedef shape_t = struct shape",
    "var first: shape_t",
    "static var hidden: union value",
    "var later: *struct forward",
    "var second: [2]shape_t",
    "static var known: struct forward",
    "func use(shape: *struct shape, by: long) -> int",
    "func other(a: long) -> long",
];

/// (name, compiler, linker)
type Container = (&'static str, &'static str, &'static str);

const PROGRAM: &str = "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie";
const SHARED: &str = "gcc -shared -nostdlib";

const CONTAINERS: &[Container] = &[
    ("objects joined, DWARF 5", "gcc -gdwarf-5", "ld.bfd -r"),
    ("objects joined, DWARF 4", "gcc -gdwarf-4", "ld.bfd -r"),
    ("objects joined, DWARF 3", "clang -gdwarf-3", "ld.bfd -r"),
    ("objects of clang joined", "clang -g", "ld.bfd -r"),
    ("objects joined by gold, strings not merged", "gcc -g -gno-as-locview-support", "?ld.gold -r"),
    ("a program", "gcc -g -fno-pie", PROGRAM),
    ("a program of clang", "clang -g -fno-pie", PROGRAM),
    ("a position-independent program", "gcc -g", "gcc -pie -nostdlib -Wl,-e0"),
    ("a shared library", "gcc -g -fPIC", SHARED),
    (
        "a program with its relocations",
        "gcc -g -fno-pie",
        "gcc -nostdlib -static -Wl,-e0,-q -fno-pie -no-pie",
    ),
    ("64-bit DWARF 5", "gcc -g -gdwarf64", "ld.bfd -r"),
    ("64-bit DWARF 4, linked", "gcc -gdwarf-4 -gdwarf64 -fno-pie", PROGRAM),
    ("64-bit DWARF 3", "gcc -gdwarf-3 -gdwarf64 -gstrict-dwarf", "ld.bfd -r"),
    ("64-bit DWARF of clang", "?clang -gdwarf-5 -gdwarf64", "ld.bfd -r"),
    ("zlib", "gcc -g -gz=zlib", "ld.bfd -r"),
    ("zlib, linked", "gcc -g -gz=zlib -fno-pie", "gcc -gz=zlib -nostdlib -static -Wl,-e0 -fno-pie -no-pie"),
    ("GNU's zlib", "gcc -g -gz=zlib-gnu", "ld.bfd -r"),
    (
        "GNU's zlib, linked",
        "gcc -g -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && objcopy --compress-debug-sections=zlib-gnu $out",
    ),
    (
        "zstd",
        "gcc -g -fno-pie",
        "?gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && objcopy --compress-debug-sections=zstd $out",
    ),
    ("type units of DWARF 4", "gcc -gdwarf-4 -fdebug-types-section", "ld.bfd -r"),
    ("type units of DWARF 5", "gcc -gdwarf-5 -fdebug-types-section", "ld.bfd -r"),
    ("type units of clang", "clang -gdwarf-4 -fdebug-types-section", "ld.bfd -r"),
    ("type units of clang, DWARF 5", "clang -gdwarf-5 -fdebug-types-section", "ld.bfd -r"),
    ("type units, linked", "gcc -gdwarf-4 -fdebug-types-section -fno-pie", PROGRAM),
    ("type units of DWARF 5, linked", "gcc -gdwarf-5 -fdebug-types-section -fno-pie", PROGRAM),
    ("dwz", "gcc -gdwarf-4 -fno-pie", "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && dwz $out"),
    (
        "dwz, DWARF 5",
        "gcc -gdwarf-5 -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && dwz --dwarf-5 $out",
    ),
    (
        "dwz with an alternate file",
        "gcc -gdwarf-4 -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && cp $out copy && dwz -m common -M common $out copy",
    ),
    (
        "dwz with an alternate file, DWARF 5",
        "gcc -gdwarf-5 -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && cp $out copy && dwz --dwarf-5 -m common -M common $out copy",
    ),
    ("split DWARF 5", "gcc -gdwarf-5 -gsplit-dwarf -fno-pie", PROGRAM),
    ("split DWARF 4", "gcc -gdwarf-4 -gsplit-dwarf -fno-pie", PROGRAM),
    ("split DWARF of clang", "clang -gdwarf-5 -gsplit-dwarf -fno-pie", PROGRAM),
    ("split DWARF 4 of clang", "clang -gdwarf-4 -gsplit-dwarf -fno-pie", PROGRAM),
    ("split DWARF in relocatable files", "gcc -gdwarf-5 -gsplit-dwarf", "ld.bfd -r"),
    ("split DWARF of clang in relocatable files", "clang -gdwarf-5 -gsplit-dwarf", "ld.bfd -r"),
    ("split DWARF with type units", "gcc -gdwarf-4 -gsplit-dwarf -fdebug-types-section -fno-pie", PROGRAM),
    ("split DWARF 5 with type units", "gcc -gdwarf-5 -gsplit-dwarf -fdebug-types-section -fno-pie", PROGRAM),
    (
        "a package of split DWARF",
        "gcc -gdwarf-5 -gsplit-dwarf -fno-pie",
        "?gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && timeout 5 dwp -e $out -o $out.dwp && rm *.dwo",
    ),
    (
        "a package of split DWARF 4",
        "clang -gdwarf-4 -gsplit-dwarf -fno-pie",
        "?gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && timeout 5 llvm-dwp -e $out -o $out.dwp && rm *.dwo",
    ),
    (
        "a package of split DWARF with type units",
        "gcc -gdwarf-4 -gsplit-dwarf -fdebug-types-section -fno-pie",
        "?gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && timeout 5 dwp -e $out -o $out.dwp && rm *.dwo",
    ),
    (
        "stripped, with a debug file by link",
        "gcc -g -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && objcopy --only-keep-debug $out $out.debug && strip $out \
         && objcopy --add-gnu-debuglink=$out.debug $out",
    ),
    (
        "its debug file alone",
        "gcc -g -fno-pie",
        "gcc -nostdlib -static -Wl,-e0 -fno-pie -no-pie && objcopy --only-keep-debug $out only && mv only $out",
    ),
    (
        "optimised as a whole by gcc",
        "gcc -g -O2 -flto -fno-pie",
        "gcc -g -O2 -flto -nostdlib -static -Wl,-e0,-u,use,-u,other,-u,first,-u,later,-u,second -fno-pie -no-pie",
    ),
    ("several abbreviation tables", "clang -gdwarf-4 -fno-pie", PROGRAM),
];

#[test]
fn all_of_them_say_the_same() {
    let wanted = std::env::var("ROW").unwrap_or_default();
    let mut failures = Vec::new();
    for (name, with, link) in CONTAINERS.iter().filter(|row| row.0.contains(&wanted)) {
        let directory = tempfile::tempdir().unwrap();
        let Some(built) = build(SOURCE, with, link, directory.path()) else { continue };
        if let Err(what) = says(&built, &[]) {
            failures.push(format!("{name}: {what}"));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n\n"));
}

fn says(built: &Path, without: &[&str]) -> Result<(), String> {
    let encoded = encode_file(built, &Options::default())?;
    if !encoded.report.damage.is_empty() || !encoded.report.missing_files.is_empty() {
        return Err(format!(
            "damage: {:?}, missing: {:?}",
            encoded.report.damage, encoded.report.missing_files
        ));
    }
    let lines = lines_of(&encoded, None);
    let met = |line: &&&str| lines.iter().filter(|have| have == *line).count() == 1;
    let missing: Vec<_> =
        EXPECTED.iter().filter(|line| !without.contains(line)).filter(|line| !met(line)).collect();
    if missing.is_empty() && !lines.iter().any(|line| line.ends_with(';')) {
        return Ok(());
    }
    Err(format!("not there once: {missing:#?} in {lines:#?}"))
}

#[test]
fn other_machines() {
    let mut failures = Vec::new();
    for target in [
        "aarch64",
        "aarch64_be",
        "s390x",
        "powerpc64",
        "powerpc64le",
        "riscv64",
        "mips64",
        "mips64el",
        "sparc64",
    ] {
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            let directory = tempfile::tempdir().unwrap();
            let with = format!("?clang {version} -O1 -fsigned-char --target={target}-linux-gnu");
            if build(SOURCE, &with, "", directory.path()).is_none() {
                continue;
            }
            for (file, lines) in [("a.o", 7), ("b.o", 8)] {
                let encoded = encode_file(&directory.path().join(file), &Options::default());
                let encoded = match encoded {
                    Ok(encoded) => encoded,
                    Err(error) => {
                        failures.push(format!("{target} {version} {file}: {error}"));
                        continue;
                    }
                };
                let btf = Btf::parse(&*encoded.bytes).unwrap();
                assert_eq!(
                    btf.byte_order() == btfkit_btf::ByteOrder::Big,
                    !target.contains("el")
                        && !target.contains("le")
                        && !["aarch64", "riscv64"].contains(&target),
                    "{target}"
                );
                let text = lines_of(&encoded, None);
                let met = EXPECTED.iter().filter(|line| text.iter().any(|have| have == *line)).count();
                if met < lines || !encoded.report.damage.is_empty() {
                    failures.push(format!(
                        "{target} {version} {file}: {met} of {lines} in {text:#?} {:?}",
                        encoded.report.damage
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn machines_of_32_bits() {
    let mut failures = Vec::new();
    for target in ["i386", "arm", "armeb", "powerpc", "mips", "mipsel", "riscv32"] {
        let directory = tempfile::tempdir().unwrap();
        let source = "struct s { char c; void *p; long l; int b:5; } s; int f(struct s *a, long long b) { return a->l + b; }";
        let with = format!("?clang -g -O1 --target={target}-linux-gnu");
        let Some(built) = build(source, &with, "", directory.path()) else { continue };
        let encoded = encode_file(&built, &Options::default()).unwrap();
        let lines = lines_of(&encoded, None);
        for line in
            ["struct s (16) { c: char @0, p: *void @32, l: long @64, b: int @96:5 }", "var s: struct s"]
        {
            if !lines.iter().any(|have| have == line) {
                failures.push(format!("{target}: {line} not in {lines:#?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn units_without_content_and_files_without_debug_info() {
    let directory = tempfile::tempdir().unwrap();
    let source = "//// a.c\n//// b.c\nint x;\n//// c.S\n.text\nnop\n";
    let Some(built) = build(source, "gcc -g", "ld.bfd -r", directory.path()) else { return };
    let encoded = encode_file(&built, &Options::default()).unwrap();
    assert!(lines_of(&encoded, None).contains(&"var x: int".to_owned()));
    let empty = encode_file(&directory.path().join("a.o"), &Options::default()).unwrap_err();
    assert!(empty.contains("nothing") || empty.contains("debug"), "{empty}");

    let Some(built) = build("int x;", "gcc", "", directory.path()) else { return };
    let error = encode_file(&built, &Options::default()).unwrap_err();
    assert!(error.contains("debug"), "{error}");
}

#[test]
fn a_missing_split_unit_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let Some(built) = build(SOURCE, "gcc -g -gsplit-dwarf -fno-pie", PROGRAM, directory.path()) else {
        return;
    };
    std::fs::remove_file(directory.path().join("b.dwo")).unwrap();
    let encoded = encode_file(&built, &Options::default()).unwrap();
    assert_eq!(encoded.report.missing_files.len(), 1, "{:?}", encoded.report.missing_files);
    assert!(lines_of(&encoded, None).contains(&"static var hidden: union value".to_owned()));
}

#[test]
fn more_sections_than_a_section_number_of_16_bits_can_tell() {
    let directory = tempfile::tempdir().unwrap();
    let source: String = (0..66_000).map(|number| format!("char v{number}=1;\n")).collect::<String>()
        + "int last = 7; int f(int a) { return a + last; }";
    let Some(built) = build(&source, "gcc -g -fdata-sections -ffunction-sections", "", directory.path())
    else {
        return;
    };
    let encoded = encode_file(&built, &Options::default()).unwrap();
    let lines = lines_of(&encoded, None);
    for line in [
        "section .data.last { last @0 +4 }",
        "section .data.v65999 { v65999 @0 +1 }",
        "func f(a: int) -> int",
    ] {
        assert!(lines.iter().any(|have| have == line), "{line}");
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads_order_of_units_and_directory() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let more = "//// c.c\n#include \"both.h\"\nstruct odd { long a; }; struct odd *c(struct shape *s) { return (void *)s; } \
                typedef int mine; __attribute__((weak)) mine shared = 1;\n\
                //// d.c\n#include \"both.h\"\nstruct odd { char b; }; struct odd *d(struct shape *s) { return (void *)s; } \
                typedef int yours; __attribute__((weak)) yours shared = 1;\n";
    let source = format!("{SOURCE}{more}");
    let mut outputs = Vec::new();
    for directory in &directories {
        for order in ["a.o b.o c.o d.o", "d.o c.o b.o a.o"] {
            if build(&source, "gcc -g", "", directory.path()).is_none()
                || !shell(&format!("ld.bfd -r {order} -o joined"), directory.path(), false)
            {
                return;
            }
            for threads in [1, 2, 4, 3] {
                // Variables lie where the linker puts them: types and functions are what must not change.
                let variables = btfkit_encode::Variables::None;
                let options = Options { threads, variables, ..Options::default() };
                outputs.push(encode_file(&directory.path().join("joined"), &options).unwrap().bytes);
                let placed = Options { threads, ..Options::default() };
                let again = encode_file(&directory.path().join("joined"), &placed).unwrap().bytes;
                let once =
                    encode_file(&directory.path().join("joined"), &Options { threads: 1, ..placed }).unwrap();
                assert!(again == once.bytes, "{threads} threads change the output");
            }
        }
    }
    assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]), "the order of units changes the output");
}
