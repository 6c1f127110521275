//! Names that other headers define: types that are left out because they come from there.

use hashbrown::HashSet;

use crate::{Kind, Type};

/// Names that the user's other headers define.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    tags: HashSet<Vec<u8>>,
    ordinary: HashSet<Vec<u8>>,
    taken: Vec<Vec<u8>>,
}

impl Outside {
    /// Types of this name are defined elsewhere: `struct NAME`, `union NAME` or `enum NAME` for a tag alone, `NAME` for
    /// a tag, typedef or enumerator.
    pub fn insert(&mut self, name: &str) {
        let name = name.trim();
        match name.split_once(char::is_whitespace) {
            Some(("struct" | "union" | "enum", tag)) => {
                self.tags.insert(tag.trim().as_bytes().to_vec());
            }
            _ => {
                self.tags.insert(name.as_bytes().to_vec());
                self.ordinary.insert(name.as_bytes().to_vec());
            }
        }
    }

    /// A typedef, an enumerator or a macro of this name is defined elsewhere; a tag is not.
    pub fn insert_ordinary(&mut self, name: &[u8]) {
        self.ordinary.insert(name.to_vec());
    }

    /// A tag of this name is defined elsewhere.
    pub fn insert_tag(&mut self, name: &[u8]) {
        self.tags.insert(name.to_vec());
    }

    /// The name means something else elsewhere: what has it here is called otherwise.
    pub fn take(&mut self, name: &str) {
        self.taken.push(name.as_bytes().to_vec());
    }

    /// Whether nothing is defined elsewhere.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.ordinary.is_empty()
    }

    pub(super) fn taken(&self) -> impl Iterator<Item = &[u8]> {
        self.taken.iter().map(Vec::as_slice)
    }

    #[cfg(test)]
    pub(super) fn has_tag(&self, name: &[u8]) -> bool {
        self.tags.contains(name)
    }

    /// Whether a type with a name is defined elsewhere.
    pub(super) fn has(&self, ty: Type<'_>) -> bool {
        let names = match ty.kind() {
            Kind::Struct | Kind::Union | Kind::Fwd | Kind::Enum | Kind::Enum64 => &self.tags,
            Kind::Typedef => &self.ordinary,
            _ => return false,
        };
        !names.is_empty() && names.contains(ty.name())
    }

    /// Whether an enumerator, function or variable of this name is defined elsewhere.
    pub(super) fn has_ordinary(&self, name: &[u8]) -> bool {
        !self.ordinary.is_empty() && self.ordinary.contains(name)
    }
}
