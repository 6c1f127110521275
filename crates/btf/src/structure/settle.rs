//! [`Structures`]: every structure is measured once, after the structures inside it.

use std::sync::Arc;

use super::{Inner, Structure, measure};
use crate::{Btf, Kind, TypeId};

/// The structures and unions of a BTF and its bases, measured when first asked for.
#[derive(Debug)]
pub struct Structures<'b> {
    btf: &'b Btf<'b>,
    cacheline: u64,
    /// By type id.
    known: Vec<Known>,
}

#[derive(Debug, Default)]
enum Known {
    #[default]
    No,
    /// Waiting for the structures inside it. Met again while in this state, it contains itself, which no compiler makes.
    Begun,
    Settled(Arc<Structure>),
}

impl<'b> Structures<'b> {
    /// Nothing is measured yet.
    pub fn new(btf: &'b Btf<'b>) -> Self {
        let mut known = Vec::new();
        known.resize_with(btf.next_id().0 as usize, Known::default);
        Self { btf, cacheline: Self::CACHE_LINE, known }
    }

    /// Bytes of a cache line unless said otherwise.
    pub const CACHE_LINE: u64 = 64;

    /// With cache lines of so many bytes: when several alignments explain a gap, that of a cache line does it best.
    pub fn with_cacheline(self, cacheline: u64) -> Self {
        Self { cacheline: cacheline.max(1), ..self }
    }

    /// The BTF.
    pub fn btf(&self) -> &'b Btf<'b> {
        self.btf
    }

    /// The structure or union with this id; `None` for what is neither.
    pub fn get(&mut self, id: TypeId) -> Option<&Structure> {
        self.settle(id);
        self.settled(id)
    }

    /// As [`Structures::get`], to keep while others are asked for.
    pub fn share(&mut self, id: TypeId) -> Option<Arc<Structure>> {
        self.settle(id);
        match self.known.get(id.0 as usize)? {
            Known::Settled(structure) => Some(Arc::clone(structure)),
            _ => None,
        }
    }

    /// The structure or union with this id, if it was measured already: those inside a measured one are.
    pub fn settled(&self, id: TypeId) -> Option<&Structure> {
        match self.known.get(id.0 as usize)? {
            Known::Settled(structure) => Some(structure),
            _ => None,
        }
    }

    /// The structure that a member is.
    pub fn inside(&self, field: &super::Field) -> Option<&Structure> {
        if field.inside.is_void() { None } else { self.settled(field.inside) }
    }

    /// What the structures inside `structure` waste.
    pub fn inner(&self, structure: &Structure) -> Inner {
        let mut inner = Inner::default();
        let add = |(count, total): &mut (u32, u64), value: u64| {
            *count += u32::from(value > 0);
            *total = total.saturating_add(value);
        };
        for inside in structure.fields.iter().filter_map(|field| self.inside(field)) {
            add(&mut inner.holes, u64::from(inside.holes));
            add(&mut inner.bit_holes, u64::from(inside.bit_holes));
            add(&mut inner.paddings, inside.padding);
            add(&mut inner.bit_paddings, inside.bit_padding);
            inner.flexible += u32::from(inside.flexible_array);
            inner.embedded_flexible += u32::from(inside.embedded_flexible_array);
        }
        inner
    }

    /// Measures `id` and all inside it, depth first, with a stack of its own: nesting may be as deep as the BTF is long.
    fn settle(&mut self, id: TypeId) {
        let mut stack = vec![id];
        while let Some(&id) = stack.last() {
            let Ok(ty) = self.btf.get(id) else {
                stack.pop();
                continue;
            };
            match self.known[id.0 as usize] {
                Known::No if ty.kind().is_aggregate() => {
                    self.known[id.0 as usize] = Known::Begun;
                    for member in ty.members() {
                        let inside = aggregate(self.btf, member.type_id);
                        if !inside.is_void() && matches!(self.known[inside.0 as usize], Known::No) {
                            stack.push(inside);
                        }
                    }
                }
                Known::Begun => {
                    let structure = measure::measure(self.btf, ty, self.cacheline, |id| self.settled(id));
                    self.known[id.0 as usize] = Known::Settled(Arc::new(structure));
                    stack.pop();
                }
                _ => {
                    stack.pop();
                }
            }
        }
    }
}

/// The structure or union behind typedefs, qualifiers and arrays; `void` when there is none.
pub(super) fn aggregate(btf: &Btf<'_>, mut id: TypeId) -> TypeId {
    for _ in 0..Btf::CHAIN_LIMIT {
        let Ok(ty) = btf.get(id) else { return TypeId::VOID };
        id = match ty.kind() {
            kind if kind.is_aggregate() => return id,
            Kind::Array => ty.array().map_or(TypeId::VOID, |array| array.element),
            kind if kind.is_modifier() => ty.raw_type_id(),
            _ => return TypeId::VOID,
        };
    }
    TypeId::VOID
}
