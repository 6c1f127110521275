//! Compilers and binutils as makers of test files and as independent readers of them.
#![allow(dead_code, unreachable_pub)] // each test file uses a part of it

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A translation unit with something of each kind: locals and globals in several sections, an inlined function, a
/// thread-local variable, bit-fields.
pub const SOURCE: &str = r#"
struct item { int small : 3; unsigned long wide; const char *name; };
static struct item table[4] = { [1] = { 1, 2, "one" } };
int counter;
static __thread int local;
extern int other(struct item *);
__attribute__((section(".init.text"))) int early(int x) { return x + counter; }
static inline int twice(int x) { return x * 2; }
int use(int x)
{
    int i, sum = 0;
    for (i = 0; i < x; i++)
        sum += twice(other(&table[i & 3])) + local;
    return sum;
}
"#;

/// The targets that clang compiles [`SOURCE`] for without any headers or libraries.
pub const TARGETS: &[&str] = &[
    "x86_64",
    "i386",
    "aarch64",
    "aarch64_be",
    "arm",
    "armeb",
    "s390x",
    "riscv64",
    "riscv32",
    "powerpc64",
    "powerpc64le",
    "powerpc",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
];

/// A directory for test files, gone at the end of the test.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Is the program there? Tests without their oracle say so and pass.
pub fn have(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// Runs a program; its standard output. Panics if it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs readelf on a file; what it prints. Panics if it has a warning to give.
pub fn readelf(option: &str, file: &Path) -> String {
    let output = Command::new("readelf").args([option, "-W"]).arg(file).output().expect("readelf");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaints.is_empty(), "readelf {option} {}: {complaints}", file.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Compiles [`SOURCE`] with clang for a target.
pub fn compile_for(target: &str, directory: &Path, options: &[&str]) -> PathBuf {
    let source = directory.join("source.c");
    std::fs::write(&source, SOURCE).unwrap();
    let object = directory.join(format!("{target}.o"));
    let triple = format!("--target={target}-linux-gnu");
    let mut arguments = vec![&triple, "-g", "-O1", "-w", "-c"];
    arguments.extend(options);
    arguments.extend([path(&source), "-o", path(&object)]);
    run("clang", &arguments);
    object
}

/// Compiles a source with the native gcc.
pub fn compile(source: &str, name: &str, directory: &Path, options: &[&str]) -> PathBuf {
    let file = directory.join(format!("{name}.c"));
    std::fs::write(&file, source).unwrap();
    let output = directory.join(name);
    let mut arguments = options.to_vec();
    arguments.extend([path(&file), "-o", path(&output)]);
    run("gcc", &arguments);
    output
}

/// A path as an argument.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A section as `readelf -SW` prints it.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct PrintedSection {
    pub index: u32,
    pub name: String,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub entry_size: u64,
    pub link: u32,
    pub info: u32,
    pub alignment: u64,
}

/// The sections of a file, by readelf.
pub fn printed_sections(file: &Path) -> Vec<PrintedSection> {
    let hex = |field: &str| u64::from_str_radix(field, 16).unwrap();
    readelf("-S", file)
        .lines()
        .filter_map(|line| {
            let (index, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
            let index = index.trim().parse().ok()?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            // The null section has no name; sections without flags have one field less.
            let named = fields[0] != "NULL";
            let columns = &fields[usize::from(named) + 1..];
            let last = columns.len() - 3;
            Some(PrintedSection {
                index,
                name: if named { fields[0].to_owned() } else { String::new() },
                address: hex(columns[0]),
                offset: hex(columns[1]),
                size: hex(columns[2]),
                entry_size: hex(columns[3]),
                link: columns[last].parse().unwrap(),
                info: columns[last + 1].parse().unwrap(),
                alignment: columns[last + 2].parse().unwrap(),
            })
        })
        .collect()
}

/// A symbol as `readelf -sW` prints it.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct PrintedSymbol {
    pub value: u64,
    pub size: u64,
    pub kind: String,
    pub binding: String,
    pub visibility: String,
    pub section: String,
    pub name: String,
}

/// The symbols of `.symtab`, by readelf.
pub fn printed_symbols(file: &Path) -> Vec<PrintedSymbol> {
    let text = readelf("-s", file);
    let table = text.split("Symbol table '").find(|part| part.starts_with(".symtab")).unwrap_or_default();
    table
        .lines()
        .filter_map(|line| {
            // PowerPC's symbols may carry "[<localentry>: 8]" before the section.
            let other = line.find('[').zip(line.find(']')).map(|(start, end)| &line[start..=end]);
            let line = line.replace(other.unwrap_or("\0"), "");
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.first()?.strip_suffix(':')?.parse::<u32>().ok()?;
            let size = match fields[2].strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
                None => fields[2].parse().unwrap(),
            };
            Some(PrintedSymbol {
                value: u64::from_str_radix(fields[1], 16).unwrap(),
                size,
                kind: fields[3].to_owned(),
                binding: fields[4].to_owned(),
                visibility: fields[5].to_owned(),
                section: fields[6].to_owned(),
                name: fields.get(7).copied().unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// The bytes of every non-empty section by number, relocated (`readelf -R`) or as they are (`readelf -x`).
pub fn dumped_sections(file: &Path, option: &str, indexes: &[u32]) -> HashMap<u32, Vec<u8>> {
    indexes.iter().map(|index| (*index, dumped(&readelf(&format!("{option}{index}"), file)))).collect()
}

/// Decodes readelf's dump: an address, then up to four groups of four bytes in 35 columns.
fn dumped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let Some((address, rest)) = line.strip_prefix("  0x").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        if u64::from_str_radix(address, 16).is_err() {
            continue;
        }
        let digits: Vec<u8> = rest.bytes().take(36).filter(u8::is_ascii_hexdigit).collect();
        for pair in digits.chunks_exact(2) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        }
    }
    bytes
}
