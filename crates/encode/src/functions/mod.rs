//! Functions: which of them BTF may describe.
//!
//! BPF programs attach to a function by its name and read its arguments from registers by its prototype. So a
//! function is kept only if its symbol is one place and its prototype tells the truth about the registers there.
//! Compilers break that in several ways: they split functions, drop or reorder parameters, and several units have
//! static functions of one name.

mod examine;
mod kfuncs;
mod prototype;
mod select;

pub use examine::{ARGUMENT_NAMES, DECLARED, FunctionState, Unit, examine};
pub use kfuncs::{KFUNC_TAGS, KfuncTag, arena_attributes, kfuncs};
pub use select::{FunctionChoice, Verdict, select, true_signatures};

use hashbrown::HashMap;

use crate::names::{Name, Names};
use crate::object::{Object, Result, SymbolSection, elf};

/// A function symbol.
#[derive(Debug, Clone, Copy)]
pub struct FunctionSymbol {
    /// The whole name: `foo.isra.0`.
    pub name: Name,
    /// Address, or offset in its section in relocatable files.
    pub value: u64,
    /// The section's number; 0 for a symbol that is defined elsewhere.
    pub section: u32,
    /// Which part of the name is behind the first dot.
    pub suffix: Suffix,
}

/// What the part of a symbol's name behind the first dot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// There is none.
    None,
    /// The compiler changed the parameters: `.isra`, `.constprop`.
    ChangedParameters,
    /// Anything else (`.llvm.123`, `.lto_priv.0`).
    Other,
}

/// The function symbols of a file by the name that their DIEs have: what stands before the first dot.
#[derive(Debug, Default)]
pub struct FunctionSymbols {
    keys: HashMap<Name, u32>,
    /// By key: the name, and where its symbols start.
    groups: Vec<(Name, u32)>,
    /// By key, then in the order of the table.
    symbols: Vec<FunctionSymbol>,
}

impl FunctionSymbols {
    /// Indexes the functions in the symbol table of `object`. Parts that the compiler cut off (`.cold`, `.part`)
    /// are no functions.
    pub fn of(object: &Object, names: &Names<'_>, threads: usize) -> Result<Self> {
        let mut symbols = Self::default();
        let mut found: Vec<(u32, FunctionSymbol)> = Vec::new();
        let (mut bases, mut wholes): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
        let relocatable = object.is_relocatable();
        for symbol in object.symbols()?.iter() {
            if symbol.kind != elf::STT_FUNC {
                continue;
            }
            let name = symbol.name();
            let dot = name.iter().position(|&byte| byte == b'.').unwrap_or(name.len());
            let (base, rest) = name.split_at(dot);
            let contains = |part: &[u8]| rest.windows(part.len()).any(|window| window == part);
            if base.is_empty() || contains(b".cold") || contains(b".part") {
                continue;
            }
            let suffix = match rest {
                [] => Suffix::None,
                _ if contains(b".isra") || contains(b".constprop") => Suffix::ChangedParameters,
                _ => Suffix::Other,
            };
            let section = match symbol.section {
                SymbolSection::Index(section) if relocatable => section.0,
                SymbolSection::Undefined => 0,
                _ => u32::MAX,
            };
            bases.push(base);
            wholes.push(name);
            found.push((0, FunctionSymbol { name: Name::NONE, value: symbol.value, section, suffix }));
        }
        symbols.keys.reserve(found.len());
        let bases = names.intern_all(&bases, threads);
        for (((key, symbol), base), whole) in found.iter_mut().zip(bases).zip(wholes) {
            *key = *symbols.keys.entry(base).or_insert_with(|| {
                symbols.groups.push((base, 0));
                symbols.groups.len() as u32 - 1
            });
            symbol.name = if symbol.suffix == Suffix::None { base } else { names.intern(whole) };
        }
        found.sort_by_key(|&(key, _)| key);
        for (index, (key, _)) in found.iter().enumerate().rev() {
            symbols.groups[*key as usize].1 = index as u32;
        }
        symbols.symbols = found.into_iter().map(|(_, symbol)| symbol).collect();
        Ok(symbols)
    }

    /// The key of a DIE's name.
    pub fn key(&self, name: Name) -> Option<u32> {
        self.keys.get(&name).copied()
    }

    /// The name and the symbols of a key.
    pub fn group(&self, key: u32) -> (Name, &[FunctionSymbol]) {
        let (name, start) = self.groups[key as usize];
        let end = self.groups.get(key as usize + 1).map_or(self.symbols.len(), |next| next.1 as usize);
        (name, &self.symbols[start as usize..end])
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.groups.len()
    }
}
