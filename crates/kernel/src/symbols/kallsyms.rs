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
/// Longest stream of names, in bytes.
const LONGEST_NAMES: u64 = 256 << 20;

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
        return read_at(memory, &places);
    }
    let stext =
        info.symbol("_stext").ok_or(Error::NoSymbols { reason: "VMCOREINFO has no SYMBOL(_stext)" })?;
    let found = scan::places(memory, stext);
    let found = found.iter().find_map(|places| read_at(memory, places).ok());
    found
        .ok_or(Error::NoSymbols { reason: "VMCOREINFO does not say where kallsyms is, and it was not found" })
}

fn read_at(memory: &Memory, places: &Places) -> Result<Symbols> {
    let tokens = tokens(memory, places)?;
    // Names end before the table of tokens in every kernel; the markers between are not read.
    let length = places.tokens.0.saturating_sub(places.names.0);
    if length == 0 || length > LONGEST_NAMES {
        return Err(Error::BrokenTable { what: "kallsyms_names", address: places.names });
    }
    let stream = memory.bytes(places.names, length as usize).map_err(error::of("kallsyms_names"))?;
    for long_lengths in [true, false] {
        let Some(names) = expand(&stream, places.count, &tokens, long_lengths) else { continue };
        let Some(stext) = names.iter().position(|name| name.is(&names.text, "_stext")) else { continue };
        let Some(addresses) = addresses(memory, places, stext)? else { continue };
        let entries = names.names.iter().zip(addresses).map(|(name, address)| Entry {
            address,
            name: name.start,
            length: name.length,
            kind: name.kind,
        });
        return Ok(Symbols::new(names.text, entries.collect()));
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
fn tokens(memory: &Memory, places: &Places) -> Result<Vec<Vec<u8>>> {
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
    offsets.iter().map(read).collect()
}

/// Names that are expanded, one after the other in one text.
struct Names {
    text: String,
    names: Vec<Name>,
}

struct Name {
    start: u32,
    length: u16,
    kind: u8,
}

impl Name {
    fn is(&self, text: &str, name: &str) -> bool {
        let start = self.start as usize;
        usize::from(self.length) == name.len() && text.get(start..start + name.len()) == Some(name)
    }
}

impl Names {
    fn iter(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }
}

/// Expands `count` names; `None` if the stream does not hold so many, or they make no sense.
fn expand(stream: &[u8], count: u32, tokens: &[Vec<u8>], long_lengths: bool) -> Option<Names> {
    let mut at = 0;
    let mut text: Vec<u8> = Vec::with_capacity(stream.len() * 3);
    let mut names = Vec::with_capacity((count as usize).min(stream.len()));
    for _ in 0..count {
        let mut length = usize::from(*stream.get(at)?);
        at += 1;
        if long_lengths && length & 0x80 != 0 {
            length = length & 0x7f | usize::from(*stream.get(at)?) << 7;
            at += 1;
        }
        let start = text.len();
        for &token in stream.get(at..at + length)? {
            text.extend_from_slice(tokens.get(usize::from(token))?);
        }
        at += length;
        let length = text.len() - start;
        // A kind and a name, in ASCII: C and assembler know nothing else, and other languages are mangled.
        if !(2..=LONGEST_NAME).contains(&length) || !text[start..].is_ascii() {
            return None;
        }
        names.push(Name { start: start as u32 + 1, length: length as u16 - 1, kind: text[start] });
    }
    Some(Names { text: String::from_utf8(text).ok()?, names })
}

/// The addresses of all symbols, in the encoding that gives the one at `stext` its address; `None` if none does.
fn addresses(memory: &Memory, places: &Places, stext: usize) -> Result<Option<Vec<u64>>> {
    let (count, order) = (places.count as usize, memory.byte_order());
    let width = if places.absolute { 8 } else { 4 };
    let bytes = memory.bytes(places.addresses, count * width).map_err(error::of("kallsyms_offsets"))?;
    let entry = |index: usize| order.u32(&bytes, index * 4);
    let signed = |index: usize| i64::from(entry(index) as i32);
    let base = places.relative_base.unwrap_or(0);
    let absolute = |index: usize| order.u64(&bytes, index * 8);
    let relative = |index: usize| base.wrapping_add(u64::from(entry(index)));
    let absolute_percpu = |index: usize| match signed(index) {
        offset @ 0.. => offset as u64,
        offset => base.wrapping_sub(1).wrapping_sub(offset as u64),
    };
    let in_place = |index: usize| (places.addresses.0 + index as u64 * 4).wrapping_add(signed(index) as u64);
    let encodings: [&dyn Fn(usize) -> u64; 4] = [&absolute, &relative, &absolute_percpu, &in_place];
    let possible = match (places.absolute, places.relative_base) {
        (true, _) => &encodings[..1],
        (false, Some(_)) => &encodings[1..3],
        (false, None) => &encodings[3..],
    };
    let fits = |encoding: &&&dyn Fn(usize) -> u64| encoding(stext) == places.stext.0;
    Ok(possible.iter().find(fits).map(|encoding| (0..count).map(encoding).collect()))
}
