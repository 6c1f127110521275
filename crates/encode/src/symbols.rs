//! Data symbols: what the linker says is where.

use hashbrown::HashMap;

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
    /// (place, symbol), sorted.
    by_place: Vec<(SectionPlace, u32)>,
    /// Names that the linker has yet to find a place for (`-fcommon`).
    pub commons: Vec<Name>,
    /// Has the file a symbol table at all?
    pub complete: bool,
}

impl DataSymbols {
    /// Indexes the data symbols of `object`, when all DIEs are read.
    pub fn of(object: &Object, names: &Names<'_>) -> Result<Self> {
        let mut data = Self::default();
        for section in object.sections() {
            if !section.is_allocated() || section.size == 0 || section.flags.contains(elf::SHF_TLS) {
                continue;
            }
            let record = DataSection {
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
            let is_common = matches!(symbol.section, SymbolSection::Common);
            if place.is_none() && !is_common && !matches!(symbol.section, SymbolSection::Absolute) {
                continue;
            }
            let base = match name.iter().position(|&byte| byte == b'.') {
                Some(dot) if dot > 0 => names.intern(&name[..dot]),
                _ => Name::NONE,
            };
            let name = match names.find(name) {
                Some(name) => name,
                // No DIE has the name of this label.
                None if !is_object => continue,
                None => names.intern(name),
            };
            if is_common {
                data.commons.push(name);
            }
            data.symbols.push(DataSymbol {
                name,
                base,
                place,
                size: symbol.size,
                is_object,
                is_strong: symbol.binding == elf::STB_GLOBAL,
                is_global: symbol.binding != elf::STB_LOCAL,
            });
        }
        let places = data.symbols.iter().enumerate();
        data.by_place = places.filter_map(|(number, symbol)| Some((symbol.place?, number as u32))).collect();
        data.by_place.sort_unstable();
        Ok(data)
    }

    /// The symbols at a place.
    pub fn at(&self, place: SectionPlace) -> impl Iterator<Item = (u32, &DataSymbol)> {
        let start = self.by_place.partition_point(|&(other, _)| other < place);
        self.by_place[start..]
            .iter()
            .take_while(move |(other, _)| *other == place)
            .map(|&(_, number)| (number, &self.symbols[number as usize]))
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
