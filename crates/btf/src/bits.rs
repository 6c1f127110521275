//! Sets of small numbers as bits.

/// A set of numbers below a bound given at the start.
#[derive(Default)]
pub(crate) struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set with room for the numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)] }
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
