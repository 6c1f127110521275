//! Orders depend on content alone, and rewriting in an order keeps the meaning.

use btfkit_btf::{
    Btf, Builder, ByteOrder, Error, IntEncoding, Kind, Linkage, Member, Param, StringOffset, Type, TypeId,
    order,
};
use std::sync::Arc;

/// A small deterministic source of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn ids(btf: &Btf<'_>) -> Vec<TypeId> {
    btf.types().map(Type::id).collect()
}

/// Two `struct node` that differ only in what their `next` points to, far down, and pointers to both.
fn with_ambiguous_names(order: ByteOrder) -> Vec<u8> {
    let mut b = Builder::new(order);
    let (n_int, n_char) = (b.string(b"int"), b.string(b"char"));
    let int = b.int(n_int, 4, IntEncoding::signed(32));
    let char = b.int(n_char, 1, IntEncoding::signed(8));
    let (inner, outer, node, field) =
        (b.string(b"inner"), b.string(b"outer"), b.string(b"node"), b.string(b"field"));
    let mut variants = Vec::new();
    for leaf in [int, char] {
        let size = if leaf == int { 4 } else { 1 };
        let member = |type_id| [Member { name: field, type_id, ..Member::default() }];
        let inner = b.aggregate(Kind::Struct, inner, size, &member(leaf)).unwrap();
        let to_inner = b.pointer(inner);
        let outer = b.aggregate(Kind::Struct, outer, 8, &member(to_inner)).unwrap();
        let to_outer = b.pointer(outer);
        let node = b.aggregate(Kind::Struct, node, 8, &member(to_outer)).unwrap();
        let to_node = b.pointer(node);
        let constant = b.modifier(Kind::Const, to_node).unwrap();
        let proto = b.function_proto(constant, &[Param { name: field, type_id: to_node }]).unwrap();
        variants.push(proto);
    }
    for (name, proto) in [(&b"one"[..], variants[0]), (b"two", variants[1])] {
        let name = b.string(name);
        b.function(name, proto, Linkage::Static);
    }
    b.finish().unwrap()
}

#[test]
fn names_ascend_and_anonymous_types_come_first() {
    for byte_order in [ByteOrder::Little, ByteOrder::Big] {
        let bytes = with_ambiguous_names(byte_order);
        let btf = Btf::parse(&bytes).unwrap();
        let sorted = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap();
        let sorted = Btf::parse(&sorted.bytes).unwrap();
        let names: Vec<_> = sorted.types().map(|ty| ty.name_str().into_owned()).collect();
        assert_eq!(
            names[10..],
            ["char", "inner", "inner", "int", "node", "node", "one", "outer", "outer", "two"]
        );
        assert!(names[..10].iter().all(String::is_empty), "{names:?}");
        assert!(sorted.is_sorted_by_name() && !btf.is_sorted_by_name());
        assert_eq!(sorted.named(b"node").count(), 2);
        assert_eq!(sorted.named(b"nodes").count() + sorted.named(b"").count(), 10);
        assert_eq!(sorted.find(b"two", Kind::Func).unwrap().linkage(), Some(Linkage::Static));
        assert_eq!(order::by_name(&sorted).unwrap(), ids(&sorted));
    }
}

#[test]
fn the_order_found_does_not_depend_on_the_order_given() {
    let bytes = with_ambiguous_names(ByteOrder::NATIVE);
    let btf = Btf::parse(&bytes).unwrap();
    let expected = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap().bytes;
    let mut random = Random(1);
    for _ in 0..200 {
        let mut shuffled = ids(&btf);
        random.shuffle(&mut shuffled);
        let shuffled = order::permute(&btf, &shuffled).unwrap().bytes;
        let shuffled = Btf::parse(&shuffled).unwrap();
        let again = order::permute(&shuffled, &order::by_name(&shuffled).unwrap()).unwrap().bytes;
        assert_eq!(again, expected);
    }
}

#[test]
fn long_names_sort_as_bytes_do() {
    let mut random = Random(7);
    let mut builder = Builder::new(ByteOrder::NATIVE);
    for _ in 0..2000 {
        let length = random.below(40);
        let name: Vec<u8> = (0..length).map(|_| b"aaab\xff"[random.below(5)]).collect();
        let name = builder.string(&name);
        builder.forward(name, false);
    }
    let btf = Btf::parse(builder.finish().unwrap()).unwrap();
    let order = order::by_name(&btf).unwrap();
    assert!(order.iter().map(|&id| btf.get(id).unwrap().name()).is_sorted());
}

#[test]
fn recursive_typedefs_do_not_disturb_the_order() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let (list, other) = (builder.string(b"List"), builder.string(b"Other"));
    for name in [list, other] {
        let id = builder.next_id();
        builder.typedef(name, TypeId(id.0 + 1));
        builder.pointer(id);
    }
    let btf = Btf::parse(builder.finish().unwrap()).unwrap();
    let expected = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap().bytes;
    let mut random = Random(2);
    for _ in 0..50 {
        let mut shuffled = ids(&btf);
        random.shuffle(&mut shuffled);
        let shuffled = order::permute(&btf, &shuffled).unwrap().bytes;
        let shuffled = Btf::parse(&shuffled).unwrap();
        assert_eq!(order::permute(&shuffled, &order::by_name(&shuffled).unwrap()).unwrap().bytes, expected);
    }
}

#[test]
fn leaves_come_before_what_is_made_of_them() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    for i in 1..100 {
        builder.modifier(Kind::Const, TypeId(i + 1)).unwrap();
    }
    let name = builder.string(b"int");
    builder.int(name, 4, IntEncoding::signed(32));
    let btf = Btf::parse(builder.finish().unwrap()).unwrap();
    let order = order::leaves_first(&btf).unwrap();
    assert_eq!(order, (1..=100).rev().map(TypeId).collect::<Vec<_>>());
}

#[test]
fn a_split_blob_keeps_its_base_references_and_strings() {
    let base = Arc::new(Btf::parse(with_ambiguous_names(ByteOrder::Big)).unwrap());
    let mut builder = Builder::split(base.clone());
    let (z, node) = (builder.string(b"z"), builder.string(b"node"));
    let z = builder.typedef(z, TypeId(1));
    let node = builder.typedef(node, z);
    let bytes = builder.finish().unwrap();
    let btf = Btf::parse_split(&bytes, base.clone()).unwrap();
    let permuted = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap();
    assert_eq!(permuted.ids, [node, z]);
    let sorted = Btf::parse_split(&permuted.bytes, base).unwrap();
    let words: Vec<Vec<u32>> = sorted.types().map(|ty| ty.words().collect()).collect();
    assert_eq!((words[0][2], words[1][2]), (node.0, 1));
    assert_eq!(sorted.string_section(), b"z\0");
}

#[test]
fn a_part_can_be_kept_when_nothing_in_it_refers_to_the_rest() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let int = builder.int(StringOffset::EMPTY, 4, IntEncoding::unsigned(32));
    let pointer = builder.pointer(int);
    let other = builder.pointer(pointer);
    let btf = Btf::parse(builder.finish().unwrap()).unwrap();
    let kept = order::permute(&btf, &[pointer, int]).unwrap();
    assert_eq!(kept.ids, [TypeId(2), TypeId(1), TypeId::VOID]);
    let error = order::permute(&btf, &[other]).unwrap_err();
    assert_eq!(error, Error::LeftOut { id: pointer, by: other });
    assert_eq!(order::permute(&btf, &[int, int]).unwrap_err(), Error::BadOrder(int));
    assert_eq!(order::permute(&btf, &[TypeId(4)]).unwrap_err(), Error::BadOrder(TypeId(4)));
    assert_eq!(order::permute(&btf, &[TypeId::VOID]).unwrap_err(), Error::BadOrder(TypeId::VOID));
}

#[test]
fn the_running_kernels_types_sort_alike_from_any_order() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("SKIPPED: no /sys/kernel/btf/vmlinux");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let expected = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap().bytes;
    assert!(Btf::parse(&expected).unwrap().is_sorted_by_name());
    let mut shuffled = ids(&btf);
    Random(3).shuffle(&mut shuffled);
    let shuffled = order::permute(&btf, &shuffled).unwrap().bytes;
    let shuffled = Btf::parse(&shuffled).unwrap();
    let again = order::permute(&shuffled, &order::by_name(&shuffled).unwrap()).unwrap().bytes;
    assert!(again == expected);
}
