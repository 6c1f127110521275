//! The kernel's image in memory, for what has to be looked for because no symbol tells where it is.
//!
//! All of the image lies in one piece of physical memory, so that the pages behind `_stext` whose physical addresses are as far
//! from their virtual ones as that of `_stext` are its own; what else is mapped near it (on arm64, memory of vmalloc and
//! modules) is not. What was freed after boot may be missing in the middle.

use std::ops::{ControlFlow, Range};

use btfkit_vmcore::{Error as MemoryError, Memory, VirtualAddress};

/// How far behind the start of the kernel's text its image is believed to reach, in bytes.
pub(crate) const REACH: u64 = 192 << 20;
/// Memory is looked through in pieces of this size, in bytes.
const PIECE: usize = 1 << 20;
/// The smallest page, in bytes.
const PAGE: u64 = 4096;

/// Which addresses are the image's, from `_stext` on.
#[derive(Debug, Default)]
pub(crate) struct Image {
    parts: Vec<Range<u64>>,
}

impl Image {
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
                missing += read_what_is_there(memory, at, &mut piece);
                if look(at, &piece).is_break() {
                    return missing;
                }
                at += PIECE as u64;
            }
        }
        missing
    }
}

/// Reads page by page. What is not there reads as zeros; gives the number of pages that are mapped, but not in the dump.
pub(crate) fn read_what_is_there(memory: &Memory, start: u64, piece: &mut [u8]) -> usize {
    let mut missing = 0;
    for (index, page) in piece.chunks_mut(PAGE as usize).enumerate() {
        let at = VirtualAddress(start.wrapping_add(index as u64 * PAGE));
        if let Err(error) = memory.read(at, page) {
            page.fill(0);
            missing += usize::from(!matches!(error, MemoryError::NotMapped(_)));
        }
    }
    missing
}
