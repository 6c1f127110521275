//! Records as words: which of them are references, which are names, and what part a kind plays in deduplication.

use crate::kind::Info;
use crate::{ByteOrder, Kind, Type};

/// What part a type plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Identified by its content: a pointer, a typedef, an anonymous structure, …
    Content,
    /// A named structure, union or enumeration: others see its name only, until names turn out to be ambiguous.
    Definition,
    /// Declares such a name without defining it: FWD, or an enumeration without enumerators.
    Forward,
    /// Each is its own: variables and sections, which are places and not only types.
    Own,
}

/// The part that a record with this (canonical) name and info word plays.
#[inline]
pub(super) fn role(name: u32, info: u32) -> Role {
    match Info(info).kind() {
        Kind::Struct | Kind::Union if name != 0 => Role::Definition,
        Kind::Enum | Kind::Enum64 if name != 0 && Info(info).vlen() == 0 => Role::Forward,
        Kind::Enum | Kind::Enum64 if name != 0 => Role::Definition,
        Kind::Fwd if name != 0 => Role::Forward,
        Kind::Var | Kind::DataSec | Kind::LocSec => Role::Own,
        _ => Role::Content,
    }
}

/// What a definition and the forward declarations of its name are known by alike: the (canonical) name and the number of
/// [`tag_kind`].
pub(super) type Leaf = [u32; 2];

/// The leaf of a definition or forward declaration with this (canonical) name and info word.
#[inline]
pub(super) fn leaf(name: u32, info: u32) -> Leaf {
    [name, u32::from(tag_kind(info).number())]
}

/// The kind that a definition or forward declaration shares its names with: `struct`, `union` and `enum` tags live
/// apart from each other, as the same tag may in different units.
fn tag_kind(info: u32) -> Kind {
    match Info(info).kind() {
        Kind::Union => Kind::Union,
        Kind::Fwd if Info(info).flag() => Kind::Union,
        Kind::Enum | Kind::Enum64 => Kind::Enum,
        _ => Kind::Struct,
    }
}

/// Replaces the contents of `words` by the record of `ty`.
#[inline]
pub(super) fn read(ty: Type<'_>, words: &mut Vec<u32>) {
    words.clear();
    let bytes = ty.record().chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]);
    match ty.order() {
        ByteOrder::Little => words.extend(bytes.map(u32::from_le_bytes)),
        ByteOrder::Big => words.extend(bytes.map(u32::from_be_bytes)),
    }
}

/// A word that stands for something outside its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A string offset.
    Name,
    /// A type id.
    Reference,
}

/// Calls `visit` with the index of each word that is a string offset or a type id, in the order they stand, of a record
/// with this info word.
#[inline]
pub(super) fn links(info: u32, mut visit: impl FnMut(Link, usize)) {
    let info = Info(info);
    let Some(shape) = info.shape() else { return };
    visit(Link::Name, 0);
    if shape.target {
        visit(Link::Reference, 2);
    }
    for index in 0..usize::from(shape.info_references) {
        visit(Link::Reference, 3 + index);
    }
    let (first, count) = (usize::from(shape.element_references.0), usize::from(shape.element_references.1));
    if count == 0 && !shape.element_name {
        return;
    }
    let (mut at, step) = (3 + usize::from(shape.info), usize::from(shape.element));
    for _ in 0..info.vlen() {
        if shape.element_name {
            visit(Link::Name, at);
        }
        for index in first..first + count {
            visit(Link::Reference, at + index);
        }
        at += step;
    }
}

/// Calls `visit` with each type id that a record holds, or each class that the words of a class hold, in the order they
/// stand. Words that are no record (those of a leaf) hold none.
#[inline]
pub(super) fn references(words: &[u32], mut visit: impl FnMut(u32)) {
    let [_, info, _, ..] = words else { return };
    links(*info, |link, index| {
        if link == Link::Reference {
            visit(words[index]);
        }
    });
}
