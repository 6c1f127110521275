//! Abbreviation tables, compiled: each abbreviation becomes a short list of steps that says which bytes to skip
//! and which to take, so that the scan neither interprets attribute lists nor looks at what it does not need.
//!
//! An attribute that nobody asks for and whose form has a fixed size costs nothing: its bytes are added to the
//! skip before the next step. A `DW_TAG_member` as gcc writes it becomes three steps (name, type, location) and a
//! `DW_TAG_call_site` none at all.

use gimli::constants as dw;

use super::bytes::{Bytes, Damage};
pub use super::role::{Field, Role};
use super::unit::Format;

/// How a value lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    U8,
    U16,
    U32,
    U64,
    Wide16,
    Uleb,
    Sleb,
    Implicit,
    Present,
    Text,
    StringOffset,
    LineStringOffset,
    AlternateStringOffset,
    StringIndex(u8),
    StringIndexUleb,
    Reference(u8),
    ReferenceUleb,
    GlobalReference(u8),
    SignatureReference,
    AlternateReference(u8),
    Block(u8),
    BlockUleb,
    Expression,
    SectionOffset(u8),
    Address(u8),
    AddressIndex(u8),
    AddressIndexUleb,
    ListIndex,
    Indirect,
}

impl Shape {
    /// The shape of `form` in a unit of `format`; `None` for a form that does not exist.
    pub fn of(form: dw::DwForm, format: Format) -> Option<Self> {
        let offset = format.offset_size;
        Some(match form {
            dw::DW_FORM_data1 | dw::DW_FORM_flag => Self::U8,
            dw::DW_FORM_data2 => Self::U16,
            dw::DW_FORM_data4 => Self::U32,
            dw::DW_FORM_data8 => Self::U64,
            dw::DW_FORM_data16 => Self::Wide16,
            dw::DW_FORM_udata => Self::Uleb,
            dw::DW_FORM_sdata => Self::Sleb,
            dw::DW_FORM_implicit_const => Self::Implicit,
            dw::DW_FORM_flag_present => Self::Present,
            dw::DW_FORM_string => Self::Text,
            dw::DW_FORM_strp => Self::StringOffset,
            dw::DW_FORM_line_strp => Self::LineStringOffset,
            dw::DW_FORM_GNU_strp_alt | dw::DW_FORM_strp_sup => Self::AlternateStringOffset,
            dw::DW_FORM_strx1 => Self::StringIndex(1),
            dw::DW_FORM_strx2 => Self::StringIndex(2),
            dw::DW_FORM_strx3 => Self::StringIndex(3),
            dw::DW_FORM_strx4 => Self::StringIndex(4),
            dw::DW_FORM_strx | dw::DW_FORM_GNU_str_index => Self::StringIndexUleb,
            dw::DW_FORM_ref1 => Self::Reference(1),
            dw::DW_FORM_ref2 => Self::Reference(2),
            dw::DW_FORM_ref4 => Self::Reference(4),
            dw::DW_FORM_ref8 => Self::Reference(8),
            dw::DW_FORM_ref_udata => Self::ReferenceUleb,
            // DWARF 2 made DW_FORM_ref_addr as large as an address.
            dw::DW_FORM_ref_addr if format.version == 2 => Self::GlobalReference(format.address_size),
            dw::DW_FORM_ref_addr => Self::GlobalReference(offset),
            dw::DW_FORM_ref_sig8 => Self::SignatureReference,
            dw::DW_FORM_GNU_ref_alt => Self::AlternateReference(offset),
            dw::DW_FORM_ref_sup4 => Self::AlternateReference(4),
            dw::DW_FORM_ref_sup8 => Self::AlternateReference(8),
            dw::DW_FORM_block1 => Self::Block(1),
            dw::DW_FORM_block2 => Self::Block(2),
            dw::DW_FORM_block4 => Self::Block(4),
            dw::DW_FORM_block => Self::BlockUleb,
            dw::DW_FORM_exprloc => Self::Expression,
            dw::DW_FORM_sec_offset => Self::SectionOffset(offset),
            dw::DW_FORM_addr => Self::Address(format.address_size),
            dw::DW_FORM_addrx1 => Self::AddressIndex(1),
            dw::DW_FORM_addrx2 => Self::AddressIndex(2),
            dw::DW_FORM_addrx3 => Self::AddressIndex(3),
            dw::DW_FORM_addrx4 => Self::AddressIndex(4),
            dw::DW_FORM_addrx | dw::DW_FORM_GNU_addr_index => Self::AddressIndexUleb,
            dw::DW_FORM_loclistx | dw::DW_FORM_rnglistx => Self::ListIndex,
            dw::DW_FORM_indirect => Self::Indirect,
            _ => return None,
        })
    }

    /// The size in bytes, where the form fixes it.
    fn fixed_size(self, format: Format) -> Option<usize> {
        Some(match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 | Self::SignatureReference => 8,
            Self::Wide16 => 16,
            Self::Implicit | Self::Present => 0,
            Self::StringOffset | Self::LineStringOffset | Self::AlternateStringOffset => {
                usize::from(format.offset_size)
            }
            Self::StringIndex(size)
            | Self::Reference(size)
            | Self::GlobalReference(size)
            | Self::AlternateReference(size)
            | Self::SectionOffset(size)
            | Self::Address(size)
            | Self::AddressIndex(size) => usize::from(size),
            _ => return None,
        })
    }

    /// Moves `at` past a value of this shape.
    pub fn skip(self, bytes: Bytes<'_>, at: &mut usize, format: Format) -> Result<(), Damage> {
        if let Some(size) = self.fixed_size(format) {
            *at = at.checked_add(size).ok_or(Damage::Truncated)?;
            return Ok(());
        }
        let length = match self {
            Self::Text => bytes.string(*at)?.len() as u64 + 1,
            Self::Block(size) => {
                let length = bytes.sized(*at, usize::from(size))?;
                *at += usize::from(size);
                length
            }
            Self::BlockUleb | Self::Expression => bytes.uleb(at)?,
            Self::Indirect => {
                let form = bytes.uleb(at)?;
                let shape = u16::try_from(form).ok().and_then(|form| Self::of(dw::DwForm(form), format));
                return match shape {
                    Some(Self::Indirect | Self::Implicit) | None => Err(Damage::UnknownForm),
                    Some(shape) => shape.skip(bytes, at, format),
                };
            }
            Self::Sleb => {
                bytes.sleb(at)?;
                0
            }
            _ => {
                bytes.uleb(at)?;
                0
            }
        };
        let length = usize::try_from(length).map_err(|_| Damage::Truncated)?;
        *at = at.checked_add(length).ok_or(Damage::Truncated)?;
        Ok(())
    }
}

/// One step: skip some bytes, then take (or skip) one value.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub skip: u16,
    pub field: Field,
    pub shape: Shape,
    /// Which of the table's constants `DW_FORM_implicit_const` means.
    pub constant: u32,
}

/// A list of steps and the bytes to skip after the last.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    first: u32,
    count: u16,
    /// Bytes to skip after the last step.
    pub tail: u16,
}

/// One abbreviation, compiled.
#[derive(Debug, Clone, Copy)]
pub struct Abbreviation {
    /// What the scan does with the DIE.
    pub role: Role,
    /// Whether DIEs below it follow.
    pub children: bool,
    /// Has it `DW_AT_declaration`?
    pub declared: bool,
    /// Has it `DW_AT_location` in a form that can hold one address?
    pub located: bool,
    /// Takes every field that the role wants.
    pub take: Plan,
    /// Takes `DW_AT_sibling`, and as little else as is cheap.
    pub pass: Plan,
    /// Where the DIE has what, if it is a plain one.
    pub plain: Option<Plain>,
}

/// A DIE without children of which only a name, a type and a number matter, all at fixed offsets: members,
/// enumerators, parameters, pointers, qualifiers, typedefs.
#[derive(Debug, Clone, Copy)]
pub struct Plain {
    /// Offset of `DW_AT_name`, a 4-byte `DW_FORM_strp`, behind the abbreviation code.
    pub name: Option<u16>,
    /// Offset of `DW_AT_type`, a `DW_FORM_ref4`.
    pub target: Option<u16>,
    /// Offset of `DW_AT_data_member_location` or `DW_AT_const_value`, and its size in bytes.
    pub number: Option<(u16, u8)>,
    /// Bytes of all attributes.
    pub size: u16,
}

/// A compiled abbreviation table.
#[derive(Debug, Default)]
pub struct AbbreviationTable {
    entries: Vec<Abbreviation>,
    /// `code - 1` to index + 1, for tables whose codes are not 1, 2, 3, …
    sparse: hashbrown::HashMap<u64, u32>,
    steps: Vec<Step>,
    constants: Vec<i64>,
}

impl AbbreviationTable {
    /// Compiles the table at `at` of `.debug_abbrev` for units of `format`.
    pub fn compile(&mut self, section: Bytes<'_>, mut at: usize, format: Format) -> Result<(), Damage> {
        self.entries.clear();
        self.sparse.clear();
        self.steps.clear();
        self.constants.clear();
        loop {
            let code = section.uleb(&mut at)?;
            if code == 0 {
                return Ok(());
            }
            let tag = section.uleb(&mut at)?;
            let tag = dw::DwTag(u16::try_from(tag).map_err(|_| Damage::BadAbbreviationTable)?);
            let children = section.u8(at)? != 0;
            at += 1;
            let role = Role::of(tag);
            let attributes = at;
            let (mut declared, mut located) = (false, false);
            let take = self.plan(section, &mut at, format, |name, shape| {
                declared |= name == dw::DW_AT_declaration;
                located |= name == dw::DW_AT_location
                    && matches!(
                        shape,
                        Shape::Expression | Shape::Block(_) | Shape::BlockUleb | Shape::Indirect
                    );
                role.field(name)
            })?;
            // Only these are passed over in numbers; any other may as well be taken and forgotten.
            let pass = if matches!(role, Role::Variable | Role::Parameter) {
                let mut again = attributes;
                self.plan(section, &mut again, format, |name, _| {
                    if name == dw::DW_AT_sibling { Field::Sibling } else { Field::Ignored }
                })?
            } else {
                take
            };
            let index = self.entries.len() as u64;
            if code != index + 1 || !self.sparse.is_empty() {
                if self.sparse.is_empty() {
                    self.sparse.extend((0..index).map(|index| (index + 1, index as u32)));
                }
                self.sparse.entry(code).or_insert(index as u32);
            }
            let plain = if role.may_be_plain() && !children { self.plain(take, format) } else { None };
            self.entries.push(Abbreviation { role, children, declared, located, take, pass, plain });
        }
    }

    /// Recognises a plain DIE by its plan.
    fn plain(&self, plan: Plan, format: Format) -> Option<Plain> {
        let mut plain = Plain { name: None, target: None, number: None, size: 0 };
        let mut at = 0u16;
        for step in self.steps(plan) {
            at = at.checked_add(step.skip)?;
            let size = step.shape.fixed_size(format)? as u16;
            match (step.field, step.shape) {
                (Field::Name, Shape::StringOffset) if format.offset_size == 4 => plain.name = Some(at),
                (Field::Type, Shape::Reference(4)) => plain.target = Some(at),
                (Field::MemberLocation | Field::ConstValue, Shape::U8 | Shape::U16 | Shape::U32) => {
                    plain.number = Some((at, size as u8));
                }
                _ => return None,
            }
            at = at.checked_add(size)?;
        }
        plain.size = at.checked_add(plan.tail)?;
        Some(plain)
    }

    fn plan(
        &mut self,
        section: Bytes<'_>,
        at: &mut usize,
        format: Format,
        mut field_of: impl FnMut(dw::DwAt, Shape) -> Field,
    ) -> Result<Plan, Damage> {
        let first = self.steps.len();
        let mut skip = 0usize;
        loop {
            let name = section.uleb(at)?;
            let form = section.uleb(at)?;
            if name == 0 && form == 0 {
                break;
            }
            let form = dw::DwForm(u16::try_from(form).map_err(|_| Damage::UnknownForm)?);
            let shape = Shape::of(form, format).ok_or(Damage::UnknownForm)?;
            let field = u16::try_from(name).map_or(Field::Ignored, |name| field_of(dw::DwAt(name), shape));
            let mut constant = 0;
            if shape == Shape::Implicit {
                let value = section.sleb(at)?;
                if field != Field::Ignored {
                    constant = self.constants.len() as u32;
                    self.constants.push(value);
                }
            }
            let fixed = shape.fixed_size(format).filter(|_| field == Field::Ignored);
            if let Some(size) = fixed.filter(|size| skip + size <= usize::from(u16::MAX)) {
                skip += size;
            } else {
                self.steps.push(Step { skip: skip as u16, field, shape, constant });
                skip = 0;
            }
        }
        let count = self.steps.len() - first;
        let count = u16::try_from(count).map_err(|_| Damage::BadAbbreviationTable)?;
        let first = u32::try_from(first).map_err(|_| Damage::BadAbbreviationTable)?;
        Ok(Plan { first, count, tail: skip as u16 })
    }

    /// The abbreviation of `code`.
    #[inline]
    pub fn get(&self, code: u64) -> Result<&Abbreviation, Damage> {
        let index = if self.sparse.is_empty() {
            code.wrapping_sub(1)
        } else {
            self.sparse.get(&code).map_or(u64::MAX, |&index| u64::from(index))
        };
        usize::try_from(index)
            .ok()
            .and_then(|index| self.entries.get(index))
            .ok_or(Damage::UnknownAbbreviation)
    }

    /// The steps of `plan`.
    #[inline]
    pub fn steps(&self, plan: Plan) -> &[Step] {
        &self.steps[plan.first as usize..][..usize::from(plan.count)]
    }

    /// The value that `DW_FORM_implicit_const` gives in `step`.
    #[inline]
    pub fn constant(&self, step: Step) -> i64 {
        self.constants[step.constant as usize]
    }
}
