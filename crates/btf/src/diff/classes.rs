//! When types of two BTFs are the same: each gets the number of its class, and two are the same if the numbers are.
//!
//! References stop at names: a named structure, union, enumeration, typedef or integer is its kind and name, whatever it is
//! (a change in it is its own). So all that is left are trees of pointers, arrays, qualifiers, prototypes and
//! anonymous aggregates, and each type is looked at once. No recursion takes place on the stack.

use super::names::{Name, Names, integer};
use crate::{Btf, Kind, Type, TypeId, error::Result};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// Number of a class.
pub(super) type Class = u32;

/// `void`'s class.
pub(super) const VOID: Class = 1;
/// A type without a name that holds itself: no compiler makes one.
const CYCLE: Class = 2;
/// An id that no type has.
const MISSING: Class = 3;
/// Being looked at.
const OPEN: Class = u32::MAX;

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// What the declaration says: names of typedefs, qualifiers and tags count.
    Declared = 0,
    /// What the value is: typedefs, qualifiers and tags are seen through, integers are size and sign.
    Value = 1,
}

/// The types of two BTFs in classes.
pub(super) struct Classes<'b> {
    pub(super) sides: [&'b Btf<'b>; 2],
    pub(super) names: Names<'b>,
    /// By view, side and id; 0 where it was not asked for yet.
    known: [[Vec<Class>; 2]; 2],
    table: Table,
    stack: Vec<TypeId>,
    words: Vec<u32>,
}

/// Distinct sequences of words, numbered as they come.
struct Table {
    words: Vec<u32>,
    starts: Vec<usize>,
    slots: HashTable<(u32, Class)>,
    hasher: DefaultHashBuilder,
}

impl Table {
    fn intern(&mut self, words: &[u32]) -> Class {
        let tag = (self.hasher.hash_one(words) >> 32) as u32;
        let spread = |tag: u32| u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let Self { words: all, starts, slots, .. } = self;
        let same = |&(other, class): &(u32, Class)| {
            let at = class as usize - MISSING as usize - 1;
            other == tag && all[starts[at]..starts[at + 1]] == *words
        };
        match slots.entry(spread(tag), same, |&(tag, _)| spread(tag)) {
            hashbrown::hash_table::Entry::Occupied(known) => known.get().1,
            hashbrown::hash_table::Entry::Vacant(free) => {
                let class = MISSING + starts.len() as Class;
                free.insert((tag, class));
                all.extend_from_slice(words);
                starts.push(all.len());
                class
            }
        }
    }
}

impl<'b> Classes<'b> {
    pub(super) fn new(sides: [&'b Btf<'b>; 2]) -> Self {
        let none = || sides.map(|btf| vec![0; btf.next_id().0 as usize]);
        Self {
            sides,
            names: Names::new(sides),
            known: [none(), none()],
            table: Table {
                words: Vec::new(),
                starts: vec![0],
                slots: HashTable::new(),
                hasher: DefaultHashBuilder::default(),
            },
            stack: Vec::new(),
            words: Vec::new(),
        }
    }

    /// The class of a type.
    #[inline]
    pub(super) fn of(&mut self, view: View, side: usize, id: TypeId) -> Result<Class> {
        match self.known[view as usize][side].get(id.0 as usize) {
            None => Ok(MISSING),
            Some(0) => self.find(view, side, id),
            Some(&class) => Ok(class),
        }
    }

    fn find(&mut self, view: View, side: usize, id: TypeId) -> Result<Class> {
        let btf = self.sides[side];
        self.stack.push(id);
        while let Some(&top) = self.stack.last() {
            let known = &mut self.known[view as usize][side];
            match known[top.0 as usize] {
                0 => {
                    let ty = btf.get(top)?;
                    known[top.0 as usize] = OPEN;
                    let stack = &mut self.stack;
                    let unknown = |id: TypeId| known.get(id.0 as usize) == Some(&0);
                    parts(view, ty, |id| {
                        if unknown(id) {
                            stack.push(id);
                        }
                    });
                }
                OPEN => {
                    let class = self.number(view, side, btf.get(top)?)?;
                    self.known[view as usize][side][top.0 as usize] = class;
                    self.stack.pop();
                }
                _ => {
                    self.stack.pop();
                }
            }
        }
        Ok(self.known[view as usize][side][id.0 as usize])
    }

    /// The class of a type whose parts have theirs.
    fn number(&mut self, view: View, side: usize, ty: Type<'b>) -> Result<Class> {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend([view as u32, u32::from(ty.kind().number())]);
        let class = self.describe(view, side, ty, &mut words)?;
        let class = class.unwrap_or_else(|| self.table.intern(&words));
        self.words = words;
        Ok(class)
    }

    /// Appends what makes a class; or gives it, where it is another type's.
    fn describe(
        &mut self,
        view: View,
        side: usize,
        ty: Type<'b>,
        words: &mut Vec<u32>,
    ) -> Result<Option<Class>> {
        let part = |classes: &Self, id: TypeId| match classes.known[view as usize][side].get(id.0 as usize) {
            None => MISSING,
            Some(&OPEN | 0) => CYCLE,
            Some(&class) => class,
        };
        let declared = view == View::Declared;
        let name = self.names.of(side, ty.name_offset())?;
        let target = ty.type_id().unwrap_or_default();
        match ty.kind() {
            Kind::Void => return Ok(Some(VOID)),
            Kind::Int if declared => words.push(self.integer(side, ty)?),
            Kind::Float if declared => words.push(name),
            Kind::Int => {
                let encoding = ty.int_encoding().unwrap_or_default();
                // Whether `char` is signed is the compiler's choice, of which a character's value does not depend.
                let signed = if self.names.bytes(name) == b"char" { 2 } else { u32::from(encoding.signed) };
                words.extend([ty.raw_size(), signed, u32::from(encoding.bits)]);
            }
            Kind::Float => words.push(ty.raw_size()),
            Kind::Fwd => {
                // A declared structure is that structure.
                let kind = if ty.kind_flag() { Kind::Union } else { Kind::Struct };
                words[1] = u32::from(kind.number());
                words.push(name);
            }
            Kind::Enum | Kind::Enum64 => {
                words[1] = u32::from(Kind::Enum.number());
                // What has no name is told by what it is; its enumerators are compared on their own.
                words.push(name);
                if name == 0 {
                    words.push(ty.raw_size());
                }
            }
            Kind::Struct | Kind::Union if name != 0 => words.push(name),
            Kind::Struct | Kind::Union => {
                words.extend([0, ty.raw_size()]);
                for member in ty.members() {
                    let size = self.sides[side].size_of(member.type_id).unwrap_or_default();
                    words.extend([
                        self.names.of(side, member.name)?,
                        part(self, member.type_id),
                        member.bit_offset,
                        u32::from(member.bitfield_size),
                        size as u32,
                    ]);
                }
            }
            Kind::Typedef if declared => words.push(name),
            kind if kind.is_modifier() && !declared => return Ok(Some(part(self, target))),
            Kind::TypeTag => words.extend([name, part(self, target)]),
            Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict => words.push(part(self, target)),
            Kind::Array => {
                let array = ty.array().unwrap_or_default();
                words.extend([part(self, array.element), array.count]);
            }
            Kind::FuncProto => {
                words.push(part(self, target));
                words.extend(ty.params().map(|param| part(self, param.type_id)));
            }
            _ => words.push(name),
        }
        Ok(None)
    }

    /// An integer's name, the same for every compiler's spelling.
    pub(super) fn integer(&mut self, side: usize, ty: Type<'b>) -> Result<Name> {
        let name = self.names.of(side, ty.name_offset())?;
        let text = match integer(self.names.bytes(name)) {
            Cow::Borrowed(_) => return Ok(name),
            Cow::Owned(text) => text,
        };
        Ok(self.names.intern(Cow::Owned(text)))
    }

    /// The number of a sequence of words that is no type's.
    pub(super) fn intern(&mut self, words: &[u32]) -> Class {
        self.table.intern(words)
    }
}

/// Calls `visit` with each type that is looked into to tell the class of `ty`.
fn parts(view: View, ty: Type<'_>, mut visit: impl FnMut(TypeId)) {
    match ty.kind() {
        Kind::Struct | Kind::Union if !ty.name_offset().is_empty() => {}
        Kind::Struct | Kind::Union => ty.members().for_each(|member| visit(member.type_id)),
        Kind::Typedef if view == View::Declared => {}
        Kind::Array => visit(ty.array().unwrap_or_default().element),
        Kind::FuncProto => {
            visit(ty.type_id().unwrap_or_default());
            ty.params().for_each(|param| visit(param.type_id));
        }
        kind if kind == Kind::Ptr || kind.is_modifier() => visit(ty.type_id().unwrap_or_default()),
        _ => {}
    }
}
