//! Structures and unions: size and members.
//!
//! Members of anonymous aggregates are listed as those of what is around them, at the offset that they have there: it is
//! how C names them, and how programs find them. So wrapping members in an anonymous union changes nothing but what the
//! union adds. A member whose type is an aggregate without a name is looked into: `inner.x`; but not where the same members
//! stand there without its name as well, as the kernel's `struct_group` has them.

use super::Comparison;
use super::change::{Breaks, Change, Place, What};
use super::classes::Class;
use super::names::Name;
use crate::{Type, TypeId, error::Result};
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

/// How deep members with types without a name are looked into.
const DEEPEST: usize = 16;

/// A member that has a name, or whose type has.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    name: Name,
    type_id: TypeId,
    class: Class,
    /// In bits, from the start of the aggregate.
    bit_offset: u32,
    bitfield: u8,
    /// Size in bits.
    bits: u64,
    /// Its own members are there a second time, without its name: `union { struct { int x; }; struct { int x; } group; }`.
    mirrored: bool,
}

impl Leaf {
    /// What tells it from the other members. One without a name is told by its type.
    fn key(&self) -> (Name, Class) {
        (self.name, if self.name == 0 { self.class } else { 0 })
    }
}

/// A change on its way to its place in the list.
type Placed = (u32, Change);

impl<'b> Comparison<'b> {
    pub(super) fn aggregates(&mut self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (x, y) = (self.get(0, a)?, self.get(1, b)?);
        if self.same_members(x, y)? {
            return Ok(());
        }
        let (before, after) = (u64::from(x.raw_size()), u64::from(y.raw_size()));
        if before != after {
            let breaks = Breaks { core: false, module: true };
            changes.push(Change { what: What::Size { before, after }, breaks });
        }
        let mut placed = Vec::new();
        self.members("", 0, [x, y], 0, &mut placed)?;
        placed.sort_by_key(|each: &Placed| each.0);
        changes.extend(placed.into_iter().map(|each| each.1));
        Ok(())
    }

    /// Whether two aggregates are the same member by member, as stored.
    fn same_members(&mut self, a: Type<'_>, b: Type<'_>) -> Result<bool> {
        if a.raw_size() != b.raw_size() || a.vlen() != b.vlen() {
            return Ok(false);
        }
        for (x, y) in a.members().zip(b.members()) {
            let same = (x.bit_offset, x.bitfield_size) == (y.bit_offset, y.bitfield_size)
                && self.name(0, x.name)? == self.name(1, y.name)?
                && self.declared(0, x.type_id)? == self.declared(1, y.type_id)?
                && self.size(0, x.type_id) == self.size(1, y.type_id);
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares the members of two aggregates. `prefix` leads to them, and `at` is where they are in what is listed.
    fn members(
        &mut self,
        prefix: &str,
        at: u32,
        sides: [Type<'_>; 2],
        depth: usize,
        out: &mut Vec<Placed>,
    ) -> Result<()> {
        let (a, b) = (self.leaves(0, sides[0])?, self.leaves(1, sides[1])?);
        let mut places: HashMap<(Name, Class), VecDeque<usize>> = HashMap::with_capacity(b.len());
        for (index, leaf) in b.iter().enumerate() {
            places.entry(leaf.key()).or_default().push_back(index);
        }
        let mut taken = vec![false; b.len()];
        let mut gone = Vec::new();
        for x in a {
            let Some(index) = places.get_mut(&x.key()).and_then(VecDeque::pop_front) else {
                gone.push(x);
                continue;
            };
            taken[index] = true;
            self.member(prefix, at, [x, b[index]], depth, out)?;
        }
        let new: Vec<Leaf> = b.iter().zip(taken).filter(|(_, taken)| !taken).map(|(leaf, _)| *leaf).collect();
        self.gone_and_new(prefix, at, &gone, &new, out);
        Ok(())
    }

    /// What of one side has no namesake on the other: renamed if a member of the same type stands in its place.
    fn gone_and_new(&self, prefix: &str, at: u32, gone: &[Leaf], new: &[Leaf], out: &mut Vec<Placed>) {
        let like = |leaf: &Leaf| (leaf.bit_offset, leaf.class, leaf.bitfield, leaf.bits);
        let mut instead: HashMap<_, VecDeque<usize>> = HashMap::new();
        for (index, leaf) in new.iter().enumerate().filter(|(_, leaf)| leaf.name != 0) {
            instead.entry(like(leaf)).or_default().push_back(index);
        }
        let mut taken = vec![false; new.len()];
        for leaf in gone {
            let here = at.saturating_add(leaf.bit_offset);
            let found = instead.get_mut(&like(leaf)).filter(|_| leaf.name != 0).and_then(VecDeque::pop_front);
            let change = match found {
                Some(index) => {
                    taken[index] = true;
                    let what = What::MemberRenamed {
                        before: self.path(prefix, leaf.name),
                        after: self.path(prefix, new[index].name),
                        bit_offset: leaf.bit_offset,
                    };
                    Change { what, breaks: Breaks { core: true, module: false } }
                }
                None => Change {
                    what: What::MemberRemoved(self.whole_member(0, prefix, leaf)),
                    breaks: Breaks::BOTH,
                },
            };
            out.push((here, change));
        }
        for (leaf, _) in new.iter().zip(taken).filter(|(_, taken)| !taken) {
            let what = What::MemberAdded(self.whole_member(1, prefix, leaf));
            out.push((at.saturating_add(leaf.bit_offset), Change { what, breaks: Breaks::NONE }));
        }
    }

    /// Compares a member with the one of its name.
    fn member(
        &mut self,
        prefix: &str,
        at: u32,
        [x, y]: [Leaf; 2],
        depth: usize,
        out: &mut Vec<Placed>,
    ) -> Result<()> {
        let here = at.saturating_add(y.bit_offset);
        let name = self.path(prefix, x.name);
        let mut change = |what, breaks| out.push((here, Change { what, breaks }));
        if x.bit_offset != y.bit_offset {
            let what = What::MemberMoved { name: name.clone(), before: x.bit_offset, after: y.bit_offset };
            change(what, Breaks { core: false, module: true });
        }
        let bitfields = [x.bitfield != 0, y.bitfield != 0];
        if x.class == y.class && bitfields[0] == bitfields[1] {
            if x.bits != y.bits {
                let core = y.bits < x.bits && !bitfields[0];
                let what = What::MemberResized { name, bits_before: x.bits, bits_after: y.bits };
                change(what, Breaks { core, module: true });
            }
            return Ok(());
        }
        if x.class != y.class
            && depth < DEEPEST
            && let Some(([a, b], steps)) = self.unnamed([x.type_id, y.type_id])
        {
            if x.bits != y.bits {
                let what =
                    What::MemberResized { name: name.clone(), bits_before: x.bits, bits_after: y.bits };
                change(what, Breaks { core: false, module: true });
            }
            // What a mirror shows has been told of what it shows.
            if a.kind().is_aggregate() && !(x.mirrored && y.mirrored) {
                let prefix = format!("{name}{}.", "[]".repeat(steps));
                self.members(&prefix, here, [a, b], depth + 1, out)?;
            }
            return Ok(());
        }
        let same_shape = self.same_shape(x.type_id, y.type_id)? && bitfields[0] == bitfields[1];
        let shrunk = y.bits < x.bits && !self.is_flexible(1, y.type_id);
        let to_bitfield = bitfields[1] && !bitfields[0];
        let narrow = shrunk && !bitfields[0] && !bitfields[1];
        let core = self.retyped(x.type_id, y.type_id)?.core || to_bitfield || narrow;
        let what = What::MemberRetyped {
            before: self.declare_leaf(0, &x, &name),
            after: self.declare_leaf(1, &y, &name),
            bits_before: x.bits,
            bits_after: y.bits,
            spelling: self.same_value(x.type_id, y.type_id)? && bitfields[0] == bitfields[1],
            name,
        };
        out.push((here, Change { what, breaks: Breaks { core, module: !same_shape } }));
        Ok(())
    }

    /// The types of a member, where both are aggregates of one kind without a name, or arrays of such; with the number of
    /// dimensions. Also where both are enumerations without a name.
    fn unnamed(&self, ids: [TypeId; 2]) -> Option<([Type<'b>; 2], usize)> {
        let mut types = [self.unqualified(0, ids[0])?, self.unqualified(1, ids[1])?];
        for steps in 0..DEEPEST {
            let [a, b] = types;
            match (a.array(), b.array()) {
                (Some(x), Some(y)) if x.count == y.count => {
                    types = [self.unqualified(0, x.element)?, self.unqualified(1, y.element)?];
                }
                (None, None) => {
                    let same = (a.kind().is_aggregate() && a.kind() == b.kind())
                        || (a.kind().is_enum() && b.kind().is_enum());
                    let unnamed = a.name_offset().is_empty() && b.name_offset().is_empty();
                    return (same && unnamed).then_some((types, steps));
                }
                _ => return None,
            }
        }
        None
    }

    /// The members of an aggregate and of the anonymous ones in it.
    fn leaves(&mut self, side: usize, aggregate: Type<'_>) -> Result<Vec<Leaf>> {
        let mut leaves = Vec::new();
        let mut unfolded = HashSet::new();
        // Last first.
        let mut stack: Vec<(u32, crate::Member, usize)> =
            aggregate.members().rev().map(|member| (0, member, 0)).collect();
        while let Some((at, member, depth)) = stack.pop() {
            let bit_offset = at.saturating_add(member.bit_offset);
            let name = self.name(side, member.name)?;
            if name == 0 && depth < DEEPEST {
                let inner = self.unqualified(side, member.type_id);
                let inner = inner.filter(|ty| ty.kind().is_aggregate() && ty.name_offset().is_empty());
                if let Some(inner) = inner
                    && let Some(left) = self.unfold.checked_sub(inner.vlen() as usize + 1)
                {
                    self.unfold = left;
                    unfolded.insert((bit_offset, self.declared(side, inner.id())?));
                    stack.extend(inner.members().rev().map(|member| (bit_offset, member, depth + 1)));
                    continue;
                }
            }
            let bits = match member.bitfield_size {
                0 => self.size(side, member.type_id).saturating_mul(8),
                bits => bits.into(),
            };
            leaves.push(Leaf {
                name,
                type_id: member.type_id,
                class: self.declared(side, member.type_id)?,
                bit_offset,
                bitfield: member.bitfield_size,
                bits,
                mirrored: false,
            });
        }
        for leaf in &mut leaves {
            leaf.mirrored = unfolded.contains(&(leaf.bit_offset, leaf.class));
        }
        Ok(leaves)
    }

    fn path(&self, prefix: &str, name: Name) -> String {
        format!("{prefix}{}", self.text(name))
    }

    fn declare_leaf(&self, side: usize, leaf: &Leaf, name: &str) -> String {
        let text = self.declare(side, leaf.type_id, name);
        if leaf.bitfield == 0 { text } else { format!("{text} : {}", leaf.bitfield) }
    }

    fn whole_member(&self, side: usize, prefix: &str, leaf: &Leaf) -> Place {
        let name = self.path(prefix, leaf.name);
        Place {
            declaration: self.declare_leaf(side, leaf, &name),
            name,
            bit_offset: leaf.bit_offset,
            bits: leaf.bits,
        }
    }
}
