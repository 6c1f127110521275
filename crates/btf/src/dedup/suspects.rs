//! Second phase: which names are ambiguous, and which types can be touched by that.
//!
//! Nearly all names have one meaning, and nearly all types reach no name that has several. So the question is first
//! asked of the classes, which are few; only the types in suspect classes, the *elements*, take part in refinement, and
//! only for them is it worth knowing who refers to whom.

use super::bits::{BitSet, RankedSet};
use super::classes::Class;
use super::cons::Consed;
use super::record::{Role, read, references, role};
use crate::{TypeId, error::Result};

/// The leaves whose types are not all the same, in the order of their numbers.
pub(super) fn ambiguous_leaves(consed: &Consed<'_>) -> Vec<Class> {
    const FORWARD: Class = 1 << 31;
    // The class of the first definition of each leaf; of the first forward declaration as long as there is none.
    let mut meaning: Vec<Class> = vec![0; consed.classes.len()];
    let mut ambiguous = BitSet::new(consed.classes.len());
    let mut found = Vec::new();
    for forwards in [false, true] {
        for &(id, class) in &consed.cut {
            if consed.is_forward(class) != forwards {
                continue;
            }
            let leaf = consed.reference[id as usize];
            let known = &mut meaning[leaf as usize];
            let other = match *known {
                0 => {
                    *known = if forwards { class | FORWARD } else { class };
                    false
                }
                first if forwards => first & FORWARD != 0 && first & !FORWARD != class,
                first => first != class,
            };
            if other && ambiguous.insert(leaf) {
                found.push(leaf);
            }
        }
    }
    found.sort_unstable();
    found
}

impl Consed<'_> {
    /// Whether the record of this class is a forward declaration's.
    #[inline]
    pub(super) fn is_forward(&self, class: Class) -> bool {
        matches!(*self.classes.words(class), [name, info, _, ..] if role(name, info) == Role::Forward)
    }
}

/// The classes that an ambiguous name can be reached from, itself included.
fn suspect_classes(consed: &Consed<'_>, ambiguous: &[Class]) -> BitSet {
    let classes = &consed.classes;
    let count = classes.len();
    // Who refers to each class, in compressed rows: row c is users[starts[c]..starts[c + 1]] in the end.
    let mut starts = vec![0u32; count + 2];
    for class in 0..count as Class {
        references(classes.words(class), |child| starts[child as usize + 2] += 1);
    }
    starts[2] = 0;
    for index in 2..starts.len() {
        starts[index] += starts[index - 1];
    }
    let mut users = vec![0 as Class; starts[count + 1] as usize];
    for class in 0..count as Class {
        references(classes.words(class), |child| {
            if child != 0 {
                let at = &mut starts[child as usize + 1];
                users[*at as usize] = class;
                *at += 1;
            }
        });
    }
    // The leaf under which a definition's class is seen.
    let mut leaf: Vec<Class> = vec![0; count];
    for &(id, class) in &consed.cut {
        leaf[class as usize] = consed.reference[id as usize];
    }
    let mut suspects = BitSet::new(count);
    let mut stack: Vec<Class> = ambiguous.to_vec();
    for &class in ambiguous {
        suspects.insert(class);
    }
    while let Some(class) = stack.pop() {
        for &user in &users[starts[class as usize] as usize..starts[class as usize + 1] as usize] {
            if suspects.insert(user) {
                stack.push(user);
                let leaf = leaf[user as usize];
                if leaf != 0 && suspects.insert(leaf) {
                    stack.push(leaf);
                }
            }
        }
    }
    suspects
}

/// The types that refinement may have to tell apart, numbered in the order of their ids, and who refers to each.
pub(super) struct Elements {
    /// The type of each element.
    pub(super) ids: Vec<u32>,
    starts: Vec<u32>,
    users: Vec<u32>,
}

impl Elements {
    pub(super) fn new(consed: &Consed<'_>, ambiguous: &[Class]) -> Result<Self> {
        let suspects = suspect_classes(consed, ambiguous);
        let mut ids = BitSet::new(consed.reference.len());
        for (id, &class) in consed.reference.iter().enumerate() {
            if suspects.contains(class) {
                ids.insert(id as u32);
            }
        }
        let ranks = RankedSet::new(ids);
        let ids: Vec<u32> = ranks.iter().collect();
        let mut starts = vec![0u32; ids.len() + 2];
        let mut record = Vec::new();
        for &id in &ids {
            read(consed.btf.get(TypeId(id))?, &mut record);
            references(&record, |child| {
                if let Some(child) = ranks.rank(child) {
                    starts[child as usize + 2] += 1;
                }
            });
        }
        for index in 2..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut users = vec![0u32; starts[ids.len() + 1] as usize];
        for (user, &id) in ids.iter().enumerate() {
            read(consed.btf.get(TypeId(id))?, &mut record);
            references(&record, |child| {
                if let Some(child) = ranks.rank(child) {
                    let at = &mut starts[child as usize + 1];
                    users[*at as usize] = user as u32;
                    *at += 1;
                }
            });
        }
        Ok(Self { ids, starts, users })
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The elements that refer to this one, once for each reference.
    pub(super) fn users(&self, element: u32) -> &[u32] {
        &self.users[self.starts[element as usize] as usize..self.starts[element as usize + 1] as usize]
    }
}
