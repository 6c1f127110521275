//! Typed numbers: type ids, string offsets, byte order.

use std::fmt;

/// Number of a type. 0 is `void`, which is never stored; a base starts at 1, a split BTF where its base ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type `void`.
    pub const VOID: Self = Self(0);

    /// Whether this is `void`.
    pub const fn is_void(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// Place of a string, in bytes from the start of the strings of the lowest base. 0 is the empty string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StringOffset(pub u32);

impl StringOffset {
    /// The empty string: no name.
    pub const EMPTY: Self = Self(0);

    /// Whether this is the offset of the empty string.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for StringOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Order of the bytes of every number in a BTF blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// The byte order of the machine this runs on.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };

    /// The `index`th 32-bit word of `bytes`; 0 beyond their end.
    #[inline]
    pub(crate) fn word(self, bytes: &[u8], index: usize) -> u32 {
        let Some(&word) = bytes.get(index * 4..).and_then(<[u8]>::first_chunk::<4>) else { return 0 };
        self.u32(word)
    }

    #[inline]
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(crate) fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Self::Little => word.to_le_bytes(),
            Self::Big => word.to_be_bytes(),
        }
    }
}
