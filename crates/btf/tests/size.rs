//! Each byte of a blob is counted once, for what it is.

use btfkit_btf::size::{Owner, Share, Size};
use btfkit_btf::{
    Btf, Builder, ByteOrder, Enumerator, IntEncoding, Kind, Linkage, Member, Param, SectionEntry,
    StringOffset, TypeId,
};
use std::sync::Arc;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

#[track_caller]
fn assert_sums(size: &Size) {
    let parts = size.header + size.layout + size.unused + size.type_share().bytes + size.string_share().bytes;
    assert_eq!(parts - size.overlapping, size.total, "{size:?}");
}

fn of_kind(size: &Size, kind: Kind) -> (u64, u64) {
    size.types.iter().find(|found| found.kind == kind).map_or((0, 0), |found| pair(found.share))
}

fn of_owner(size: &Size, owner: Owner) -> (u64, u64) {
    size.strings.iter().find(|found| found.owner == owner).map_or((0, 0), |found| pair(found.share))
}

fn pair(share: Share) -> (u64, u64) {
    (share.count, share.bytes)
}

/// An integer, a structure, an enumeration, a function and three variables, two of them in a section.
fn sample(order: ByteOrder) -> Vec<u8> {
    let mut b = Builder::new(order);
    let [int_name, pair_name, both, low, param, function, kfunc, data, first, second, third] =
        ["int", "pair", "both", "LOW", "p", "function", "kfunc", ".data", "first", "second", "third"]
            .map(|name| b.string(name.as_bytes()));
    let int = b.int(int_name, 4, IntEncoding::signed(32));
    // "both" is a member's name and a parameter's.
    b.aggregate(Kind::Struct, pair_name, 4, &[Member { name: both, type_id: int, ..Member::default() }])
        .unwrap();
    b.enumeration(StringOffset::EMPTY, 4, false, &[Enumerator { name: low, value: 1 }]).unwrap();
    let parameters = [Param { name: both, type_id: int }, Param { name: param, type_id: int }];
    let proto = b.function_proto(int, &parameters).unwrap();
    let function = b.function(function, proto, Linkage::Static);
    b.decl_tag(kfunc, function, -1);
    let first = b.variable(first, int, Linkage::Global);
    let second = b.variable(second, int, Linkage::Global);
    b.variable(third, int, Linkage::Global);
    let entries =
        [(first, 0), (second, 4)].map(|(variable, offset)| SectionEntry { variable, offset, size: 4 });
    b.data_section(data, 8, &entries).unwrap();
    b.string(b"nobody");
    b.finish().unwrap()
}

#[test]
fn records_count_for_their_kind_and_strings_for_their_user() {
    for order in ORDERS {
        let bytes = sample(order);
        let size = Size::of(&Btf::parse(&bytes).unwrap());
        assert_sums(&size);
        assert_eq!((size.total, size.header, size.layout, size.unused), (bytes.len() as u64, 24, 0, 0));
        assert_eq!(of_kind(&size, Kind::Int), (1, 16));
        assert_eq!(of_kind(&size, Kind::Struct), (1, 24));
        assert_eq!(of_kind(&size, Kind::FuncProto), (1, 28));
        assert_eq!(of_kind(&size, Kind::Var), (3, 48));
        assert_eq!(of_kind(&size, Kind::DataSec), (1, 36));
        assert_eq!(of_kind(&size, Kind::Union), (0, 0));
        assert_eq!(of_owner(&size, Owner::Types), (2, 4 + 5));
        assert_eq!(of_owner(&size, Owner::Enumerators), (1, 4));
        assert_eq!(of_owner(&size, Owner::Members), (0, 0));
        assert_eq!(of_owner(&size, Owner::Parameters), (1, 2));
        assert_eq!(of_owner(&size, Owner::Functions), (1, 9));
        assert_eq!(of_owner(&size, Owner::Tags), (1, 6));
        assert_eq!(of_owner(&size, Owner::Variables), (3, 6 + 7 + 6));
        assert_eq!(of_owner(&size, Owner::Sections), (1, 6));
        // The empty string, and "both".
        assert_eq!(of_owner(&size, Owner::Shared), (2, 1 + 5));
        assert_eq!(of_owner(&size, Owner::Unused), (1, 7));
    }
}

#[test]
fn variables_count_for_their_section() {
    let size = Size::of(&Btf::parse(sample(ByteOrder::NATIVE)).unwrap());
    let sections: Vec<_> = size
        .sections
        .iter()
        .map(|section| (&section.name[..], section.variables, section.record_bytes, section.name_bytes))
        .collect();
    assert_eq!(sections, [(".data", 2, 36 + 2 * 16, 6 + 7), ("", 1, 16, 6)]);
}

#[test]
fn of_split_btf_only_its_own_part_counts_and_a_base_can_be_added() {
    for order in ORDERS {
        let base = Arc::new(Btf::parse(sample(order)).unwrap());
        let mut builder = Builder::split(Arc::clone(&base));
        // The base has the first name, and uses it for something else.
        let (name, new) = (builder.string(b"pair"), builder.string(b"new"));
        builder.variable(name, TypeId(1), Linkage::Static);
        let variable = builder.variable(new, TypeId(1), Linkage::Static);
        let data = builder.string(b".data");
        builder.data_section(data, 4, &[SectionEntry { variable, offset: 0, size: 4 }]).unwrap();
        let btf = Btf::parse_split(builder.finish().unwrap(), Arc::clone(&base)).unwrap();
        let mut size = Size::of(&btf);
        assert_sums(&size);
        assert_eq!(pair(size.type_share()), (3, 16 + 16 + 24));
        assert_eq!(of_owner(&size, Owner::Variables), (1, 4));
        assert_eq!(pair(size.string_share()).0, 1, "{:?}", size.strings);
        let own = size.clone();
        let base = Size::of(&base);
        size.add(&base);
        assert_sums(&size);
        assert_eq!(size.total, own.total + base.total);
        assert_eq!(of_kind(&size, Kind::Var), (5, 80));
        assert_eq!(of_kind(&size, Kind::Int), (1, 16));
        let data = size.sections.iter().find(|section| section.name == ".data").unwrap();
        assert_eq!((data.variables, data.record_bytes, data.name_bytes), (3, 36 + 32 + 24 + 16, 6 + 7 + 4));
    }
}

#[test]
fn what_is_stored_twice_is_found() {
    let strings = b"\0a\0a\0b\0";
    let mut words = vec![24, 0, 36, 36, strings.len() as u32];
    // Two equal typedefs, and one by the other copy of the name.
    for name in [1, 1, 3] {
        words.extend([name, 8 << 24, 0]);
    }
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    bytes.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
    bytes.extend(strings);
    let size = Size::of(&Btf::parse(&bytes).unwrap());
    assert_sums(&size);
    assert_eq!(pair(size.duplicates.types), (1, 12));
    assert_eq!(pair(size.duplicates.strings), (1, 2));
    assert_eq!(pair(size.duplicates.strings_of_base), (0, 0));
}

#[test]
fn a_name_that_is_the_end_of_a_string_uses_that_string() {
    let strings = b"\0counter\0";
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let words: [u32; 5 + 4] = [24, 0, 16, 16, strings.len() as u32, 5, 14 << 24, 0, 0];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(strings);
    let size = Size::of(&Btf::parse(&bytes).unwrap());
    assert_eq!(of_owner(&size, Owner::Variables), (1, 8));
    assert_eq!((size.sections[0].variables, size.sections[0].name_bytes), (1, 8));
}

#[test]
fn gaps_and_overlaps_keep_the_sum_exact() {
    // Four bytes between header and types, strings that reach into the types, three bytes behind.
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let words: [u32; 5 + 1 + 3] = [24, 4, 12, 15, 2, 0, 0, 2 << 24, 0];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([0, 0, 0, 0]);
    let size = Size::of(&Btf::parse(&bytes).unwrap());
    assert_sums(&size);
    assert_eq!((size.unused, size.overlapping), (4 + 3, 1));
}

#[test]
fn every_byte_of_the_running_kernel_s_btf_is_counted() {
    let path = "/sys/kernel/btf/vmlinux";
    let Ok(bytes) = std::fs::read(path) else {
        eprintln!("SKIPPED every_byte_of_the_running_kernel_s_btf_is_counted: no {path}");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let size = Size::of(&btf);
    assert_sums(&size);
    assert_eq!(size.total, bytes.len() as u64);
    assert_eq!(size.type_share().bytes, btf.type_section().len() as u64);
    assert_eq!(size.string_share().bytes, btf.string_section().len() as u64);
    assert_eq!(size.type_share().count, u64::from(btf.type_count()));
}
