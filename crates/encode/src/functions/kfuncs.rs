//! Kernel functions that BPF programs may call, as the kernel's own tables name them.
//!
//! `BTF_KFUNCS_START` puts a set into section `.BTF_ids`: a word with the number of entries, a word of flags of which
//! bit 0 says that it lists kfuncs, then pairs of words: a type id (0 until the last link) and the flags of the
//! function. Symbols tell what is where: `__BTF_ID__set8__NAME` the set, `__BTF_ID__func__NAME__N` each entry
//! (kernel commits 6f3189f38a3e and 7c05e7f3e74e).

use super::{FunctionChoice, Verdict};
use crate::names::Names;
use crate::object::{Object, Result, SymbolSection};
use crate::record::{Kind, RecordId, RecordTable, head};

/// The declaration tags of kfuncs: of all, and of those that the JIT may call without saving registers.
pub const KFUNC_TAGS: [&[u8]; 2] = [b"bpf_kfunc", b"bpf_fastcall"];

/// Kernel function flags that BTF carries as tags (include/linux/btf.h).
const FASTCALL: u32 = 1 << 12;
/// The three flags of arenas, from this one up.
const ARENA: u32 = 1 << 13;

/// A function that the kernel offers to BPF programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KfuncTag {
    /// Its name.
    pub name: Vec<u8>,
    /// `KF_FASTCALL`: it spares the registers that it does not need.
    pub fastcall: bool,
    /// `KF_ARENA_RET`, `KF_ARENA_ARG1`, `KF_ARENA_ARG2`: what it gives back, takes first, takes second is memory of an
    /// arena.
    pub arena: [bool; 3],
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
        .map(|(at, name)| {
            let flags = word(at.wrapping_add(4)).unwrap_or(0);
            KfuncTag {
                name: name.to_vec(),
                fastcall: flags & FASTCALL != 0,
                arena: [0, 1, 2].map(|part| flags & ARENA << part != 0),
            }
        })
        .collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name).then(b.fastcall.cmp(&a.fastcall)));
    tags.dedup_by(|later, first| later.name == first.name);
    Ok(tags)
}

/// Marks the pointers of kfuncs that take or give memory of an arena: the verifier then knows what they point to.
pub fn arena_attributes(
    choices: &mut [FunctionChoice],
    kfuncs: &[KfuncTag],
    table: &mut RecordTable,
    names: &Names<'_>,
) {
    let attribute = names.intern(b"address_space(1)");
    for choice in choices.iter_mut().filter(|choice| choice.verdict == Verdict::Kept) {
        let name = names.bytes(choice.name);
        let Ok(found) = kfuncs.binary_search_by(|kfunc| kfunc.name.as_slice().cmp(name)) else { continue };
        let mut words = vec![head(Kind::Function, 0)];
        words.extend(table.get(choice.prototype).words);
        // What it gives back, the first parameter's type, the second's: behind the head and behind each name.
        for (position, is_arena) in [1, 3, 5].into_iter().zip(kfuncs[found].arena) {
            let Some(word) = words.get_mut(position).filter(|_| is_arena) else { continue };
            let pointer = table.get(RecordId(*word));
            if pointer.kind == Kind::Pointer {
                let target = pointer.words[0];
                let tagged = table.intern(&[head(Kind::TypeTag, 1), attribute.0, target]);
                *word = table.derive(Kind::Pointer, tagged).0;
            }
        }
        choice.prototype = table.intern(&words);
    }
}
