//! Relocation: a split BTF moves from its distilled base ([`crate::distill`]) to a full one.
//!
//! Every type of the distilled base has to be found in the new base:
//!
//! - an INT, FLOAT or ENUM by name and size, an INT also by its encoding; an ENUM may have become an ENUM64, or been one;
//! - a STRUCT or UNION by name; by its size as well, when the new base has several of that name, or when a structure or
//!   union of the split BTF holds one by value (in an array, too), so that its layout depends on the size;
//! - a FWD by its name and its flag, which says structure or union: it stands for the FWD, or else for the one STRUCT or
//!   UNION of that name. (Kernels up to 6.18 compare the flag with the kind flag of what they find, which is another
//!   thing; [`crate::distill`] makes no FWDs.)
//!
//! These are the rules of kernels from 6.11 on. Where several types fit, none is taken: the layout that the module was
//! compiled for could be any of theirs.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::copied_strings::CopiedStrings;
use crate::distill::{is_distilled, subject};
use crate::names::{NAME_LIMIT, compared_part};
use crate::{Btf, Builder, Error, IntEncoding, Kind, Type, TypeId, error::Result};

/// A split BTF on its new base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocated {
    /// The blob. Its own types are in the order that they were in.
    pub bytes: Vec<u8>,
    /// What each type of the distilled base became, from `void` on.
    pub ids: Vec<TypeId>,
    /// What is worth knowing of it.
    pub report: Report,
}

/// What was found in the new base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Types of the distilled base, all of which were found.
    pub found: u32,
    /// Own types of the split BTF.
    pub own: u32,
    /// Structures and unions that have another size now. The split BTF has them behind pointers only.
    pub resized: Vec<Resized>,
}

/// A structure or union of another size than when the distilled base was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Resized {
    /// STRUCT or UNION.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its size in bytes as the distilled base has it.
    pub before: u32,
    /// Its size in bytes in the new base.
    pub after: u32,
}

/// Moves `split` from its distilled base to `base`.
///
/// # Errors
/// `split` has no base, its base is not a distilled one, a type of that is not found in `base` or several are, the byte
/// orders differ, or a record is broken or of a kind not known here.
pub fn relocate<'a>(split: &Btf<'a>, base: Arc<Btf<'a>>) -> Result<Relocated> {
    let distilled = split.base().ok_or(Error::NotSplit)?;
    if base.byte_order() != split.byte_order() {
        return Err(Error::BaseByteOrder);
    }
    let mut report = Report { found: distilled.type_count(), own: split.type_count(), ..Report::default() };
    let by_value = held_by_value(split)?;
    let finder = Finder::new(distilled, &base);
    let mut ids = vec![TypeId::VOID; split.first_id().0 as usize];
    for ty in distilled.types() {
        let found = finder.find(ty, by_value[ty.id().0 as usize])?;
        ids[ty.id().0 as usize] = found.id();
        let (before, after) = (ty.size().unwrap_or_default(), found.size().unwrap_or_default());
        if ty.kind().is_aggregate() && before != after {
            let name = ty.name_str().into_owned();
            report.resized.push(Resized { kind: ty.kind(), name, before, after });
        }
    }
    let bytes = write(split, &ids, Arc::clone(&base))?;
    Ok(Relocated { bytes, ids, report })
}

/// Which types of the distilled base aggregates of the split BTF hold by value.
fn held_by_value(split: &Btf<'_>) -> Result<Vec<bool>> {
    let first = split.first_id();
    let mut held = vec![false; first.0 as usize];
    // Whether the chain from an own type on has been followed, so that long chains are not followed again and again.
    let mut seen = vec![false; split.type_count() as usize];
    for aggregate in split.types().filter(|ty| ty.kind().is_aggregate()) {
        for member in aggregate.members() {
            let mut id = member.type_id;
            loop {
                let ty = split.get(id)?;
                if id < first {
                    held[id.0 as usize] = true;
                    break;
                }
                if std::mem::replace(&mut seen[(id.0 - first.0) as usize], true) {
                    break;
                }
                match (ty.array(), ty.kind().is_modifier()) {
                    (Some(array), _) => id = array.element,
                    (None, true) => id = ty.type_id().unwrap_or_default(),
                    (None, false) => break,
                }
            }
        }
    }
    Ok(held)
}

/// Kinds that are looked for together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Int,
    Float,
    Struct,
    Union,
    Enum,
    Forward,
}

fn class(ty: Type<'_>) -> Option<Class> {
    match ty.kind() {
        Kind::Int => Some(Class::Int),
        Kind::Float => Some(Class::Float),
        Kind::Struct => Some(Class::Struct),
        Kind::Union => Some(Class::Union),
        Kind::Enum | Kind::Enum64 => Some(Class::Enum),
        Kind::Fwd => Some(Class::Forward),
        _ => None,
    }
}

/// What tells types of one name apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mark {
    class: Class,
    /// Size in bytes; of a FWD whether it is of a union.
    size: u32,
    /// Only of an INT.
    encoding: IntEncoding,
}

fn mark(ty: Type<'_>) -> Option<Mark> {
    let class = class(ty)?;
    let size =
        if class == Class::Forward { u32::from(ty.kind_flag()) } else { ty.size().unwrap_or_default() };
    Some(Mark { class, size, encoding: ty.int_encoding().unwrap_or_default() })
}

/// The types of one name in the new base.
#[derive(Default)]
struct Candidates<'b> {
    /// The first of each kind and size, and how many there are.
    by_mark: HashMap<Mark, (Option<Type<'b>>, u32)>,
    /// The first of each kind, and how many there are.
    by_class: HashMap<Class, (Option<Type<'b>>, u32)>,
}

impl<'b> Candidates<'b> {
    fn add(&mut self, ty: Type<'b>) {
        let Some(mark) = mark(ty) else { return };
        let count = |(first, count): &mut (Option<Type<'b>>, u32)| {
            first.get_or_insert(ty);
            *count += 1;
        };
        // A forward declaration of an enumeration is one without enumerators: the full one counts, if there is one.
        if mark.class == Class::Enum {
            let known = self.by_mark.entry(mark).or_default();
            match known.0.map(|other| (other.vlen() == 0, ty.vlen() == 0)) {
                Some((true, _)) => known.0 = Some(ty),
                Some((false, true)) => {}
                _ => count(known),
            }
            return;
        }
        count(self.by_mark.entry(mark).or_default());
        count(self.by_class.entry(mark.class).or_default());
    }

    fn marked(&self, mark: Mark) -> (Option<Type<'b>>, u32) {
        self.by_mark.get(&mark).copied().unwrap_or_default()
    }

    fn classed(&self, class: Class) -> (Option<Type<'b>>, u32) {
        self.by_class.get(&class).copied().unwrap_or_default()
    }
}

struct Finder<'b> {
    /// By the names that the distilled base has.
    candidates: HashMap<&'b [u8], Candidates<'b>>,
}

impl<'b> Finder<'b> {
    fn new(distilled: &'b Btf<'b>, base: &'b Btf<'b>) -> Self {
        let names = distilled.types().map(|ty| compared_part(distilled, ty.name_offset()));
        let mut candidates: HashMap<&[u8], Candidates<'b>> =
            names.map(|name| (name, Candidates::default())).collect();
        let mut levels = vec![base];
        while let Some(next) = levels[levels.len() - 1].base() {
            levels.push(next);
        }
        for ty in levels.into_iter().rev().flat_map(Btf::types) {
            if let Some(candidates) = candidates.get_mut(compared_part(ty.owner(), ty.name_offset())) {
                candidates.add(ty);
            }
        }
        Self { candidates }
    }

    /// The type that `wanted`, of a distilled base, stands for.
    fn find(&self, wanted: Type<'b>, by_value: bool) -> Result<Type<'b>> {
        let fault =
            |reason: String| Error::NotRelocatable { id: wanted.id(), subject: subject(wanted), reason };
        let Some(mark) = mark(wanted).filter(|_| is_distilled(wanted)) else {
            return Err(fault("no distilled base has such a type: it is a base of another kind".into()));
        };
        let name = compared_part(wanted.owner(), wanted.name_offset());
        if name.len() >= NAME_LIMIT {
            return Err(fault("its name is longer than any that a kernel has".into()));
        }
        let Some(candidates) = self.candidates.get(name) else { return Err(fault(absent())) };
        match mark.class {
            // Of equal ones, any will do.
            Class::Int | Class::Float => candidates.marked(mark).0.ok_or_else(|| {
                fault(match candidates.classed(mark.class).0 {
                    Some(other) => format!("the new base has {} instead", numeric(other)),
                    None => absent(),
                })
            }),
            Class::Enum => match candidates.marked(mark) {
                (Some(ty), 1) => Ok(ty),
                (None, _) => {
                    let other = candidates.by_mark.iter().filter(|(other, _)| other.class == Class::Enum);
                    Err(fault(other.map(|(other, _)| other.size).min().map_or_else(absent, other_size)))
                }
                (_, count) => Err(fault(several(count))),
            },
            Class::Struct | Class::Union => match (candidates.classed(mark.class), candidates.marked(mark)) {
                ((None, _), _) => Err(fault(absent())),
                ((Some(ty), 1), _) if !by_value => Ok(ty),
                (_, (Some(ty), 1)) => Ok(ty),
                ((Some(ty), 1), _) => Err(fault(format!(
                    "a structure or union of the module holds it, but it has {} bytes in the new base",
                    ty.size().unwrap_or_default()
                ))),
                ((_, count), (None, _)) => {
                    Err(fault(format!("the new base has {count} of that name, none of them of that size")))
                }
                (_, (_, count)) => Err(fault(several(count))),
            },
            Class::Forward => {
                let declared = if wanted.kind_flag() { Class::Union } else { Class::Struct };
                match (candidates.marked(mark).0, candidates.classed(declared)) {
                    (Some(ty), _) | (None, (Some(ty), 1)) => Ok(ty),
                    (None, (None, _)) => Err(fault(absent())),
                    (None, (_, count)) => Err(fault(several(count))),
                }
            }
        }
    }
}

fn absent() -> String {
    "the new base has none of that name".into()
}

fn other_size(size: u32) -> String {
    format!("the new base has one of {size} bytes")
}

fn several(count: u32) -> String {
    format!("the new base has {count} that fit, and nothing tells them apart")
}

/// An integer or float with all that it is found by.
fn numeric(ty: Type<'_>) -> String {
    let encoding = ty.int_encoding().unwrap_or_default();
    let mut text = format!("one of {} bytes", ty.size().unwrap_or_default());
    if ty.kind() == Kind::Int {
        text += &format!(" and {} bits", encoding.bits);
        for (word, is) in
            [(", signed", encoding.signed), (", char", encoding.char), (", bool", encoding.bool)]
        {
            text += if is { word } else { "" };
        }
    }
    text
}

/// The own types of `split` again, in their order, on another base.
fn write<'a>(split: &Btf<'a>, ids: &[TypeId], base: Arc<Btf<'a>>) -> Result<Vec<u8>> {
    let (first, end, new_first) = (split.first_id().0, split.next_id().0, base.next_id().0);
    let mut builder = Builder::like_on(split, Some(Arc::clone(&base)));
    let mut strings = CopiedStrings::new(split);
    for ty in split.types() {
        crate::distill::refuse_unknown_kind(ty)?;
        let mut beyond = None;
        let map = |id: TypeId| match ids.get(id.0 as usize) {
            Some(&new) => new,
            None if id.0 < end => TypeId(id.0 - first + new_first),
            None => {
                beyond = Some(id);
                TypeId::VOID
            }
        };
        strings.push_onto(&base, &mut builder, ty, map)?;
        if let Some(id) = beyond {
            return Err(Error::NoSuchType(id));
        }
    }
    builder.finish()
}
