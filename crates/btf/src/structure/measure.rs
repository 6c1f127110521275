//! Where members are, and the gaps between them.

use super::{Field, Sharing, Structure, alignment, settle};
use crate::{Btf, Kind, Member, Type, TypeId};

/// Measures a structure or union whose inner structures `settled` knows.
pub(super) fn measure<'s>(
    btf: &Btf<'_>,
    ty: Type<'_>,
    cacheline: u64,
    settled: impl Fn(TypeId) -> Option<&'s Structure>,
) -> Structure {
    let mut structure = Structure {
        id: ty.id(),
        union: ty.kind() == Kind::Union,
        size: u64::from(ty.raw_size()),
        natural_alignment: 1,
        cacheline,
        ..Structure::default()
    };
    structure.fields.reserve_exact(ty.vlen() as usize);
    for member in ty.members() {
        let field = place(btf, member, ty.kind_flag(), &settled);
        if let Some(inside) = settled(field.inside) {
            structure.embedded_flexible_array |= inside.flexible_array || inside.embedded_flexible_array;
        }
        structure.fields.push(field);
    }
    structure.flexible_array =
        !structure.union && structure.fields.last().is_some_and(|field| is_flexible(btf, field.type_id));
    add_up(&mut structure);
    structure
}

/// Works out all that follows from the size and the places of the members.
pub(super) fn add_up(structure: &mut Structure) {
    for field in &structure.fields {
        structure.natural_alignment = structure.natural_alignment.max(field.natural_alignment);
        if field.is_bitfield() {
            structure.sum_bits = structure.sum_bits.saturating_add(u64::from(field.bit_size));
        } else {
            structure.sum_members = structure.sum_members.saturating_add(field.size);
        }
    }
    if !structure.union {
        gaps(structure);
    }
    alignment::infer(structure);
}

/// Where a member is.
fn place<'s>(
    btf: &Btf<'_>,
    member: Member,
    sized: bool,
    settled: &impl Fn(TypeId) -> Option<&'s Structure>,
) -> Field {
    let aggregate = settled(settle::aggregate(btf, member.type_id));
    let size = btf.size_of(member.type_id).unwrap_or(0);
    let ty = btf.get(member.type_id).ok();
    let natural_alignment = natural_alignment(btf, member.type_id, aggregate);
    let mut field = Field {
        name: member.name,
        type_id: member.type_id,
        inside: ty.filter(|ty| ty.kind() == Kind::Struct).map_or(TypeId::VOID, Type::id),
        offset: u64::from(member.bit_offset / 8),
        size,
        natural_alignment,
        required_alignment: aggregate.map_or(natural_alignment, |inside| inside.required_alignment),
        ..Field::default()
    };
    let mut first = u64::from(member.bit_offset);
    let mut bits = u32::from(member.bitfield_size);
    if !sized {
        // Before bit-fields had sizes of their own, their type was an integer of their width.
        let encoding = btf.skip_modifiers(member.type_id).ok().and_then(Type::int_encoding);
        if let Some(encoding) = encoding.filter(|int| int.offset > 0 || u64::from(int.bits) != size * 8) {
            first += u64::from(encoding.offset);
            bits = u32::from(encoding.bits);
        }
    }
    if bits > 0 {
        let unit = size.max(1);
        field.offset = first / unit.saturating_mul(8) * unit;
        field.bit_offset = (first - field.offset * 8) as u32;
        field.bit_size = bits;
    }
    field
}

/// The alignment that a type has by itself: its size for what has no parts, the strictest of the parts else.
fn natural_alignment(btf: &Btf<'_>, mut id: TypeId, inside: Option<&Structure>) -> u64 {
    if let Some(inside) = inside {
        return inside.natural_alignment;
    }
    for _ in 0..Btf::CHAIN_LIMIT {
        let Ok(ty) = btf.get(id) else { break };
        id = match ty.kind() {
            Kind::Array => ty.array().map_or(TypeId::VOID, |array| array.element),
            kind if kind.is_modifier() => ty.raw_type_id(),
            Kind::Ptr => return u64::from(btf.pointer_size()),
            Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => return u64::from(ty.raw_size()).max(1),
            _ => break,
        };
    }
    1
}

/// Whether this is an array without elements, in any dimension.
fn is_flexible(btf: &Btf<'_>, mut id: TypeId) -> bool {
    for _ in 0..Btf::CHAIN_LIMIT {
        let Some(array) = btf.get(id).ok().and_then(Type::array) else { break };
        if array.count == 0 {
            return true;
        }
        id = array.element;
    }
    false
}

/// The gaps behind each member and at the end.
fn gaps(structure: &mut Structure) {
    if let Some(&first) = structure.fields.first() {
        let start = Field { size: 0, ..Field::default() };
        let (hole, bit_hole) = between(&start, 0, &first);
        (structure.leading_hole, structure.leading_bit_hole) = (hole, bit_hole);
        count_gap(structure, hole, bit_hole);
    }
    share(&mut structure.fields);
    // Where the widest unit of the run of bit-fields ends: they share it, whatever their own types are.
    let mut unit_end = 0;
    for index in 0..structure.fields.len() {
        let field = structure.fields[index];
        unit_end = if field.is_bitfield() { field.end().max(unit_end) } else { field.end() };
        let Some(next) = structure.fields.get(index + 1) else { break };
        let (hole, bit_hole) = between(&field, unit_end, next);
        let field = &mut structure.fields[index];
        (field.hole, field.bit_hole) = (hole, bit_hole);
        count_gap(structure, hole, bit_hole);
    }
    let Some(last) = structure.fields.last() else {
        structure.padding = structure.size;
        return;
    };
    if last.is_bitfield() {
        let unit_end = unit_end.max(last.end_bit().div_ceil(8)).min(structure.size);
        structure.bit_padding = unit_end.saturating_mul(8).saturating_sub(last.end_bit());
        structure.padding = structure.size - unit_end;
    } else {
        structure.padding = structure.size.saturating_sub(last.end());
    }
}

fn count_gap(structure: &mut Structure, hole: u64, bit_hole: u64) {
    structure.holes += u32::from(hole > 0);
    structure.sum_holes = structure.sum_holes.saturating_add(hole);
    structure.bit_holes += u32::from(bit_hole > 0);
    structure.sum_bit_holes = structure.sum_bit_holes.saturating_add(bit_hole);
}

/// Which members lie in what others are stored in. Bit-fields whose units begin together are no news, and members
/// without a size take part in nothing.
fn share(fields: &mut [Field]) {
    let (mut start, mut end) = (0, 0);
    let mut before: Option<Field> = None;
    for field in fields {
        let bits = field.is_bitfield();
        let before_bits = before.is_some_and(|before| before.is_bitfield());
        if let Some(before) = before {
            let together = field.offset == before.offset && !before_bits;
            if bits && (field.offset < before.offset || together) {
                field.sharing = Sharing::Previous;
            } else if field.offset > start && field.offset < end && (bits || before_bits) {
                field.sharing = Sharing::Next;
            }
        }
        if field.size == 0 {
            continue;
        }
        let unit_goes_on = bits && before_bits && field.offset == start;
        if !unit_goes_on {
            (start, end) = (field.offset, field.end());
        }
        before = Some(*field);
    }
}

/// Bytes and bits between two members.
fn between(before: &Field, unit_end: u64, next: &Field) -> (u64, u64) {
    let gap = next.first_bit().saturating_sub(before.end_bit());
    let hole = next.offset.saturating_sub(unit_end).min(gap / 8);
    match (before.is_bitfield(), next.is_bitfield()) {
        (false, false) => (gap / 8, 0),
        _ => (hole, gap - hole * 8),
    }
}
