//! Forward declarations of ambiguous names.
//!
//! Where a name has one meaning, its forward declarations mean that: they share its leaf from the first phase on. Where
//! it has several, a forward declaration alone tells nothing, but its surroundings do: a `struct inode` that holds a
//! pointer to a forward declared `struct foo` is most likely the `struct inode` that holds a pointer to a full one.
//!
//! Two meanings and a forward declaration are not an equivalence (the declaration goes with either, these not with each
//! other), so nothing may be merged *through* a declaration. Refinement handles that in one go:
//!
//! - When a leaf falls apart, its forward declarations become a block of their own, which is *wild*: its users do not
//!   know what they refer to. Types without a name pass wildness on: a pointer to a wild block is itself wild.
//! - A *named* structure, union or function that refers to a wild block is *loose*. It stays with those that it cannot
//!   be told apart from. When these fall apart, it joins the part that has most (definite) members among those that it
//!   is *compatible* with: equal but for what is wild, with each wild block standing for one thing throughout. Ties are
//!   broken by signature. If none is compatible, it goes with those that are exactly like it, and the declaration
//!   remains.
//! - A typedef joins when there is just one such part. If there are more it is wild, as a pointer is.
//!
//! What a name means is thus never guessed from its popularity alone; only which of several *complete types* a partial
//! one stands for is. Whatever is joined is one type for its users: they see no difference, and nothing multiplies.

use super::classes::Class;
use super::refine::{Keys, Part, Refinement};
use crate::kind::Info;
use crate::{Kind, error::Result};
use hashbrown::HashMap;

/// At most so many parts are tried for a loose type, the ones with most members first.
const CANDIDATES: usize = 64;
/// At most so many types are compared to find out whether one loose type is compatible with a part.
const DEPTH: usize = 1024;

/// How a type that refers to a wild block finds its part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The compatible part with most members.
    Largest,
    /// The compatible part, if there is one only.
    Only,
    /// None: it is as wild as what it refers to.
    None,
}

impl Refinement<'_, '_> {
    /// Finds a part for each loose member of `block`: `touched` ones and those that were loose before.
    pub(super) fn place_loose(
        &mut self,
        block: Class,
        parts: &mut Vec<Part>,
        touched: Vec<u32>,
    ) -> Result<()> {
        let definite_parts = parts.len();
        let (mut forwards, mut placed, mut open) = (Vec::new(), Vec::new(), touched);
        let touched = open.len();
        for &element in self.loose_members(block) {
            if self.forward.contains(element) {
                forwards.push(element);
            } else if open[..touched].binary_search(&element).is_ok() {
                // It is among those to be placed already.
            } else if definite_parts == 1 {
                placed.push(element);
            } else {
                open.push(element);
            }
        }
        if let [only] = &mut parts[..] {
            only.loose = placed;
        }
        self.choose(block, parts, open)?;
        self.place_forwards(forwards, parts);
        Ok(())
    }

    /// Lets each of the `open` types join a part, or else form new ones.
    fn choose(&mut self, block: Class, parts: &mut Vec<Part>, open: Vec<u32>) -> Result<()> {
        let Some(&first) = open.first() else { return Ok(()) };
        let choice = if self.is_exhausted() { Choice::None } else { self.choice(first)? };
        let named = self.is_named(first)?;
        let mut candidates: Vec<usize> = (0..parts.len()).collect();
        candidates.sort_by_cached_key(|&index| {
            (std::cmp::Reverse(parts[index].definite()), self.signature(block, &parts[index]))
        });
        candidates.truncate(CANDIDATES);
        let mut rest = Keys::default();
        let mut key = Vec::new();
        for element in open {
            self.comparisons += 1;
            key.clear();
            self.key(element, &mut key)?;
            let mut found = None;
            for &index in candidates.iter().take_while(|_| choice != Choice::None) {
                if self.is_compatible(&key, &parts[index].key)? {
                    if found.replace(index).is_some() {
                        found = None;
                        break;
                    }
                    if choice == Choice::Largest {
                        break;
                    }
                }
            }
            match found {
                Some(index) => parts[index].loose.push(element),
                None => {
                    rest.add(element, |words| {
                        words.extend_from_slice(&key);
                        Ok(())
                    })?;
                }
            }
        }
        rest.group(|key, members| {
            parts.push(Part { key: key.to_vec(), members, exact: true, wild: !named, ..Part::default() });
        });
        Ok(())
    }

    /// Forward declarations stay with the one meaning there is, or leave when there are several.
    pub(super) fn place_forwards(&mut self, forwards: Vec<u32>, parts: &mut Vec<Part>) {
        if let [only] = &mut parts[..] {
            only.loose.extend(forwards);
            return;
        }
        let mut forwards: Vec<(Class, u32)> =
            forwards.into_iter().map(|element| (self.own_class(element), element)).collect();
        forwards.sort_unstable();
        for group in forwards.chunk_by(|a, b| a.0 == b.0) {
            let members = group.iter().map(|&(_, element)| element).collect();
            parts.push(Part { key: vec![group[0].0], members, exact: true, wild: true, ..Part::default() });
        }
    }

    /// Whether two keys are the same but for wild blocks in the first, each of which stands for one block throughout.
    fn is_compatible(&mut self, loose: &[Class], definite: &[Class]) -> Result<bool> {
        let mut meaning: HashMap<Class, Class> = HashMap::new();
        let mut stack: Vec<(Class, Class)> = loose.iter().copied().zip(definite.iter().copied()).collect();
        if loose.len() != definite.len() {
            return Ok(false);
        }
        while let Some((loose, definite)) = stack.pop() {
            self.comparisons += 1;
            if !self.is_wild(loose) {
                if loose != definite {
                    return Ok(false);
                }
                continue;
            }
            match meaning.insert(loose, definite) {
                Some(before) if before != definite => return Ok(false),
                Some(_) => continue,
                None => {}
            }
            let (a, b) = (self.blocks[loose as usize], self.blocks[definite as usize]);
            if b.wild || a.family != b.family || meaning.len() > DEPTH {
                return Ok(false);
            }
            let (a, b) = (self.order[a.start as usize], self.order[b.start as usize]);
            if !self.forward.contains(a) {
                stack.extend(self.key_of(a)?.into_iter().zip(self.key_of(b)?));
            }
        }
        Ok(true)
    }

    /// Whether so much was compared that all further loose types are left as they are. No input that a compiler made
    /// comes near; it keeps others from taking quadratic time.
    fn is_exhausted(&self) -> bool {
        self.comparisons > (self.elements.len() as u64 + 1024) * 24
    }

    fn choice(&mut self, element: u32) -> Result<Choice> {
        Ok(match self.kind(element)? {
            (Kind::Func, _) | (Kind::Struct | Kind::Union, true) => Choice::Largest,
            (Kind::Typedef, _) => Choice::Only,
            _ => Choice::None,
        })
    }

    fn is_named(&mut self, element: u32) -> Result<bool> {
        Ok(matches!(self.kind(element)?, (Kind::Func, _) | (Kind::Struct | Kind::Union, true)))
    }

    /// Kind of an element, and whether it has a name.
    fn kind(&mut self, element: u32) -> Result<(Kind, bool)> {
        let mut record = Vec::new();
        self.consed.read(self.elements.ids[element as usize], &mut record)?;
        Ok((Info(record[1]).kind(), self.consed.strings.canonical(record[0])? != 0))
    }
}
