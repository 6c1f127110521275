//! Data symbols: what the linker says is where.

use std::collections::HashMap;

use crate::names::{Name, Names};
use crate::object::{Object, Result, SymbolSection, elf};

/// A place in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SectionPlace {
    /// The section's number.
    pub section: u32,
    /// Offset in bytes from its start.
    pub offset: u64,
}

/// A symbol that may be a variable.
#[derive(Debug, Clone, Copy)]
pub struct DataSymbol {
    /// Its name.
    pub name: Name,
    /// The part of the name before the first dot, where there is one: `x` of `x.12`.
    pub base: Name,
    /// Where it is, if that is in an allocated section.
    pub place: Option<SectionPlace>,
    /// Size in bytes, 0 if not given.
    pub size: u64,
    /// `STT_OBJECT`, rather than a mere label.
    pub is_object: bool,
    /// Seen by other files, and not weakly.
    pub is_strong: bool,
    /// Not local.
    pub is_global: bool,
}

/// An allocated section.
#[derive(Debug, Clone)]
pub struct DataSection {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// Virtual address; 0 in relocatable files.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
    /// Holds code, or nothing that a variable can be in.
    pub executable: bool,
}

/// The data symbols of a file and its allocated sections.
#[derive(Debug, Default)]
pub struct DataSymbols {
    /// By number of the section, if it is allocated.
    sections: HashMap<u32, DataSection>,
    /// (start, end, section) of the allocated sections of a linked file, by start.
    ranges: Vec<(u64, u64, u32)>,
    /// All symbols, in the order of the table.
    pub symbols: Vec<DataSymbol>,
    by_name: HashMap<Name, Vec<u32>>,
    by_place: HashMap<SectionPlace, Vec<u32>>,
    /// Has the file a symbol table at all?
    pub complete: bool,
}

impl DataSymbols {
    /// Indexes the data symbols of `object`.
    pub fn of(object: &Object, names: &Names<'_>) -> Result<Self> {
        let mut data = Self::default();
        for section in object.sections() {
            if !section.is_allocated() || section.size == 0 || section.flags.contains(elf::SHF_TLS) {
                continue;
            }
            let record = DataSection {
                index: section.index.0,
                name: section.name.to_vec(),
                address: section.address,
                size: section.size,
                executable: section.flags.contains(elf::SHF_EXECINSTR),
            };
            if !object.is_relocatable() {
                let end = section.address.saturating_add(section.size);
                data.ranges.push((section.address, end, section.index.0));
            }
            data.sections.insert(section.index.0, record);
        }
        data.ranges.sort_unstable();
        let symbols = object.symbols()?;
        data.complete = !symbols.is_empty() && !symbols.is_dynamic();
        for symbol in symbols.iter() {
            let is_object = symbol.kind == elf::STT_OBJECT;
            let plausible = is_object || symbol.kind == elf::STT_NOTYPE;
            let name = symbol.name();
            if !plausible || name.is_empty() || matches!(symbol.section, SymbolSection::Undefined) {
                continue;
            }
            let place = match symbol.section {
                SymbolSection::Index(index) => data.sections.get(&index.0).map(|section| SectionPlace {
                    section: index.0,
                    offset: symbol.value.wrapping_sub(section.address),
                }),
                _ => None,
            };
            if place.is_none() && !matches!(symbol.section, SymbolSection::Absolute) {
                continue;
            }
            let base = match name.iter().position(|&byte| byte == b'.') {
                Some(dot) if dot > 0 => names.intern(&name[..dot]),
                _ => Name::NONE,
            };
            data.add(DataSymbol {
                name: names.intern(name),
                base,
                place,
                size: symbol.size,
                is_object,
                is_strong: symbol.binding == elf::STB_GLOBAL,
                is_global: symbol.binding != elf::STB_LOCAL,
            });
        }
        Ok(data)
    }

    fn add(&mut self, symbol: DataSymbol) {
        let number = self.symbols.len() as u32;
        self.by_name.entry(symbol.name).or_default().push(number);
        if let Some(place) = symbol.place {
            self.by_place.entry(place).or_default().push(number);
        }
        self.symbols.push(symbol);
    }

    /// The symbols at a place.
    pub fn at(&self, place: SectionPlace) -> impl Iterator<Item = (u32, &DataSymbol)> {
        let numbers = self.by_place.get(&place).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|&number| (number, &self.symbols[number as usize]))
    }

    /// The symbols of a name.
    pub fn named(&self, name: Name) -> &[u32] {
        self.by_name.get(&name).map_or(&[], Vec::as_slice)
    }

    /// An allocated section by number.
    pub fn section(&self, index: u32) -> Option<&DataSection> {
        self.sections.get(&index)
    }

    /// The places that an address of a linked file may mean: one, but for sections that overlap (per-CPU sections at
    /// address 0).
    pub fn places(&self, address: u64) -> impl Iterator<Item = SectionPlace> + '_ {
        let end = self.ranges.partition_point(|&(start, _, _)| start <= address);
        // Sections hardly overlap; the last few that start before the address are enough.
        self.ranges[end.saturating_sub(8)..end]
            .iter()
            .rev()
            .filter(move |&&(_, end, _)| address < end)
            .map(move |&(start, _, section)| SectionPlace { section, offset: address - start })
    }
}
