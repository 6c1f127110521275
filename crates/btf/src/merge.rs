//! Several BTFs in one, one after the other: what is deduplicated to merge them.

use crate::{Btf, Builder, ByteOrder, Error, Kind, StringOffset, Type, TypeId, error::Result};
use hashbrown::HashMap;
use std::sync::Arc;

/// BTFs one after the other in one, with duplicates as they were.
#[derive(Debug)]
pub struct Merged<'a> {
    /// The types of the base under their old ids where it was flattened, then those of each BTF; more may be added.
    pub builder: Builder<'a>,
    /// For each BTF, the id that its first own type got; the others follow.
    pub first_ids: Vec<TypeId>,
}

/// Writes all `btfs` into one: either all stand alone, or all are split on the same base. Then the result is split on it
/// too; or, if `flatten` is set, has its types, and stands alone. `section_name` tells what a DATASEC of the BTF with this
/// number is to be called; an empty name keeps the one it has. The byte order is that of the first.
///
/// # Errors
/// The bases differ; a kind is unknown, so that the ids in its records are, too; there are too many types; or names
/// overlap each other so much that the strings would outgrow the blobs.
pub fn merge<'a>(
    btfs: &[&Btf<'a>],
    flatten: bool,
    mut section_name: impl FnMut(usize, Type<'_>) -> Vec<u8>,
) -> Result<Merged<'a>> {
    let Some(first) = btfs.first() else {
        return Ok(Merged { builder: Builder::new(ByteOrder::NATIVE), first_ids: Vec::new() });
    };
    let same_base = |btf: &&Btf<'a>| match (first.base(), btf.base()) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    if !btfs.iter().all(same_base) {
        return Err(Error::BasesDiffer);
    }
    let levels = if flatten { levels_below(first) } else { Vec::new() };
    let mut builder = if levels.is_empty() {
        Builder::like(first)
    } else {
        Builder::new(first.byte_order()).with_wide_vlen()
    };
    let all = || levels.iter().copied().chain(btfs.iter().copied());
    builder.reserve(all().map(|btf| btf.type_count() as usize).sum());
    // Strings that share their tails grow when they are written out, but not by much.
    let mut limit = all().map(|btf| btf.string_section().len()).sum::<usize>().saturating_mul(4) + 4096;
    for level in &levels {
        append(&mut builder, level, limit, |_| Vec::new())?;
    }
    let mut first_ids = Vec::with_capacity(btfs.len());
    for (number, btf) in btfs.iter().enumerate() {
        first_ids.push(builder.next_id());
        append(&mut builder, btf, limit, |section| {
            let name = section_name(number, section);
            limit += name.len();
            name
        })?;
    }
    Ok(Merged { builder, first_ids })
}

/// All that `btf` is split on, the lowest first.
fn levels_below<'a, 'b>(btf: &'b Btf<'a>) -> Vec<&'b Btf<'a>> {
    let mut levels = Vec::new();
    let mut next = btf.base();
    while let Some(base) = next {
        levels.push(&**base);
        next = base.base();
    }
    levels.reverse();
    levels
}

/// Copies the own types of `btf` behind what is there; ids of its base stay.
fn append<'a>(
    builder: &mut Builder<'a>,
    btf: &Btf<'a>,
    limit: usize,
    mut section_name: impl FnMut(Type<'_>) -> Vec<u8>,
) -> Result<()> {
    let (old_first, new_first) = (btf.first_id(), builder.next_id());
    let moved = |id: TypeId| match id.0.checked_sub(old_first.0) {
        Some(index) => TypeId(new_first.0.wrapping_add(index)),
        None => id,
    };
    let mut named = 0;
    let mut strings: HashMap<StringOffset, StringOffset> = HashMap::new();
    for ty in btf.types() {
        if let Kind::Unknown(_) = ty.kind() {
            let offset = ty.record().as_ptr().addr() - btf.type_section().as_ptr().addr();
            return Err(Error::UnknownKind { id: ty.id(), kind: ty.kind(), offset: offset as u32 });
        }
        let mut name = if ty.kind() == Kind::DataSec { section_name(ty) } else { Vec::new() };
        named += name.len();
        builder.push_rewritten(ty, moved, |builder, old| {
            // The first string of a record is its own name.
            let name = std::mem::take(&mut name);
            if !name.is_empty() {
                return builder.string(&name);
            }
            match old {
                StringOffset::EMPTY => old,
                _ => *strings.entry(old).or_insert_with(|| builder.string(ty.string(old))),
            }
        })?;
        if builder.string_length() > limit + named {
            return Err(Error::NamesOverlap);
        }
    }
    Ok(())
}
