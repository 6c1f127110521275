//! Each record by itself: what can be told without looking at another record.

use super::names::Names;
use super::{Findings, Rule};
use crate::{Btf, Error, Kind, StringOffset, Type};

/// The largest type id that can be written down.
const TYPE_MAX: u32 = 0xf_ffff;
/// The last type that the kernel's table has room for, `void` and a spare one counted.
const LAST_TYPE: u32 = TYPE_MAX - 1;
/// The last kind of the classic form.
const CLASSIC_KIND_MAX: u8 = 19;
/// Bits of the info word that the classic form does not use.
const CLASSIC_INFO_RESERVED: u32 = !0x9f00_ffff;

/// Checks every own record. `stop` says why reading records stopped before the end of the section.
pub(super) fn check(findings: &mut Findings, btf: &Btf<'_>, stop: Option<Error>) {
    let names = Names { btf };
    for ty in btf.types() {
        Record { findings, names, ty }.check();
    }
    match stop {
        Some(Error::UnknownKind { id, kind, offset }) => {
            findings
                .blob(Rule::KnownKind, format_args!("type {id} at offset {offset}, kind {}", kind.number()));
        }
        Some(other) => findings.blob(Rule::Record, format_args!("{other}")),
        None => {}
    }
    let last = btf.next_id().0 - 1;
    if last > LAST_TYPE {
        findings.blob(Rule::TypeCount, format_args!("{last}"));
    }
}

/// One record under check.
struct Record<'f, 'a> {
    findings: &'f mut Findings,
    names: Names<'a>,
    ty: Type<'a>,
}

impl Record<'_, '_> {
    fn check(&mut self) {
        let (ty, kind) = (self.ty, self.ty.kind());
        if self.findings.is_classic() && ty.word(1) & CLASSIC_INFO_RESERVED != 0 {
            self.fault(Rule::Info, format_args!("{:#010x}", ty.word(1)));
        }
        if matches!(kind, Kind::Unknown(_)) || self.findings.is_classic() && kind.number() > CLASSIC_KIND_MAX
        {
            self.fault(Rule::KnownKind, format_args!("{}", kind.number()));
            return;
        }
        if !self.names.contains(ty.name_offset()) {
            self.fault(Rule::NameOffset, format_args!("{}", ty.name_offset()));
        } else {
            self.name();
        }
        self.fields();
        match kind {
            Kind::Int => self.int(),
            Kind::Array => {
                self.type_number(ty.word(3), true, None);
                self.type_number(ty.word(4), true, None);
            }
            Kind::Struct | Kind::Union => self.members(),
            Kind::Enum | Kind::Enum64 => self.enumerators(),
            Kind::Func if ty.vlen() > 1 => {
                self.fault(Rule::FunctionLinkage, format_args!("{}", ty.vlen()));
            }
            Kind::Var => {
                self.type_number(ty.word(2), true, None);
                if ty.word(3) > 1 {
                    self.fault(Rule::VariableLinkage, format_args!("{}", ty.word(3)));
                }
            }
            Kind::DataSec => self.section_entries(),
            Kind::Float if !matches!(ty.raw_size(), 2 | 4 | 8 | 12 | 16) => {
                self.fault(Rule::FloatSize, format_args!("{}", ty.raw_size()));
            }
            Kind::DeclTag if (ty.word(3) as i32) < -1 => {
                self.fault(Rule::Component, format_args!("{}", ty.word(3) as i32));
            }
            _ => {}
        }
    }

    /// The type's own name.
    fn name(&mut self) {
        let (names, name) = (self.names, self.ty.name_offset());
        let (fine, rule) = match self.ty.kind() {
            Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto
            | Kind::LocParam
            | Kind::LocProto => (name.is_empty(), Rule::NoName),
            Kind::Fwd | Kind::Typedef | Kind::Func | Kind::Var => {
                (!name.is_empty() && names.is_identifier(name), Rule::Name)
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                (names.is_optional_identifier(name), Rule::Name)
            }
            Kind::DataSec | Kind::LocSec => (names.is_section(name), Rule::SectionName),
            Kind::DeclTag | Kind::TypeTag => (names.is_text(name), Rule::TagValue),
            // The names of integers and floating point numbers are free.
            Kind::Int | Kind::Float | Kind::Void | Kind::Unknown(_) => (true, Rule::Name),
        };
        if !fine {
            self.fault(rule, format_args!("string offset {name}"));
        }
    }

    /// The parts of the common three words that the kind does not use.
    fn fields(&mut self) {
        let (ty, kind) = (self.ty, self.ty.kind());
        let has_elements = matches!(
            kind,
            Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Func
                | Kind::FuncProto
                | Kind::DataSec
                | Kind::LocParam
                | Kind::LocProto
                | Kind::LocSec
        );
        if !has_elements && ty.vlen() != 0 {
            self.fault(Rule::NoElements, format_args!("{}", ty.vlen()));
        }
        let has_flag = matches!(
            kind,
            Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Fwd
                | Kind::DeclTag
                | Kind::TypeTag
        );
        if !has_flag && ty.kind_flag() {
            self.fault(Rule::NoKindFlag, format_args!(""));
        }
        match kind {
            Kind::Array | Kind::Fwd if ty.word(2) != 0 => {
                self.fault(Rule::NoSize, format_args!("{}", ty.word(2)));
            }
            Kind::Ptr | Kind::DeclTag => self.type_number(ty.word(2), false, None),
            kind if kind.is_modifier() => self.type_number(ty.word(2), false, None),
            _ => {}
        }
    }

    fn int(&mut self) {
        let word = self.ty.word(3);
        let (encoding, offset, bits) = (word >> 24, word >> 16 & 0xff, word & 0xff);
        if word & 0xf000_0000 != 0 {
            self.fault(Rule::IntBits, format_args!("{word:#010x}"));
        } else if !matches!(encoding, 0 | 1 | 2 | 4) {
            self.fault(Rule::IntEncoding, format_args!("{encoding:#x}"));
        }
        if offset + bits > 128 {
            self.fault(Rule::IntWidth, format_args!("{} bits", offset + bits));
        } else if (offset + bits).div_ceil(8) > self.ty.raw_size() {
            self.fault(Rule::IntSize, format_args!("{} bits, {} bytes", offset + bits, self.ty.raw_size()));
        }
    }

    fn members(&mut self) {
        let (size, union) = (self.ty.raw_size(), self.ty.kind() == Kind::Union);
        let mut last = 0;
        for (index, member) in self.ty.members().enumerate() {
            let element = Some(index as u32);
            if !self.element_name(member.name, element, false) {
                self.element_fault(Rule::MemberName, element, format_args!("string offset {}", member.name));
            }
            self.type_number(member.type_id.0, true, element);
            let offset = member.bit_offset;
            if union && offset != 0 {
                self.element_fault(Rule::UnionMember, element, format_args!("bit {offset}"));
            } else if offset < last {
                self.element_fault(Rule::MemberOrder, element, format_args!("bit {offset} after bit {last}"));
            } else if offset.div_ceil(8) > size {
                self.element_fault(Rule::MemberStart, element, format_args!("bit {offset}, {size} bytes"));
            }
            last = offset;
        }
    }

    fn enumerators(&mut self) {
        let size = self.ty.raw_size();
        if size > 8 || !size.is_power_of_two() {
            self.fault(Rule::EnumSize, format_args!("{size}"));
        }
        let step = if self.ty.kind() == Kind::Enum64 { 3 } else { 2 };
        for index in 0..self.ty.vlen() {
            let name = StringOffset(self.ty.word(3 + index as usize * step));
            if !self.element_name(name, Some(index), true) {
                self.element_fault(Rule::EnumeratorName, Some(index), format_args!("string offset {name}"));
            }
        }
    }

    fn section_entries(&mut self) {
        let size = u64::from(self.ty.raw_size());
        if size == 0 {
            self.fault(Rule::SectionSize, format_args!(""));
        }
        let mut end = 0;
        for (index, entry) in self.ty.section_entries().enumerate() {
            let element = Some(index as u32);
            self.type_number(entry.variable.0, true, element);
            let (offset, length) = (u64::from(entry.offset), u64::from(entry.size));
            if offset < end || offset >= size {
                self.element_fault(
                    Rule::EntryOffset,
                    element,
                    format_args!("offset {offset}, free from {end}"),
                );
            }
            if length == 0 || length > size {
                self.element_fault(Rule::EntrySize, element, format_args!("{length} bytes of {size}"));
            } else if offset < size && offset + length > size {
                let detail = format_args!("offset {offset}, {length} bytes, section of {size}");
                self.element_fault(Rule::EntryEnd, element, detail);
            }
            end = offset + length;
        }
    }

    /// Whether an element's name is fine, apart from its place, about which this tells itself.
    fn element_name(&mut self, name: StringOffset, element: Option<u32>, required: bool) -> bool {
        if !self.names.contains(name) {
            self.element_fault(Rule::NameOffset, element, format_args!("{name}"));
            return true;
        }
        if name.is_empty() { !required } else { self.names.is_identifier(name) }
    }

    /// A type id that may not exist yet, but could.
    fn type_number(&mut self, id: u32, required: bool, element: Option<u32>) {
        if id > TYPE_MAX || required && id == 0 {
            self.element_fault(Rule::TypeNumber, element, format_args!("{id}"));
        }
    }

    fn fault(&mut self, rule: Rule, detail: std::fmt::Arguments<'_>) {
        self.findings.ty(rule, self.ty, detail);
    }

    fn element_fault(&mut self, rule: Rule, element: Option<u32>, detail: std::fmt::Arguments<'_>) {
        self.findings.element(rule, self.ty, element, detail);
    }
}
