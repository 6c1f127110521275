//! Second phase: which names are ambiguous, and which types can be touched by that.
//!
//! Nearly all names have one meaning, and nearly all types reach no name that has several. So the question is first
//! asked of the classes, which are few; only the types in suspect classes, the *elements*, take part in refinement, and
//! only for them is it worth knowing who refers to whom.

use super::classes::Class;
use super::cons::Consed;
use super::record::{Role, references, role};
use crate::bits::{BitSet, RankedSet};
use crate::error::Result;

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
///
/// Types come after what they refer to, but for leaves, so that a few passes over the classes in order find nearly all;
/// who refers to whom, which takes as long to gather as two passes, is only asked for when passes go on finding more. In
/// nearly all modules they do.
fn suspect_classes(consed: &Consed<'_>, ambiguous: &[Class]) -> BitSet {
    let passes = if consed.numbers.is_none() { 2 } else { 0 };
    let classes = &consed.classes;
    let count = classes.len();
    // The leaf under which a definition's class is seen.
    let mut leaves: Vec<Class> = vec![0; count];
    for &(id, class) in &consed.cut {
        leaves[class as usize] = consed.reference[id as usize];
    }
    let mut suspects = BitSet::new(count);
    for &class in ambiguous {
        suspects.insert(class);
    }
    let mut found = ambiguous.to_vec();
    for _ in 0..passes {
        found.clear();
        for class in 1..count as Class {
            let mut suspect = false;
            references(classes.words(class), |child| suspect |= suspects.contains(child));
            if suspect && suspects.insert(class) {
                found.push(class);
                let leaf = leaves[class as usize];
                if leaf != 0 && suspects.insert(leaf) {
                    found.push(leaf);
                }
            }
        }
        if found.is_empty() {
            return suspects;
        }
    }
    let users = class_users(consed);
    while let Some(class) = found.pop() {
        for &user in users.of(class) {
            if suspects.insert(user) {
                found.push(user);
                let leaf = leaves[user as usize];
                if leaf != 0 && suspects.insert(leaf) {
                    found.push(leaf);
                }
            }
        }
    }
    suspects
}

/// Who refers to each class.
fn class_users(consed: &Consed<'_>) -> Users {
    let count = consed.classes.len();
    let mut users = UsersBuilder::new(count);
    for class in 0..count as Class {
        references(consed.classes.words(class), |child| users.add(child, class));
    }
    users.finish()
}

/// Who refers to each of a row of things: compressed rows.
struct Users {
    starts: Vec<u32>,
    users: Vec<u32>,
}

impl Users {
    fn of(&self, used: u32) -> &[u32] {
        &self.users[self.starts[used as usize] as usize..self.starts[used as usize + 1] as usize]
    }
}

/// Gathers [`Users`].
struct UsersBuilder {
    count: usize,
    /// Used, user.
    pairs: Vec<(u32, u32)>,
}

impl UsersBuilder {
    /// For `count` rows, by some that refer to a few each.
    fn new(count: usize) -> Self {
        Self { count, pairs: Vec::with_capacity(count * 4) }
    }

    #[inline]
    fn add(&mut self, used: u32, user: u32) {
        self.pairs.push((used, user));
    }

    /// Sorts by what is used; the order of users stays.
    fn finish(self) -> Users {
        // Counted at row + 2, then placed by row + 1, which leaves the start of each row at its own number.
        let mut starts = vec![0; self.count + 2];
        for &(used, _) in &self.pairs {
            starts[used as usize + 2] += 1;
        }
        for index in 2..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut users = vec![0; self.pairs.len()];
        for &(used, user) in &self.pairs {
            let at = &mut starts[used as usize + 1];
            users[*at as usize] = user;
            *at += 1;
        }
        Users { starts, users }
    }
}

/// The types that refinement may have to tell apart, numbered in the order of their ids, and who refers to each.
pub(super) struct Elements {
    /// The type of each element.
    pub(super) ids: Vec<u32>,
    users: Users,
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
        let mut users = UsersBuilder::new(ids.len());
        for (user, &id) in ids.iter().enumerate() {
            consed.for_each_reference(id, |child| {
                if let Some(child) = ranks.rank(child) {
                    users.add(child, user as u32);
                }
            })?;
        }
        Ok(Self { ids, users: users.finish() })
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The elements that refer to this one, once for each reference.
    pub(super) fn users(&self, element: u32) -> &[u32] {
        self.users.of(element)
    }
}
