//! What the forms have in common: names, numbers, and the words for encodings and linkage.

use super::Output;
use crate::{Linkage, StringOffset, Type};

/// Longer names are cut. Kernels take 511 bytes; without a limit, a million members of one long name would make terabytes
/// of a few megabytes.
const LONGEST: usize = 4096;

/// A string of the blob that `ty` is stored in, as bpftool shows it: "(anon)" where there is none, "(invalid)" where the
/// offset lies outside the strings. (A name may be empty without being absent: its offset then leads to a NUL.)
#[inline]
pub(super) fn string<'a>(ty: Type<'a>, offset: StringOffset) -> &'a [u8] {
    if offset.is_empty() {
        return b"(anon)";
    }
    let name = ty.owner().string(offset).unwrap_or(b"(invalid)");
    &name[..name.len().min(LONGEST)]
}

/// How the bits of an INT are read. A word with more than one flag, or an unknown one, has no name.
pub(super) fn int_encoding(ty: Type<'_>) -> &'static str {
    match ty.word(3) >> 24 & 0xf {
        0 => "(none)",
        1 => "SIGNED",
        2 => "CHAR",
        4 => "BOOL",
        _ => "UNKN",
    }
}

/// Whether the values of an enumeration are signed.
pub(super) fn enum_encoding(ty: Type<'_>) -> &'static str {
    if ty.kind_flag() { "SIGNED" } else { "UNSIGNED" }
}

/// What a forward declaration is of.
pub(super) fn forward_kind(ty: Type<'_>) -> &'static str {
    if ty.kind_flag() { "union" } else { "struct" }
}

/// Linkage of a function or a variable.
pub(super) fn linkage(ty: Type<'_>) -> &'static str {
    match ty.linkage() {
        Some(Linkage::Static) => "static",
        Some(Linkage::Global) => "global",
        Some(Linkage::Extern) => "extern",
        _ => "(unknown)",
    }
}

/// Appends a number in decimal.
#[inline]
pub(super) fn number(out: &mut Output<'_>, value: impl Into<u64>) {
    out.bytes(decimal(value.into(), &mut [0; MOST_DIGITS]));
}

/// Most decimal digits of 64 bits.
pub(super) const MOST_DIGITS: usize = 20;

/// A number in decimal, at the end of `digits`.
#[inline]
pub(super) fn decimal(mut value: u64, digits: &mut [u8; MOST_DIGITS]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    &digits[start..]
}

/// Appends an enumerator's value, or a like number that may be below zero.
#[inline]
pub(super) fn signed(out: &mut Output<'_>, value: i128) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs() as u64);
}

/// Appends a word in hexadecimal.
pub(super) fn hexadecimal(out: &mut Output<'_>, word: u32) {
    let digits = 8 - (word | 1).leading_zeros() / 4;
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(word >> (4 * digit) & 0xf) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Output<'_>)) -> String {
        let mut text = Vec::new();
        let mut out = Output::new(&mut text);
        write(&mut out);
        out.finish().unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_read_as_the_standard_library_writes_them() {
        for value in [0, 1, 9, 10, 99, 100, 12_345_678_901, u64::MAX] {
            assert_eq!(text(|out| number(out, value)), value.to_string());
            assert_eq!(text(|out| signed(out, i128::from(value))), value.to_string());
            let negative = -i128::from(value >> 1);
            assert_eq!(text(|out| signed(out, negative)), negative.to_string());
        }
        for word in [0, 1, 0xf, 0x10, 0xabc, 0x0fff_ffff, u32::MAX] {
            assert_eq!(text(|out| hexadecimal(out, word)), format!("{word:x}"));
        }
        assert_eq!(text(|out| signed(out, i64::MIN.into())), i64::MIN.to_string());
    }
}
