//! Fields in a kernel's types.

use super::{Effort, Place, Step, Target, essential};
use crate::names::compared_part;
use crate::{Btf, Kind, Type, TypeId, error::Result};

/// How deep anonymous members are looked into, and how long chains of arrays are.
const DEEPEST: usize = 64;

/// The members on the way to a field, each as the structure or union that has it and its index there.
pub type Way = Vec<(Place, u32)>;

/// Follows an access in a target type by the names of members. `None` when the type has no such field, or one of
/// another kind.
///
/// # Errors
/// A type is missing, a chain of modifiers does not end, or this is too laborious.
pub fn find(
    local: &Btf<'_>,
    target: &Target<'_>,
    candidate: Place,
    steps: &[Step],
    effort: &mut Effort,
) -> Result<Option<Way>> {
    let mut way = Way::new();
    let mut last = false;
    let (mut place, mut ty) = target.skip_modifiers(candidate)?;
    for step in steps {
        effort.spend(1)?;
        let next = match step {
            Step::Member { name, type_id } => {
                let Some(found) = member(target, place, ty, name, &mut way, effort)? else {
                    return Ok(None);
                };
                if !alike(local, *type_id, target, found)? {
                    return Ok(None);
                }
                last = way
                    .last()
                    .is_some_and(|&(owner, index)| target.get(owner).is_ok_and(|ty| index + 1 == ty.vlen()));
                found
            }
            Step::Element { index } => {
                let Some(array) = ty.array() else { return Ok(None) };
                if *index >= array.count && !(last && array.count == 0) {
                    return Ok(None);
                }
                last = false;
                target.place(place, array.element)
            }
        };
        (place, ty) = target.skip_modifiers(next)?;
    }
    Ok(Some(way))
}

/// Finds a member by name, also inside members without one, in the order in which they stand; adds the way there.
fn member(
    target: &Target<'_>,
    place: Place,
    ty: Type<'_>,
    name: &[u8],
    way: &mut Way,
    effort: &mut Effort,
) -> Result<Option<Place>> {
    // Each entry: an aggregate, and its members that are still to be looked at.
    let mut path = vec![(place, ty, ty.members().enumerate())];
    while let Some((place, ty, members)) = path.last_mut() {
        let Some((_, member)) = members.next() else {
            path.pop();
            continue;
        };
        effort.spend(1)?;
        let found = target.place(*place, member.type_id);
        let member_name = compared_part(ty.owner(), member.name);
        if member_name.is_empty() {
            let (inner, inner_ty) = target.skip_modifiers(found)?;
            if inner_ty.kind().is_aggregate() && path.len() < DEEPEST {
                path.push((inner, inner_ty, inner_ty.members().enumerate()));
            }
        } else if member_name == name {
            // Where each iterator stands is one after the member on the way.
            way.extend(path.iter().map(|(place, ty, rest)| (*place, ty.vlen() - rest.len() as u32 - 1)));
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether a field of the target's type could be the local one: of the same kind below typedefs and qualifiers, where
/// structures and unions are one kind. Integers may differ in size and sign, pointers in what they point to.
fn alike(local: &Btf<'_>, id: TypeId, target: &Target<'_>, place: Place) -> Result<bool> {
    let (mut id, mut place) = (id, place);
    for _ in 0..DEEPEST {
        let ours = local.skip_modifiers(id)?;
        let (theirs_place, theirs) = target.skip_modifiers(place)?;
        if ours.kind().is_aggregate() && theirs.kind().is_aggregate() {
            return Ok(true);
        }
        let both_enums = ours.kind().is_enum() && theirs.kind().is_enum();
        if ours.kind() != theirs.kind() && !both_enums {
            return Ok(false);
        }
        match (ours.kind(), ours.array(), theirs.array()) {
            (_, Some(our), Some(their)) => {
                id = our.element;
                place = target.place(theirs_place, their.element);
            }
            (Kind::Ptr | Kind::Float, ..) => return Ok(true),
            (Kind::Int, ..) => {
                let offset = |ty: Type<'_>| ty.int_encoding().unwrap_or_default().offset;
                return Ok(offset(ours) == 0 && offset(theirs) == 0);
            }
            (Kind::Fwd | Kind::Enum | Kind::Enum64, ..) => {
                let (our, their) = (essential(ours.name()), essential(theirs.name()));
                return Ok(our.is_empty() || their.is_empty() || our == their);
            }
            _ => return Ok(false),
        }
    }
    Ok(false)
}
