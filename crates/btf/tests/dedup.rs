//! Deduplication of small graphs made by hand, each for one rule, and of large ones that must not take long.

use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, IntEncoding, Kind, Linkage, Member, Param,
    SectionEntry, StringOffset, TypeId, dedup, merge::merge,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A few words for each kind of type, so that a graph reads as one.
struct Unit<'a>(Builder<'a>);

impl<'a> Unit<'a> {
    fn new() -> Self {
        Self(Builder::new(ByteOrder::Little))
    }

    fn on(base: &Arc<Btf<'a>>) -> Self {
        Self(Builder::split(base.clone()))
    }

    fn name(&mut self, name: &str) -> StringOffset {
        self.0.string(name.as_bytes())
    }

    fn int(&mut self, name: &str) -> TypeId {
        let name = self.name(name);
        self.0.int(name, 4, IntEncoding::signed(32))
    }

    fn pointer(&mut self, target: TypeId) -> TypeId {
        self.0.pointer(target)
    }

    fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        let name = self.name(name);
        self.0.typedef(name, target)
    }

    fn constant(&mut self, target: TypeId) -> TypeId {
        self.0.modifier(Kind::Const, target).unwrap()
    }

    fn array(&mut self, element: TypeId, index: TypeId, count: u32) -> TypeId {
        self.0.array(Array { element, index, count })
    }

    fn aggregate(&mut self, kind: Kind, name: &str, members: &[TypeId]) -> TypeId {
        let field = self.name("f");
        let members: Vec<Member> = members
            .iter()
            .enumerate()
            .map(|(at, &type_id)| {
                let bit_offset = if kind == Kind::Union { 0 } else { at as u32 * 64 };
                Member { name: field, type_id, bit_offset, bitfield_size: 0 }
            })
            .collect();
        let name = self.name(name);
        self.0.aggregate(kind, name, members.len() as u32 * 8, &members).unwrap()
    }

    fn structure(&mut self, name: &str, members: &[TypeId]) -> TypeId {
        self.aggregate(Kind::Struct, name, members)
    }

    fn forward(&mut self, name: &str) -> TypeId {
        let name = self.name(name);
        self.0.forward(name, false)
    }

    fn enumeration(&mut self, name: &str, values: &[&str]) -> TypeId {
        let values: Vec<Enumerator> = values
            .iter()
            .enumerate()
            .map(|(value, name)| Enumerator { name: self.name(name), value: value as i128 })
            .collect();
        let name = self.name(name);
        self.0.enumeration(name, 4, false, &values).unwrap()
    }

    fn proto(&mut self, returns: TypeId, params: &[TypeId]) -> TypeId {
        let name = self.name("arg");
        let params: Vec<Param> = params.iter().map(|&type_id| Param { name, type_id }).collect();
        self.0.function_proto(returns, &params).unwrap()
    }

    fn function(&mut self, name: &str, proto: TypeId) -> TypeId {
        let name = self.name(name);
        self.0.function(name, proto, Linkage::Static)
    }

    fn tag(&mut self, value: &str, target: TypeId) -> TypeId {
        let value = self.name(value);
        self.0.decl_tag(value, target, -1)
    }

    fn next(&self) -> TypeId {
        self.0.next_id()
    }

    fn finish(self) -> Btf<'a> {
        Btf::parse(self.0.finish().unwrap()).unwrap()
    }

    fn finish_on(self, base: &Arc<Btf<'a>>) -> Btf<'a> {
        Btf::parse_split(self.0.finish().unwrap(), base.clone()).unwrap()
    }
}

/// Deduplicates, and checks what holds for every result.
fn deduplicate<'a>(btf: &Btf<'a>) -> (dedup::Deduplication, Btf<'a>) {
    let found = dedup::deduplicate(btf).unwrap();
    let rewritten = found.rewrite(btf).unwrap();
    let bytes = rewritten.builder.finish().unwrap();
    let once = match btf.base() {
        Some(base) => Btf::parse_split(bytes, base.clone()).unwrap(),
        None => Btf::parse(bytes).unwrap(),
    };
    assert_eq!(found.report.types_in, btf.type_count());
    assert_eq!(found.report.types_out, once.type_count());
    assert_eq!(dedup::deduplicate(&once).unwrap().report.types_out, once.type_count(), "not done in one go");
    for (old, &new) in btf.types().zip(&rewritten.ids) {
        let new = once.get(new).unwrap();
        assert!(new.name() == old.name() || old.kind() == Kind::Fwd, "{old:?} became {new:?}");
    }
    (found, once)
}

fn count(btf: &Btf<'_>, kind: Kind) -> usize {
    btf.types().filter(|ty| ty.kind() == kind).count()
}

#[test]
fn structures_that_point_at_each_other_merge_with_their_copies() {
    let mut unit = Unit::new();
    for _ in 0..3 {
        let first = unit.next();
        let to_second = TypeId(first.0 + 2);
        unit.structure("a", &[to_second]);
        unit.structure("b", &[TypeId(first.0 + 3)]);
        unit.pointer(TypeId(first.0 + 1));
        unit.pointer(first);
    }
    let (_, once) = deduplicate(&unit.finish());
    assert_eq!(once.type_count(), 4);
}

#[test]
fn arrays_of_different_elements_keep_their_structures_apart() {
    // libbpf compares the elements of an array with themselves since 2025, and makes these two one.
    let mut unit = Unit::new();
    let int = unit.int("int");
    let unsigned = unit.int("unsigned");
    let arrays = [int, int, int, unsigned].map(|element| unit.array(element, int, 4));
    let both_int = unit.structure("s", &arrays[..2]);
    let mixed = unit.structure("s", &arrays[2..]);
    let btf = unit.finish();
    let (found, once) = deduplicate(&btf);
    assert_ne!(found.representative(both_int), found.representative(mixed));
    assert_eq!((count(&once, Kind::Array), count(&once, Kind::Struct)), (2, 2));
    assert_eq!(found.report.ambiguous.len(), 1);
}

#[test]
fn types_that_a_compiler_emits_twice_in_one_unit_merge_with_single_ones() {
    // In one unit the members share array and structure, in the other each has its own, nested three deep.
    let mut unit = Unit::new();
    let int = unit.int("int");
    let shared = unit.array(int, int, 4);
    let inner = unit.structure("", &[shared, shared]);
    let pointer = unit.pointer(inner);
    let one = unit.structure("outer", &[inner, inner, pointer, pointer]);
    let other_int = unit.int("int");
    let mut inners = Vec::new();
    for _ in 0..4 {
        let arrays = [other_int, other_int].map(|element| unit.array(element, int, 4));
        inners.push(unit.structure("", &arrays));
    }
    let pointers = [inners[2], inners[3]].map(|inner| unit.pointer(inner));
    let other = unit.structure("outer", &[inners[0], inners[1], pointers[0], pointers[1]]);
    let (found, once) = deduplicate(&unit.finish());
    assert_eq!(found.representative(one), found.representative(other));
    assert_eq!(once.type_count(), 5);
}

#[test]
fn a_name_with_two_meanings_stays_two_and_so_does_all_that_leads_to_it() {
    let mut unit = Unit::new();
    for meaning in ["int", "long"].repeat(3) {
        let member = unit.int(meaning);
        let class = unit.structure("sched_class", &[member]);
        let pointer = unit.pointer(class);
        let task = unit.structure("task_struct", &[pointer]);
        let to_task = unit.pointer(task);
        unit.structure("file", &[to_task]);
        let void = unit.pointer(TypeId::VOID);
        unit.structure("unrelated", &[void]);
    }
    let btf = unit.finish();
    let (found, once) = deduplicate(&btf);
    assert_eq!(once.type_count(), 2 + 2 * 5 + 2);
    let names: Vec<_> = found.report.ambiguous.iter().map(|each| btf.str(each.name).unwrap()).collect();
    assert_eq!(names, ["file", "sched_class", "task_struct"]);
    assert!(found.report.ambiguous.iter().all(|each| each.kind == Kind::Struct && each.variants.len() == 2));
}

#[test]
fn a_forward_declaration_is_the_structure_and_not_the_union_of_its_name() {
    let mut unit = Unit::new();
    let int = unit.int("int");
    let structure = unit.structure("foo", &[int]);
    let union = unit.aggregate(Kind::Union, "foo", &[int]);
    let forward = unit.forward("foo");
    let name = unit.name("foo");
    let forward_union = unit.0.forward(name, true);
    let (found, once) = deduplicate(&unit.finish());
    assert_eq!(found.representative(forward), structure);
    assert_eq!(found.representative(forward_union), union);
    assert_eq!(count(&once, Kind::Fwd), 0);
    assert_eq!((found.report.forwards_resolved, found.report.forwards_left), (2, 0));
}

#[test]
fn an_empty_structure_is_a_definition() {
    let mut unit = Unit::new();
    let empty = unit.structure("foo", &[]);
    let int = unit.int("int");
    let full = unit.structure("foo", &[int]);
    let (found, _) = deduplicate(&unit.finish());
    assert_ne!(found.representative(empty), found.representative(full));
}

#[test]
fn an_enumeration_without_enumerators_is_the_full_one_in_any_order() {
    for forward_first in [false, true] {
        let mut unit = Unit::new();
        if forward_first {
            unit.enumeration("e", &[]);
        }
        let full = unit.enumeration("e", &["A", "B"]);
        let forward = unit.enumeration("e", &[]);
        let (found, once) = deduplicate(&unit.finish());
        assert_eq!(found.representative(forward), full);
        assert_eq!(once.type_count(), 1);
        assert_eq!(once.types().next().unwrap().vlen(), 2);
    }
    // With two full ones nothing tells which is meant. libbpf takes the last.
    let mut unit = Unit::new();
    let one = unit.enumeration("e", &["A", "B"]);
    let forward = unit.enumeration("e", &[]);
    let other = unit.enumeration("e", &["C"]);
    let (found, once) = deduplicate(&unit.finish());
    assert_eq!([one, forward, other].map(|id| found.representative(id)), [one, forward, other]);
    assert_eq!((once.type_count(), found.report.forwards_left), (3, 1));
}

#[test]
fn an_enumeration_of_64_bits_resolves_a_forward_declaration_too() {
    let mut unit = Unit::new();
    let forward = unit.enumeration("e", &[]);
    let (name, value) = (unit.name("e"), unit.name("A"));
    let full = unit.0.enumeration64(name, 8, false, &[Enumerator { name: value, value: 1 << 40 }]).unwrap();
    let (found, _) = deduplicate(&unit.finish());
    assert_eq!(found.representative(forward), full);
}

/// `struct X { struct foo *f; }`, with this `foo`.
fn holder(unit: &mut Unit<'_>, name: &str, target: TypeId) -> TypeId {
    let pointer = unit.pointer(target);
    unit.structure(name, &[pointer])
}

/// `struct foo` with a member of this type.
fn foo(unit: &mut Unit<'_>, meaning: &str) -> TypeId {
    let member = unit.int(meaning);
    unit.structure("foo", &[member])
}

#[test]
fn a_forward_declaration_of_an_ambiguous_name_goes_with_its_neighbours() {
    let mut unit = Unit::new();
    let a = foo(&mut unit, "int");
    let b = foo(&mut unit, "long");
    let forward = unit.forward("foo");
    // Only one meaning of `foo` was seen in `only_b`, both in `both`, none in `none`.
    let only_b = [forward, b].map(|target| holder(&mut unit, "only_b", target));
    let both = [forward, a, a, b].map(|target| holder(&mut unit, "both", target));
    let more_a = foo(&mut unit, "int");
    let both_more = holder(&mut unit, "both", more_a);
    let none = holder(&mut unit, "none", forward);
    let (found, once) = deduplicate(&unit.finish());
    let same = |x, y| found.representative(x) == found.representative(y);
    assert!(same(only_b[0], only_b[1]));
    assert_eq!(found.representative(only_b[0]), only_b[1], "the one with the definition stands for both");
    assert!(same(both[0], both[1]) && same(both[0], both_more) && !same(both[0], both[3]));
    assert!(!same(a, b) && !same(forward, a) && !same(forward, b), "nothing merges through a declaration");
    assert_eq!(found.representative(none), none);
    assert_eq!(count(&once, Kind::Fwd), 1);
    assert_eq!(found.report.forwards_left, 1);
    assert!(found.report.ambiguous.iter().any(|each| each.variants.len() == 2));
}

#[test]
fn what_was_merged_by_its_neighbours_is_one_for_its_users() {
    // `task` is seen with both meanings of `foo` and with a declaration; `file` leads to all three, `inode` to a
    // declaration of `task`. Nothing multiplies: there are two of each in the end.
    let mut unit = Unit::new();
    let a = foo(&mut unit, "int");
    let b = foo(&mut unit, "long");
    let forward = unit.forward("foo");
    let mut files = Vec::new();
    for target in [a, a, b, forward] {
        let task = holder(&mut unit, "task", target);
        files.push(holder(&mut unit, "file", task));
    }
    let forward_task = unit.forward("task");
    files.push(holder(&mut unit, "file", forward_task));
    let (found, once) = deduplicate(&unit.finish());
    let files: Vec<_> = files.into_iter().map(|id| found.representative(id)).collect();
    assert!(files[0] == files[1] && files[0] == files[3] && files[0] == files[4] && files[0] != files[2]);
    assert_eq!(count(&once, Kind::Struct), 6);
}

#[test]
fn one_declaration_has_one_meaning_throughout_a_type() {
    let mut unit = Unit::new();
    let a = foo(&mut unit, "int");
    let b = foo(&mut unit, "long");
    let forward = unit.forward("foo");
    let pointers = [a, b, forward].map(|target| unit.pointer(target));
    let mixed = unit.structure("pair", &[pointers[0], pointers[1]]);
    let open = unit.structure("pair", &[pointers[2], pointers[2]]);
    let (found, _) = deduplicate(&unit.finish());
    assert_ne!(found.representative(mixed), found.representative(open));
}

#[test]
fn functions_merge_by_name_and_prototype_also_past_a_declaration() {
    let mut unit = Unit::new();
    let a = foo(&mut unit, "int");
    foo(&mut unit, "long");
    let forward = unit.forward("foo");
    let functions = [a, a, forward].map(|target| {
        let pointer = unit.pointer(target);
        let proto = unit.proto(TypeId::VOID, &[pointer]);
        unit.function("f", proto)
    });
    let (found, _) = deduplicate(&unit.finish());
    assert!(functions.iter().all(|&function| found.representative(function) == functions[0]));
}

#[test]
fn tags_of_merged_types_become_a_set_and_never_keep_types_apart() {
    let mut unit = Unit::new();
    for tags in [&["x", "y"][..], &["y", "z", "z"], &[]] {
        let int = unit.int("int");
        let tagged = unit.structure("s", &[int]);
        for tag in tags {
            unit.tag(tag, tagged);
        }
    }
    let (_, once) = deduplicate(&unit.finish());
    let mut tags: Vec<_> =
        once.types().filter(|ty| ty.kind() == Kind::DeclTag).map(btfkit_btf::Type::name_str).collect();
    tags.sort();
    assert_eq!((count(&once, Kind::Struct), &tags[..]), (1, &["x".into(), "y".into(), "z".into()][..]));
}

#[test]
fn variables_and_sections_are_kept_and_functions_merge() {
    let mut unit = Unit::new();
    for _ in 0..2 {
        let int = unit.int("int");
        let name = unit.name("x");
        let variable = unit.0.variable(name, int, Linkage::Static);
        let section = unit.name(".data");
        unit.0.data_section(section, 4, &[SectionEntry { variable, offset: 0, size: 4 }]).unwrap();
        let proto = unit.proto(int, &[int]);
        unit.function("f", proto);
    }
    let (_, once) = deduplicate(&unit.finish());
    let counts =
        [Kind::Int, Kind::Var, Kind::DataSec, Kind::Func, Kind::FuncProto].map(|kind| count(&once, kind));
    assert_eq!(counts, [1, 2, 2, 1, 1]);
    let entries: Vec<_> =
        once.types().flat_map(btfkit_btf::Type::section_entries).map(|entry| entry.variable).collect();
    assert!(entries[0] != entries[1]);
}

#[test]
fn recursive_typedefs_merge_with_their_copies_and_unrolled_ones() {
    // `type F func() F` in Go, twice, and once with the first round written out.
    let mut unit = Unit::new();
    let mut typedefs = Vec::new();
    for _ in 0..2 {
        let first = unit.next();
        typedefs.push(unit.typedef("F", TypeId(first.0 + 1)));
        let proto = unit.proto(first, &[]);
        assert_eq!(proto, TypeId(first.0 + 1));
    }
    let proto = unit.proto(typedefs[0], &[]);
    typedefs.push(unit.typedef("F", proto));
    let other = unit.next();
    unit.typedef("G", TypeId(other.0 + 1));
    unit.proto(other, &[]);
    let (found, once) = deduplicate(&unit.finish());
    assert!(typedefs.iter().all(|&id| found.representative(id) == typedefs[0]));
    assert_eq!(once.type_count(), 4);
}

#[test]
fn cycles_that_no_language_makes_end() {
    let mut unit = Unit::new();
    for _ in 0..2 {
        // typedef of itself; const and typedef of each other; pointers to each other; an array of itself.
        let first = unit.next().0;
        unit.typedef("self", TypeId(first));
        unit.typedef("T", TypeId(first + 2));
        unit.constant(TypeId(first + 1));
        unit.pointer(TypeId(first + 4));
        unit.pointer(TypeId(first + 3));
        unit.array(TypeId(first + 5), TypeId(first + 5), 1);
        unit.structure("", &[TypeId(first + 6), TypeId(first + 3)]);
    }
    let (_, once) = deduplicate(&unit.finish());
    // The pointers to each other are one pointer to itself.
    assert_eq!(once.type_count(), 6);
}

#[test]
fn identical_types_nested_deeper_than_any_limit_merge() {
    let mut unit = Unit::new();
    let mut tops = Vec::new();
    for _ in 0..2 {
        let mut at = unit.int("int");
        for depth in 0..500 {
            at = if depth % 2 == 0 { unit.pointer(at) } else { unit.structure("", &[at, at]) };
        }
        tops.push(unit.structure("top", &[at]));
    }
    let (found, once) = deduplicate(&unit.finish());
    assert_eq!(found.representative(tops[1]), tops[0]);
    assert_eq!(once.type_count(), 502);
}

#[test]
fn strings_that_stand_twice_are_one() {
    let mut unit = Unit::new();
    let one = unit.int("int");
    let two = unit.int("INT");
    let mut bytes = unit.0.finish().unwrap();
    let at = bytes.len() - 4;
    assert_eq!(&bytes[at..], b"INT\0");
    bytes[at..].copy_from_slice(b"int\0");
    let (found, once) = deduplicate(&Btf::parse(bytes).unwrap());
    assert_eq!(found.representative(two), one);
    assert_eq!(once.type_count(), 1);
}

#[test]
fn both_byte_orders_give_the_same() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut unit = Unit(Builder::new(order));
        for _ in 0..2 {
            let int = unit.int("int");
            let pointer = unit.pointer(int);
            unit.structure("s", &[pointer, int]);
        }
        let (_, once) = deduplicate(&unit.finish());
        assert_eq!((once.type_count(), once.byte_order()), (3, order));
    }
}

#[test]
fn references_and_names_that_lead_nowhere_are_errors() {
    let mut unit = Unit::new();
    unit.pointer(TypeId(7));
    let error = dedup::deduplicate(&unit.finish()).unwrap_err();
    assert_eq!(error, Error::NoSuchType(TypeId(7)));
    let mut unit = Unit::new();
    unit.0.typedef(StringOffset(99), TypeId::VOID);
    let error = dedup::deduplicate(&unit.finish()).unwrap_err();
    assert_eq!(error, Error::NoSuchString(StringOffset(99)));
    let mut unit = Unit::new();
    let name = unit.name("x");
    unit.0.variable(name, TypeId(9), Linkage::Static);
    assert!(dedup::deduplicate(&unit.finish()).is_err());
}

#[test]
fn types_that_the_base_has_are_the_bases() {
    let mut unit = Unit::new();
    let int = unit.int("int");
    let base_struct = unit.structure("s", &[int]);
    let base_proto = unit.proto(int, &[]);
    unit.function("init", base_proto);
    let base = Arc::new(unit.finish());
    let mut unit = Unit::on(&base);
    let int = unit.int("int");
    let again = unit.structure("s", &[int]);
    let pointer = unit.pointer(again);
    let new = unit.structure("t", &[pointer]);
    let proto = unit.proto(int, &[]);
    let function = unit.function("init", proto);
    let forward = unit.forward("s");
    let (found, once) = deduplicate(&unit.finish_on(&base));
    assert_eq!(found.representative(again), base_struct);
    assert_eq!(found.representative(forward), base_struct);
    assert_eq!(found.representative(proto), base_proto);
    assert_eq!([pointer, new, function].map(|id| found.representative(id)), [pointer, new, function]);
    assert_eq!(once.type_count(), 3);
    assert_eq!(once.find(b"t", Kind::Struct).unwrap().id(), TypeId(base.next_id().0 + 1));
}

#[test]
fn a_base_that_only_declares_what_is_defined_here_stands_for_its_structures_but_not_for_pointers() {
    let mut unit = Unit::new();
    let forward = unit.forward("wireless");
    let pointer = unit.pointer(forward);
    let base_device = unit.structure("device", &[pointer]);
    let base = Arc::new(unit.finish());
    let mut unit = Unit::on(&base);
    let int = unit.int("int");
    let wireless = unit.structure("wireless", &[int]);
    let own_pointer = unit.pointer(wireless);
    let device = unit.structure("device", &[own_pointer]);
    let to_device = unit.pointer(device);
    let proto = unit.proto(TypeId::VOID, &[own_pointer, to_device]);
    let (found, once) = deduplicate(&unit.finish_on(&base));
    assert_eq!(found.representative(device), base_device);
    assert_eq!(
        [wireless, own_pointer, proto].map(|id| found.representative(id)),
        [wireless, own_pointer, proto]
    );
    let params: Vec<_> = once.types().find(|ty| ty.kind() == Kind::FuncProto).unwrap().params().collect();
    let target =
        |param: usize| once.get(once.get(params[param].type_id).unwrap().type_id().unwrap()).unwrap();
    assert_eq!((target(0).kind(), target(0).name()), (Kind::Struct, &b"wireless"[..]));
    assert_eq!(target(1).id(), base_device);
}

#[test]
fn names_that_are_ambiguous_in_the_base_are_told_apart() {
    let mut unit = Unit::new();
    let a = foo(&mut unit, "int");
    let b = foo(&mut unit, "long");
    let holders = [a, b].map(|target| holder(&mut unit, "holder", target));
    let base = Arc::new(unit.finish());
    let mut unit = Unit::on(&base);
    let own_b = foo(&mut unit, "long");
    let own_c = foo(&mut unit, "char");
    let own_holders = [own_b, own_c].map(|target| holder(&mut unit, "holder", target));
    let (found, _) = deduplicate(&unit.finish_on(&base));
    assert_eq!(found.representative(own_b), b);
    assert_eq!(found.representative(own_c), own_c);
    assert_eq!(found.representative(own_holders[0]), holders[1]);
    assert_eq!(found.representative(own_holders[1]), own_holders[1]);
    assert_eq!(found.report.ambiguous.iter().map(|each| each.variants.len()).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn merging_shifts_ids_and_shares_strings() {
    let units: Vec<Btf<'_>> = ["a", "b"]
        .iter()
        .map(|name| {
            let mut unit = Unit::new();
            let int = unit.int("int");
            unit.structure(name, &[int]);
            unit.finish()
        })
        .collect();
    let all = merge(&[&units[0], &units[1]], false, |_, _| Vec::new()).unwrap();
    assert_eq!(all.first_ids, [TypeId(1), TypeId(3)]);
    let all = Btf::parse(all.builder.finish().unwrap()).unwrap();
    assert_eq!(all.find(b"b", Kind::Struct).unwrap().members().next().unwrap().type_id, TypeId(3));
    let (_, once) = deduplicate(&all);
    assert_eq!(once.type_count(), 3);
}

/// Nothing that is large in one way may take more than a few times what is large in an ordinary way. Generous, as tests
/// run unoptimised and beside each other; what is quadratic takes hours.
fn in_time<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    result
}

const MANY: u32 = 1_000_000;

#[test]
fn a_million_enumerations_without_a_name_take_linear_time() {
    let mut unit = Unit::new();
    let value = unit.name("A");
    for number in 0..MANY {
        let values = [Enumerator { name: value, value: i128::from(number % (MANY / 2)) }];
        unit.0.enumeration(StringOffset::EMPTY, 4, false, &values).unwrap();
    }
    let btf = unit.finish();
    let found = in_time(|| dedup::deduplicate(&btf).unwrap());
    assert_eq!(found.report.types_out, MANY / 2);
}

#[test]
fn a_million_enumerations_of_one_name_take_linear_time() {
    let mut unit = Unit::new();
    let (name, value) = (unit.name("e"), unit.name("A"));
    for number in 0..MANY {
        unit.0.enumeration(name, 4, false, &[Enumerator { name: value, value: i128::from(number) }]).unwrap();
    }
    let btf = unit.finish();
    let found = in_time(|| dedup::deduplicate(&btf).unwrap());
    assert_eq!(found.report.types_out, MANY);
    assert_eq!(found.report.ambiguous[0].variants.len(), MANY as usize);
}

#[test]
fn a_chain_of_a_million_pointers_is_followed_without_recursion() {
    for target_last in [false, true] {
        let mut unit = Unit::new();
        if !target_last {
            unit.int("int");
        }
        for at in 0..MANY {
            unit.pointer(TypeId(if target_last { at + 2 } else { at + 1 }));
        }
        if target_last {
            unit.int("int");
        }
        let btf = unit.finish();
        let found = in_time(|| dedup::deduplicate(&btf).unwrap());
        assert_eq!(found.report.types_out, MANY + 1);
    }
}

#[test]
fn a_chain_of_pointers_into_a_cycle_takes_linear_time() {
    let mut unit = Unit::new();
    unit.typedef("T", TypeId(2));
    unit.constant(TypeId(1));
    for at in 0..MANY {
        unit.pointer(TypeId(at + 2));
    }
    let btf = unit.finish();
    let found = in_time(|| dedup::deduplicate(&btf).unwrap());
    assert_eq!(found.report.types_out, MANY + 2);
}

#[test]
fn a_chain_of_structures_of_one_name_takes_linear_time() {
    // struct s { struct s *next; }, each pointing at another one, told apart only by the distance from the end.
    let mut unit = Unit::new();
    let count = MANY / 4;
    unit.structure("s", &[]);
    for at in 0..count {
        let pointer = unit.pointer(TypeId(2 * at + 1));
        unit.structure("s", &[pointer]);
    }
    let btf = unit.finish();
    let found = in_time(|| dedup::deduplicate(&btf).unwrap());
    assert_eq!(found.report.types_out, 2 * count + 1);
    // The same with a forward declaration beside every link, so that each asks which one it is.
    let mut unit = Unit::new();
    unit.structure("s", &[]);
    let forward = unit.forward("s");
    let to_forward = unit.pointer(forward);
    let mut last = TypeId(1);
    for _ in 0..count / 4 {
        let pointer = unit.pointer(last);
        last = unit.structure("s", &[pointer]);
        unit.structure("s", &[to_forward]);
    }
    let btf = unit.finish();
    in_time(|| dedup::deduplicate(&btf).unwrap());
}
