//! Names as numbers: equal names have equal numbers, and nothing is copied.
//!
//! Linkers merge `.debug_str`, so most strings stand there once, be it as the tail of a longer one, and their offset
//! can stand for them. What is not so (strings inside DIEs, a second copy in the section, other files' strings) is
//! looked up by its bytes: first among the section's strings, then in a side table. One bit a byte of the section
//! tells the two cases apart, so that the common one costs a load and a shift. Tails are found as they are met.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::parallel::both;

/// A name. Equal numbers are equal bytes within one [`Names`]; the order means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(pub u32);

impl Name {
    /// No name, or the empty one.
    pub const NONE: Name = Name(0);
    const SIDE: u32 = 1 << 31;

    /// Is there none?
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// All names of one encode.
#[derive(Debug)]
pub struct Names<'d> {
    text: &'d [u8],
    /// Where the last NUL of `text` ends.
    terminated: usize,
    /// A bit for each byte of `text`: 1 where a string starts whose offset is its name.
    first: Vec<AtomicU64>,
    /// Open addressing: offset + 1 of each string whose bit was set first, below half of its hash, which spares looks
    /// at other strings.
    slots: Vec<u64>,
    /// Names that are not the first of their bytes in `text`, or not in it.
    numbers: RwLock<HashMap<Box<[u8]>, u32>>,
    /// The bytes of those that are not in it.
    side: boxcar::Vec<Box<[u8]>>,
    /// `btf_type_tag`
    pub type_tag: Name,
    /// `btf_decl_tag`
    pub decl_tag: Name,
    /// `decltype(nullptr)`: the type of C++'s null pointer.
    pub null_pointer: Name,
}

/// The part of a slot that is not hash.
const OFFSET: u64 = u32::MAX as u64;
/// How many slots are asked for at a time.
const BATCH: usize = 32;

fn hash(bytes: &[u8]) -> u64 {
    crate::record::hash_bytes(bytes)
}

impl<'d> Names<'d> {
    /// Indexes `text`, the `.debug_str` of the file that most names come from.
    pub fn new(text: &'d [u8]) -> Self {
        let text = if text.len() < Name::SIDE as usize { text } else { &[] };
        let mut count = 0usize;
        for &byte in text {
            count += usize::from(byte == 0);
        }
        let capacity = (count * 2).next_power_of_two().max(16);
        let mut names = Self {
            text,
            terminated: memchr::memrchr(0, text).map_or(0, |last| last + 1),
            first: std::iter::repeat_with(AtomicU64::default).take(text.len() / 64 + 1).collect(),
            slots: vec![0; capacity],
            numbers: RwLock::default(),
            side: boxcar::Vec::new(),
            type_tag: Name::NONE,
            decl_tag: Name::NONE,
            null_pointer: Name::NONE,
        };
        let mut at = 0;
        let mut batch: Vec<(usize, usize, u64)> = Vec::with_capacity(BATCH);
        loop {
            let length = memchr(&text[at..]);
            if let Some(length) = length.filter(|&length| length > 0) {
                batch.push((at, length, hash(&text[at..at + length])));
            }
            if batch.len() == BATCH || length.is_none() {
                names.touch(batch.iter().map(|string| string.2));
                for (at, length, hash) in batch.drain(..) {
                    names.add(at, length, hash);
                }
            }
            let Some(length) = length else { break };
            at += length + 1;
        }
        names.type_tag = names.intern(b"btf_type_tag");
        names.decl_tag = names.intern(b"btf_decl_tag");
        names.null_pointer = names.intern(b"decltype(nullptr)");
        names
    }

    fn add(&mut self, at: usize, length: usize, hash: u64) {
        let slot = self.slot(&self.text[at..at + length], hash);
        if self.slots[slot] == 0 {
            self.slots[slot] = hash & !OFFSET | (at as u64 + 1);
            *self.first[at / 64].get_mut() |= 1 << (at % 64);
        }
    }

    /// Has the slots of several hashes brought from memory at the same time; one after the other they took 150 ns
    /// each. The answer has no meaning but that they were read.
    fn touch(&self, hashes: impl Iterator<Item = u64>) {
        let mask = self.slots.len() - 1;
        let first = |hash: u64| self.slots[hash as usize & mask];
        std::hint::black_box(hashes.fold(0, |touched, hash| touched ^ first(hash)));
    }

    /// The slot where `bytes` are, or belong.
    fn slot(&self, bytes: &[u8], hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return slot;
            }
            if (found ^ hash) & !OFFSET == 0 {
                let rest = &self.text[(found & OFFSET) as usize - 1..];
                if rest.get(bytes.len()) == Some(&0) && &rest[..bytes.len()] == bytes {
                    return slot;
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The name at `offset` of the indexed section, if that is where it stands first.
    #[inline]
    pub fn first_at(&self, offset: u64) -> Option<Name> {
        let index = offset as usize;
        let word = self.first.get(index / 64)?.load(Ordering::Relaxed);
        (word >> (index % 64) & 1 != 0).then(|| Name(offset as u32 + 1))
    }

    /// The name at `offset` of the indexed section; `None` if that is outside.
    pub fn at(&self, offset: u64) -> Option<Name> {
        self.first_at(offset).or_else(|| self.at_other(offset))
    }

    /// The string at `offset` of the indexed section as a name, but one that may be a second copy of another's: before
    /// it is compared for good, or kept, it has to go through [`Names::settled`]. `None` if the string has no end.
    #[inline]
    pub fn unsettled_at(&self, offset: u64) -> Option<Name> {
        (offset < self.terminated as u64).then(|| Name(offset as u32 + 1))
    }

    /// The name that stands for all copies of `name`.
    #[inline]
    pub fn settled(&self, name: Name) -> Name {
        if name.is_none() || name.0 & Name::SIDE != 0 {
            return name;
        }
        self.at(u64::from(name.0 - 1)).unwrap_or_default()
    }

    #[cold]
    fn at_other(&self, offset: u64) -> Option<Name> {
        let at = usize::try_from(offset).ok()?;
        let rest = self.text.get(at..)?;
        let bytes = &rest[..memchr(rest)?];
        if let Some(name) = self.find(bytes) {
            return Some(name);
        }
        let mut numbers = self.numbers.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = *numbers.entry(bytes.into()).or_insert(at as u32 + 1);
        if number == at as u32 + 1 {
            self.first[at / 64].fetch_or(1 << (at % 64), Ordering::Relaxed);
        }
        Some(Name(number))
    }

    /// The numbers of many names, found faster than one by one.
    pub fn intern_all(&self, all: &[&[u8]], threads: usize) -> Vec<Name> {
        let half = |part: &[&[u8]]| {
            let mut names = Vec::with_capacity(part.len());
            for batch in part.chunks(BATCH) {
                let mut hashes = [0; BATCH];
                for (hash, bytes) in hashes.iter_mut().zip(batch) {
                    *hash = self::hash(bytes);
                }
                self.touch(hashes[..batch.len()].iter().copied());
                names.extend(batch.iter().zip(hashes).map(|(bytes, hash)| self.intern_hashed(bytes, hash)));
            }
            names
        };
        let (first, second) = all.split_at(all.len() / 2);
        let (mut first, second) = both(threads, || half(first), || half(second));
        first.extend(second);
        first
    }

    /// The number of a name given by its bytes.
    pub fn intern(&self, bytes: &[u8]) -> Name {
        self.intern_hashed(bytes, hash(bytes))
    }

    fn intern_hashed(&self, bytes: &[u8], hash: u64) -> Name {
        if let Some(name) = self.find_hashed(bytes, hash) {
            return name;
        }
        let mut numbers = self.numbers.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&number) = numbers.get(bytes) {
            return Name(number);
        }
        let number = Name::SIDE | self.side.push(bytes.into()) as u32;
        numbers.insert(bytes.into(), number);
        Name(number)
    }

    /// The number of a name, if any DIE that was read so far or the indexed section has it.
    pub fn find(&self, bytes: &[u8]) -> Option<Name> {
        self.find_hashed(bytes, hash(bytes))
    }

    fn find_hashed(&self, bytes: &[u8], hash: u64) -> Option<Name> {
        if bytes.is_empty() {
            return Some(Name::NONE);
        }
        let found = self.slots[self.slot(bytes, hash)];
        if found != 0 {
            return Some(Name((found & OFFSET) as u32));
        }
        let numbers = self.numbers.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        numbers.get(bytes).map(|&number| Name(number))
    }

    /// The indexed section, up to its last string.
    pub fn section(&self) -> &'d [u8] {
        &self.text[..self.terminated]
    }

    /// Names that were met and are not in the indexed section.
    pub fn aside(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.side.count()).filter_map(|index| self.side.get(index)).map(|bytes| &**bytes)
    }

    /// The bytes of `name`.
    pub fn bytes(&self, name: Name) -> &[u8] {
        if name.is_none() {
            return &[];
        }
        if name.0 & Name::SIDE != 0 {
            return self.side.get((name.0 & !Name::SIDE) as usize).map_or(&[], |bytes| bytes);
        }
        let rest = self.text.get(name.0 as usize - 1..).unwrap_or_default();
        &rest[..memchr(rest).unwrap_or(rest.len())]
    }
}

#[inline]
fn memchr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(0, bytes)
}
