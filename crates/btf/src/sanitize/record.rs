//! One record at a time.

use super::{Plain, Rewriter};
use crate::check::{Feature, OLD_LIMIT, is_identifier_byte};
use crate::kind::Info;
use crate::{Kind, StringOffset, Type};

/// Indices of the common words of a record.
const NAME: usize = 0;
const INFO: usize = 1;

impl Rewriter<'_, '_> {
    /// The words of the record that a type becomes.
    pub(super) fn record(&mut self, ty: Type<'_>) -> Vec<u32> {
        let mut words: Vec<u32> = ty.words().collect();
        match ty.kind() {
            Kind::Int if is_wide(ty) && self.lacks(Feature::WideIntegers) => return opaque(ty.raw_size()),
            Kind::Float if self.lacks(Feature::Floats) => return opaque(ty.raw_size()),
            Kind::Struct | Kind::Union => self.aggregate(ty, &mut words),
            Kind::Enum => return self.enumeration(ty, words),
            Kind::Enum64 if self.lacks(Feature::Enum64) => return self.enumeration_as_union(ty),
            Kind::Fwd if ty.kind_flag() && self.lacks(Feature::KindFlag) => clear_flag(&mut words),
            Kind::TypeTag if self.lacks(Feature::TypeTags) => {
                return vec![0, Info::new(Kind::Const, 0, false).0, words[2]];
            }
            Kind::DeclTag if self.lacks(Feature::DeclTags) => return Plain::BYTE.record(StringOffset::EMPTY),
            Kind::TypeTag | Kind::DeclTag if ty.kind_flag() && self.lacks(Feature::TagFlag) => {
                clear_flag(&mut words);
            }
            Kind::Func if self.lacks(Feature::Functions) => {
                words[INFO] = Info::new(Kind::Typedef, 0, false).0;
                words[NAME] = self.identifier(ty, ty.name_offset(), Kind::Typedef).0;
                return words;
            }
            Kind::Func if ty.vlen() == 1 && self.lacks(Feature::GlobalFunctions) => {
                words[INFO] = Info::new(Kind::Func, 0, ty.kind_flag()).0;
            }
            Kind::FuncProto if self.lacks(Feature::Functions) => {
                return vec![0, Info::new(Kind::Enum, 0, false).0, 4];
            }
            Kind::Var if self.lacks(Feature::Variables) => return Plain::BYTE.record(ty.name_offset()),
            Kind::DataSec if self.lacks(Feature::Variables) => return self.section_as_struct(ty),
            Kind::DataSec if ty.vlen() == 0 && self.lacks(Feature::EmptySections) => {
                return self.section_as_struct(ty);
            }
            // Without the layout section nobody could tell where its record ends.
            Kind::Unknown(_) if self.lacks(Feature::Layout) => {
                return Plain::BYTE.record(StringOffset::EMPTY);
            }
            Kind::LocParam | Kind::LocProto | Kind::LocSec if self.lacks(Feature::InlineKinds) => {
                return Plain::BYTE.record(StringOffset::EMPTY);
            }
            _ => {}
        }
        self.names(ty, &mut words);
        words
    }

    /// The names in a record that has kept its kind.
    fn names(&mut self, ty: Type<'_>, words: &mut [u32]) {
        let kind = ty.kind();
        match kind {
            Kind::DataSec => words[NAME] = self.section_name(ty).0,
            // Any text is fine, or there is no name.
            Kind::Int | Kind::Float | Kind::DeclTag | Kind::TypeTag | Kind::Unknown(_) => {}
            _ => words[NAME] = self.identifier(ty, ty.name_offset(), kind).0,
        }
        let vlen = Info(words[INFO]).vlen();
        if let Some(shape) = kind.shape().filter(|shape| shape.element_name) {
            for word in shape.element_names(vlen) {
                words[word] = self.identifier(ty, StringOffset(words[word]), kind).0;
            }
        }
    }

    /// A name of a type of this kind, or of one of its elements, as the kernel takes it.
    fn identifier(&mut self, ty: Type<'_>, name: StringOffset, of: Kind) -> StringOffset {
        let text = ty.string(name);
        let dots_are_fine = matches!(of, Kind::Var | Kind::DataSec) || self.takes(Feature::Dots);
        let has_dots = !dots_are_fine && text.contains(&b'.');
        let is_long = text.len() > OLD_LIMIT && !self.takes(Feature::LongNames);
        if !has_dots && !is_long {
            return name;
        }
        let mut text = text.to_vec();
        if has_dots {
            self.note(Feature::Dots);
            text.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = b'_');
        }
        if is_long {
            self.note(Feature::LongNames);
            text.truncate(OLD_LIMIT);
        }
        self.builder.string(&text)
    }

    /// The name of a data section as the kernel takes it.
    fn section_name(&mut self, ty: Type<'_>) -> StringOffset {
        let text = ty.name();
        let fits = text.iter().enumerate().all(|(at, &byte)| is_identifier_byte(byte, at == 0));
        if fits || self.takes(Feature::SectionNames) {
            return self.identifier(ty, ty.name_offset(), Kind::DataSec);
        }
        self.note(Feature::SectionNames);
        let limit = if self.takes(Feature::LongNames) { text.len() } else { OLD_LIMIT };
        self.builder.string(&as_identifier(&text[..text.len().min(limit)]))
    }

    /// Members: bit-fields the old way, and those of types that cannot be bit-fields any more.
    fn aggregate(&mut self, ty: Type<'_>, words: &mut [u32]) {
        if !ty.kind_flag() {
            return;
        }
        let old = self.lacks(Feature::KindFlag);
        if old {
            clear_flag(words);
        }
        for (index, member) in ty.members().enumerate() {
            let place = 3 + index * 3;
            if old {
                words[place + 2] = member.bit_offset;
            }
            let target = self.btf.skip_modifiers(member.type_id).ok();
            let Some(target) = target.filter(|_| member.bitfield_size != 0) else { continue };
            let signed = match target.kind() {
                Kind::Int => target.int_encoding().is_some_and(|int| int.signed),
                Kind::Enum | Kind::Enum64 => target.kind_flag(),
                _ => continue,
            };
            let size = target.raw_size();
            if old {
                words[place + 1] = self.plain(Plain { size, bits: member.bitfield_size, signed }).0;
            } else if target.kind() == Kind::Enum64 && !self.takes(Feature::Enum64) && size <= 8 {
                // It becomes a union, of which no bits can be taken.
                words[place + 1] = self.plain(Plain { size, bits: (size * 8) as u8, signed }).0;
            }
        }
    }

    fn enumeration(&mut self, ty: Type<'_>, mut words: Vec<u32>) -> Vec<u32> {
        let size = ty.raw_size();
        if matches!(size, 1 | 2 | 8) && self.lacks(Feature::EnumSizes) {
            return Plain { size, bits: (size * 8) as u8, signed: ty.kind_flag() }
                .record(StringOffset::EMPTY);
        }
        if ty.kind_flag() && self.lacks(Feature::SignedEnums) {
            clear_flag(&mut words);
        }
        self.names(ty, &mut words);
        words
    }

    /// A union with a member for each enumerator; it takes as many words.
    fn enumeration_as_union(&mut self, ty: Type<'_>) -> Vec<u32> {
        let byte = self.plain(Plain::BYTE);
        let name = self.identifier(ty, ty.name_offset(), Kind::Union);
        let mut words = vec![name.0, Info::new(Kind::Union, ty.vlen(), false).0, ty.raw_size()];
        for enumerator in ty.enumerators() {
            words.extend([self.identifier(ty, enumerator.name, Kind::Union).0, byte.0, 0]);
        }
        words
    }

    /// A structure with a member for each variable, and room for all of them.
    fn section_as_struct(&mut self, ty: Type<'_>) -> Vec<u32> {
        let mut entries: Vec<_> = ty.section_entries().collect();
        // In an object file they are in no order yet. What lies beyond 2^32 bits cannot be a member.
        entries.sort_by_key(|entry| entry.offset);
        entries.retain(|entry| entry.offset < 1 << 29);
        let end =
            entries.iter().map(|entry| entry.offset.saturating_add(entry.size.max(1))).max().unwrap_or(0);
        let text = ty.name();
        let name = as_identifier(&text[..text.len().min(OLD_LIMIT)]);
        let name = self.builder.string(&without_dots(name));
        let info = Info::new(Kind::Struct, entries.len() as u32, false);
        let mut words = vec![name.0, info.0, ty.raw_size().max(end)];
        for entry in entries {
            let variable = self.btf.get(entry.variable).ok();
            // A variable of this BTF is an integer by now.
            let own = variable.filter(|it| it.kind() == Kind::Var && it.id() >= self.btf.first_id());
            let id = own.map_or_else(|| self.plain(Plain::BYTE), Type::id);
            let name = variable.map_or(StringOffset::EMPTY, Type::name_offset);
            let name = self.identifier(ty, name, Kind::Struct);
            words.extend([name.0, id.0, entry.offset * 8]);
        }
        words
    }
}

fn is_wide(ty: Type<'_>) -> bool {
    ty.int_encoding().is_some_and(|int| u32::from(int.offset) + u32::from(int.bits) > 64)
}

/// A structure of so many bytes, of which nothing is known.
fn opaque(size: u32) -> Vec<u32> {
    vec![0, Info::new(Kind::Struct, 0, false).0, size]
}

fn clear_flag(words: &mut [u32]) {
    let info = Info(words[INFO]);
    words[INFO] = Info::new(info.kind(), info.vlen(), false).0;
}

/// A text with `_` for each byte that an identifier cannot have there.
fn as_identifier(text: &[u8]) -> Vec<u8> {
    let fits = |(at, &byte): (usize, &u8)| if is_identifier_byte(byte, at == 0) { byte } else { b'_' };
    text.iter().enumerate().map(fits).collect()
}

fn without_dots(mut text: Vec<u8>) -> Vec<u8> {
    text.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = b'_');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_names_become_identifiers() {
        for (name, expected) in
            [("?.struct_ops", "_.struct_ops"), ("9 lives", "__lives"), (".rodata.1", ".rodata.1")]
        {
            assert_eq!(as_identifier(name.as_bytes()), expected.as_bytes());
        }
        assert_eq!(without_dots(as_identifier(b"?.data")), b"__data");
    }

    #[test]
    fn what_nothing_is_known_of_keeps_its_size() {
        let words = opaque(12);
        assert_eq!((Info(words[INFO]).kind(), words[2], words.len()), (Kind::Struct, 12, 3));
        let mut flagged = vec![0, Info::new(Kind::Enum, 3, true).0, 4];
        clear_flag(&mut flagged);
        assert_eq!(Info(flagged[INFO]), Info::new(Kind::Enum, 3, false));
    }
}
