//! Taking the variables out of a BTF, into one that is split on the rest.
//!
//! Out go variables, the sections that list them, and what only they need: arrays, pointers, qualifiers and anonymous
//! aggregates that nothing else refers to, and tags on what goes. What has a name stays, whoever uses it: a structure is
//! worth having without its variable, as an enumerator is, and an encoder writes it either way. A variable that no section
//! lists goes, as nothing tells that it is per-CPU.

use crate::{Btf, Builder, Error, Kind, Linkage, Type, TypeId, diff::is_per_cpu, error::Result, order};
use std::sync::Arc;

/// A BTF in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The rest: a BTF that stands alone (or on the base that the whole was split on).
    pub base: Vec<u8>,
    /// The variables, split on `base`.
    pub extra: Vec<u8>,
    /// The new id of each own type of the whole, from the first on: in `base`, or in `extra` on top of it.
    pub ids: Vec<TypeId>,
}

/// Takes the variables of `btf` out. Those in per-CPU sections stay, as kernels have always had them, unless `per_cpu`
/// says otherwise. The order of types stays in both parts.
///
/// # Errors
/// A kind is unknown, a reference leads nowhere, or names overlap each other beyond measure.
pub fn variables<'a>(btf: &Btf<'a>, per_cpu: bool) -> Result<Split> {
    let first = btf.first_id().0;
    let goes = going(btf, per_cpu)?;
    let part = |wanted: bool| -> Vec<TypeId> {
        let ids = goes.iter().zip(first..).filter(|(goes, _)| **goes == wanted);
        ids.map(|(_, id)| TypeId(id)).collect()
    };
    let (rest, out) = (part(false), part(true));
    let permuted = order::permute(btf, &rest)?;
    let mut ids = permuted.ids;
    let base = match btf.base() {
        Some(base) => Btf::parse_split(permuted.bytes, base.clone())?,
        None => Btf::parse(permuted.bytes)?,
    };
    let base = Arc::new(base);
    for (id, new) in out.iter().zip(base.next_id().0..) {
        ids[(id.0 - first) as usize] = TypeId(new);
    }
    let mut builder = Builder::split(Arc::clone(&base));
    let new = |id: TypeId| match id.0.checked_sub(first) {
        Some(index) => ids.get(index as usize).copied().unwrap_or(id),
        None => id,
    };
    // Strings that share their tails grow when they are written out, but not by much.
    let limit = btf.string_section().len().saturating_mul(4) + 4096;
    for id in out {
        builder.push_mapped(btf.get(id)?, new)?;
        if builder.string_length() > limit {
            return Err(Error::NamesOverlap);
        }
    }
    Ok(Split { extra: builder.finish()?, base: base.bytes().to_vec(), ids })
}

/// Which own types go.
fn going(btf: &Btf<'_>, per_cpu: bool) -> Result<Vec<bool>> {
    let first = btf.first_id().0;
    let own = |id: TypeId| {
        id.0.checked_sub(first).map(|index| index as usize).filter(|&index| index < btf.type_count() as usize)
    };
    let mut stays = vec![false; btf.type_count() as usize];
    let mut moves = vec![false; btf.type_count() as usize];
    // Variables that a per-CPU section lists stay with it.
    for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
        if !per_cpu && is_per_cpu(section.name()) {
            stays[(section.id().0 - first) as usize] = true;
            for index in section.section_entries().filter_map(|entry| own(entry.variable)) {
                stays[index] = true;
            }
        }
    }
    for (index, ty) in btf.types().enumerate() {
        moves[index] = !stays[index] && is_place(ty);
    }
    // Tags go with what they are on.
    for (index, ty) in btf.types().enumerate().filter(|(_, ty)| ty.kind() == Kind::DeclTag) {
        moves[index] = own(ty.raw_type_id()).is_some_and(|target| moves[target]);
    }
    let needed = reach(btf, &own, &moves)?;
    // What variables need may go, unless it has a name or something that stays needs it too.
    let roots: Vec<bool> = btf
        .types()
        .enumerate()
        .map(|(index, ty)| !moves[index] && (!needed[index] || stays[index] || has_name(ty)))
        .collect();
    let kept = reach(btf, &own, &roots)?;
    Ok(kept.into_iter().map(|kept| !kept).collect())
}

/// What can be reached from these types, themselves included.
fn reach(btf: &Btf<'_>, own: &impl Fn(TypeId) -> Option<usize>, roots: &[bool]) -> Result<Vec<bool>> {
    let mut reached = roots.to_vec();
    let mut stack: Vec<usize> = (0..roots.len()).filter(|&index| roots[index]).collect();
    while let Some(index) = stack.pop() {
        let mut fault = None;
        btf.own(index).for_each_reference(|id| match own(id) {
            Some(target) if !reached[target] => {
                reached[target] = true;
                stack.push(target);
            }
            None if id >= btf.next_id() => fault = Some(Error::NoSuchType(id)),
            _ => {}
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
    }
    Ok(reached)
}

/// Variables and what lists them. One that is only declared is as much a variable.
fn is_place(ty: Type<'_>) -> bool {
    matches!(ty.kind(), Kind::DataSec)
        || ty.kind() == Kind::Var && !matches!(ty.linkage(), Some(Linkage::Other(_)))
}

/// Enumerators are names, too.
fn has_name(ty: Type<'_>) -> bool {
    let named = !ty.name_offset().is_empty() && !matches!(ty.kind(), Kind::TypeTag | Kind::DeclTag);
    named || (ty.kind().is_enum() && ty.vlen() > 0)
}
