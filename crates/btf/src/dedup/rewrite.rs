//! From a [`Deduplication`] to a BTF that holds each type once.

use super::Deduplication;
use crate::{Btf, Builder, StringOffset, TypeId, error::Result};
use hashbrown::HashMap;

/// A BTF under construction that holds the representatives only, with the strings that they name.
#[derive(Debug)]
pub struct Rewritten<'a> {
    /// The types in the order of their old ids, under new ones; more may be added.
    pub builder: Builder<'a>,
    /// What became of each own type of the old BTF: the new id of its representative.
    pub ids: Vec<TypeId>,
}

impl Deduplication {
    /// Writes the representatives among the types of `btf`, which must be the BTF that was deduplicated. Byte order, base,
    /// header and layout are those of `btf`.
    ///
    /// # Errors
    /// A record is wrong in a way that [`super::deduplicate`] would have found.
    pub fn rewrite<'a>(&self, btf: &Btf<'a>) -> Result<Rewritten<'a>> {
        let mut next = self.first_id.0;
        let mut ids = vec![TypeId::VOID; self.map.len()];
        for id in self.representatives() {
            ids[(id.0 - self.first_id.0) as usize] = TypeId(next);
            next += 1;
        }
        for (index, representative) in self.map.iter().enumerate() {
            ids[index] = match representative.0.checked_sub(self.first_id.0) {
                Some(own) => ids[own as usize],
                None => *representative,
            };
        }
        let mut builder = Builder::like(btf);
        builder.reserve((next - self.first_id.0) as usize);
        let mut strings: HashMap<StringOffset, StringOffset> = HashMap::new();
        let new = |id: TypeId| match id.0.checked_sub(self.first_id.0) {
            Some(own) => ids.get(own as usize).copied().unwrap_or_default(),
            None => id,
        };
        let first_string = btf.first_string();
        for id in self.representatives() {
            let ty = btf.get(id)?;
            builder.push_rewritten(ty, new, |builder, old| match old {
                // Strings of a base stay; 0 is the empty one.
                _ if old < first_string || old == StringOffset::EMPTY => old,
                _ => *strings.entry(old).or_insert_with(|| builder.string(ty.string(old))),
            })?;
        }
        Ok(Rewritten { builder, ids })
    }
}
