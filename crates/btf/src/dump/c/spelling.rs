//! How C spells what BTF names: identifiers that C would not take, integers and floats by their size.

use std::borrow::Cow;

use crate::dump::text::{MOST_DIGITS, decimal};
use crate::{Kind, Type};

/// Longest of the keywords.
const LONGEST_KEYWORD: usize = 14;

const IDENTIFIER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_';
        byte += 1;
    }
    table
};

/// A name as an identifier of C: what cannot stand in one becomes `_`, a keyword gets one behind it.
pub(super) fn identifier(name: &[u8]) -> Cow<'_, [u8]> {
    let clean = name.iter().fold(true, |clean, &byte| clean & IDENTIFIER[usize::from(byte)]);
    if clean && !name.first().is_some_and(u8::is_ascii_digit) && !is_keyword(name) {
        return Cow::Borrowed(name);
    }
    let mut spelled: Vec<u8> =
        name.iter().map(|&byte| if IDENTIFIER[usize::from(byte)] { byte } else { b'_' }).collect();
    if spelled.first().is_some_and(u8::is_ascii_digit) {
        spelled.insert(0, b'_');
    }
    if is_keyword(&spelled) {
        spelled.push(b'_');
    }
    Cow::Owned(spelled)
}

/// Whether no identifier can be this word, in the C that kernels and BPF programs are written in (GNU C11).
#[rustfmt::skip]
fn is_keyword(name: &[u8]) -> bool {
    // All are short and begin with a small letter or an underscore, which tells most names apart.
    (2..=LONGEST_KEYWORD).contains(&name.len()) && matches!(
        name,
        b"auto" | b"break" | b"case" | b"char" | b"const" | b"continue"
        | b"default" | b"do" | b"double" | b"else" | b"enum" | b"extern"
        | b"float" | b"for" | b"goto" | b"if" | b"int" | b"long"
        | b"register" | b"return" | b"short" | b"signed" | b"sizeof" | b"static"
        | b"struct" | b"switch" | b"typedef" | b"union" | b"unsigned" | b"void"
        | b"volatile" | b"while" | b"asm" | b"inline" | b"restrict" | b"typeof"
        | b"_Alignas" | b"_Alignof" | b"_Atomic" | b"_Bool" | b"_Complex" | b"_Generic"
        | b"_Imaginary" | b"_Noreturn" | b"_Static_assert" | b"_Thread_local" | b"__attribute__" | b"__int128"
        | b"__typeof__"
        | b"__asm__" | b"__auto_type" | b"__const" | b"__extension__" | b"__fp16" | b"__bf16" | b"__float128"
        | b"__imag__" | b"__real__" | b"__inline" | b"__inline__" | b"__label__" | b"__restrict" | b"__signed__"
        | b"__thread" | b"__typeof" | b"__volatile__" | b"__func__" | b"_Float16" | b"_Float32" | b"_Float64"
        | b"_Float128"
    )
}

/// An INT as C spells it: its name where that is C for an integer of this size, else an integer of its size.
pub(super) fn integer(ty: Type<'_>, pointer_size: u8) -> &[u8] {
    let (name, size) = (ty.name(), ty.size().unwrap_or(0));
    let encoding = ty.int_encoding().unwrap_or_default();
    if integer_size(name, pointer_size) == Some(size) {
        return name;
    }
    let by_size: (&[u8], &[u8]) = match size {
        1 if encoding.bool => (b"_Bool", b"_Bool"),
        1 if encoding.char => (b"char", b"char"),
        1 => (b"signed char", b"unsigned char"),
        2 => (b"short", b"unsigned short"),
        4 => (b"int", b"unsigned int"),
        8 => (b"long long", b"unsigned long long"),
        16 => (b"__int128", b"unsigned __int128"),
        // No integer of C has this size.
        _ => return &[],
    };
    if encoding.signed { by_size.0 } else { by_size.1 }
}

/// Size of the integer that these words name in C, in any order that C allows.
fn integer_size(name: &[u8], pointer_size: u8) -> Option<u32> {
    // The spellings of gcc and clang first: they are nearly all there is.
    match name {
        b"int" | b"unsigned int" => return Some(4),
        b"char" | b"unsigned char" | b"signed char" | b"_Bool" => return Some(1),
        b"long unsigned int" | b"unsigned long" | b"long int" | b"long" => {
            return Some(u32::from(pointer_size));
        }
        _ => {}
    }
    let (mut int, mut long, mut short, mut signs, mut char, mut wide) = (0, 0, 0, 0, 0, 0);
    for word in name.split(|&byte| byte == b' ') {
        match word {
            b"int" => int += 1,
            b"long" => long += 1,
            b"short" => short += 1,
            b"signed" | b"unsigned" => signs += 1,
            b"char" => char += 1,
            b"__int128" => wide += 1,
            _ => return None,
        }
    }
    if signs > 1 || int > 1 {
        return None;
    }
    match (char, wide, short, long) {
        (1, 0, 0, 0) if int == 0 => Some(1),
        (0, 1, 0, 0) if int == 0 => Some(16),
        (0, 0, 1, 0) => Some(2),
        (0, 0, 0, 0) => Some(4),
        (0, 0, 0, 1) => Some(u32::from(pointer_size)),
        (0, 0, 0, 2) => Some(8),
        _ => None,
    }
}

/// Floats that not every target of a C compiler has; the prologue makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    /// Every target has it, under this name.
    Plain(&'static str),
    /// Made in the prologue, by its size in bytes.
    Made(u32),
}

/// A FLOAT as C spells it.
pub(super) fn float(ty: Type<'_>) -> Float {
    let complex = ty.name().windows(7).any(|word| word.eq_ignore_ascii_case(b"complex"));
    match (ty.size().unwrap_or(0), complex) {
        (4, false) => Float::Plain("float"),
        (8, false) => Float::Plain("double"),
        (8, true) => Float::Plain("float _Complex"),
        (16, true) => Float::Plain("double _Complex"),
        (size, _) => Float::Made(size),
    }
}

/// The keyword before a tag.
pub(super) fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Fwd if ty.kind_flag() => "union",
        Kind::Fwd => "struct",
        _ => "enum",
    }
}

/// Appends a number in decimal.
pub(super) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(decimal(value, &mut [0; MOST_DIGITS]));
}

/// Appends a string literal.
pub(super) fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => {
                out.extend_from_slice(&[
                    b'\\',
                    b'0' + (byte >> 6),
                    b'0' + (byte >> 3 & 7),
                    b'0' + (byte & 7),
                ]);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_c_would_not_take_become_ones_that_it_does() {
        for (name, expected) in [
            ("foo", "foo"),
            ("foo.isra.0", "foo_isra_0"),
            ("int", "int_"),
            ("typeof", "typeof_"),
            ("3com", "_3com"),
            ("a; } evil", "a____evil"),
            ("Vec<u8>", "Vec_u8_"),
            ("_Static_assert", "_Static_assert_"),
        ] {
            assert_eq!(String::from_utf8_lossy(&identifier(name.as_bytes())), expected);
        }
    }

    #[test]
    fn integers_of_c_have_the_size_that_their_words_say() {
        for (name, size) in [
            ("long unsigned int", Some(8)),
            ("unsigned long int", Some(8)),
            ("long long int", Some(8)),
            ("short unsigned int", Some(2)),
            ("unsigned __int128", Some(16)),
            ("unsigned", Some(4)),
            ("unsigned char", Some(1)),
            ("u8", None),
            ("long char", None),
            ("int int", None),
        ] {
            assert_eq!(integer_size(name.as_bytes(), 8), size, "{name}");
        }
        assert_eq!(integer_size(b"long int", 4), Some(4));
    }

    #[test]
    fn numbers_and_literals_are_c() {
        let mut out = Vec::new();
        for value in [0, 7, 10, u64::MAX] {
            number(&mut out, value);
            out.push(b' ');
        }
        literal(&mut out, b"a\"b\\c\n\xff");
        assert_eq!(String::from_utf8(out).unwrap(), r#"0 7 10 18446744073709551615 "a\"b\\c\012\377""#);
    }
}
