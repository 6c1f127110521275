//! Types as wholes: is a kernel's type the one that an object means, and is it like it all the way down?
//!
//! Both walks tell what they look at, whether or not the answer is yes: a BTF that keeps exactly that gives the same
//! answer.

use hashbrown::{HashMap, HashSet};

use super::{Effort, Place, Target, essential};
use crate::names::compared_part;
use crate::{Btf, Kind, StringOffset, Type, TypeId, error::Result};

/// How deep types are compared, counted in pointers, arrays, members and prototypes.
const DEEPEST: u32 = 32;

/// What a walk has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// A type, and those that it passes on as a typedef or qualifier.
    Type(Place),
    /// A member or an enumerator of a type, by index.
    Element(Place, u32),
}

/// Whether a target type can be what an object means by a local type of the same name: typedefs and qualifiers aside,
/// both are of one kind; so is what pointers, arrays and prototypes are made of. Members do not count.
///
/// # Errors
/// A type is missing, a chain of modifiers does not end, or this is too laborious.
pub fn compatible(
    local: &Btf<'_>,
    root: TypeId,
    target: &Target<'_>,
    candidate: Place,
    effort: &mut Effort,
    mut look: impl FnMut(Looked),
) -> Result<bool> {
    let mut pending = vec![(root, candidate, DEEPEST)];
    while let Some((id, place, depth)) = pending.pop() {
        look(Looked::Type(place));
        effort.spend(1)?;
        let ours = local.skip_modifiers(id)?;
        let (place, theirs) = target.skip_modifiers(place)?;
        let both_enums = ours.kind().is_enum() && theirs.kind().is_enum();
        if depth == 0 || (ours.kind() != theirs.kind() && !both_enums) {
            return Ok(false);
        }
        match ours.kind() {
            Kind::Int => {
                let offset = |ty: Type<'_>| ty.int_encoding().unwrap_or_default().offset;
                if offset(ours) != 0 || offset(theirs) != 0 {
                    return Ok(false);
                }
            }
            Kind::Ptr | Kind::Array => {
                pending.push((inner(ours), target.place(place, inner(theirs)), depth - 1));
            }
            Kind::FuncProto => {
                if ours.vlen() != theirs.vlen() {
                    return Ok(false);
                }
                let pairs =
                    ours.params().zip(theirs.params()).map(|(our, their)| (our.type_id, their.type_id));
                let returned = [(inner(ours), inner(theirs))];
                pending.extend(
                    returned
                        .into_iter()
                        .chain(pairs)
                        .map(|(our, their)| (our, target.place(place, their), depth - 1)),
                );
            }
            Kind::Unknown(_) | Kind::Func | Kind::Var | Kind::DataSec | Kind::DeclTag => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

/// What a pointer points to, an array has elements of, or a prototype returns.
fn inner(ty: Type<'_>) -> TypeId {
    ty.array().map(|array| array.element).or(ty.type_id()).unwrap_or_default()
}

/// Whether a target type is like a local one all the way down: names are the same, flavours aside; every local member
/// and enumerator is there; members are alike in turn, integers in size and sign, arrays in length. Behind a pointer,
/// structures and unions are compared by name only, and may be forward declarations.
///
/// # Errors
/// A type is missing, a chain of modifiers does not end, or this is too laborious.
pub fn matches(
    local: &Btf<'_>,
    root: TypeId,
    target: &Target<'_>,
    candidate: Place,
    effort: &mut Effort,
    mut look: impl FnMut(Looked),
) -> Result<bool> {
    let mut walk = Matching { local, target, effort, look: &mut look, known: HashMap::new() };
    walk.alike(root, candidate, false, DEEPEST)
}

struct Matching<'w, 'a> {
    local: &'w Btf<'w>,
    target: &'w Target<'a>,
    effort: &'w mut Effort,
    look: &'w mut dyn FnMut(Looked),
    /// Answers so far: by local type, target type and whether that is behind a pointer.
    known: HashMap<(TypeId, Place, bool), bool>,
}

impl Matching<'_, '_> {
    fn alike(&mut self, id: TypeId, place: Place, behind_pointer: bool, depth: u32) -> Result<bool> {
        let key = (id, place, behind_pointer);
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        (self.look)(Looked::Type(place));
        self.effort.spend(1)?;
        if depth == 0 {
            return Ok(false);
        }
        let answer = self.alike_below(id, place, behind_pointer, depth)?;
        self.known.insert(key, answer);
        Ok(answer)
    }

    fn alike_below(&mut self, id: TypeId, place: Place, behind_pointer: bool, depth: u32) -> Result<bool> {
        let ours = self.local.skip_modifiers(id)?;
        let (place, theirs) = self.target.skip_modifiers(place)?;
        if name(ours, ours.name_offset()) != name(theirs, theirs.name_offset()) {
            return Ok(false);
        }
        let (our_kind, their_kind) = (ours.kind(), theirs.kind());
        if our_kind.is_enum() {
            return Ok(their_kind.is_enum() && self.same_enumerators(ours, place, theirs)?);
        }
        if our_kind == Kind::Fwd || (their_kind == Kind::Fwd && our_kind.is_aggregate()) {
            return Ok(declares_union(ours) == declares_union(theirs)
                && declares_union(ours).is_some()
                && (behind_pointer || our_kind == their_kind));
        }
        if our_kind != their_kind {
            return Ok(false);
        }
        match our_kind {
            Kind::Void => Ok(true),
            Kind::Struct | Kind::Union if behind_pointer => Ok(true),
            Kind::Struct | Kind::Union => self.same_members(ours, place, theirs, depth),
            Kind::Int => {
                let signed = |ty: Type<'_>| ty.int_encoding().unwrap_or_default().signed;
                Ok(ours.size() == theirs.size() && signed(ours) == signed(theirs))
            }
            Kind::Float => Ok(ours.size() == theirs.size()),
            Kind::Ptr => self.alike(inner(ours), self.target.place(place, inner(theirs)), true, depth - 1),
            Kind::Array => {
                let same_length =
                    ours.array().map(|array| array.count) == theirs.array().map(|array| array.count);
                let element = self.target.place(place, inner(theirs));
                Ok(same_length && self.alike(inner(ours), element, behind_pointer, depth - 1)?)
            }
            Kind::FuncProto => {
                if ours.vlen() != theirs.vlen() {
                    return Ok(false);
                }
                for (our, their) in ours.params().zip(theirs.params()) {
                    let their = self.target.place(place, their.type_id);
                    if !self.alike(our.type_id, their, behind_pointer, depth - 1)? {
                        return Ok(false);
                    }
                }
                self.alike(inner(ours), self.target.place(place, inner(theirs)), behind_pointer, depth - 1)
            }
            _ => Ok(false),
        }
    }

    fn same_enumerators(&mut self, ours: Type<'_>, place: Place, theirs: Type<'_>) -> Result<bool> {
        if ours.size() != theirs.size() || ours.vlen() > theirs.vlen() {
            return Ok(false);
        }
        self.effort.spend(theirs.vlen())?;
        let by_name = by_name(theirs, theirs.enumerators().map(|each| each.name));
        let mut found = HashSet::new();
        for our in ours.enumerators() {
            let index = by_name.get(name(ours, our.name)).and_then(|all| all.first());
            let Some(&index) = index else { return Ok(false) };
            (self.look)(Looked::Element(place, index));
            found.insert(index);
        }
        self.look_at_as_many(place, ours.vlen(), found.len());
        Ok(true)
    }

    fn same_members(&mut self, ours: Type<'_>, place: Place, theirs: Type<'_>, depth: u32) -> Result<bool> {
        if ours.vlen() > theirs.vlen() {
            return Ok(false);
        }
        self.effort.spend(theirs.vlen())?;
        let by_name = by_name(theirs, theirs.members().map(|each| each.name));
        let types: Vec<TypeId> = theirs.members().map(|each| each.type_id).collect();
        let mut all_found = HashSet::new();
        for our in ours.members() {
            let mut found = false;
            for &index in by_name.get(name(ours, our.name)).map_or(&[][..], Vec::as_slice) {
                (self.look)(Looked::Element(place, index));
                self.effort.spend(1)?;
                let their = self.target.place(place, types[index as usize]);
                if self.alike(our.type_id, their, false, depth - 1)? {
                    found = true;
                    all_found.insert(index);
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        self.look_at_as_many(place, ours.vlen(), all_found.len());
        Ok(true)
    }

    /// A type with fewer elements than the local one has is no match. Where several local ones are matched by one, it
    /// takes others to make up the number.
    fn look_at_as_many(&mut self, place: Place, count: u32, found: usize) {
        if found < count as usize {
            for index in 0..count {
                (self.look)(Looked::Element(place, index));
            }
        }
    }
}

/// Whether a structure, union or forward declaration is of a union.
fn declares_union(ty: Type<'_>) -> Option<bool> {
    match ty.kind() {
        Kind::Struct => Some(false),
        Kind::Union => Some(true),
        Kind::Fwd => Some(ty.kind_flag()),
        _ => None,
    }
}

fn name<'a>(ty: Type<'a>, offset: StringOffset) -> &'a [u8] {
    essential(compared_part(ty.owner(), offset))
}

/// Indices of elements by name.
fn by_name<'a>(ty: Type<'a>, names: impl Iterator<Item = StringOffset>) -> HashMap<&'a [u8], Vec<u32>> {
    let mut by_name: HashMap<&[u8], Vec<u32>> = HashMap::new();
    for (index, offset) in names.enumerate() {
        by_name.entry(name(ty, offset)).or_default().push(index as u32);
    }
    by_name
}
