//! The kernel's image in memory, for what has to be looked for because no symbol tells where it is.
//!
//! All of the image lies in one piece of physical memory, so that the pages behind `_stext` whose physical addresses are as far
//! from their virtual ones as that of `_stext` are its own; what else is mapped near it (on arm64, memory of vmalloc and
//! modules) is not. What was freed after boot may be missing in the middle.

use std::ops::{ControlFlow, Range};

use btfkit_vmcore::{Memory, VirtualAddress};

/// How far behind the start of the kernel's text its image is believed to reach, in bytes.
pub(crate) const REACH: u64 = 192 << 20;
/// Memory is looked through in pieces of this size, in bytes.
pub(crate) const PIECE: usize = 1 << 20;
/// The smallest page, in bytes.
const PAGE: u64 = 4096;

/// Which addresses are the image's, from `_stext` on.
#[derive(Debug, Default)]
pub(crate) struct Image {
    parts: Vec<Range<u64>>,
}

impl Image {
    /// No address is in it.
    pub(crate) const NONE: Self = Self { parts: Vec::new() };

    /// The image whose text begins at `stext`, up to `end` where that is known. Empty if the page tables do not map it.
    pub(crate) fn of(memory: &Memory, stext: VirtualAddress, end: Option<VirtualAddress>) -> Self {
        let limit = stext.0.saturating_add(REACH);
        let end = end.map_or(limit, |end| end.0.min(limit));
        let mut parts: Vec<Range<u64>> = Vec::new();
        let mut distance = None;
        let mut at = stext.0 & !(PAGE - 1);
        while at < end {
            let Ok(mapping) = memory.translate(VirtualAddress(at)) else {
                at = at.saturating_add(PAGE);
                continue;
            };
            let next = mapping.start.0.saturating_add(mapping.size).min(end);
            let own = mapping.start.0.wrapping_sub(mapping.physical.0);
            if *distance.get_or_insert(own) == own {
                match parts.last_mut() {
                    Some(last) if last.end == at => last.end = next,
                    _ => parts.push(at..next),
                }
            }
            at = next;
        }
        Self { parts }
    }

    /// Whether an address is the image's.
    pub(crate) fn contains(&self, address: VirtualAddress) -> bool {
        let after = self.parts.partition_point(|part| part.start <= address.0);
        self.parts[..after].last().is_some_and(|part| part.contains(&address.0))
    }

    /// Shows all of it to `look`, piece by piece with the address of each, which is a page's; each piece goes on for `overlap`
    /// bytes into the next one where they lie side by side. What is not in the dump reads as zeros: gives the
    /// number of such pages that were met.
    pub(crate) fn look_through(
        &self,
        memory: &Memory,
        overlap: usize,
        mut look: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> usize {
        let mut missing = 0;
        let mut piece = Vec::new();
        for part in &self.parts {
            let mut at = part.start;
            while at < part.end {
                let length = (part.end - at).min((PIECE + overlap) as u64);
                piece.resize(length as usize, 0);
                let was = read_what_is_there(memory, at, &mut piece);
                missing += was.missing;
                if was.is_mapped && look(at, &piece).is_break() {
                    return missing;
                }
                at += PIECE as u64;
            }
        }
        missing
    }
}

/// What was there to read.
pub(crate) struct WasThere {
    pub(crate) is_mapped: bool,
    /// Pages among the first [`PIECE`] bytes that are mapped, but not in the dump.
    missing: usize,
}

/// Reads page by page; what is not there reads as zeros. Where nothing is mapped, `piece` stays as it is.
pub(crate) fn read_what_is_there(memory: &Memory, start: u64, piece: &mut [u8]) -> WasThere {
    let mut was = WasThere { is_mapped: false, missing: 0 };
    for mapped in memory.mapped(start..start.saturating_add(piece.len() as u64)) {
        if !was.is_mapped {
            piece.fill(0);
            was.is_mapped = true;
        }
        let (mut at, end) = ((mapped.start - start) as usize, (mapped.end - start) as usize);
        while at < end {
            let next = end.min(at + PAGE as usize - (start as usize).wrapping_add(at) % PAGE as usize);
            let read = memory.read(VirtualAddress(start + at as u64), &mut piece[at..next]);
            was.missing += usize::from(at < PIECE && read.is_err());
            at = next;
        }
    }
    was
}
