//! How structures and unions lie in memory: where each member is, what is wasted between members and at the end, and
//! which attributes the gaps give away.
//!
//! BTF holds offsets and sizes and nothing else: alignment and packing are inferred. A gap that the member's natural
//! alignment does not account for means that the member was aligned by an attribute; a member off its natural alignment
//! in a structure without gaps means that the structure is packed.
//!
//! ```
//! # use btfkit_btf::{Btf, Builder, ByteOrder, IntEncoding, Kind, Member};
//! use btfkit_btf::structure::Structures;
//!
//! # let mut builder = Builder::new(ByteOrder::NATIVE);
//! # let [char, long, s] = [b"char" as &[u8], b"long", b"s"].map(|name| builder.string(name));
//! # let char = builder.int(char, 1, IntEncoding::signed(8));
//! # let long = builder.int(long, 8, IntEncoding::signed(64));
//! # let at = |type_id, bit_offset| Member { type_id, bit_offset, ..Member::default() };
//! # let id = builder.aggregate(Kind::Struct, s, 16, &[at(char, 0), at(long, 64)])?;
//! # let btf = Btf::parse(builder.finish()?)?;
//! // struct s { char a; long b; };
//! let mut structures = Structures::new(&btf);
//! let structure = structures.get(id).unwrap();
//! assert_eq!(structure.fields[0].hole, 7);
//! assert_eq!((structure.holes, structure.sum_holes, structure.padding), (1, 7, 0));
//! # Ok::<(), btfkit_btf::Error>(())
//! ```

mod alignment;
mod measure;
mod repack;
mod search;
mod settle;

pub use repack::{Move, Repacked};
pub use search::{all, containers, pointers};
pub use settle::Structures;

use crate::TypeId;

/// A structure or union as it lies in memory. Sizes and offsets are in bytes unless they say bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Structure {
    /// Its type.
    pub id: TypeId,
    /// Whether it is a union: all members start at 0, and there are no holes.
    pub union: bool,
    /// Its size.
    pub size: u64,
    /// Its members, in the order stored.
    pub fields: Vec<Field>,
    /// Bytes of the members that are not bit-fields.
    pub sum_members: u64,
    /// Bits of the bit-fields.
    pub sum_bits: u64,
    /// Bytes before the first member.
    pub leading_hole: u64,
    /// Bits before the first member that are no whole bytes of their own.
    pub leading_bit_hole: u64,
    /// Gaps of whole bytes between members.
    pub holes: u32,
    /// Bytes in them.
    pub sum_holes: u64,
    /// Gaps of bits before or behind bit-fields.
    pub bit_holes: u32,
    /// Bits in them.
    pub sum_bit_holes: u64,
    /// Bytes behind the last member.
    pub padding: u64,
    /// Bits behind the last bit-field in what it is stored in.
    pub bit_padding: u64,
    /// The strictest natural alignment of a member: what it would be aligned to without attributes.
    pub natural_alignment: u64,
    /// The alignment that an attribute must have given it; 0 when there is no need of one.
    pub alignment: u64,
    /// Bytes of the cache lines that alignments were inferred with.
    pub cacheline: u64,
    /// The alignment that it needs as a member: natural, given to it or to a member of it, or 1 when it is packed.
    pub required_alignment: u64,
    /// Whether an attribute must have packed it.
    pub packed: bool,
    /// Whether its last member is an array without elements.
    pub flexible_array: bool,
    /// Whether a structure among its members, at any depth, ends in a flexible array.
    pub embedded_flexible_array: bool,
}

/// A member as it lies in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Field {
    /// Its name, in the strings of the BTF that holds the structure.
    pub name: crate::StringOffset,
    /// Its type.
    pub type_id: TypeId,
    /// The structure that it is by itself, `void` when it is none: typedefs of structures, arrays and unions do not
    /// count, as they do not for pahole.
    pub inside: TypeId,
    /// Where it starts; of a bit-field, where the unit that it is stored in starts.
    pub offset: u64,
    /// Its size; of a bit-field, that of the unit that it is stored in.
    pub size: u64,
    /// Bits of its unit before it.
    pub bit_offset: u32,
    /// Its width in bits when it is a bit-field, else 0.
    pub bit_size: u32,
    /// Bytes between this and the next member.
    pub hole: u64,
    /// Bits between this and the next member that are no whole bytes of their own.
    pub bit_hole: u64,
    /// How it shares the unit of the member before it.
    pub sharing: Sharing,
    /// The alignment that its type has by itself.
    pub natural_alignment: u64,
    /// The alignment that an attribute must have given it; 0 when there is no need of one.
    pub alignment: u64,
    /// The alignment that it needs wherever it is moved to.
    pub required_alignment: u64,
}

/// How a member shares bytes with what the member before it is stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Sharing {
    /// Not at all, or as bit-fields of one unit do.
    #[default]
    None,
    /// Its unit begins no later than the member before it: it uses bits that member left.
    Previous,
    /// It begins inside the unit of the bit-fields before it.
    Next,
}

impl Field {
    /// Whether it is a bit-field.
    pub const fn is_bitfield(&self) -> bool {
        self.bit_size != 0
    }

    /// Where its first bit is, in bits from the start of the structure.
    pub const fn first_bit(&self) -> u64 {
        self.offset.saturating_mul(8).saturating_add(self.bit_offset as u64)
    }

    /// Where it ends, in bits from the start of the structure.
    pub const fn end_bit(&self) -> u64 {
        if self.is_bitfield() {
            self.first_bit().saturating_add(self.bit_size as u64)
        } else {
            self.end().saturating_mul(8)
        }
    }

    /// Where it ends; of a bit-field, where its unit ends.
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// What the members of a structure that are structures themselves waste inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Inner {
    /// Members whose type has holes, and the holes in them.
    pub holes: (u32, u64),
    /// Members whose type has holes of bits, and these.
    pub bit_holes: (u32, u64),
    /// Members whose type is padded at its end, and the bytes of it.
    pub paddings: (u32, u64),
    /// Members whose type ends in bits of padding, and these.
    pub bit_paddings: (u32, u64),
    /// Members whose type ends in a flexible array.
    pub flexible: u32,
    /// Members whose type has a flexible array deeper inside.
    pub embedded_flexible: u32,
}

/// The members that an attribute must have aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Forced {
    /// How many they are.
    pub alignments: u32,
    /// Holes before them.
    pub holes: u32,
    /// Bytes in these holes.
    pub sum_holes: u64,
}

impl Structure {
    /// The members that an attribute must have aligned.
    pub fn forced(&self) -> Forced {
        let mut forced = Forced::default();
        for (index, _) in self.fields.iter().enumerate().filter(|(_, field)| field.alignment > 0) {
            forced.alignments += 1;
            let hole = index.checked_sub(1).map_or(0, |before| self.fields[before].hole);
            forced.holes += u32::from(hole > 0);
            forced.sum_holes = forced.sum_holes.saturating_add(hole);
        }
        forced
    }
}
