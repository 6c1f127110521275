//! Numbers out of a section's bytes, in the file's byte order; never past the end.

/// What is wrong with a piece of DWARF. Cheap, because it is met in the inner loop; the scan turns it into a
/// counted skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Damage {
    /// The data ends inside a value.
    Truncated,
    /// A LEB128 number does not fit into 64 bits.
    BadLeb128,
    /// A DIE names an abbreviation that its table does not hold.
    UnknownAbbreviation,
    /// An attribute has a form that no version of DWARF defines.
    UnknownForm,
    /// A reference points at no DIE that could be meant.
    BadReference,
    /// A string offset lies outside its section.
    BadString,
    /// DIEs are nested deeper than any compiler does.
    TooDeep,
    /// A unit header has a version other than 2 to 5 or a length beyond its section.
    BadUnitHeader,
    /// A unit of more than 2 GiB.
    UnitTooLarge,
    /// An abbreviation table that is not one.
    BadAbbreviationTable,
    /// A struct, an offset in one, or an array of more than BTF can count (4 GiB, 512 MiB, 2³² elements).
    TooLarge,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "data ends inside a value",
            Self::BadLeb128 => "LEB128 number too large",
            Self::UnknownAbbreviation => "unknown abbreviation code",
            Self::UnknownForm => "unknown attribute form",
            Self::BadReference => "reference to no DIE",
            Self::BadString => "string offset outside its section",
            Self::TooDeep => "DIEs nested too deeply",
            Self::BadUnitHeader => "bad unit header",
            Self::UnitTooLarge => "unit larger than 2 GiB",
            Self::BadAbbreviationTable => "bad abbreviation table",
            Self::TooLarge => "larger than BTF can express",
        })
    }
}

/// A section's bytes (or a unit's) and their byte order.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// True for a big-endian file.
    pub big_endian: bool,
}

impl<'a> Bytes<'a> {
    #[inline]
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Damage> {
        match self.data.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(bytes) => Ok(*bytes),
            None => Err(Damage::Truncated),
        }
    }

    /// The byte at `at`.
    #[inline]
    pub fn u8(self, at: usize) -> Result<u64, Damage> {
        self.data.get(at).map(|&byte| u64::from(byte)).ok_or(Damage::Truncated)
    }

    /// Two bytes at `at`.
    #[inline]
    pub fn u16(self, at: usize) -> Result<u64, Damage> {
        let bytes = self.array(at)?;
        Ok(u64::from(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }))
    }

    /// Three bytes at `at` (`DW_FORM_strx3`, `DW_FORM_addrx3`).
    #[inline]
    pub fn u24(self, at: usize) -> Result<u64, Damage> {
        let [a, b, c] = self.array(at)?;
        Ok(u64::from(if self.big_endian {
            u32::from_be_bytes([0, a, b, c])
        } else {
            u32::from_le_bytes([a, b, c, 0])
        }))
    }

    /// Four bytes at `at`.
    #[inline]
    pub fn u32(self, at: usize) -> Result<u64, Damage> {
        let bytes = self.array(at)?;
        Ok(u64::from(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
    }

    /// Eight bytes at `at`.
    #[inline]
    pub fn u64(self, at: usize) -> Result<u64, Damage> {
        let bytes = self.array(at)?;
        Ok(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// `size` bytes (1, 2, 3, 4 or 8) at `at`.
    #[inline]
    pub fn sized(self, at: usize, size: usize) -> Result<u64, Damage> {
        match size {
            1 => self.u8(at),
            2 => self.u16(at),
            3 => self.u24(at),
            4 => self.u32(at),
            8 => self.u64(at),
            _ => Err(Damage::UnknownForm),
        }
    }

    /// An unsigned LEB128 number at `at`, which moves past it.
    #[inline]
    pub fn uleb(self, at: &mut usize) -> Result<u64, Damage> {
        let first = *self.data.get(*at).ok_or(Damage::Truncated)?;
        *at += 1;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.rest_of_uleb(first, at)
    }

    /// Apart, so that the case of one byte, which nearly all are, is inlined.
    #[inline(never)]
    fn rest_of_uleb(self, first: u8, at: &mut usize) -> Result<u64, Damage> {
        let (mut value, mut shift) = (u64::from(first & 0x7f), 7);
        loop {
            let byte = *self.data.get(*at).ok_or(Damage::Truncated)?;
            *at += 1;
            if shift > 63 || (shift == 63 && byte & 0x7e != 0) {
                return Err(Damage::BadLeb128);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A signed LEB128 number at `at`, which moves past it.
    #[inline]
    pub fn sleb(self, at: &mut usize) -> Result<i64, Damage> {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let byte = *self.data.get(*at).ok_or(Damage::Truncated)?;
            *at += 1;
            if shift > 63 {
                return Err(Damage::BadLeb128);
            }
            value |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Ok(if shift < 64 && byte & 0x40 != 0 { value | (-1i64 << shift) } else { value });
            }
        }
    }

    /// The bytes of a NUL-terminated string at `at`, without the NUL.
    #[inline]
    pub fn string(self, at: usize) -> Result<&'a [u8], Damage> {
        let rest = self.data.get(at..).ok_or(Damage::BadString)?;
        let end = rest.iter().position(|&byte| byte == 0).ok_or(Damage::BadString)?;
        Ok(&rest[..end])
    }

    /// `length` bytes at `at`.
    #[inline]
    pub fn block(self, at: usize, length: usize) -> Result<&'a [u8], Damage> {
        let end = at.checked_add(length).ok_or(Damage::Truncated)?;
        self.data.get(at..end).ok_or(Damage::Truncated)
    }
}
