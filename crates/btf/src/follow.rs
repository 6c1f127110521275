//! When the types of a BPF object's BTF get other ids: its `.BTF.ext` follows.

use crate::ext::Ext;
use crate::{Btf, Builder, Error, StringOffset, TypeId, error::Result};
use hashbrown::HashMap;

/// A BTF and the `.BTF.ext` that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The BTF; it has the strings that only the `.BTF.ext` names, too.
    pub btf: Vec<u8>,
    /// The `.BTF.ext`.
    pub ext: Vec<u8>,
}

/// What becomes of `ext`, which went with `old`, now that `old` was rewritten to `new`. `ids` has the new id of each own
/// type of `old`, as [`crate::order::permute`] and [`crate::dedup::Deduplication::rewrite`] tell it.
///
/// # Errors
/// `ext` is broken or names a type or a string that `old` does not have, or one that was left out; or `new` is no BTF on
/// the base of `old`; or names overlap each other so much that the strings would outgrow the blob.
pub fn follow(ext: &[u8], old: &Btf<'_>, new: Vec<u8>, ids: &[TypeId]) -> Result<Followed> {
    let ext_view = Ext::parse(ext)?;
    let new = match old.base() {
        Some(base) => Btf::parse_split(new, base.clone())?,
        None => Btf::parse(new)?,
    };
    let mut builder = Builder::from_btf(&new);
    // Strings that share their tails grow when they are written out, but not by much.
    let limit = builder.string_length() + old.string_section().len().saturating_mul(4) + 4096;
    let mut known: HashMap<StringOffset, StringOffset> = HashMap::new();
    let mut fault = None;
    let type_id = |id: TypeId| match id.0.checked_sub(old.first_id().0) {
        Some(index) => ids.get(index as usize).copied().unwrap_or(TypeId::VOID),
        None => id,
    };
    let mut broken = None;
    let mapped = ext_view.rewrite(
        |id| {
            let new = type_id(id);
            if new.is_void() && !id.is_void() {
                broken = Some(Error::NoSuchType(id));
            }
            new
        },
        |offset| {
            if offset.is_empty() || fault.is_some() {
                return offset;
            }
            *known.entry(offset).or_insert_with(|| match old.string(offset) {
                Ok(_) if builder.string_length() > limit => {
                    fault = Some(Error::NamesOverlap);
                    offset
                }
                Ok(string) => builder.string(string),
                Err(error) => {
                    fault = Some(error);
                    offset
                }
            })
        },
    );
    match broken.or(fault) {
        Some(error) => Err(error),
        None => Ok(Followed { btf: builder.finish()?, ext: mapped }),
    }
}
