//! What is known of a base once and for all: a kernel's, which thousands of modules are split on.
//!
//! Of a base with a hundred thousand types, a module can only be concerned with those that one of its own types may be
//! the same as: those of the classes that its types have after consing, and of the names that it uses. These are about
//! as many as it has itself. All others, whatever they are, have no part in what refinement finds out about its types.
//! So [`Base`] holds the classes of all types of the base, and [`select`] makes the problem that is left for a split BTF:
//! its own types, those of the base, both with numbers of their own. Whatever follows costs what the module costs.
//!
//! Some more types of the base are referred to by those selected. They stand at the edge: each has a class that no own
//! type has.

use super::classes::{Class, Classes};
use super::cons::{Consed, Numbers, Part, Walked, walk};
use super::record::{Link, links};
use crate::bits::{BitSet, RankedSet};
use crate::{Btf, Error, error::Result};
use std::sync::Arc;

/// What deduplication needs to know of a base. It is made once, and serves any number of split BTFs, from several threads
/// at once.
pub struct Base<'a> {
    btf: Arc<Btf<'a>>,
    pub(super) classes: Classes<'static>,
    /// For each id, the class that stands for it where others refer to it.
    pub(super) reference: Vec<Class>,
    /// The types that are cut.
    cut: RankedSet,
    /// The classes of their records, in the order of their ids.
    contents: Vec<Class>,
    pub(super) cyclic: Option<BitSet>,
    /// Where the types of each class start in `members`.
    starts: Vec<u32>,
    /// Ids, class by class.
    members: Vec<u32>,
}

impl<'a> Base<'a> {
    /// Reads all types of `btf` and its own bases.
    ///
    /// # Errors
    /// As [`super::deduplicate`].
    pub fn new(btf: Arc<Btf<'a>>) -> Result<Self> {
        let Walked { classes, reference, cut, cyclic, .. } = walk(&btf, Part::Base)?;
        let classes = classes.alone();
        // Counted at class + 2, then placed by class + 1, which leaves the start of each class at its own number.
        let mut starts = vec![0u32; classes.len() + 2];
        for &class in &reference[1.min(reference.len())..] {
            starts[class as usize + 2] += 1;
        }
        for index in 2..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut members = vec![0; reference.len()];
        for (id, &class) in reference.iter().enumerate().skip(1) {
            let at = &mut starts[class as usize + 1];
            members[*at as usize] = id as u32;
            *at += 1;
        }
        let mut ids = BitSet::new(reference.len());
        for &(id, _) in &cut {
            ids.insert(id);
        }
        let contents = cut.into_iter().map(|(_, class)| class).collect();
        Ok(Self { btf, classes, reference, cut: RankedSet::new(ids), contents, cyclic, starts, members })
    }

    /// The BTF that this is about.
    pub fn btf(&self) -> &Arc<Btf<'a>> {
        &self.btf
    }

    fn members(&self, class: Class) -> &[u32] {
        &self.members[self.starts[class as usize] as usize..self.starts[class as usize + 1] as usize]
    }

    /// The class of the record of a type that is cut.
    fn content(&self, id: u32) -> Option<Class> {
        self.cut.rank(id).map(|index| self.contents[index as usize])
    }
}

impl std::fmt::Debug for Base<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("btf", &self.btf)
            .field("classes", &self.classes.len())
            .finish_non_exhaustive()
    }
}

/// Finds the classes of the own types of `btf`, and what of its base matters to them.
///
/// # Errors
/// As [`super::deduplicate`]; also when `base` is not that of `btf`.
pub(super) fn select<'b>(btf: &'b Btf<'b>, base: &'b Base<'b>) -> Result<Consed<'b>> {
    if !btf.base().is_some_and(|own| Arc::ptr_eq(own, &base.btf)) {
        return Err(Error::BasesDiffer);
    }
    let Walked { strings, classes, reference, cut, .. } = walk(btf, Part::Own(Some(base)))?;
    let mut selection = Selection::new(btf, base, &classes);
    selection.own(&reference, &cut);
    let numbers = selection.number()?;
    let first_own = numbers.base_ids.len() as u32;
    let mut local = LocalClasses::new(selection.used, &classes);
    let mut references = Vec::with_capacity(numbers.base_ids.len() + reference.len());
    references.extend(numbers.base_ids.iter().map(|&id| local.number(base.reference[id as usize])));
    references.extend(reference.iter().map(|&class| local.number(class)));
    let mut cuts: Vec<(u32, Class)> = Vec::with_capacity(cut.len() * 2);
    for (number, &id) in numbers.base_ids.iter().enumerate() {
        // Types at the edge are not told apart.
        if selection.selected.contains(id)
            && let Some(class) = base.content(id)
        {
            cuts.push((number as u32, local.number(class)));
        }
    }
    let first_id = btf.first_id().0;
    cuts.extend(cut.iter().map(|&(id, class)| (id - first_id + first_own, local.number(class))));
    let classes = local.finish();
    Ok(Consed { btf, strings, classes, reference: references, cut: cuts, numbers: Some(numbers), first_own })
}

/// The types and classes that matter.
struct Selection<'b> {
    btf: &'b Btf<'b>,
    base: &'b Base<'b>,
    is_used: BitSet,
    /// Classes of own types and of selected ones of the base.
    used: Vec<Class>,
    /// The types of the base that own ones may be the same as.
    selected: BitSet,
}

impl<'b> Selection<'b> {
    fn new(btf: &'b Btf<'b>, base: &'b Base<'b>, classes: &Classes<'_>) -> Self {
        let selected = BitSet::new(base.reference.len());
        Self { btf, base, is_used: BitSet::new(classes.len()), used: Vec::new(), selected }
    }

    fn use_class(&mut self, class: Class) {
        if class != 0 && self.is_used.insert(class) {
            self.used.push(class);
        }
    }

    /// Takes the classes of own types, and of what they refer to.
    fn own(&mut self, reference: &[Class], cut: &[(u32, Class)]) {
        for &class in reference {
            self.use_class(class);
        }
        for &(_, class) in cut {
            self.use_class(class);
        }
        for ty in self.btf.types() {
            ty.for_each_reference(|id| {
                if let Some(&class) = self.base.reference.get(id.0 as usize) {
                    self.use_class(class);
                }
            });
        }
    }

    /// Takes the base's types of these classes, with what they refer to, and gives them numbers.
    fn number(&mut self) -> Result<Numbers> {
        let base = self.base;
        let classes = base.classes.len() as Class;
        let mut ids = Vec::new();
        for &class in self.used.iter().filter(|&&class| class < classes) {
            ids.extend_from_slice(base.members(class));
        }
        for id in ids {
            self.selected.insert(id);
            if let Some(class) = base.content(id) {
                self.use_class(class);
            }
        }
        Numbers::of(&base.btf, &self.selected)
    }
}

/// Numbers for the classes that matter, in their order; then for those at the edge.
struct LocalClasses<'c, 'b> {
    all: &'c Classes<'b>,
    by_class: Vec<Class>,
    used: Vec<Class>,
    next: Class,
}

impl<'c, 'b> LocalClasses<'c, 'b> {
    fn new(mut used: Vec<Class>, all: &'c Classes<'b>) -> Self {
        used.sort_unstable();
        let mut by_class = vec![0; all.len()];
        for (index, &class) in used.iter().enumerate() {
            by_class[class as usize] = index as Class + 1;
        }
        Self { all, by_class, next: used.len() as Class + 1, used }
    }

    fn number(&mut self, class: Class) -> Class {
        let number = &mut self.by_class[class as usize];
        if *number == 0 && class != 0 {
            *number = self.next;
            self.next += 1;
        }
        *number
    }

    /// The classes by their new numbers; those at the edge have no words.
    fn finish(mut self) -> Classes<'static> {
        let mut classes = Classes::new(0, 0);
        let mut words = Vec::new();
        for class in std::mem::take(&mut self.used) {
            words.clear();
            words.extend_from_slice(self.all.words(class));
            if words.len() > 2 {
                links(words[1], |link, index| {
                    if link == Link::Reference {
                        words[index] = self.number(words[index]);
                    }
                });
            }
            classes.append(&words);
        }
        while classes.len() < self.next as usize {
            classes.own();
        }
        classes
    }
}
