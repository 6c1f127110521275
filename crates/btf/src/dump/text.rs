//! What the forms have in common: numbers as text, and how names and encodings are written.

use crate::{IntEncoding, Kind, Linkage, Type};

/// Stands where there is no name.
pub const ANONYMOUS: &str = "(anon)";

/// The name, or [`ANONYMOUS`].
#[inline]
pub(super) fn name_or_anonymous(name: &[u8]) -> &[u8] {
    if name.is_empty() { ANONYMOUS.as_bytes() } else { name }
}

/// How the bits of an INT are read. Only one of the flags may be set: a word with others has no name.
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
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a number in decimal, with its sign when negative.
#[inline]
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs());
}
