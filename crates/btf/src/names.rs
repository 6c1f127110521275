//! Types by name: sorting names fast, and the index that lookups use.
//!
//! Names are sorted eight bytes at a time. The first eight bytes of every name become a number; those numbers are
//! sorted, and only runs of equal ones look at the next eight bytes. So a comparison is one of two integers and never
//! walks a string, which matters because kernel names share long prefixes.

use crate::{Btf, StringOffset};
use std::ffi::CStr;
use std::ops::Range;

/// Names are told apart by this many bytes; the kernel allows 511. A bound, so that no input can make sorting slow.
pub(crate) const NAME_LIMIT: usize = 1024;

/// A type on its way to its place among the names.
#[derive(Clone, Copy)]
pub(crate) struct NameKey {
    /// The eight bytes of the name looked at last, first byte highest, zeros after the end.
    chunk: u64,
    pub(crate) name: StringOffset,
    /// Index among the own types.
    pub(crate) index: u32,
}

/// Eight bytes of the name from `depth` on, first byte highest; zeros after its end.
fn chunk(btf: &Btf<'_>, name: StringOffset, depth: usize) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    if name.is_empty() {
        return 0;
    }
    let tail = btf.string_tail(name).and_then(|tail| tail.get(depth..)).unwrap_or_default();
    let bytes = match tail.first_chunk::<8>() {
        Some(&bytes) => bytes,
        None => std::array::from_fn(|i| tail.get(i).copied().unwrap_or(0)),
    };
    let value = u64::from_le_bytes(bytes);
    // The lowest set bit is exact: it marks the first zero byte.
    let zeros = value.wrapping_sub(ONES) & !value & (ONES << 7);
    let kept = if zeros == 0 { value } else { value & ((1u64 << (zeros.trailing_zeros() & !7)) - 1) };
    kept.swap_bytes()
}

/// The part of a name that tells it apart from others.
pub(crate) fn compared_part<'a>(btf: &'a Btf<'_>, name: StringOffset) -> &'a [u8] {
    if name.is_empty() {
        return &[];
    }
    let tail = btf.string_tail(name).unwrap_or_default();
    let tail = &tail[..tail.len().min(NAME_LIMIT)];
    CStr::from_bytes_until_nul(tail).map_or(tail, CStr::to_bytes)
}

/// All own types sorted by name; those of equal names in the order of ids.
pub(crate) fn sorted(btf: &Btf<'_>) -> Vec<NameKey> {
    let mut keys: Vec<NameKey> = btf
        .types()
        .enumerate()
        .map(|(index, ty)| {
            let name = ty.name_offset();
            NameKey { chunk: chunk(btf, name, 0), name, index: index as u32 }
        })
        .collect();
    let mut runs = vec![(0..keys.len(), 0)];
    while let Some((run, depth)) = runs.pop() {
        let keys = &mut keys[run.clone()];
        if depth > 0 {
            for key in keys.iter_mut() {
                key.chunk = chunk(btf, key.name, depth);
            }
        }
        keys.sort_unstable_by_key(|key| (key.chunk, key.index));
        let mut start = 0;
        for equal in keys.chunk_by(|a, b| a.chunk == b.chunk) {
            let end = start + equal.len();
            let ended = equal[0].chunk & 0xff == 0 || depth + 8 >= NAME_LIMIT;
            let one_string = || equal.iter().all(|key| key.name == equal[0].name);
            if equal.len() > 1 && !ended && !one_string() {
                runs.push((run.start + start..run.start + end, depth + 8));
            }
            start = end;
        }
    }
    keys
}

/// Own types in the order of their names.
pub(crate) enum NameIndex {
    /// They already are: nothing to hold.
    Sorted,
    /// Indices among the own types, sorted by name.
    Permutation(Vec<u32>),
}

impl NameIndex {
    pub(crate) fn new(btf: &Btf<'_>) -> Self {
        if btf.types().map(crate::Type::name).is_sorted() {
            return Self::Sorted;
        }
        Self::Permutation(sorted(btf).into_iter().map(|key| key.index).collect())
    }

    pub(crate) fn is_sorted(&self) -> bool {
        matches!(self, Self::Sorted)
    }

    /// Index among the own types of the type at `position` in the order of names.
    pub(crate) fn own_index(&self, position: usize) -> usize {
        match self {
            Self::Sorted => position,
            Self::Permutation(order) => order[position] as usize,
        }
    }

    /// Positions of the types with this name.
    pub(crate) fn positions(&self, btf: &Btf<'_>, name: &[u8]) -> Range<usize> {
        let name_at = |position: usize| btf.own(self.own_index(position)).name();
        let count = btf.type_count() as usize;
        let start = partition_point(0..count, |position| name_at(position) < name);
        let end = partition_point(start..count, |position| name_at(position) <= name);
        start..end
    }
}

/// First position of a range for which `before` no longer holds.
fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}
