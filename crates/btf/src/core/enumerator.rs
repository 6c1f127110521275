//! Enumerators in a kernel's types.

use super::{Effort, Place, Target, essential};
use crate::error::Result;
use crate::names::compared_part;

/// Which enumerator of a target type has the name of a local one, flavours aside.
///
/// # Errors
/// A target type is missing, or this is too laborious.
pub fn find(
    target: &Target<'_>,
    candidate: Place,
    name: &[u8],
    effort: &mut Effort,
) -> Result<Option<(Place, u32)>> {
    let (place, ty) = target.skip_modifiers(candidate)?;
    effort.spend(1 + ty.vlen())?;
    let name = essential(name);
    let found = ty.enumerators().position(|each| essential(compared_part(ty.owner(), each.name)) == name);
    Ok(found.map(|index| (place, index as u32)))
}
