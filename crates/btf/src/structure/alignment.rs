//! Which attributes the places of members give away.

use super::Structure;

/// Infers the attributes of the members and of the structure itself.
pub(super) fn infer(structure: &mut Structure) {
    if structure.union {
        return requirements(structure);
    }
    structure.packed = is_packed(structure);
    if !structure.packed {
        attributes(structure);
    }
    requirements(structure);
}

/// What attributes must have aligned.
fn attributes(structure: &mut Structure) {
    let cacheline = structure.cacheline.max(1);
    // Where the last member ends that takes any room.
    let mut end = 0;
    for field in &mut structure.fields {
        let alignment = between(end, field.offset, field.natural_alignment, cacheline);
        // Behind another member, a place that the alignment does not fit has been left free by hand.
        let fits = end == 0 || field.offset.is_multiple_of(alignment.max(1));
        field.alignment = if fits { alignment } else { 0 };
        if field.size > 0 {
            end = field.end_bit().div_ceil(8);
        }
    }
    structure.alignment = between(end, structure.size, structure.natural_alignment, cacheline);
}

/// What the members and the structure need wherever they are put: never more than they have.
fn requirements(structure: &mut Structure) {
    let mut strictest = structure.alignment;
    for field in &mut structure.fields {
        let wanted = if structure.packed { 1 } else { field.required_alignment.max(field.alignment) };
        field.required_alignment = granted(wanted, field.offset);
        strictest = strictest.max(field.required_alignment);
    }
    structure.required_alignment = granted(strictest, structure.size);
}

/// The largest power of two that `place` is a multiple of, up to `wanted`.
fn granted(wanted: u64, place: u64) -> u64 {
    let wanted = if wanted.is_power_of_two() { wanted } else { 1 };
    if place == 0 { wanted } else { wanted.min(1 << place.trailing_zeros()) }
}

/// A structure without gaps is packed when a member is off its alignment, or its size is no multiple of it.
fn is_packed(structure: &Structure) -> bool {
    if structure.sum_holes > 0 || structure.padding > 0 {
        return false;
    }
    let off = structure
        .fields
        .iter()
        .any(|field| !field.is_bitfield() && field.offset % field.natural_alignment != 0);
    off || !structure.size.is_multiple_of(structure.natural_alignment)
}

/// The alignment that makes the gap from `end` to `offset`; 0 when the natural alignment does.
fn between(end: u64, offset: u64, natural: u64, cacheline: u64) -> u64 {
    let gap = offset.saturating_sub(end);
    if gap < natural.max(1) {
        0
    } else if offset.is_multiple_of(cacheline) && gap < cacheline {
        cacheline
    } else {
        (gap + 1).checked_next_power_of_two().unwrap_or(0)
    }
}
