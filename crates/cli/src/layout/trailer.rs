//! The totals behind the members, and what is said of a structure behind a member that is one.

use std::fmt::Write;

use btfkit_btf::structure::{Inner, Structure};

/// Writes the totals. `base` is where the structure starts in the outermost.
pub(super) fn write(
    out: &mut String,
    structure: &Structure,
    inner: &Inner,
    base: u64,
    indent: usize,
    cacheline: u64,
) {
    let tabs = "\t".repeat(indent);
    let size = structure.size;
    let lines = size.div_ceil(cacheline);
    out.push('\n');
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(out, "{tabs}/* {text} */");
    };
    line(format_args!("size: {size}, cachelines: {lines}, members: {}", structure.fields.len()));
    if structure.holes > 0 {
        line(format_args!(
            "sum members: {}, holes: {}, sum holes: {}",
            structure.sum_members, structure.holes, structure.sum_holes
        ));
    }
    if structure.bit_holes > 0 {
        if structure.holes == 0 && structure.sum_members > 0 {
            line(format_args!("sum members: {}", structure.sum_members));
        }
        line(format_args!(
            "sum bitfield members: {} bits, bit holes: {}, sum bit holes: {} bits",
            structure.sum_bits, structure.bit_holes, structure.sum_bit_holes
        ));
    } else if structure.holes > 0 && structure.sum_bits > 0 {
        line(format_args!(
            "sum bitfield members: {} bits ({} bytes)",
            structure.sum_bits,
            structure.sum_bits / 8
        ));
    }
    if structure.padding > 0 {
        line(format_args!("padding: {}", structure.padding));
    }
    let mut members = String::new();
    let bits = if inner.bit_paddings.1 == 1 { "bit" } else { "bits" };
    for ((count, total), what, unit) in [
        (inner.holes, "holes", ""),
        (inner.bit_holes, "bit holes", ""),
        (inner.bit_paddings, "bit paddings", bits),
    ] {
        if count > 0 {
            let space = if unit.is_empty() { "" } else { " " };
            let comma = if members.is_empty() { "" } else { ", " };
            let _ = write!(members, "{comma}{what}: {count}, total: {total}{space}{unit}");
        }
    }
    if !members.is_empty() {
        line(format_args!("member types with {members}"));
    }
    if inner.paddings.0 > 0 {
        line(format_args!("paddings: {}, sum paddings: {}", inner.paddings.0, inner.paddings.1));
    }
    if structure.bit_padding > 0 {
        line(format_args!("bit_padding: {} bits", structure.bit_padding));
    }
    let forced = structure.forced();
    if forced.alignments > 0 {
        if forced.holes > 0 {
            line(format_args!(
                "forced alignments: {}, forced holes: {}, sum forced holes: {}",
                forced.alignments, forced.holes, forced.sum_holes
            ));
        } else {
            line(format_args!("forced alignments: {}", forced.alignments));
        }
    }
    match (inner.flexible, inner.embedded_flexible) {
        (0, 0) => {}
        (end, 0) => line(format_args!("flexible array members: end: {end}")),
        (0, middle) => line(format_args!("flexible array members: middle: {middle}")),
        (end, middle) => line(format_args!("flexible array members: end: {end}, middle: {middle}")),
    }
    match base.saturating_add(size) % cacheline {
        0 => {}
        rest => line(format_args!("last cacheline: {rest} bytes")),
    }
}

/// What is said of the structure that the member before is.
pub(super) fn last_struct(inside: &Structure) -> Option<String> {
    let mut notes: Vec<String> = Vec::new();
    if inside.flexible_array {
        notes.push("a flexible array".to_owned());
    }
    if inside.embedded_flexible_array {
        notes.push("embedded flexible array(s)".to_owned());
    }
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    if inside.padding > 0 {
        notes.push(format!("{} byte{} of padding", inside.padding, plural(inside.padding)));
    }
    if inside.bit_padding > 0 {
        notes.push(format!("{} bit{} of padding", inside.bit_padding, plural(inside.bit_padding)));
    }
    if inside.holes > 0 {
        notes.push(format!("{} hole{}", inside.holes, plural(u64::from(inside.holes))));
    }
    if inside.bit_holes > 0 {
        notes.push(format!("{} bit hole{}", inside.bit_holes, plural(u64::from(inside.bit_holes))));
    }
    (!notes.is_empty()).then(|| notes.join(", "))
}
