//! Which types are listed.

use std::collections::HashMap;

use btfkit_btf::structure::{Structure, Structures, all};
use btfkit_btf::{Kind, Type};

use super::Request;

/// Which structures and unions are shown. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) structs: bool,
    pub(crate) unions: bool,
    /// At least so many holes.
    pub(crate) holes: u32,
    /// At least so many holes of bits.
    pub(crate) bit_holes: u32,
    /// At least one hole of so many bytes.
    pub(crate) hole_size: u64,
    /// At least so many bytes of padding.
    pub(crate) padding: u64,
    /// Only what must be packed by an attribute.
    pub(crate) packed: bool,
    /// Names that begin so.
    pub(crate) prefix: Option<String>,
    /// Not names that begin so.
    pub(crate) exclude_prefix: Option<String>,
    pub(crate) flexible_array: bool,
    /// A flexible array in a structure inside.
    pub(crate) embedded_flexible_array: bool,
    /// In the order of names.
    pub(crate) sort: bool,
}

impl Filter {
    /// What can be told from the name and kind alone.
    fn takes_type(&self, ty: Type<'_>) -> bool {
        let begins = |prefix: &String| ty.name().starts_with(prefix.as_bytes());
        (!self.structs || ty.kind() == Kind::Struct)
            && (!self.unions || ty.kind() == Kind::Union)
            && self.prefix.as_ref().is_none_or(begins)
            && !self.exclude_prefix.as_ref().is_some_and(begins)
    }

    /// Whether this is one of those to show.
    pub(super) fn takes(&self, ty: Type<'_>, structures: &mut Structures<'_>) -> bool {
        self.takes_type(ty)
            && (!self.measures()
                || structures.get(ty.id()).is_some_and(|structure| self.takes_structure(structure)))
    }

    fn measures(&self) -> bool {
        self.packed
            || self.flexible_array
            || self.embedded_flexible_array
            || self.holes > 0
            || self.bit_holes > 0
            || self.hole_size > 0
            || self.padding > 0
    }

    fn takes_structure(&self, structure: &Structure) -> bool {
        structure.holes >= self.holes
            && structure.bit_holes >= self.bit_holes
            && structure.padding >= self.padding
            && (self.hole_size == 0 || structure.fields.iter().any(|field| field.hole >= self.hole_size))
            && (!self.packed || structure.packed)
            && (!self.flexible_array || structure.flexible_array)
            && (!self.embedded_flexible_array || structure.embedded_flexible_array)
    }
}

/// The types that are asked for, each once.
pub(super) fn types<'b>(request: &Request, structures: &mut Structures<'b>) -> Result<Vec<Type<'b>>, String> {
    let btf = structures.btf();
    let named = !request.names.is_empty();
    let mut found: Vec<Type<'b>> = Vec::new();
    if named {
        for name in &request.names {
            let shown =
                |ty: &Type<'_>| ty.kind().is_aggregate() || ty.kind().is_enum() || ty.kind() == Kind::Typedef;
            let mut types = name.find(btf)?;
            if types.iter().any(shown) {
                types.retain(shown);
            }
            types.truncate(if request.first_of_name { 1 } else { usize::MAX });
            found.extend(types);
        }
    } else {
        found.extend(all(btf).filter(|ty| ty.kind().is_aggregate() && !ty.name().is_empty()));
    }
    let mut seen = Seen::default();
    let filter = &request.filter;
    found.retain(|&ty| filter.takes(ty, structures) && (!ty.kind().is_aggregate() || seen.is_new(ty)));
    if filter.sort {
        found.sort_by_key(|ty| ty.name());
    }
    Ok(found)
}

/// What was listed. A structure is not listed again when another of its name has members of the same names at the same
/// places, whatever their types.
#[derive(Debug, Default)]
pub(super) struct Seen<'b>(HashMap<&'b [u8], Vec<Type<'b>>>);

impl<'b> Seen<'b> {
    /// Whether the like of this has not been seen, and from now on has.
    pub(super) fn is_new(&mut self, ty: Type<'b>) -> bool {
        // Equal names are few: what has more is not worth the comparisons.
        const MANY: usize = 64;
        let same_name = self.0.entry(ty.name()).or_default();
        let new = !same_name.iter().any(|other| alike(*other, ty));
        if new && same_name.len() < MANY {
            same_name.push(ty);
        }
        new
    }
}

fn alike(a: Type<'_>, b: Type<'_>) -> bool {
    a.kind() == b.kind()
        && a.size() == b.size()
        && a.members().len() == b.members().len()
        && a.members()
            .zip(b.members())
            .all(|(x, y)| x.bit_offset == y.bit_offset && a.string(x.name) == b.string(y.name))
}
