//! Relocations of relocatable files, applied to a copy of the section as a linker would that places every section at
//! address 0: an address becomes an offset in its own section. Which section that is would be lost, so it is kept
//! beside the bytes.

use ::object::elf::{self, Rel32, Rel64, Rela32, Rela64, RelocationType};
use ::object::pod::{self, Pod};
use ::object::read::elf::{Rel, Rela};
use ::object::{Endian, Endianness};

use super::relocation_kind::{Operation, operation};
use super::section::{SectionIndex, SectionRecord};
use super::symbol::{SymbolIndex, SymbolPlace, SymbolSection, Symbols};

/// What a relocated field points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelocationTarget {
    /// Offset in bytes of the field in its section.
    pub offset: u64,
    /// The section that the address is in, or why it is in none.
    pub section: SymbolSection,
    /// The symbol that the relocation names, often the section's own.
    pub symbol: SymbolIndex,
}

/// The relocated fields of one section that hold addresses of code or data. Those that hold offsets in other debug
/// sections (nine of ten, in a kernel module) are not kept: their meaning is clear from the form.
#[derive(Debug, Clone, Default)]
pub struct RelocationTargets {
    /// By offset; the first wins of several at one place.
    targets: Vec<RelocationTarget>,
}

impl RelocationTargets {
    /// What the field at that offset points at; `None` if it is not relocated, or points into a debug section.
    pub fn get(&self, offset: u64) -> Option<RelocationTarget> {
        let position = self.targets.partition_point(|target| target.offset < offset);
        self.targets.get(position).copied().filter(|target| target.offset == offset)
    }

    /// All of them, by offset.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RelocationTarget> + '_ {
        self.targets.iter().copied()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Are there none? So it is for every section of a linked file.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Adds those of a section whose bytes were put behind this one's, at `start`.
    pub(crate) fn append(&mut self, other: &Self, start: u64) {
        let moved = |target: &RelocationTarget| RelocationTarget { offset: target.offset + start, ..*target };
        self.targets.extend(other.targets.iter().map(moved));
    }

    fn sort(&mut self) {
        if !self.targets.is_sorted_by_key(|target| target.offset) {
            self.targets.sort_by_key(|target| target.offset);
        }
    }
}

/// The relocated fields of several sections.
#[derive(Debug, Clone, Default)]
pub struct RelocatedSections {
    sections: Vec<(SectionIndex, RelocationTargets)>,
}

impl RelocatedSections {
    /// Adds those of one section, in place of what was there for it.
    pub fn insert(&mut self, section: SectionIndex, targets: RelocationTargets) {
        match self.sections.iter_mut().find(|(index, _)| *index == section) {
            Some((_, present)) => *present = targets,
            None => self.sections.push((section, targets)),
        }
    }

    /// What the field at that offset of that section points at.
    pub fn target(&self, section: SectionIndex, offset: u64) -> Option<RelocationTarget> {
        self.sections.iter().find(|(index, _)| *index == section)?.1.get(offset)
    }
}

/// How many relocations of a section did what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelocationCounts {
    /// Done.
    pub applied: usize,
    /// Left undone: of a type that is not expected in data, or of a machine that is not known.
    pub unknown: usize,
    /// Left undone: the field or the symbol is out of bounds.
    pub out_of_bounds: usize,
}

/// A relocation with the differences between the four kinds of table taken away.
struct Entry {
    offset: u64,
    kind: RelocationType,
    symbol: u32,
    /// `None`: the addend is in the field.
    addend: Option<i64>,
}

/// Applies relocation tables to a section's bytes.
pub(crate) struct Relocator<'a> {
    pub(crate) machine: elf::Machine,
    pub(crate) is_64: bool,
    pub(crate) endian: Endianness,
    pub(crate) symbols: Symbols<'a>,
    /// The symbol that was named last.
    pub(crate) last: Option<(u32, SymbolPlace)>,
    pub(crate) sections: &'a [SectionRecord],
    pub(crate) targets: RelocationTargets,
    pub(crate) counts: RelocationCounts,
}

/// Types below this are looked up in a table; it holds all of those in use, aarch64's being the largest.
const TABLED: usize = 320;

fn entries<T: Pod>(table: &[u8]) -> &[T] {
    pod::slice_from_bytes(table, table.len() / size_of::<T>()).map_or(&[], |(entries, _)| entries)
}

impl Relocator<'_> {
    /// Applies one table, of entries with an addend or without.
    pub(crate) fn apply(&mut self, bytes: &mut [u8], table: &[u8], with_addend: bool) {
        let endian = self.endian;
        let is_mips64el = self.machine == elf::EM_MIPS && self.is_64 && endian.is_little_endian();
        match (self.is_64, with_addend) {
            (true, true) => self.apply_all(bytes, entries(table), |entry: &Rela64<Endianness>| Entry {
                offset: entry.r_offset(endian),
                kind: entry.r_type(endian, is_mips64el),
                symbol: entry.r_sym(endian, is_mips64el),
                addend: Some(entry.r_addend(endian)),
            }),
            (true, false) => self.apply_all(bytes, entries(table), |entry: &Rel64<Endianness>| Entry {
                offset: entry.r_offset(endian),
                // The REL form has no MIPS64 of its own in the reader: go by way of RELA.
                kind: Rela64::from(*entry).r_type(endian, is_mips64el),
                symbol: Rela64::from(*entry).r_sym(endian, is_mips64el),
                addend: None,
            }),
            (false, true) => self.apply_all(bytes, entries(table), |entry: &Rela32<Endianness>| Entry {
                offset: entry.r_offset(endian).into(),
                kind: entry.r_type(endian),
                symbol: entry.r_sym(endian),
                addend: Some(entry.r_addend(endian).into()),
            }),
            (false, false) => self.apply_all(bytes, entries(table), |entry: &Rel32<Endianness>| Entry {
                offset: entry.r_offset(endian).into(),
                kind: entry.r_type(endian),
                symbol: entry.r_sym(endian),
                addend: None,
            }),
        }
        self.targets.sort();
    }

    #[inline]
    fn apply_all<T>(&mut self, bytes: &mut [u8], table: &[T], decode: impl Fn(&T) -> Entry) {
        let operations: [Operation; TABLED] =
            std::array::from_fn(|kind| operation(self.machine, RelocationType(kind as u32)));
        for entry in table {
            let entry = decode(entry);
            let operation = match operations.get(entry.kind.0 as usize) {
                Some(operation) => *operation,
                None => operation(self.machine, entry.kind),
            };
            match operation {
                Operation::None => self.counts.applied += 1,
                Operation::Unknown => self.counts.unknown += 1,
                _ if self.apply_one(bytes, &entry, operation).is_some() => self.counts.applied += 1,
                _ => self.counts.out_of_bounds += 1,
            }
        }
    }

    #[inline]
    fn apply_one(&mut self, bytes: &mut [u8], entry: &Entry, operation: Operation) -> Option<()> {
        // Nine of ten in a unit name the one symbol of a section of strings.
        let symbol = match self.last {
            Some((index, symbol)) if index == entry.symbol => symbol,
            _ => {
                let symbol = self.symbols.place(SymbolIndex(entry.symbol))?;
                self.last = Some((entry.symbol, symbol));
                symbol
            }
        };
        let address = match symbol.section {
            // The value of a common symbol is its alignment.
            SymbolSection::Undefined | SymbolSection::Common => 0,
            SymbolSection::Absolute | SymbolSection::Index(_) => symbol.value,
        };
        let start = usize::try_from(entry.offset).ok()?;
        let place = bytes.get_mut(start..)?;
        // An addend in the field is part of what Add and Subtract read there anyway.
        let addend = entry.addend.unwrap_or(0) as u64;
        let value = address.wrapping_add(addend);
        let field = Field { endian: self.endian };
        let implicit = |width: u8, place: &[u8]| match entry.addend {
            Some(_) => Some(0),
            None => field.read_signed(place, width),
        };
        match operation {
            Operation::Absolute(width) => {
                let stored = implicit(width, place)?.wrapping_add(value);
                field.write(place, width, stored)?;
                self.note_target(entry, &symbol);
            }
            Operation::Relative(width) => {
                let stored = implicit(width, place)?.wrapping_add(value).wrapping_sub(entry.offset);
                field.write(place, width, stored)?;
            }
            Operation::Size(width) => {
                let stored = implicit(width, place)?.wrapping_add(symbol.size).wrapping_add(addend);
                field.write(place, width, stored)?;
            }
            Operation::Add(width) => {
                let stored = field.read_signed(place, width)?.wrapping_add(value);
                field.write(place, width, stored)?;
            }
            Operation::Subtract(width) => {
                let stored = field.read_signed(place, width)?.wrapping_sub(value);
                field.write(place, width, stored)?;
            }
            Operation::SetSix => set_six(place.first_mut()?, |_| value),
            Operation::AddSix => set_six(place.first_mut()?, |old| old.wrapping_add(value)),
            Operation::SubtractSix => set_six(place.first_mut()?, |old| old.wrapping_sub(value)),
            Operation::SetLeb => set_leb(place, |_| value)?,
            Operation::AddLeb => set_leb(place, |old| old.wrapping_add(value))?,
            Operation::SubtractLeb => set_leb(place, |old| old.wrapping_sub(value))?,
            Operation::None | Operation::Unknown => {}
        }
        Some(())
    }

    /// Remembers the section of an address, unless it is one that never gets an address.
    #[inline]
    fn note_target(&mut self, entry: &Entry, symbol: &SymbolPlace) {
        if let SymbolSection::Index(SectionIndex(index)) = symbol.section {
            let section = self.sections.get(index as usize);
            if section.is_some_and(|section| !section.flags.contains(elf::SHF_ALLOC)) {
                return;
            }
        }
        self.targets.targets.push(RelocationTarget {
            offset: entry.offset,
            section: symbol.section,
            symbol: SymbolIndex(entry.symbol),
        });
    }
}

/// Numbers of 1 to 8 bytes in the file's byte order.
#[derive(Clone, Copy)]
struct Field {
    endian: Endianness,
}

impl Field {
    #[inline]
    fn read_signed(self, place: &[u8], width: u8) -> Option<u64> {
        let field = place.get(..usize::from(width))?;
        let mut value = 0;
        for position in 0..field.len() {
            let byte =
                if self.endian.is_big_endian() { field[position] } else { field[field.len() - 1 - position] };
            value = value << 8 | u64::from(byte);
        }
        let unused = 64 - 8 * u32::from(width);
        Some((((value << unused) as i64) >> unused) as u64)
    }

    #[inline]
    fn write(self, place: &mut [u8], width: u8, value: u64) -> Option<()> {
        match (width, self.endian.is_big_endian()) {
            (8, false) => *place.first_chunk_mut()? = value.to_le_bytes(),
            (4, false) => *place.first_chunk_mut()? = (value as u32).to_le_bytes(),
            (8, true) => *place.first_chunk_mut()? = value.to_be_bytes(),
            (4, true) => *place.first_chunk_mut()? = (value as u32).to_be_bytes(),
            (_, big_endian) => {
                let width = usize::from(width);
                let field = place.get_mut(..width)?;
                field.copy_from_slice(&value.to_le_bytes()[..width]);
                if big_endian {
                    field.reverse();
                }
            }
        }
        Some(())
    }
}

fn set_six(byte: &mut u8, change: impl Fn(u64) -> u64) {
    *byte = *byte & 0xc0 | change(u64::from(*byte & 0x3f)) as u8 & 0x3f;
}

/// Changes an unsigned LEB128 number, modulo what its bytes can hold.
fn set_leb(place: &mut [u8], change: impl Fn(u64) -> u64) -> Option<()> {
    let length = 1 + place.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let field = &mut place[..length];
    let old = field.iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    let mut value = change(old);
    for (position, byte) in field.iter_mut().enumerate() {
        let more = if position + 1 < length { 0x80 } else { 0 };
        *byte = (value & 0x7f) as u8 | more;
        value >>= 7;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::header::Header;

    /// A symbol table of the null symbol and one of this value, in section 1.
    fn symbol_table(is_64: bool, endian: Endianness, value: u64) -> Vec<u8> {
        let mut table = vec![0; if is_64 { 24 } else { 16 }];
        table.extend([0; 4]);
        if is_64 {
            table.extend([0, 0]);
            table.extend(endian.write_u16(1));
            table.extend(endian.write_u64(value));
            table.extend(endian.write_u64(0x22));
        } else {
            table.extend(endian.write_u32(value as u32));
            table.extend(endian.write_u32(0x22));
            table.extend([0, 0]);
            table.extend(endian.write_u16(1));
        }
        table
    }

    /// Applies relocations of (offset, type, addend) against that symbol; no addend means the form without.
    fn relocate(
        machine: elf::Machine,
        is_64: bool,
        endian: Endianness,
        value: u64,
        relocations: &[(u64, u32, Option<i64>)],
        bytes: &[u8],
    ) -> (Vec<u8>, RelocationCounts) {
        let header = Header {
            is_64,
            endian,
            kind: elf::ET_REL,
            machine,
            section_table: 0,
            section_count: 0,
            name_section: 0,
            program_table: 0,
            program_count: 0,
        };
        let symbols = symbol_table(is_64, endian, value);
        let mut relocator = Relocator {
            machine,
            is_64,
            endian,
            symbols: Symbols::new(&header, &symbols, &[], &[], false),
            last: None,
            sections: &[],
            targets: RelocationTargets::default(),
            counts: RelocationCounts::default(),
        };
        let mut bytes = bytes.to_vec();
        for (offset, kind, addend) in relocations {
            let mut entry = Vec::new();
            if is_64 {
                entry.extend(endian.write_u64(*offset));
                entry.extend(endian.write_u64(1 << 32 | u64::from(*kind)));
                addend.inspect(|addend| entry.extend(endian.write_u64(*addend as u64)));
            } else {
                entry.extend(endian.write_u32(*offset as u32));
                entry.extend(endian.write_u32(1 << 8 | *kind));
                addend.inspect(|addend| entry.extend(endian.write_u32(*addend as u32)));
            }
            relocator.apply(&mut bytes, &entry, addend.is_some());
        }
        (bytes, relocator.counts)
    }

    #[test]
    fn pairs_that_add_and_subtract_leave_the_difference() {
        // .uleb128 and a six-bit advance, as in call frame and location lists of RISC-V and LoongArch.
        for (machine, leb, add, sub, six) in
            [(elf::EM_RISCV, (60, 61), 35, 39, (53, 52)), (elf::EM_LOONGARCH, (107, 108), 50, 55, (105, 106))]
        {
            let endian = Endianness::Little;
            let apply = |relocations: &[_], bytes: &[u8]| {
                let (bytes, counts) = relocate(machine, true, endian, 0x1000, relocations, bytes);
                assert_eq!((counts.applied, counts.unknown, counts.out_of_bounds), (2, 0, 0));
                bytes
            };
            // The symbol is the same twice: what is left is the difference of the addends.
            let pair = [(1, leb.0, Some(0x234)), (1, leb.1, Some(0x30))];
            assert_eq!(apply(&pair, &[9, 0x80, 0x00, 9]), [9, 0x84, 0x04, 9]);
            let pair = [(0, add, Some(7)), (0, sub, Some(3))];
            assert_eq!(apply(&pair, &[0; 4]), [4, 0, 0, 0]);
            let pair = [(0, six.0, Some(0x1f)), (0, six.1, Some(1))];
            assert_eq!(apply(&pair, &[0x40]), [0x5e]);
        }
    }

    #[test]
    fn an_addend_in_the_field_counts_where_the_entry_has_none() {
        for (endian, field, expected) in [
            (Endianness::Little, [0xfe, 0xff, 0xff, 0xff], [0xfe, 0x0f, 0, 0]),
            (Endianness::Big, [0xff, 0xff, 0xff, 0xfe], [0, 0, 0x0f, 0xfe]),
        ] {
            for (machine, kind) in [(elf::EM_ARM, 2), (elf::EM_386, 1), (elf::EM_MIPS, 2)] {
                let (bytes, _) = relocate(machine, false, endian, 0x1000, &[(0, kind, None)], &field);
                assert_eq!(bytes, expected);
                // With an entry that has one, the field's old content does not count.
                let (bytes, _) = relocate(machine, false, endian, 0x1000, &[(0, kind, Some(-2))], &field);
                assert_eq!(bytes, expected);
            }
        }
    }

    #[test]
    fn thread_local_offsets_sizes_and_narrow_fields_are_written() {
        let one = |kind, addend| {
            let relocation = [(2, kind, Some(addend))];
            let (bytes, counts) =
                relocate(elf::EM_X86_64, true, Endianness::Little, 0x1234, &relocation, &[0xee; 12]);
            assert_eq!(counts, RelocationCounts { applied: 1, ..Default::default() });
            bytes
        };
        assert_eq!(one(17, 1), [0xee, 0xee, 0x35, 0x12, 0, 0, 0, 0, 0, 0, 0xee, 0xee]);
        assert_eq!(one(21, 1)[..7], [0xee, 0xee, 0x35, 0x12, 0, 0, 0xee]);
        assert_eq!(one(12, 0)[..5], [0xee, 0xee, 0x34, 0x12, 0xee]);
        assert_eq!(one(14, 0)[..4], [0xee, 0xee, 0x34, 0xee]);
        assert_eq!(one(32, 1)[..7], [0xee, 0xee, 0x23, 0, 0, 0, 0xee]);
        assert_eq!(one(2, 0)[..6], [0xee, 0xee, 0x32, 0x12, 0, 0]);
    }

    #[test]
    fn what_cannot_be_applied_is_counted_and_leaves_the_bytes_alone() {
        let relocations = [(0, 999, Some(0)), (6, 1, Some(0)), (u64::MAX, 1, Some(0)), (0, 9, Some(0))];
        let (bytes, counts) = relocate(elf::EM_X86_64, true, Endianness::Little, 1, &relocations, &[0xee; 8]);
        assert_eq!(bytes, [0xee; 8]);
        assert_eq!(counts, RelocationCounts { applied: 0, unknown: 2, out_of_bounds: 2 });
        // A LEB128 number without an end.
        let (bytes, counts) =
            relocate(elf::EM_RISCV, true, Endianness::Little, 1, &[(0, 60, Some(0))], &[0xee; 8]);
        assert_eq!((bytes, counts.out_of_bounds), (vec![0xee; 8], 1));
    }

    #[test]
    fn targets_are_found_by_offset() {
        let target = |offset, index| RelocationTarget {
            offset,
            section: SymbolSection::Index(SectionIndex(index)),
            symbol: SymbolIndex(index),
        };
        let mut targets = RelocationTargets { targets: vec![target(30, 3), target(10, 1), target(20, 2)] };
        targets.sort();
        let mut sections = RelocatedSections::default();
        sections.insert(SectionIndex(7), RelocationTargets::default());
        sections.insert(SectionIndex(7), targets);
        assert_eq!(sections.target(SectionIndex(7), 20), Some(target(20, 2)));
        assert_eq!(sections.target(SectionIndex(7), 21), None);
        assert_eq!(sections.target(SectionIndex(8), 20), None);
    }
}
