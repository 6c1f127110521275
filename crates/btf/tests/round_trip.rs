//! What `Btf` reads, `Builder` writes back.

use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, IntEncoding, Kind, Linkage, Member, Param,
    SectionEntry, StringOffset, Type, TypeId,
};
use std::sync::Arc;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// One type of every kind that has an adder.
fn every_kind(mut b: Builder<'_>) -> Builder<'_> {
    let name = |b: &mut Builder<'_>, text: &str| b.string(text.as_bytes());
    let n = name(&mut b, "int");
    let int = b.int(n, 4, IntEncoding::signed(32));
    let pointer = b.pointer(TypeId(int.0 + 3));
    let array = b.array(Array { element: int, index: int, count: 7 });
    let (n, x, y) = (name(&mut b, "pair"), name(&mut b, "x"), name(&mut b, "y"));
    let members = [
        Member { name: x, type_id: int, bit_offset: 0, bitfield_size: 3 },
        Member { name: y, type_id: array, bit_offset: 32, bitfield_size: 0 },
    ];
    let pair = b.aggregate(Kind::Struct, n, 32, &members).unwrap();
    let members = [Member { name: y, type_id: array, ..Member::default() }];
    b.aggregate(Kind::Union, StringOffset::EMPTY, 28, &members).unwrap();
    let (n, low, high) = (name(&mut b, "colour"), name(&mut b, "LOW"), name(&mut b, "HIGH"));
    let values = [Enumerator { name: low, value: -1 }, Enumerator { name: high, value: 1 }];
    b.enumeration(n, 4, true, &values).unwrap();
    let n = name(&mut b, "colour64");
    let values = [Enumerator { name: low, value: 0 }, Enumerator { name: high, value: i128::from(u64::MAX) }];
    b.enumeration64(n, 8, false, &values).unwrap();
    let n = name(&mut b, "elsewhere");
    b.forward(n, true);
    for kind in [Kind::Const, Kind::Volatile, Kind::Restrict] {
        b.modifier(kind, pointer).unwrap();
    }
    let n = name(&mut b, "pair_t");
    b.typedef(n, pair);
    let params = [Param { name: x, type_id: int }, Param::default()];
    let proto = b.function_proto(TypeId::VOID, &params).unwrap();
    let n = name(&mut b, "print");
    let function = b.function(n, proto, Linkage::Global);
    let n = name(&mut b, "counter");
    let variable = b.variable(n, int, Linkage::Static);
    let n = name(&mut b, ".data");
    b.data_section(n, 64, &[SectionEntry { variable, offset: 8, size: 4 }]).unwrap();
    let n = name(&mut b, "double");
    b.float(n, 8);
    let n = name(&mut b, "kfunc");
    b.decl_tag(n, function, -1);
    let n = name(&mut b, "user");
    b.type_tag(n, int);
    b
}

#[test]
fn every_kind_reads_back_as_written_in_both_byte_orders() {
    for order in ORDERS {
        let bytes = every_kind(Builder::new(order)).finish().unwrap();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!((btf.byte_order(), btf.type_count()), (order, 19));
        let pair = btf.find(b"pair", Kind::Struct).unwrap();
        let members: Vec<_> = pair.members().collect();
        assert_eq!((members[0].bitfield_size, members[0].bit_offset), (3, 0));
        assert_eq!((members[1].bitfield_size, members[1].bit_offset), (0, 32));
        assert_eq!(pair.string(members[1].name), b"y");
        assert!(pair.kind_flag());
        let values = |name: &[u8], kind| -> Vec<i128> {
            btf.find(name, kind).unwrap().enumerators().map(|each| each.value).collect()
        };
        assert_eq!(values(b"colour", Kind::Enum), [-1, 1]);
        assert_eq!(values(b"colour64", Kind::Enum64), [0, i128::from(u64::MAX)]);
        let int = btf.find(b"int", Kind::Int).unwrap();
        assert_eq!(int.int_encoding(), Some(IntEncoding::signed(32)));
        let print = btf.find(b"print", Kind::Func).unwrap();
        assert_eq!(print.linkage(), Some(Linkage::Global));
        let proto = btf.get(print.type_id().unwrap()).unwrap();
        assert_eq!(proto.params().map(|param| param.type_id).collect::<Vec<_>>(), [int.id(), TypeId::VOID]);
        assert_eq!(btf.size_of(members[1].type_id).unwrap(), 28);
        assert_eq!(btf.find(b"kfunc", Kind::DeclTag).unwrap().component_index(), Some(-1));
        assert_eq!(
            btf.skip_modifiers(btf.find(b"pair_t", Kind::Typedef).unwrap().id()).unwrap().id(),
            pair.id()
        );
        assert_eq!(Builder::from_btf(&btf).finish().unwrap(), bytes);

        let mut copy = Builder::like(&btf);
        for ty in btf.types() {
            copy.push(ty).unwrap();
        }
        let copy = copy.finish().unwrap();
        let copy = Btf::parse(&copy).unwrap();
        assert_eq!(copy.type_count(), btf.type_count());
        assert_eq!(
            copy.find(b"counter", Kind::Var).unwrap().id(),
            btf.find(b"counter", Kind::Var).unwrap().id()
        );
    }
}

#[test]
fn references_are_visited_in_the_order_they_stand() {
    let bytes = every_kind(Builder::new(ByteOrder::Big)).finish().unwrap();
    let btf = Btf::parse(bytes).unwrap();
    let references = |id| {
        let mut found = Vec::new();
        btf.get(TypeId(id)).unwrap().for_each_reference(|id| found.push(id.0));
        found
    };
    assert_eq!(references(1), []);
    assert_eq!(references(2), [4]);
    assert_eq!(references(3), [1, 1]);
    assert_eq!(references(4), [1, 3]);
    assert_eq!(references(13), [0, 1, 0]);
    assert_eq!(references(16), [15]);
    assert_eq!(references(18), [14]);
}

#[test]
fn a_split_blob_goes_on_where_its_base_ends() {
    for order in ORDERS {
        let base = Arc::new(Btf::parse(every_kind(Builder::new(order)).finish().unwrap()).unwrap());
        let mut middle = Builder::split(base.clone());
        let name = middle.string(b"pair");
        assert_eq!(base.string(name).unwrap(), b"pair");
        assert_eq!(middle.next_id(), TypeId(20));
        let name = middle.string(b"own");
        let own = middle.typedef(name, TypeId(4));
        let middle = middle.finish().unwrap();
        let middle = Arc::new(Btf::parse_split(middle, base.clone()).unwrap());
        let mut top = Builder::split(middle.clone());
        let name = top.string(b"own");
        let other = top.string(b"top");
        top.typedef(name, own);
        top.typedef(other, own);
        let bytes = top.finish().unwrap();
        let top = Btf::parse_split(&bytes, middle).unwrap();
        assert_eq!(top.string_section(), b"top\0");
        assert_eq!(top.first_id(), TypeId(21));
        assert_eq!(top.named(b"own").map(|ty| ty.id().0).collect::<Vec<_>>(), [20, 21]);
        assert_eq!(top.skip_modifiers(TypeId(22)).unwrap().name(), b"pair");
        assert_eq!(top.get(TypeId(23)).unwrap_err(), Error::NoSuchType(TypeId(23)));
        assert_eq!(Builder::from_btf(&top).finish().unwrap(), bytes);
        let other = if order == ByteOrder::Little { ByteOrder::Big } else { ByteOrder::Little };
        let foreign = Builder::new(other).finish().unwrap();
        assert_eq!(Btf::parse_split(foreign, base).unwrap_err(), Error::BaseByteOrder);
    }
}

#[test]
fn unknown_kinds_are_stepped_over_with_the_layout_section_only() {
    for order in ORDERS {
        let mut builder = Builder::new(order).with_layout();
        builder.pointer(TypeId::VOID);
        let mut bytes = builder.finish().unwrap();
        // A new kind 23: 4 bytes once, 8 per element. Its record goes before the pointer's.
        let word = |value: u32| match order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        let record: Vec<u8> = [0, 23 << 24 | 2, 9, 1, 2, 3, 4, 5].into_iter().flat_map(word).collect();
        bytes.splice(32..32, record);
        let layout_end = bytes.len() - 1;
        bytes.splice(layout_end..layout_end, [4, 8, 0, 0]);
        for (at, value) in [(12, 44), (16, 44 + 96), (24, 44), (28, 96)] {
            bytes[at..at + 4].copy_from_slice(&word(value));
        }
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.types().map(Type::kind).collect::<Vec<_>>(), [Kind::Unknown(23), Kind::Ptr]);
        assert_eq!(Builder::from_btf(&btf).finish().unwrap(), bytes);
        for (at, value) in [(24, 0), (28, 0)] {
            bytes[at..at + 4].copy_from_slice(&word(value));
        }
        let error = Btf::parse(&bytes).unwrap_err();
        assert_eq!(error, Error::UnknownKind { id: TypeId(1), kind: Kind::Unknown(23), offset: 0 });
    }
}

#[test]
fn more_elements_than_sixteen_bits_count_need_to_be_allowed() {
    let entries = vec![SectionEntry::default(); 0x1_0000];
    let mut narrow = Builder::new(ByteOrder::NATIVE);
    assert!(matches!(
        narrow.data_section(StringOffset::EMPTY, 8, &entries),
        Err(Error::TooManyElements { limit: 0xffff, .. })
    ));
    let mut wide = Builder::new(ByteOrder::NATIVE).with_wide_vlen();
    wide.data_section(StringOffset::EMPTY, 8, &entries).unwrap();
    let btf = Btf::parse(wide.finish().unwrap()).unwrap();
    assert_eq!(btf.get(TypeId(1)).unwrap().section_entries().len(), 0x1_0000);
}

#[test]
fn a_bitfield_keeps_members_below_bit_2_to_the_24() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let far = Member { bit_offset: 1 << 24, type_id: TypeId(1), ..Member::default() };
    assert!(builder.aggregate(Kind::Struct, StringOffset::EMPTY, 1 << 22, &[far]).is_ok());
    let bits = Member { bitfield_size: 1, type_id: TypeId(1), ..Member::default() };
    let error = builder.aggregate(Kind::Struct, StringOffset::EMPTY, 1 << 22, &[bits, far]).unwrap_err();
    assert_eq!(error, Error::BitfieldOffset { bit_offset: 1 << 24 });
}

#[test]
fn broken_blobs_are_refused_with_the_reason() {
    let bytes = every_kind(Builder::new(ByteOrder::Little)).finish().unwrap();
    let broken = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        Btf::parse(bytes).unwrap_err()
    };
    assert_eq!(broken(0, 0), Error::Magic([0, 0xeb]));
    assert_eq!(broken(2, 2), Error::Version(2));
    assert_eq!(broken(4, 20), Error::HeaderLength(20));
    assert!(matches!(broken(7, 1), Error::HeaderTruncated { .. }));
    assert!(matches!(broken(15, 1), Error::SectionOutside { section: "type", .. }));
    assert!(matches!(broken(23, 1), Error::SectionOutside { section: "string", .. }));
    assert_eq!(broken(bytes.len() - 1, 1), Error::StringsUnterminated);
    assert!(matches!(broken(24 + 7, 0), Error::UnknownKind { kind: Kind::Void, .. }));
    assert!(matches!(broken(24 + 7, 99), Error::UnknownKind { kind: Kind::Unknown(99), .. }));
    assert!(matches!(Btf::parse(&bytes[..20]), Err(Error::HeaderTruncated { .. })));
}

#[test]
fn the_running_kernels_types_are_written_back_byte_for_byte() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("SKIPPED: no /sys/kernel/btf/vmlinux");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    assert_eq!(Builder::from_btf(&btf).finish().unwrap(), bytes);
    let mut copy = Builder::like(&btf);
    for ty in btf.types() {
        copy.push(ty).unwrap();
    }
    let copy = copy.finish().unwrap();
    let copy = Btf::parse(&copy).unwrap();
    assert_eq!(copy.type_count(), btf.type_count());
    for (a, b) in btf.types().zip(copy.types()) {
        assert_eq!((a.kind(), a.name(), a.vlen(), a.word(2)), (b.kind(), b.name(), b.vlen(), b.word(2)));
        assert!(a.members().map(|m| a.string(m.name)).eq(b.members().map(|m| b.string(m.name))));
    }
    let task = btf.find(b"task_struct", Kind::Struct).unwrap();
    assert_eq!(btf.size_of(task.id()).unwrap(), u64::from(task.size().unwrap()));
}
