//! `.BTF_ids`: the ids of types that a kernel's or module's code refers to by name, filled in after linking.
//!
//! Each id is a word under a local symbol `__BTF_ID__KIND__NAME__N`. Ids that belong together are a set, under a symbol
//! `__BTF_ID__set__NAME` (a count, then ids) or `__BTF_ID__set8__NAME` (a count and flags, then pairs of id and flags);
//! the kernel searches sets by bisection, so they are sorted. When the types get other ids, these have to follow.

use btfkit_btf::TypeId;

use crate::object::{Error, Object, Result, SymbolSection};

const SECTION: &str = ".BTF_ids";
const PREFIX: &[u8] = b"__BTF_ID__";

/// The section and where its ids are.
#[derive(Debug, Default)]
pub struct BtfIds {
    bytes: Vec<u8>,
    big_endian: bool,
    /// Offsets of the ids in bytes, ascending.
    ids: Vec<usize>,
    sets: Vec<Set>,
}

#[derive(Debug, Clone, Copy)]
struct Set {
    /// Where its first entry is.
    start: usize,
    /// Bytes of an entry, the id first.
    stride: usize,
    count: usize,
}

impl BtfIds {
    /// The ids of a file; none if it has no such section.
    ///
    /// # Errors
    /// The section or the symbols cannot be read; or there are ids, but no symbols that tell where.
    pub fn of(object: &Object) -> Result<Self> {
        let Some(section) = object.section_by_name(SECTION) else { return Ok(Self::default()) };
        let mut this = Self {
            bytes: object.section_data(section.index)?.into_owned(),
            big_endian: object.is_big_endian(),
            ..Self::default()
        };
        for symbol in object.symbols()?.iter() {
            let Some(name) = symbol.name().strip_prefix(PREFIX) else { continue };
            let at = usize::try_from(symbol.value.wrapping_sub(section.address)).unwrap_or(usize::MAX);
            let inside = this.bytes.len().checked_sub(4).is_some_and(|last| at <= last);
            if symbol.section != SymbolSection::Index(section.index) || !inside || !at.is_multiple_of(4) {
                continue;
            }
            let (head, stride) = match name {
                name if name.starts_with(b"set8__") => (8, 8),
                name if name.starts_with(b"set__") => (4, 4),
                _ => {
                    this.ids.push(at);
                    continue;
                }
            };
            let fits = (this.bytes.len() - at).saturating_sub(head) / stride;
            let count = (this.word(at) as usize).min(fits);
            this.sets.push(Set { start: at + head, stride, count });
        }
        this.ids.sort_unstable();
        this.ids.dedup();
        this.keep_sets_apart();
        if this.ids.is_empty() && this.bytes.iter().any(|&byte| byte != 0) {
            return Err(Error::CannotReplace {
                file: object.path().to_path_buf(),
                section: SECTION.to_owned(),
                offset: section.offset,
                what: "there are type ids in it, but no symbols that tell where: take the file before it was stripped"
                    .to_owned(),
            });
        }
        Ok(this)
    }

    /// The types referred to, `void` left out.
    pub fn types(&self) -> Vec<TypeId> {
        self.ids.iter().map(|&at| TypeId(self.word(at))).filter(|id| !id.is_void()).collect()
    }

    /// The section with new ids, in which sets are sorted again; `None` when there is nothing to change. An id that has
    /// no new one becomes `void`, as one that was not found.
    pub fn renumbered(&self, map: impl Fn(TypeId) -> Option<TypeId>) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        for &at in &self.ids {
            let new = map(TypeId(self.word(at))).unwrap_or_default();
            let word = if self.big_endian { new.0.to_be_bytes() } else { new.0.to_le_bytes() };
            bytes[at..at + 4].copy_from_slice(&word);
        }
        for set in &self.sets {
            let entries = &mut bytes[set.start..set.start + set.count * set.stride];
            let mut sorted: Vec<Vec<u8>> = entries.chunks_exact(set.stride).map(<[u8]>::to_vec).collect();
            sorted.sort_by_key(|entry| self.read(entry));
            for (entry, sorted) in entries.chunks_exact_mut(set.stride).zip(&sorted) {
                entry.copy_from_slice(sorted);
            }
        }
        (bytes != self.bytes).then_some(bytes)
    }

    /// Only a broken file has sets inside sets; then the first one counts.
    fn keep_sets_apart(&mut self) {
        self.sets.sort_by_key(|set| set.start);
        let mut end = 0;
        self.sets.retain(|set| {
            let apart = set.start >= end;
            if apart {
                end = set.start + set.count * set.stride;
            }
            apart
        });
    }

    fn word(&self, at: usize) -> u32 {
        self.read(&self.bytes[at..])
    }

    fn read(&self, bytes: &[u8]) -> u32 {
        let word = bytes.first_chunk::<4>().copied().unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lone id, then a set of pairs at 4 (count and flags first).
    fn ids(big_endian: bool) -> BtfIds {
        let word = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
        let bytes = [5, 2, 0, 7, 70, 9, 90].into_iter().flat_map(word).collect();
        let set = Set { start: 12, stride: 8, count: 2 };
        BtfIds { bytes, big_endian, ids: vec![0, 12, 20], sets: vec![set] }
    }

    #[test]
    fn ids_get_their_new_numbers_and_sets_are_sorted_by_them() {
        for big_endian in [false, true] {
            let ids = ids(big_endian);
            assert_eq!(ids.types(), [5, 7, 9].map(TypeId));
            let renumbered = ids.renumbered(|id| (id.0 != 5).then(|| TypeId(100 - id.0))).unwrap();
            let words: Vec<u32> = renumbered.chunks(4).map(|word| ids.read(word)).collect();
            assert_eq!(words, [0, 2, 0, 91, 90, 93, 70]);
            assert_eq!(ids.renumbered(Some), None);
        }
    }

    #[test]
    fn of_sets_inside_each_other_the_first_counts() {
        let mut ids = ids(false);
        ids.sets.push(Set { start: 16, stride: 4, count: 3 });
        ids.sets.push(Set { start: 4, stride: 4, count: 2 });
        ids.keep_sets_apart();
        assert_eq!(ids.sets.iter().map(|set| set.start).collect::<Vec<_>>(), [4, 12]);
    }
}
