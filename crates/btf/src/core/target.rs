//! The types that a kernel and its modules have, and those among them that share a name.

use hashbrown::{HashMap, HashSet};

use super::essential;
use crate::names::{NAME_LIMIT, compared_part};
use crate::{Btf, Error, Kind, Type, TypeId, error::Result};

/// A kernel's BTF, and those of modules split on it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    btfs: Vec<&'a Btf<'a>>,
}

/// A type of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which BTF it is stored in: 0 for the kernel's, then the modules'.
    pub btf: u32,
    /// Its id there.
    pub id: TypeId,
}

impl<'a> Target<'a> {
    /// A kernel with some of its modules.
    ///
    /// # Errors
    /// A module is not split on a BTF like the kernel's.
    pub fn new(kernel: &'a Btf<'a>, modules: impl IntoIterator<Item = &'a Btf<'a>>) -> Result<Self> {
        let mut btfs = vec![kernel];
        for module in modules {
            let fits = module.first_id() == kernel.next_id()
                && module.first_string().0 == kernel.end_string()
                && module.byte_order() == kernel.byte_order();
            if !fits {
                return Err(Error::BasesDiffer);
            }
            btfs.push(module);
        }
        Ok(Self { btfs })
    }

    /// The BTFs: the kernel's, then the modules'.
    pub fn btfs(&self) -> &[&'a Btf<'a>] {
        &self.btfs
    }

    /// Where the type is stored that the BTF at `from` calls `id`.
    pub fn place(&self, from: Place, id: TypeId) -> Place {
        let own = from.btf != 0 && id >= self.btfs[from.btf as usize].first_id();
        Place { btf: if own { from.btf } else { 0 }, id }
    }

    /// The type at a place.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, place: Place) -> Result<Type<'a>> {
        self.btfs[place.btf as usize].get(place.id)
    }

    /// Follows typedefs, qualifiers and type tags to the type that they stand for.
    ///
    /// # Errors
    /// A type is missing, or the chain does not end.
    pub fn skip_modifiers(&self, place: Place) -> Result<(Place, Type<'a>)> {
        let ty = self.btfs[place.btf as usize].skip_modifiers(place.id)?;
        Ok((self.place(place, ty.id()), ty))
    }
}

/// Types of a target by kind and name without flavour.
#[derive(Debug)]
pub struct Candidates<'n> {
    by_name: HashMap<&'n [u8], Vec<(Kind, Vec<Place>)>>,
}

impl<'n> Candidates<'n> {
    /// Looks for types of these kinds and names, which come without their flavours. Those of the modules count only for
    /// what the kernel itself has none of.
    pub fn of(target: &Target<'_>, names: impl IntoIterator<Item = (Kind, &'n [u8])>) -> Self {
        let mut by_name: HashMap<&'n [u8], Vec<(Kind, Vec<Place>)>> = HashMap::new();
        // No kernel has longer names, and comparing them could take long.
        for (kind, name) in names.into_iter().filter(|(_, name)| !name.is_empty() && name.len() < NAME_LIMIT)
        {
            let kinds = by_name.entry(name).or_default();
            if !kinds.iter().any(|(known, _)| *known == one_kind(kind)) {
                kinds.push((one_kind(kind), Vec::new()));
            }
        }
        let lengths: HashSet<usize> = by_name.keys().map(|name| name.len()).collect();
        for (index, btf) in target.btfs.iter().enumerate() {
            for ty in btf.types().filter(|ty| !ty.name_offset().is_empty()) {
                let name = essential(compared_part(btf, ty.name_offset()));
                if !lengths.contains(&name.len()) {
                    continue;
                }
                let kinds = by_name.get_mut(name).into_iter().flatten();
                for (_, places) in kinds.filter(|(kind, _)| *kind == one_kind(ty.kind())) {
                    if index == 0 || places.first().is_none_or(|first| first.btf != 0) {
                        places.push(Place { btf: index as u32, id: ty.id() });
                    }
                }
            }
        }
        Self { by_name }
    }

    /// The types of this kind and name, which comes without its flavour.
    pub fn get(&self, kind: Kind, name: &[u8]) -> &[Place] {
        let kinds = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        kinds.iter().find(|(known, _)| *known == one_kind(kind)).map_or(&[], |(_, places)| places)
    }
}

/// Enumerations of either width are looked for together.
fn one_kind(kind: Kind) -> Kind {
    if kind == Kind::Enum64 { Kind::Enum } else { kind }
}
