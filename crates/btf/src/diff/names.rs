//! One number for each name of both sides, so that names compare as numbers.

use crate::{Btf, Error, StringOffset, error::Result};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// Number of a name. 0 is the empty one.
pub(super) type Name = u32;

/// The names of two BTFs.
pub(super) struct Names<'b> {
    sides: [&'b Btf<'b>; 2],
    /// By string offset: the number plus one, 0 where it was not asked for yet.
    known: [Vec<u32>; 2],
    texts: Vec<Cow<'b, [u8]>>,
    /// Half of the hash, and the number.
    table: HashTable<(u32, Name)>,
    hasher: DefaultHashBuilder,
    /// Bytes that may still be read: without a bound, offsets into one long string would make reading them quadratic.
    budget: usize,
}

impl<'b> Names<'b> {
    pub(super) fn new(sides: [&'b Btf<'b>; 2]) -> Self {
        let lengths = sides.map(|btf| btf.end_string() as usize);
        let mut names = Self {
            sides,
            known: lengths.map(|length| vec![0; length]),
            texts: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            budget: (lengths[0] + lengths[1]).saturating_mul(16),
        };
        names.intern(Cow::Borrowed(&[]));
        names
    }

    /// The number of the string at `offset`; that of the empty one where there is no string.
    #[inline]
    pub(super) fn of(&mut self, side: usize, offset: StringOffset) -> Result<Name> {
        match self.known[side].get(offset.0 as usize) {
            None => Ok(0),
            Some(0) => self.read(side, offset),
            Some(known) => Ok(known - 1),
        }
    }

    fn read(&mut self, side: usize, offset: StringOffset) -> Result<Name> {
        let text = self.sides[side].string(offset).unwrap_or_default();
        self.budget = self.budget.checked_sub(text.len()).ok_or(Error::NamesOverlap)?;
        let name = self.intern(Cow::Borrowed(text));
        self.known[side][offset.0 as usize] = name + 1;
        Ok(name)
    }

    /// The number of any text.
    pub(super) fn intern(&mut self, text: Cow<'b, [u8]>) -> Name {
        let hash = self.hasher.hash_one(&*text);
        let tag = (hash >> 32) as u32;
        let spread = |tag: u32| u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let Self { table, texts, .. } = self;
        let same = |&(other, name): &(u32, Name)| other == tag && *texts[name as usize] == *text;
        match table.entry(spread(tag), same, |&(tag, _)| spread(tag)) {
            hashbrown::hash_table::Entry::Occupied(known) => known.get().1,
            hashbrown::hash_table::Entry::Vacant(free) => {
                let name = texts.len() as Name;
                free.insert((tag, name));
                texts.push(text);
                name
            }
        }
    }

    pub(super) fn bytes(&self, name: Name) -> &[u8] {
        &self.texts[name as usize]
    }

    /// A name for showing.
    pub(super) fn text(&self, name: Name) -> String {
        crate::declaration::brief(&String::from_utf8_lossy(self.bytes(name))).into_owned()
    }
}

/// An integer's name as every compiler spells it: `long unsigned int` is `unsigned long`.
pub(super) fn integer(name: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 6] = [b"unsigned", b"signed", b"char", b"short", b"long", b"int"];
    if name.len() > 32 {
        return Cow::Borrowed(name);
    }
    let words: Vec<&[u8]> = name.split(|&byte| byte == b' ').collect();
    if !words.iter().all(|word| WORDS.contains(word)) {
        return Cow::Borrowed(name);
    }
    let has = |word: &[u8]| words.contains(&word);
    let mut kept: Vec<&[u8]> = Vec::new();
    // `signed` says something of characters only.
    if has(b"unsigned") || (has(b"signed") && has(b"char")) {
        kept.push(if has(b"unsigned") { b"unsigned" } else { b"signed" });
    }
    let sizes = words.iter().filter(|word| matches!(**word, b"char" | b"short" | b"long"));
    let before = kept.len();
    kept.extend(sizes);
    if kept.len() == before {
        kept.push(b"int");
    }
    Cow::Owned(kept.join(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_name_whatever_compiler_spelled_it() {
        for (name, expected) in [
            ("long unsigned int", "unsigned long"),
            ("unsigned long", "unsigned long"),
            ("long int", "long"),
            ("long long unsigned int", "unsigned long long"),
            ("unsigned long long", "unsigned long long"),
            ("short int", "short"),
            ("unsigned int", "unsigned int"),
            ("int", "int"),
            ("signed char", "signed char"),
            ("unsigned char", "unsigned char"),
            ("char", "char"),
            ("_Bool", "_Bool"),
            ("__int128 unsigned", "__int128 unsigned"),
        ] {
            assert_eq!(String::from_utf8_lossy(&integer(name.as_bytes())), expected);
        }
    }
}
