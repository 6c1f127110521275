//! Comparing BTFs that are built here: several meanings, bases, and inputs that mean harm.

use std::sync::Arc;

use btfkit_btf::diff::{Diff, Status, Subject, What, compare};
use btfkit_btf::{Btf, Builder, ByteOrder, IntEncoding, Kind, Linkage, Member, Param, TypeId};

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

fn finish(builder: Builder<'static>) -> Btf<'static> {
    Btf::parse(builder.finish().unwrap()).unwrap()
}

fn int(builder: &mut Builder<'static>) -> TypeId {
    let name = builder.string(b"int");
    builder.int(name, 4, IntEncoding::signed(32))
}

/// A structure of integers with these members.
fn structure(builder: &mut Builder<'static>, name: &str, int: TypeId, members: &[&str]) -> TypeId {
    let name = builder.string(name.as_bytes());
    let members: Vec<Member> = members
        .iter()
        .zip(0..)
        .map(|(member, at)| Member {
            name: builder.string(member.as_bytes()),
            type_id: int,
            bit_offset: 32 * at,
            bitfield_size: 0,
        })
        .collect();
    builder.aggregate(Kind::Struct, name, 4 * members.len() as u32, &members).unwrap()
}

/// A BTF with these structures of integers.
fn structures(order: ByteOrder, structures: &[(&str, &[&str])]) -> Btf<'static> {
    let mut builder = Builder::new(order);
    let int = int(&mut builder);
    for (name, members) in structures {
        structure(&mut builder, name, int, members);
    }
    finish(builder)
}

fn statuses(diff: &Diff) -> Vec<(&str, Status, Option<[usize; 2]>)> {
    diff.all().map(|each| (&*each.name, each.status, each.meanings)).collect()
}

#[test]
fn meanings_of_one_name_find_those_that_they_have_most_in_common_with() {
    for order in ORDERS {
        let a = structures(order, &[("s", &["a", "b", "c"]), ("s", &["x", "y"]), ("s", &["same"])]);
        let b = structures(
            order,
            &[("s", &["same"]), ("s", &["x", "y", "z"]), ("s", &["q"]), ("s", &["a", "b"])],
        );
        let diff = compare(&a, &b).unwrap();
        let meanings = Some([3, 4]);
        assert_eq!(
            statuses(&diff),
            [
                ("s", Status::Changed, meanings),
                ("s", Status::Changed, meanings),
                ("s", Status::Added, meanings)
            ]
        );
        assert!(matches!(&diff.types[0].changes[1].what, What::MemberRemoved(member) if member.name == "c"));
        assert!(matches!(&diff.types[1].changes[1].what, What::MemberAdded(member) if member.name == "z"));
        // Duplicates are one meaning, and the order of ids says nothing.
        let c = structures(
            order,
            &[("s", &["x", "y"]), ("s", &["same"]), ("s", &["x", "y"]), ("s", &["a", "b", "c"])],
        );
        assert!(compare(&a, &c).unwrap().is_empty());
    }
}

#[test]
fn what_a_side_has_in_its_base_is_not_gone() {
    for order in ORDERS {
        let base = Arc::new(structures(order, &[("in_base", &["a"])]));
        let module = |names: &[&str]| {
            let mut builder = Builder::split(Arc::clone(&base));
            let int = base.find(b"int", Kind::Int).unwrap().id();
            for name in names {
                structure(&mut builder, name, int, &["a"]);
            }
            Btf::parse_split(builder.finish().unwrap(), Arc::clone(&base)).unwrap()
        };
        let (a, b) = (module(&["own", "in_base"]), module(&["own"]));
        assert!(compare(&a, &b).unwrap().is_empty());
        assert!(compare(&b, &a).unwrap().is_empty());
        let c = module(&["other"]);
        assert_eq!(
            statuses(&compare(&a, &c).unwrap()),
            [("other", Status::Added, None), ("own", Status::Removed, None)]
        );
    }
}

#[test]
fn little_and_big_endian_blobs_of_the_same_types_do_not_differ() {
    let [a, b] = ORDERS.map(|order| structures(order, &[("s", &["a", "b"])]));
    assert!(compare(&a, &b).unwrap().is_empty());
}

#[test]
fn a_function_without_its_prototype_and_a_type_that_holds_itself_are_no_end() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let (name, empty) = (builder.string(b"f"), builder.string(b""));
    builder.function(name, TypeId(1000), Linkage::Global);
    builder.function(name, TypeId(1000), Linkage::Static);
    let id = builder.next_id();
    builder.pointer(id);
    let id = builder.next_id();
    let member = Member { name, type_id: id, ..Member::default() };
    builder.aggregate(Kind::Struct, empty, 8, &[member]).unwrap();
    let name = builder.string(b"holder");
    let member = Member { name: empty, type_id: id, ..Member::default() };
    builder.aggregate(Kind::Struct, name, 8, &[member, member]).unwrap();
    let broken = finish(builder);
    assert!(compare(&broken, &broken).unwrap().is_empty());
    let empty = finish(Builder::new(ByteOrder::NATIVE));
    let diff = compare(&broken, &empty).unwrap();
    assert_eq!(statuses(&diff), [("holder", Status::Removed, None), ("f", Status::Removed, None)]);
}

/// Anonymous structures, each holding the one before twice; two named ones hold the last.
fn explosive(builder: &mut Builder<'static>, extra: &str) {
    let int = int(builder);
    let mut inner = int;
    let (empty, name) = (builder.string(b""), builder.string(extra.as_bytes()));
    for level in 0..60 {
        let name = if level == 0 { name } else { empty };
        let members = [0, 32].map(|bit_offset| Member { name, type_id: inner, bit_offset, bitfield_size: 0 });
        inner = builder.aggregate(Kind::Struct, empty, 8, &members).unwrap();
    }
    for name in ["one", "two"] {
        let name = builder.string(name.as_bytes());
        let member = Member { name: empty, type_id: inner, ..Member::default() };
        builder.aggregate(Kind::Struct, name, 8, &[member]).unwrap();
    }
}

#[test]
fn members_that_would_unfold_without_end_do_not() {
    let [a, b] = ["a", "b"].map(|extra| {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        explosive(&mut builder, extra);
        finish(builder)
    });
    let start = std::time::Instant::now();
    assert!(!compare(&a, &b).unwrap().is_empty());
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn parameters_without_a_name_and_ellipses_are_compared_in_their_place() {
    let function = |params: &[(&str, bool)], variadic: bool| {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let int = int(&mut builder);
        let pointer = builder.pointer(int);
        let mut list: Vec<Param> = params
            .iter()
            .map(|&(name, to)| Param {
                name: builder.string(name.as_bytes()),
                type_id: if to { pointer } else { int },
            })
            .collect();
        list.extend(variadic.then_some(Param::default()));
        let proto = builder.function_proto(int, &list).unwrap();
        let name = builder.string(b"f");
        builder.function(name, proto, Linkage::Global);
        finish(builder)
    };
    let whats = |a: &Btf<'_>, b: &Btf<'_>| -> Vec<What> {
        let diff = compare(a, b).unwrap();
        assert!(diff.all().all(|each| each.subject == Subject::Function));
        diff.all().flat_map(|each| each.changes.iter().map(|change| change.what.clone())).collect()
    };
    let plain = function(&[("a", false), ("b", true)], false);
    assert_eq!(
        whats(&plain, &function(&[("a", false), ("b", true)], true)),
        [What::ParameterAdded { index: 2, declaration: "...".into() }]
    );
    let renamed = |before: &str, after: &str| What::ParameterRenamed {
        index: 1,
        before: before.into(),
        after: after.into(),
    };
    assert_eq!(whats(&plain, &function(&[("a", false), ("", true)], false)), [renamed("b", "")]);
    assert_eq!(
        whats(&plain, &function(&[("a", false), ("", false)], false)),
        [
            renamed("b", ""),
            What::ParameterRetyped {
                index: 1,
                before: "int *b".into(),
                after: "int".into(),
                spelling: false
            }
        ]
    );
}
