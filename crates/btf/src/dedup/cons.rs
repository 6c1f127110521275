//! First phase: every record becomes words whose references are classes, and equal words one class.
//!
//! A reference to a named structure, union or enumeration is a *leaf* that depends on its tag kind and name only. What is
//! left of the graph (pointers, modifiers, arrays, prototypes, typedefs, anonymous aggregates) has no cycles in C, so
//! that each record is looked up once, its children before it, and two types get one class exactly when they are the
//! same down to the names below them.
//!
//! Other languages can close a cycle without a named aggregate (`type F func() F` in Go), and a damaged file can do
//! anything. Types from which such a cycle can be reached are cut like definitions, all of them and not only those on
//! the cycle: which ones these are does not depend on where the walk began, so that a cycle and an unrolled copy of it
//! are cut alike. Their leaf is their record without its references; [`super::refine`] tells apart those that differ
//! further down.

use super::base::Base;
use super::classes::{Class, Classes};
use super::record::{Link, Role, leaf, links, read, role};
use super::strings::Strings;
use crate::bits::{BitSet, RankedSet};
use crate::{Btf, Error, Kind, Type, TypeId, error::Result};
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

/// What the first phase finds.
///
/// The phases after it deal with the types that matter, by *number*: of a BTF that stands alone these are all, and the
/// numbers are the ids; of a split one, see [`super::base`]. Numbers are in the order of ids.
pub(super) struct Consed<'b> {
    pub(super) btf: &'b Btf<'b>,
    pub(super) strings: Strings<'b>,
    pub(super) classes: Classes<'b>,
    /// For each number the class that stands for the type where others refer to it: a leaf for a type that is cut, else
    /// the class of its record.
    pub(super) reference: Vec<Class>,
    /// The types that are cut, ascending, each with the class of its record.
    pub(super) cut: Vec<(u32, Class)>,
    /// What the numbers mean, if they are not the ids.
    pub(super) numbers: Option<Numbers>,
    /// The number of the first own type.
    pub(super) first_own: u32,
}

/// Numbers of some types of a base and of all own ones.
pub(super) struct Numbers {
    /// The ids of the base, ascending, `void` first.
    pub(super) base_ids: Vec<u32>,
    base: RankedSet,
}

impl Numbers {
    /// Numbers for `selected` types of a base, `void`, and all that these refer to.
    pub(super) fn of(base: &Btf<'_>, selected: &BitSet) -> Result<Self> {
        let mut matters = BitSet::new(base.next_id().0 as usize);
        matters.insert(0);
        for id in selected.iter() {
            matters.insert(id);
            base.get(TypeId(id))?.for_each_reference(|child| {
                matters.insert(child.0);
            });
        }
        let base = RankedSet::new(matters);
        Ok(Self { base_ids: base.iter().collect(), base })
    }

    /// The number of a type of the base; 0 if it does not matter.
    #[inline]
    pub(super) fn of_base(&self, id: u32) -> u32 {
        self.base.rank(id).unwrap_or(0)
    }
}

impl<'b> Consed<'b> {
    /// The id of a type.
    pub(super) fn id(&self, number: u32) -> TypeId {
        let Some(numbers) = &self.numbers else { return TypeId(number) };
        match number.checked_sub(self.first_own) {
            Some(own) => TypeId(self.btf.first_id().0 + own),
            None => TypeId(numbers.base_ids[number as usize]),
        }
    }

    /// The type of a number.
    pub(super) fn get(&self, number: u32) -> Result<Type<'b>> {
        self.btf.get(self.id(number))
    }

    /// Replaces the contents of `words` by the record of a type, with numbers in place of ids.
    pub(super) fn read(&self, number: u32, words: &mut Vec<u32>) -> Result<()> {
        read(self.get(number)?, words);
        links(words[1], |link, index| {
            if link == Link::Reference {
                words[index] = self.number(words[index]);
            }
        });
        Ok(())
    }

    /// Calls `visit` with the number of each type that a type refers to, in the order they stand.
    #[inline]
    pub(super) fn for_each_reference(&self, number: u32, mut visit: impl FnMut(u32)) -> Result<()> {
        self.get(number)?.for_each_reference(|id| visit(self.number(id.0)));
        Ok(())
    }

    /// The number of a type that matters.
    #[inline]
    fn number(&self, id: u32) -> u32 {
        let Some(numbers) = &self.numbers else { return id };
        match id.checked_sub(self.btf.first_id().0) {
            Some(own) => self.first_own + own,
            None => numbers.of_base(id),
        }
    }
}

/// Marks a type that the walk has entered and not left.
const OPEN: Class = Class::MAX;
/// Marks the second visit to a type, when its children are done.
const LEAVE: u32 = 1 << 31;
/// Follows the words of a record without its references; no record is that much longer than its info word says.
const CYCLE: u32 = u32::MAX;

/// Classes of the types from one on.
pub(super) struct Walked<'b> {
    pub(super) strings: Strings<'b>,
    pub(super) classes: Classes<'b>,
    /// By id, from the first one walked on.
    pub(super) reference: Vec<Class>,
    /// As of [`Consed`], by id.
    pub(super) cut: Vec<(u32, Class)>,
    pub(super) cyclic: Option<BitSet>,
}

/// Finds the classes of all types of a BTF that stands alone.
pub(super) fn cons<'b>(btf: &'b Btf<'b>) -> Result<Consed<'b>> {
    let Walked { strings, classes, reference, cut, .. } = walk(btf, Part::Whole)?;
    let first_own = btf.first_id().0;
    Ok(Consed { btf, strings, classes, reference, cut, numbers: None, first_own })
}

/// What is walked.
#[derive(Clone, Copy)]
pub(super) enum Part<'b> {
    /// All of a BTF that stands alone.
    Whole,
    /// A base with its bases. Its functions are of no interest: a function belongs to its object, whatever functions
    /// the base has; and they are a third of a kernel's types.
    Base,
    /// The own types of a split BTF. They refer to types of the base only when it is given.
    Own(Option<&'b Base<'b>>),
}

/// Finds the classes of types.
pub(super) fn walk<'b>(btf: &'b Btf<'b>, part: Part<'b>) -> Result<Walked<'b>> {
    let (first, base, functions) = match part {
        Part::Whole => (0, None, true),
        Part::Base => (0, None, false),
        Part::Own(base) => (btf.first_id().0, base, true),
    };
    let count = (btf.next_id().0 - first) as usize;
    let classes = match base {
        Some(base) => Classes::after(&base.classes, count),
        None => Classes::new(DefaultHashBuilder::default().hash_one(2u32), count),
    };
    let walk = Walk { base, functions, first, ..Walk::new(btf, classes, vec![0; count]) };
    walk.types(first.max(1)..btf.next_id().0)
}

/// Goes on with the definitions and forward declarations of a base among `ids`, and what they need: those of its types that
/// have a class have it in `reference`, as one of `classes`.
pub(super) fn walk_definitions<'b>(
    base: &'b Btf<'b>,
    classes: Classes<'b>,
    reference: Vec<Class>,
    ids: impl Iterator<Item = u32>,
) -> Result<Walked<'b>> {
    Walk { functions: false, ..Walk::new(base, classes, reference) }.types(ids)
}

struct Walk<'b> {
    btf: &'b Btf<'b>,
    base: Option<&'b Base<'b>>,
    /// Whether functions may be the same as others.
    functions: bool,
    /// The first type walked.
    first: u32,
    end: u32,
    strings: Strings<'b>,
    classes: Classes<'b>,
    /// By id, from `first` on.
    reference: Vec<Class>,
    cut: Vec<(u32, Class)>,
    /// Types that reach a cycle without a definition, once there is one; by id, from `first` on.
    cyclic: Option<BitSet>,
    /// The same in the order they were found.
    cyclic_types: Vec<u32>,
    stack: Vec<u32>,
    /// The words of the record at hand.
    record: Vec<u32>,
}

/// What is known of the types that a record refers to.
#[derive(PartialEq, Eq)]
enum Children {
    /// All have their classes.
    Done,
    /// Some were stacked.
    Pending,
    /// All have their classes but those that a cycle without a definition can be reached from.
    Cyclic,
}

impl<'b> Walk<'b> {
    fn new(btf: &'b Btf<'b>, classes: Classes<'b>, reference: Vec<Class>) -> Self {
        Self {
            btf,
            base: None,
            functions: true,
            first: 0,
            end: btf.next_id().0,
            strings: Strings::new(btf),
            classes,
            reference,
            cut: Vec::new(),
            cyclic: None,
            cyclic_types: Vec::new(),
            stack: Vec::new(),
            record: Vec::new(),
        }
    }

    /// Walks these types.
    fn types(mut self, ids: impl Iterator<Item = u32>) -> Result<Walked<'b>> {
        for id in ids {
            self.visit(id, false)?;
            while let Some(entry) = self.stack.pop() {
                self.visit(entry & !LEAVE, entry & LEAVE != 0)?;
            }
        }
        self.finish_cyclic()?;
        self.cut.sort_unstable();
        let Self { strings, classes, reference, cut, cyclic, .. } = self;
        Ok(Walked { strings, classes, reference, cut, cyclic })
    }

    /// Gives `id` its class when all its children have theirs; else stacks it and them.
    fn visit(&mut self, id: u32, leaving: bool) -> Result<()> {
        let ty = self.btf.get(TypeId(id))?;
        let name = self.strings.canonical(ty.word(0))?;
        let role = match ty.kind() {
            Kind::Func if !self.functions => Role::Own,
            _ => role(name, ty.word(1)),
        };
        if let kind @ Kind::Unknown(_) = ty.kind() {
            return Err(Error::WrongKind { found: kind, wanted: "a kind whose references are known" });
        }
        let state = self.reference[(id - self.first) as usize];
        match role {
            Role::Content | Role::Own if !leaving && state != 0 => return Ok(()),
            Role::Definition | Role::Forward if state == 0 => {
                self.reference[(id - self.first) as usize] = self.leaf(name, ty.word(1));
            }
            Role::Own => {
                self.check(ty)?;
                self.reference[(id - self.first) as usize] = self.classes.own();
                return Ok(());
            }
            _ => {}
        }
        let mut record = std::mem::take(&mut self.record);
        read(ty, &mut record);
        let children = self.replace_links(id, &mut record);
        match children? {
            Children::Pending if role == Role::Content => self.reference[(id - self.first) as usize] = OPEN,
            Children::Pending => {}
            Children::Cyclic if role == Role::Content => self.cut_cyclic(id, &mut record),
            Children::Done | Children::Cyclic => {
                let class = self.classes.intern(&record);
                if role == Role::Content {
                    self.reference[(id - self.first) as usize] = class;
                } else {
                    self.cut.push((id, class));
                }
            }
        }
        self.record = record;
        Ok(())
    }

    /// Replaces names by their canonical offsets and references by classes. Where children have no class yet, they are
    /// stacked, on top of `id` itself.
    #[inline]
    fn replace_links(&mut self, id: u32, record: &mut [u32]) -> Result<Children> {
        let mut error = None;
        let mut found = Children::Done;
        links(record[1], |link, index| match link {
            Link::Name => match self.strings.canonical(record[index]) {
                Ok(name) => record[index] = name,
                Err(wrong) => error = Some(wrong),
            },
            Link::Reference => {
                let child = record[index];
                match self.class_of(child) {
                    Ok(0) if child != 0 => {
                        if found != Children::Pending {
                            found = Children::Pending;
                            self.stack.push(LEAVE | id);
                        }
                        self.stack.push(child);
                    }
                    Ok(class) => {
                        if found == Children::Done && (class == OPEN || self.is_cyclic(child)) {
                            found = Children::Cyclic;
                        }
                        record[index] = class;
                    }
                    Err(wrong) => error = Some(wrong),
                }
            }
        });
        error.map_or(Ok(found), Err)
    }

    /// The class that stands for `id`; 0 when it has none yet (and for `void`).
    #[inline]
    fn class_of(&mut self, id: u32) -> Result<Class> {
        let Some(index) = id.checked_sub(self.first) else {
            return Ok(self.base.map_or(0, |base| base.reference[id as usize]));
        };
        match self.reference.get(index as usize) {
            Some(0) if id != 0 => self.leaf_of(id),
            Some(&class) => Ok(class),
            None => Err(Error::NoSuchType(TypeId(id))),
        }
    }

    fn is_cyclic(&self, id: u32) -> bool {
        let (set, id) = match id.checked_sub(self.first) {
            Some(own) => (self.cyclic.as_ref(), own),
            None => (self.base.and_then(|base| base.cyclic.as_ref()), id),
        };
        set.is_some_and(|set| set.contains(id))
    }

    fn leaf_of(&mut self, id: u32) -> Result<Class> {
        let ty = self.btf.get(TypeId(id))?;
        let name = self.strings.canonical(ty.word(0))?;
        match role(name, ty.word(1)) {
            Role::Definition | Role::Forward => {
                let leaf = self.leaf(name, ty.word(1));
                self.reference[(id - self.first) as usize] = leaf;
                Ok(leaf)
            }
            Role::Content | Role::Own => Ok(0),
        }
    }

    /// The class of a reference to a definition or forward declaration of this name.
    fn leaf(&mut self, name: u32, info: u32) -> Class {
        self.classes.intern(&leaf(name, info))
    }

    /// Cuts a type from which a cycle without a definition can be reached.
    fn cut_cyclic(&mut self, id: u32, record: &mut Vec<u32>) {
        links(record[1], |link, index| {
            if link == Link::Reference {
                record[index] = 0;
            }
        });
        record.push(CYCLE);
        self.reference[(id - self.first) as usize] = self.classes.intern(record);
        let count = self.reference.len();
        self.cyclic.get_or_insert_with(|| BitSet::new(count)).insert(id - self.first);
        self.cyclic_types.push(id);
    }

    /// Gives the types cut on the way the classes of their records, now that all that they refer to have theirs.
    fn finish_cyclic(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.cyclic_types) {
            let mut record = std::mem::take(&mut self.record);
            let ty = self.btf.get(TypeId(id))?;
            read(ty, &mut record);
            self.replace_links(id, &mut record)?;
            let class = self.classes.intern(&record);
            self.cut.push((id, class));
            self.record = record;
        }
        Ok(())
    }

    /// Checks what a record that is kept as it is refers to.
    fn check(&self, ty: Type<'_>) -> Result<()> {
        let mut result = Ok(());
        ty.for_each_reference(|id| {
            if id.0 >= self.end {
                result = Err(Error::NoSuchType(id));
            }
        });
        result
    }
}
