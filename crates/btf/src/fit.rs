//! Does a split BTF belong to this base?
//!
//! Ids and string offsets mean nothing by themselves: on the base of another kernel a split BTF still opens, and names
//! other types by other names. What gives it away first are names: those that it takes from the base are at the starts of
//! strings there, and hardly ever are in another one.

use crate::{Btf, Kind, StringOffset, Type, TypeId};
use std::fmt;

/// What shows that a split BTF was made on another base.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Misfit {
    /// The own type that shows it.
    pub id: TypeId,
    /// Its kind.
    pub kind: Kind,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Reason {
    /// A name that begins within a string of the base.
    Name(StringOffset),
    /// A reference to an id that neither has.
    NoSuchType(TypeId),
    /// A function or variable whose type is of a kind that cannot be one, or a structure with a member of that kind.
    WrongKind(TypeId, Kind),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type {} {}", self.id, self.kind)?;
        match &self.reason {
            Reason::Name(offset) => {
                write!(f, " has a name at {offset}, which is within a string of the base")
            }
            Reason::NoSuchType(id) => write!(f, " refers to type {id}, which is not there"),
            Reason::WrongKind(id, kind) => write!(f, " refers to type {id}, which is {kind}"),
        }
    }
}

/// The first own type of a split BTF that cannot be what was written on this base; `None` when nothing shows that, or for
/// a BTF that stands alone.
pub fn misfit(split: &Btf<'_>) -> Option<Misfit> {
    split.base()?;
    let wrong_names = names_are_wrong(split);
    split.types().find_map(|ty| {
        let misnamed = || names(ty).find(|&name| !starts_a_string(split, name)).filter(|_| wrong_names);
        let reason = misnamed().map(Reason::Name).or_else(|| misdirected(split, ty))?;
        Some(Misfit { id: ty.id(), kind: ty.kind(), reason })
    })
}

/// Whether more than a quarter of the names that are the base's begin within a string.
fn names_are_wrong(split: &Btf<'_>) -> bool {
    let first = split.first_string();
    let (mut all, mut within) = (0u64, 0u64);
    for name in split.types().flat_map(names).filter(|&name| !name.is_empty() && name < first) {
        all += 1;
        within += u64::from(!starts_a_string(split, name));
    }
    within * 4 > all
}

/// The names of a record and of its parts.
fn names(ty: Type<'_>) -> impl Iterator<Item = StringOffset> {
    let parts = ty.members().map(|member| member.name);
    let parts =
        parts.chain(ty.params().map(|param| param.name)).chain(ty.enumerators().map(|each| each.name));
    std::iter::once(ty.name_offset()).chain(parts)
}

/// Whether a string begins at `offset`: one of a base; own strings are not looked at.
fn starts_a_string(split: &Btf<'_>, offset: StringOffset) -> bool {
    if offset.is_empty() || offset >= split.first_string() {
        return true;
    }
    let before = split.string_tail(StringOffset(offset.0 - 1));
    before.is_some_and(|tail| tail.first() == Some(&0))
}

fn misdirected(split: &Btf<'_>, ty: Type<'_>) -> Option<Reason> {
    let mut reason = None;
    let kind = ty.kind();
    ty.for_each_reference(|id| {
        let Ok(target) = split.get(id) else {
            reason.get_or_insert(Reason::NoSuchType(id));
            return;
        };
        let target = target.kind();
        let is_place = matches!(target, Kind::Func | Kind::Var | Kind::DataSec | Kind::DeclTag);
        let fits = match kind {
            Kind::Func => target == Kind::FuncProto,
            Kind::DataSec => target == Kind::Var,
            Kind::DeclTag => true,
            _ => !is_place,
        };
        if !fits {
            reason.get_or_insert(Reason::WrongKind(id, target));
        }
    });
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, ByteOrder, IntEncoding, Linkage};
    use std::sync::Arc;

    /// A base with an integer of this name, and a second one.
    fn base(first: &[u8]) -> Arc<Btf<'static>> {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        for name in [first, b"int"] {
            let name = builder.string(name);
            builder.int(name, 4, IntEncoding::signed(32));
        }
        Arc::new(Btf::parse(builder.finish().unwrap()).unwrap())
    }

    #[test]
    fn names_within_strings_show_another_base() {
        let own = base(b"long");
        let mut builder = Builder::split(Arc::clone(&own));
        let name = builder.string(b"int");
        builder.typedef(name, TypeId(2));
        let split = builder.finish().unwrap();
        let fits = Btf::parse_split(split.clone(), own).unwrap();
        assert_eq!(misfit(&fits), None);
        let other = Btf::parse_split(split, base(b"unsigned")).unwrap();
        let found = misfit(&other).unwrap();
        assert_eq!((found.id, found.kind, &found.reason), (TypeId(3), Kind::Typedef, &Reason::Name(name)));
        assert!(found.to_string().contains("within a string of the base"), "{found}");
    }

    #[test]
    fn a_name_that_is_the_end_of_another_shows_nothing() {
        let own = base(b"long");
        let mut builder = Builder::split(Arc::clone(&own));
        for name in [&b"int"[..], b"int", b"long", b"int"] {
            let name = builder.string(name);
            builder.typedef(name, TypeId(2));
        }
        builder.typedef(StringOffset(2), TypeId(2));
        let split = Btf::parse_split(builder.finish().unwrap(), own).unwrap();
        assert_eq!(split.types().next_back().unwrap().name(), b"ong");
        assert_eq!(misfit(&split), None);
    }

    #[test]
    fn references_that_make_no_sense_show_another_base() {
        let own = base(b"long");
        for (target, expected) in
            [(TypeId(9), Reason::NoSuchType(TypeId(9))), (TypeId(1), Reason::WrongKind(TypeId(1), Kind::Int))]
        {
            let mut builder = Builder::split(Arc::clone(&own));
            let name = builder.string(b"own");
            builder.function(name, target, Linkage::Static);
            let split = Btf::parse_split(builder.finish().unwrap(), Arc::clone(&own)).unwrap();
            assert_eq!(misfit(&split).unwrap().reason, expected);
        }
        assert_eq!(misfit(&own), None);
    }
}
