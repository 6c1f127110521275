//! Third phase: partition refinement. The leaf of an ambiguous name falls apart into its meanings, then the types that
//! refer to them fall apart, and so on until the partition is stable.
//!
//! A *block* is a set of types taken to be the same; its number is the class that its users see. A block is split when
//! its members no longer refer to the same blocks. The largest part keeps the number, so that only users of the smaller
//! ones need a look: a type moves at most log2(n) times, each time costs its users, and that bounds the whole by
//! O(m log n) for m references. Rounds are synchronous: within one, all members are compared under the numbers that held
//! when it began. So two types that are the same are always looked at together, and never part.
//!
//! Every part of a split gets a *signature*, a hash of what set it apart, in terms of signatures and never of numbers:
//! the same input in another order gives the same signatures. [`super::forward`] needs them to break ties.

use super::classes::Class;
use super::cons::Consed;
use super::signature::Signatures;
use super::suspects::{Elements, ambiguous_leaves};
use crate::bits::BitSet;
use crate::error::Result;
use std::ops::Range;

/// Where the members of a block stand in the order of elements: its definite members, then its loose ones (see
/// [`super::forward`]).
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    pub(super) start: u32,
    pub(super) len: u32,
    /// How many of the members, the last ones, are loose.
    pub(super) loose: u32,
    /// It came out of loose types that found nothing to join: no member is loose (forward declarations apart), and
    /// it is split like any other.
    pub(super) exact: bool,
    /// It holds a forward declaration that may still stand for several things, and nothing names it: users are loose.
    pub(super) wild: bool,
    /// The class that this block was part of at first.
    pub(super) family: Class,
    pub(super) signature: u64,
}

/// A part that a block is split into.
#[derive(Clone, Default)]
pub(super) struct Part {
    /// What its definite members refer to.
    pub(super) key: Vec<Class>,
    /// Definite members that do not stay where they are.
    pub(super) members: Vec<u32>,
    /// Definite members that stay where they are.
    pub(super) untouched: u32,
    /// Loose members.
    pub(super) loose: Vec<u32>,
    pub(super) exact: bool,
    pub(super) wild: bool,
}

impl Part {
    /// Number of definite members.
    pub(super) fn definite(&self) -> u32 {
        self.untouched + self.members.len() as u32
    }

    fn len(&self) -> u32 {
        self.definite() + self.loose.len() as u32
    }
}

/// The state of refinement.
pub(super) struct Refinement<'c, 'b> {
    pub(super) consed: &'c mut Consed<'b>,
    pub(super) elements: Elements,
    /// Elements, block by block.
    pub(super) order: Vec<u32>,
    /// Where each element stands in `order`.
    position: Vec<u32>,
    /// Blocks by their class.
    pub(super) blocks: Vec<Block>,
    /// Elements that declare a name and do not define it.
    pub(super) forward: BitSet,
    /// Whether there are any; else nothing is ever loose.
    has_forwards: bool,
    /// Elements that got another block in this round.
    moved: Vec<(u32, Class)>,
    /// Blocks that got another signature in this round.
    signed: Vec<(Class, u64)>,
    /// Whether any block is or was wild.
    any_wild: bool,
    /// The key at hand.
    scratch: Vec<Class>,
    /// How many loose types were compared so far.
    pub(super) comparisons: u64,
}

/// What refinement leaves beside the blocks' numbers, which it writes to [`Consed::reference`].
#[derive(Default)]
pub(super) struct Refined {
    /// For each name that turned out to be ambiguous, its leaf and its blocks.
    pub(super) families: Vec<(Class, Vec<Class>)>,
    /// Types that joined a block by choice: they hold a forward declaration where its definite members hold a type.
    pub(super) loose: Vec<u32>,
}

/// Splits blocks until every block's members are the same. Does nothing when no name is ambiguous.
pub(super) fn refine(consed: &mut Consed<'_>) -> Result<Refined> {
    let ambiguous = ambiguous_leaves(consed);
    if ambiguous.is_empty() {
        return Ok(Refined::default());
    }
    let mut refinement = Refinement::new(consed, &ambiguous)?;
    refinement.split_meanings(&ambiguous)?;
    while !refinement.moved.is_empty() {
        refinement.round()?;
    }
    Ok(refinement.finish())
}

impl<'c, 'b> Refinement<'c, 'b> {
    fn new(consed: &'c mut Consed<'b>, ambiguous: &[Class]) -> Result<Self> {
        let elements = Elements::new(consed, ambiguous)?;
        let mut blocks: Vec<Block> =
            (0..consed.classes.len() as Class).map(|family| Block { family, ..Block::default() }).collect();
        for &id in &elements.ids {
            blocks[consed.reference[id as usize] as usize].len += 1;
        }
        let mut start = 0;
        for block in &mut blocks {
            block.start = start;
            start += std::mem::take(&mut block.len);
        }
        let mut forward = BitSet::new(elements.len());
        let mut has_forwards = false;
        let mut cut = consed.cut.iter().peekable();
        for (element, &id) in elements.ids.iter().enumerate() {
            while cut.next_if(|entry| entry.0 < id).is_some() {}
            if cut.peek().is_some_and(|&&(cut, class)| cut == id && consed.is_forward(class)) {
                forward.insert(element as u32);
                has_forwards = true;
            }
        }
        let (mut order, mut position) = (vec![0; elements.len()], vec![0; elements.len()]);
        for forwards in [false, true] {
            for (element, &id) in elements.ids.iter().enumerate() {
                if forward.contains(element as u32) != forwards {
                    continue;
                }
                let block = &mut blocks[consed.reference[id as usize] as usize];
                let at = block.start + block.len;
                block.len += 1;
                block.loose += u32::from(forwards);
                order[at as usize] = element as u32;
                position[element] = at;
            }
            if !has_forwards {
                break;
            }
        }
        let (moved, signed) = (Vec::new(), Vec::new());
        Ok(Self {
            consed,
            elements,
            order,
            position,
            blocks,
            forward,
            has_forwards,
            moved,
            signed,
            any_wild: false,
            scratch: Vec::new(),
            comparisons: 0,
        })
    }

    /// The first round: the types under an ambiguous leaf are told apart by the classes of their records.
    fn split_meanings(&mut self, ambiguous: &[Class]) -> Result<()> {
        let mut signatures = Signatures::default();
        for &leaf in ambiguous {
            let block = self.blocks[leaf as usize];
            let definite = block.start..block.start + block.len - block.loose;
            let mut touched: Vec<(Class, u32)> = self.order[definite.start as usize..definite.end as usize]
                .iter()
                .map(|&element| (self.own_class(element), element))
                .collect();
            touched.sort_unstable();
            let mut parts: Vec<Part> = Vec::new();
            for group in touched.chunk_by(|a, b| a.0 == b.0) {
                let members = group.iter().map(|&(_, element)| element).collect();
                parts.push(Part { key: vec![group[0].0], members, ..Part::default() });
            }
            let forwards = self.loose_members(leaf).to_vec();
            self.place_forwards(forwards, &mut parts);
            let mut signed = vec![0; parts.len()];
            if self.has_forwards {
                for (signature, part) in signed.iter_mut().zip(&parts) {
                    *signature = signatures.of(self.consed, part.key[0]);
                }
            }
            self.arrange(leaf, definite.start, parts, &signed);
        }
        self.renumber();
        Ok(())
    }

    /// One round: looks at all users of what moved in the last one.
    fn round(&mut self) -> Result<()> {
        let mut touched: Vec<(Class, u32)> = Vec::new();
        for (element, _) in std::mem::take(&mut self.moved) {
            for &user in self.elements.users(element) {
                touched.push((self.block_of(user), user));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for group in touched.chunk_by(|a, b| a.0 == b.0) {
            match *group {
                [(block, element)] if self.blocks[block as usize].loose == 0 && !self.any_wild => {
                    self.split_off(block, element)?;
                }
                _ => self.split(group[0].0, group)?,
            }
        }
        self.renumber();
        Ok(())
    }

    /// As [`Refinement::split`], for one member that is looked at, where no member and no type is loose or wild: it refers
    /// to what has moved, and the others do not. So are nearly all splits of a module's types from its kernel's.
    fn split_off(&mut self, block: Class, element: u32) -> Result<()> {
        let was = self.blocks[block as usize];
        if was.len == 1 {
            return Ok(());
        }
        let last = was.start + was.len - 1;
        self.swap(self.position[element as usize], last);
        let other = self.order[was.start as usize];
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        if self.has_forwards {
            self.key(other, &mut key)?;
        }
        let others_signature = self.signature_of(block, &key);
        key.clear();
        self.key(element, &mut key)?;
        let signature = self.signature_of(block, &key);
        self.scratch = key;
        let number = self.blocks.len() as Class;
        let one = Block { start: last, len: 1, ..was };
        // The larger part keeps the number, of two alike the one that is looked at.
        if was.len > 2 {
            self.blocks[block as usize].len -= 1;
            self.signed.push((block, others_signature));
            self.blocks.push(Block { signature, ..one });
            self.moved.push((element, number));
        } else {
            self.blocks[block as usize] = one;
            self.signed.push((block, signature));
            self.blocks.push(Block { len: 1, signature: others_signature, ..was });
            self.moved.push((other, number));
        }
        Ok(())
    }

    /// Splits `block` by what its `touched` members refer to now. The others still refer to what they did.
    fn split(&mut self, block: Class, touched: &[(Class, u32)]) -> Result<()> {
        let Block { start, len, loose, exact, wild, .. } = self.blocks[block as usize];
        let definite_end = start + len - loose;
        // Members to be compared go to the end of the definite ones; those before `boundary` stay untouched.
        let mut boundary = definite_end;
        let mut keys = Keys::default();
        let mut undetermined = Vec::new();
        for &(_, element) in touched {
            let key = keys.add(element, |key| self.key(element, key))?;
            let is_loose = self.position[element as usize] >= definite_end;
            if !is_loose {
                boundary -= 1;
                self.swap(self.position[element as usize], boundary);
            }
            let wild = || keys.get(key).iter().any(|&class| self.is_wild(class));
            if is_loose || !exact && self.has_forwards && wild() {
                keys.forget();
                undetermined.push(element);
            }
        }
        let mut parts = Vec::new();
        if boundary > start {
            let key = if self.has_forwards { self.key_of(self.order[start as usize])? } else { Vec::new() };
            parts.push(Part { key, untouched: boundary - start, exact, wild, ..Part::default() });
        }
        keys.group(|key, members| {
            parts.push(Part { key: key.to_vec(), members, exact, wild, ..Part::default() });
        });
        if loose > 0 || !undetermined.is_empty() {
            self.place_loose(block, &mut parts, undetermined)?;
        }
        let signed: Vec<u64> = parts.iter().map(|part| self.signature(block, part)).collect();
        self.arrange(block, boundary, parts, &signed);
        Ok(())
    }

    /// Writes the members of `parts` into the order from `boundary` on, where the untouched ones of the first part end,
    /// and gives every part but the largest a number of its own.
    fn arrange(&mut self, block: Class, boundary: u32, parts: Vec<Part>, signed: &[u64]) {
        let was = self.blocks[block as usize];
        // A block that turns wild gets a new number, so that its users are looked at.
        let keeps = |part: &Part| part.wild == was.wild;
        let keeper = (0..parts.len()).filter(|&i| keeps(&parts[i])).max_by_key(|&i| parts[i].len());
        let several = parts.len() > 1;
        let mut at = boundary;
        for (index, part) in parts.into_iter().enumerate() {
            let start = at - part.untouched;
            self.any_wild |= part.wild;
            for &element in part.members.iter().chain(&part.loose) {
                self.order[at as usize] = element;
                self.position[element as usize] = at;
                at += 1;
            }
            let mut new = Block {
                start,
                len: at - start,
                loose: part.loose.len() as u32,
                exact: part.exact,
                wild: part.wild,
                family: was.family,
                signature: was.signature,
            };
            if Some(index) == keeper {
                if several {
                    self.signed.push((block, signed[index]));
                }
                self.blocks[block as usize] = new;
            } else {
                let number = self.blocks.len() as Class;
                new.signature = signed[index];
                self.blocks.push(new);
                self.moved
                    .extend(self.order[start as usize..at as usize].iter().map(|&element| (element, number)));
            }
        }
        if keeper.is_none() {
            self.blocks[block as usize] = Block { len: 0, loose: 0, ..was };
        }
    }

    /// Ends a round: from here on the new numbers hold.
    fn renumber(&mut self) {
        for &(element, class) in &self.moved {
            self.consed.reference[self.elements.ids[element as usize] as usize] = class;
        }
        for (class, signature) in self.signed.drain(..) {
            self.blocks[class as usize].signature = signature;
        }
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        self.position[self.order[a as usize] as usize] = a;
        self.position[self.order[b as usize] as usize] = b;
    }

    pub(super) fn signature(&self, block: Class, part: &Part) -> u64 {
        self.signature_of(block, &part.key)
    }

    fn signature_of(&self, block: Class, key: &[Class]) -> u64 {
        let children = key.iter().map(|&class| self.blocks[class as usize].signature);
        Signatures::combine(self.blocks[block as usize].signature, children)
    }

    pub(super) fn is_wild(&self, class: Class) -> bool {
        self.blocks[class as usize].wild
    }

    pub(super) fn block_of(&self, element: u32) -> Class {
        self.consed.reference[self.elements.ids[element as usize] as usize]
    }

    /// The class of the record of an element that is cut; 0 for another.
    pub(super) fn own_class(&self, element: u32) -> Class {
        let id = self.elements.ids[element as usize];
        let cut = &self.consed.cut;
        cut.binary_search_by_key(&id, |entry| entry.0).map_or(0, |index| cut[index].1)
    }

    /// What an element refers to, in order.
    pub(super) fn key_of(&self, element: u32) -> Result<Vec<Class>> {
        let mut key = Vec::new();
        self.key(element, &mut key)?;
        Ok(key)
    }

    /// Appends what an element refers to, in order.
    pub(super) fn key(&self, element: u32, key: &mut Vec<Class>) -> Result<()> {
        let id = self.elements.ids[element as usize];
        self.consed.for_each_reference(id, |child| key.push(self.consed.reference[child as usize]))
    }

    /// The loose members of a block.
    pub(super) fn loose_members(&self, block: Class) -> &[u32] {
        let Block { start, len, loose, .. } = self.blocks[block as usize];
        &self.order[(start + len - loose) as usize..(start + len) as usize]
    }

    fn finish(self) -> Refined {
        let mut names: Vec<(Class, Class)> = Vec::new();
        let mut loose = Vec::new();
        for (class, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.len > 0) {
            if self.consed.classes.is_name(block.family) {
                names.push((block.family, class as Class));
            }
            for &element in self.loose_members(class as Class) {
                if !self.forward.contains(element) {
                    loose.push(self.elements.ids[element as usize]);
                }
            }
        }
        names.sort_unstable();
        let several = names.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
        let families = several.map(|group| (group[0].0, group.iter().map(|each| each.1).collect())).collect();
        Refined { families, loose }
    }
}

/// Keys of elements in one vector, to be grouped by content.
#[derive(Default)]
pub(super) struct Keys {
    words: Vec<Class>,
    entries: Vec<(u32, Range<usize>)>,
}

impl Keys {
    /// Adds what `write` writes as the key of `element`.
    pub(super) fn add(
        &mut self,
        element: u32,
        write: impl FnOnce(&mut Vec<Class>) -> Result<()>,
    ) -> Result<Range<usize>> {
        let start = self.words.len();
        write(&mut self.words)?;
        let range = start..self.words.len();
        self.entries.push((element, range.clone()));
        Ok(range)
    }

    pub(super) fn get(&self, range: Range<usize>) -> &[Class] {
        &self.words[range]
    }

    /// Takes the last key out again.
    pub(super) fn forget(&mut self) {
        if let Some((_, range)) = self.entries.pop() {
            self.words.truncate(range.start);
        }
    }

    /// Calls `visit` with each key and the elements that have it.
    pub(super) fn group(mut self, mut visit: impl FnMut(&[Class], Vec<u32>)) {
        let words = &self.words;
        self.entries.sort_unstable_by(|(a, key_a), (b, key_b)| {
            words[key_a.clone()].cmp(&words[key_b.clone()]).then(a.cmp(b))
        });
        for group in self.entries.chunk_by(|(_, a), (_, b)| words[a.clone()] == words[b.clone()]) {
            let members = group.iter().map(|&(element, _)| element).collect();
            visit(&words[group[0].1.clone()], members);
        }
    }
}
