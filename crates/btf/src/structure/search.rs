//! Structures by what is in them.

use crate::{Btf, Kind, Member, Type, TypeId};

/// The structures and unions with a name that have a member of one of these types, without typedefs or qualifiers around
/// it, in the order of ids.
pub fn containers<'b>(btf: &'b Btf<'_>, targets: &[TypeId]) -> Vec<Type<'b>> {
    let targets = Targets::new(btf, targets);
    named_aggregates(btf).filter(|ty| ty.members().any(|member| targets.has(member.type_id))).collect()
}

/// The structures and unions with a name that have members that are pointers to one of these types, and these members,
/// in the order of ids.
pub fn pointers<'b>(btf: &'b Btf<'_>, targets: &[TypeId]) -> Vec<(Type<'b>, Vec<Member>)> {
    let targets = Targets::new(btf, targets);
    let is_pointer = |member: &Member| {
        let pointer = btf.get(member.type_id).ok().filter(|ty| ty.kind() == Kind::Ptr);
        pointer.and_then(Type::type_id).is_some_and(|target| targets.has(target))
    };
    let found = |ty: Type<'b>| (ty, ty.members().filter(is_pointer).collect::<Vec<_>>());
    named_aggregates(btf).map(found).filter(|(_, members)| !members.is_empty()).collect()
}

/// All types, those of the bases first.
pub fn all<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = Type<'b>> {
    (1..btf.next_id().0).filter_map(|id| btf.get(TypeId(id)).ok())
}

fn named_aggregates<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = Type<'b>> {
    all(btf).filter(|ty| ty.kind().is_aggregate() && !ty.name().is_empty())
}

/// A set of type ids.
struct Targets(Vec<bool>);

impl Targets {
    fn new(btf: &Btf<'_>, ids: &[TypeId]) -> Self {
        let mut has = vec![false; btf.next_id().0 as usize];
        for id in ids {
            if let Some(slot) = has.get_mut(id.0 as usize) {
                *slot = true;
            }
        }
        Self(has)
    }

    fn has(&self, id: TypeId) -> bool {
        self.0.get(id.0 as usize).copied().unwrap_or(false)
    }
}
