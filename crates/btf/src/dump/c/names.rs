//! Who has which name.
//!
//! C has a name space for tags, and one for typedefs, enumerators, functions and variables. Types that share a name in
//! BTF, because different files of a kernel mean different things by it, are told apart by `___2`, `___3`, …: whoever
//! relocates field accesses (CO-RE) ignores three underscores and what follows.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

use super::outside::Outside;
use super::spelling::{self, identifier};
use crate::{Kind, Type, TypeId};

type Name<'b> = Cow<'b, [u8]>;

/// What tells a name from others that are spelled like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suffix(u32);

impl Suffix {
    pub(super) const NONE: Self = Self(1);

    pub(super) fn write(self, out: &mut Vec<u8>) {
        if self != Self::NONE {
            out.extend_from_slice(b"___");
            spelling::number(out, u64::from(self.0));
        }
    }
}

pub(super) struct Names<'b, 'o> {
    outside: &'o Outside,
    tags: HashMap<Name<'b>, Tag>,
    /// Suffix of each tag's type, as [`remembered`]; 0 where it has none yet.
    tag_suffixes: Vec<u32>,
    /// Last suffix of each typedef's, enumerator's, function's and variable's name, by the name's hash: there are tens of
    /// thousands, and most are never met again.
    ordinary: HashMap<u64, u32>,
    hasher: DefaultHashBuilder,
    /// Suffix of each typedef, likewise.
    typedef_suffixes: Vec<u32>,
    /// Names with a suffix that were given out, per name space.
    given_tags: HashSet<Vec<u8>>,
    given: HashSet<Vec<u8>>,
}

/// Who has a tag, and those that are spelled like it.
#[derive(Clone, Debug)]
struct Tag {
    last: u32,
    first: Option<Holder>,
    others: Vec<Holder>,
}

impl Tag {
    const TAKEN: Self = Self { last: 1, first: None, others: Vec::new() };
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    keyword: &'static str,
    suffix: u32,
    /// Whether a definition has it, or only forward declarations.
    defined: bool,
}

impl<'b, 'o> Names<'b, 'o> {
    /// `count` is the number of type ids; `outside` has the names that are taken already.
    pub(super) fn new(count: usize, outside: &'o Outside) -> Self {
        let mut names = Self {
            outside,
            tags: HashMap::new(),
            tag_suffixes: vec![0; count],
            ordinary: HashMap::with_capacity(count / 4),
            hasher: DefaultHashBuilder::default(),
            typedef_suffixes: vec![0; count],
            given_tags: HashSet::new(),
            given: HashSet::new(),
        };
        for name in super::reserved::FUNCTIONS {
            names.reserve(name.as_bytes());
        }
        for taken in outside.taken() {
            names.reserve(taken);
            names.tags.insert(Cow::Owned(taken.to_vec()), Tag::TAKEN);
        }
        names
    }

    fn reserve(&mut self, name: &[u8]) {
        self.ordinary.insert(self.hasher.hash_one(name), 1);
    }

    /// The tag of a structure, union or enumeration, as it is written.
    pub(super) fn tag(&mut self, ty: Type<'b>) -> (Name<'b>, Suffix) {
        let at = ty.id().0 as usize;
        let name = known_identifier(ty.name(), self.tag_suffixes[at]);
        if self.tag_suffixes[at] == 0 {
            // A header of the user's calls its types as it does.
            let suffix = if self.outside.has(ty) { 1 } else { self.new_tag(ty, &name) };
            self.tag_suffixes[at] = remembered(suffix, &name);
        }
        (name, Suffix(self.tag_suffixes[at] >> 1))
    }

    /// Settles that a typedef is called as the compiler calls it.
    pub(super) fn keep_typedef(&mut self, id: TypeId) {
        self.typedef_suffixes[id.0 as usize] = remembered(1, &Cow::Borrowed(b""));
    }

    fn new_tag(&mut self, ty: Type<'b>, name: &Name<'b>) -> u32 {
        let keyword = spelling::keyword(ty);
        let defined = ty.kind() != Kind::Fwd;
        let given = &mut self.given_tags;
        match self.tags.entry(name.clone()) {
            Entry::Vacant(entry) if !given.contains(&**name) => {
                entry.insert(Tag { first: Some(Holder { keyword, suffix: 1, defined }), ..Tag::TAKEN });
                1
            }
            entry => {
                let tag = entry.or_insert_with(|| Tag::TAKEN);
                // A forward declaration is of whatever has the name; the first definition takes it over.
                let same = tag
                    .first
                    .iter_mut()
                    .chain(&mut tag.others)
                    .find(|holder| holder.keyword == keyword && (!defined || !holder.defined));
                if let Some(same) = same {
                    same.defined |= defined;
                    return same.suffix;
                }
                let mut last = tag.last;
                let suffix = loop {
                    last += 1;
                    let suffixed = with_suffix(name, last);
                    if !self.tags.contains_key(suffixed.as_slice()) && given.insert(suffixed) {
                        break last;
                    }
                };
                if let Some(tag) = self.tags.get_mut(name) {
                    tag.last = suffix;
                    tag.others.push(Holder { keyword, suffix, defined });
                }
                suffix
            }
        }
    }

    /// The name of a typedef, as it is written.
    pub(super) fn typedef(&mut self, ty: Type<'b>) -> (Name<'b>, Suffix) {
        let at = ty.id().0 as usize;
        if self.typedef_suffixes[at] != 0 {
            let name = known_identifier(ty.name(), self.typedef_suffixes[at]);
            return (name, Suffix(self.typedef_suffixes[at] >> 1));
        }
        let (name, suffix) = if self.outside.has(ty) {
            (identifier(ty.name()), Suffix::NONE)
        } else {
            self.ordinary(ty.name())
        };
        self.typedef_suffixes[at] = remembered(suffix.0, &name);
        (name, suffix)
    }

    /// Takes a name for an enumerator, function or variable.
    pub(super) fn ordinary(&mut self, name: &'b [u8]) -> (Name<'b>, Suffix) {
        self.take(identifier(name))
    }

    /// Takes a name for a function: one that the compiler knows is that one.
    pub(super) fn function(&mut self, name: &'b [u8]) -> (Name<'b>, Suffix) {
        if super::reserved::FUNCTIONS.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok() {
            return (Cow::Borrowed(name), Suffix::NONE);
        }
        self.ordinary(name)
    }

    /// Takes an identifier.
    pub(super) fn take(&mut self, name: Name<'b>) -> (Name<'b>, Suffix) {
        let hash = self.hasher.hash_one(&*name);
        let given = &mut self.given;
        let mut last = match self.ordinary.entry(hash) {
            Entry::Vacant(entry) if given.is_empty() || !given.contains(&*name) => {
                entry.insert(1);
                return (name, Suffix::NONE);
            }
            entry => *entry.or_insert(1),
        };
        loop {
            last += 1;
            let suffixed = with_suffix(&name, last);
            if !self.ordinary.contains_key(&self.hasher.hash_one(&*suffixed)) && given.insert(suffixed) {
                break;
            }
        }
        self.ordinary.insert(hash, last);
        (name, Suffix(last))
    }

    /// Whether an enumerator, typedef, function or variable has this name.
    pub(super) fn is_ordinary(&self, name: &[u8]) -> bool {
        self.ordinary.contains_key(&self.hasher.hash_one(name))
    }
}

/// A suffix, and whether the name before it is C as it stands: most types are mentioned many times.
fn remembered(suffix: u32, name: &Name<'_>) -> u32 {
    suffix << 1 | u32::from(matches!(name, Cow::Borrowed(_)))
}

/// The identifier of a name whose suffix may be known.
fn known_identifier(name: &[u8], remembered: u32) -> Name<'_> {
    if remembered & 1 != 0 { Cow::Borrowed(name) } else { identifier(name) }
}

fn with_suffix(name: &[u8], suffix: u32) -> Vec<u8> {
    let mut whole = name.to_vec();
    Suffix(suffix).write(&mut whole);
    whole
}
