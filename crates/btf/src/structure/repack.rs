//! A better order of members.
//!
//! Orders are judged by laying them out as a C compiler does ([`Placer`]), so that every proposal is one that a compiler
//! would make of it. The order that wastes least is known: members by falling alignment leave no hole, because sizes are
//! multiples of alignments, and bit-fields at the end share units. But it moves everything. So the first attempt keeps
//! the order and only moves members into holes before them, and the sorted one is taken where that comes out larger.
//!
//! A structure whose own layout the placer does not arrive at has parts that BTF does not tell, such as bit-fields
//! without names or attributes on single members. There is no proposal for it: a compiler might not agree.

use super::{Field, Structure, measure};
use crate::StringOffset;

/// Structures with more members than this are only sorted: filling holes looks at each member for each hole.
const MANY: usize = 512;

/// A smaller structure of the same members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Repacked {
    /// The structure as it would be.
    pub structure: Structure,
    /// Bytes less than before.
    pub saved: u64,
    /// What to move, one after the other, to get there.
    pub moves: Vec<Move>,
}

/// A member that takes another place among its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Move {
    /// The member.
    pub name: StringOffset,
    /// The member that it stood behind; none when it was the first.
    pub from: Option<StringOffset>,
    /// The member that it comes to stand behind; none when it becomes the first.
    pub to: Option<StringOffset>,
    /// Its index before.
    pub index: usize,
    /// Its index afterwards.
    pub target: usize,
}

impl Structure {
    /// A smaller order of the members, if there is one and a compiler's way of laying out this structure is understood.
    pub fn repack(&self) -> Option<Repacked> {
        if self.union || self.packed || self.fields.len() < 2 || self.size == 0 {
            return None;
        }
        let alignment = self.required_alignment;
        let (size, placed) = Placer::place(&self.fields, alignment)?;
        let same = |(a, b): (&Field, &Field)| (a.offset, a.bit_offset) == (b.offset, b.bit_offset);
        if size != self.size || !placed.iter().zip(&self.fields).all(same) {
            return None;
        }
        let mut best = (self.size, Vec::new());
        let candidates = [self.filled(alignment), self.sorted(0), self.sorted(1), self.sorted(2)];
        for order in candidates.into_iter().flatten() {
            let fields: Vec<Field> = order.iter().map(|&index| self.fields[index]).collect();
            let Some((size, _)) = Placer::place(&fields, alignment) else { continue };
            if size < best.0 {
                best = (size, order);
            }
        }
        let (size, order) = best;
        (size < self.size).then(|| Repacked {
            structure: self.reordered(&order, size),
            saved: self.size - size,
            moves: self.moves(&order),
        })
    }

    /// The structure with its members in this order.
    pub fn with_order(&self, order: &[usize]) -> Option<Structure> {
        let fields: Vec<Field> =
            order.iter().map(|&index| self.fields.get(index).copied()).collect::<Option<_>>()?;
        let (size, _) = Placer::place(&fields, self.required_alignment)?;
        Some(self.reordered(order, size))
    }

    fn reordered(&self, order: &[usize], size: u64) -> Structure {
        let fields: Vec<Field> = order.iter().map(|&index| self.fields[index]).collect();
        let fields = Placer::place(&fields, self.required_alignment).map_or(fields, |(_, placed)| placed);
        let mut structure = Structure {
            id: self.id,
            size,
            fields,
            natural_alignment: 1,
            cacheline: self.cacheline,
            flexible_array: self.flexible_array,
            embedded_flexible_array: self.embedded_flexible_array,
            ..Structure::default()
        };
        measure::add_up(&mut structure);
        structure
    }

    /// How many members at the end have to stay there: a flexible array.
    fn fixed_end(&self) -> usize {
        usize::from(self.flexible_array || self.fields.last().is_some_and(|field| field.size == 0))
    }

    /// Keeps the order and moves members from behind into the holes.
    fn filled(&self, alignment: u64) -> Option<Vec<usize>> {
        if self.fields.len() > MANY {
            return None;
        }
        let mut order: Vec<usize> = (0..self.fields.len()).collect();
        let movable = order.len() - self.fixed_end();
        let (_, mut placed) = Placer::place(&self.fields, alignment)?;
        let mut at = 0;
        while at + 1 < movable {
            let before = placed[at].end_bit().div_ceil(8);
            let after = placed[at + 1].offset;
            let fits = |&candidate: &usize| {
                let field = &placed[candidate];
                let start = before.next_multiple_of(field.required_alignment.max(1));
                !field.is_bitfield() && field.size > 0 && start.saturating_add(field.size) <= after
            };
            // The largest that fits; of equals the last, so that what stands in front stays there.
            let chosen = if before < after {
                (at + 2..movable).filter(fits).max_by_key(|&candidate| (placed[candidate].size, candidate))
            } else {
                None
            };
            // What is left of the hole is smaller now, and looked at again.
            let Some(chosen) = chosen else {
                at += 1;
                continue;
            };
            let moved = order.remove(chosen);
            order.insert(at + 1, moved);
            let fields: Vec<Field> = order.iter().map(|&index| self.fields[index]).collect();
            placed = Placer::place(&fields, alignment)?.1;
        }
        Some(order)
    }

    /// Members by falling alignment, equals in their order; bit-fields among them by their unit (0), behind (1) or before
    /// (2) all others. Where members without a size mark places between others, nothing is sorted.
    fn sorted(&self, bits: u8) -> Option<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.fields.len()).collect();
        let movable = order.len() - self.fixed_end();
        if self.fields[..movable].iter().any(|field| field.size == 0) {
            return None;
        }
        order[..movable].sort_by_key(|&index| {
            let field = &self.fields[index];
            let group = match bits {
                0 => false,
                1 => field.is_bitfield(),
                _ => !field.is_bitfield(),
            };
            let weight = if field.is_bitfield() { field.size } else { field.required_alignment };
            (group, std::cmp::Reverse(weight), !field.is_bitfield())
        });
        Some(order)
    }

    /// The fewest moves that lead from the order stored to `order`: what is in order already stays.
    fn moves(&self, order: &[usize]) -> Vec<Move> {
        if order.len() > MANY {
            return Vec::new();
        }
        let stays = longest_rising(order);
        let name = |index: usize| self.fields[index].name;
        let mut now: Vec<usize> = (0..self.fields.len()).collect();
        let mut moves = Vec::new();
        for (place, &member) in order.iter().enumerate().filter(|&(place, _)| !stays[place]) {
            let find = |now: &[usize], member| now.iter().position(|&each| each == member).unwrap_or(0);
            let index = find(&now, member);
            let from = index.checked_sub(1).map(|before| name(now[before]));
            now.remove(index);
            let behind = place.checked_sub(1).map(|before| order[before]);
            let target = behind.map_or(0, |behind| find(&now, behind) + 1);
            now.insert(target, member);
            moves.push(Move { name: name(member), from, to: behind.map(name), index, target });
        }
        moves
    }
}

/// Which places of a permutation belong to its longest rising subsequence.
fn longest_rising(order: &[usize]) -> Vec<bool> {
    let mut length = vec![1usize; order.len()];
    let mut before = vec![usize::MAX; order.len()];
    for place in 0..order.len() {
        for earlier in 0..place {
            if order[earlier] < order[place] && length[earlier] + 1 > length[place] {
                (length[place], before[place]) = (length[earlier] + 1, earlier);
            }
        }
    }
    let mut rising = vec![false; order.len()];
    let mut at = (0..order.len()).max_by_key(|&place| length[place]).unwrap_or(usize::MAX);
    while let Some(place) = rising.get_mut(at) {
        *place = true;
        at = before[at];
    }
    rising
}

/// Lays members out as C compilers do under the System V ABI: each at the next multiple of its alignment; a bit-field at
/// the next bit, unless it would cross the end of a unit of its type.
struct Placer;

impl Placer {
    /// Size of the whole and the members with their places; nothing when it grows beyond all bounds.
    fn place(fields: &[Field], alignment: u64) -> Option<(u64, Vec<Field>)> {
        let mut bit = 0u64;
        let mut placed = Vec::with_capacity(fields.len());
        for field in fields {
            let mut field = *field;
            if field.is_bitfield() {
                let unit = field.size.max(1);
                let unit_bits = unit.checked_mul(8)?;
                if bit % unit_bits + u64::from(field.bit_size) > unit_bits {
                    bit = bit.checked_next_multiple_of(unit_bits)?;
                }
                field.offset = bit / unit_bits * unit;
                field.bit_offset = (bit - field.offset * 8) as u32;
                bit = bit.checked_add(u64::from(field.bit_size))?;
            } else {
                field.offset = bit.div_ceil(8).checked_next_multiple_of(field.required_alignment.max(1))?;
                bit = field.offset.checked_add(field.size)?.checked_mul(8)?;
            }
            placed.push(field);
        }
        let size = bit.div_ceil(8).checked_next_multiple_of(alignment.max(1))?;
        Some((size, placed.into_iter().map(without_gaps).collect()))
    }
}

/// Only the place, without what depends on the neighbours.
fn without_gaps(field: Field) -> Field {
    Field { hole: 0, bit_hole: 0, sharing: super::Sharing::None, ..field }
}
