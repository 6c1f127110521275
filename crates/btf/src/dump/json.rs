//! One JSON object a type, with the keys of `bpftool -j btf dump file FILE`.

use super::text;
use crate::Type;

/// Appends the object of a type.
pub fn write(out: &mut Vec<u8>, ty: Type<'_>) {
    out.extend_from_slice(b"{\"id\":");
    text::number(out, u64::from(ty.id().0));
    out.push(b'}');
}
