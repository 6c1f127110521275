//! The symbol table: a view over the file's bytes; a symbol is decoded when it is looked at.

use ::object::elf::{self, Sym32, Sym64};
use ::object::pod::{self, Pod};
use ::object::read::elf::Sym;
use ::object::{Endian, Endianness};

use super::header::{Header, string_at};
use super::section::SectionIndex;

/// The number of a symbol in its table. 0 is the null symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolIndex(pub u32);

/// Where a symbol is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolSection {
    /// Nowhere in this file.
    Undefined,
    /// Its value is a number and no place.
    Absolute,
    /// Not yet allocated (`SHN_COMMON`, and what processors define alike); its value is an alignment.
    Common,
    /// In this section.
    Index(SectionIndex),
}

/// A symbol.
#[derive(Debug, Clone, Copy)]
pub struct Symbol<'a> {
    strings: &'a [u8],
    name_offset: u32,
    /// The symbol's number.
    pub index: SymbolIndex,
    /// The address; in relocatable files the offset in its section.
    pub value: u64,
    /// Size in bytes, 0 if not known.
    pub size: u64,
    /// `st_type`: function, object, section, …
    pub kind: elf::SymbolType,
    /// `st_bind`: local, global, weak, …
    pub binding: elf::SymbolBind,
    /// The visibility part of `st_other`.
    pub visibility: elf::SymbolVisibility,
    /// Where it is defined.
    pub section: SymbolSection,
}

impl<'a> Symbol<'a> {
    /// The name as the string table has it, without the terminator; empty for most section symbols, and where the
    /// name's offset is out of bounds.
    pub fn name(&self) -> &'a [u8] {
        string_at(self.strings, self.name_offset)
    }

    /// Offset of the name in the string table, in bytes. Equal offsets are equal names, not the reverse.
    pub fn name_offset(&self) -> u32 {
        self.name_offset
    }

    /// Is the symbol defined in one of the file's sections?
    pub fn is_defined(&self) -> bool {
        matches!(self.section, SymbolSection::Index(_))
    }
}

/// The symbols of a file. Small and `Copy`: nothing is decoded before it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    table: Table<'a>,
    strings: &'a [u8],
    /// Section numbers of the symbols whose own field is too small for them (`SHT_SYMTAB_SHNDX`), four bytes each.
    extended: &'a [u8],
    endian: Endianness,
    machine: elf::Machine,
    dynamic: bool,
}

#[derive(Clone, Copy)]
enum Table<'a> {
    Class32(&'a [Sym32<Endianness>]),
    Class64(&'a [Sym64<Endianness>]),
}

impl std::fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Table::Class32(table) => write!(f, "{} 32-bit symbols", table.len()),
            Table::Class64(table) => write!(f, "{} 64-bit symbols", table.len()),
        }
    }
}

/// What a relocation needs of its symbol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SymbolPlace {
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) section: SymbolSection,
}

/// As many whole entries as fit.
fn entries<T: Pod>(bytes: &[u8]) -> &[T] {
    pod::slice_from_bytes(bytes, bytes.len() / size_of::<T>()).map_or(&[], |(table, _)| table)
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(
        header: &Header,
        table: &'a [u8],
        strings: &'a [u8],
        extended: &'a [u8],
        dynamic: bool,
    ) -> Symbols<'a> {
        let table =
            if header.is_64 { Table::Class64(entries(table)) } else { Table::Class32(entries(table)) };
        Symbols { table, strings, extended, endian: header.endian, machine: header.machine, dynamic }
    }

    /// Number of symbols, the null symbol included.
    pub fn len(&self) -> usize {
        match self.table {
            Table::Class32(table) => table.len(),
            Table::Class64(table) => table.len(),
        }
    }

    /// Has the file no symbols at all?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Are these the symbols of `.dynsym`, because the file has no `.symtab`? Then local symbols are missing.
    pub fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// The symbol of that number.
    pub fn get(&self, index: SymbolIndex) -> Option<Symbol<'a>> {
        match self.table {
            Table::Class32(table) => table.get(index.0 as usize).map(|symbol| self.symbol(index, symbol)),
            Table::Class64(table) => table.get(index.0 as usize).map(|symbol| self.symbol(index, symbol)),
        }
    }

    /// All symbols in the order of the file, the null symbol first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Symbol<'a>> + use<'a> {
        let symbols = *self;
        (0..self.len() as u32).map(move |index| match symbols.table {
            Table::Class32(table) => symbols.symbol(SymbolIndex(index), &table[index as usize]),
            Table::Class64(table) => symbols.symbol(SymbolIndex(index), &table[index as usize]),
        })
    }

    /// Value and section alone, for relocations.
    pub(crate) fn place(&self, index: SymbolIndex) -> Option<SymbolPlace> {
        let symbol = self.get(index)?;
        Some(SymbolPlace { value: symbol.value, size: symbol.size, section: symbol.section })
    }

    #[inline]
    fn symbol<S: Sym<Endian = Endianness>>(&self, index: SymbolIndex, symbol: &S) -> Symbol<'a> {
        Symbol {
            strings: self.strings,
            name_offset: symbol.st_name(self.endian),
            index,
            value: symbol.st_value(self.endian).into(),
            size: symbol.st_size(self.endian).into(),
            kind: symbol.st_type(),
            binding: symbol.st_bind(),
            visibility: symbol.st_visibility(),
            section: self.section(index, symbol.st_shndx(self.endian).0),
        }
    }

    #[inline]
    fn section(&self, index: SymbolIndex, field: u16) -> SymbolSection {
        if field != 0 && field < elf::SHN_LORESERVE {
            return SymbolSection::Index(SectionIndex(field.into()));
        }
        self.special_section(index, field)
    }

    fn special_section(&self, index: SymbolIndex, field: u16) -> SymbolSection {
        match elf::SymbolSection(field) {
            elf::SHN_UNDEF => SymbolSection::Undefined,
            elf::SHN_COMMON => SymbolSection::Common,
            elf::SHN_XINDEX => {
                let offset = index.0 as usize * 4;
                match self.extended.get(offset..offset + 4).and_then(|field| field.try_into().ok()) {
                    Some(field) => {
                        let section = self.endian.read_u32(field);
                        SymbolSection::Index(SectionIndex(section))
                    }
                    None => SymbolSection::Undefined,
                }
            }
            // Processors have further kinds of common: SHN_MIPS_ACOMMON and SCOMMON, SHN_X86_64_LCOMMON.
            elf::SymbolSection(0xff00 | 0xff03) if self.machine == elf::EM_MIPS => SymbolSection::Common,
            elf::SymbolSection(0xff02) if self.machine == elf::EM_X86_64 => SymbolSection::Common,
            _ => SymbolSection::Absolute,
        }
    }
}
