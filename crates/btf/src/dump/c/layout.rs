//! Where a C compiler puts members, and what has to be written so that it puts them where BTF says.
//!
//! BTF has offsets and sizes, but neither `packed` nor alignments. They are inferred:
//!
//! - A structure is `packed` when a member is not where its natural alignment would have it, when a bit-field straddles
//!   two units of its type, or when its size is no multiple of its alignment.
//! - A gap before a member, or behind the last, is read as `aligned(N)` where the smallest such N of 16 or more (at the
//!   end: of more than the natural alignment) explains it, and nothing that holds the structure by value contradicts:
//!   each offset it is used at, and the sizes of all around it, are multiples of N.
//! - Any other gap is filled with unnamed bit-fields, a large one with an array of bytes.
//!
//! What is written only has to reproduce the offsets and sizes, and does so however wrong a guess is.

use crate::{Btf, Kind, Member, Type, TypeId, error::Result};

/// Largest alignment that is inferred, as a power of two: a page.
const LARGEST: u8 = 12;

/// Structures inside each other go no deeper than this.
const DEEPEST: u32 = 160;

/// What a compiler makes of an aggregate as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    known: bool,
    pub(super) packed: bool,
    /// Its alignment, as a power of two.
    align: u8,
    /// The `aligned` that has to be written for that, as a power of two; 0 is none.
    attribute: u8,
}

impl Fit {
    /// Alignment in bytes.
    pub(super) fn align(self) -> u64 {
        1 << self.align
    }

    /// The number in the attribute `aligned` that the aggregate needs.
    pub(super) fn attribute(self) -> Option<u64> {
        (self.attribute > 0).then(|| 1 << self.attribute)
    }
}

/// Size and alignment of a complete type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'b> {
    /// Bytes.
    pub(super) size: u64,
    /// Bytes.
    pub(super) align: u64,
    /// What it is without its typedefs, qualifiers and array brackets.
    pub(super) base: Type<'b>,
    /// Whether an array was around that.
    pub(super) is_array: bool,
}

/// Where a member goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'b> {
    pub(super) value: Value<'b>,
    /// Bits from the start of the aggregate.
    pub(super) offset: u64,
    /// Bits of a bit-field; 0 for any other member.
    pub(super) width: u64,
    /// It has a name: attributes behind an aggregate without one are the aggregate's and change its size.
    named: bool,
}

impl Slot<'_> {
    /// The bit after it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(if self.width > 0 {
            self.width
        } else {
            self.value.size.saturating_mul(8)
        })
    }
}

/// Why a member cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Bytes without a name.
    Unnamed,
    Incomplete,
    Overlaps,
    Outside,
    OddBits,
}

impl Unfit {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Unnamed => "has no name",
            Self::Incomplete => "its type is incomplete",
            Self::Overlaps => "overlaps the one before",
            Self::Outside => "reaches beyond the end",
            Self::OddBits => "C has no such bit-field",
        }
    }
}

pub(super) struct Layouts<'b> {
    btf: &'b Btf<'b>,
    fits: Vec<Fit>,
    /// Largest alignment, as a power of two, that the uses of an aggregate allow.
    caps: Vec<u8>,
    /// Whether something holds an aggregate by value.
    held: Vec<bool>,
    pointer: u64,
    /// Alignment of integers and floats of eight bytes in a structure.
    wide: u64,
}

impl<'b> Layouts<'b> {
    /// Infers the layout of aggregates: each stands in `order` after those that it holds by value; `complete` says that
    /// none of those is missing there.
    pub(super) fn new(btf: &'b Btf<'b>, order: &[TypeId], complete: bool) -> Result<Self> {
        let count = btf.next_id().0 as usize;
        let mut layouts = Self {
            btf,
            fits: vec![Fit::default(); count],
            caps: vec![LARGEST; count],
            held: vec![false; count],
            pointer: u64::from(btf.pointer_size()),
            wide: 8,
        };
        if layouts.pointer == 4 {
            layouts.wide = layouts.wide_alignment(order);
        }
        for &id in order.iter().rev() {
            layouts.restrict(btf.get(id)?);
        }
        for &id in order {
            let ty = btf.get(id)?;
            if complete {
                layouts.fits[id.0 as usize] = layouts.infer(ty);
            } else {
                layouts.settle(ty, 0)?;
            }
        }
        Ok(layouts)
    }

    /// How an aggregate in `order`, or settled since, is written.
    pub(super) fn fit(&self, id: TypeId) -> Fit {
        self.fits[id.0 as usize]
    }

    /// Whether an aggregate is defined here, or held by one that is.
    pub(super) fn is_settled(&self, id: TypeId) -> bool {
        self.fit(id).known
    }

    /// Whether a structure can end in an array without a length: compilers want it nowhere but at the very end.
    pub(super) fn can_be_flexible(&self, id: TypeId) -> bool {
        !self.held[id.0 as usize]
    }

    /// On some machines of 32 bits, eight bytes are aligned to four.
    fn wide_alignment(&self, order: &[TypeId]) -> u64 {
        let (mut by_four, mut by_eight) = (0u32, 0u32);
        for ty in order.iter().filter_map(|&id| self.btf.get(id).ok()).filter(|ty| ty.kind() == Kind::Struct)
        {
            for member in ty.members().filter(|member| member.bitfield_size == 0) {
                let base = self.btf.skip_modifiers(member.type_id).ok();
                if base.is_some_and(|base| base.kind() == Kind::Int && base.raw_size() == 8) {
                    match member.bit_offset % 64 {
                        32 => by_four += 1,
                        _ => by_eight += 1,
                    }
                }
            }
        }
        // Packed structures have some of these everywhere.
        if by_four > by_eight / 8 { 4 } else { 8 }
    }

    /// Hands down to the aggregates that `ty` holds which alignments they can have.
    fn restrict(&mut self, ty: Type<'b>) {
        let own = &mut self.caps[ty.id().0 as usize];
        let size = ty.raw_size();
        if size > 0 {
            *own = (*own).min(size.trailing_zeros() as u8);
        }
        let own = *own;
        for member in ty.members() {
            let Some((base, _)) = self.strip(member.type_id) else { continue };
            if base.kind().is_aggregate() {
                let bytes = member.bit_offset / 8;
                let cap = if bytes == 0 { own } else { own.min(bytes.trailing_zeros() as u8) };
                let held = &mut self.caps[base.id().0 as usize];
                *held = (*held).min(cap);
                self.held[base.id().0 as usize] = true;
            }
        }
    }

    /// A type without typedefs, qualifiers and brackets, and the number of elements if there were brackets.
    fn strip(&self, id: TypeId) -> Option<(Type<'b>, Option<u64>)> {
        let mut elements = None;
        let mut ty = self.btf.get(id).ok()?;
        for _ in 0..Btf::CHAIN_LIMIT {
            match ty.kind() {
                Kind::Array => {
                    let array = ty.array()?;
                    elements = Some(u64::from(array.count).saturating_mul(elements.unwrap_or(1)));
                    ty = self.btf.get(array.element).ok()?;
                }
                kind if kind.is_modifier() => ty = self.btf.get(ty.raw_type_id()).ok()?,
                _ => return Some((ty, elements)),
            }
        }
        None
    }

    /// Infers how an aggregate is written, after those that it holds by value.
    fn settle(&mut self, ty: Type<'b>, depth: u32) -> Result<()> {
        if self.fit(ty.id()).known {
            return Ok(());
        }
        if depth > DEEPEST {
            return Err(super::too_deep(self.btf, ty.id()));
        }
        // In their order they are known by now; those that a header of the user's defines are not.
        for member in ty.members() {
            if let Some((base, _)) = self.strip(member.type_id)
                && base.kind().is_aggregate()
            {
                self.settle(base, depth + 1)?;
            }
        }
        self.fits[ty.id().0 as usize] = self.infer(ty);
        Ok(())
    }

    fn infer(&self, ty: Type<'b>) -> Fit {
        let size = u64::from(ty.raw_size());
        let union = ty.kind() == Kind::Union;
        let (mut align, mut packed, mut gaps, mut end) = (1, false, false, 0);
        for member in ty.members() {
            let Ok(slot) = self.slot(ty, member, if union { 0 } else { end }) else { continue };
            align = align.max(slot.value.align);
            packed |= natural(slot.offset, &slot, false) != slot.offset;
            gaps |= natural(end, &slot, false) != slot.offset;
            end = end.max(slot.end());
        }
        packed |= !size.is_multiple_of(align);
        if packed {
            return Fit { known: true, packed, align: 0, attribute: 0 };
        }
        let cap = self.caps[ty.id().0 as usize];
        if !union && gaps && cap >= 4 {
            let mut at = 0;
            for member in ty.members() {
                let Ok(slot) = self.slot(ty, member, at) else { continue };
                if let Some(raised) = self.member_alignment(ty, at, &slot) {
                    align = align.max(raised);
                }
                at = at.max(slot.end());
            }
        }
        let mut fit = Fit { known: true, packed, align: align.trailing_zeros() as u8, attribute: 0 };
        let fits = |power: u8| end.next_multiple_of(8 << power) == size * 8;
        if !fits(fit.align)
            && let Some(power) = (fit.align + 1..=cap).find(|&power| fits(power))
        {
            (fit.align, fit.attribute) = (power, power);
        }
        fit
    }

    /// The `aligned` that explains why a member of a structure that is not packed begins so far behind `position`, the
    /// bit after the member before.
    pub(super) fn member_alignment(&self, ty: Type<'b>, position: u64, slot: &Slot<'b>) -> Option<u64> {
        if slot.width > 0 || !slot.named || natural(position, slot, false) == slot.offset {
            return None;
        }
        let cap = self.caps[ty.id().0 as usize];
        let least = (slot.value.align.trailing_zeros() as u8 + 1).max(4);
        let power = (least..=cap).find(|&power| position.next_multiple_of(8 << power) == slot.offset)?;
        Some(1 << power)
    }

    /// Where a member goes, if C can say so. `position` is the bit after the member before; of a union it is 0.
    pub(super) fn slot(
        &self,
        ty: Type<'b>,
        member: Member,
        position: u64,
    ) -> std::result::Result<Slot<'b>, Unfit> {
        let value = self.value(member.type_id).ok_or(Unfit::Incomplete)?;
        let mut slot = Slot {
            value,
            offset: u64::from(member.bit_offset),
            width: u64::from(member.bitfield_size),
            named: !member.name.is_empty(),
        };
        let kind = value.base.kind();
        if !ty.kind_flag() && kind == Kind::Int {
            // Before kinds had flags, the integer itself said which bits of its storage it has.
            let encoding = value.base.int_encoding().unwrap_or_default();
            let narrow = u64::from(encoding.bits) < u64::from(value.base.raw_size()) * 8
                && encoding.bits > 0
                && !encoding.bool;
            if !value.is_array && (narrow || encoding.offset > 0) {
                slot.offset += u64::from(encoding.offset);
                slot.width = u64::from(encoding.bits.max(1));
            }
        }
        if member.name.is_empty() && (!kind.is_aggregate() || value.is_array) {
            return Err(Unfit::Unnamed);
        }
        if slot.width > 0 {
            let scalar = matches!(kind, Kind::Int | Kind::Enum | Kind::Enum64) && !value.is_array;
            let sound = matches!(value.size, 1 | 2 | 4 | 8 | 16);
            let truth = value.base.int_encoding().is_some_and(|encoding| encoding.bool);
            if !scalar || !sound || slot.width > if truth { 1 } else { value.size * 8 } {
                return Err(Unfit::OddBits);
            }
        } else if !slot.offset.is_multiple_of(8) {
            return Err(Unfit::OddBits);
        }
        if slot.end() > u64::from(ty.raw_size()) * 8 {
            return Err(Unfit::Outside);
        }
        if slot.offset < position || (ty.kind() == Kind::Union && slot.offset > 0) {
            return Err(Unfit::Overlaps);
        }
        Ok(slot)
    }

    /// Size and alignment of a type; `None` when it is incomplete or no object has it.
    pub(super) fn value(&self, id: TypeId) -> Option<Value<'b>> {
        let (base, elements) = self.strip(id)?;
        let size = u64::from(base.raw_size());
        let (size, align) = match base.kind() {
            Kind::Int if size.is_power_of_two() && size <= 16 => (size, self.scalar(size)),
            // Written as an array of bytes.
            Kind::Int => (size, 1),
            Kind::Float if size.is_power_of_two() => (size, self.scalar(size)),
            Kind::Float => (size, 1 << size.trailing_zeros().min(2)),
            Kind::Enum | Kind::Enum64 => (size, self.scalar(size)),
            Kind::Ptr => (self.pointer, self.pointer),
            Kind::Struct | Kind::Union => (size, self.fit(base.id()).align()),
            _ => return None,
        };
        let size = size.saturating_mul(elements.unwrap_or(1));
        Some(Value { size, align, base, is_array: elements.is_some() })
    }

    fn scalar(&self, size: u64) -> u64 {
        match size {
            0 => 1,
            8.. => self.wide.max(if self.pointer == 8 { size.min(16) } else { 0 }),
            _ => 1 << size.trailing_zeros(),
        }
    }

    /// The unnamed bit-fields that fill the bits `from..to` of an aggregate with this alignment in bytes: type, width.
    pub(super) fn padding(&self, from: u64, to: u64, align: u64) -> Vec<Padding> {
        let largest = align.min(self.pointer).max(1) * 8;
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to {
            let left = to - at;
            if at.is_multiple_of(8) && left > 16 * largest.max(32) {
                let bytes = left / 8;
                pieces.push(Padding::Bytes { offset: at / 8, bytes });
                at += bytes * 8;
                continue;
            }
            // The smallest unit that holds all that is left, or the largest. No piece crosses the end of its unit.
            let unit = [8, 16, 32, 64]
                .into_iter()
                .filter(|&unit| unit <= largest)
                .find(|&unit| at % unit + left <= unit)
                .unwrap_or(largest);
            let width = left.min(unit - at % unit);
            pieces.push(Padding::Bits { unit, width });
            at += width;
        }
        pieces
    }
}

/// A piece of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// An unnamed bit-field of a type of `unit` bits.
    Bits { unit: u64, width: u64 },
    /// An array of bytes.
    Bytes { offset: u64, bytes: u64 },
}

/// The bit at which a compiler puts a member behind `position` by itself.
pub(super) fn natural(position: u64, slot: &Slot<'_>, packed: bool) -> u64 {
    if slot.width == 0 {
        return position.next_multiple_of(if packed { 8 } else { slot.value.align * 8 });
    }
    let (unit, bits) = (slot.value.align * 8, slot.value.size * 8);
    // A bit-field must not span more units of alignment than its type does.
    if !packed && (position % unit + slot.width).div_ceil(unit) > bits / unit {
        return position.next_multiple_of(unit);
    }
    position
}
