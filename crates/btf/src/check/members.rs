//! Where a member may lie, by the kind of its type.

use super::Rule;
use crate::{IntEncoding, Kind, Type};

/// A member of a resolved type.
pub(super) struct Place<'a> {
    /// Size in bytes of the aggregate it is in.
    pub(super) aggregate: u32,
    /// Whether the aggregate is in the form with bit-fields.
    pub(super) flag: bool,
    /// Its third word: an offset in bits, with a width in the top byte if `flag`.
    pub(super) word: u32,
    /// Its type behind modifiers.
    pub(super) target: Type<'a>,
    /// Size of that type in bytes.
    pub(super) size: u32,
}

/// Whether an integer has a whole number of 1, 2, 4, 8 or 16 bytes, from the first bit on.
pub(super) fn is_regular(encoding: IntEncoding) -> bool {
    encoding.offset == 0 && matches!(encoding.bits, 8 | 16 | 32 | 64 | 128)
}

impl Place<'_> {
    /// The rule that the member breaks, if any.
    pub(super) fn fault(&self) -> Option<Rule> {
        let (width, offset) =
            if self.flag { (self.word >> 24, self.word & 0xff_ffff) } else { (0, self.word) };
        match self.target.kind() {
            Kind::Int => self.int(width, offset),
            Kind::Enum | Kind::Enum64 if self.flag => self.enum_in_flagged(width, offset),
            Kind::Ptr | Kind::Array | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                self.whole(width, offset, 8)
            }
            Kind::Float => self.whole(width, offset, self.size.clamp(1, 8) * 8),
            _ => Some(Rule::MemberType),
        }
    }

    /// A member that is no bit-field and starts at a multiple of `align` bits.
    fn whole(&self, width: u32, offset: u32, align: u32) -> Option<Rule> {
        if width != 0 {
            Some(Rule::BitfieldSize)
        } else if !offset.is_multiple_of(align) {
            Some(Rule::MemberAlign)
        } else {
            self.ends_inside(u64::from(offset / 8) + u64::from(self.size))
        }
    }

    fn int(&self, width: u32, offset: u32) -> Option<Rule> {
        let encoding = self.target.int_encoding()?;
        let bits = u32::from(encoding.bits);
        if !self.flag {
            // The old form of a bit-field: an integer type that starts some bits into its storage.
            let Some(start) = offset.checked_add(u32::from(encoding.offset)) else {
                return Some(Rule::MemberEnd);
            };
            return self.bits(start, bits);
        }
        if !is_regular(encoding) {
            Some(Rule::BitfieldType)
        } else if width == 0 && !offset.is_multiple_of(8) {
            Some(Rule::MemberAlign)
        } else if width > bits {
            Some(Rule::BitfieldSize)
        } else {
            self.bits(offset, if width == 0 { bits } else { width })
        }
    }

    /// `bits` bits from `start` on: with those before them in their first byte they are 128 at most.
    fn bits(&self, start: u32, bits: u32) -> Option<Rule> {
        let copied = bits + start % 8;
        if copied > 128 {
            return Some(Rule::BitfieldSpan);
        }
        self.ends_inside(u64::from(start / 8) + u64::from(copied.div_ceil(8)))
    }

    /// In an aggregate with bit-fields, the kernel takes any enumeration for one of 32 bits.
    fn enum_in_flagged(&self, width: u32, offset: u32) -> Option<Rule> {
        if width == 0 && !offset.is_multiple_of(8) {
            Some(Rule::MemberAlign)
        } else if width > 32 {
            Some(Rule::BitfieldSize)
        } else {
            let width = if width == 0 { 32 } else { width };
            self.ends_inside(u64::from(offset + width).div_ceil(8))
        }
    }

    fn ends_inside(&self, end: u64) -> Option<Rule> {
        (end > u64::from(self.aggregate)).then_some(Rule::MemberEnd)
    }
}
