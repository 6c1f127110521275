//! Strings on their way from one blob to another, each looked up once.

use hashbrown::HashMap;

use crate::{Btf, Builder, StringOffset};

/// Old string offsets to new ones.
pub(crate) struct CopiedStrings<'b> {
    from: &'b Btf<'b>,
    known: HashMap<StringOffset, StringOffset>,
    limit: usize,
}

impl<'b> CopiedStrings<'b> {
    /// For strings of `from` and its bases.
    pub(crate) fn new(from: &'b Btf<'b>) -> Self {
        // Strings that share their tails grow when they are written out, but not by much.
        let limit = (from.end_string() as usize).saturating_mul(4) + 4096;
        Self { from, known: HashMap::new(), limit }
    }

    /// The offset in `builder` of the string at `offset`; one outside all strings becomes the empty string.
    pub(crate) fn copy(&mut self, builder: &mut Builder<'_>, offset: StringOffset) -> StringOffset {
        if offset.is_empty() || self.have_outgrown(builder) {
            return StringOffset::EMPTY;
        }
        *self
            .known
            .entry(offset)
            .or_insert_with(|| builder.string(self.from.string(offset).unwrap_or_default()))
    }

    /// Whether names overlap each other so much that the strings would outgrow the blob: what has been copied is not
    /// all.
    pub(crate) fn have_outgrown(&self, builder: &Builder<'_>) -> bool {
        builder.string_length() > self.limit
    }
}
