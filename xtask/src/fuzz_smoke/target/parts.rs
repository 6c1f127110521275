//! Targets of which the input is a part of a BTF, the rest being sound: a fuzzer gets past the header at once.

use std::sync::Arc;

use btfkit_btf::check::{Options, Profile, check, check_ext};
use btfkit_btf::ext::Ext;
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, IntEncoding, Kind, Linkage, Member, Param, SectionEntry, TypeId,
};

use super::{ask, read_btf, rewrite};

/// A BTF to put parts into: an integer and some of what can be made of it.
pub(crate) fn sound() -> Vec<u8> {
    let mut b = Builder::new(ByteOrder::Little);
    let [int, s, m, f, data, var] =
        ["int", "s", "m", "f", ".data", "var"].map(|name| b.string(name.as_bytes()));
    let number = b.int(int, 4, IntEncoding::signed(32));
    let array = b.array(Array { element: number, index: number, count: 3 });
    let member = Member { name: m, type_id: array, ..Member::default() };
    let structure = b.aggregate(Kind::Struct, s, 12, &[member]).expect("one member");
    let pointer = b.pointer(structure);
    let proto = b.function_proto(pointer, &[Param { name: m, type_id: number }]).expect("one parameter");
    b.function(f, proto, Linkage::Static);
    let variable = b.variable(var, structure, Linkage::Global);
    b.data_section(data, 12, &[SectionEntry { variable, offset: 0, size: 12 }]).expect("one variable");
    b.typedef(m, TypeId(3));
    b.finish().expect("a few types")
}

/// A blob with these types and strings, and the header for them.
fn assemble(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let (types_length, strings_length) = (types.len() as u32, strings.len() as u32);
    let words = [0x0001_eb9f, 24, 0, types_length, types_length, strings_length];
    words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .chain(types.iter().chain(strings).copied())
        .collect()
}

/// The input is a header, up to 64 bytes of it; types and strings follow.
pub(crate) fn read_header(input: &[u8]) -> bool {
    let sound = sound();
    let blob = [&input[..input.len().min(64)], &sound[24..]].concat();
    read_btf(&blob)
}

/// The input is a type section.
pub(crate) fn read_types(input: &[u8]) -> bool {
    read_btf(&assemble(input, b"\0int\0s\0m\0f.isra.0\0.data\0var\0"))
}

/// The input is a string section.
pub(crate) fn read_strings(input: &[u8]) -> bool {
    let sound = sound();
    let btf = Btf::parse(&sound).expect("it is sound");
    read_btf(&assemble(btf.type_section(), input))
}

/// The input is the length of a part in bytes (32 bits, little endian), that part, and another.
fn in_two(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// The input is a base and what is split on it.
pub(crate) fn read_split(input: &[u8]) -> bool {
    let Some((base, split)) = in_two(input) else { return false };
    let Ok(base) = Btf::parse(base.to_vec()) else { return false };
    let base = Arc::new(base);
    let _ = (check(split, Some(&base), Profile::Vmlinux), check(split, Some(&base), Profile::Load));
    let Ok(split) = Btf::parse_split(split.to_vec(), base) else { return false };
    ask(&split);
    rewrite(&split);
    true
}

/// The input is a BTF and the `.BTF.ext` that goes with it.
pub(crate) fn read_ext(input: &[u8]) -> bool {
    let Some((btf, data)) = in_two(input) else { return false };
    let Ok(btf) = Btf::parse(btf) else { return false };
    let _ = check_ext(data, &btf, &Options::new(Profile::Object));
    let Ok(ext) = Ext::parse(data) else { return false };
    let _ = (ext.functions().count(), ext.lines().count(), ext.relocations().count());
    assert!(ext.rewrite(|id| id, |string| string) == data, "what is not changed stays");
    let moved = ext.rewrite(|id| TypeId(id.0 ^ 1), |string| string);
    let moved = Ext::parse(&moved).expect("new numbers change no structure");
    assert!(moved.rewrite(|id| TypeId(id.0 ^ 1), |string| string) == data, "there and back");
    true
}
