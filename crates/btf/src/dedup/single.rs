//! What matters of a base to one split BTF, found without an index of the base.
//!
//! [`super::base`] gives every type of a base its class, which pays when a thousand modules are split on it. For one, the
//! question is turned around: its own types get their classes first, and those of the base are looked up among these. A
//! type can be the same as an own one only if all that it refers to is, so that most of a kernel's 107,000 types are
//! done with at the first name or reference that no own type has. What is found is what [`super::base::select`] finds.

use super::classes::{Class, Classes};
use super::cons::{Consed, Numbers, Part, Walked, walk, walk_definitions};
use super::record::{Link, Role, first_reference, links, read, role, tag_kind};
use super::strings::Strings;
use crate::bits::BitSet;
use crate::kind::Info;
use crate::strings::{MIX, fold};
use crate::{Btf, Error, Kind, TypeId, error::Result};
use std::ops::ControlFlow;

/// Finds the classes of the own types of `btf`, and what of its base matters to them. `None` where that takes an index of
/// the base: own types refer to the base by id, or are in a cycle without a definition.
///
/// # Errors
/// As [`super::deduplicate`].
pub(super) fn select<'b>(btf: &'b Btf<'b>, base: &'b Btf<'b>) -> Result<Option<Consed<'b>>> {
    let first = btf.first_id();
    let mut refers_to_base = false;
    for ty in btf.types() {
        ty.for_each_reference(|id| refers_to_base |= !id.is_void() && id < first);
    }
    if refers_to_base {
        return Ok(None);
    }
    let own = walk(btf, Part::Own(None))?;
    if own.cyclic.is_some() {
        return Ok(None);
    }
    let found = Search::new(base, &own.classes, first.0).all()?;
    let mut selected = BitSet::new(found.len());
    let mut definitions = Vec::new();
    for (id, &class) in found.iter().enumerate().filter(|(_, class)| **class != 0) {
        selected.insert(id as u32);
        if own.classes.is_name(class) {
            definitions.push(id as u32);
        }
    }
    // The records of the base's definitions are classes of own types or new ones, and so is what they refer to.
    let Walked { mut classes, reference: found, cut: base_cut, .. } =
        walk_definitions(base, own.classes, found, definitions.into_iter())?;
    let numbers = Numbers::of(base, &selected)?;
    let first_own = numbers.base_ids.len() as u32;
    // Types at the edge, which only selected ones refer to, are not told apart further: their classes have no words.
    let mut at_edge: Vec<Class> = vec![0; classes.len()];
    let mut class_of = |id: u32| match found[id as usize] {
        class if selected.contains(id) || class == 0 => class,
        class => {
            let edge = &mut at_edge[class as usize];
            if *edge == 0 {
                *edge = classes.own();
            }
            *edge
        }
    };
    let mut reference: Vec<Class> = numbers.base_ids.iter().map(|&id| class_of(id)).collect();
    reference.extend(own.reference);
    let cut = base_cut.into_iter().filter(|cut| selected.contains(cut.0));
    let mut cut: Vec<(u32, Class)> = cut.map(|(id, class)| (numbers.of_base(id), class)).collect();
    cut.extend(own.cut.iter().map(|&(id, class)| (id - first.0 + first_own, class)));
    Ok(Some(Consed { btf, strings: own.strings, classes, reference, cut, numbers: Some(numbers), first_own }))
}

/// The search for the base's types among the classes of own ones.
struct Search<'b, 'c> {
    base: &'b Btf<'b>,
    strings: Strings<'b>,
    classes: &'c Classes<'b>,
    /// The names in own records that the base has, and the empty one.
    names: BitSet,
    /// [Signatures](signature) of own records.
    signatures: BitSet,
    /// By id of the base: a class, or one of the marks below.
    found: Vec<Class>,
    stack: Vec<u32>,
    /// The words of the record at hand.
    record: Vec<u32>,
}

/// A type that was not looked at yet.
const NEW: Class = 0;
/// One that waits for what it refers to.
const OPEN: Class = Class::MAX - 1;
/// One that no own type is the same as.
const NONE: Class = Class::MAX;

/// How many signatures there are.
const SIGNATURES: u32 = 1 << 16;

/// What a look at a record tells, as a small number: its info word and the classes of the first types that it refers to.
/// Nearly all prototypes of a kernel whose types an own record has, too, are done with by that.
#[inline]
fn signature(info: u32, references: [Class; 2]) -> u32 {
    let mixed = fold(u64::from(info) ^ u64::from(references[0]) << 32, MIX);
    (fold(mixed ^ u64::from(references[1]), MIX) >> 32) as u32 % SIGNATURES
}

impl<'b, 'c> Search<'b, 'c> {
    fn new(base: &'b Btf<'b>, classes: &'c Classes<'b>, types: u32) -> Self {
        let end = base.end_string();
        let mut names = BitSet::new(end.max(1) as usize);
        names.insert(0);
        let mut signatures = BitSet::new(SIGNATURES as usize);
        for class in 1..classes.len() as Class {
            let words = classes.words(class);
            let mut name = |offset: u32| {
                if offset < end {
                    names.insert(offset);
                }
            };
            match *words {
                [] | [_] => {}
                [leaf, _] => name(leaf),
                [_, info, ..] => {
                    links(info, |link, index| {
                        if link == Link::Name {
                            name(words[index]);
                        }
                    });
                    let mut found = [0; 2];
                    let references = Info(info).shape().into_iter();
                    let references = references.flat_map(|shape| shape.references(Info(info).vlen()));
                    for (found, index) in found.iter_mut().zip(references) {
                        *found = words[index];
                    }
                    signatures.insert(signature(info, found));
                }
            }
        }
        let (strings, found) = (Strings::new(base), vec![NEW; types as usize]);
        Self { base, strings, classes, names, signatures, found, stack: Vec::new(), record: Vec::new() }
    }

    /// The class of each type of the base that an own type may be the same as, 0 for others.
    fn all(mut self) -> Result<Vec<Class>> {
        // What its own name or kind decides, in the order of memory; then what depends on others.
        let mut levels = vec![self.base];
        while let Some(base) = levels.last().and_then(|level| level.base()) {
            levels.push(base);
        }
        let mut id = 1;
        for level in levels.into_iter().rev() {
            for (name, info) in level.heads() {
                self.found[id] = self.by_name(name, info)?;
                id += 1;
            }
        }
        for id in 1..self.found.len() as u32 {
            if self.found[id as usize] != NEW {
                continue;
            }
            self.stack.push(id);
            while let Some(&top) = self.stack.last() {
                let depth = self.stack.len();
                let state = self.found[top as usize];
                if state == NEW || state == OPEN {
                    self.found[top as usize] = self.by_record(top)?.unwrap_or(OPEN);
                }
                if self.stack.len() == depth {
                    self.stack.pop();
                }
            }
        }
        for class in &mut self.found {
            if *class == NONE {
                *class = 0;
            }
        }
        Ok(self.found)
    }

    /// What the name and kind of a type tell: the class of a definition or declaration, `NONE`, or `NEW` for nothing yet.
    #[inline]
    fn by_name(&mut self, name: u32, info: Info) -> Result<Class> {
        match info.kind() {
            // Of a kernel's types 47,000 are functions; each belongs to its object.
            Kind::Func => return Ok(NONE),
            kind @ Kind::Unknown(_) => {
                return Err(Error::WrongKind { found: kind, wanted: "a kind whose references are known" });
            }
            // As most are.
            _ if name == 0 => return Ok(NEW),
            _ => {}
        }
        let Some(name) = self.wanted(name)? else { return Ok(NONE) };
        Ok(match role(name, info.0) {
            Role::Definition | Role::Forward => {
                let leaf = [name, u32::from(tag_kind(info.0).number())];
                self.classes.find_known(&leaf).unwrap_or(NONE)
            }
            Role::Own => NONE,
            Role::Content => NEW,
        })
    }

    /// The canonical offset of a name, if an own record has it, too.
    #[inline]
    fn wanted(&mut self, name: u32) -> Result<Option<u32>> {
        if self.names.contains(name) {
            return Ok(Some(name));
        }
        let name = self.strings.canonical(name)?;
        Ok(self.names.contains(name).then_some(name))
    }

    /// The class of a type by its record, or `NONE`. `None` when some that it refers to come first: these are stacked.
    fn by_record(&mut self, id: u32) -> Result<Option<Class>> {
        let ty = self.base.get(TypeId(id))?;
        let info = Info(ty.word(1));
        // It is all that most need.
        if first_reference(info).is_some_and(|index| self.found.get(ty.word(index) as usize) == Some(&NONE)) {
            return Ok(Some(NONE));
        }
        let Some(shape) = info.shape() else { return Ok(Some(NONE)) };
        let depth = self.stack.len();
        let mut first = [0; 2];
        let mut number = 0;
        let Self { found, stack, .. } = self;
        let stop = shape.references(info.vlen()).try_for_each(|index| {
            let child = ty.word(index);
            match found.get(child as usize) {
                None => return ControlFlow::Break(Err(Error::NoSuchType(TypeId(child)))),
                Some(&NEW) if child != 0 => stack.push(child),
                // An open one waits for this one: a cycle without a definition, which own types do not have.
                Some(&(NONE | OPEN)) => return ControlFlow::Break(Ok(NONE)),
                Some(&class) if number < 2 => first[number] = class,
                Some(_) => {}
            }
            number += 1;
            ControlFlow::Continue(())
        });
        if let ControlFlow::Break(stop) = stop {
            stack.truncate(depth);
            return stop.map(Some);
        }
        if self.stack.len() != depth {
            return Ok(None);
        }
        if !self.signatures.contains(signature(info.0, first)) {
            return Ok(Some(NONE));
        }
        let mut record = std::mem::take(&mut self.record);
        read(ty, &mut record);
        shape.references(info.vlen()).for_each(|index| record[index] = self.found[record[index] as usize]);
        let mut known = true;
        for index in std::iter::once(0).chain(shape.element_names(info.vlen())) {
            match self.wanted(record[index])? {
                Some(name) => record[index] = name,
                None => {
                    known = false;
                    break;
                }
            }
        }
        let class = known.then(|| self.classes.find_known(&record)).flatten();
        self.record = record;
        Ok(Some(class.unwrap_or(NONE)))
    }
}
