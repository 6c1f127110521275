//! Which types of a base can be the same as a type of a split BTF, as far as names tell.

use super::classes::{Class, Classes};
use super::record::{Leaf, Link, Role, leaf, links, role};
use super::strings::Strings;
use crate::bits::BitSet;
use crate::kind::Info;
use crate::strings::MIX;
use crate::{Btf, ByteOrder, Error, Kind, error::Result};
use hashbrown::HashSet;

/// The types of a base that are left for a closer look when the names of a split BTF are known, or more names than it has:
/// of a kernel's 107,000 types and for a module's names, some thousands. It takes 1 ms to find them.
#[derive(Debug)]
pub struct Candidates {
    pub(super) names: Names,
    /// Definitions and forward declarations: the id, and the leaf that they are known by. In the order of ids.
    pub(super) named: Vec<(u32, Leaf)>,
    /// The ids of those that their content identifies, ascending.
    pub(super) contents: Vec<u32>,
}

impl Candidates {
    /// Those of `base`, and of its own bases, for a BTF whose names were [sought](Btf::find_strings) in it.
    ///
    /// # Errors
    /// A name is outside the strings, or names overlap so much that comparing them would take quadratic time.
    pub fn new(base: &Btf<'_>) -> Result<Self> {
        let mut names = Names::new();
        let mut level = Some(base);
        while let Some(btf) = level {
            if let Some(sought) = btf.sought_strings() {
                names.all.reserve(sought.places().count());
                sought.places().for_each(|place| names.insert(btf.first_string().0 + place));
            }
            level = btf.base().map(|base| &**base);
        }
        Self::of(base, names)
    }

    /// Those for a BTF whose names are among `names`, as far as the base has them.
    pub(super) fn of(base: &Btf<'_>, names: Names) -> Result<Self> {
        let mut search =
            Search { strings: Strings::new(base), names, excluded: vec![false; base.next_id().0 as usize] };
        let (mut named, mut contents) = (Vec::new(), Vec::new());
        let mut levels = vec![base];
        while let Some(base) = levels.last().and_then(|level| level.base()) {
            levels.push(base);
        }
        for level in levels.into_iter().rev() {
            let (order, mut id) = (level.byte_order(), level.first_id().0);
            for record in level.tails() {
                match search.look_at(order, record)? {
                    Look::ByName(leaf) => named.push((id, leaf)),
                    Look::ByContent => contents.push(id),
                    Look::Excluded => search.excluded[id as usize] = true,
                }
                id += 1;
            }
        }
        Ok(Self { names: search.names, named, contents })
    }
}

struct Search<'b> {
    strings: Strings<'b>,
    names: Names,
    /// Types that are no candidates. Of later ones than that at hand it is not known yet.
    excluded: Vec<bool>,
}

/// What a look at a record tells.
enum Look {
    /// A candidate that its name identifies.
    ByName(Leaf),
    /// A candidate that its content identifies.
    ByContent,
    Excluded,
}

impl Look {
    fn excluded_if(excluded: bool) -> Self {
        if excluded { Self::Excluded } else { Self::ByContent }
    }
}

impl Search<'_> {
    /// Whether the type whose record begins here is one that a type with sought names can be the same as.
    #[inline]
    fn look_at(&mut self, order: ByteOrder, record: &[u8]) -> Result<Look> {
        let word = |index: usize| order.word(record, index);
        let (name, info) = (word(0), Info(word(1)));
        // The most frequent kinds first.
        match info.kind() {
            // Each function belongs to its object.
            Kind::Func => return Ok(Look::Excluded),
            Kind::FuncProto if name == 0 => {
                let excluded = self.is_excluded_prototype(order, record, info.vlen())?;
                return Ok(Look::excluded_if(excluded));
            }
            Kind::Ptr | Kind::Const if name == 0 => return Ok(Look::excluded_if(self.is_excluded(word(2)))),
            _ => {}
        }
        if name != 0 && !self.is_sought(name)? {
            return Ok(Look::Excluded);
        }
        let Some(shape) = info.shape() else {
            return Err(Error::WrongKind { found: info.kind(), wanted: "a kind whose references are known" });
        };
        let name = self.strings.canonical(name)?;
        match role(name, info.0) {
            // The name says it all: they are compared when it is known which ones there are.
            Role::Definition | Role::Forward => return Ok(Look::ByName(leaf(name, info.0))),
            Role::Own => return Ok(Look::Excluded),
            Role::Content => {}
        }
        let mut excluded = false;
        shape.references(info.vlen()).for_each(|index| excluded |= self.is_excluded(word(index)));
        if excluded || !shape.element_name {
            return Ok(Look::excluded_if(excluded));
        }
        for index in shape.element_names(info.vlen()) {
            if !self.is_sought(word(index))? {
                return Ok(Look::Excluded);
            }
        }
        Ok(Look::ByContent)
    }

    #[inline]
    fn is_excluded_prototype(&mut self, order: ByteOrder, record: &[u8], params: u32) -> Result<bool> {
        let elements = record.get(12..).unwrap_or_default().as_chunks::<8>().0;
        let elements = elements.iter().take(params as usize).map(|element| {
            let word = |index: usize| order.word(element, index);
            (word(0), word(1))
        });
        // Which one tells cannot be foretold, so that all are looked at without asking.
        let mut excluded = self.is_excluded(order.word(record, 2));
        for (name, ty) in elements.clone() {
            excluded |=
                self.is_excluded(ty) | (!self.names.may_contain(name) & self.strings.is_canonical(name));
        }
        if excluded {
            return Ok(true);
        }
        for (name, _) in elements {
            if !self.is_sought(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn is_excluded(&self, id: u32) -> bool {
        self.excluded.get(id as usize) == Some(&true)
    }

    #[inline]
    fn is_sought(&mut self, name: u32) -> Result<bool> {
        if self.names.contain(name) {
            return Ok(true);
        }
        if self.strings.is_canonical(name) {
            return Ok(false);
        }
        let name = self.strings.canonical(name)?;
        Ok(self.names.contain(name))
    }
}

/// A set of canonical offsets of strings.
#[derive(Clone, Debug)]
pub(super) struct Names {
    all: HashSet<u32>,
    /// Bits of their hashes, which tell for most others that they are not among them.
    bits: BitSet,
}

impl Names {
    const BITS: u32 = 1 << 16;

    /// The empty one, which is anybody's.
    fn new() -> Self {
        let mut names = Self { all: HashSet::new(), bits: BitSet::new(Self::BITS as usize) };
        names.insert(0);
        names
    }

    /// Those in the records of `classes` that the base has, whose strings end at `end`.
    pub(super) fn of(classes: &Classes<'_>, end: u32) -> Self {
        let mut names = Self::new();
        names.all.reserve(classes.len());
        let mut add = |name: u32| {
            if name < end {
                names.insert(name);
            }
        };
        for class in 1..classes.len() as Class {
            match *classes.words(class) {
                [] | [_] => {}
                [leaf, _] => add(leaf),
                ref words @ [_, info, ..] => links(info, |link, index| {
                    if link == Link::Name {
                        add(words[index]);
                    }
                }),
            }
        }
        names
    }

    fn insert(&mut self, name: u32) {
        if self.bits.insert(Self::bit(name)) || !self.all.contains(&name) {
            self.all.insert(name);
        }
    }

    fn bit(name: u32) -> u32 {
        name.wrapping_mul(MIX as u32) >> 16
    }

    #[inline]
    fn may_contain(&self, name: u32) -> bool {
        self.bits.contains(Self::bit(name))
    }

    #[inline]
    pub(super) fn contain(&self, name: u32) -> bool {
        self.may_contain(name) && self.all.contains(&name)
    }

    pub(super) fn contain_all(&self, others: &Self) -> bool {
        others.all.iter().all(|&name| self.contain(name))
    }
}
