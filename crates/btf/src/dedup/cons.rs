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

use super::bits::BitSet;
use super::classes::{Class, Classes};
use super::record::{Link, Role, links, read, role, tag_kind};
use super::strings::Strings;
use crate::{Btf, Error, Kind, Type, TypeId, error::Result};
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

/// What the first phase finds.
pub(super) struct Consed<'b> {
    pub(super) btf: &'b Btf<'b>,
    pub(super) strings: Strings<'b>,
    pub(super) classes: Classes,
    /// For each id, base types included, the class that stands for it where others refer to it: a leaf for a type that
    /// is cut, else the class of its record.
    pub(super) reference: Vec<Class>,
    /// The types that are cut, ascending, each with the class of its record.
    pub(super) cut: Vec<(u32, Class)>,
}

/// Marks a type that the walk has entered and not left.
const OPEN: Class = Class::MAX;
/// Marks the second visit to a type, when its children are done.
const LEAVE: u32 = 1 << 31;
/// Follows the words of a record without its references; no record is that much longer than its info word says.
const CYCLE: u32 = u32::MAX;
/// Follows the words of a FUNC of a split BTF: a function belongs to its object, whatever functions the base has.
const SPLIT_FUNCTION: u32 = 0;

/// Finds the classes of all types of `btf` and its bases.
pub(super) fn cons<'b>(btf: &'b Btf<'b>) -> Result<Consed<'b>> {
    let random = DefaultHashBuilder::default();
    let end = btf.next_id().0;
    let mut walk = Walk {
        btf,
        end,
        first_own: btf.first_id().0,
        split: btf.base().is_some(),
        strings: Strings::new(btf, random.hash_one(1u32)),
        classes: Classes::new(random.hash_one(2u32), end as usize),
        reference: vec![0; end as usize],
        cut: Vec::new(),
        cyclic: None,
        cyclic_types: Vec::new(),
        stack: Vec::new(),
        record: Vec::new(),
    };
    for id in 1..end {
        walk.visit(id, false)?;
        while let Some(entry) = walk.stack.pop() {
            walk.visit(entry & !LEAVE, entry & LEAVE != 0)?;
        }
    }
    walk.finish_cyclic()?;
    let Walk { strings, classes, reference, mut cut, .. } = walk;
    cut.sort_unstable();
    Ok(Consed { btf, strings, classes, reference, cut })
}

struct Walk<'b> {
    btf: &'b Btf<'b>,
    end: u32,
    first_own: u32,
    split: bool,
    strings: Strings<'b>,
    classes: Classes,
    reference: Vec<Class>,
    cut: Vec<(u32, Class)>,
    /// Types that reach a cycle without a definition, once there is one.
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
    /// Gives `id` its class when all its children have theirs; else stacks it and them.
    fn visit(&mut self, id: u32, leaving: bool) -> Result<()> {
        let ty = self.btf.get(TypeId(id))?;
        let name = self.strings.canonical(ty.word(0))?;
        let role = role(name, ty.word(1));
        if let kind @ Kind::Unknown(_) = ty.kind() {
            return Err(Error::WrongKind { found: kind, wanted: "a kind whose references are known" });
        }
        let state = self.reference[id as usize];
        match role {
            Role::Content | Role::Own if !leaving && state != 0 => return Ok(()),
            Role::Definition | Role::Forward if state == 0 => {
                self.reference[id as usize] = self.leaf(name, ty.word(1));
            }
            Role::Own => {
                self.check(ty)?;
                self.reference[id as usize] = self.classes.own();
                return Ok(());
            }
            _ => {}
        }
        let mut record = std::mem::take(&mut self.record);
        read(ty, &mut record);
        let children = self.replace_links(id, &mut record);
        match children? {
            Children::Pending if role == Role::Content => self.reference[id as usize] = OPEN,
            Children::Pending => {}
            Children::Cyclic if role == Role::Content => self.cut_cyclic(id, &mut record),
            Children::Done | Children::Cyclic => {
                let class = self.intern(ty, &mut record);
                if role == Role::Content {
                    self.reference[id as usize] = class;
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
                        let cyclic = || self.cyclic.as_ref().is_some_and(|cyclic| cyclic.contains(child));
                        if found == Children::Done && (class == OPEN || cyclic()) {
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
        match self.reference.get(id as usize) {
            Some(0) if id != 0 => self.leaf_of(id),
            Some(&class) => Ok(class),
            None => Err(Error::NoSuchType(TypeId(id))),
        }
    }

    fn leaf_of(&mut self, id: u32) -> Result<Class> {
        let ty = self.btf.get(TypeId(id))?;
        let name = self.strings.canonical(ty.word(0))?;
        match role(name, ty.word(1)) {
            Role::Definition | Role::Forward => {
                let leaf = self.leaf(name, ty.word(1));
                self.reference[id as usize] = leaf;
                Ok(leaf)
            }
            Role::Content | Role::Own => Ok(0),
        }
    }

    /// The class of a record whose links are replaced.
    fn intern(&mut self, ty: Type<'_>, record: &mut Vec<u32>) -> Class {
        if self.split && ty.kind() == Kind::Func && ty.id().0 >= self.first_own {
            record.push(SPLIT_FUNCTION);
        }
        self.classes.intern(record)
    }

    /// The class of a reference to a definition or forward declaration of this name.
    fn leaf(&mut self, name: u32, info: u32) -> Class {
        self.classes.intern(&[name, u32::from(tag_kind(info).number())])
    }

    /// Cuts a type from which a cycle without a definition can be reached.
    fn cut_cyclic(&mut self, id: u32, record: &mut Vec<u32>) {
        links(record[1], |link, index| {
            if link == Link::Reference {
                record[index] = 0;
            }
        });
        record.push(CYCLE);
        self.reference[id as usize] = self.classes.intern(record);
        self.cyclic.get_or_insert_with(|| BitSet::new(self.end as usize)).insert(id);
        self.cyclic_types.push(id);
    }

    /// Gives the types cut on the way the classes of their records, now that all that they refer to have theirs.
    fn finish_cyclic(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.cyclic_types) {
            let mut record = std::mem::take(&mut self.record);
            let ty = self.btf.get(TypeId(id))?;
            read(ty, &mut record);
            self.replace_links(id, &mut record)?;
            let class = self.intern(ty, &mut record);
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
