//! Structures, unions, enumerations and typedefs.

use std::borrow::Cow;
use std::hash::BuildHasher;

use super::assertions::Reach;
use super::declarator::{BUILTIN_LIST, DEEPEST, Declared, Place, Printer};
use super::layout::{Padding, Slot, Unfit, natural};
use super::names::Suffix;
use super::order::Step;
use super::spelling;
use crate::{Kind, Member, Type, error::Result};

impl<'b> Printer<'b, '_> {
    pub(super) fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Forward(id) => {
                let ty = self.btf.get(id)?;
                self.tagged(ty);
                self.out.extend_from_slice(b";\n\n");
                self.count.forwards += 1;
            }
            Step::Define(id) => {
                let ty = self.btf.get(id)?;
                match ty.kind() {
                    Kind::Typedef => self.typedef(ty)?,
                    Kind::Struct | Kind::Union => self.aggregate(ty)?,
                    _ => self.enumeration(ty)?,
                }
            }
        }
        Ok(())
    }

    /// `struct foo`
    fn tagged(&mut self, ty: Type<'b>) {
        self.out.extend_from_slice(spelling::keyword(ty).as_bytes());
        self.out.push(b' ');
        let (name, suffix) = self.names.tag(ty);
        self.out.extend_from_slice(&name);
        suffix.write(&mut self.out);
    }

    fn aggregate(&mut self, ty: Type<'b>) -> Result<()> {
        let start = self.out.len();
        self.tagged(ty);
        self.assertions.definition(&[&self.out[start..]]);
        self.assertions.size(u64::from(ty.raw_size()));
        self.out.push(b' ');
        let place = Place { scope: self.new_definition(), ..Place::default() };
        self.body(ty, place, Reach::Arrays(0))?;
        self.decl_tags(ty.id(), -1);
        self.out.extend_from_slice(b";\n\n");
        self.count.definitions += 1;
        Ok(())
    }

    fn typedef(&mut self, ty: Type<'b>) -> Result<()> {
        if ty.name() == BUILTIN_LIST {
            self.names.keep_typedef(ty.id());
            return Ok(());
        }
        // Since C23, and after <stdbool.h>, there is one already.
        let guarded = ty.name() == b"bool";
        if guarded {
            self.out.extend_from_slice(b"#if !defined(bool) && ");
            self.out.extend_from_slice(BEFORE_C23);
        }
        let (name, suffix) = self.names.typedef(ty);
        let mut owner = name.to_vec();
        suffix.write(&mut owner);
        self.assertions.definition(&[&owner]);
        if let Some(value) = self.layouts.value(ty.raw_type_id())
            && (!value.base.kind().is_aggregate() || self.layouts.is_settled(value.base.id()))
            && !self.is_builtin_list(ty)
        {
            self.assertions.size(value.size);
        }
        self.out.extend_from_slice(b"typedef ");
        let place = Place { scope: self.new_definition(), ..Place::default() };
        self.declare(ty.raw_type_id(), Declared { name: &name, suffix }, place)?;
        self.decl_tags(ty.id(), -1);
        self.out.extend_from_slice(b";\n");
        if guarded {
            self.out.extend_from_slice(b"#endif\n");
        }
        self.out.push(b'\n');
        self.count.definitions += 1;
        Ok(())
    }

    fn enumeration(&mut self, ty: Type<'b>) -> Result<()> {
        let anonymous = !ty.is_named();
        if anonymous && ty.enumerators().all(|each| self.options.outside.has_ordinary(ty.string(each.name))) {
            return Ok(());
        }
        // Since C23, and after <stdbool.h>, there are these already.
        let guarded = anonymous
            && ty.vlen() == 2
            && ty.enumerators().all(|each| matches!(ty.string(each.name), b"false" | b"true"));
        if guarded {
            self.out.extend_from_slice(b"#if !defined(true) && ");
            self.out.extend_from_slice(BEFORE_C23);
        }
        if anonymous {
            self.out.extend_from_slice(b"enum");
        } else {
            let start = self.out.len();
            self.tagged(ty);
            self.assertions.definition(&[&self.out[start..]]);
            self.assertions.size(u64::from(ty.raw_size()));
        }
        self.out.push(b' ');
        self.enumeration_body(ty, 0)?;
        self.decl_tags(ty.id(), -1);
        self.out.extend_from_slice(b";\n");
        if guarded {
            self.out.extend_from_slice(b"#endif\n");
        }
        self.out.push(b'\n');
        self.count.definitions += 1;
        Ok(())
    }

    /// `{ … }` of an enumeration, and the mode that gives it its size.
    pub(super) fn enumeration_body(&mut self, ty: Type<'b>, indent: usize) -> Result<()> {
        let size = ty.raw_size();
        let (mut least, mut most) = (0, 0);
        self.out.extend_from_slice(b"{\n");
        let limits = limits(ty);
        let start = self.out.len();
        for each in ty.enumerators() {
            self.spend(ty.id())?;
            let name = ty.string(each.name);
            if self.options.outside.has_ordinary(name) {
                continue;
            }
            self.indent(indent + 1);
            if !limits.contains(&each.value) {
                self.left_out(name, "its value does not fit in the enumeration");
                continue;
            }
            (least, most) = (least.min(each.value), most.max(each.value));
            let (name, suffix) = self.names.ordinary(name);
            self.out.extend_from_slice(&name);
            suffix.write(&mut self.out);
            self.out.extend_from_slice(b" = ");
            self.constant(each.value);
            self.out.extend_from_slice(b",\n");
        }
        if self.out.len() == start || most == 0 && least == 0 && !self.out[start..].contains(&b'=') {
            // C has no enumerations without enumerators, and no size for those declared ahead.
            let name = [&spelling::identifier(ty.name())[..], b"___none"].concat();
            let (name, suffix) = self.names.take(Cow::Owned(name));
            self.indent(indent + 1);
            self.out.extend_from_slice(&name);
            suffix.write(&mut self.out);
            self.out.extend_from_slice(b",\n");
        }
        self.indent(indent);
        self.out.push(b'}');
        let natural = match (least, most) {
            (0.., ..=0xffff_ffff) | (-0x8000_0000.., ..=0x7fff_ffff) => 4,
            _ => 8,
        };
        if size != natural {
            let mode: &[u8] = match size {
                1 => b"QI",
                2 => b"HI",
                4 => b"SI",
                8 => b"DI",
                _ => return Ok(()),
            };
            self.out.extend_from_slice(b" __attribute__((mode(");
            self.out.extend_from_slice(mode);
            self.out.extend_from_slice(b")))");
        }
        Ok(())
    }

    fn constant(&mut self, value: i128) {
        match u64::try_from(value) {
            Ok(value) => {
                spelling::number(&mut self.out, value);
                if value > i64::MAX as u64 {
                    self.out.extend_from_slice(b"ULL");
                } else if value > u64::from(u32::MAX) {
                    self.out.extend_from_slice(b"LL");
                }
            }
            // The number is read before its sign.
            Err(_) if value == i128::from(i64::MIN) => {
                self.out.extend_from_slice(b"(-9223372036854775807LL - 1)");
            }
            Err(_) => {
                self.out.push(b'-');
                spelling::number(&mut self.out, value.unsigned_abs() as u64);
                if value < i128::from(i32::MIN) {
                    self.out.extend_from_slice(b"LL");
                }
            }
        }
    }

    /// `{ … }` of a structure or union, and its attributes.
    pub(super) fn body(&mut self, ty: Type<'b>, place: Place, reach: Reach) -> Result<()> {
        if place.depth > DEEPEST {
            return Err(super::too_deep(self.btf, ty.id()));
        }
        let mark = self.assertions.enter(reach);
        self.out.extend_from_slice(b"{\n");
        let start = self.out.len();
        let fit = self.layouts.fit(ty.id());
        let inner = Place {
            indent: place.indent + 1,
            depth: place.depth + 1,
            scope: place.scope,
            by_value: true,
            ..Place::default()
        };
        let position = if ty.kind() == Kind::Union {
            self.union_members(ty, inner)?
        } else {
            self.struct_members(ty, inner)?
        };
        let size = u64::from(ty.raw_size()) * 8;
        let natural = position.next_multiple_of(fit.align() * 8);
        if fit.attribute().is_none() && natural != size {
            if ty.kind() == Kind::Union {
                self.indent(inner.indent);
                self.bytes(0, size / 8);
            } else {
                self.pad(ty, position, size, inner.indent);
            }
        }
        if self.out.len() == start {
            self.out.truncate(start - 1);
        } else {
            self.indent(place.indent);
        }
        self.out.push(b'}');
        if fit.packed {
            self.out.extend_from_slice(b" __attribute__((packed))");
        }
        if let Some(bytes) = fit.attribute() {
            self.aligned(bytes);
        }
        self.assertions.leave(mark);
        Ok(())
    }

    /// Writes the members of a structure; returns the bit after the last.
    fn struct_members(&mut self, ty: Type<'b>, place: Place) -> Result<u64> {
        let fit = self.layouts.fit(ty.id());
        let size = u64::from(ty.raw_size()) * 8;
        let last = ty.members().len().saturating_sub(1);
        let (mut position, mut before) = (0, false);
        for (index, member) in ty.members().enumerate() {
            self.spend(ty.id())?;
            let slot = match self.layouts.slot(ty, member, position) {
                Ok(slot) => slot,
                Err(unfit) => {
                    self.unfit(ty, member, unfit, place.indent);
                    continue;
                }
            };
            let mut aligned = None;
            if natural(position, &slot, fit.packed) != slot.offset {
                if !fit.packed {
                    aligned = self.layouts.member_alignment(ty, position, &slot);
                }
                if aligned.is_none() {
                    self.pad(ty, position, slot.offset, place.indent);
                }
            }
            position = slot.end();
            let closed = fit.attribute().is_some() || position.next_multiple_of(fit.align() * 8) == size;
            let flexible = before && index == last && closed && self.layouts.can_be_flexible(ty.id());
            self.member(ty, member, &slot, Place { flexible, ..place })?;
            if let Some(bytes) = aligned {
                self.aligned(bytes);
            }
            self.end_of_member(ty, index);
            before = true;
        }
        Ok(position)
    }

    /// Writes the members of a union; returns the bit after the longest.
    fn union_members(&mut self, ty: Type<'b>, place: Place) -> Result<u64> {
        let mut end = 0;
        for (index, member) in ty.members().enumerate() {
            self.spend(ty.id())?;
            match self.layouts.slot(ty, member, 0) {
                Ok(slot) => {
                    end = end.max(slot.end());
                    self.member(ty, member, &slot, place)?;
                    self.end_of_member(ty, index);
                }
                Err(unfit) => self.unfit(ty, member, unfit, place.indent),
            }
        }
        Ok(end)
    }

    fn end_of_member(&mut self, ty: Type<'b>, index: usize) {
        self.decl_tags(ty.id(), index as i32);
        self.out.extend_from_slice(b";\n");
    }

    fn member(&mut self, ty: Type<'b>, member: Member, slot: &Slot<'b>, place: Place) -> Result<()> {
        self.indent(place.indent);
        if member.name.is_empty() {
            // Its members are this one's: also those of a named structure (-fms-extensions), which plain C cannot say
            // but by writing them again.
            self.assertions.member(b"", slot.offset);
            self.out.extend_from_slice(spelling::keyword(slot.value.base).as_bytes());
            self.out.push(b' ');
            return self.body(slot.value.base, place, Reach::Arrays(0));
        }
        let (name, suffix) = self.member_name(ty.string(member.name), place.scope);
        if self.assertions.wanted {
            let mut whole = name.to_vec();
            suffix.write(&mut whole);
            if slot.width == 0 {
                self.assertions.offset(&whole, slot.offset);
            }
            self.assertions.member(&whole, slot.offset);
        }
        let inner = if !slot.value.base.is_named() && slot.value.base.kind().is_aggregate() {
            self.new_scope()
        } else {
            place.scope
        };
        self.declare(member.type_id, Declared { name: &name, suffix }, Place { scope: inner, ..place })?;
        if slot.width > 0 {
            self.out.extend_from_slice(b": ");
            spelling::number(&mut self.out, slot.width);
        }
        Ok(())
    }

    /// A comment in place of a member that C cannot say.
    fn unfit(&mut self, ty: Type<'b>, member: Member, unfit: Unfit, indent: usize) {
        if unfit != Unfit::Unnamed {
            self.indent(indent);
            self.left_out(ty.string(member.name), unfit.reason());
        }
    }

    fn left_out(&mut self, name: &[u8], reason: &str) {
        self.out.extend_from_slice(b"/* ");
        self.out.extend_from_slice(&spelling::identifier(name));
        self.out.extend_from_slice(b" is left out: ");
        self.out.extend_from_slice(reason.as_bytes());
        self.out.extend_from_slice(b" */\n");
        self.count.left_out += 1;
    }

    /// Fills the bits `from..to`.
    fn pad(&mut self, ty: Type<'b>, from: u64, to: u64, indent: usize) {
        for piece in self.layouts.padding(from, to, self.layouts.fit(ty.id()).align()) {
            self.indent(indent);
            match piece {
                Padding::Bits { unit, width } => {
                    let kind: &[u8] = match unit {
                        8 => b"char",
                        16 => b"short",
                        32 => b"int",
                        _ => b"long",
                    };
                    self.out.extend_from_slice(kind);
                    self.out.extend_from_slice(b": ");
                    spelling::number(&mut self.out, width);
                    self.out.extend_from_slice(b";\n");
                }
                Padding::Bytes { offset, bytes } => self.bytes(offset, bytes),
            }
        }
    }

    /// A gap that is too large for bit-fields.
    fn bytes(&mut self, offset: u64, bytes: u64) {
        self.out.extend_from_slice(b"unsigned char ___padding_");
        spelling::number(&mut self.out, offset);
        self.out.push(b'[');
        spelling::number(&mut self.out, bytes);
        self.out.extend_from_slice(b"];\n");
    }

    fn aligned(&mut self, bytes: u64) {
        self.out.extend_from_slice(b" __attribute__((aligned(");
        spelling::number(&mut self.out, bytes);
        self.out.extend_from_slice(b")))");
    }

    fn indent(&mut self, tabs: usize) {
        self.out.resize(self.out.len() + tabs, b'\t');
    }

    /// Forgets the names of members, and starts a scope of them.
    fn new_definition(&mut self) -> u64 {
        if self.members.capacity() > 1 << 12 {
            self.members = hashbrown::HashSet::new();
        } else {
            self.members.clear();
        }
        self.new_scope()
    }

    pub(super) fn new_scope(&mut self) -> u64 {
        self.scopes += 1;
        self.scopes
    }

    /// A name in a scope of members or parameters, told apart from those before it.
    pub(super) fn member_name(&mut self, name: &'b [u8], scope: u64) -> (Cow<'b, [u8]>, Suffix) {
        let mut name = spelling::identifier(name);
        let key = |hasher: &hashbrown::DefaultHashBuilder, name: &[u8]| hasher.hash_one((scope, name));
        if self.members.insert(key(&self.hasher, &name)) {
            return (name, Suffix::NONE);
        }
        let mut number = 2u64;
        loop {
            let mut other = name.to_vec();
            other.extend_from_slice(b"___");
            spelling::number(&mut other, number);
            if self.members.insert(key(&self.hasher, &other)) {
                name = Cow::Owned(other);
                return (name, Suffix::NONE);
            }
            number *= 2;
        }
    }
}

const BEFORE_C23: &[u8] = b"(!defined(__STDC_VERSION__) || __STDC_VERSION__ < 202311L)\n";

/// Values that an enumeration of this size can have.
fn limits(ty: Type<'_>) -> std::ops::RangeInclusive<i128> {
    let bits = ty.raw_size().clamp(1, 8) * 8;
    if ty.enumerators().any(|each| each.value < 0) {
        -(1 << (bits - 1))..=(1 << (bits - 1)) - 1
    } else {
        0..=(1 << bits) - 1
    }
}
