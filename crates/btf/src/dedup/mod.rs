//! Deduplication: which types of a BTF are the same, and a BTF that has each of them once.
//!
//! # What is the same
//!
//! Two types are the same when they are the same unfolded: kind, flags, name, sizes, offsets, values, members and
//! parameters with their names, and all types referred to, without end. This is bisimulation, as automata have it:
//! nothing is compared to some depth only, and it does not matter whether a unit holds a type once or twice.
//!
//! - A forward declaration is the structure, union or enumeration of its name, when that name has one meaning. The
//!   three have names apart: `struct foo` says nothing of `union foo`. An enumeration without enumerators is a forward
//!   declaration. Where a name has several meanings, see [below](#ambiguous-names).
//! - Declaration tags do not tell types apart. Tags of types that are the same become one set.
//! - Variables and sections are places, and each is kept, also where two look alike. Functions with the same name,
//!   prototype and linkage are one.
//! - In a split BTF, types that the base has are the base's; the base stays as it is, also where it holds duplicates or
//!   forward declarations of what the split BTF defines. Functions are not looked for in the base: a module's function is
//!   not the kernel's.
//!
//! # How
//!
//! The obvious way, hashing types with everything below them, does not work on its own as types form cycles; comparing
//! candidates pairwise along their references does, but each comparison walks thousands of types, and what has been
//! learned in one is lost to the next. Here the graph is first cut where C always has a name:
//!
//! 1. *Consing* (`cons`): a reference to a named structure, union or enumeration becomes a leaf that holds its name only.
//!    That leaves no cycles, so that each record, with the classes of what it refers to in place of their ids, can be
//!    looked up once in one table of records. After that one pass two types have one class if they are the same *as far
//!    as names tell*. In a kernel's units that is already the answer but for some twenty names.
//! 2. *Suspects* (`suspects`): names under which there are several classes of definitions are ambiguous. Only types that
//!    reach one can be misjudged; usually they are few.
//! 3. *Refinement* (`refine`): the leaf of an ambiguous name falls apart into its meanings, those who refer to it fall
//!    apart accordingly, which may make more names ambiguous, until nothing changes. The first classes were too coarse
//!    if anything, and refinement stops at the first partition that is stable: so the result is exact. It costs
//!    O(m log n) for m references of suspect types, by always renaming the smaller parts.
//!
//! Linear, then, in the input, with one lookup per type, whatever the number of copies of each type: a thousand
//! enumerations without a name are a thousand lookups and no list to search. No recursion takes place on the stack, and
//! no depth is too deep.
//!
//! # Ambiguous names
//!
//! `struct sched_class` may be the scheduler's in one unit and a network driver's in another. Then there are two
//! `struct sched_class`, and two of everything that leads to them; the [`Report`] names them. A forward declaration of
//! such a name is resolved by the company that it is in (`forward`), or else stays.
//!
//! # Order of the input
//!
//! Which classes there are does not depend on the order of types in the input, nor on hash seeds. Types are kept in the
//! order of their first occurrence; [`crate::order`] makes that independent, too.

mod base;
mod candidates;
mod classes;
mod cons;
mod forward;
mod record;
mod refine;
mod represent;
mod rewrite;
mod signature;
mod single;
mod strings;
mod suspects;

pub use base::Base;
pub use candidates::Candidates;
pub use rewrite::Rewritten;

use crate::{Btf, Kind, StringOffset, TypeId, error::Result};

/// Which types of a BTF are the same.
#[derive(Clone, Debug)]
pub struct Deduplication {
    first_id: TypeId,
    map: Vec<TypeId>,
    /// What came of it, in numbers and names.
    pub report: Report,
}

/// What deduplication found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Own types before.
    pub types_in: u32,
    /// Own types after.
    pub types_out: u32,
    /// Forward declarations before that became the type they declare.
    pub forwards_resolved: u32,
    /// Forward declarations before that stayed: their name has no definition, or several and nothing to choose by.
    pub forwards_left: u32,
    /// Names of structures, unions and enumerations with several meanings, by name. Of a split BTF, those of which at
    /// least one is its own.
    pub ambiguous: Vec<Ambiguity>,
}

/// A name that means several types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ambiguity {
    /// STRUCT, UNION or ENUM (which stands for ENUM64, too).
    pub kind: Kind,
    /// The name.
    pub name: StringOffset,
    /// The types, as numbered before deduplication.
    pub variants: Vec<TypeId>,
}

/// Finds out which types of `btf` are the same.
///
/// # Errors
/// A record refers to a type or a string that is not there, or is of a kind whose references are not known; or names
/// overlap so much that comparing them would take quadratic time.
pub fn deduplicate(btf: &Btf<'_>) -> Result<Deduplication> {
    deduplicate_among(btf, Option::default)
}

/// The same for a split BTF, with what its names leave of its base. That is asked for when the own types are done with, so
/// that it can be found in the meantime; without it, it is found then.
///
/// # Errors
/// As of [`deduplicate`].
pub fn deduplicate_among(
    btf: &Btf<'_>,
    candidates: impl FnOnce() -> Option<Candidates>,
) -> Result<Deduplication> {
    let Some(base) = btf.base() else { return finish(cons::cons(btf)?) };
    match single::select(btf, base, candidates)? {
        Some(consed) => finish(consed),
        None => deduplicate_on(btf, &Base::new(base.clone())?),
    }
}

/// The same for a split BTF, with what was found out about its base before.
///
/// # Errors
/// As of [`deduplicate`]; also when `base` is not about the base of `btf`.
pub fn deduplicate_on<'a>(btf: &Btf<'a>, base: &Base<'a>) -> Result<Deduplication> {
    finish(base::select(btf, base)?)
}

fn finish(mut consed: cons::Consed<'_>) -> Result<Deduplication> {
    let refined = refine::refine(&mut consed)?;
    represent::represent(consed, refined)
}

impl Deduplication {
    /// The type that stands for `id`: `id` itself, another type of this BTF, or one of its base. Ids of the base and
    /// `void` stand for themselves.
    pub fn representative(&self, id: TypeId) -> TypeId {
        let index = id.0.checked_sub(self.first_id.0);
        index.and_then(|index| self.map.get(index as usize)).copied().unwrap_or(id)
    }

    /// What stands for each own type, in the order of their ids.
    pub fn map(&self) -> &[TypeId] {
        &self.map
    }

    /// The own types that stand for themselves, ascending.
    pub fn representatives(&self) -> impl Iterator<Item = TypeId> + Clone {
        let own = |(index, &id): (usize, &TypeId)| (id.0 == self.first_id.0 + index as u32).then_some(id);
        self.map.iter().enumerate().filter_map(own)
    }
}
