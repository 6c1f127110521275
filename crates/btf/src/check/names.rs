//! What may be a name.

use super::blob::NAME_OFFSET_MAX;
use crate::{Btf, StringOffset};

/// Longest name in bytes, without its NUL: KSYM_NAME_LEN. It was 128 before Linux 6.1.
const LIMIT: usize = 512;

const FIRST: u8 = 1;
const LATER: u8 = 2;
const PRINTABLE: u8 = 4;

/// What each byte can be part of. The kernel's `ctype` takes bytes from 0xA0 on for Latin-1.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter =
            matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0xff);
        if letter || matches!(byte as u8, b'_' | b'.') {
            classes[byte] |= FIRST | LATER;
        }
        if (byte as u8).is_ascii_digit() {
            classes[byte] |= LATER;
        }
        if matches!(byte as u8, b' '..=b'~' | 0xa0..=0xff) {
            classes[byte] |= PRINTABLE;
        }
        byte += 1;
    }
    classes
}

/// The strings that names point into.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) btf: &'a Btf<'a>,
}

impl Names<'_> {
    /// Whether the offset lies in the strings.
    #[inline]
    pub(super) fn contains(self, name: StringOffset) -> bool {
        name.0 <= NAME_OFFSET_MAX && name.0 < self.btf.end_string()
    }

    /// Whether an identifier stands there: letters, digits, `_` and `.`, not starting with a digit. (Dots: since
    /// Linux 6.5.)
    #[inline]
    pub(super) fn is_identifier(self, name: StringOffset) -> bool {
        self.all(name, FIRST, LATER)
    }

    /// Whether there is no name, or an identifier.
    #[inline]
    pub(super) fn is_optional_identifier(self, name: StringOffset) -> bool {
        name.is_empty() || self.is_identifier(name)
    }

    /// Whether a name for a data section stands there: printable. (Since Linux 6.12; an identifier before.)
    pub(super) fn is_section(self, name: StringOffset) -> bool {
        !name.is_empty() && self.all(name, PRINTABLE, PRINTABLE)
    }

    /// Whether any text stands there.
    pub(super) fn is_text(self, name: StringOffset) -> bool {
        self.tail(name).first().is_some_and(|&byte| byte != 0)
    }

    #[inline]
    fn all(self, name: StringOffset, first: u8, later: u8) -> bool {
        let Some((&head, rest)) = self.tail(name).split_first() else { return false };
        if CLASSES[usize::from(head)] & first == 0 {
            return false;
        }
        for &byte in rest.iter().take(LIMIT) {
            if CLASSES[usize::from(byte)] & later == 0 {
                return byte == 0;
            }
        }
        false
    }

    #[inline]
    fn tail(&self, name: StringOffset) -> &[u8] {
        self.btf.string_tail(name).unwrap_or_default()
    }
}
