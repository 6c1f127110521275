//! Kernel functions that BPF programs may call, as the kernel's own tables name them.
//!
//! `BTF_KFUNCS_START` puts a set into section `.BTF_ids`: a word with the number of entries, a word of flags of which
//! bit 0 says that it lists kfuncs, then pairs of words: a type id (0 until the last link) and the flags of the
//! function. Symbols tell what is where: `__BTF_ID__set8__NAME` the set, `__BTF_ID__func__NAME__N` each entry
//! (kernel commits 6f3189f38a3e and 7c05e7f3e74e).

use crate::object::{Object, Result, SymbolSection};

/// Kernel function flags that BTF carries as tags (include/linux/btf.h).
const FASTCALL: u32 = 1 << 12;

/// A function that the kernel offers to BPF programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KfuncTag {
    /// Its name.
    pub name: Vec<u8>,
    /// `KF_FASTCALL`: it spares the registers that it does not need.
    pub fastcall: bool,
}

/// The kfuncs that `object` registers, each once, by name.
pub fn kfuncs(object: &Object) -> Result<Vec<KfuncTag>> {
    let Some(section) = object.section_by_name(".BTF_ids") else { return Ok(Vec::new()) };
    let data = object.section_data(section.index)?;
    let word = |at: u64| {
        let bytes = data.get(usize::try_from(at).ok()?..)?.first_chunk::<4>()?;
        Some(if object.is_big_endian() { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    };
    let (mut sets, mut entries) = (Vec::new(), Vec::new());
    for symbol in object.symbols()?.iter() {
        if symbol.section != SymbolSection::Index(section.index) {
            continue;
        }
        let at = symbol.value.wrapping_sub(section.address);
        if symbol.name().starts_with(b"__BTF_ID__set8__") {
            if word(at.wrapping_add(4)).is_some_and(|flags| flags & 1 != 0) {
                sets.push(at..at.saturating_add(symbol.size));
            }
        } else if let Some(rest) = symbol.name().strip_prefix(b"__BTF_ID__func__") {
            // `__COUNTER__` makes the symbol unique: it is behind the last two underscores.
            let end = rest.windows(2).rposition(|pair| pair == b"__").unwrap_or(rest.len());
            entries.push((at, &rest[..end]));
        }
    }
    let mut tags: Vec<KfuncTag> = entries
        .into_iter()
        .filter(|(at, _)| sets.iter().any(|set| set.contains(at)))
        .map(|(at, name)| KfuncTag {
            name: name.to_vec(),
            fastcall: word(at.wrapping_add(4)).is_some_and(|flags| flags & FASTCALL != 0),
        })
        .collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name).then(b.fastcall.cmp(&a.fastcall)));
    tags.dedup_by(|later, first| later.name == first.name);
    Ok(tags)
}
