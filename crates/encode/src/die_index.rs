//! The nodes of a unit by the offsets of their DIEs.

use crate::nodes::Node;

/// How many offsets share a count: as many nodes fit the number of a byte.
const BLOCK: usize = 128;

/// A byte for each byte of the unit: how many nodes there are in its block up to the one whose DIE starts there; 0 if none
/// does. And how many there are before each block.
///
/// References are followed for each member of each struct. Whole numbers of nodes would take four times the memory, more than
/// the nearer caches have, and for a small module as many fresh pages as the rest of its scan. A bit instead of a byte would
/// take an eighth, and longer: not all processors count bits.
#[derive(Debug, Default)]
pub struct DieIndex {
    places: Vec<u8>,
    before: Vec<u32>,
}

impl DieIndex {
    /// Indexes the nodes of one unit instead, which are in the order of their DIEs.
    pub fn fill(&mut self, nodes: &[Node]) {
        debug_assert!(nodes.is_sorted_by(|a, b| a.offset < b.offset));
        self.clear();
        let Some(last) = nodes.last() else { return };
        self.places.resize(last.offset as usize + 1, 0);
        for (number, node) in nodes.iter().enumerate() {
            let offset = node.offset as usize;
            if offset / BLOCK >= self.before.len() {
                self.before.resize(offset / BLOCK + 1, number as u32);
            }
            self.places[offset] = (number as u32 - self.before[offset / BLOCK]) as u8 + 1;
        }
    }

    /// Indexes nothing.
    pub fn clear(&mut self) {
        self.places.clear();
        self.before.clear();
    }

    /// The number of the node whose DIE is at `offset`, in bytes from the start of the unit.
    #[inline]
    pub fn get(&self, offset: u32) -> Option<u32> {
        match self.places.get(offset as usize) {
            None | Some(0) => None,
            Some(&place) => Some(self.before[offset as usize / BLOCK] + u32::from(place) - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DieIndex;
    use crate::nodes::{Node, NodeKind};

    #[test]
    fn a_node_is_found_where_its_die_starts_and_nowhere_else() {
        let mut index = DieIndex::default();
        for offsets in [&[1u32, 2, 31, 32, 33, 200, 201, 4095, 4096][..], &[40, 64], &[]] {
            let node = |&offset: &u32| Node {
                offset,
                kind: NodeKind::Pointer,
                flags: 0,
                encoding: 0,
                name: Default::default(),
                target: 0,
                size: 0,
                first: 0,
                count: 0,
            };
            index.fill(&offsets.iter().map(node).collect::<Vec<_>>());
            for offset in 0..5000 {
                let expected = offsets.iter().position(|&other| other == offset).map(|number| number as u32);
                assert_eq!(index.get(offset), expected, "{offset}");
            }
        }
    }
}
