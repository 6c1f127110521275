//! kallsyms: the kernel's symbol table as it stands in its own memory.
//!
//! Names are compressed: each is a length and that many bytes, and each byte stands for a token of a table of 256 strings.
//! The first character of an expanded name is the symbol's kind. From Linux 6.1 on, lengths of 128 and more take two bytes.
//! Addresses stand in a table of their own, in one of four encodings:
//!
//! | until | encoding |
//! |---|---|
//! | 6.11 | absolute: pointers, where a kernel was built without relative ones |
//! | 6.19 | relative: unsigned 32 bits from a base |
//! | 6.14 | the same with absolute per-CPU symbols: signed 32 bits; what is not negative is the address itself, what is negative counts down from just below the base |
//! | today | relative to the place of the entry: signed 32 bits |
//!
//! Nothing in the dump says which is used, nor how lengths are written, and distributions carry later changes back. So each
//! is tried, and the one under which `_stext` has the address that VMCOREINFO gives is it.

use btfkit_vmcore::{Memory, VirtualAddress, VmcoreInfo};

use super::{Entry, Symbols, scan};
use crate::error::{self, Error, Result};

/// More than ten times as many as any kernel has.
pub(super) const MOST_SYMBOLS: u32 = 1 << 22;
/// Longest name, kind included (`KSYM_NAME_LEN`).
const LONGEST_NAME: usize = 512;
/// Longest stream of names, in bytes: ten times that of the largest kernels.
const LONGEST_NAMES: u64 = 32 << 20;
/// Bytes that are read of streams of names before it is given up to find the right one.
const MOST_TRIED: u64 = 1 << 30;
/// Longest text of all names, in bytes.
const LONGEST_TEXT: usize = 64 << 20;

/// Where the parts of the table are.
pub(super) struct Places {
    pub(super) count: u32,
    pub(super) names: VirtualAddress,
    pub(super) tokens: VirtualAddress,
    pub(super) token_index: VirtualAddress,
    /// Relative offsets, or absolute addresses.
    pub(super) addresses: VirtualAddress,
    pub(super) absolute: bool,
    pub(super) relative_base: Option<u64>,
    pub(super) stext: VirtualAddress,
}

pub(super) fn read(memory: &Memory) -> Result<Symbols> {
    let info = memory.dump().vmcoreinfo().ok_or(Error::NoSymbols { reason: "there is no VMCOREINFO" })?;
    if let Some(places) = Places::named(memory, info)? {
        return read_at(memory, &[places]);
    }
    let stext =
        info.symbol("_stext").ok_or(Error::NoSymbols { reason: "VMCOREINFO has no SYMBOL(_stext)" })?;
    let found = scan::places(memory, stext);
    let mut left = MOST_TRIED;
    let mut is_left = |places: &Places| {
        let rest = left.checked_sub(places.tokens.0.saturating_sub(places.names.0));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let try_at = |alike: &Vec<Places>| {
        let are_names = begins_with_names(memory, &alike[0]) && is_left(&alike[0]);
        are_names.then(|| read_at(memory, alike).ok()).flatten()
    };
    let found = found.iter().find_map(try_at);
    found
        .ok_or(Error::NoSymbols { reason: "VMCOREINFO does not say where kallsyms is, and it was not found" })
}

/// Whether what is at the place of names begins as names do. Nearly all that merely look like a number of names do not.
fn begins_with_names(memory: &Memory, places: &Places) -> bool {
    const FIRST: u32 = 16;
    let length = places.tokens.0.saturating_sub(places.names.0).min(u64::from(FIRST) * LONGEST_NAME as u64);
    let Ok(start) = memory.bytes(places.names, length as usize) else { return false };
    let Ok(tokens) = tokens(memory, places) else { return false };
    [true, false].into_iter().any(|long_lengths| {
        let first = expand(&start, places.count.min(FIRST), &tokens, long_lengths);
        first.is_some_and(|(_, entries)| entries.iter().all(|entry| entry.kind.is_ascii_alphabetic()))
    })
}

/// Reads the names at these places, which differ in where the addresses are, and takes the addresses that go with `_stext`.
fn read_at(memory: &Memory, alike: &[Places]) -> Result<Symbols> {
    let Some(places) = alike.first() else {
        return Err(Error::NoSymbols { reason: "there is no place to look for them" });
    };
    let tokens = tokens(memory, places)?;
    // Names end before the table of tokens in every kernel; the markers between are not read.
    let length = places.tokens.0.saturating_sub(places.names.0);
    if length == 0 || length > LONGEST_NAMES {
        return Err(Error::BrokenTable { what: "kallsyms_names", address: places.names });
    }
    let stream = memory.bytes(places.names, length as usize).map_err(error::of("kallsyms_names"))?;
    for long_lengths in [true, false] {
        let Some((text, mut entries)) = expand(&stream, places.count, &tokens, long_lengths) else {
            continue;
        };
        let is_stext = |entry: &Entry| {
            let start = entry.name as usize;
            text.as_bytes().get(start..start + usize::from(entry.length)) == Some(b"_stext")
        };
        let Some(stext) = entries.iter().position(is_stext) else { continue };
        for places in alike {
            match set_addresses(memory, places, stext, &mut entries) {
                Ok(true) => return Ok(Symbols::new(text, entries)),
                Err(error) if alike.len() == 1 => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
    }
    Err(Error::BrokenTable { what: "kallsyms", address: places.names })
}

impl Places {
    /// As VMCOREINFO gives them (since Linux 6.0, and where distributions have carried that back); `None` if it does not.
    fn named(memory: &Memory, info: &VmcoreInfo) -> Result<Option<Self>> {
        let symbol = |name: &str| info.symbol(name);
        let parts = (
            symbol("kallsyms_num_syms"),
            symbol("kallsyms_names"),
            symbol("kallsyms_token_table"),
            symbol("kallsyms_token_index"),
            symbol("kallsyms_offsets").or_else(|| symbol("kallsyms_addresses")),
            symbol("_stext"),
        );
        let (Some(count), Some(names), Some(tokens), Some(token_index), Some(addresses), Some(stext)) = parts
        else {
            return Ok(None);
        };
        let count = memory.u32(count).map_err(error::of("kallsyms_num_syms"))?;
        if count == 0 || count > MOST_SYMBOLS {
            return Err(Error::NoSymbols { reason: "kallsyms_num_syms is impossible" });
        }
        let relative_base = match symbol("kallsyms_relative_base") {
            Some(place) => Some(memory.u64(place).map_err(error::of("kallsyms_relative_base"))?),
            None => None,
        };
        let absolute = symbol("kallsyms_offsets").is_none();
        Ok(Some(Self { count, names, tokens, token_index, addresses, absolute, relative_base, stext }))
    }
}

/// The 256 tokens.
fn tokens(memory: &Memory, places: &Places) -> Result<Tokens> {
    let broken = Error::BrokenTable { what: "kallsyms_token_table", address: places.tokens };
    let index = memory.bytes(places.token_index, 512).map_err(error::of("kallsyms_token_index"))?;
    let order = memory.byte_order();
    let offsets: Vec<u64> = (0..256).map(|token| u64::from(order.u16(&index, token * 2))).collect();
    if offsets[0] != 0 || !offsets.is_sorted() {
        return Err(broken);
    }
    let read = |offset: &u64| {
        let address = VirtualAddress(places.tokens.0.wrapping_add(*offset));
        memory.c_string(address, LONGEST_NAME).map_err(error::of("kallsyms_token_table"))
    };
    let tokens: Result<Vec<_>> = offsets.iter().map(read).collect();
    Tokens::new(tokens?).ok_or(broken)
}

/// Tokens in pieces of one size, which copy faster than slices of any length.
struct Tokens {
    pieces: Vec<([u8; PIECE], usize)>,
    /// Those that are longer than a piece.
    long: Vec<Vec<u8>>,
}

/// All tokens of most kernels are shorter.
const PIECE: usize = 16;

impl Tokens {
    /// `None` if they are not in ASCII: C and assembler know nothing else, and other languages are mangled.
    fn new(tokens: Vec<Vec<u8>>) -> Option<Self> {
        let piece = |token: &Vec<u8>| {
            let mut piece = [0; PIECE];
            let length = token.len().min(PIECE);
            piece[..length].copy_from_slice(&token[..length]);
            (piece, token.len())
        };
        let is_ascii = tokens.iter().all(|token| token.is_ascii());
        is_ascii.then(|| Self { pieces: tokens.iter().map(piece).collect(), long: tokens })
    }
}

/// Expands `count` names, one after the other in one text, to symbols without addresses; `None` if the stream does not hold
/// so many, or they make no sense.
fn expand(stream: &[u8], count: u32, tokens: &Tokens, long_lengths: bool) -> Option<(String, Vec<Entry>)> {
    let mut at = 0;
    // Grows with what is found; names take three bytes at least.
    let mut text = vec![0; stream.len() * 3 + LONGEST_NAME + PIECE];
    let mut end = 0;
    let mut entries = Vec::with_capacity((count as usize).min(stream.len() / 2));
    for _ in 0..count {
        let mut length = usize::from(*stream.get(at)?);
        at += 1;
        if long_lengths && length & 0x80 != 0 {
            length = length & 0x7f | usize::from(*stream.get(at)?) << 7;
            at += 1;
        }
        let start = end;
        if start > LONGEST_TEXT {
            return None;
        }
        if text.len() < start + LONGEST_NAME + PIECE {
            text.resize(text.len() * 2, 0);
        }
        for &token in stream.get(at..at + length)? {
            let (piece, size) = tokens.pieces.get(usize::from(token))?;
            if end + size > start + LONGEST_NAME {
                return None;
            }
            match tokens.long.get(usize::from(token)) {
                Some(long) if *size > PIECE => text[end..end + size].copy_from_slice(long),
                _ => text[end..end + PIECE].copy_from_slice(piece),
            }
            end += size;
        }
        at += length;
        // A kind and a name.
        if end < start + 2 {
            return None;
        }
        let (name, length) = (start as u32 + 1, (end - start) as u16 - 1);
        entries.push(Entry { address: 0, name, length, kind: text[start] });
    }
    text.truncate(end);
    Some((String::from_utf8(text).ok()?, entries))
}

/// Gives all symbols their addresses, in the encoding under which the one at `stext` has its own; `false` if there is none.
fn set_addresses(memory: &Memory, places: &Places, stext: usize, entries: &mut [Entry]) -> Result<bool> {
    let order = memory.byte_order();
    let width = if places.absolute { 8 } else { 4 };
    let bytes =
        memory.bytes(places.addresses, entries.len() * width).map_err(error::of("kallsyms_offsets"))?;
    let entry = |index: usize| order.u32(&bytes, index * 4);
    let signed = |index: usize| i64::from(entry(index) as i32);
    let base = places.relative_base.unwrap_or(0);
    let absolute = |index: usize| order.u64(&bytes, index * 8);
    let relative = |index: usize| base.wrapping_add(u64::from(entry(index)));
    let absolute_percpu = |index: usize| match signed(index) {
        offset @ 0.. => offset as u64,
        offset => base.wrapping_sub(1).wrapping_sub(offset as u64),
    };
    let in_place =
        |index: usize| places.addresses.0.wrapping_add(index as u64 * 4).wrapping_add(signed(index) as u64);
    let encodings: [&dyn Fn(usize) -> u64; 4] = [&absolute, &relative, &absolute_percpu, &in_place];
    let possible = match (places.absolute, places.relative_base) {
        (true, _) => &encodings[..1],
        (false, Some(_)) => &encodings[1..3],
        (false, None) => &encodings[3..],
    };
    let fits = |encoding: &&&dyn Fn(usize) -> u64| encoding(stext) == places.stext.0;
    let Some(encoding) = possible.iter().find(fits) else { return Ok(false) };
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.address = encoding(index);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens that stand for themselves, but for those that are given.
    fn tokens(special: &[(u8, &str)]) -> Tokens {
        let mut all: Vec<Vec<u8>> = (0..=255u8).map(|token| vec![token & 0x7f]).collect();
        for (token, text) in special {
            all[usize::from(*token)] = text.as_bytes().to_vec();
        }
        Tokens::new(all).unwrap()
    }

    fn names(expanded: &(String, Vec<Entry>)) -> Vec<(char, &str)> {
        let (text, entries) = expanded;
        let name = |entry: &Entry| {
            let start = entry.name as usize;
            (char::from(entry.kind), &text[start..start + usize::from(entry.length)])
        };
        entries.iter().map(name).collect()
    }

    #[test]
    fn names_are_expanded_token_by_token_also_long_ones() {
        let long = "a_token_that_is_longer_than_a_piece";
        let tokens = tokens(&[(0x80, "init_"), (0x81, long)]);
        let stream = b"\x03T\x80x\x02d\x81\x02D\x80";
        let expanded = expand(stream, 3, &tokens, true).unwrap();
        assert_eq!(names(&expanded), [('T', "init_x"), ('d', long), ('D', "init_")]);
    }

    #[test]
    fn lengths_from_128_on_take_two_bytes_in_one_format_and_one_in_the_other() {
        let tokens = tokens(&[]);
        let name = "x".repeat(199);
        let two = [&[0x80 | 200 & 0x7f, 1][..], b"T", name.as_bytes()].concat();
        assert_eq!(names(&expand(&two, 1, &tokens, true).unwrap()), [('T', name.as_str())]);
        let one = [&[200][..], b"T", name.as_bytes()].concat();
        assert_eq!(names(&expand(&one, 1, &tokens, false).unwrap()), [('T', name.as_str())]);
    }

    #[test]
    fn a_stream_that_ends_early_or_swells_is_no_table() {
        let swelling = "y".repeat(LONGEST_NAME);
        let tokens = tokens(&[(0x80, ""), (0x81, &swelling)]);
        for stream in [&b"\x03Tx"[..], b"", b"\x01\x80", b"\x01T", b"\x02T\x81"] {
            assert!(expand(stream, 1, &tokens, true).is_none(), "{stream:?}");
        }
        // 40 MB of names of the greatest length: more than any kernel's.
        let stream = b"\x02\x82\x83".repeat(LONGEST_TEXT / LONGEST_NAME + 2);
        let half = "z".repeat(LONGEST_NAME / 2);
        let tokens = self::tokens(&[(0x82, &half), (0x83, &half)]);
        let count = (stream.len() / 3) as u32;
        assert!(expand(&stream, count, &tokens, true).is_none());
        assert!(expand(&stream, 10, &tokens, true).is_some());
    }
}
