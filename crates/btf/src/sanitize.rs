//! Rewriting BTF so that an older kernel takes it, as loaders do before they load it.
//!
//! Every type keeps its id and every string its offset, so that whatever refers to them (split BTF, `.BTF.ext`,
//! instructions) stays valid. What the kernel does not know becomes something that it does, of the same size where that
//! matters to the types around:
//!
//! | not known | becomes |
//! |---|---|
//! | LOC_PARAM, LOC_PROTO, LOCSEC; DECL_TAG | an integer of one byte |
//! | kind flag of a TYPE_TAG or DECL_TAG | cleared |
//! | ENUM64 | a UNION whose members have its enumerators' names |
//! | kind flag of an ENUM | cleared |
//! | ENUM of other sizes than 4 bytes | an integer of that size |
//! | TYPE_TAG | CONST |
//! | FLOAT, integers of more than 64 bits | a STRUCT without name and members |
//! | DATASEC without variables | a STRUCT without members |
//! | linkage of a global FUNC | static |
//! | VAR, DATASEC | an integer of one byte, a STRUCT with a member for each variable |
//! | FUNC, FUNC_PROTO | a TYPEDEF of an ENUM |
//! | bit-fields by the kind flag | integers of so many bits, the way it was before |
//! | names: dots, bytes after the 128th, other characters in names of sections | `_`, cut off, `_` |
//! | elements after the 65,535th | left out |
//! | the layout section, and kinds that only it tells the length of | left out, an integer of one byte |
//!
//! Types that this takes and the BTF does not have (an integer of one byte, of three bits) are added at the end. What
//! cannot be said to an old kernel at all, as more than 65,535 types before Linux 5.5, stays: [`crate::check`] tells.

mod record;

use crate::check::{Feature, Version};
use crate::kind::Info;
use crate::{Btf, Builder, IntEncoding, Kind, StringOffset, Type, TypeId, error::Result};
use std::collections::BTreeMap;

/// BTF for an older kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sanitized {
    /// The blob.
    pub bytes: Vec<u8>,
    /// What was rewritten, the oldest feature first.
    pub changes: Vec<Change>,
    /// How many types were added at the end.
    pub added: u32,
}

/// What was rewritten on account of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Change {
    /// What the kernel does not take.
    pub feature: Feature,
    /// How many records (of names: names in records) had it.
    pub count: u32,
}

/// Rewrites `btf` for a kernel. A base is not rewritten: it is that kernel's own.
///
/// # Errors
/// There are more types or longer sections than BTF can hold, with those that are added.
pub fn sanitize(btf: &Btf<'_>, kernel: Version) -> Result<Sanitized> {
    let takes_layout = kernel.takes(Feature::Layout);
    let mut rewriter = Rewriter {
        btf,
        kernel,
        builder: Builder::with_strings_of(btf, takes_layout),
        changes: BTreeMap::new(),
        plain: BTreeMap::new(),
        added: Vec::new(),
    };
    rewriter.find_plain();
    if !takes_layout && !btf.layout_section().is_empty() {
        rewriter.note(Feature::Layout);
    }
    for ty in btf.types() {
        let words = rewriter.record(ty);
        let words = rewriter.within_count(words);
        rewriter.builder.push_words(words);
    }
    let added = std::mem::take(&mut rewriter.added);
    for plain in &added {
        rewriter.builder.int(StringOffset::EMPTY, plain.size, plain.encoding());
    }
    Ok(Sanitized {
        bytes: rewriter.builder.finish()?,
        changes: rewriter.changes.into_iter().map(|(feature, count)| Change { feature, count }).collect(),
        added: added.len() as u32,
    })
}

/// An integer that something unknown becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plain {
    /// Size in bytes.
    size: u32,
    /// Width in bits.
    bits: u8,
    signed: bool,
}

impl Plain {
    /// What takes the place of things whose size does not matter.
    const BYTE: Self = Self { size: 1, bits: 8, signed: false };

    fn encoding(self) -> IntEncoding {
        if self.signed { IntEncoding::signed(self.bits) } else { IntEncoding::unsigned(self.bits) }
    }

    /// The integer that a type is, if it is one without further meaning.
    fn of(ty: Type<'_>) -> Option<Self> {
        let encoding = ty.int_encoding().filter(|it| it.offset == 0 && !it.char && !it.bool)?;
        Some(Self { size: ty.raw_size(), bits: encoding.bits, signed: encoding.signed })
    }

    /// The words of a record of its own.
    fn record(self, name: StringOffset) -> Vec<u32> {
        vec![name.0, Info::new(Kind::Int, 0, false).0, self.size, self.encoding().word()]
    }
}

struct Rewriter<'b, 'a> {
    btf: &'b Btf<'a>,
    kernel: Version,
    builder: Builder<'a>,
    changes: BTreeMap<Feature, u32>,
    /// Ids of integers by what they are.
    plain: BTreeMap<Plain, TypeId>,
    /// Integers to add at the end.
    added: Vec<Plain>,
}

impl Rewriter<'_, '_> {
    fn takes(&self, feature: Feature) -> bool {
        self.kernel.takes(feature)
    }

    fn note(&mut self, feature: Feature) {
        *self.changes.entry(feature).or_default() += 1;
    }

    /// Whether the kernel does not take a feature; noted if so.
    fn lacks(&mut self, feature: Feature) -> bool {
        let lacks = !self.takes(feature);
        if lacks {
            self.note(feature);
        }
        lacks
    }

    /// Finds the integers that there are already.
    fn find_plain(&mut self) {
        for ty in self.btf.types().rev() {
            if let Some(plain) = Plain::of(ty) {
                self.plain.insert(plain, ty.id());
            }
        }
    }

    /// The id of an integer, which is added if there is none.
    fn plain(&mut self, plain: Plain) -> TypeId {
        let next = TypeId(self.btf.next_id().0.saturating_add(self.added.len() as u32));
        *self.plain.entry(plain).or_insert_with(|| {
            self.added.push(plain);
            next
        })
    }

    /// Leaves out the elements that an old kernel cannot count.
    fn within_count(&mut self, mut words: Vec<u32>) -> Vec<u32> {
        const OLD_VLEN_MAX: u32 = 0xffff;
        let info = Info(words[1]);
        if info.vlen() > OLD_VLEN_MAX && self.lacks(Feature::WideCounts) {
            if let Some(shape) = info.kind().shape() {
                words.truncate(shape.element(OLD_VLEN_MAX));
            }
            words[1] = Info::new(info.kind(), OLD_VLEN_MAX, info.flag()).0;
        }
        words
    }
}
