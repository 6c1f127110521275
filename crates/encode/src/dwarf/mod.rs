//! DWARF 2 to 5 as the scan needs it: sections, unit headers, compiled abbreviations, locations.
//!
//! Nothing here builds a tree or copies a string. What a rule says is cited by section of the DWARF 5 standard.

pub mod abbreviation;
pub mod bytes;
pub mod location;
pub mod role;
pub mod unit;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, Damage};
use unit::UnitHeader;

use crate::object::{self, Object, RelocationTargets, SectionIndex, SymbolSection};

/// The section that the relocated field at `offset` points into.
fn target_section(targets: &RelocationTargets, offset: usize) -> Option<SectionIndex> {
    match targets.get(offset as u64)?.section {
        SymbolSection::Index(section) => Some(section),
        _ => None,
    }
}

/// The debug sections of one file.
#[derive(Debug, Default, Clone)]
pub struct Dwarf<'d> {
    /// `.debug_info`, one for each section of that name (comdat groups in relocatable files have several).
    pub info: Cow<'d, [u8]>,
    /// `.debug_types` (DWARF 4).
    pub types: Cow<'d, [u8]>,
    /// `.debug_abbrev`.
    pub abbrev: Cow<'d, [u8]>,
    /// `.debug_str`.
    pub str: Cow<'d, [u8]>,
    /// `.debug_str` of the file that dwz moved common strings to.
    pub alternate_str: Cow<'d, [u8]>,
    /// `.debug_line_str`.
    pub line_str: Cow<'d, [u8]>,
    /// `.debug_str_offsets`.
    pub str_offsets: Cow<'d, [u8]>,
    /// `.debug_addr`.
    pub addr: Arc<Cow<'d, [u8]>>,
    /// `.debug_loclists` (DWARF 5).
    pub loclists: Cow<'d, [u8]>,
    /// `.debug_loc` (DWARF 2 to 4).
    pub loc: Cow<'d, [u8]>,
    /// `.debug_rnglists` (DWARF 5).
    pub rnglists: Cow<'d, [u8]>,
    /// `.debug_ranges` (DWARF 2 to 4).
    pub ranges: Cow<'d, [u8]>,
    /// Which fields of `info` hold addresses of which section, in relocatable files.
    pub info_targets: RelocationTargets,
    /// The same for `addr`.
    pub addr_targets: Arc<RelocationTargets>,
    /// The same for `rnglists` and `ranges`.
    pub range_targets: RelocationTargets,
    /// True for a big-endian file.
    pub big_endian: bool,
    /// True for the sections of a `.dwo` file.
    pub is_split: bool,
}

impl<'d> Dwarf<'d> {
    /// The debug sections of `object`; `.dwo` sections if `split`.
    pub fn of(object: &'d Object, split: bool) -> object::Result<Self> {
        let mut dwarf = Self { big_endian: object.is_big_endian(), is_split: split, ..Self::default() };
        let suffix = if split { ".dwo" } else { "" };
        let load = |name: &str| -> object::Result<(Cow<'d, [u8]>, RelocationTargets)> {
            let name = format!("{name}{suffix}");
            let mut sections = object.debug_sections(&name).filter(object::Section::has_content);
            let Some(section) = sections.next() else { return Ok(Default::default()) };
            let content = object.section_content(section.index)?;
            let (mut bytes, mut targets) = (content.bytes, content.targets);
            // Before linking each type unit is a section of its own, in a group.
            for section in sections {
                let content = object.section_content(section.index)?;
                targets.append(&content.targets, bytes.len() as u64);
                bytes.to_mut().extend_from_slice(&content.bytes);
            }
            Ok((bytes, targets))
        };
        (dwarf.info, dwarf.info_targets) = load("info")?;
        let (addr, targets) = load("addr")?;
        (dwarf.addr, dwarf.addr_targets) = (Arc::new(addr), Arc::new(targets));
        (dwarf.rnglists, dwarf.range_targets) = load("rnglists")?;
        if dwarf.rnglists.is_empty() {
            (dwarf.ranges, dwarf.range_targets) = load("ranges")?;
        } else {
            dwarf.ranges = load("ranges")?.0;
        }
        dwarf.types = load("types")?.0;
        dwarf.abbrev = load("abbrev")?.0;
        dwarf.str = load("str")?.0;
        dwarf.line_str = load("line_str")?.0;
        dwarf.str_offsets = load("str_offsets")?.0;
        dwarf.loclists = load("loclists")?.0;
        dwarf.loc = load("loc")?.0;
        Ok(dwarf)
    }

    /// The sections of a split unit know no addresses: these are the object's (DWARF 5, 7.3.2).
    pub fn with_addresses_of(mut self, main: &Dwarf<'d>) -> Self {
        self.addr = main.addr.clone();
        self.addr_targets = Arc::clone(&main.addr_targets);
        self
    }

    /// One unit's part of the sections of a package (DWARF 5, 7.3.5): (name of the section, range).
    pub fn restricted_to(mut self, ranges: &[(&'static str, std::ops::Range<u64>)]) -> Self {
        // What a unit has nothing of is not its own.
        for (name, section) in [("info.dwo", &mut self.info), ("types.dwo", &mut self.types)] {
            if !ranges.iter().any(|(other, _)| *other == name) {
                *section = Cow::default();
            }
        }
        for (name, range) in ranges {
            let section = match *name {
                "info.dwo" => &mut self.info,
                "types.dwo" => &mut self.types,
                "abbrev.dwo" => &mut self.abbrev,
                "str_offsets.dwo" => &mut self.str_offsets,
                "loclists.dwo" => &mut self.loclists,
                "loc.dwo" => &mut self.loc,
                "rnglists.dwo" => &mut self.rnglists,
                _ => continue,
            };
            let range = range.start as usize..range.end as usize;
            *section = match std::mem::take(section) {
                Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(range).unwrap_or_default()),
                Cow::Owned(bytes) => Cow::Owned(bytes.get(range).unwrap_or_default().to_vec()),
            };
        }
        self
    }

    /// `section` with the file's byte order.
    #[inline]
    pub fn bytes<'a>(&self, section: &'a [u8]) -> Bytes<'a> {
        Bytes { data: section, big_endian: self.big_endian }
    }

    /// The bytes of `unit`, from its header on.
    pub fn unit_bytes(&self, unit: &UnitHeader) -> Bytes<'_> {
        let section = if unit.in_types { &self.types } else { &self.info };
        self.bytes(&section[unit.offset..unit.end])
    }

    /// The sections that the scan alone reads: all but the strings.
    pub fn scanned_sections(&self) -> [&[u8]; 7] {
        [&self.info, &self.types, &self.abbrev, &self.addr, &self.loclists, &self.loc, &self.rnglists]
    }

    /// All unit headers, in the order of the file, and what could not be read.
    pub fn units(&self, file: u32) -> (Vec<UnitHeader>, Vec<Damage>) {
        let (mut units, mut damage) = (Vec::new(), Vec::new());
        for (section, in_types) in [(&self.types, true), (&self.info, false)] {
            let mut at = 0;
            while at < section.len() {
                match UnitHeader::read(self.bytes(section), at, file, in_types) {
                    Ok(unit) => {
                        at = unit.end;
                        units.push(unit);
                    }
                    Err((what, next)) => {
                        damage.push(what);
                        match next {
                            Some(next) => at = next,
                            None => break,
                        }
                    }
                }
            }
        }
        (units, damage)
    }

    /// The section that the address at `offset` of `.debug_info` is in, where the file is relocatable.
    pub fn target_of_info(&self, offset: usize) -> Option<SectionIndex> {
        target_section(&self.info_targets, offset)
    }

    /// The string at `offset` of `section`.
    pub fn text<'a>(&self, section: &'a [u8], offset: u64) -> Option<Cow<'a, [u8]>> {
        let offset = usize::try_from(offset).ok()?;
        self.bytes(section).string(offset).ok().map(Cow::Borrowed)
    }

    /// Entry `index` of the string offsets that start at `base` (DWARF 5, 7.26).
    pub fn string_offset(&self, index: u64, base: u64, offset_size: u8) -> Result<u64, Damage> {
        let size = usize::from(offset_size);
        let at = usize::try_from(index)
            .ok()
            .and_then(|index| index.checked_mul(size))
            .and_then(|at| at.checked_add(usize::try_from(base).ok()?))
            .ok_or(Damage::BadString)?;
        self.bytes(&self.str_offsets).sized(at, size)
    }

    /// Entry `index` of the addresses that start at `base` (DWARF 5, 7.27), and the section it lies in where the
    /// file is relocatable.
    pub fn indexed_address(
        &self,
        index: u64,
        base: u64,
        address_size: u8,
    ) -> Result<(u64, Option<SectionIndex>), Damage> {
        let size = usize::from(address_size);
        let at = usize::try_from(index)
            .ok()
            .and_then(|index| index.checked_mul(size))
            .and_then(|at| at.checked_add(usize::try_from(base).ok()?))
            .ok_or(Damage::Truncated)?;
        let address = self.bytes(&self.addr).sized(at, size)?;
        let section = target_section(&self.addr_targets, at);
        Ok((address, section))
    }
}
