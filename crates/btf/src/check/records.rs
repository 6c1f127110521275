//! Each record by itself: what can be told without looking at another record.

use super::names::{Fault, Names};
use super::{Feature, Findings, Rule};
use crate::{Btf, Error, Kind, StringOffset, Type};

/// The largest type id that can be written down.
const TYPE_MAX: u32 = 0xf_ffff;
/// The last type that the kernel's table has room for, `void` and a spare one counted.
const LAST_TYPE: u32 = TYPE_MAX - 1;
/// The largest type id before [`Feature::ManyTypes`].
const OLD_TYPE_MAX: u32 = 0xffff;
/// Bits of the info word that were not used before [`Feature::WideCounts`].
const OLD_INFO_RESERVED: u32 = !0x9f00_ffff;

/// Checks every own record. `stop` says why reading records stopped before the end of the section.
pub(super) fn check(findings: &mut Findings, btf: &Btf<'_>, stop: Option<Error>) {
    let names = Names::new(btf, findings.options.kernel);
    for ty in btf.types() {
        Record { findings, names, ty }.check();
    }
    let place = |offset: u32| Some((btf.header().length + btf.header().type_offset + offset) as usize);
    match stop {
        Some(Error::UnknownKind { id, kind, offset }) => {
            let detail = format_args!("type {id}, kind {}", kind.number());
            findings.blob(Rule::KnownKind, place(offset), detail);
        }
        Some(Error::TypeTruncated { id, offset }) => {
            findings.blob(Rule::Record, place(offset), format_args!("type {id}"));
        }
        Some(other) => findings.blob(Rule::Record, None, format_args!("{other}")),
        None => {}
    }
    let last = btf.next_id().0 - 1;
    if last > LAST_TYPE {
        findings.blob(Rule::TypeCount, None, format_args!("{last}"));
    } else if last > OLD_TYPE_MAX && !findings.takes(Feature::ManyTypes) {
        findings.blob_since(Some(Feature::ManyTypes), Rule::TypeCount, None, format_args!("{last}"));
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
        if matches!(kind, Kind::Unknown(_)) {
            self.fault(Rule::KnownKind, format_args!("{}", kind.number()));
            return;
        }
        if let Some(feature) = Feature::of_kind(kind).filter(|&feature| !self.findings.takes(feature)) {
            self.since(feature, Rule::KnownKind, format_args!("kind {}", kind.number()));
            return;
        }
        if ty.word(1) & OLD_INFO_RESERVED != 0 && !self.findings.takes(Feature::WideCounts) {
            self.since(Feature::WideCounts, Rule::Info, format_args!("{} elements", ty.vlen()));
        }
        self.kind_flag();
        if !self.names.contains(ty.name_offset()) {
            self.far_name(ty.name_offset(), None);
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
            Kind::Func => self.function(),
            Kind::Var => {
                let external = ty.word(3) == 2 && self.findings.is_object();
                self.type_number(ty.word(2), !external, None);
                if ty.word(3) > 1 && !external {
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
        let (names, name, kind) = (self.names, self.ty.name_offset(), self.ty.kind());
        let bad = |is_bad: bool| is_bad.then_some(Fault::Bad);
        let (fault, rule) = match kind {
            Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto
            | Kind::LocParam
            | Kind::LocProto => (bad(!name.is_empty()), Rule::NoName),
            Kind::Fwd | Kind::Typedef | Kind::Func | Kind::Var => {
                (bad(name.is_empty()).or_else(|| names.identifier_fault(name, kind)), Rule::Name)
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                (names.optional_identifier_fault(name, kind), Rule::Name)
            }
            Kind::DataSec | Kind::LocSec => (names.section_fault(name), Rule::SectionName),
            Kind::DeclTag | Kind::TypeTag => (bad(!names.is_text(name)), Rule::TagValue),
            // The names of integers and floating point numbers are free.
            Kind::Int | Kind::Float | Kind::Void | Kind::Unknown(_) => (None, Rule::Name),
        };
        self.name_fault(fault, rule, name, None);
    }

    /// Notes what is wrong with a name.
    fn name_fault(&mut self, fault: Option<Fault>, rule: Rule, name: StringOffset, element: Option<u32>) {
        match fault {
            None => {}
            Some(Fault::Bad) => self.element_fault(rule, element, format_args!("string offset {name}")),
            Some(Fault::Since(feature)) => {
                let length = self.ty.string(name).len();
                self.findings.since(feature, rule, self.ty, element, format_args!("{length} bytes"));
            }
        }
    }

    /// A name that is not in the strings, or where this kernel does not look.
    fn far_name(&mut self, name: StringOffset, element: Option<u32>) {
        let detail = format_args!("{name}");
        if self.names.is_too_far(name) {
            self.findings.since(Feature::ManyTypes, Rule::NameOffset, self.ty, element, detail);
        } else {
            self.element_fault(Rule::NameOffset, element, detail);
        }
    }

    /// The kind flag where its meaning came later than the kind.
    fn kind_flag(&mut self) {
        let feature = match self.ty.kind() {
            Kind::Struct | Kind::Union | Kind::Fwd => Feature::KindFlag,
            Kind::Enum => Feature::SignedEnums,
            Kind::TypeTag | Kind::DeclTag => Feature::TagFlag,
            _ => return,
        };
        if self.ty.kind_flag() && !self.findings.takes(feature) {
            let rule = if feature == Feature::KindFlag { Rule::Info } else { Rule::NoKindFlag };
            self.since(feature, rule, format_args!(""));
        }
    }

    fn function(&mut self) {
        let linkage = self.ty.vlen();
        if linkage == 2 && self.findings.is_object() {
            return;
        }
        if linkage > 1 {
            self.fault(Rule::FunctionLinkage, format_args!("{linkage}"));
        } else if linkage > 0 && !self.findings.takes(Feature::GlobalFunctions) {
            self.since(Feature::GlobalFunctions, Rule::FunctionLinkage, format_args!("{linkage}"));
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
        } else if offset + bits > 64 && !self.findings.takes(Feature::WideIntegers) {
            self.since(Feature::WideIntegers, Rule::IntWidth, format_args!("{} bits", offset + bits));
        } else if (offset + bits).div_ceil(8) > self.ty.raw_size() {
            self.fault(Rule::IntSize, format_args!("{} bits, {} bytes", offset + bits, self.ty.raw_size()));
        }
    }

    fn members(&mut self) {
        let (size, union) = (self.ty.raw_size(), self.ty.kind() == Kind::Union);
        let mut last = 0;
        for (index, member) in self.ty.members().enumerate() {
            let element = Some(index as u32);
            self.element_name(Rule::MemberName, member.name, element, false);
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
        } else if size != 4 && !self.findings.takes(Feature::EnumSizes) {
            self.since(Feature::EnumSizes, Rule::EnumSize, format_args!("{size}"));
        }
        let step = if self.ty.kind() == Kind::Enum64 { 3 } else { 2 };
        for index in 0..self.ty.vlen() {
            let name = StringOffset(self.ty.word(3 + index as usize * step));
            self.element_name(Rule::EnumeratorName, name, Some(index), true);
        }
    }

    fn section_entries(&mut self) {
        let size = u64::from(self.ty.raw_size());
        if size == 0 && self.findings.is_object() {
            return;
        }
        if size == 0 {
            self.fault(Rule::SectionSize, format_args!(""));
        }
        if self.ty.vlen() == 0 && !self.findings.takes(Feature::EmptySections) {
            self.since(Feature::EmptySections, Rule::SectionSize, format_args!("no variables"));
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

    fn element_name(&mut self, rule: Rule, name: StringOffset, element: Option<u32>, required: bool) {
        let kind = self.ty.kind();
        if !self.names.contains(name) {
            self.far_name(name, element);
        } else if required && name.is_empty() {
            self.name_fault(Some(Fault::Bad), rule, name, element);
        } else {
            self.name_fault(self.names.optional_identifier_fault(name, kind), rule, name, element);
        }
    }

    /// A type id that may not exist yet, but could.
    fn type_number(&mut self, id: u32, required: bool, element: Option<u32>) {
        if id > TYPE_MAX || required && id == 0 {
            self.element_fault(Rule::TypeNumber, element, format_args!("{id}"));
        } else if id > OLD_TYPE_MAX && !self.findings.takes(Feature::ManyTypes) {
            self.findings.since(Feature::ManyTypes, Rule::TypeNumber, self.ty, element, format_args!("{id}"));
        }
    }

    fn fault(&mut self, rule: Rule, detail: std::fmt::Arguments<'_>) {
        self.findings.ty(rule, self.ty, detail);
    }

    fn since(&mut self, feature: Feature, rule: Rule, detail: std::fmt::Arguments<'_>) {
        self.findings.since(feature, rule, self.ty, None, detail);
    }

    fn element_fault(&mut self, rule: Rule, element: Option<u32>, detail: std::fmt::Arguments<'_>) {
        self.findings.element(rule, self.ty, element, detail);
    }
}
