//! Strings by content: the index of a string section, and the table that a builder interns into.

use crate::Btf;
use crate::bits::BitSet;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::ops::Range;

/// Multiplies and folds the halves of the product: the step of all hashes of strings and of records.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// An odd number without structure (the golden ratio), for hashes that must be the same in every run.
pub(crate) const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Length and hash of the string that starts at `at` and ends with a NUL or the section, eight bytes at a time.
pub(crate) fn hash(section: &[u8], mut at: usize, seed: u64) -> (usize, u64) {
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

/// Offsets of the strings of one section, found by content. The section itself is kept elsewhere and handed in.
///
/// The hash is seeded at random, so that no input can be made to collide; nothing is ever listed in table order.
pub(crate) struct StringIndex {
    seed: u64,
    table: HashTable<Slot>,
}

/// Half of the hash kept beside the offset spares most comparisons and all rehashing.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    offset: u32,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(MIX)
}

/// Whether `string` and a NUL stand at `offset`.
fn stands_at(section: &[u8], offset: u32, string: &[u8]) -> bool {
    let rest = &section[offset as usize..];
    rest.len() > string.len() && rest[string.len()] == 0 && rest.starts_with(string)
}

impl StringIndex {
    fn with_capacity(strings: usize) -> Self {
        let seed = DefaultHashBuilder::default().hash_one(1u32);
        Self { seed, table: HashTable::with_capacity(strings) }
    }

    /// The offset of `string`, whose hash is given; when it is new, the one that `place` gives it.
    fn insert(&mut self, section: &[u8], string: &[u8], hash: u64, place: impl FnOnce() -> u32) -> u32 {
        let hash = (hash >> 32) as u32;
        let equal = |slot: &Slot| slot.hash == hash && stands_at(section, slot.offset, string);
        self.table
            .entry(spread(hash), equal, |slot| spread(slot.hash))
            .or_insert_with(|| Slot { hash, offset: place() })
            .get()
            .offset
    }
}

/// The strings of one blob: those that its bases do not have, each at the first place where it stands whole.
///
/// They are never added to, so that they can lie in small buckets by their hashes, one after the other, which takes half
/// the time of a table to make (60,000 strings of a kernel: 1 ms). The hash is seeded at random, as of [`StringIndex`].
pub(crate) struct LevelStrings {
    seed: u64,
    /// Where the buckets start in `slots`; one more entry at the end. There are a power of two of them.
    buckets: Vec<u32>,
    slots: Vec<Slot>,
    /// The places of the strings.
    starts: BitSet,
}

impl LevelStrings {
    /// Reads the string section of `btf`.
    pub(crate) fn new(btf: &Btf<'_>) -> Self {
        let (section, base) = (btf.string_section(), btf.base());
        let seed = DefaultHashBuilder::default().hash_one(1u32);
        let mut all: Vec<Slot> = Vec::with_capacity(section.len() / 20);
        let mut at = 0;
        while at < section.len() {
            let (length, hash) = hash(section, at, seed);
            let is_new = || base.is_none_or(|base| base.find_string(&section[at..at + length]).is_none());
            if length > 0 && at + length < section.len() && is_new() {
                all.push(Slot { hash: (hash >> 32) as u32, offset: at as u32 });
            }
            at += length + 1;
        }
        let mut level =
            Self { seed, buckets: Vec::new(), slots: Vec::new(), starts: BitSet::new(section.len()) };
        level.fill(section, &all);
        level
    }

    /// Puts the strings into their buckets, of equal ones the first.
    fn fill(&mut self, section: &[u8], all: &[Slot]) {
        const AVERAGE: usize = 8;
        let count = (all.len() / AVERAGE).next_power_of_two();
        // Counted at bucket + 2, then placed by bucket + 1, which leaves the start of each bucket at its own number.
        self.buckets = vec![0; count + 2];
        for slot in all {
            self.buckets[(slot.hash as usize & (count - 1)) + 2] += 1;
        }
        for bucket in 2..self.buckets.len() {
            self.buckets[bucket] += self.buckets[bucket - 1];
        }
        self.slots = vec![Slot { hash: 0, offset: 0 }; all.len()];
        for &slot in all {
            let at = &mut self.buckets[(slot.hash as usize & (count - 1)) + 1];
            self.slots[*at as usize] = slot;
            *at += 1;
        }
        self.buckets.pop();
        let mut kept = 0;
        let mut start = 0;
        for bucket in 0..count {
            let end = self.buckets[bucket + 1] as usize;
            let first = kept;
            for at in start..end {
                let slot = self.slots[at];
                let place = slot.offset as usize;
                let same = |other: &Slot| {
                    other.hash == slot.hash && {
                        let string = section[place..].split(|&byte| byte == 0).next().unwrap_or_default();
                        stands_at(section, other.offset, string)
                    }
                };
                if !self.slots[first..kept].iter().any(same) {
                    self.slots[kept] = slot;
                    kept += 1;
                    self.starts.insert(slot.offset);
                }
            }
            self.buckets[bucket + 1] = kept as u32;
            start = end;
        }
        self.slots.truncate(kept);
    }

    /// Where `string`, which is not empty, stands in the section.
    pub(crate) fn find(&self, section: &[u8], string: &[u8]) -> Option<u32> {
        let hash = (hash(string, 0, self.seed).1 >> 32) as u32;
        let bucket = hash as usize & (self.buckets.len() - 2);
        let slots = &self.slots[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize];
        let found = slots.iter().find(|slot| slot.hash == hash && stands_at(section, slot.offset, string));
        found.map(|slot| slot.offset)
    }

    /// Whether a string that neither the bases nor the section before have begins at this place of the section.
    #[inline]
    pub(crate) fn is_first(&self, at: u32) -> bool {
        self.starts.contains(at)
    }
}

/// Strings of less bytes are short.
const SHORTEST: usize = 4;
/// The glance at a short string.
const SHORT: u32 = 0;

/// A hash of what a glance at a string shows: its length and four bytes at each end. Who knows the names can make others that
/// look alike, and gains nothing but that these are looked at.
#[inline]
fn glance(string: &[u8]) -> u32 {
    let (Some(&first), Some(&last)) = (string.first_chunk::<SHORTEST>(), string.last_chunk::<SHORTEST>())
    else {
        return SHORT;
    };
    let both = u64::from(u32::from_le_bytes(first)) | u64::from(u32::from_le_bytes(last)) << 32;
    (fold(both ^ (string.len() as u64) << 24, MIX) as u32).max(SHORT + 1)
}

/// Some strings of one blob: those that were sought, and all very short ones, which compilers write where they are used and
/// not among a file's strings. Whoever needs to know of a few thousand names where a kernel's BTF has them gets them so in
/// half the time of [`LevelStrings`] (1 ms), and in half the memory.
pub(crate) struct SoughtStrings {
    seed: u64,
    /// The names as they were given, each with a NUL, then the short strings.
    names: Vec<u8>,
    /// What was sought, each once: in the order of the names, then short strings.
    sought: Vec<Sought>,
    /// Those by hash: half of it, and the number.
    table: HashTable<(u32, u32)>,
    /// Where any string begins, but for second copies of those sought.
    starts: BitSet,
}

#[derive(Clone, Copy)]
struct Sought {
    /// Where it stands in the names.
    at: u32,
    /// Where it stands first in the section, if the bases do not have it; or `NOWHERE`.
    place: u32,
}

const NOWHERE: u32 = u32::MAX;

impl SoughtStrings {
    /// Seeks `names`, which end with a NUL each, in the string section of `btf`, but for those that its bases have. Beside
    /// that, the number of each name among those sought; `NOWHERE` of the empty one.
    pub(crate) fn new(btf: &Btf<'_>, names: Vec<u8>) -> (Self, Vec<u32>) {
        /// How many kinds of glances are told apart.
        const GLANCES: u32 = 1 << 17;
        let ends = BitSet::of_zeros(&names);
        let count = ends.count();
        let mut strings = Self {
            seed: DefaultHashBuilder::default().hash_one(3u32),
            names,
            sought: Vec::with_capacity(count),
            table: HashTable::with_capacity(count),
            starts: BitSet::default(),
        };
        let mut glances = BitSet::new(GLANCES as usize);
        let mut numbers = Vec::with_capacity(count);
        let mut start = 0;
        ends.for_each(|end| {
            let name = start as usize..end as usize;
            numbers.push(if name.is_empty() {
                NOWHERE
            } else {
                glances.insert(glance(&strings.names[name.clone()]) % GLANCES);
                let hash = (hash(&strings.names, name.start, strings.seed).1 >> 32) as u32;
                strings.add(hash, name)
            });
            start = end + 1;
        });
        let section = btf.string_section();
        let ends = BitSet::of_zeros(section);
        let mut no_starts = Vec::new();
        let mut start = 0;
        ends.for_each(|end| {
            let string = &section[start as usize..end as usize];
            let glance = glance(string);
            let is_maybe_sought = glance == SHORT || glances.contains(glance % GLANCES);
            if is_maybe_sought && !strings.note(btf, string, start) {
                no_starts.push(start);
            }
            start = end + 1;
        });
        // Nothing begins after the last one.
        no_starts.push(start);
        strings.starts = ends.into_followers();
        for start in no_starts {
            strings.starts.remove(start);
        }
        (strings, numbers)
    }

    /// The number of a string among those sought.
    fn number(&self, hash: u32, string: &[u8]) -> Option<u32> {
        let equal = |&(other, number): &(u32, u32)| {
            other == hash && stands_at(&self.names, self.sought[number as usize].at, string)
        };
        self.table.find(spread(hash), equal).map(|slot| slot.1)
    }

    /// Has the string sought that stands here in the names, and gives its number.
    fn add(&mut self, hash: u32, range: Range<usize>) -> u32 {
        self.number(hash, &self.names[range.clone()]).unwrap_or_else(|| {
            let number = self.sought.len() as u32;
            self.table.insert_unique(spread(hash), (hash, number), |slot| spread(slot.0));
            self.sought.push(Sought { at: range.start as u32, place: NOWHERE });
            number
        })
    }

    /// Notes a string that may be one of those sought, and whether it is the first of its bytes.
    fn note(&mut self, btf: &Btf<'_>, string: &[u8], at: u32) -> bool {
        if string.is_empty() {
            return false;
        }
        let hash = (hash(string, 0, self.seed).1 >> 32) as u32;
        let number = self.number(hash, string);
        if number.is_none() && string.len() >= SHORTEST {
            return true;
        }
        let is_new = || btf.base().is_none_or(|base| base.find_string(string).is_none());
        let number = number.unwrap_or_else(|| {
            let start = self.names.len();
            self.names.extend_from_slice(string);
            self.names.push(0);
            self.add(hash, start..start + string.len())
        });
        let sought = &mut self.sought[number as usize];
        let is_first = sought.place == NOWHERE && is_new();
        if is_first {
            sought.place = at;
        }
        is_first
    }

    /// Where `string` stands, if it was sought and stands anywhere; `None` if it was not sought.
    pub(crate) fn find(&self, string: &[u8]) -> Option<Option<u32>> {
        let hash = (hash(string, 0, self.seed).1 >> 32) as u32;
        match self.number(hash, string) {
            Some(number) => Some(self.place(number)),
            None if string.len() < SHORTEST => Some(None),
            None => None,
        }
    }

    /// Where the string of this number stands, if it is in the section and not in the bases.
    pub(crate) fn place(&self, number: u32) -> Option<u32> {
        self.sought.get(number as usize).map(|sought| sought.place).filter(|&place| place != NOWHERE)
    }

    /// Where those sought stand that are in the section and not in the bases.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        self.sought.iter().map(|sought| sought.place).filter(|&place| place != NOWHERE)
    }

    /// As [`LevelStrings::is_first`], but that strings not sought are not compared.
    #[inline]
    pub(crate) fn is_first(&self, at: u32) -> bool {
        self.starts.contains(at)
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

    fn index(&mut self) -> &mut StringIndex {
        self.index.get_or_insert_with(|| {
            let section = &self.bytes;
            let mut index = StringIndex::with_capacity(section.len() / 20);
            let mut at = 0;
            while at < section.len() {
                let (length, hash) = hash(section, at, index.seed);
                if at + length < section.len() {
                    index.insert(section, &section[at..at + length], hash, || at as u32);
                }
                at += length + 1;
            }
            index
        })
    }

    /// The offset of `string` in this section; it is added at the end when it is new.
    pub(crate) fn intern(&mut self, string: &[u8]) -> u32 {
        let seed = self.index().seed;
        let hash = hash(string, 0, seed).1;
        let Self { bytes, index } = self;
        let Some(index) = index else { return 0 };
        let next = bytes.len() as u32;
        let offset = index.insert(bytes, string, hash, || next);
        if offset == next {
            bytes.extend_from_slice(string);
            bytes.push(0);
        }
        offset
    }

    /// Makes room for about `count` more strings.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.index().table.reserve(count, |slot| spread(slot.hash));
        self.bytes.reserve(count.saturating_mul(20));
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{LevelStrings, NOWHERE, SoughtStrings, StringTable, hash};
    use crate::{Btf, Builder, ByteOrder, StringOffset};
    use std::sync::Arc;

    #[test]
    fn a_string_is_stored_once_and_tails_are_strings_of_their_own() {
        let mut table = StringTable::new(vec![0]);
        assert_eq!([b"abc", b"bcd", b"abc"].map(|string| table.intern(string)), [1, 5, 1]);
        assert_eq!(table.intern(b"bc"), 9);
        assert_eq!(table.bytes(), b"\0abc\0bcd\0bc\0");
    }

    #[test]
    fn a_string_has_one_hash_wherever_it_stands() {
        for length in 0..40 {
            let string: Vec<u8> = (0..length).map(|i| b'a' + i % 26).collect();
            let section = [b"x\0", &string[..], b"\0more\0and more\0"].concat();
            assert_eq!(hash(&section, 2, 7), hash(&string, 0, 7), "{length} bytes");
            assert_eq!(hash(&string, 0, 7).0, usize::from(length));
        }
    }

    /// A blob with these strings, on one that has `one`.
    fn split(section: &[u8]) -> Btf<'static> {
        let mut base = Builder::new(ByteOrder::NATIVE);
        base.string(b"one");
        let base = Arc::new(Btf::parse(base.finish().unwrap()).unwrap());
        let mut split = Builder::split(Arc::clone(&base)).finish().unwrap();
        split[20..24].copy_from_slice(&(section.len() as u32).to_ne_bytes());
        split.extend_from_slice(section);
        Btf::parse_split(split, base).unwrap()
    }

    #[test]
    fn of_equal_strings_the_first_is_found_and_those_of_a_base_before() {
        let section = b"one\0two\0three\0two\0";
        let split = split(section);
        let level = LevelStrings::new(&split);
        assert_eq!(level.find(section, b"two"), Some(4));
        assert_eq!(level.find(section, b"one"), None, "it is the base's");
        assert_eq!(level.find(section, b"wo"), None);
        assert_eq!((0..18).filter(|&at| level.is_first(at)).collect::<Vec<_>>(), [4, 8]);
        assert_eq!(split.find_string(b"one").unwrap().0, 1);
        assert_eq!(split.find_string(b"three").unwrap().0, split.first_string().0 + 8);
    }

    #[test]
    fn strings_that_are_sought_are_found_as_all_are() {
        let section = b"one\0twofold\0three\0\0twofold\0four\0x\0x\0";
        let split = split(section);
        let names = b"twofold\0one\0\0nine\0fold\0twofold\0".to_vec();
        let (some, numbers) = SoughtStrings::new(&split, names.clone());
        assert_eq!(numbers, [0, 1, NOWHERE, 2, 3, 0]);
        let all = LevelStrings::new(&split);
        for name in [b"twofold" as &[u8], b"one", b"nine", b"fold", b"x", b"y"] {
            assert_eq!(some.find(name), Some(all.find(section, name)), "{}", name.escape_ascii());
        }
        assert_eq!((some.find(b"three"), some.find(b"nowhere")), (None, None), "not sought");
        for at in 0..=section.len() as u32 {
            assert_eq!(some.is_first(at), all.is_first(at), "{at}");
        }
        assert_eq!(some.places().collect::<Vec<_>>(), [4, 32]);

        let first = split.first_string().0;
        let [twofold, one, none] = [first + 4, 1, 0].map(StringOffset);
        assert_eq!(split.find_strings(names.clone()), [twofold, one, none, none, none, twofold]);
        assert!(split.sought_strings().is_some());
        assert_eq!(split.find_string(b"twofold").unwrap().0, split.first_string().0 + 4);
        assert_eq!(split.find_string(b"one").unwrap().0, 1);
        assert_eq!(split.find_string(b"nine"), None);
        assert!(split.sought_strings().is_some(), "no need for all yet");
        assert_eq!(split.find_strings(b"four\0twofold\0".to_vec()), [StringOffset(first + 27), twofold]);
        assert_eq!(split.find_string(b"three").unwrap().0, first + 12);
        assert!(split.sought_strings().is_none());
    }
}
