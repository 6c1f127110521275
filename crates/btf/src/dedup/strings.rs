//! One offset per string: records may name one string by several offsets, and compare as words only after that.

use crate::strings::{LevelStrings, MIX, SoughtStrings, hash};
use crate::{Btf, Error, StringOffset, error::Result};
use hashbrown::HashMap;

/// The canonical offset of every string of a BTF and its bases: the lowest one at which it stands whole.
///
/// In BTF as tools write it every string stands once and is named by its start. Then this is one bit per byte of
/// strings, and asking it one bit test. Other offsets (a second copy, the tail of a longer string) are looked up by
/// content once each.
pub(super) struct Strings<'b> {
    btf: &'b Btf<'b>,
    /// The strings of each level with the offset of its first byte, the top level's first.
    levels: Vec<(u32, Level<'b>)>,
    aliases: HashMap<u32, u32>,
    /// Strings that are nowhere but at the end of others, by content.
    tails: HashMap<&'b [u8], u32>,
    /// Bytes of strings that may still be read at odd offsets; without a bound, offsets into one long string would make
    /// reading them quadratic.
    budget: usize,
}

/// What is known of the strings of one level.
#[derive(Clone, Copy)]
enum Level<'b> {
    All(&'b LevelStrings),
    /// Those that are not sought are as they stand.
    Some(&'b SoughtStrings),
}

impl Level<'_> {
    #[inline]
    fn is_first(self, at: u32) -> bool {
        match self {
            Level::All(strings) => strings.is_first(at),
            Level::Some(strings) => strings.is_first(at),
        }
    }
}

impl<'b> Strings<'b> {
    pub(super) fn new(btf: &'b Btf<'b>) -> Self {
        let mut levels = Vec::new();
        let mut level = Some(btf);
        while let Some(btf) = level {
            let strings = match btf.sought_strings() {
                Some(sought) => Level::Some(sought),
                None => Level::All(btf.level_strings()),
            };
            levels.push((btf.first_string().0, strings));
            level = btf.base().map(|base| &**base);
        }
        let budget = (btf.end_string() as usize).saturating_mul(16);
        Self { btf, levels, aliases: HashMap::new(), tails: HashMap::new(), budget }
    }

    /// The lowest offset of the string at `offset`.
    #[inline]
    pub(super) fn canonical(&mut self, offset: u32) -> Result<u32> {
        let level = self.levels.iter().find(|(first, _)| *first <= offset);
        let is_first = level.is_some_and(|(first, strings)| strings.is_first(offset - first));
        if is_first || offset == 0 { Ok(offset) } else { self.alias(offset) }
    }

    #[cold]
    fn alias(&mut self, offset: u32) -> Result<u32> {
        if let Some(&canonical) = self.aliases.get(&offset) {
            return Ok(canonical);
        }
        let string = self.btf.string(StringOffset(offset))?;
        self.budget = self.budget.checked_sub(string.len()).ok_or(Error::NamesOverlap)?;
        let canonical = match self.btf.find_string(string) {
            Some(whole) => whole.0,
            None => *self.tails.entry(string).or_insert(offset),
        };
        self.aliases.insert(offset, canonical);
        Ok(canonical)
    }

    /// Whether one look tells that `offset` is the lowest of its string.
    #[inline]
    pub(super) fn is_canonical(&self, offset: u32) -> bool {
        // The lowest level's, as it nearly always is.
        self.levels.last().is_some_and(|&(first, strings)| strings.is_first(offset.wrapping_sub(first)))
    }

    /// A number that depends on the string's bytes only, the same in every run.
    pub(super) fn content(&self, offset: u32) -> u64 {
        self.btf.string_tail(StringOffset(offset)).map_or(0, |tail| hash(tail, 0, MIX).1)
    }
}
