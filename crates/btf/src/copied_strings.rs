//! Strings on their way from one blob to another, each looked up once, and the records that name them.

use hashbrown::HashMap;

use crate::{Btf, Builder, Error, Kind, StringOffset, Type, TypeId, error::Result, provenance};

/// Old string offsets to new ones.
pub(crate) struct CopiedStrings<'b> {
    from: &'b Btf<'b>,
    known: HashMap<StringOffset, StringOffset>,
    /// The tag of the new base, made once: the checksum is over all of it.
    base_tag: Option<StringOffset>,
    limit: usize,
}

impl<'b> CopiedStrings<'b> {
    /// For strings of `from` and its bases.
    pub(crate) fn new(from: &'b Btf<'b>) -> Self {
        // Strings that share their tails grow when they are written out, but not by much.
        let limit = (from.end_string() as usize).saturating_mul(4) + 4096;
        Self { from, known: HashMap::new(), base_tag: None, limit }
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

    /// Copies a record of a BTF that moves to `base`, with its strings: a tag that says what its BTF is split on
    /// ([`provenance`]) says the new base.
    ///
    /// # Errors
    /// There are too many elements, or names overlap each other so much that they would outgrow the blob.
    pub(crate) fn push_onto(
        &mut self,
        base: &Btf<'_>,
        builder: &mut Builder<'_>,
        ty: Type<'_>,
        map: impl FnMut(TypeId) -> TypeId,
    ) -> Result<()> {
        // A tag has no string but its own.
        let tells_base = ty.kind() == Kind::DeclTag && provenance::names_base(ty.name());
        builder.push_rewritten(ty, map, |builder, offset| match tells_base {
            true => *self.base_tag.get_or_insert_with(|| builder.string(&provenance::base_tag(base))),
            false => self.copy(builder, offset),
        })?;
        if self.have_outgrown(builder) { Err(Error::NamesOverlap) } else { Ok(()) }
    }

    /// Whether names overlap each other so much that the strings would outgrow the blob: what has been copied is not
    /// all.
    pub(crate) fn have_outgrown(&self, builder: &Builder<'_>) -> bool {
        builder.string_length() > self.limit
    }
}
