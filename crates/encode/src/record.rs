//! Type records, hash-consed: equal records get equal numbers.
//!
//! A type is a short row of 32-bit words in which the types that it refers to stand as numbers of records that
//! were made before. References to a struct, union or enum that has a name are *cut*: they go to a record that is
//! nothing but that name (a [`Kind::Named`]), so that the graph of records has no cycles and a forward declaration is
//! the same as what it declares. What such a name means is settled when all units have been read.
//!
//! Equality is exact: the table compares words, hashes only find them.

/// The number of a record. 0 is `void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RecordId(pub u32);

impl RecordId {
    /// `void`, and the vararg `...` as the type of a parameter without name.
    pub const VOID: RecordId = RecordId(0);

    /// As an index into arrays that run beside the table.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a record is. The words that follow the first are given with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `void`: no words.
    Void = 0,
    /// A named aggregate, by name: name [, unit, number]. The detail is an [`Aggregate`].
    Named,
    /// name, size in bytes [, number of bits]. The detail is BTF's encoding.
    Int,
    /// name, size in bytes.
    Float,
    /// target.
    Pointer,
    /// target.
    Const,
    /// target.
    Volatile,
    /// target.
    Restrict,
    /// name, target.
    Typedef,
    /// name, target.
    TypeTag,
    /// element type, number of elements.
    Array,
    /// name, size, then (name, type, bit offset, bit size) for each member. The detail is 1 if any is a bit-field.
    Struct,
    /// The same.
    Union,
    /// name, size, then (name, low word, high word) for each enumerator. The detail is 1 if signed.
    Enum,
    /// return type, then (name, type) for each parameter.
    Function,
}

const KINDS: [Kind; 15] = [
    Kind::Void,
    Kind::Named,
    Kind::Int,
    Kind::Float,
    Kind::Pointer,
    Kind::Const,
    Kind::Volatile,
    Kind::Restrict,
    Kind::Typedef,
    Kind::TypeTag,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Function,
];

/// The kinds of type that have a tag name of their own in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Aggregate {
    /// `struct`
    Struct,
    /// `union`
    Union,
    /// `enum`
    Enum,
    /// Stands where a cycle that passes no named aggregate was cut (a typedef that contains itself, in Go).
    Cycle,
}

impl Aggregate {
    /// From the detail of a [`Kind::Named`].
    pub fn from_detail(detail: u8) -> Self {
        match detail {
            0 => Self::Struct,
            1 => Self::Union,
            2 => Self::Enum,
            _ => Self::Cycle,
        }
    }
}

/// The first word of a record.
#[inline]
pub fn head(kind: Kind, detail: u8) -> u32 {
    kind as u32 | u32::from(detail) << 8
}

/// A record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// What it is.
    pub kind: Kind,
    /// See [`Kind`].
    pub detail: u8,
    /// The words after the first.
    pub words: &'a [u32],
}

impl<'a> Record<'a> {
    fn of(words: &'a [u32]) -> Self {
        let head = words[0];
        Self { kind: KINDS[(head & 0xff) as usize], detail: (head >> 8) as u8, words: &words[1..] }
    }

    /// The positions in `words` of the references to other records.
    pub fn references(self) -> impl Iterator<Item = usize> + use<'a> {
        let (first, step) = match self.kind {
            Kind::Pointer | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::Array => (0, usize::MAX),
            Kind::Typedef | Kind::TypeTag => (1, usize::MAX),
            Kind::Struct | Kind::Union => (3, 4),
            Kind::Function => (0, 2),
            Kind::Void | Kind::Named | Kind::Int | Kind::Float | Kind::Enum => (usize::MAX, usize::MAX),
        };
        (first..self.words.len()).step_by(step)
    }
}

/// Mixes two words into a hash: the folded 128-bit product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;

/// A hash of words; the same in every run.
#[inline]
pub fn hash_words(words: &[u32]) -> u64 {
    let mut state = K0 ^ words.len() as u64;
    let (pairs, rest) = words.as_chunks::<2>();
    for pair in pairs {
        state = fold(state ^ (u64::from(pair[0]) | u64::from(pair[1]) << 32), K1);
    }
    if let [word] = rest {
        state = fold(state ^ u64::from(*word), K1);
    }
    fold(state, K0)
}

/// A hash of bytes; the same in every run.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = K0 ^ bytes.len() as u64;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = fold(state ^ u64::from_le_bytes(*chunk), K1);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = fold(state ^ u64::from_le_bytes(last), K1);
    }
    fold(state, K0)
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// Record number + 1; 0 is free.
    number: u32,
}

/// How many short records are noted at first, as a power of two. A module with a few units has no use for more, and its
/// tables would be a quarter of the pages that its encode touches.
const FEWEST_SHORT: u32 = 10;
/// How many at most.
const MOST_SHORT: u32 = 14;

/// A record of at most three words, as met lately.
#[derive(Debug, Clone, Copy, Default)]
struct Short {
    /// Its words; all 0 is none, since the record `void` is never asked for.
    words: [u32; 3],
    record: RecordId,
}

/// Hash-consed records.
#[derive(Debug)]
pub struct RecordTable {
    words: Vec<u32>,
    /// Where each record ends in `words`.
    ends: Vec<u32>,
    slots: Vec<Slot>,
    /// By record: the pointer to it, its const and its volatile, as number + 1; most types in a unit are such.
    derived: Vec<[u32; 3]>,
    /// Names, typedefs, arrays that were met lately, by hash. Units have much in common: a hit spares a look into
    /// `slots` and `words`, which are too large for the nearer caches (6 % of an encode's time).
    short: Vec<Short>,
    /// How many bits of a hash are more than `short` has places for.
    short_shift: u32,
}

impl Default for RecordTable {
    fn default() -> Self {
        let mut table = Self {
            words: Vec::new(),
            ends: Vec::new(),
            slots: vec![Slot::default(); 1 << 12],
            derived: Vec::new(),
            short: vec![Short::default(); 1 << FEWEST_SHORT],
            short_shift: 64 - FEWEST_SHORT,
        };
        table.intern(&[head(Kind::Void, 0)]);
        table
    }
}

impl RecordTable {
    /// Number of records, `void` included.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn words_of(&self, index: usize) -> &[u32] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.words[start..self.ends[index] as usize]
    }

    /// A record by number.
    #[inline]
    pub fn get(&self, id: RecordId) -> Record<'_> {
        Record::of(self.words_of(id.index()))
    }

    /// All records, in the order of their numbers: what a record refers to comes before it.
    pub fn iter(&self) -> impl Iterator<Item = (RecordId, Record<'_>)> {
        (0..self.len()).map(|index| (RecordId(index as u32), Record::of(self.words_of(index))))
    }

    /// The number of the record with these words (head first); it is added if it is new.
    #[inline]
    pub fn intern(&mut self, words: &[u32]) -> RecordId {
        let hash = hash_words(words);
        let tag = (hash >> 32) as u32;
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.number == 0 {
                break;
            }
            if slot.hash == tag && self.words_of(slot.number as usize - 1) == words {
                return RecordId(slot.number - 1);
            }
            at = (at + 1) & mask;
        }
        self.words.extend_from_slice(words);
        self.ends.push(self.words.len() as u32);
        let number = self.ends.len() as u32;
        self.slots[at] = Slot { hash: tag, number };
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        RecordId(number - 1)
    }

    /// The same for a record of two or three words, of which many are asked for again and again.
    #[inline]
    pub fn intern_short<const N: usize>(&mut self, words: &[u32; N]) -> RecordId {
        let mut key = [0; 3];
        key[..N].copy_from_slice(words);
        let mixed = u64::from(key[0] ^ key[1]) | u64::from(key[2]) << 32;
        let hash = fold(mixed ^ K0, K1);
        let short = self.short[(hash >> self.short_shift) as usize];
        if short.words == key {
            return short.record;
        }
        let record = self.intern(words);
        // There may be more places now.
        self.short[(hash >> self.short_shift) as usize] = Short { words: key, record };
        record
    }

    /// The pointer to, or the const or volatile of, a record.
    #[inline]
    pub fn derive(&mut self, kind: Kind, target: RecordId) -> RecordId {
        let which = match kind {
            Kind::Pointer => 0,
            Kind::Const => 1,
            Kind::Volatile => 2,
            _ => return self.intern(&[head(kind, 0), target.0]),
        };
        match self.derived.get(target.index()) {
            Some(derived) if derived[which] != 0 => return RecordId(derived[which] - 1),
            Some(_) => {}
            None => self.derived.resize(self.len() + self.len() / 2, [0; 3]),
        }
        let record = self.intern(&[head(kind, 0), target.0]);
        self.derived[target.index()][which] = record.0 + 1;
        record
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 4 - 1;
        let mut slots = vec![Slot::default(); mask + 1];
        for index in 0..self.ends.len() {
            let hash = hash_words(self.words_of(index));
            let mut at = hash as usize & mask;
            while slots[at].number != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = Slot { hash: (hash >> 32) as u32, number: index as u32 + 1 };
        }
        self.slots = slots;
        let short = (self.slots.len().trailing_zeros() - 2).min(MOST_SHORT);
        self.short = vec![Short::default(); 1 << short];
        self.short_shift = 64 - short;
    }

    /// Adds all records of `other`; the answer maps its numbers to ours.
    pub fn absorb(&mut self, other: &RecordTable) -> Vec<RecordId> {
        let mut map: Vec<RecordId> = Vec::with_capacity(other.len());
        let mut words = Vec::new();
        for index in 0..other.len() {
            words.clear();
            words.extend_from_slice(other.words_of(index));
            for position in Record::of(other.words_of(index)).references() {
                words[position + 1] = map[words[position + 1] as usize].0;
            }
            map.push(self.intern(&words));
        }
        map
    }
}
