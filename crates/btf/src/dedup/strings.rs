//! One offset per string: records may name one string by several offsets, and compare as words only after that.

use super::bits::BitSet;
use crate::{Btf, Error, StringOffset, error::Result};
use hashbrown::{HashMap, HashTable};

/// Multiplies and folds the halves of the product: the step of all hashes here.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// An odd number without structure (the golden ratio), for hashes that must be the same in every run.
pub(super) const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// The canonical offset of every string of a BTF and its bases: the lowest one that holds it.
///
/// In BTF as tools write it every string stands once and is named by its start. Then this is one bit per byte of
/// strings, and asking it one bit test. Other offsets (a second copy, the tail of a longer string) are looked up by
/// content once each.
pub(super) struct Strings<'b> {
    /// String sections with the offset of their first byte, the lowest base's first.
    sections: Vec<(u32, &'b [u8])>,
    canonical: BitSet,
    aliases: HashMap<u32, u32>,
    /// Canonical strings: hash and offset.
    table: HashTable<(u32, u32)>,
    seed: u64,
    /// Bytes of strings that may still be read at odd offsets; without a bound, offsets into one long string would make
    /// reading them quadratic.
    budget: usize,
}

impl<'b> Strings<'b> {
    pub(super) fn new(btf: &'b Btf<'_>, seed: u64) -> Self {
        let mut sections = Vec::new();
        let mut level = Some(btf);
        while let Some(btf) = level {
            sections.push((btf.first_string().0, btf.string_section()));
            level = btf.base().map(|base| &**base);
        }
        sections.reverse();
        let length = btf.end_string() as usize;
        let mut strings = Self {
            sections,
            canonical: BitSet::new(length.max(1)),
            aliases: HashMap::new(),
            table: HashTable::with_capacity(length / 20),
            seed,
            budget: length.saturating_mul(16),
        };
        // The empty string is there even where its section is empty.
        strings.canonical.insert(0);
        for index in 0..strings.sections.len() {
            let (first, section) = strings.sections[index];
            let mut at = 0;
            while at < section.len() {
                let (length, hash) = hash(section, at, seed);
                let offset = first + at as u32;
                if length > 0 {
                    strings.intern(offset, length, hash);
                }
                at += length + 1;
            }
        }
        strings
    }

    /// The lowest offset of the string at `offset`.
    #[inline]
    pub(super) fn canonical(&mut self, offset: u32) -> Result<u32> {
        if self.canonical.contains(offset) { Ok(offset) } else { self.alias(offset) }
    }

    #[cold]
    fn alias(&mut self, offset: u32) -> Result<u32> {
        if let Some(&canonical) = self.aliases.get(&offset) {
            return Ok(canonical);
        }
        let tail = tail(&self.sections, offset).ok_or(Error::NoSuchString(StringOffset(offset)))?;
        let (length, hash) = hash(tail, 0, self.seed);
        self.budget = self.budget.checked_sub(length).ok_or(Error::NamesOverlap)?;
        let canonical = if length == 0 { 0 } else { self.intern(offset, length, hash) };
        self.aliases.insert(offset, canonical);
        Ok(canonical)
    }

    /// The canonical offset of the string of `length` bytes at `offset`, which becomes it when the string is new.
    fn intern(&mut self, offset: u32, length: usize, hash: u64) -> u32 {
        let Self { sections, table, canonical, .. } = self;
        let tag = (hash >> 32) as u32;
        let string = tail(sections, offset).map(|tail| &tail[..length]).unwrap_or_default();
        let same = |&(other_tag, other): &(u32, u32)| {
            other_tag == tag
                && tail(sections, other)
                    .is_some_and(|tail| tail.get(length) == Some(&0) && tail.starts_with(string))
        };
        let spread = |tag: u32| u64::from(tag).wrapping_mul(MIX);
        match table.entry(spread(tag), same, |&(tag, _)| spread(tag)) {
            hashbrown::hash_table::Entry::Occupied(known) => known.get().1,
            hashbrown::hash_table::Entry::Vacant(free) => {
                free.insert((tag, offset));
                canonical.insert(offset);
                offset
            }
        }
    }

    /// A number that depends on the string's bytes only, the same in every run.
    pub(super) fn content(&self, offset: u32) -> u64 {
        tail(&self.sections, offset).map_or(0, |tail| hash(tail, 0, MIX).1)
    }
}

/// The section that `offset` falls into, from there on.
fn tail<'b>(sections: &[(u32, &'b [u8])], offset: u32) -> Option<&'b [u8]> {
    let &(first, section) = sections.iter().rev().find(|(first, _)| *first <= offset)?;
    section.get((offset - first) as usize..).filter(|tail| !tail.is_empty())
}

/// Length and hash of the string that starts at `at`, eight bytes at a time.
fn hash(section: &[u8], mut at: usize, seed: u64) -> (usize, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let start = at;
    let mut hash = seed;
    while let Some(&chunk) = section.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(chunk);
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            let bytes = zeros.trailing_zeros() / 8;
            let last = word & ((1u64 << (bytes * 8)) - 1);
            return (at + bytes as usize - start, finish(hash, last, at + bytes as usize - start));
        }
        hash = fold(hash ^ word, MIX);
        at += 8;
    }
    let rest = &section[at..];
    let bytes = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    let last = rest[..bytes].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    (at + bytes - start, finish(hash, last, at + bytes - start))
}

fn finish(hash: u64, last: u64, length: usize) -> u64 {
    fold(fold(hash ^ last, MIX) ^ length as u64, MIX)
}
