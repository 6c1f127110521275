//! What matters of a base to one split BTF, found without an index of the base.
//!
//! [`super::base`] gives every type of a base its class, which pays when a thousand modules are split on it. For one, the
//! question is turned around: its own types get their classes first, and those of the base are looked up among these. A
//! type can be the same as an own one only if all that it refers to is, so that most of a kernel's 107,000 types are
//! done with at the first name or reference that no own type has. What is found is what [`super::base::select`] finds.

use super::candidates::{Candidates, Names};
use super::classes::{Class, Classes};
use super::cons::{Consed, Numbers, Part, Walked, walk, walk_definitions};
use super::record::read;
use super::strings::Strings;
use crate::bits::BitSet;
use crate::kind::Info;
use crate::strings::{MIX, fold};
use crate::{Btf, Error, TypeId, error::Result};
use std::hint::black_box;
use std::ops::ControlFlow;

/// Finds the classes of the own types of `btf`, and what of its base matters to them. `None` where that takes an index of
/// the base: own types refer to the base by id, or are in a cycle without a definition.
///
/// # Errors
/// As [`super::deduplicate`].
pub(super) fn select<'b>(
    btf: &'b Btf<'b>,
    base: &'b Btf<'b>,
    candidates: impl FnOnce() -> Option<Candidates>,
) -> Result<Option<Consed<'b>>> {
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
    let names = Names::of(&own.classes, base.end_string());
    let candidates = match candidates() {
        Some(candidates) => candidates,
        None if base.sought_strings().is_some() => Candidates::new(base)?,
        None => Candidates::of(base, names.clone())?,
    };
    if !candidates.names.contain_all(&names) {
        // Others were sought than these types name.
        base.know_all_strings();
        return select(btf, base, Option::default);
    }
    let found = Search::new(base, &own.classes).among(&candidates)?;
    let mut selected = BitSet::new(found.len());
    let is_found = |&id: &u32| found[id as usize] != NONE;
    let definitions: Vec<u32> = candidates.named.iter().map(|&(id, _)| id).filter(is_found).collect();
    for id in definitions.iter().copied().chain(candidates.contents.iter().copied().filter(is_found)) {
        selected.insert(id);
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
    /// [Signatures](signature) of own records.
    signatures: BitSet,
    /// By id of the base: a class, or one of the marks below.
    found: Vec<Class>,
    stack: Vec<u32>,
    /// The words of the record at hand.
    record: Vec<u32>,
}

/// One that no own type is the same as; also the class of `void`, which has the id 0.
const NONE: Class = 0;
/// A candidate that was not looked at yet.
const NEW: Class = Class::MAX - 1;
/// One that waits for what it refers to.
const OPEN: Class = Class::MAX;

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
    fn new(base: &'b Btf<'b>, classes: &'c Classes<'b>) -> Self {
        let mut signatures = BitSet::new(SIGNATURES as usize);
        for class in 1..classes.len() as Class {
            let words = classes.words(class);
            let [_, info, _, ..] = *words else { continue };
            let mut found = [0; 2];
            let references = Info(info).shape().into_iter();
            let references = references.flat_map(|shape| shape.references(Info(info).vlen()));
            for (found, index) in found.iter_mut().zip(references) {
                *found = words[index];
            }
            signatures.insert(signature(info, found));
        }
        let (strings, found) = (Strings::new(base), vec![NONE; base.next_id().0 as usize]);
        Self { base, strings, classes, signatures, found, stack: Vec::new(), record: Vec::new() }
    }

    /// By id of the base: the class of each type that an own type may be the same as, 0 for others.
    fn among(mut self, candidates: &Candidates) -> Result<Vec<Class>> {
        // What a name decides; then what depends on others.
        for (id, leaf) in &candidates.named {
            self.found[*id as usize] = self.classes.find_known(leaf).unwrap_or(NONE);
        }
        // Each record is brought near on the way, many at a time: another thread may have read them last.
        let mut touched = 0;
        for &id in &candidates.contents {
            self.found[id as usize] = NEW;
            touched ^= self.base.get(TypeId(id))?.word(2);
        }
        black_box(touched);
        for &id in &candidates.contents {
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
        Ok(self.found)
    }

    /// The class of a type by its record, or `NONE`. `None` when some that it refers to come first: these are stacked.
    fn by_record(&mut self, id: u32) -> Result<Option<Class>> {
        let ty = self.base.get(TypeId(id))?;
        let info = Info(ty.word(1));
        let Some(shape) = info.shape() else { return Ok(Some(NONE)) };
        let depth = self.stack.len();
        let mut first = [0; 2];
        let mut number = 0;
        let Self { found, stack, .. } = self;
        let stop = shape.references(info.vlen()).try_for_each(|index| {
            let child = ty.word(index);
            match found.get(child as usize) {
                None => return ControlFlow::Break(Err(Error::NoSuchType(TypeId(child)))),
                Some(&NEW) => stack.push(child),
                // An open one waits for this one: a cycle without a definition, which own types do not have.
                Some(&OPEN) => return ControlFlow::Break(Ok(NONE)),
                Some(&NONE) if child != 0 => return ControlFlow::Break(Ok(NONE)),
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
        for index in std::iter::once(0).chain(shape.element_names(info.vlen())) {
            record[index] = self.strings.canonical(record[index])?;
        }
        let class = self.classes.find_known(&record).unwrap_or(NONE);
        self.record = record;
        Ok(Some(class))
    }
}
