//! The symbol table's data objects: each has a typed variable at its place.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::elf::{SHF_ALLOC, STT_OBJECT};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolFlags};
use serde::Deserialize;

use super::Subject;
use super::allowance::{self, Names, Use};
use crate::compare::census::variable_places;
use crate::compare::source::Source;

/// Names that no DWARF types: the compiler or a macro makes them for other than data's sake.
const GENERATED: [&str; 3] = ["__UNIQUE_ID", "__tpstrtab_", "__BTF_ID__"];

/// How many kinds of missing symbols a failure names.
const SHOWN: usize = 12;

/// Symbols that DWARF types nowhere.
#[derive(Debug, Deserialize)]
struct Untyped {
    #[serde(default, rename = "symbol")]
    all: Vec<UntypedSymbols>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UntypedSymbols {
    names: Names,
    at_most: Option<usize>,
    why: String,
}

/// A data object: name, section and offset in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Symbol {
    name: String,
    section: String,
    offset: u64,
}

/// Checks the objects of file scope.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    check_names(subject, &subject.btf, |name| !name.contains('.'))
}

/// Checks the objects of function scope, which compilers number: `name.12`.
pub(crate) fn check_function_statics(subject: &Subject<'_>) -> Result<String> {
    let output = subject.folder.join("function-statics.btf");
    subject.encoder.encode(&subject.kernel.vmlinux, &output, &[OsStr::new("--function-statics")])?;
    check_names(subject, &output, |name| name.contains('.'))
}

fn check_names(subject: &Subject<'_>, btf: &Path, wanted: fn(&str) -> bool) -> Result<String> {
    let mut symbols = data_symbols(&subject.kernel.vmlinux)?;
    symbols.retain(|symbol| {
        wanted(&symbol.name) && !GENERATED.iter().any(|start| symbol.name.starts_with(start))
    });
    let places = variable_places(Source::open(btf, None)?.btf());
    judge(&symbols, &places, &allowance::read("untyped-symbols.toml")?)
}

/// The defined STT_OBJECT symbols of an ELF file.
fn data_symbols(vmlinux: &Path) -> Result<Vec<Symbol>> {
    let file = fs::File::open(vmlinux)?;
    // SAFETY: the map is only read, and nothing here writes to fixtures.
    let map = unsafe { memmap2::Mmap::map(&file) }?;
    let elf = object::File::parse(&map[..]).context("vmlinux")?;
    let mut symbols = Vec::new();
    for symbol in elf.symbols().filter(is_data) {
        let Some(section) = section_of(&elf, &symbol) else { continue };
        symbols.push(Symbol {
            name: symbol.name()?.to_owned(),
            section: section.name()?.to_owned(),
            offset: symbol.address() - section.address(),
        });
    }
    Ok(symbols)
}

fn is_data<'d>(symbol: &impl ObjectSymbol<'d>) -> bool {
    matches!(symbol.flags(), SymbolFlags::Elf { st_info, .. } if st_info.st_type() == STT_OBJECT)
        && !symbol.is_undefined()
}

/// The symbol's section; for an absolute symbol the loaded one that its address falls into.
fn section_of<'d, 'f>(
    elf: &'f object::File<'d>,
    symbol: &object::Symbol<'d, 'f>,
) -> Option<object::Section<'d, 'f>> {
    if let Some(index) = symbol.section_index() {
        return elf.section_by_index(index).ok();
    }
    elf.sections().find(|section| {
        let loaded =
            matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(SHF_ALLOC));
        loaded
            && section.address() > 0
            && (section.address()..section.address() + section.size()).contains(&symbol.address())
    })
}

fn judge(symbols: &[Symbol], places: &HashSet<(String, u64)>, untyped: &Untyped) -> Result<String> {
    let mut uses: Vec<Use> =
        untyped.all.iter().map(|entry| Use { count: 0, at_most: entry.at_most }).collect();
    let mut missing = Vec::new();
    for symbol in symbols.iter().filter(|symbol| !places.contains(&(symbol.section.clone(), symbol.offset))) {
        match untyped.all.iter().position(|entry| entry.names.contains(&symbol.name)) {
            Some(index) => uses[index].count += 1,
            None => missing.push(symbol),
        }
    }
    if !missing.is_empty() {
        bail!("{} of {} symbols have no variable: {}", missing.len(), symbols.len(), by_stem(&missing));
    }
    if let Some((entry, used)) = untyped.all.iter().zip(&uses).find(|(_, used)| used.is_exceeded()) {
        bail!("{} symbols are too many for {:?}", used.count, entry.why);
    }
    let excused: usize = uses.iter().map(|used| used.count).sum();
    Ok(format!("{} of {} symbols, {excused} have no type anywhere", symbols.len() - excused, symbols.len()))
}

/// The names up to the compiler's number, the most frequent first, each with its section.
fn by_stem(symbols: &[&Symbol]) -> String {
    let mut counts = BTreeMap::new();
    for symbol in symbols {
        let stem = symbol.name.split('.').next().unwrap_or_default();
        *counts.entry((stem, symbol.section.as_str())).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown =
        counts.iter().take(SHOWN).map(|((stem, section), count)| format!("{count} {stem} in {section}"));
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, offset: u64) -> Symbol {
        Symbol { name: name.into(), section: ".data".into(), offset }
    }

    #[test]
    fn the_list_of_untyped_symbols_can_be_read() {
        let untyped: Untyped = allowance::read("untyped-symbols.toml").unwrap();
        assert!(untyped.all.iter().all(|entry| !entry.why.is_empty()));
    }

    #[test]
    fn a_symbol_needs_a_variable_at_its_place_or_an_excuse() {
        let places = HashSet::from([(".data".to_owned(), 8)]);
        let untyped =
            toml::from_str("[[symbol]]\nnames = ['asm_*']\nat_most = 1\nwhy = 'assembler'").unwrap();
        let found = judge(&[symbol("here", 8), symbol("asm_1", 16)], &places, &untyped).unwrap();
        assert_eq!(found, "1 of 2 symbols, 1 have no type anywhere");
        let error = judge(&[symbol("gone", 24)], &places, &untyped).unwrap_err();
        assert_eq!(error.to_string(), "1 of 1 symbols have no variable: 1 gone in .data");
        assert!(judge(&[symbol("asm_1", 16), symbol("asm_2", 24)], &places, &untyped).is_err());
    }

    #[test]
    fn data_symbols_are_found_with_section_and_offset() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("data.c");
        fs::write(&source, "int first = 1; int second = 2; int code(void) { return first; }").unwrap();
        let object = folder.path().join("data.o");
        let mut compiler = std::process::Command::new("cc");
        crate::command::output(compiler.arg("-c").arg(&source).arg("-o").arg(&object)).unwrap();
        let symbols = data_symbols(&object).unwrap();
        assert_eq!(symbols, [symbol("first", 0), symbol("second", 4)]);
    }
}
