//! Words of an expression.

use super::ExpressionError;

/// A word, and where it starts in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name; also `module:name`, `name#2`, `$register` and `$register@1`.
    Name(String),
    Number {
        value: i128,
        bytes: u8,
        signed: bool,
    },
    Sign(&'static str),
    End,
}

/// Longest first.
const SIGNS: [&str; 32] = [
    "..", "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", ".", ",", "?", ":", "+",
    "-", "*", "/", "%", "<", ">", "&", "|", "^", "!", "~", "=", ";",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let start = at;
        let rest = &text[at..];
        let kind = if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        } else if next.is_ascii_digit() {
            let (kind, length) = number(rest).ok_or(ExpressionError::Syntax { at, expected: "a number" })?;
            at += length;
            kind
        } else if is_name_start(next) {
            let length = name_length(rest);
            at += length;
            TokenKind::Name(rest[..length].to_owned())
        } else if next == '\'' {
            let (value, length) =
                character(rest).ok_or(ExpressionError::Syntax { at, expected: "a character in quotes" })?;
            at += length;
            TokenKind::Number { value, bytes: 4, signed: true }
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or(ExpressionError::Syntax { at, expected: "an expression" })?;
            at += sign.len();
            TokenKind::Sign(sign)
        };
        tokens.push(Token { kind, at: start });
    }
    tokens.push(Token { kind: TokenKind::End, at });
    Ok(tokens)
}

fn is_name_start(next: char) -> bool {
    next.is_ascii_alphabetic() || next == '_' || next == '$'
}

/// A name may have a module before it and a number behind it, and dots where the compiler put them (`count.12`).
fn name_length(text: &str) -> usize {
    let is_part = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '$';
    let word = |text: &str| text.find(|next| !is_part(next)).unwrap_or(text.len());
    let mut length = word(text);
    // A register, and whose.
    if text.starts_with('$') {
        let digits = text[length..]
            .strip_prefix('@')
            .map_or(0, |rest| rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len()));
        return if digits > 0 { length + 1 + digits } else { length };
    }
    if let Some(rest) = text[length..].strip_prefix(':')
        && rest.starts_with(is_name_start)
    {
        length += 1 + word(rest);
    }
    while let Some(rest) = text[length..].strip_prefix('.') {
        let digits = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
        if digits == 0 || rest[digits..].starts_with('.') && rest[digits..].starts_with("..") {
            break;
        }
        length += 1 + digits;
    }
    if let Some(rest) = text[length..].strip_prefix('#') {
        let digits = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 {
            length += 1 + digits;
        }
    }
    length
}

/// A number with C's prefixes and suffixes, and the type that C gives it.
fn number(text: &str) -> Option<(TokenKind, usize)> {
    let length = text.find(|next: char| !next.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = text[..length].to_ascii_lowercase();
    let digits = word.trim_end_matches(['u', 'l']);
    let suffix = &word[digits.len()..];
    let (value, decimal) = if let Some(digits) = digits.strip_prefix("0x") {
        (u64::from_str_radix(digits, 16).ok()?, false)
    } else if let Some(digits) = digits.strip_prefix("0b") {
        (u64::from_str_radix(digits, 2).ok()?, false)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (u64::from_str_radix(&digits[1..], 8).ok()?, false)
    } else {
        (digits.parse().ok()?, true)
    };
    let (unsigned, long) = (suffix.contains('u'), suffix.contains('l'));
    let (bytes, signed) = if !unsigned && !long && value <= i32::MAX as u64 {
        (4, true)
    } else if !long && value <= u64::from(u32::MAX) && (unsigned || !decimal) {
        (4, false)
    } else {
        (8, !unsigned && value <= i64::MAX as u64)
    };
    Some((TokenKind::Number { value: i128::from(value), bytes, signed }, length))
}

fn character(text: &str) -> Option<(i128, usize)> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    let value = if first == '\\' {
        match chars.next()?.1 {
            'n' => 10,
            't' => 9,
            'r' => 13,
            '0' => 0,
            other => other as u32,
        }
    } else {
        first as u32
    };
    let (end, quote) = chars.next()?;
    (quote == '\'').then_some((i128::from(value), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn names_may_have_modules_numbers_and_the_compilers_dots() {
        let names = |text| {
            let name = |kind| if let TokenKind::Name(name) = kind { Some(name) } else { None };
            kinds(text).into_iter().filter_map(name).collect::<Vec<_>>()
        };
        assert_eq!(names("a.b->c"), ["a", "b", "c"]);
        assert_eq!(names("veth:veth_ops.x"), ["veth:veth_ops", "x"]);
        assert_eq!(names("count.12 + state#2"), ["count.12", "state#2"]);
        assert_eq!(names("a ? b : c"), ["a", "b", "c"]);
        assert_eq!(names("a[0..n]"), ["a", "n"]);
        assert_eq!(names("$rip@12 - $sp"), ["$rip@12", "$sp"]);
    }

    #[test]
    fn numbers_have_the_type_that_c_gives_them() {
        let number = |value, bytes, signed| TokenKind::Number { value, bytes, signed };
        for (text, expected) in [
            ("42", number(42, 4, true)),
            ("0xffffffff", number(0xffff_ffff, 4, false)),
            ("4294967295", number(0xffff_ffff, 8, true)),
            ("0xffff888000000000", number(0xffff_8880_0000_0000, 8, false)),
            ("010", number(8, 4, true)),
            ("1UL", number(1, 8, false)),
            ("'a'", number(97, 4, true)),
            ("'\\n'", number(10, 4, true)),
        ] {
            assert_eq!(kinds(text)[0], expected, "{text}");
        }
        for text in ["0x", "12abc", "99999999999999999999999", "'", "'ab'", "@", "\u{e9}"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
