//! Names as numbers: equal names have equal numbers, and nothing is copied.
//!
//! Linkers merge `.debug_str`, so most strings stand there once, be it as the tail of a longer one, and their offset
//! can stand for them. What is not so (strings inside DIEs, a second copy in the section, other files' strings) is
//! looked up by its bytes: first among the section's strings, then in a side table. One bit a byte of the section
//! tells the two cases apart, so that the common one costs a load and a shift. Tails are found as they are met.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::copies::Copies;
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
    /// Open addressing: offset + 1 of each string whose bit was set first, below half of its hash, which tells its slot and
    /// spares looks at other strings.
    slots: Vec<u64>,
    /// How many slots are taken.
    count: usize,
    /// Where whole strings of `text` are that are not the first of their bytes.
    copies: Copies,
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
/// For how many strings there are slots at first, where most are copies.
const FEW: usize = 1 << 13;

fn hash(bytes: &[u8]) -> u64 {
    crate::record::hash_bytes(bytes)
}

impl<'d> Names<'d> {
    /// Indexes `text`, the `.debug_str` of the file that most names come from. Linkers merge equal strings, but not where
    /// they write relocatable files: these hold the strings of each object that went into them, and nearly all are copies.
    pub fn new(text: &'d [u8], is_merged: bool) -> Self {
        let text = if text.len() < Name::SIDE as usize { text } else { &[] };
        let mut count = 0usize;
        for &byte in text {
            count += usize::from(byte == 0);
        }
        if !is_merged {
            count = count.min(FEW);
        }
        let mut names = Self {
            text,
            terminated: memchr::memrchr(0, text).map_or(0, |last| last + 1),
            first: std::iter::repeat_with(AtomicU64::default).take(text.len() / 64 + 1).collect(),
            slots: vec![0; (count * 2).next_power_of_two().max(16)],
            count: 0,
            copies: Copies::default(),
            numbers: RwLock::default(),
            side: boxcar::Vec::new(),
            type_tag: Name::NONE,
            decl_tag: Name::NONE,
            null_pointer: Name::NONE,
        };
        names.index();
        names.type_tag = names.intern(b"btf_type_tag");
        names.decl_tag = names.intern(b"btf_decl_tag");
        names.null_pointer = names.intern(b"decltype(nullptr)");
        names
    }

    /// Adds all strings of the section.
    ///
    /// Objects that include the same headers have long rows of strings in common. So what stood behind the string that was
    /// found last is taken for the next one, as long as that keeps coming true: in a module of many objects for four of five
    /// strings, in a quarter of the time. Where it does not, a number of strings are looked up at a time.
    fn index(&mut self) {
        /// So often in a row a guess may be wrong.
        const PATIENCE: u32 = 8;
        let text = self.text;
        let (mut at, mut guess, mut patience, mut hint) = (0, 0, 0, 0);
        let mut batch: Vec<(usize, usize, u64)> = Vec::with_capacity(BATCH);
        loop {
            if patience > 0 {
                if let Some(length) = same_string(text, at, guess) {
                    let first = self.copies.noted(guess, &mut hint);
                    self.copies.note(at, first);
                    at += length + 1;
                    guess += length + 1;
                    patience = PATIENCE;
                    continue;
                }
                patience -= 1;
            }
            let length = memchr(&text[at..]);
            if let Some(length) = length {
                batch.push((at, length, hash(&text[at..at + length])));
            }
            if batch.len() == BATCH || length.is_none() || patience > 0 {
                self.touch(batch.iter().map(|string| string.2));
                for (at, length, hash) in batch.drain(..) {
                    let first = self.add(at, length, hash);
                    self.copies.note(at, first);
                    if first != at {
                        guess = first + length + 1;
                        patience = patience.max(1);
                    }
                }
            }
            let Some(length) = length else { break };
            at += length + 1;
        }
        // What is left has no end.
        self.copies.note(at, at);
        self.copies.finish(text.len());
    }

    /// Adds the string at `at`, unless it is a copy or empty; the answer is where the first one is.
    fn add(&mut self, at: usize, length: usize, hash: u64) -> usize {
        if length == 0 {
            return at;
        }
        let slot = self.slot(&self.text[at..at + length], hash);
        if self.slots[slot] != 0 {
            return (self.slots[slot] & OFFSET) as usize - 1;
        }
        self.slots[slot] = hash & !OFFSET | (at as u64 + 1);
        *self.first[at / 64].get_mut() |= 1 << (at % 64);
        self.count += 1;
        if self.count * 2 > self.slots.len() {
            self.grow();
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        let slots = vec![0; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, slots).into_iter().filter(|&slot| slot != 0) {
            let mut at = self.first_slot(slot);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = slot;
        }
    }

    /// The slot where the search for a hash begins.
    #[inline]
    fn first_slot(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.slots.len() - 1)
    }

    /// Has the slots of several hashes brought from memory at the same time; one after the other they took 150 ns
    /// each. The answer has no meaning but that they were read.
    fn touch(&self, hashes: impl Iterator<Item = u64>) {
        std::hint::black_box(hashes.fold(0, |touched, hash| touched ^ self.slots[self.first_slot(hash)]));
    }

    /// The slot where `bytes` are, or belong.
    fn slot(&self, bytes: &[u8], hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.first_slot(hash);
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
        self.first_at(offset).or_else(|| self.copy_at(offset)).or_else(|| self.at_other(offset))
    }

    /// The name at `offset`, if that is a copy of a whole string.
    #[inline]
    fn copy_at(&self, offset: u64) -> Option<Name> {
        self.first_at(self.copies.first(usize::try_from(offset).ok()?)? as u64)
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

    /// The indexed section.
    pub fn section(&self) -> &'d [u8] {
        self.text
    }

    /// The names of the strings of the indexed section, and of those of their tails that were met.
    pub fn all(&self) -> impl Iterator<Item = Name> {
        self.first.iter().enumerate().flat_map(|(index, word)| {
            let mut left = word.load(Ordering::Relaxed);
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(Name((index * 64) as u32 + bit + 1))
            })
        })
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

/// The length of the string at `a`, if an equal one is at `b`. Of strings at the very end it is not known.
#[inline]
fn same_string(text: &[u8], a: usize, b: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut length = 0;
    loop {
        let word = |at: usize| text.get(at + length..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let (one, other) = (word(a)?, word(b)?);
        let zeros = one.wrapping_sub(ONES) & !one & (ONES << 7);
        if zeros != 0 {
            // Up to the NUL, whose highest bit is the lowest of these.
            let string = zeros ^ (zeros - 1);
            let bytes = zeros.trailing_zeros() as usize / 8;
            return ((one ^ other) & string == 0).then_some(length + bytes);
        }
        if one != other {
            return None;
        }
        length += 8;
    }
}

#[inline]
fn memchr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(0, bytes)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use hashbrown::HashMap;

    /// Sections as `ld -r` writes them: rows of strings, again and again, with others between, and with no end.
    fn sections() -> impl Iterator<Item = Vec<u8>> {
        (1u32..30).map(|seed| {
            let mut state = seed;
            let mut random = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) % below
            };
            let words: Vec<String> = (0..30 + random(3000))
                .map(|_| "abcdefghij".repeat(3)[random(5) as usize..][..random(25) as usize].into())
                .collect();
            let mut section = Vec::new();
            for _ in 0..1 + random(30) {
                let start = random(words.len() as u32) as usize;
                let count = random(200) as usize;
                for word in words[start..].iter().take(count) {
                    if random(8) == 0 {
                        continue;
                    }
                    section.extend_from_slice(word.as_bytes());
                    if random(8) == 0 {
                        section.extend_from_slice(format!("{}", random(1000)).as_bytes());
                    }
                    section.push(0);
                }
            }
            section.extend_from_slice(&b"abcabc\0ab"[..random(9) as usize]);
            section
        })
    }

    #[test]
    fn strings_with_equal_bytes_have_one_name_wherever_they_stand() {
        for section in sections() {
            for is_merged in [false, true] {
                let names = Names::new(&section, is_merged);
                let all: Vec<_> = names.all().map(|name| names.bytes(name).to_vec()).collect();
                let mut known = HashMap::new();
                let mut whole = 0;
                for offset in 0..=section.len() {
                    let rest = &section[offset..];
                    let expected = rest.iter().position(|&byte| byte == 0).map(|length| &rest[..length]);
                    let name = names.at(offset as u64);
                    assert_eq!(name.map(|name| names.bytes(name)), expected, "{offset}");
                    let (Some(name), Some(bytes)) = (name, expected) else { continue };
                    assert_eq!(*known.entry(bytes).or_insert(name), name, "{offset}");
                    assert_eq!(names.find(bytes), Some(name));
                    if offset == 0 || section[offset - 1] == 0 {
                        whole += usize::from(!bytes.is_empty() && all.contains(&bytes.to_vec()));
                        assert!(bytes.is_empty() || all.iter().any(|other| other == bytes));
                    }
                }
                assert!(all.len() <= whole, "each once");
            }
        }
    }
}
