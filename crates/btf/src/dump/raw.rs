//! One line a type and one a member, as `bpftool btf dump file FILE format raw` prints them.

use super::text;
use crate::Type;

/// Appends the lines of a type.
pub fn write(out: &mut Vec<u8>, ty: Type<'_>) {
    out.push(b'[');
    text::number(out, u64::from(ty.id().0));
    out.extend_from_slice(b"]\n");
}
