//! Units: their headers, and what their root DIE says about all that is below it.

use std::borrow::Cow;

use gimli::constants as dw;

use super::Dwarf;
use super::abbreviation::Shape;
use super::bytes::{Bytes, Damage};

/// What decides how a unit's attribute values lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// DWARF version, 2 to 5.
    pub version: u16,
    /// Bytes of an address: 2, 4 or 8.
    pub address_size: u8,
    /// Bytes of a section offset: 4 in 32-bit DWARF, 8 in 64-bit DWARF.
    pub offset_size: u8,
}

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A compilation unit, or a part of one that others import.
    Compile,
    /// One type, found by its signature.
    Type {
        /// The signature that `DW_FORM_ref_sig8` names.
        signature: u64,
        /// Offset of the type's DIE from the start of the unit.
        type_offset: u64,
    },
    /// Stands for a unit in a `.dwo` file.
    Skeleton,
}

/// A unit's header (DWARF 5, 7.5.1): where it is and how to read it.
#[derive(Debug, Clone, Copy)]
pub struct UnitHeader {
    /// Which file's sections it is in: an index into the encoder's list of DWARF files.
    pub file: u32,
    /// True in `.debug_types` (DWARF 4).
    pub in_types: bool,
    /// Offset of the header in its section.
    pub offset: usize,
    /// Offset of the byte after the unit in its section.
    pub end: usize,
    /// Offset of the root DIE from the start of the header.
    pub root: usize,
    /// Offset of the abbreviation table in `.debug_abbrev`.
    pub abbreviations: usize,
    /// How values lie in the file.
    pub format: Format,
    /// What the unit is.
    pub kind: UnitKind,
    /// The id that ties a skeleton to its unit in a `.dwo` file (DWARF 5).
    pub dwo_id: Option<u64>,
}

impl UnitHeader {
    /// The unit's size in bytes.
    pub fn size(&self) -> usize {
        self.end - self.offset
    }

    /// Reads the header at `at`. On an error the rest of the section cannot be read either, but for
    /// `Err((damage, Some(next)))`, where the next unit is known.
    pub fn read(
        section: Bytes<'_>,
        at: usize,
        file: u32,
        in_types: bool,
    ) -> Result<Self, (Damage, Option<usize>)> {
        let fatal = |damage| (damage, None);
        let mut length = section.u32(at).map_err(fatal)?;
        let mut position = at + 4;
        let mut offset_size = 4u8;
        if length == 0xffff_ffff {
            length = section.u64(position).map_err(fatal)?;
            position += 8;
            offset_size = 8;
        } else if length >= 0xffff_fff0 {
            return Err((Damage::BadUnitHeader, None));
        }
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| position.checked_add(length))
            .filter(|&end| end <= section.data.len())
            .ok_or((Damage::BadUnitHeader, None))?;
        Self::fields(section, at, position, end, offset_size, file, in_types)
            .map_err(|damage| (damage, Some(end)))
    }

    fn fields(
        section: Bytes<'_>,
        offset: usize,
        mut at: usize,
        end: usize,
        offset_size: u8,
        file: u32,
        in_types: bool,
    ) -> Result<Self, Damage> {
        let section = Bytes { data: &section.data[..end], ..section };
        let mut take = |size: usize| {
            let value = section.sized(at, size);
            at += size;
            value
        };
        let version = take(2)? as u16;
        let wide = usize::from(offset_size);
        let (unit_type, abbreviations, address_size);
        match version {
            2..=4 => {
                unit_type = if in_types { dw::DW_UT_type } else { dw::DW_UT_compile };
                abbreviations = take(wide)?;
                address_size = take(1)? as u8;
            }
            5 => {
                unit_type = dw::DwUt(take(1)? as u8);
                address_size = take(1)? as u8;
                abbreviations = take(wide)?;
            }
            _ => return Err(Damage::BadUnitHeader),
        }
        if !matches!(address_size, 2 | 4 | 8) {
            return Err(Damage::BadUnitHeader);
        }
        let mut dwo_id = None;
        let kind = match unit_type {
            dw::DW_UT_compile | dw::DW_UT_partial => UnitKind::Compile,
            dw::DW_UT_type | dw::DW_UT_split_type => {
                UnitKind::Type { signature: take(8)?, type_offset: take(wide)? }
            }
            dw::DW_UT_skeleton => {
                dwo_id = Some(take(8)?);
                UnitKind::Skeleton
            }
            dw::DW_UT_split_compile => {
                dwo_id = Some(take(8)?);
                UnitKind::Compile
            }
            _ => return Err(Damage::BadUnitHeader),
        };
        if end - offset > i32::MAX as usize {
            return Err(Damage::UnitTooLarge);
        }
        let abbreviations = usize::try_from(abbreviations).map_err(|_| Damage::BadUnitHeader)?;
        let format = Format { version, address_size, offset_size };
        Ok(Self { file, in_types, offset, end, root: at - offset, abbreviations, format, kind, dwo_id })
    }
}

/// What the root DIE of a unit says.
#[derive(Debug, Clone, Default)]
pub struct UnitRoot<'d> {
    /// `DW_AT_language`, 0 if absent.
    pub language: u16,
    /// `DW_AT_producer`.
    pub producer: Option<Cow<'d, [u8]>>,
    /// `DW_AT_name`.
    pub name: Option<Cow<'d, [u8]>>,
    /// `DW_AT_comp_dir`.
    pub directory: Option<Cow<'d, [u8]>>,
    /// `DW_AT_dwo_name` or its GNU forerunner.
    pub dwo_name: Option<Cow<'d, [u8]>>,
    /// `DW_AT_GNU_dwo_id`.
    pub dwo_id: Option<u64>,
    /// `DW_AT_low_pc`: what offsets in location lists are relative to.
    pub low_pc: u64,
    /// Offset of the unit's part of `.debug_str_offsets`.
    pub string_offsets_base: u64,
    /// Offset of the unit's part of `.debug_addr`.
    pub address_base: u64,
    /// Offset of the unit's part of `.debug_loclists`.
    pub location_lists_base: u64,
    /// Offset of the unit's part of `.debug_rnglists`.
    pub range_lists_base: u64,
    /// Offset of the first DIE below the root from the start of the unit; the root has none if it is the end.
    pub first_child: usize,
}

impl<'d> UnitRoot<'d> {
    /// Reads the root DIE of `unit`, attribute by attribute.
    pub fn read(dwarf: &'d Dwarf<'_>, unit: &UnitHeader) -> Result<Self, Damage> {
        let bytes = dwarf.unit_bytes(unit);
        let section = dwarf.bytes(&dwarf.abbrev);
        let mut at = unit.root;
        let code = bytes.uleb(&mut at)?;
        let mut root = Self { first_child: bytes.data.len(), ..Self::default() };
        if code == 0 {
            return Ok(root);
        }
        let (mut attribute, children) = find_abbreviation(section, unit.abbreviations, code)?;
        // Strings and addresses by index need the bases, which may come after them.
        let mut strings: Vec<(dw::DwAt, u64)> = Vec::new();
        let mut low_pc_index = None;
        loop {
            let name = section.uleb(&mut attribute)?;
            let form = section.uleb(&mut attribute)?;
            if name == 0 && form == 0 {
                break;
            }
            let name = dw::DwAt(u16::try_from(name).unwrap_or(0));
            let form = dw::DwForm(u16::try_from(form).map_err(|_| Damage::UnknownForm)?);
            let shape = Shape::of(form, unit.format).ok_or(Damage::UnknownForm)?;
            let constant = if shape == Shape::Implicit { section.sleb(&mut attribute)? } else { 0 };
            let start = at;
            shape.skip(bytes, &mut at, unit.format)?;
            let number = || match shape {
                Shape::U8 => bytes.u8(start),
                Shape::U16 => bytes.u16(start),
                Shape::U32 => bytes.u32(start),
                Shape::U64 => bytes.u64(start),
                Shape::Uleb | Shape::StringIndexUleb | Shape::AddressIndexUleb | Shape::ListIndex => {
                    bytes.uleb(&mut start.clone())
                }
                Shape::Implicit => Ok(constant as u64),
                Shape::SectionOffset(size)
                | Shape::Address(size)
                | Shape::AddressIndex(size)
                | Shape::StringIndex(size) => bytes.sized(start, usize::from(size)),
                Shape::StringOffset | Shape::LineStringOffset | Shape::AlternateStringOffset => {
                    bytes.sized(start, usize::from(unit.format.offset_size))
                }
                _ => Ok(0),
            };
            match name {
                dw::DW_AT_language => root.language = u16::try_from(number()?).unwrap_or(0),
                dw::DW_AT_low_pc => match shape {
                    Shape::Address(_) => root.low_pc = number()?,
                    _ => low_pc_index = Some(number()?),
                },
                dw::DW_AT_str_offsets_base => root.string_offsets_base = number()?,
                dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base => root.address_base = number()?,
                dw::DW_AT_loclists_base => root.location_lists_base = number()?,
                dw::DW_AT_rnglists_base => root.range_lists_base = number()?,
                dw::DW_AT_GNU_dwo_id => root.dwo_id = Some(number()?),
                dw::DW_AT_name
                | dw::DW_AT_producer
                | dw::DW_AT_comp_dir
                | dw::DW_AT_dwo_name
                | dw::DW_AT_GNU_dwo_name => match shape {
                    Shape::StringIndex(_) | Shape::StringIndexUleb => strings.push((name, number()?)),
                    Shape::Text => {
                        root.set(name, bytes.string(start).ok().map(<[u8]>::to_vec).map(Cow::Owned));
                    }
                    Shape::StringOffset => root.set(name, dwarf.text(&dwarf.str, number()?)),
                    Shape::LineStringOffset => root.set(name, dwarf.text(&dwarf.line_str, number()?)),
                    _ => {}
                },
                _ => {}
            }
        }
        if unit.format.version >= 5 {
            // Split units have their lists right behind the section's header (DWARF 5, 7.26 to 7.29).
            let header = u64::from(unit.format.offset_size) * 2;
            for (base, size) in [
                (&mut root.string_offsets_base, header),
                (&mut root.location_lists_base, header + 4),
                (&mut root.range_lists_base, header + 4),
            ] {
                if *base == 0 && dwarf.is_split {
                    *base = size;
                }
            }
        }
        for (name, index) in strings {
            let offset = dwarf.string_offset(index, root.string_offsets_base, unit.format.offset_size);
            root.set(name, offset.ok().and_then(|offset| dwarf.text(&dwarf.str, offset)));
        }
        if let Some(index) = low_pc_index {
            root.low_pc = dwarf
                .indexed_address(index, root.address_base, unit.format.address_size)
                .map_or(0, |(address, _)| address);
        }
        if children {
            root.first_child = at;
        }
        Ok(root)
    }

    fn set(&mut self, name: dw::DwAt, value: Option<Cow<'d, [u8]>>) {
        let field = match name {
            dw::DW_AT_name => &mut self.name,
            dw::DW_AT_producer => &mut self.producer,
            dw::DW_AT_comp_dir => &mut self.directory,
            _ => &mut self.dwo_name,
        };
        *field = value;
    }

    /// True if clang made the unit.
    pub fn is_clang(&self) -> bool {
        self.producer.as_deref().is_some_and(|name| name.windows(5).any(|part| part == b"clang"))
    }
}

/// Where the attribute list of abbreviation `code` starts, and whether its DIEs have children.
fn find_abbreviation(section: Bytes<'_>, mut at: usize, code: u64) -> Result<(usize, bool), Damage> {
    loop {
        let found = section.uleb(&mut at)?;
        if found == 0 {
            return Err(Damage::UnknownAbbreviation);
        }
        section.uleb(&mut at)?;
        let children = section.u8(at)? != 0;
        at += 1;
        if found == code {
            return Ok((at, children));
        }
        loop {
            let name = section.uleb(&mut at)?;
            let form = section.uleb(&mut at)?;
            if form == u64::from(dw::DW_FORM_implicit_const.0) {
                section.sleb(&mut at)?;
            }
            if name == 0 && form == 0 {
                break;
            }
        }
    }
}
