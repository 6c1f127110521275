//! The header of a BTF blob.

use crate::{ByteOrder, Error, error::Result};
use std::ops::Range;

/// The header of a BTF blob. Offsets are in bytes from the end of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Header {
    /// Order of the bytes of all numbers.
    pub order: ByteOrder,
    /// Version; 1.
    pub version: u8,
    /// Flags; none are defined.
    pub flags: u8,
    /// Length of the header in bytes: 24, or 32 with the layout fields.
    pub length: u32,
    /// Start of the type section.
    pub type_offset: u32,
    /// Length of the type section in bytes.
    pub type_length: u32,
    /// Start of the string section.
    pub string_offset: u32,
    /// Length of the string section in bytes.
    pub string_length: u32,
    /// Start of the layout section; 0 in a 24-byte header.
    pub layout_offset: u32,
    /// Length of the layout section in bytes; 0 when there is none.
    pub layout_length: u32,
}

impl Header {
    /// The magic number in the first two bytes.
    pub const MAGIC: u16 = 0xEB9F;
    /// Length in bytes of the header before Linux 7.1.
    pub const CLASSIC: u32 = 24;
    /// Length in bytes of the header with the layout fields.
    pub const WITH_LAYOUT: u32 = 32;

    /// Where the types, strings and layout are: offset and length.
    pub fn sections(&self) -> [(u32, u32); 3] {
        [
            (self.type_offset, self.type_length),
            (self.string_offset, self.string_length),
            (self.layout_offset, self.layout_length),
        ]
    }

    /// The end of the last section, in bytes from the start of the blob.
    pub fn end(&self) -> u64 {
        let end = |(offset, length)| u64::from(offset) + u64::from(length);
        u64::from(self.length) + self.sections().map(end).into_iter().max().unwrap_or(0)
    }

    /// Reads the header of `data`; says nothing yet about where the sections lie.
    pub fn parse(data: &[u8]) -> Result<Self> {
        let truncated = |needed: usize| Error::HeaderTruncated { needed, have: data.len() };
        let &[a, b, version, flags, ..] = data else { return Err(truncated(Self::CLASSIC as usize)) };
        let order = match u16::from_le_bytes([a, b]) {
            Self::MAGIC => ByteOrder::Little,
            swapped if swapped.swap_bytes() == Self::MAGIC => ByteOrder::Big,
            _ => return Err(Error::Magic([a, b])),
        };
        if version != 1 {
            return Err(Error::Version(version));
        }
        let word = |index| order.word(data, index);
        if data.len() < Self::CLASSIC as usize {
            return Err(truncated(Self::CLASSIC as usize));
        }
        let length = word(1);
        if length < Self::CLASSIC {
            return Err(Error::HeaderLength(length));
        }
        if data.len() < length as usize {
            return Err(truncated(length as usize));
        }
        let layout = |index| if length >= Self::WITH_LAYOUT { word(index) } else { 0 };
        Ok(Self {
            order,
            version,
            flags,
            length,
            type_offset: word(2),
            type_length: word(3),
            string_offset: word(4),
            string_length: word(5),
            layout_offset: layout(6),
            layout_length: layout(7),
        })
    }

    /// Where a section lies in the blob, if it lies inside.
    pub(crate) fn range(
        &self,
        section: &'static str,
        offset: u32,
        length: u32,
        blob: usize,
    ) -> Result<Range<usize>> {
        let start = u64::from(self.length) + u64::from(offset);
        let end = start + u64::from(length);
        if end > blob as u64 {
            return Err(Error::SectionOutside { section, offset, length });
        }
        Ok(start as usize..end as usize)
    }
}
