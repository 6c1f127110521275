//! What a type is, as a number that does not depend on ids.
//!
//! A type's digest covers its kind, its name, its fields and the digests of what it refers to. A reference to a named
//! structure, union or enumeration counts as its kind and name only. In C every cycle passes such a name, so that this
//! is one walk from the leaves up. Where a cycle is left (recursive typedefs of other languages), typedefs are cut to
//! their names as well, everywhere; what is still a cycle then is no type of any language and counts as its kind.
//!
//! Two types can share a digest and still differ: `struct foo *` where there are two `struct foo`. These ties are told
//! apart by refinement: every type gets the number of its class, and the members of a tie are compared by the classes
//! that they refer to, until no tie breaks any more.

use crate::{Btf, Error, Kind, StringOffset, Type, TypeId, error::Result};
use std::ops::Range;

/// 128 bits that stand for a type's content.
pub(super) type Digest = (u64, u64);

/// Rounds of refinement. Each looks one reference further; kernels need three.
const ROUNDS: usize = 64;

/// Digests of the own types of a blob, made when asked for.
pub(super) struct Content<'a> {
    btf: &'a Btf<'a>,
    first: u32,
    /// [`UNKNOWN`], [`IN_PROGRESS`] or the digest, by index.
    known: Vec<Digest>,
    cut_typedefs: bool,
    /// Bytes of names that may still be hashed. Names that overlap could make that a square of the blob's size.
    budget: u64,
}

const UNKNOWN: Digest = (0, 0);
const IN_PROGRESS: Digest = (0, 1);

impl<'a> Content<'a> {
    pub(super) fn new(btf: &'a Btf<'a>) -> Self {
        Self {
            btf,
            first: btf.first_id().0,
            known: vec![UNKNOWN; btf.type_count() as usize],
            cut_typedefs: has_typedef_cycle(btf),
            budget: (btf.bytes().len() as u64 + u64::from(btf.end_string())) * 64,
        }
    }

    /// The digest of the own type with this index.
    pub(super) fn of(&mut self, index: u32) -> Result<Digest> {
        let mut stack = vec![(index, false)];
        while let Some((index, children_done)) = stack.pop() {
            if children_done {
                self.known[index as usize] = self.digest(index)?;
                continue;
            }
            if self.known[index as usize] != UNKNOWN {
                continue;
            }
            self.known[index as usize] = IN_PROGRESS;
            stack.push((index, true));
            self.btf.own(index as usize).for_each_reference(|target| {
                if let Some(child) = self.own_index(target)
                    && self.known[child as usize] == UNKNOWN
                    && !self.is_cut(self.btf.own(child as usize))
                {
                    stack.push((child, false));
                }
            });
        }
        Ok(self.known[index as usize])
    }

    fn own_index(&self, id: TypeId) -> Option<u32> {
        id.0.checked_sub(self.first).filter(|&index| (index as usize) < self.known.len())
    }

    /// Whether a reference to `ty` counts as its kind and name only.
    fn is_cut(&self, ty: Type<'_>) -> bool {
        is_cut(ty, self.cut_typedefs)
    }

    /// The digest of a type whose children are known.
    fn digest(&mut self, index: u32) -> Result<Digest> {
        let ty = self.btf.own(index as usize);
        self.digest_with(ty, Self::of_reference)
    }

    fn of_reference(&mut self, id: TypeId) -> Result<Digest> {
        let Some(index) = self.own_index(id) else {
            // The types of a base do not move: their ids are content.
            return Ok((u64::from(id.0), 2));
        };
        let target = self.btf.own(index as usize);
        if self.is_cut(target) {
            let mut hash = Hash::new(target.kind());
            self.name(&mut hash, target.name_offset())?;
            return Ok(hash.finish());
        }
        let known = self.known[index as usize];
        if known == IN_PROGRESS || known == UNKNOWN {
            return Ok((u64::from(target.kind().number()), 3));
        }
        Ok(known)
    }

    /// A digest of `ty` in which each reference counts as what `reference` makes of it.
    fn digest_with(
        &mut self,
        ty: Type<'_>,
        mut reference: impl FnMut(&mut Self, TypeId) -> Result<Digest>,
    ) -> Result<Digest> {
        let mut hash = Hash::new(ty.kind());
        hash.word(ty.word(1));
        self.name(&mut hash, ty.name_offset())?;
        let Some(shape) = ty.kind().shape() else { return Ok(hash.finish()) };
        let (info, element) = (usize::from(shape.info), usize::from(shape.element));
        let mut field = |content: &mut Self, at: usize, is_reference: bool, is_name: bool| {
            let word = ty.word(at);
            if is_reference {
                let (a, b) = reference(content, TypeId(word))?;
                hash.long(a);
                hash.long(b);
            } else if is_name {
                content.name(&mut hash, StringOffset(word))?;
            } else {
                hash.word(word);
            }
            Ok(())
        };
        field(self, 2, shape.target, false)?;
        for i in 0..info {
            field(self, 3 + i, i < usize::from(shape.info_references), false)?;
        }
        if element > 0 {
            let (first, count) = shape.element_references;
            let references = usize::from(first)..usize::from(first + count);
            for start in (0..ty.vlen() as usize).map(|i| 3 + info + i * element) {
                for i in 0..element {
                    field(self, start + i, references.contains(&i), i == 0 && shape.element_name)?;
                }
            }
        }
        Ok(hash.finish())
    }

    fn name(&mut self, hash: &mut Hash, offset: StringOffset) -> Result<()> {
        let name = if offset.is_empty() { &[] } else { self.btf.string(offset).unwrap_or_default() };
        self.budget = self.budget.checked_sub(name.len() as u64).ok_or(Error::NamesOverlap)?;
        hash.bytes(name);
        Ok(())
    }
}

fn is_cut(ty: Type<'_>, typedefs: bool) -> bool {
    match ty.kind() {
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => !ty.name_offset().is_empty(),
        Kind::Typedef => typedefs,
        _ => false,
    }
}

/// Whether references run in a cycle when named aggregates are cut but typedefs are not.
fn has_typedef_cycle(btf: &Btf<'_>) -> bool {
    // Only a chain that comes back to a typedef can: most typedefs end at once.
    let first = btf.first_id().0;
    let count = btf.type_count() as usize;
    // 0 not seen, 1 on the path, 2 done.
    let mut state = vec![0u8; count];
    let mut stack: Vec<(u32, bool)> = Vec::new();
    for root in btf.types().filter(|ty| ty.kind() == Kind::Typedef) {
        stack.push((root.id().0 - first, false));
        while let Some((index, done)) = stack.pop() {
            if done {
                state[index as usize] = 2;
                continue;
            }
            if state[index as usize] != 0 {
                continue;
            }
            state[index as usize] = 1;
            stack.push((index, true));
            let mut cycle = false;
            btf.own(index as usize).for_each_reference(|target| {
                let Some(child) = target.0.checked_sub(first).filter(|&child| (child as usize) < count)
                else {
                    return;
                };
                match state[child as usize] {
                    0 if !is_cut(btf.own(child as usize), false) => stack.push((child, false)),
                    1 => cycle |= !is_cut(btf.own(child as usize), false),
                    _ => {}
                }
            });
            if cycle {
                return true;
            }
        }
    }
    false
}

/// Tells ties apart, in place: each of `ties` is a run of `order` whose types share name, kind and digest.
pub(super) fn refine(
    content: &mut Content<'_>,
    order: &mut [u32],
    mut ties: Vec<Range<usize>>,
) -> Result<()> {
    if ties.is_empty() {
        return Ok(());
    }
    let btf = content.btf;
    // The class of a type: where its run of equals starts in the order.
    let mut classes = vec![0u32; order.len()];
    for (position, &index) in order.iter().enumerate() {
        classes[index as usize] = position as u32;
    }
    for tie in &ties {
        for &index in &order[tie.clone()] {
            classes[index as usize] = tie.start as u32;
        }
    }
    for _ in 0..ROUNDS {
        let mut broken = Vec::new();
        let mut left = Vec::new();
        for tie in ties {
            let mut keyed = Vec::with_capacity(tie.len());
            for &index in &order[tie.clone()] {
                let digest = content.digest_with(btf.own(index as usize), |content, id| {
                    Ok(match content.own_index(id) {
                        Some(index) => (u64::from(classes[index as usize]), 4),
                        None => (u64::from(id.0), 2),
                    })
                })?;
                keyed.push((digest, index));
            }
            keyed.sort_unstable();
            let mut start = tie.start;
            let whole = tie.len();
            for equal in keyed.chunk_by(|a, b| a.0 == b.0) {
                for (slot, &(_, index)) in order[start..].iter_mut().zip(equal) {
                    *slot = index;
                }
                if equal.len() < whole {
                    broken.push(start..start + equal.len());
                }
                if equal.len() > 1 {
                    left.push(start..start + equal.len());
                }
                start += equal.len();
            }
        }
        for run in &broken {
            for &index in &order[run.clone()] {
                classes[index as usize] = run.start as u32;
            }
        }
        ties = left;
        if broken.is_empty() || ties.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Two lanes of multiply-and-fold with fixed keys: the result must be the same everywhere and forever.
struct Hash {
    a: u64,
    b: u64,
}

const KEYS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];

fn fold(x: u64, key: u64) -> u64 {
    let product = u128::from(x) * u128::from(key);
    product as u64 ^ (product >> 64) as u64
}

impl Hash {
    fn new(kind: Kind) -> Self {
        let kind = u64::from(kind.number());
        Self { a: fold(kind + 1, KEYS[1]), b: fold(kind + 1, KEYS[0]) }
    }

    fn long(&mut self, value: u64) {
        self.a = fold(self.a ^ value, KEYS[0]);
        self.b = fold(self.b.rotate_left(23).wrapping_add(value), KEYS[1]);
    }

    fn word(&mut self, value: u32) {
        self.long(u64::from(value));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.long(chunk.first_chunk().map_or(0, |&chunk| u64::from_le_bytes(chunk)));
        }
        let last = chunks.remainder().iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        // The length keeps "a", "" apart from "", "a".
        self.long(last);
        self.long(bytes.len() as u64);
    }

    /// Never one of the two marks.
    fn finish(self) -> Digest {
        (self.a | 1, self.b)
    }
}
