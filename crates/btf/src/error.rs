//! What can be wrong with a BTF blob, or with what is asked of it.

use crate::{Kind, StringOffset, TypeId};
use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and where. Every variant prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The blob ends inside its header.
    HeaderTruncated {
        /// Bytes the header takes.
        needed: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The first two bytes are not 0xEB9F in either byte order.
    Magic([u8; 2]),
    /// A version other than 1.
    Version(u8),
    /// A header length below 24.
    HeaderLength(u32),
    /// A section reaches beyond the end of the blob.
    SectionOutside {
        /// Which section.
        section: &'static str,
        /// Start in bytes from the end of the header.
        offset: u32,
        /// Length in bytes.
        length: u32,
    },
    /// The last byte of the string section is not NUL.
    StringsUnterminated,
    /// The strings of a base do not begin with the empty string.
    StringsFirst,
    /// A split BTF has another byte order than its base.
    BaseByteOrder,
    /// BTFs to be joined are not split on one and the same base.
    BasesDiffer,
    /// A type record reaches beyond the end of the type section.
    TypeTruncated {
        /// The type.
        id: TypeId,
        /// Where its record starts, in bytes from the start of the type section.
        offset: u32,
    },
    /// A record's kind is not known, and no layout section tells how long it is.
    UnknownKind {
        /// The type.
        id: TypeId,
        /// Its kind.
        kind: Kind,
        /// Where its record starts, in bytes from the start of the type section.
        offset: u32,
    },
    /// There are more types, or longer sections, than 32-bit numbers can tell apart.
    TooLarge,
    /// No type has this id.
    NoSuchType(TypeId),
    /// No string starts there.
    NoSuchString(StringOffset),
    /// The type has no size (a function, a forward declaration, `void`).
    NoSize(TypeId),
    /// A chain of modifiers, typedefs or arrays is a cycle, or longer than any compiler makes it.
    ChainTooLong(TypeId),
    /// The type is of another kind than this operation wants.
    WrongKind {
        /// The kind found.
        found: Kind,
        /// The kinds wanted, in words.
        wanted: &'static str,
    },
    /// More members, enumerators, parameters or variables than the record can count.
    TooManyElements {
        /// The kind of the record.
        kind: Kind,
        /// How many elements there are.
        count: usize,
        /// The largest number allowed.
        limit: u32,
    },
    /// A member of an aggregate with bit-fields lies beyond the 2^24 bits that such a record can address.
    BitfieldOffset {
        /// Offset in bits.
        bit_offset: u32,
    },
    /// An enumerator's value does not fit in its record.
    EnumeratorRange {
        /// The value.
        value: i128,
        /// Bits the record has.
        bits: u32,
    },
    /// An order names a type twice, or a type that is not of this blob.
    BadOrder(TypeId),
    /// An order leaves out a type that another one refers to.
    LeftOut {
        /// The type left out.
        id: TypeId,
        /// The type referring to it.
        by: TypeId,
    },
    /// A table of a `.BTF.ext` section, or a part of it, lies outside.
    ExtOutside {
        /// Which table.
        table: &'static str,
        /// Its start in bytes from the end of the header.
        offset: u32,
    },
    /// Records of a `.BTF.ext` section are of an impossible size.
    ExtRecordSize {
        /// Which table.
        table: &'static str,
        /// The size in bytes.
        size: u32,
    },
    /// Two tables of a `.BTF.ext` section share bytes.
    ExtOverlap {
        /// The one that starts later.
        table: &'static str,
    },
    /// Names overlap each other so much that writing them one by one would blow up the blob.
    NamesOverlap,
    /// The BTF is not split on a base.
    NotSplit,
    /// A type of a base is referred to that nothing could find again in another base.
    NotDistillable {
        /// The type of the base.
        id: TypeId,
        /// Its kind.
        kind: Kind,
        /// The type referring to it; `void` when something outside the BTF does.
        by: TypeId,
    },
    /// CO-RE questions take more looking around in types than any real object and kernel would.
    TooLaborious,
    /// A CO-RE relocation of an object means nothing.
    BadRelocation {
        /// The instruction that it is about, in bytes from the start of its section.
        instruction: u32,
        /// The local type that it starts from.
        root: TypeId,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A type that a distilled base stands for is not in the base that takes its place.
    NotRelocatable {
        /// The type of the distilled base.
        id: TypeId,
        /// Its kind, name and size.
        subject: String,
        /// What there is instead.
        reason: String,
    },
    /// A definition that C can only write after itself: a structure that holds itself, a typedef of itself.
    TypeCycle {
        /// The type.
        id: TypeId,
        /// Its name; empty if it has none.
        name: String,
    },
    /// Types in types go deeper than a C compiler follows.
    NestedTooDeep {
        /// The type.
        id: TypeId,
        /// Its name; empty if it has none.
        name: String,
    },
    /// Anonymous types in each other, written wherever they are mentioned, come to too much text.
    UnfoldsTooFar {
        /// The type.
        id: TypeId,
        /// Its name; empty if it has none.
        name: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTruncated { needed, have } => {
                write!(f, "BTF header takes {needed} bytes, only {have} are there")
            }
            Self::Magic([a, b]) => write!(f, "not BTF: starts with {a:02x} {b:02x}, not 9f eb or eb 9f"),
            Self::Version(version) => write!(f, "BTF version {version}; only version 1 is known"),
            Self::HeaderLength(length) => write!(f, "BTF header length {length} is below 24"),
            Self::SectionOutside { section, offset, length } => {
                write!(
                    f,
                    "{section} section (offset {offset}, {length} bytes) reaches beyond the end of the BTF"
                )
            }
            Self::StringsUnterminated => write!(f, "string section does not end in a NUL byte"),
            Self::StringsFirst => write!(f, "string section does not begin with the empty string"),
            Self::BasesDiffer => write!(f, "BTFs to be joined are split on different bases"),
            Self::BaseByteOrder => write!(f, "split BTF and its base differ in byte order"),
            Self::TypeTruncated { id, offset } => {
                write!(f, "type {id} at offset {offset} reaches beyond the end of the type section")
            }
            Self::UnknownKind { id, kind, offset } => write!(
                f,
                "type {id} at offset {offset} is of unknown kind {}, and no layout section tells its length",
                kind.number()
            ),
            Self::TooLarge => write!(f, "more types or longer sections than BTF can hold"),
            Self::NoSuchType(id) => write!(f, "there is no type {id}"),
            Self::NoSuchString(offset) => write!(f, "string offset {offset} is outside the string section"),
            Self::NoSize(id) => write!(f, "type {id} has no size"),
            Self::ChainTooLong(id) => write!(f, "type {id} starts a cycle, or a chain too long to follow"),
            Self::WrongKind { found, wanted } => write!(f, "{found} where {wanted} is wanted"),
            Self::TooManyElements { kind, count, limit } => {
                write!(f, "{kind} with {count} elements; the record can count {limit}")
            }
            Self::BitfieldOffset { bit_offset } => {
                write!(
                    f,
                    "member at bit {bit_offset} of an aggregate with bit-fields; its record ends at bit 2^24"
                )
            }
            Self::EnumeratorRange { value, bits } => {
                write!(f, "enumerator value {value} does not fit in {bits} bits")
            }
            Self::BadOrder(id) => write!(f, "order names type {id} twice, or there is no such type here"),
            Self::LeftOut { id, by } => write!(f, "type {id} is left out, but type {by} refers to it"),
            Self::ExtOutside { table, offset } => {
                write!(f, "{table} of .BTF.ext at offset {offset} reaches beyond the end of its section")
            }
            Self::ExtRecordSize { table, size } => {
                write!(
                    f,
                    "{table} of .BTF.ext has records of {size} bytes, which is none of the possible sizes"
                )
            }
            Self::ExtOverlap { table } => write!(f, "{table} of .BTF.ext overlaps the table ahead of it"),
            Self::TypeCycle { id, name } => write!(f, "type {id} {name} needs itself to be defined first"),
            Self::NestedTooDeep { id, name } => {
                write!(f, "type {id} {name} is nested deeper than C can be written")
            }
            Self::UnfoldsTooFar { id, name } => {
                write!(
                    f,
                    "type {id} {name}: anonymous types in each other come to more text than can be written"
                )
            }
            Self::NamesOverlap => write!(f, "names overlap each other too much to be written one by one"),
            Self::NotSplit => write!(f, "not split BTF: it stands on no base"),
            Self::NotDistillable { id, kind, by } if by.is_void() => {
                write!(f, "type {id} of the base is a {kind}, which a distilled base cannot hold")
            }
            Self::NotDistillable { id, kind, by } => {
                write!(
                    f,
                    "type {by} refers to type {id} of the base, a {kind}, which a distilled base cannot hold"
                )
            }
            Self::TooLaborious => {
                write!(f, "following relocations through these types takes too long: they are broken")
            }
            Self::BadRelocation { instruction, root, reason } => {
                write!(f, "CO-RE relocation of the instruction at {instruction}, from type {root}: {reason}")
            }
            Self::NotRelocatable { id, subject, reason } => {
                write!(f, "type {id} of the distilled base, {subject}: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}
