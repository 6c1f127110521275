//! Broken copies of an input: the n-th is always the same.

use std::ops::Range;

use object::{Object, ObjectSection};

const TRUNCATIONS: usize = 1_000;
const FLIPS: usize = 10_000;
/// How many bytes of one copy are changed, at most.
const CHANGES: u64 = 4;
/// The sections where bytes are changed, if the input has them.
const SECTIONS: [&str; 2] = [".debug_info", ".debug_abbrev"];

/// All broken copies of one input: first the shorter ones, then those with changed bytes.
#[derive(Debug)]
pub(crate) struct Cases<'i> {
    input: &'i [u8],
    truncations: usize,
    /// Where bytes are changed.
    ranges: Vec<Range<usize>>,
}

impl<'i> Cases<'i> {
    pub(crate) fn of(input: &'i [u8]) -> Self {
        let sections = debug_sections(input);
        let whole = 0..input.len();
        let ranges = if sections.is_empty() { vec![whole] } else { sections };
        Self { input, truncations: input.len().min(TRUNCATIONS), ranges }
    }

    pub(crate) fn len(&self) -> usize {
        self.truncations + FLIPS
    }

    pub(crate) fn get(&self, case: usize) -> Vec<u8> {
        if case < self.truncations {
            return self.input[..self.input.len() * case / self.truncations].to_vec();
        }
        let mut random = Random::new(case);
        let mut copy = self.input.to_vec();
        // One copy in eight is broken anywhere: headers and tables count too.
        let anywhere = random.below(8) == 0;
        for _ in 0..=random.below(CHANGES) {
            let place = if anywhere { random.below(copy.len() as u64) } else { self.place(&mut random) };
            if let Some(byte) = copy.get_mut(place as usize) {
                *byte = random.value(*byte);
            }
        }
        copy
    }

    /// A random place in the ranges.
    fn place(&self, random: &mut Random) -> u64 {
        let total: usize = self.ranges.iter().map(Range::len).sum();
        let mut place = random.below(total as u64) as usize;
        for range in &self.ranges {
            if place < range.len() {
                return (range.start + place) as u64;
            }
            place -= range.len();
        }
        0
    }
}

/// Where the debug information lies in an ELF file.
fn debug_sections(input: &[u8]) -> Vec<Range<usize>> {
    let Ok(elf) = object::File::parse(input) else { return Vec::new() };
    let wanted = elf.sections().filter(|section| section.name().is_ok_and(|name| SECTIONS.contains(&name)));
    let ranges = wanted.filter_map(|section| section.file_range());
    ranges
        .map(|(start, size)| start as usize..(start + size) as usize)
        .filter(|range| !range.is_empty())
        .collect()
}

/// Numbers that look random: splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Another value for a byte: a flipped bit, an extreme, a neighbour, or anything.
    fn value(&mut self, byte: u8) -> u8 {
        let bit = self.below(8);
        match self.below(4) {
            0 => byte ^ (1 << bit),
            1 => [0, 0x7f, 0x80, 0xff][(bit % 4) as usize],
            2 => byte.wrapping_add(1),
            _ => self.next() as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_the_same_every_time_and_most_differ_from_the_input() {
        let input: Vec<u8> = (0..=255).collect();
        let cases = Cases::of(&input);
        assert_eq!(cases.len(), 256 + FLIPS);
        assert!(cases.get(0).is_empty());
        assert_eq!(cases.get(255).len(), 255);
        assert_eq!(cases.get(300), Cases::of(&input).get(300));
        let broken = (256..1256).filter(|case| cases.get(*case) != input).count();
        assert!(broken > 900, "{broken}");
    }

    #[test]
    fn an_object_is_broken_mostly_in_its_debug_information() {
        let seed = crate::command::repository().join("fuzz/seeds/dwarf/v5.o");
        let input = std::fs::read(seed).unwrap();
        let cases = Cases::of(&input);
        assert_eq!(cases.ranges.len(), SECTIONS.len());
        let places = |copy: Vec<u8>| (0..copy.len()).filter(|at| copy[*at] != input[*at]).collect::<Vec<_>>();
        let changed: Vec<usize> = (1_000..2_000).flat_map(|case| places(cases.get(case))).collect();
        let inside = changed.iter().filter(|at| cases.ranges.iter().any(|range| range.contains(at))).count();
        assert!(inside * 10 > changed.len() * 8, "{inside} of {}", changed.len());
    }
}
