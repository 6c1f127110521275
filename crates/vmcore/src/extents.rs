//! Ranges of addresses and where their bytes are: sorted, apart from each other, found by bisection.

use std::collections::BTreeMap;
use std::ops::Range;

/// A range of addresses that lies in one piece somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first address.
    pub(crate) start: u64,
    /// In bytes.
    pub(crate) length: u64,
    /// Where the first byte is.
    pub(crate) place: u64,
}

/// Extents that do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Extents(Vec<Extent>);

impl Extent {
    fn end(&self) -> u64 {
        self.start + self.length
    }
}

impl Extents {
    /// Takes extents whose ends fit into 64 bits. Where two overlap, the later one counts.
    pub(crate) fn new(extents: impl IntoIterator<Item = Extent>) -> Self {
        let mut map: BTreeMap<u64, Extent> = BTreeMap::new();
        for new in extents {
            if new.length == 0 {
                continue;
            }
            // Cut what lies under the new one.
            while let Some((_, &old)) = map.range(..new.end()).next_back() {
                if old.end() <= new.start {
                    break;
                }
                map.remove(&old.start);
                if old.end() > new.end() {
                    let cut = new.end() - old.start;
                    let rest = Extent {
                        start: new.end(),
                        length: old.end() - new.end(),
                        place: old.place.wrapping_add(cut),
                    };
                    map.insert(rest.start, rest);
                }
                if old.start < new.start {
                    map.insert(old.start, Extent { length: new.start - old.start, ..old });
                }
            }
            map.insert(new.start, new);
        }
        Self(map.into_values().collect())
    }

    /// The address after the last; 0 when there are none.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, Extent::end)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges of addresses, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|extent| extent.start..extent.end())
    }

    /// Where `address` lies: its place, and how many bytes from there on lie in one piece.
    pub(crate) fn find(&self, address: u64) -> Option<(u64, u64)> {
        let index = self.0.partition_point(|extent| extent.end() <= address);
        let extent = self.0.get(index).filter(|extent| extent.start <= address)?;
        Some((extent.place.wrapping_add(address - extent.start), extent.end() - address))
    }

    /// The start of the first extent behind `address`.
    pub(crate) fn next_start(&self, address: u64) -> Option<u64> {
        let index = self.0.partition_point(|extent| extent.start <= address);
        Some(self.0.get(index)?.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_extents_cover_earlier_ones() {
        let extent = |start, length, place| Extent { start, length, place };
        let extents = Extents::new([
            extent(0, 10, 0),
            extent(20, 10, 10),
            extent(5, 20, 20),
            extent(8, 2, 40),
            extent(50, 0, 0),
        ]);
        let byte = |address| extents.find(address).map(|(place, _)| place);
        let expected: Vec<u64> = (0..5).chain(20..23).chain(40..42).chain(25..40).chain(15..20).collect();
        assert_eq!((0..30).filter_map(byte).collect::<Vec<_>>(), expected);
        assert_eq!((byte(30), extents.end(), extents.find(6)), (None, 30, Some((21, 2))));
        assert_eq!((extents.next_start(0), extents.next_start(25)), (Some(5), None));
    }
}
