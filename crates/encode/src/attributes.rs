//! The attributes of one DIE, taken as its abbreviation's plan says.

use gimli::constants as dw;

use crate::dwarf::Dwarf;
use crate::dwarf::abbreviation::{AbbreviationTable, Field, Plan, Shape};
use crate::dwarf::bytes::{Bytes, Damage};
use crate::dwarf::location::Address;
use crate::dwarf::unit::{UnitHeader, UnitRoot};
use crate::names::{Name, Names};
use crate::nodes::{FOREIGN, Foreign, Nodes, Reference};

/// What sort of value an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    Constant,
    Signed,
    Text,
    Reference,
    /// `start << 32 | length` in the unit.
    Block,
    SectionOffset,
    Address,
    AddressIndex,
    ListIndex,
}

/// The attributes of one DIE.
pub struct Attributes {
    present: u32,
    values: [u64; Field::COUNT],
    classes: [Class; Field::COUNT],
}

impl Attributes {
    pub fn new() -> Self {
        Self { present: 0, values: [0; Field::COUNT], classes: [Class::Constant; Field::COUNT] }
    }

    #[inline]
    fn set(&mut self, field: Field, value: u64, class: Class) {
        self.present |= 1 << field as u32;
        self.values[field as usize] = value;
        self.classes[field as usize] = class;
    }

    #[inline]
    pub fn has(&self, field: Field) -> bool {
        self.present >> field as u32 & 1 != 0
    }

    #[inline]
    pub fn get(&self, field: Field) -> Option<(u64, Class)> {
        self.has(field).then(|| (self.values[field as usize], self.classes[field as usize]))
    }

    #[inline]
    pub fn name(&self, field: Field) -> Name {
        match self.get(field) {
            Some((value, Class::Text)) => Name(value as u32),
            _ => Name::NONE,
        }
    }

    #[inline]
    pub fn reference(&self, field: Field) -> Reference {
        match self.get(field) {
            Some((value, Class::Reference)) => value as Reference,
            _ => 0,
        }
    }

    /// The first of two references that is there.
    pub fn first_reference(&self, first: Field, second: Field) -> Reference {
        match self.reference(first) {
            0 => self.reference(second),
            reference => reference,
        }
    }

    #[inline]
    pub fn number(&self, field: Field) -> Option<u64> {
        match self.get(field) {
            Some((value, Class::Constant | Class::Signed | Class::SectionOffset)) => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub fn flag(&self, field: Field) -> bool {
        self.number(field).unwrap_or(0) != 0
    }
}

/// Reads attributes; keeps what makes names cheap.
pub struct AttributeReader<'n, 'd> {
    /// All names.
    pub names: &'n Names<'d>,
    /// The DIE at hand.
    pub attributes: Attributes,
    /// Strings inside DIEs that were met lately.
    inline_names: Vec<(u64, Name)>,
}

impl<'n, 'd> AttributeReader<'n, 'd> {
    pub fn new(names: &'n Names<'d>) -> Self {
        Self { names, attributes: Attributes::new(), inline_names: vec![(0, Name::NONE); 1 << 10] }
    }

    /// Follows `plan` over one DIE.
    #[inline]
    pub fn take(
        &mut self,
        unit: &UnitScan<'_, '_>,
        plan: Plan,
        position: &mut usize,
        out: &mut Nodes,
    ) -> Result<(), Damage> {
        self.attributes.present = 0;
        let bytes = unit.bytes;
        let mut at = *position;
        for step in unit.table.steps(plan) {
            at += usize::from(step.skip);
            if step.field == Field::Ignored {
                step.shape.skip(bytes, &mut at, unit.header.format)?;
                continue;
            }
            let (value, class) = match step.shape {
                // The shapes that kernels are full of first.
                Shape::StringOffset => {
                    let size = usize::from(unit.header.format.offset_size);
                    let offset = bytes.sized(at, size)?;
                    at += size;
                    match self.string(unit, offset) {
                        Ok(name) => (name, Class::Text),
                        Err(damage) => {
                            out.damage.push(damage);
                            continue;
                        }
                    }
                }
                Shape::Reference(4) => {
                    let value = bytes.u32(at)?;
                    at += 4;
                    if value >= bytes.data.len() as u64 {
                        out.damage.push(Damage::BadReference);
                        continue;
                    }
                    (value, Class::Reference)
                }
                Shape::U8 => {
                    at += 1;
                    (bytes.u8(at - 1)?, Class::Constant)
                }
                Shape::U16 => {
                    at += 2;
                    (bytes.u16(at - 2)?, Class::Constant)
                }
                Shape::Implicit => (unit.table.constant(*step) as u64, Class::Signed),
                Shape::Present => (1, Class::Constant),
                Shape::Text => {
                    let text = bytes.string(at)?;
                    at += text.len() + 1;
                    (u64::from(self.inline_name(text).0), Class::Text)
                }
                Shape::Address(size) => {
                    let value = (at as u64) << 32 | u64::from(size);
                    bytes.block(at, usize::from(size))?;
                    at += usize::from(size);
                    (value, Class::Address)
                }
                Shape::SectionOffset(size) => {
                    let value = bytes.sized(at, usize::from(size))?;
                    at += usize::from(size);
                    (value, Class::SectionOffset)
                }
                Shape::Expression | Shape::BlockUleb | Shape::Block(_) => {
                    let length = match step.shape {
                        Shape::Block(size) => {
                            at += usize::from(size);
                            bytes.sized(at - usize::from(size), usize::from(size))?
                        }
                        _ => bytes.uleb(&mut at)?,
                    };
                    let length = usize::try_from(length).map_err(|_| Damage::Truncated)?;
                    bytes.block(at, length)?;
                    let value = (at as u64) << 32 | length as u64;
                    at += length;
                    (value, Class::Block)
                }
                shape => match self.other(unit, shape, &mut at, out)? {
                    Some(found) => found,
                    None => continue,
                },
            };
            self.attributes.set(step.field, value, class);
        }
        *position = at + usize::from(plan.tail);
        Ok(())
    }

    /// The shapes that are rare in kernels.
    #[cold]
    fn other(
        &mut self,
        unit: &UnitScan<'_, '_>,
        shape: Shape,
        at: &mut usize,
        out: &mut Nodes,
    ) -> Result<Option<(u64, Class)>, Damage> {
        let bytes = unit.bytes;
        if shape == Shape::Indirect {
            let form = bytes.uleb(at)?;
            let shape = u16::try_from(form)
                .ok()
                .and_then(|form| Shape::of(dw::DwForm(form), unit.header.format))
                .filter(|shape| !matches!(shape, Shape::Indirect | Shape::Implicit))
                .ok_or(Damage::UnknownForm)?;
            return self.indirect(unit, shape, at, out);
        }
        let mut sized = |size: u8| {
            let value = bytes.sized(*at, usize::from(size))?;
            *at += usize::from(size);
            Ok::<u64, Damage>(value)
        };
        let offset_size = unit.header.format.offset_size;
        let mut foreign = |target: Foreign| {
            out.foreign.push(target);
            (u64::from(FOREIGN | (out.foreign.len() as u32 - 1)), Class::Reference)
        };
        Ok(Some(match shape {
            Shape::U32 => (sized(4)?, Class::Constant),
            Shape::U64 => (sized(8)?, Class::Constant),
            Shape::Uleb => (bytes.uleb(at)?, Class::Constant),
            Shape::Sleb => (bytes.sleb(at)? as u64, Class::Signed),
            Shape::Wide16 => {
                bytes.block(*at, 16)?;
                *at += 16;
                return Ok(None);
            }
            Shape::LineStringOffset => {
                let offset = sized(offset_size)?;
                (u64::from(self.text_or_none(unit, &unit.dwarf.line_str, offset, out).0), Class::Text)
            }
            Shape::AlternateStringOffset => {
                let offset = sized(offset_size)?;
                (u64::from(self.text_or_none(unit, &unit.dwarf.alternate_str, offset, out).0), Class::Text)
            }
            Shape::StringIndex(_) | Shape::StringIndexUleb => {
                let index = match shape {
                    Shape::StringIndex(size) => sized(size)?,
                    _ => bytes.uleb(at)?,
                };
                let base = unit.root.string_offsets_base;
                let offset = unit.dwarf.string_offset(index, base, offset_size).unwrap_or(u64::MAX);
                (u64::from(self.string_or_none(unit, offset, out).0), Class::Text)
            }
            Shape::Reference(size) => {
                let value = sized(size)?;
                if value >= bytes.data.len() as u64 {
                    out.damage.push(Damage::BadReference);
                    return Ok(None);
                }
                (value, Class::Reference)
            }
            Shape::ReferenceUleb => {
                let value = bytes.uleb(at)?;
                if value >= bytes.data.len() as u64 {
                    out.damage.push(Damage::BadReference);
                    return Ok(None);
                }
                (value, Class::Reference)
            }
            Shape::GlobalReference(size) => {
                let target = sized(size)?;
                let start = unit.header.offset as u64;
                if (start..start + bytes.data.len() as u64).contains(&target) && !unit.header.in_types {
                    (target - start, Class::Reference)
                } else {
                    foreign(Foreign::Global(target))
                }
            }
            Shape::SignatureReference => foreign(Foreign::Signature(sized(8)?)),
            Shape::AlternateReference(size) => foreign(Foreign::Alternate(sized(size)?)),
            Shape::AddressIndex(size) => (sized(size)?, Class::AddressIndex),
            Shape::AddressIndexUleb => (bytes.uleb(at)?, Class::AddressIndex),
            Shape::ListIndex => (bytes.uleb(at)?, Class::ListIndex),
            _ => return Err(Damage::UnknownForm),
        }))
    }

    /// A value whose form stands before it.
    fn indirect(
        &mut self,
        unit: &UnitScan<'_, '_>,
        shape: Shape,
        at: &mut usize,
        out: &mut Nodes,
    ) -> Result<Option<(u64, Class)>, Damage> {
        let bytes = unit.bytes;
        let start = *at;
        let fixed = |size: u8| bytes.sized(start, usize::from(size));
        let found = match shape {
            Shape::Present => (1, Class::Constant),
            Shape::U8 => (fixed(1)?, Class::Constant),
            Shape::U16 => (fixed(2)?, Class::Constant),
            Shape::SectionOffset(size) => (fixed(size)?, Class::SectionOffset),
            Shape::Text => (u64::from(self.names.intern(bytes.string(start)?).0), Class::Text),
            Shape::StringOffset => {
                let offset = fixed(unit.header.format.offset_size)?;
                (u64::from(self.string_or_none(unit, offset, out).0), Class::Text)
            }
            Shape::Address(_) | Shape::Expression | Shape::Block(_) | Shape::BlockUleb => {
                shape.skip(bytes, at, unit.header.format)?;
                return Ok(None);
            }
            shape => return self.other(unit, shape, at, out),
        };
        shape.skip(bytes, at, unit.header.format)?;
        Ok(Some(found))
    }

    /// The name at `offset` of the unit's `.debug_str`; damage is noted, and the name is none.
    #[inline]
    pub fn string_or_none(&mut self, unit: &UnitScan<'_, '_>, offset: u64, out: &mut Nodes) -> Name {
        match self.string(unit, offset) {
            Ok(name) => Name(name as u32),
            Err(damage) => {
                out.damage.push(damage);
                Name::NONE
            }
        }
    }

    /// The same for another section.
    fn text_or_none(
        &mut self,
        unit: &UnitScan<'_, '_>,
        section: &[u8],
        offset: u64,
        out: &mut Nodes,
    ) -> Name {
        match unit.dwarf.text(section, offset) {
            Some(text) => self.names.intern(&text),
            None => {
                out.damage.push(Damage::BadString);
                Name::NONE
            }
        }
    }

    /// The name at `offset` of the unit's `.debug_str`.
    #[inline]
    fn string(&mut self, unit: &UnitScan<'_, '_>, offset: u64) -> Result<u64, Damage> {
        let name = if unit.header.file == 0 {
            self.names.at(offset)
        } else {
            unit.dwarf.text(&unit.dwarf.str, offset).map(|text| self.names.intern(&text))
        };
        name.map(|name| u64::from(name.0)).ok_or(Damage::BadString)
    }

    /// The name of a string inside a DIE: nearly always a short one that was seen before.
    #[inline]
    fn inline_name(&mut self, text: &[u8]) -> Name {
        if text.len() > 8 || text.is_empty() {
            return self.names.intern(text);
        }
        let mut key = [0; 8];
        key[..text.len()].copy_from_slice(text);
        let key = u64::from_le_bytes(key);
        let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let (known, name) = self.inline_names[slot];
        if known == key {
            return name;
        }
        let name = self.names.intern(text);
        self.inline_names[slot] = (key, name);
        name
    }
}

/// A unit that is being scanned.
pub struct UnitScan<'a, 'd> {
    pub dwarf: &'a Dwarf<'d>,
    pub header: &'a UnitHeader,
    pub root: &'a UnitRoot<'a>,
    pub bytes: Bytes<'a>,
    pub table: &'a AbbreviationTable,
}

impl<'a> UnitScan<'a, '_> {
    pub fn block(&self, value: u64) -> Bytes<'a> {
        let (start, length) = ((value >> 32) as usize, value as u32 as usize);
        Bytes { data: &self.bytes.data[start..start + length], ..self.bytes }
    }

    pub fn address_at(&self, at: usize, field: usize) -> Result<Address, Damage> {
        let value = self.bytes.sized(at, usize::from(self.header.format.address_size))?;
        Ok(Address { value, section: self.dwarf.target_of_info(field) })
    }
}
