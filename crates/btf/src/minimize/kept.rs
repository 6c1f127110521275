//! What is kept of a target.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::core::{Place, Target};
use crate::{Kind, TypeId, error::Result};

/// Types that are kept, and the members and enumerators of them.
#[derive(Debug)]
pub(super) struct Kept<'s, 'a> {
    target: &'s Target<'a>,
    /// By BTF, then by index among its own types.
    types: Vec<Vec<u8>>,
    elements: HashMap<Place, BTreeSet<u32>>,
}

/// The type is kept with all that it is by itself.
const SHALLOW: u8 = 1;
/// So is what it points to.
const DEEP: u8 = 2;

impl<'s, 'a> Kept<'s, 'a> {
    pub(super) fn new(target: &'s Target<'a>) -> Self {
        let types = target.btfs().iter().map(|btf| vec![0; btf.type_count() as usize]).collect();
        Self { target, types, elements: HashMap::new() }
    }

    fn mark(&mut self, place: Place) -> Option<&mut u8> {
        let btf = self.target.btfs()[place.btf as usize];
        let index = place.id.0.checked_sub(btf.first_id().0)?;
        self.types[place.btf as usize].get_mut(index as usize)
    }

    /// Keeps a type and what it cannot be without: what a typedef stands for, an array is of, a function takes. Not what
    /// a pointer points to, nor members.
    pub(super) fn keep(&mut self, place: Place) -> Result<()> {
        self.keep_as(place, SHALLOW)
    }

    /// Keeps a type, what it cannot be without, and what pointers in all that point to; not members.
    pub(super) fn keep_deep(&mut self, place: Place) -> Result<()> {
        self.keep_as(place, SHALLOW | DEEP)
    }

    fn keep_as(&mut self, place: Place, depth: u8) -> Result<()> {
        let mut pending = vec![place];
        while let Some(place) = pending.pop() {
            let ty = self.target.get(place)?;
            let Some(mark) = self.mark(place) else { continue };
            let before = *mark;
            *mark |= depth;
            if *mark == before {
                continue;
            }
            let follow = match ty.kind() {
                Kind::Ptr => depth & DEEP != 0,
                Kind::Struct | Kind::Union | Kind::DataSec => false,
                _ => true,
            };
            if follow {
                ty.for_each_reference(|id| pending.push(self.target.place(place, id)));
            }
            let members: Vec<TypeId> = match self.elements.get(&place) {
                Some(kept) if depth & DEEP != 0 && ty.kind().is_aggregate() => {
                    let members = ty.members().enumerate();
                    members
                        .filter(|(index, _)| kept.contains(&(*index as u32)))
                        .map(|(_, each)| each.type_id)
                        .collect()
                }
                _ => Vec::new(),
            };
            pending.extend(members.into_iter().map(|id| self.target.place(place, id)));
        }
        Ok(())
    }

    /// Keeps a type with one of its members or enumerators.
    pub(super) fn keep_element(&mut self, place: Place, index: u32) -> Result<()> {
        self.keep(place)?;
        let new = self.elements.entry(place).or_default().insert(index);
        if new && let Some(member) = self.target.get(place)?.member(index) {
            self.keep(self.target.place(place, member.type_id))?;
        }
        Ok(())
    }

    /// Keeps a type with all its members.
    pub(super) fn keep_all_elements(&mut self, place: Place) -> Result<()> {
        self.keep(place)?;
        let ty = self.target.get(place)?;
        self.elements.entry(place).or_default().extend(0..ty.vlen());
        for member in ty.members() {
            self.keep(self.target.place(place, member.type_id))?;
        }
        Ok(())
    }

    /// Whether a type is kept. `void` always is.
    pub(super) fn has(&self, place: Place) -> bool {
        let btf = self.target.btfs()[place.btf as usize];
        match place.id.0.checked_sub(btf.first_id().0) {
            Some(index) => self.types[place.btf as usize].get(index as usize).is_some_and(|mark| *mark != 0),
            None => place.id.is_void(),
        }
    }

    /// Whether a member or enumerator of a kept type is kept.
    pub(super) fn has_element(&self, place: Place, index: u32) -> bool {
        self.elements.get(&place).is_some_and(|kept| kept.contains(&index))
    }

    /// The types kept, by BTF and id.
    pub(super) fn types(&self) -> impl Iterator<Item = Place> {
        self.types.iter().enumerate().flat_map(|(btf, types)| {
            let first = self.target.btfs()[btf].first_id().0;
            let kept = types.iter().enumerate().filter(|(_, mark)| **mark != 0);
            kept.map(move |(index, _)| Place { btf: btf as u32, id: TypeId(first + index as u32) })
        })
    }
}
