//! Several BTFs one after the other in one: what is deduplicated to merge them.

use crate::{Btf, Builder, ByteOrder, Error, StringOffset, TypeId, error::Result};
use hashbrown::HashMap;
use std::sync::Arc;

/// BTFs one after the other in one.
#[derive(Debug)]
pub struct Concatenation<'a> {
    /// All types in order; more may be added.
    pub builder: Builder<'a>,
    /// For each BTF, the id that its first own type got; the others follow.
    pub first_ids: Vec<TypeId>,
}

impl Concatenation<'_> {
    /// The id of what was type `id` of the `index`th BTF, whose own types began at `first_own`.
    pub fn id(&self, index: usize, first_own: TypeId, id: TypeId) -> TypeId {
        shift(id, first_own, self.first_ids[index])
    }
}

fn shift(id: TypeId, first_own: TypeId, first_new: TypeId) -> TypeId {
    id.0.checked_sub(first_own.0).map_or(id, |index| TypeId(first_new.0.wrapping_add(index)))
}

/// Writes the types of all `btfs` into one, each string once. Either all stand alone, or all are split on the same
/// base. The byte order is that of the first.
///
/// # Errors
/// The bases differ; or there are too many types for 31-bit numbers.
pub fn concatenate<'a>(btfs: &[&Btf<'a>]) -> Result<Concatenation<'a>> {
    let Some(first) = btfs.first() else {
        return Ok(Concatenation { builder: Builder::new(ByteOrder::NATIVE), first_ids: Vec::new() });
    };
    let mut builder = Builder::like(first);
    builder.reserve(btfs.iter().map(|btf| btf.type_count() as usize).sum());
    let mut first_ids = Vec::with_capacity(btfs.len());
    for btf in btfs {
        let same_base = match (first.base(), btf.base()) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if !same_base {
            return Err(Error::BasesDiffer);
        }
        let first_new = builder.next_id();
        first_ids.push(first_new);
        let mut strings: HashMap<StringOffset, StringOffset> = HashMap::new();
        for ty in btf.types() {
            builder.push_rewritten(
                ty,
                |id| shift(id, btf.first_id(), first_new),
                |builder, old| match old {
                    StringOffset::EMPTY => old,
                    old => *strings.entry(old).or_insert_with(|| builder.string(ty.string(old))),
                },
            )?;
        }
    }
    Ok(Concatenation { builder, first_ids })
}
