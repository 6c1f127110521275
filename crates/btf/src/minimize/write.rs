//! From what is kept to a BTF of its own.

use hashbrown::HashMap;

use super::kept::Kept;
use crate::core::{Place, Target};
use crate::{
    Btf, Builder, Enumerator, Error, Kind, Member, SectionEntry, StringOffset, Type, TypeId, error::Result,
    order,
};

/// Writes the kept types; gives the blob and their number. Structures, unions and enumerations that are `nameless` lose
/// their names.
pub(super) fn write(
    target: &Target<'_>,
    kept: &Kept<'_, '_>,
    nameless: impl Fn(Place, Type<'_>) -> bool,
) -> Result<(Vec<u8>, u32)> {
    let numbered = number(target, kept)?;
    let mut builder = Builder::new(target.btfs()[0].byte_order()).with_wide_vlen();
    let limit =
        target.btfs().iter().map(|btf| btf.string_section().len()).sum::<usize>().saturating_mul(4) + 4096;
    for &place in &numbered.order {
        let id = write_type(&mut builder, target, kept, &numbered, place, &nameless)?;
        debug_assert_eq!(Some(&id), numbered.ids.get(&place));
        if builder.string_length() > limit {
            return Err(Error::NamesOverlap);
        }
    }
    write_sections(&mut builder, target, kept, &numbered)?;
    if builder.type_count() == 0 {
        // Loaders refuse BTF without types, also where they have nothing to look for in it.
        builder.pointer(TypeId::VOID);
    }
    let written = Btf::parse(builder.finish()?)?;
    let order = order::leaves_first(&written)?;
    Ok((order::permute(&written, &order)?.bytes, order.len() as u32))
}

/// Which types are written, and as which ids.
struct Numbered {
    order: Vec<Place>,
    ids: HashMap<Place, TypeId>,
}

impl Numbered {
    /// The new id of what the type at `from` refers to; `void` for what is not kept.
    fn id(&self, target: &Target<'_>, from: Place, id: TypeId) -> TypeId {
        self.ids.get(&target.place(from, id)).copied().unwrap_or_default()
    }
}

/// A pointer, qualifier or typedef, and what it leads to, if that is kept.
#[derive(PartialEq, Eq, Hash)]
struct Link {
    kind: Kind,
    flag: bool,
    /// With the BTF that it is of.
    name: (u32, StringOffset),
    to: Option<Place>,
}

/// Pointers whose targets are not kept all are pointers to `void`, and qualifiers of them are the same, too: each is
/// written once.
fn number(target: &Target<'_>, kept: &Kept<'_, '_>) -> Result<Numbered> {
    let mut numbered = Numbered { order: Vec::new(), ids: HashMap::new() };
    let mut same: HashMap<Link, Place> = HashMap::new();
    let mut stands_for: HashMap<Place, Place> = HashMap::new();
    for start in kept.types() {
        let mut chain = Vec::new();
        let mut place = start;
        // From the start of a chain of references to the end, then back: what is the same at the end makes what leads
        // there the same.
        let mut end = loop {
            if let Some(&known) = stands_for.get(&place) {
                break Some(known);
            }
            let ty = target.get(place)?;
            let inner = target.place(place, ty.type_id().unwrap_or_default());
            let is_link = ty.kind() == Kind::Ptr || ty.kind().is_modifier();
            if !is_link || chain.len() > Btf::CHAIN_LIMIT {
                stands_for.insert(place, place);
                break Some(place);
            }
            chain.push((place, ty));
            if ty.kind() == Kind::Ptr || inner.id.is_void() {
                // Where a pointer leads can be a cycle; where it is kept, pointers to it are each other's equals as far
                // as the source has each only once.
                break (!inner.id.is_void() && kept.has(inner)).then_some(inner);
            }
            place = inner;
        };
        for (place, ty) in chain.into_iter().rev() {
            // Names of one BTF have one offset; those of modules are told apart by where they are.
            let name = ty.name_offset();
            let level = if name.0 >= target.btfs()[0].end_string() { place.btf } else { 0 };
            let link = Link { kind: ty.kind(), flag: ty.kind_flag(), name: (level, name), to: end };
            let representative = *same.entry(link).or_insert(place);
            stands_for.insert(place, representative);
            end = Some(representative);
        }
    }
    for place in kept.types() {
        let representative = stands_for.get(&place).copied().unwrap_or(place);
        if representative == place && target.get(place)?.kind() != Kind::DataSec {
            numbered.order.push(place);
            numbered.ids.insert(place, TypeId(numbered.order.len() as u32));
        }
    }
    for place in kept.types() {
        let representative = stands_for.get(&place).copied().unwrap_or(place);
        if let Some(&id) = numbered.ids.get(&representative) {
            numbered.ids.insert(place, id);
        }
    }
    Ok(numbered)
}

fn write_type(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    kept: &Kept<'_, '_>,
    numbered: &Numbered,
    place: Place,
    nameless: impl Fn(Place, Type<'_>) -> bool,
) -> Result<TypeId> {
    let ty = target.get(place)?;
    let name = if nameless(place, ty) { &[] } else { ty.name() };
    let map = |id: TypeId| numbered.id(target, place, id);
    let is_kept = |index: usize| kept.has_element(place, index as u32);
    match ty.kind() {
        Kind::Struct | Kind::Union => {
            let kept = ty.members().enumerate().filter(|(index, _)| is_kept(*index));
            let members: Vec<Member> = kept
                .map(|(_, member)| Member {
                    name: builder.string(ty.string(member.name)),
                    type_id: map(member.type_id),
                    ..member
                })
                .collect();
            let name = builder.string(name);
            builder.aggregate(ty.kind(), name, ty.size().unwrap_or_default(), &members)
        }
        Kind::Enum | Kind::Enum64 => {
            let kept = ty.enumerators().enumerate().filter(|(index, _)| is_kept(*index));
            let enumerators: Vec<Enumerator> = kept
                .map(|(_, each)| Enumerator { name: builder.string(ty.string(each.name)), ..each })
                .collect();
            let (name, size) = (builder.string(name), ty.size().unwrap_or_default());
            match ty.kind() {
                Kind::Enum => builder.enumeration(name, size, ty.kind_flag(), &enumerators),
                _ => builder.enumeration64(name, size, ty.kind_flag(), &enumerators),
            }
        }
        _ => builder.push_mapped(ty, map),
    }
}

/// Sections with those of their variables that are kept.
fn write_sections(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    kept: &Kept<'_, '_>,
    numbered: &Numbered,
) -> Result<()> {
    for (index, btf) in target.btfs().iter().enumerate() {
        let section = |ty: &Type<'_>| ty.kind() == Kind::DataSec;
        for ty in btf.types().filter(section) {
            let place = Place { btf: index as u32, id: ty.id() };
            let has = |entry: &SectionEntry| kept.has(target.place(place, entry.variable));
            let entries: Vec<SectionEntry> = ty
                .section_entries()
                .filter(|entry| !entry.variable.is_void() && has(entry))
                .map(|entry| SectionEntry { variable: numbered.id(target, place, entry.variable), ..entry })
                .collect();
            if !entries.is_empty() {
                let name = builder.string(ty.name());
                builder.data_section(name, ty.size().unwrap_or_default(), &entries)?;
            }
        }
    }
    Ok(())
}
