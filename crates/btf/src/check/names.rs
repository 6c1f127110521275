//! What may be a name.

use super::blob::{NAME_OFFSET_MAX, OLD_NAME_OFFSET_MAX};
use super::{Feature, Version};
use crate::{Btf, Kind, StringOffset};

/// Longest name in bytes, without its NUL: KSYM_NAME_LEN.
const LIMIT: usize = 512;
/// The same for kernels that do not take [`Feature::LongNames`].
pub(crate) const OLD_LIMIT: usize = 128;

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

/// Whether a byte can be part of an identifier.
pub(crate) fn is_identifier_byte(byte: u8, first: bool) -> bool {
    CLASSES[usize::from(byte)] & if first { FIRST } else { LATER } != 0
}

/// The strings that names point into, and the kernel that they are for.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    btf: &'a Btf<'a>,
    /// Whether the kernel takes all that the newest takes.
    modern: bool,
    kernel: Version,
    /// The largest string offset.
    offset_max: u32,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No kernel takes it.
    Bad,
    /// Newer kernels take it.
    Since(Feature),
}

impl<'a> Names<'a> {
    pub(super) fn new(btf: &'a Btf<'a>, kernel: Version) -> Self {
        let modern =
            [Feature::LongNames, Feature::Dots, Feature::SectionNames].into_iter().all(|it| kernel.takes(it));
        let many = kernel.takes(Feature::ManyTypes);
        Self { btf, modern, kernel, offset_max: if many { NAME_OFFSET_MAX } else { OLD_NAME_OFFSET_MAX } }
    }

    /// Whether the offset lies in the strings.
    #[inline]
    pub(super) fn contains(self, name: StringOffset) -> bool {
        name.0 <= self.offset_max && name.0 < self.btf.end_string()
    }

    /// Whether the offset is in the strings, but too large for this kernel.
    pub(super) fn is_too_far(self, name: StringOffset) -> bool {
        name.0 > self.offset_max && name.0 <= NAME_OFFSET_MAX && name.0 < self.btf.end_string()
    }

    /// Whether an identifier stands there: letters, digits, `_` and `.`, not starting with a digit.
    #[inline]
    pub(super) fn is_identifier(self, name: StringOffset) -> bool {
        self.all(name, FIRST, LATER)
    }

    /// What is wrong with an identifier; `of` is the kind of type that it is for.
    #[inline]
    pub(super) fn identifier_fault(self, name: StringOffset, of: Kind) -> Option<Fault> {
        if !self.is_identifier(name) {
            return Some(Fault::Bad);
        }
        if self.modern { None } else { self.old_fault(name, of).map(Fault::Since) }
    }

    /// What is wrong with a name that may be missing, and is an identifier if it is not.
    #[inline]
    pub(super) fn optional_identifier_fault(self, name: StringOffset, of: Kind) -> Option<Fault> {
        if name.is_empty() { None } else { self.identifier_fault(name, of) }
    }

    /// What is wrong with the name of a data section: it is there and printable, or an identifier for an older kernel.
    pub(super) fn section_fault(self, name: StringOffset) -> Option<Fault> {
        if name.is_empty() || !self.all(name, PRINTABLE, PRINTABLE) {
            Some(Fault::Bad)
        } else if self.modern {
            None
        } else if !self.kernel.takes(Feature::SectionNames) && !self.is_identifier(name) {
            Some(Fault::Since(Feature::SectionNames))
        } else {
            self.old_fault(name, Kind::DataSec).map(Fault::Since)
        }
    }

    /// What this kernel does not take yet in a name that newer ones take.
    fn old_fault(self, name: StringOffset, of: Kind) -> Option<Feature> {
        let text = self.btf.string(name).unwrap_or_default();
        let dots_are_fine = matches!(of, Kind::Var | Kind::DataSec) || self.kernel.takes(Feature::Dots);
        if text.len() > OLD_LIMIT && !self.kernel.takes(Feature::LongNames) {
            Some(Feature::LongNames)
        } else if !dots_are_fine && text.contains(&b'.') {
            Some(Feature::Dots)
        } else {
            None
        }
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
