//! kallsyms where VMCOREINFO does not say where it is (before Linux 6.0): found by what its tables look like.
//!
//! The table of tokens has a landmark: compression leaves digits alone, so that the tokens at the places of `0` to `9` in
//! ASCII are these digits, one after the other. The table's own index follows it and tells where it starts; everything else
//! is found from there. Up to Linux 6.3 the order is: offsets, base, count, names, markers, tokens, index; from 6.4 on offsets
//! and base come last. Each part is aligned to 8 bytes.

use btfkit_vmcore::{Memory, VirtualAddress};

use super::kallsyms::{MOST_SYMBOLS, Places};
use crate::image::{PIECE, REACH, read_what_is_there};

/// What the tokens of the ten digits look like.
const DIGITS: &[u8; 20] = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0";
/// Longest stretch of bytes that 256 tokens take.
const TOKENS: usize = 16 << 10;
/// Longest stretch of bytes from the number of names to the tokens.
const NAMES: u64 = 32 << 20;
/// Places that are believed, and tables of tokens that are looked around, at most: no kernel has more than one of these.
const MOST_PLACES: usize = 1 << 16;
const MOST_TABLES: usize = 16;
/// Fewer names than this no kernel has.
const FEWEST_SYMBOLS: u32 = 1000;

/// The places that the tables may be at, those with the same names together: each has to be tried.
pub(super) fn places(memory: &Memory, stext: VirtualAddress) -> Vec<Vec<Places>> {
    let mut found = Vec::new();
    let mut tables = 0;
    let mut piece = vec![0; PIECE + TOKENS];
    for offset in (0..REACH).step_by(PIECE) {
        let start = stext.0.wrapping_add(offset);
        if !read_what_is_there(memory, start, &mut piece).is_mapped {
            continue;
        }
        let mut at = 0;
        while let Some(next) = position(&piece[at..], DIGITS) {
            at += next;
            if at >= PIECE {
                break;
            }
            if tables < MOST_TABLES
                && let Some(tokens) = Tokens::around(&piece, start, at)
            {
                tables += 1;
                found.extend(tokens.places(memory, stext));
            }
            at += 1;
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// The table of tokens and its index.
struct Tokens {
    tokens: u64,
    index: u64,
}

impl Tokens {
    /// The tables whose digits are at `digits` in `piece`, which begins at `start`.
    fn around(piece: &[u8], start: u64, digits: usize) -> Option<Self> {
        // From `0` on, so many tokens to the end.
        let mut at = digits;
        for _ in usize::from(b'0')..256 {
            at += piece.get(at..)?.iter().take(TOKENS).position(|&byte| byte == 0)? + 1;
        }
        let index = at.next_multiple_of(8) + (8 - (start % 8) as usize) % 8;
        let entry = |token: usize| {
            let bytes = piece.get(index + token * 2..index + token * 2 + 2)?;
            Some([u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([bytes[0], bytes[1]])])
        };
        // The index says how far behind its start the table's digits are, in one byte order or the other.
        let zero = entry(usize::from(b'0'))?;
        let which = usize::from(entry(0)? != [0, 0] || usize::from(zero[0]) > TOKENS);
        let tokens = digits.checked_sub(usize::from(zero[which]))?;
        let nine = entry(usize::from(b'9'))?[which];
        let is_index = entry(0)? == [0, 0] && nine == zero[which] + 18;
        is_index.then(|| Self { tokens: start + tokens as u64, index: start + index as u64 })
    }

    /// Where the other tables are.
    fn places(&self, memory: &Memory, stext: VirtualAddress) -> Vec<Vec<Places>> {
        let order = memory.byte_order();
        let mut found = Vec::new();
        let mut piece = vec![0; PIECE];
        for behind in (0..NAMES).step_by(PIECE) {
            let start = (self.tokens & !7).wrapping_sub(behind + PIECE as u64);
            if !read_what_is_there(memory, start, &mut piece).is_mapped {
                continue;
            }
            for offset in (0..PIECE).step_by(8) {
                // The number has 32 bits; what fills it up to 64 comes behind it in either byte order.
                let (number, rest) = (order.u32(&piece, offset), order.u32(&piece, offset + 4));
                let names = start + offset as u64 + 8;
                // A name takes three bytes at least: its length, its kind, itself.
                let room = self.tokens.saturating_sub(names) / 3;
                let is_count = rest == 0 && (FEWEST_SYMBOLS..=MOST_SYMBOLS).contains(&number);
                if is_count && u64::from(number) <= room && found.len() < MOST_PLACES {
                    found.push(self.with_names(memory, stext, names, number));
                }
            }
        }
        found
    }

    /// The addresses come before the number of names, or behind the tokens' index.
    fn with_names(&self, memory: &Memory, stext: VirtualAddress, names: u64, count: u32) -> Vec<Places> {
        let (wide, narrow) = (u64::from(count) * 8, (u64::from(count) * 4).next_multiple_of(8));
        let place = |addresses: u64, absolute: bool, base: Option<u64>| Places {
            count,
            names: VirtualAddress(names),
            tokens: VirtualAddress(self.tokens),
            token_index: VirtualAddress(self.index),
            addresses: VirtualAddress(addresses),
            absolute,
            relative_base: base.and_then(|place| memory.u64(VirtualAddress(place)).ok()),
            stext,
        };
        let behind = self.index + 512;
        vec![
            place(names.wrapping_sub(16 + narrow), false, Some(names.wrapping_sub(16))),
            place(names.wrapping_sub(8 + wide), true, None),
            place(behind, false, Some(behind + narrow)),
            place(behind, true, None),
            // From their own places: no base is needed.
            place(behind, false, None),
        ]
    }
}
