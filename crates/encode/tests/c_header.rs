//! Headers made of BTF, judged by compilers: random declarations go through gcc, the encoder and the dumper, and come
//! out of gcc and clang again as they went in.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use btfkit_btf::dump::c::{Options, header};
use btfkit_btf::{Btf, Kind, Type};
use btfkit_encode::Options as EncodeOptions;
use btfkit_encode::encode;
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;

/// A generator of numbers: the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u64) as usize]
    }
}

const SCALARS: [&str; 14] = [
    "char",
    "unsigned char",
    "short",
    "unsigned short",
    "int",
    "unsigned int",
    "long",
    "unsigned long",
    "long long",
    "_Bool",
    "float",
    "double",
    "__int128",
    "enum wide",
];

/// Integers that bit-fields can be of, and their bits.
const FIELDS: [(&str, u64); 9] = [
    ("char", 8),
    ("unsigned short", 16),
    ("int", 32),
    ("unsigned int", 32),
    ("long", 64),
    ("unsigned long long", 64),
    ("_Bool", 1),
    ("enum small", 8),
    ("enum wide", 64),
];

/// Declarations of structures and unions, each of which can hold those before it.
struct Generator {
    random: Random,
    defined: Vec<String>,
    members: usize,
}

impl Generator {
    /// A type and a declarator around `name`.
    fn declaration(&mut self, name: &str) -> String {
        let own = self.defined.len();
        let base = match self.random.below(8) {
            0 if own > 0 => self.defined[self.random.below(own as u64) as usize].clone(),
            1 => "struct ahead *".to_owned(),
            2 => return format!("{} (*{name})(struct ahead *, int, ...)", self.random.one(&SCALARS)),
            3 => return format!("const {} *volatile (*{name}[2])(void)", self.random.one(&SCALARS)),
            4 => return format!("int (*{name})[{}]", 1 + self.random.below(4)),
            _ => self.random.one(&SCALARS).to_owned(),
        };
        match self.random.below(8) {
            0 => format!("{base} {name}[{}]", self.random.below(4)),
            1 => format!("{base} {name}[{}][{}]", 1 + self.random.below(3), 1 + self.random.below(3)),
            2 => format!("const {base} *{name}"),
            _ => format!("{base} {name}"),
        }
    }

    fn body(&mut self, depth: usize) -> String {
        let mut text = String::from("{ ");
        for _ in 0..1 + self.random.below(7) {
            self.members += 1;
            let name = format!("m{}", self.members);
            match self.random.below(14) {
                0..=3 => {
                    let (kind, bits) = FIELDS[self.random.below(FIELDS.len() as u64) as usize];
                    let width = 1 + self.random.below(bits);
                    let _ = write!(text, "{kind} {name} : {width}; ");
                }
                4 => text.push_str(self.random.one(&["int : 0; ", "long : 0; ", "int : 5; ", "long : 33; "])),
                5 if depth < 3 => {
                    let inner = self.aggregate("", depth + 1);
                    let name = self.random.one(&["", &name, &format!("{name}[3]")]).to_owned();
                    let _ = write!(text, "{inner} {name}; ");
                }
                6 => {
                    let declaration = self.declaration(&name);
                    let align = 1 << self.random.below(8);
                    let _ = write!(text, "{declaration} __attribute__((aligned({align}))); ");
                }
                _ => {
                    let declaration = self.declaration(&name);
                    let _ = write!(text, "{declaration}; ");
                }
            }
        }
        text + "}"
    }

    /// `struct name { … }` with attributes.
    fn aggregate(&mut self, name: &str, depth: usize) -> String {
        let keyword = self.random.one(&["struct", "struct", "struct", "union"]);
        let body = self.body(depth);
        let attribute = match self.random.below(9) {
            0 | 1 => "__attribute__((packed))".to_owned(),
            2 => format!("__attribute__((aligned({})))", 1 << self.random.below(8)),
            3 => format!("__attribute__((packed, aligned({})))", 1 << self.random.below(4)),
            _ => String::new(),
        };
        format!("{keyword} {name} {body} {attribute}")
    }

    fn source(seed: u64, count: usize) -> String {
        let mut generator = Self { random: Random(seed), defined: Vec::new(), members: 0 };
        let mut text = String::from(
            "enum small { LOW = 1, HIGH = 200 } __attribute__((packed));\n\
             enum wide { NONE = 0, MOST = 0x7fffffffffffffffLL, LEAST = -1 };\nstruct ahead;\n",
        );
        for number in 0..count {
            let definition = generator.aggregate(&format!("s{number}"), 0);
            let keyword = &definition[..definition.find(' ').unwrap()];
            if generator.random.below(5) == 0 {
                let unnamed = definition.replacen(&format!("s{number} "), "", 1);
                let _ = writeln!(text, "typedef {unnamed} t{number};\nt{number} v{number};");
                generator.defined.push(format!("t{number}"));
            } else {
                let _ = writeln!(text, "{definition};\n{keyword} s{number} v{number};");
                generator.defined.push(format!("{keyword} s{number}"));
            }
        }
        text
    }
}

/// Compiles a file that is there; what the compiler said if it failed.
fn compile(compiler: &str, options: &[&str], folder: &Path, file: &str, object: &str) -> Result<(), String> {
    let output = Command::new(compiler)
        .args(["-w", "-std=gnu11", "-c", "-g", "-fno-eliminate-unused-debug-types"])
        .args(options)
        .args([file, "-o", object])
        .current_dir(folder)
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn have(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED c_header: {program} is not installed");
    }
    there
}

fn btf_of(object: &Path) -> Btf<'static> {
    let object = Object::open(object).unwrap();
    let encoded = encode(&object, &EncodeOptions::default(), &Companions::new(Vec::new()), &|_, _| {});
    Btf::parse(encoded.unwrap().bytes).unwrap()
}

/// Size of an aggregate, and name, place and size of each of its members, those of anonymous ones included.
fn layout(btf: &Btf<'_>, ty: Type<'_>, base: u64, lines: &mut Vec<String>) {
    lines.push(format!("{} {}", ty.kind(), ty.size().unwrap()));
    for member in ty.members() {
        let at = base + u64::from(member.bit_offset);
        let size = btf.size_of(member.type_id).unwrap();
        let name = String::from_utf8_lossy(ty.string(member.name)).into_owned();
        // What stands for a gap is new.
        if name.starts_with("___padding") {
            continue;
        }
        lines.push(format!("{name} at {at}, {size} bytes, {} bits", member.bitfield_size));
        let inner = btf.skip_modifiers(member.type_id).unwrap();
        if inner.kind().is_aggregate() && inner.name().is_empty() {
            layout(btf, inner, at, lines);
        }
    }
}

fn layouts(btf: &Btf<'_>) -> Vec<(String, Vec<String>)> {
    let named = btf.types().filter(|ty| {
        let kinds = [Kind::Struct, Kind::Union, Kind::Typedef];
        kinds.contains(&ty.kind()) && !ty.name().is_empty()
    });
    let mut all: Vec<_> = named
        .filter_map(|ty| {
            let target = btf.skip_modifiers(ty.id()).ok().filter(|ty| ty.kind().is_aggregate())?;
            let mut lines = Vec::new();
            layout(btf, target, 0, &mut lines);
            Some((format!("{} {}", ty.kind(), ty.name_str()), lines))
        })
        .collect();
    all.sort();
    all
}

/// What a compiler said, with the definitions of the first type that it said it of.
fn explain(said: &str, texts: &[&str]) -> String {
    let of = said.split("assertion failed: \"").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or("?");
    let tag = of.split(' ').next_back().unwrap_or(of);
    let mut text =
        format!("{}\n", said.lines().filter(|line| line.contains("error")).collect::<Vec<_>>().join("\n"));
    for from in texts {
        let start = from.find(&format!("{of} {{")).or_else(|| from.find(&format!(" {tag};"))).unwrap_or(0);
        text.extend(from[start..].lines().take(60).flat_map(|line| [line, "\n"]));
    }
    text
}

#[test]
fn random_declarations_come_out_of_a_header_with_every_member_where_it_was() {
    if !have("gcc") {
        return;
    }
    let clang = have("clang");
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=4 {
        let source = Generator::source(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15), 250);
        std::fs::write(folder.path().join("source.c"), &source).unwrap();
        compile("gcc", &[], folder.path(), "source.c", "source.o").unwrap();
        let before = btf_of(&folder.path().join("source.o"));
        let options = Options { assertions: true, variables: true, ..Options::default() };
        let made = header(&before, None, &options).unwrap();
        assert!(made.assertions > 1000 && made.variables == 250 && made.left_out == 0, "{}", made.left_out);
        std::fs::write(folder.path().join("header.c"), &made.text).unwrap();
        if let Err(said) = compile("gcc", &[], folder.path(), "header.c", "header.o") {
            panic!("seed {seed}: {}", explain(&said, &[&source, &String::from_utf8_lossy(&made.text)]));
        }
        let after = layouts(&btf_of(&folder.path().join("header.o")));
        let before = layouts(&before);
        assert!(before.len() >= 250);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "seed {seed}");
        }
        assert_eq!(before.len(), after.len());
        if clang {
            compile("clang", &[], folder.path(), "header.c", "header.o").unwrap();
            compile("clang", &["--target=bpf"], folder.path(), "header.c", "header.o").unwrap();
        }
    }
}
