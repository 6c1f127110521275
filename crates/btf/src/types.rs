//! [`Type`]: a view of one record, and the plain data that records are made of.

use crate::kind::Info;
use crate::{Btf, ByteOrder, Kind, StringOffset, TypeId};
use std::borrow::Cow;
use std::fmt;

/// One type: a small view of its record. Accessors that do not fit the kind give `None` or nothing.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    owner: &'a Btf<'a>,
    record: &'a [u8],
    id: TypeId,
}

/// A member of a structure or union.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Member {
    /// Its name; empty for an anonymous structure or union.
    pub name: StringOffset,
    /// Its type.
    pub type_id: TypeId,
    /// Where it starts, in bits from the start of the aggregate.
    pub bit_offset: u32,
    /// Its width in bits when it is a bit-field, else 0.
    pub bitfield_size: u8,
}

impl Member {
    /// Reads the three words of a member, in the form that has room for bit-fields or not.
    fn from_words(flag: bool, words: impl Fn(usize) -> u32) -> Self {
        let offset = words(2);
        Self {
            name: StringOffset(words(0)),
            type_id: TypeId(words(1)),
            bit_offset: if flag { offset & 0xff_ffff } else { offset },
            bitfield_size: if flag { (offset >> 24) as u8 } else { 0 },
        }
    }
}

/// An enumerator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Enumerator {
    /// Its name.
    pub name: StringOffset,
    /// Its value, signed or not as the enumeration is.
    pub value: i128,
}

/// A parameter of a function prototype. The last may have neither name nor type: `...`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Param {
    /// Its name; may be empty.
    pub name: StringOffset,
    /// Its type.
    pub type_id: TypeId,
}

/// A variable's place in a data section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SectionEntry {
    /// The variable: a type of kind VAR.
    pub variable: TypeId,
    /// Where it starts, in bytes from the start of the section.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

/// What an array is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Array {
    /// Type of an element.
    pub element: TypeId,
    /// Type of an index.
    pub index: TypeId,
    /// Number of elements; 0 for a flexible array.
    pub count: u32,
}

/// How an integer's bits are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IntEncoding {
    /// It is signed.
    pub signed: bool,
    /// It is a character.
    pub char: bool,
    /// It is a boolean.
    pub bool: bool,
    /// Bits of the storage before the value; 0 in anything a current compiler makes.
    pub offset: u8,
    /// Width of the value in bits.
    pub bits: u8,
}

impl IntEncoding {
    /// An unsigned integer of `bits` bits.
    pub const fn unsigned(bits: u8) -> Self {
        Self { signed: false, char: false, bool: false, offset: 0, bits }
    }

    /// A signed integer of `bits` bits.
    pub const fn signed(bits: u8) -> Self {
        Self { signed: true, ..Self::unsigned(bits) }
    }

    /// Reads the word after an INT record's common three.
    pub const fn from_word(word: u32) -> Self {
        Self {
            signed: word >> 24 & 1 != 0,
            char: word >> 24 & 2 != 0,
            bool: word >> 24 & 4 != 0,
            offset: (word >> 16) as u8,
            bits: word as u8,
        }
    }

    /// The word after an INT record's common three.
    pub const fn word(self) -> u32 {
        (self.signed as u32 | (self.char as u32) << 1 | (self.bool as u32) << 2) << 24
            | (self.offset as u32) << 16
            | self.bits as u32
    }
}

/// Who can see a function or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Linkage {
    /// Its own translation unit.
    Static,
    /// Everyone; defined here.
    Global,
    /// Everyone; defined elsewhere.
    Extern,
    /// A number without a meaning yet.
    Other(u32),
}

impl Linkage {
    /// The linkage with this number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Static,
            1 => Self::Global,
            2 => Self::Extern,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Static => 0,
            Self::Global => 1,
            Self::Extern => 2,
            Self::Other(number) => number,
        }
    }
}

impl<'a> Type<'a> {
    #[inline]
    pub(crate) fn new(owner: &'a Btf<'a>, id: TypeId, record: &'a [u8]) -> Self {
        Self { owner, record, id }
    }

    pub(crate) fn void(owner: &'a Btf<'a>) -> Self {
        Self::new(owner, TypeId::VOID, &[0; 12])
    }

    /// Its id.
    #[inline]
    pub fn id(self) -> TypeId {
        self.id
    }

    /// The blob it is stored in: a base's when it was found there.
    #[inline]
    pub fn owner(self) -> &'a Btf<'a> {
        self.owner
    }

    /// Its kind.
    #[inline]
    pub fn kind(self) -> Kind {
        self.info().kind()
    }

    /// Its name; empty when it has none, or when its offset lies outside the strings (which [`crate::check`] tells).
    #[inline]
    pub fn name(self) -> &'a [u8] {
        self.string(self.name_offset())
    }

    /// Whether it has a name; cheaper than looking at the name.
    #[inline]
    pub(crate) fn is_named(self) -> bool {
        let name = self.name_offset();
        !name.is_empty() && self.owner.string_tail(name).is_some_and(|tail| tail.first() != Some(&0))
    }

    /// Its name for showing: bytes that are not UTF-8 become U+FFFD.
    pub fn name_str(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name())
    }

    /// Where its name is.
    #[inline]
    pub fn name_offset(self) -> StringOffset {
        StringOffset(self.word(0))
    }

    /// A string of the blob it is stored in, such as a member's name; empty when the offset lies outside.
    #[inline]
    pub fn string(self, offset: StringOffset) -> &'a [u8] {
        if offset.is_empty() {
            return &[];
        }
        self.owner.string(offset).unwrap_or_default()
    }

    /// Number of members, enumerators, parameters or variables; a function's linkage.
    #[inline]
    pub fn vlen(self) -> u32 {
        self.info().vlen()
    }

    /// The kind flag. Its meaning depends on the kind: bit-fields (STRUCT, UNION), signed (ENUM, ENUM64),
    /// union (FWD), a real attribute (DECL_TAG, TYPE_TAG).
    #[inline]
    pub fn kind_flag(self) -> bool {
        self.info().flag()
    }

    /// Size in bytes, for kinds that store one: INT, STRUCT, UNION, ENUM, ENUM64, FLOAT, DATASEC, LOC_PARAM.
    pub fn size(self) -> Option<u32> {
        matches!(
            self.kind(),
            Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float
                | Kind::DataSec
                | Kind::LocParam
        )
        .then(|| self.raw_size())
    }

    /// The type it refers to, for kinds that store one: a pointer's, modifier's or typedef's target, a function's
    /// prototype, a prototype's return type, a variable's type, what a tag is on.
    pub fn type_id(self) -> Option<TypeId> {
        self.kind().shape()?.target.then(|| self.raw_type_id())
    }

    /// The third word of the record read as a size.
    #[inline]
    pub(crate) fn raw_size(self) -> u32 {
        self.word(2)
    }

    /// The third word of the record read as a type id.
    #[inline]
    pub(crate) fn raw_type_id(self) -> TypeId {
        TypeId(self.word(2))
    }

    /// Members of a structure or union, in the order stored.
    #[inline]
    pub fn members(self) -> impl ExactSizeIterator<Item = Member> + DoubleEndedIterator + Clone + use<'a> {
        let flag = self.kind_flag();
        self.elements(self.kind().is_aggregate(), 12).map(move |words| Member::from_words(flag, words))
    }

    /// The `index`th member of a structure or union, from 0, without a look at those before it.
    pub fn member(self, index: u32) -> Option<Member> {
        if !self.kind().is_aggregate() || index >= self.vlen() {
            return None;
        }
        let start = 3 + 3 * index as usize;
        Some(Member::from_words(self.kind_flag(), |word| self.word(start + word)))
    }

    /// Enumerators of an enumeration of either width, in the order stored.
    #[inline]
    pub fn enumerators(
        self,
    ) -> impl ExactSizeIterator<Item = Enumerator> + DoubleEndedIterator + Clone + use<'a> {
        let (flag, wide) = (self.kind_flag(), self.kind() == Kind::Enum64);
        self.elements(self.kind().is_enum(), if wide { 12 } else { 8 }).map(move |words| {
            let value = match (wide, flag) {
                (false, true) => i128::from(words(1) as i32),
                (false, false) => i128::from(words(1)),
                (true, signed) => {
                    let value = u64::from(words(1)) | u64::from(words(2)) << 32;
                    if signed { i128::from(value as i64) } else { i128::from(value) }
                }
            };
            Enumerator { name: StringOffset(words(0)), value }
        })
    }

    /// Parameters of a function prototype, in order; `...` is a last one with neither name nor type.
    #[inline]
    pub fn params(self) -> impl ExactSizeIterator<Item = Param> + DoubleEndedIterator + Clone + use<'a> {
        self.elements(self.kind() == Kind::FuncProto, 8)
            .map(|words| Param { name: StringOffset(words(0)), type_id: TypeId(words(1)) })
    }

    /// Variables of a data section, in the order stored.
    pub fn section_entries(
        self,
    ) -> impl ExactSizeIterator<Item = SectionEntry> + DoubleEndedIterator + Clone + use<'a> {
        self.elements(self.kind() == Kind::DataSec, 12).map(|words| SectionEntry {
            variable: TypeId(words(0)),
            offset: words(1),
            size: words(2),
        })
    }

    /// What an array is made of.
    #[inline]
    pub fn array(self) -> Option<Array> {
        (self.kind() == Kind::Array).then(|| Array {
            element: TypeId(self.word(3)),
            index: TypeId(self.word(4)),
            count: self.word(5),
        })
    }

    /// How an integer's bits are read.
    #[inline]
    pub fn int_encoding(self) -> Option<IntEncoding> {
        (self.kind() == Kind::Int).then(|| IntEncoding::from_word(self.word(3)))
    }

    /// Linkage of a function or variable.
    pub fn linkage(self) -> Option<Linkage> {
        match self.kind() {
            Kind::Func => Some(Linkage::from_number(self.vlen())),
            Kind::Var => Some(Linkage::from_number(self.word(3))),
            _ => None,
        }
    }

    /// Which member or parameter a declaration tag is on; -1 for the whole declaration.
    pub fn component_index(self) -> Option<i32> {
        (self.kind() == Kind::DeclTag).then(|| self.word(3) as i32)
    }

    /// The record's bytes, in the blob's byte order.
    pub fn record(self) -> &'a [u8] {
        self.record
    }

    /// The record's 32-bit words: name, info, size or type, and what follows.
    pub fn words(self) -> impl ExactSizeIterator<Item = u32> + DoubleEndedIterator + Clone + use<'a> {
        let order = self.order();
        self.record.as_chunks().0.iter().map(move |&word| order.u32(word))
    }

    /// The `index`th word of the record; 0 beyond its end.
    #[inline]
    pub fn word(self, index: usize) -> u32 {
        self.order().word(self.record, index)
    }

    /// Calls `visit` with every type id that the record holds, in the order they stand, `void` included. The references
    /// of an unknown kind are not known: it has none here.
    #[inline]
    pub fn for_each_reference(self, mut visit: impl FnMut(TypeId)) {
        if let Some(shape) = self.info().shape() {
            // Not a loop: the iterator's own is twice as fast.
            shape.references(self.vlen()).for_each(|index| visit(TypeId(self.word(index))));
        }
    }

    #[inline]
    pub(crate) fn info(self) -> Info {
        Info(self.word(1))
    }

    #[inline]
    pub(crate) fn order(self) -> ByteOrder {
        self.owner.byte_order()
    }

    /// The elements after the common three words as functions from word index to word; none unless `fits`.
    #[inline]
    fn elements(
        self,
        fits: bool,
        size: usize,
    ) -> impl ExactSizeIterator<Item = impl Fn(usize) -> u32> + DoubleEndedIterator + Clone + use<'a> {
        let order = self.order();
        let bytes = if fits { &self.record[12..] } else { &[] };
        bytes.chunks_exact(size).map(move |element| move |index| order.word(element, index))
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} '{}' vlen={}", self.id, self.kind(), self.name_str(), self.vlen())
    }
}
