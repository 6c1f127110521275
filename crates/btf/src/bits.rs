//! Sets of small numbers as bits.

/// A set of numbers below a bound given at the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set with room for the numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)] }
    }

    /// The places of the zero bytes.
    pub(crate) fn of_zeros(bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<64>();
        let mut last = [1; 64];
        last[..rest.len()].copy_from_slice(rest);
        Self { words: blocks.iter().chain(std::iter::once(&last)).map(zeros).collect() }
    }

    /// How many numbers the set has.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// 0 and the numbers that follow those of the set.
    pub(crate) fn into_followers(mut self) -> Self {
        let mut carry = 1;
        for word in &mut self.words {
            *word = *word << 1 | std::mem::replace(&mut carry, *word >> 63);
        }
        self
    }

    /// Takes `number` out, if it is in the set.
    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Calls `visit` with the numbers of the set, ascending.
    ///
    /// Where few words are empty this is faster than [`BitSet::iter`]. That one asks after each number whether it is the
    /// last one in its word, which cannot be foretold; here a row of numbers is gathered first, as many from each word.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u32)) {
        const ROW: usize = 32;
        /// What nearly all words have, or less.
        const USUAL: usize = 6;
        let mut row = [0u32; ROW * 64 + USUAL];
        let mut first = 0;
        for words in self.words.chunks(ROW) {
            let mut count = 0;
            for &word in words {
                let mut left = word;
                for number in &mut row[count..count + USUAL] {
                    *number = first + left.trailing_zeros();
                    left &= left.wrapping_sub(1);
                }
                let mut next = count + USUAL;
                while left != 0 {
                    row[next] = first + left.trailing_zeros();
                    left &= left - 1;
                    next += 1;
                }
                count += word.count_ones() as usize;
                first += 64;
            }
            row[..count].iter().for_each(|&number| visit(number));
        }
    }

    /// Whether `number` is in the set; one beyond the bound never is.
    #[inline]
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
    }

    /// Adds `number`; tells whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        let word = &mut self.words[number as usize / 64];
        let bit = 1 << (number % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// The numbers of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    index as u32 * 64 + bit
                })
            })
        })
    }
}

/// A bit for each byte that is zero.
#[inline]
fn zeros(block: &[u8; 64]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const FIRST: u64 = 0x0101_0101_0101_0101;
    // Bit w of byte b: whether byte b of word w is not zero.
    let mut bits = 0;
    for (index, &word) in block.as_chunks().0.iter().enumerate() {
        let word = u64::from_le_bytes(word);
        let is_set = ((word & LOW) + LOW) | word;
        bits |= is_set >> (7 - index) & FIRST << index;
    }
    // Bit b of byte w, by swapping ever larger squares of the matrix (Hacker's Delight, 7-3).
    for (distance, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let swapped = (bits ^ bits >> distance) & mask;
        bits ^= swapped ^ swapped << distance;
    }
    !bits
}

/// A finished set whose numbers are themselves numbered in ascending order.
pub(crate) struct RankedSet {
    set: BitSet,
    /// How many numbers stand before each word.
    before: Vec<u32>,
}

impl RankedSet {
    pub(crate) fn new(set: BitSet) -> Self {
        let mut sum = 0;
        let before = set
            .words
            .iter()
            .map(|word| {
                let before = sum;
                sum += word.count_ones();
                before
            })
            .collect();
        Self { set, before }
    }

    /// Place of `number` among the numbers of the set.
    #[inline]
    pub(crate) fn rank(&self, number: u32) -> Option<u32> {
        let word = *self.set.words.get(number as usize / 64)?;
        let bit = number % 64;
        (word >> bit & 1 != 0)
            .then(|| self.before[number as usize / 64] + (word & ((1u64 << bit) - 1)).count_ones())
    }

    /// The numbers of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.set.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::BitSet;

    #[test]
    fn zero_bytes_are_found_wherever_they_stand() {
        for length in [0, 1, 63, 64, 65, 200] {
            for step in 1..70 {
                let bytes: Vec<u8> =
                    (0..length).map(|at| if at % step == 0 { 0 } else { at as u8 | 0x81 }).collect();
                let expected: Vec<u32> = (0..length as u32).filter(|&at| bytes[at as usize] == 0).collect();
                let set = BitSet::of_zeros(&bytes);
                let mut visited = Vec::new();
                set.for_each(|number| visited.push(number));
                assert_eq!(visited, expected, "{length} bytes, each {step}th zero");
                assert_eq!(set.iter().collect::<Vec<_>>(), expected);
            }
        }
        assert_eq!(BitSet::of_zeros(&[0; 1000]).iter().count(), 1000);
        assert_eq!(BitSet::of_zeros(&[1; 1000]).iter().count(), 0);
    }
}
