//! Strings by content: the index of a string section, and the table that a builder interns into.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::ffi::CStr;
use std::hash::BuildHasher;

/// Offsets of the strings of one section, found by content. The section itself is kept elsewhere and handed in.
///
/// The hash is seeded at random, so that no input can be made to collide; nothing is ever listed in table order.
pub(crate) struct StringIndex {
    hasher: DefaultHashBuilder,
    table: HashTable<Slot>,
}

/// Half of the hash kept beside the offset spares most comparisons and all rehashing.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    offset: u32,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Whether `string` and a NUL stand at `offset`.
fn stands_at(section: &[u8], offset: u32, string: &[u8]) -> bool {
    let rest = &section[offset as usize..];
    rest.len() > string.len() && rest[string.len()] == 0 && rest.starts_with(string)
}

impl StringIndex {
    pub(crate) fn new() -> Self {
        Self { hasher: DefaultHashBuilder::default(), table: HashTable::new() }
    }

    /// Indexes every whole string of a section; of equal ones the first counts.
    pub(crate) fn of_section(section: &[u8]) -> Self {
        let mut index = Self::new();
        let mut at = 0;
        while let Ok(string) = CStr::from_bytes_until_nul(&section[at..]) {
            index.insert(section, string.to_bytes(), || at as u32);
            at += string.count_bytes() + 1;
        }
        index
    }

    fn hash(&self, string: &[u8]) -> u32 {
        self.hasher.hash_one(string) as u32
    }

    pub(crate) fn find(&self, section: &[u8], string: &[u8]) -> Option<u32> {
        let hash = self.hash(string);
        self.table
            .find(spread(hash), |slot| slot.hash == hash && stands_at(section, slot.offset, string))
            .map(|slot| slot.offset)
    }

    /// The offset of `string`; when it is new, the one that `place` gives it.
    pub(crate) fn insert(&mut self, section: &[u8], string: &[u8], place: impl FnOnce() -> u32) -> u32 {
        let hash = self.hash(string);
        let equal = |slot: &Slot| slot.hash == hash && stands_at(section, slot.offset, string);
        self.table
            .entry(spread(hash), equal, |slot| spread(slot.hash))
            .or_insert_with(|| Slot { hash, offset: place() })
            .get()
            .offset
    }
}

/// A string section that grows, each string in it once.
pub(crate) struct StringTable {
    bytes: Vec<u8>,
    /// Made when the first string is added.
    index: Option<StringIndex>,
}

impl StringTable {
    /// A table that goes on after `bytes`.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, index: None }
    }

    /// The offset of `string` in this section; it is added at the end when it is new.
    pub(crate) fn intern(&mut self, string: &[u8]) -> u32 {
        let index = self.index.get_or_insert_with(|| StringIndex::of_section(&self.bytes));
        let next = self.bytes.len() as u32;
        let offset = index.insert(&self.bytes, string, || next);
        if offset == next {
            self.bytes.extend_from_slice(string);
            self.bytes.push(0);
        }
        offset
    }

    /// Makes room for about `count` more strings.
    pub(crate) fn reserve(&mut self, count: usize) {
        let index = self.index.get_or_insert_with(|| StringIndex::of_section(&self.bytes));
        index.table.reserve(count, |slot| spread(slot.hash));
        self.bytes.reserve(count.saturating_mul(20));
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{StringIndex, StringTable};

    #[test]
    fn a_string_is_stored_once_and_tails_are_strings_of_their_own() {
        let mut table = StringTable::new(vec![0]);
        assert_eq!([b"abc", b"bcd", b"abc"].map(|string| table.intern(string)), [1, 5, 1]);
        assert_eq!(table.intern(b"bc"), 9);
        assert_eq!(table.bytes(), b"\0abc\0bcd\0bc\0");
    }

    #[test]
    fn of_equal_strings_the_first_is_found() {
        let section = b"\0one\0two\0one\0";
        let index = StringIndex::of_section(section);
        assert_eq!(index.find(section, b"one"), Some(1));
        assert_eq!(index.find(section, b""), Some(0));
        assert_eq!(index.find(section, b"ne"), None);
        assert_eq!(index.find(section, b"one\0two"), None);
    }
}
