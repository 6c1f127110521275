//! Distilled bases: a split BTF that carries what it needs to know of its base.
//!
//! The ids of a split BTF go on where those of its base end, so that it means nothing on any other base, be it a kernel
//! built a minute later. A *distilled base* is a small stand-in: of each named type of the base that the split BTF uses
//! it holds kind, name and size. The split BTF is renumbered to stand on that, and [`crate::relocate`] later finds the
//! types of the same names in whichever base there is. Kernels from 6.11 on do this for modules that come with a section
//! `.BTF.base` (`Documentation/bpf/btf.rst`).
//!
//! | in the base | becomes |
//! |---|---|
//! | INT, FLOAT | itself, in the distilled base |
//! | STRUCT, UNION with a name | one of the same size without members, in the distilled base |
//! | ENUM, ENUM64 with a name | an ENUM of the same size without enumerators, in the distilled base |
//! | what has no name, TYPEDEF, TYPE_TAG, FWD | itself, at the end of the split BTF, with what it refers to |
//! | FUNC, VAR, DATASEC, DECL_TAG | an error: nothing of a split BTF can refer to them and be found again |
//!
//! A FWD could stand in the distilled base as well. But kernels compare its flag (structure or union) with the kind flag
//! of the aggregate they find, which says whether that has bit-fields: a FWD for a structure with bit-fields makes them
//! refuse the module. In the split BTF it says the same and is not looked for.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::copied_strings::CopiedStrings;
use crate::names::compared_part;
use crate::{Btf, Builder, Error, Kind, StringOffset, Type, TypeId, error::Result};

/// A split BTF on a distilled base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distilled {
    /// The distilled base: the section `.BTF.base`.
    pub base: Vec<u8>,
    /// The split BTF on it: the section `.BTF`.
    pub split: Vec<u8>,
    /// What became of the types.
    pub ids: Renumbering,
    /// Types that no kernel can find again, not even the one that they come from: its BTF has several of that name,
    /// kind and size.
    pub ambiguous: Vec<Ambiguous>,
}

/// New ids for the types of a split BTF and for those of its base that it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renumbering {
    /// Types of the base: new ids by old ones, `void` for what is not used.
    base: Vec<TypeId>,
    /// What the first own type becomes; the others follow.
    first: TypeId,
    count: u32,
}

/// A type of a base that its name, kind and size do not tell from others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ambiguous {
    /// STRUCT, UNION, ENUM or ENUM64.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u32,
}

impl Renumbering {
    /// The new id of a type; `None` for one of the base that is not used, and for one that is not there.
    pub fn get(&self, id: TypeId) -> Option<TypeId> {
        if id.is_void() {
            return Some(id);
        }
        match (id.0 as usize).checked_sub(self.base.len()) {
            None => self.base.get(id.0 as usize).copied().filter(|new| !new.is_void()),
            Some(own) => (own < self.count as usize).then(|| TypeId(self.first.0 + own as u32)),
        }
    }
}

/// What becomes of a type of the base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unused,
    /// It is in the distilled base.
    Distilled,
    /// It is at the end of the split BTF.
    Copied,
}

/// Distils the base of `split`.
///
/// # Errors
/// `split` has no base, is broken, refers to a FUNC, VAR, DATASEC or DECL_TAG of its base, or has types of a kind not
/// known here.
pub fn distill(split: &Btf<'_>) -> Result<Distilled> {
    distill_with(split, &[])
}

/// Distils the base of `split` with some more types of that base, which are referred to from elsewhere.
///
/// # Errors
/// As [`distill`].
pub fn distill_with(split: &Btf<'_>, more: &[TypeId]) -> Result<Distilled> {
    let Some(base) = split.base() else { return Err(Error::NotSplit) };
    let fates = fates(split, more)?;
    let distilled = write_base(split, &fates)?;
    let ids = renumber(split, &fates, distilled.count);
    let new_base = Arc::new(Btf::parse(distilled.bytes)?);
    let written = write_split(split, &fates, &ids, Arc::clone(&new_base))?;
    Ok(Distilled { base: new_base.bytes().to_vec(), split: written, ids, ambiguous: ambiguous(base, &fates) })
}

/// Follows the references of the split BTF into its base, as far as they do not end at a type that is found by name.
fn fates(split: &Btf<'_>, more: &[TypeId]) -> Result<Vec<Fate>> {
    let first = split.first_id();
    let mut fates = vec![Fate::Unused; first.0 as usize];
    // Each entry: a type of the base, and which type refers to it.
    let mut pending: Vec<(TypeId, TypeId)> = Vec::new();
    let mut beyond = None;
    let mut visit = |ty: Type<'_>, pending: &mut Vec<(TypeId, TypeId)>| {
        ty.for_each_reference(|id| {
            if id >= split.next_id() {
                beyond = beyond.or(Some(id));
            } else if id < first && !id.is_void() {
                pending.push((id, ty.id()));
            }
        });
        beyond.map_or(Ok(()), |id| Err(Error::NoSuchType(id)))
    };
    for &id in more.iter().filter(|&&id| id < first && !id.is_void()) {
        pending.push((id, TypeId::VOID));
    }
    for ty in split.types() {
        refuse_unknown_kind(ty)?;
        visit(ty, &mut pending)?;
    }
    while let Some((id, by)) = pending.pop() {
        let fate = &mut fates[id.0 as usize];
        if *fate == Fate::Unused {
            let ty = split.get(id)?;
            *fate = fate_of(ty, by)?;
            if *fate == Fate::Copied {
                visit(ty, &mut pending)?;
            }
        }
    }
    Ok(fates)
}

fn fate_of(ty: Type<'_>, by: TypeId) -> Result<Fate> {
    refuse_unknown_kind(ty)?;
    match ty.kind() {
        Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64
            if !ty.name().is_empty() =>
        {
            Ok(Fate::Distilled)
        }
        Kind::Func
        | Kind::Var
        | Kind::DataSec
        | Kind::DeclTag
        | Kind::LocParam
        | Kind::LocProto
        | Kind::LocSec => Err(Error::NotDistillable { id: ty.id(), kind: ty.kind(), by }),
        _ => Ok(Fate::Copied),
    }
}

pub(crate) fn refuse_unknown_kind(ty: Type<'_>) -> Result<()> {
    match ty.kind() {
        kind @ Kind::Unknown(_) => {
            let offset = ty.record().as_ptr().addr() - ty.owner().type_section().as_ptr().addr();
            Err(Error::UnknownKind { id: ty.id(), kind, offset: offset as u32 })
        }
        _ => Ok(()),
    }
}

/// Ids of the types of the base with this fate, ascending.
fn with_fate(fates: &[Fate], fate: Fate) -> impl Iterator<Item = TypeId> {
    fates.iter().enumerate().filter(move |(_, each)| **each == fate).map(|(id, _)| TypeId(id as u32))
}

struct WrittenBase {
    bytes: Vec<u8>,
    count: u32,
}

fn write_base(split: &Btf<'_>, fates: &[Fate]) -> Result<WrittenBase> {
    let mut builder = Builder::new(split.byte_order());
    let mut strings = CopiedStrings::new(split);
    for id in with_fate(fates, Fate::Distilled) {
        let ty = split.get(id)?;
        let name = strings.copy(&mut builder, ty.name_offset());
        let size = ty.size().unwrap_or_default();
        match ty.kind() {
            Kind::Int => builder.int(name, size, ty.int_encoding().unwrap_or_default()),
            Kind::Float => builder.float(name, size),
            Kind::Enum | Kind::Enum64 => builder.enumeration(name, size, false, &[])?,
            kind => builder.aggregate(kind, name, size, &[])?,
        };
        if strings.have_outgrown(&builder) {
            return Err(Error::NamesOverlap);
        }
    }
    Ok(WrittenBase { count: builder.type_count(), bytes: builder.finish()? })
}

fn renumber(split: &Btf<'_>, fates: &[Fate], distilled: u32) -> Renumbering {
    let first = TypeId(1 + distilled);
    let mut base = vec![TypeId::VOID; fates.len()];
    for (index, id) in with_fate(fates, Fate::Distilled).enumerate() {
        base[id.0 as usize] = TypeId(1 + index as u32);
    }
    for (index, id) in with_fate(fates, Fate::Copied).enumerate() {
        base[id.0 as usize] = TypeId(first.0 + split.type_count() + index as u32);
    }
    Renumbering { base, first, count: split.type_count() }
}

fn write_split<'a>(
    split: &Btf<'a>,
    fates: &[Fate],
    ids: &Renumbering,
    base: Arc<Btf<'a>>,
) -> Result<Vec<u8>> {
    let mut builder = Builder::like_on(split, Some(Arc::clone(&base)));
    let mut strings = CopiedStrings::new(split);
    let own = split.types().map(Type::id);
    for id in own.chain(with_fate(fates, Fate::Copied)) {
        let map = |id| ids.get(id).unwrap_or_default();
        strings.push_onto(&base, &mut builder, split.get(id)?, map)?;
    }
    builder.finish()
}

/// The distilled types that the base has several of, as far as names, kinds and sizes tell.
fn ambiguous(base: &Btf<'_>, fates: &[Fate]) -> Vec<Ambiguous> {
    let mut levels = vec![base];
    while let Some(next) = levels[levels.len() - 1].base() {
        levels.push(next);
    }
    // How many there are of each name, kind and size, and whether one is distilled.
    let mut counts: HashMap<(&[u8], Kind, u32), (u32, bool)> = HashMap::new();
    for ty in levels.iter().flat_map(|level| level.types()) {
        let name = compared_part(ty.owner(), ty.name_offset());
        let kind = if ty.kind() == Kind::Enum64 { Kind::Enum } else { ty.kind() };
        if !name.is_empty() && (kind.is_aggregate() || kind == Kind::Enum) {
            let (count, distilled) = counts.entry((name, kind, ty.size().unwrap_or_default())).or_default();
            *count += 1;
            *distilled |= fates.get(ty.id().0 as usize) == Some(&Fate::Distilled);
        }
    }
    let several = counts.into_iter().filter(|(_, (count, distilled))| *count > 1 && *distilled);
    let mut ambiguous: Vec<Ambiguous> = several
        .map(|((name, kind, size), _)| Ambiguous {
            kind,
            name: String::from_utf8_lossy(name).into_owned(),
            size,
        })
        .collect();
    ambiguous.sort_by(|a, b| (&a.name, a.kind.number(), a.size).cmp(&(&b.name, b.kind.number(), b.size)));
    ambiguous
}

/// Shows a distilled type to a person: `struct list_head of 16 bytes`.
pub(crate) fn subject(ty: Type<'_>) -> String {
    let word = match ty.kind() {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Enum | Kind::Enum64 => "enum",
        Kind::Fwd if ty.kind_flag() => "forward declaration of union",
        Kind::Fwd => "forward declaration of struct",
        Kind::Int => "integer",
        Kind::Float => "floating point number",
        _ => return format!("{} '{}'", ty.kind(), shown(ty)),
    };
    match ty.size() {
        Some(size) => format!("{word} {} of {size} bytes", shown(ty)),
        None => format!("{word} {}", shown(ty)),
    }
}

fn shown(ty: Type<'_>) -> String {
    let name = ty.name();
    String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned()
}

/// What a distilled base says of a type, for finding it: the offset is of its own strings.
pub(crate) fn is_distilled(ty: Type<'_>) -> bool {
    let kind = matches!(
        ty.kind(),
        Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd
    );
    kind && ty.name_offset() != StringOffset::EMPTY && !ty.name().is_empty()
}
