//! Where strings of a section that stand in it more than once stand first.

/// Rows of strings that are copies of a row of strings before.
///
/// The files that `ld -r` writes hold the strings of all objects that went into them, nine of ten of them copies. They come in
/// rows, since objects include the same headers: a few bytes tell for ten strings where the first ones are.
#[derive(Debug, Default)]
pub struct Copies {
    /// Where each row starts, and how far before it the first copies are: 0 if it is no copy. In bytes.
    rows: Vec<(u32, u32)>,
    /// By block of the section: the row that reaches into it.
    blocks: Vec<u32>,
}

/// Bytes of a block.
const BLOCK: usize = 256;

impl Copies {
    /// Notes that the string at `at`, which comes after all that were noted, stands first at `first`.
    pub fn note(&mut self, at: usize, first: usize) {
        let distance = (at - first) as u32;
        if self.rows.last().is_none_or(|row| row.1 != distance) {
            self.rows.push((at as u32, distance));
        }
    }

    /// Where the string stands first that was noted at `at`. `hint` is where the last answer came from.
    pub fn noted(&self, at: usize, hint: &mut usize) -> usize {
        let is_in = |row: usize| {
            self.rows.get(row).is_some_and(|row| row.0 as usize <= at)
                && self.rows.get(row + 1).is_none_or(|next| next.0 as usize > at)
        };
        if !is_in(*hint) {
            *hint += 1;
        }
        if !is_in(*hint) {
            *hint = self.rows.partition_point(|row| row.0 as usize <= at).saturating_sub(1);
        }
        at - self.rows.get(*hint).map_or(0, |row| row.1 as usize)
    }

    /// Prepares for questions about the section, which has so many bytes.
    pub fn finish(&mut self, bytes: usize) {
        if self.rows.iter().all(|row| row.1 == 0) {
            self.rows.clear();
        }
        let mut row = 0;
        for block in 0..if self.rows.is_empty() { 0 } else { bytes / BLOCK + 1 } {
            while self.rows.get(row + 1).is_some_and(|next| next.0 as usize <= block * BLOCK) {
                row += 1;
            }
            self.blocks.push(row as u32);
        }
    }

    /// Where the string at `offset` stands in the first copy of the whole string that it belongs to, if that is another.
    #[inline]
    pub fn first(&self, offset: usize) -> Option<usize> {
        let mut row = *self.blocks.get(offset / BLOCK)? as usize;
        while self.rows.get(row + 1).is_some_and(|next| next.0 as usize <= offset) {
            row += 1;
        }
        let (start, distance) = self.rows[row];
        (distance != 0 && start as usize <= offset).then(|| offset - distance as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Copies};

    #[test]
    fn copies_are_found_in_rows_and_between_them() {
        // Each fourth string is new, from the tenth on; the others copy what stood 30 bytes before, or 60.
        let first = |at: usize| match at / 3 {
            string if string < 10 || string % 4 == 0 => at,
            string if string % 7 < 3 => at - 30,
            string => at - 60.min(30 * (string / 10)),
        };
        let end = 3 * BLOCK;
        let mut copies = Copies::default();
        for at in (0..end).step_by(3) {
            copies.note(at, first(at));
        }
        let mut hint = 0;
        for at in (0..end).step_by(3).chain([9, 99, 300, 30, 303]) {
            assert_eq!(copies.noted(at, &mut hint), first(at), "{at}");
        }
        copies.finish(end);
        for at in 0..end {
            let of_string = first(at / 3 * 3) + at % 3;
            assert_eq!(copies.first(at), Some(of_string).filter(|&first| first != at), "{at}");
        }
    }

    #[test]
    fn without_copies_nothing_is_kept() {
        let mut copies = Copies::default();
        assert_eq!(copies.first(0), None);
        (0..10_000).step_by(10).for_each(|at| copies.note(at, at));
        copies.finish(10_000);
        assert_eq!(copies.first(500), None);
        assert!(copies.rows.is_empty() && copies.blocks.is_empty());
    }
}
