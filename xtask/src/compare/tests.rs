//! Small BTFs, built by hand, compared.

use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, IntEncoding, Kind, Linkage, Member, Param, SectionEntry,
    TypeId,
};

use super::census::{Census, Class, Options};
use super::difference::{Differences, Side, changed_lines};
use super::text::Renderer;

const WITH_LINKAGE: Options = Options { function_linkage: true };

fn builder() -> (Builder<'static>, TypeId) {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let name = builder.string(b"int");
    let int = builder.int(name, 4, IntEncoding::signed(32));
    (builder, int)
}

fn finish(builder: Builder<'static>) -> Btf<'static> {
    Btf::parse(builder.finish().unwrap()).unwrap()
}

fn member(builder: &mut Builder<'_>, name: &str, type_id: TypeId, bit_offset: u32) -> Member {
    Member { name: builder.string(name.as_bytes()), type_id, bit_offset, bitfield_size: 0 }
}

fn aggregate(builder: &mut Builder<'_>, name: &str, size: u32, members: &[(&str, TypeId, u32)]) -> TypeId {
    let members: Vec<Member> =
        members.iter().map(|(name, id, offset)| member(builder, name, *id, *offset)).collect();
    let name = builder.string(name.as_bytes());
    builder.aggregate(Kind::Struct, name, size, &members).unwrap()
}

fn function(builder: &mut Builder<'_>, name: &str, params: &[(&str, TypeId)], linkage: Linkage) -> TypeId {
    let param =
        |(name, type_id): &(&str, TypeId)| Param { name: builder.string(name.as_bytes()), type_id: *type_id };
    let params: Vec<Param> = params.iter().map(param).collect();
    let proto = builder.function_proto(TypeId::VOID, &params).unwrap();
    let name = builder.string(name.as_bytes());
    builder.function(name, proto, linkage)
}

fn data_section(builder: &mut Builder<'_>, variables: &[(&str, TypeId, u32)]) {
    let mut entries = Vec::new();
    for (name, type_id, offset) in variables {
        let name = builder.string(name.as_bytes());
        let variable = builder.variable(name, *type_id, Linkage::Static);
        entries.push(SectionEntry { variable, offset: *offset, size: 4 });
    }
    let name = builder.string(b".data");
    builder.data_section(name, 64, &entries).unwrap();
}

fn differences(a: &Btf<'_>, b: &Btf<'_>) -> Vec<(Class, Side, String)> {
    let (a, b) = (Census::of(a, WITH_LINKAGE), Census::of(b, WITH_LINKAGE));
    let all = Differences::between(&a, &b).all;
    all.into_iter().map(|difference| (difference.class, difference.side, difference.name)).collect()
}

#[test]
fn order_and_type_ids_make_no_difference() {
    let (mut a, int) = builder();
    let pointer = a.pointer(int);
    aggregate(&mut a, "first", 8, &[("p", pointer, 0)]);
    function(&mut a, "run", &[("p", pointer)], Linkage::Static);

    let mut b = Builder::new(ByteOrder::NATIVE);
    function(&mut b, "run", &[("p", TypeId(5))], Linkage::Static);
    let name = b.string(b"int");
    let int = b.int(name, 4, IntEncoding::signed(32));
    assert_eq!(b.pointer(int), TypeId(4));
    b.pointer(int);
    aggregate(&mut b, "first", 8, &[("p", TypeId(4), 0)]);

    let (a, b) = (finish(a), finish(b));
    assert_eq!(differences(&a, &b), []);
    // The second `int *` means nothing new, but is there twice.
    assert_eq!(Census::of(&a, WITH_LINKAGE).duplicates(Class::Derived), 0);
    assert_eq!(Census::of(&b, WITH_LINKAGE).duplicates(Class::Derived), 1);
}

#[test]
fn a_type_reads_from_left_to_right() {
    let (mut builder, int) = builder();
    let array = |element, count| Array { element, index: int, count };
    let pointer = builder.pointer(int);
    let pointers = builder.array(array(pointer, 4));
    let ints = builder.array(array(int, 4));
    let pointer_to_array = builder.pointer(ints);
    let matrix = builder.array(array(ints, 3));
    let constant = builder.modifier(Kind::Const, pointer).unwrap();
    let tag = builder.string(b"rcu");
    let tagged = builder.type_tag(tag, int);
    let tagged = builder.pointer(tagged);
    let name = builder.string(b"a");
    let params = [Param { name, type_id: constant }, Param::default()];
    let proto = builder.function_proto(TypeId::VOID, &params).unwrap();
    let callback = builder.pointer(proto);
    let anonymous = aggregate(&mut builder, "", 4, &[("x", int, 0)]);
    let named = aggregate(&mut builder, "point", 4, &[("x", int, 0)]);
    let typedef_name = builder.string(b"int");
    let typedef = builder.typedef(typedef_name, int);

    let btf = finish(builder);
    let renderer = Renderer::new(&btf);
    assert_eq!(renderer.reference(TypeId::VOID), "void");
    assert_eq!(renderer.reference(pointers), "int *[4]");
    assert_eq!(renderer.reference(pointer_to_array), "int[4] *");
    assert_eq!(renderer.reference(matrix), "int[3][4]");
    assert_eq!(renderer.reference(constant), "int * const");
    assert_eq!(renderer.reference(tagged), "int tag(\"rcu\") *");
    assert_eq!(renderer.reference(callback), "void(int * const a, ...) *");
    assert_eq!(renderer.reference(anonymous), "struct { size 4; 0 int x; }");
    assert_eq!(renderer.reference(named), "struct point");
    assert_eq!(renderer.reference(typedef), "typedef int");
    assert_eq!(renderer.reference(TypeId(999)), "<no type [999]>");
}

#[test]
fn the_body_of_a_type_shows_sizes_bit_offsets_and_values() {
    let (mut builder, int) = builder();
    let mut bits = member(&mut builder, "bits", int, 32);
    bits.bitfield_size = 3;
    let whole = member(&mut builder, "whole", int, 0);
    let name = builder.string(b"flags");
    let flags = builder.aggregate(Kind::Struct, name, 8, &[whole, bits]).unwrap();
    let name = builder.string(b"LOW");
    let color = builder.string(b"color");
    let low = Enumerator { name, value: -1 };
    let color = builder.enumeration(color, 4, true, &[low]).unwrap();
    let btf = finish(builder);
    let body = |id| Renderer::new(&btf).body(btf.get(id).unwrap());
    assert_eq!(body(flags), "size 8;\n0 int whole;\n32:3 int bits;");
    assert_eq!(body(color), "size 4;\nsigned;\nLOW = -1;");
}

#[test]
fn a_parameter_name_or_linkage_is_a_difference_of_its_function() {
    let make = |name, linkage| {
        let (mut builder, int) = builder();
        function(&mut builder, "run", &[(name, int)], linkage);
        finish(builder)
    };
    let (a, b, global) = (make("a", Linkage::Static), make("b", Linkage::Static), make("a", Linkage::Global));
    let expected = [(Class::Function, Side::Different, "run".to_owned())];
    assert_eq!(differences(&a, &b), expected);
    assert_eq!(differences(&a, &global), expected);
    let without = |btf: &Btf<'_>| Census::of(btf, Options { function_linkage: false });
    assert!(Differences::between(&without(&a), &without(&global)).all.is_empty());
}

#[test]
fn a_variable_is_compared_with_its_place() {
    let make = |variables: &[(&str, TypeId, u32)]| {
        let (mut builder, _) = builder();
        data_section(&mut builder, variables);
        finish(builder)
    };
    let int = TypeId(1);
    let a = make(&[("here", int, 0), ("gone", int, 8), ("moved", int, 16)]);
    let b = make(&[("here", int, 0), ("moved", int, 24), ("new", int, 32)]);
    let variable = |side, name: &str| (Class::Variable, side, name.to_owned());
    let expected =
        [variable(Side::OnlyA, "gone"), variable(Side::Different, "moved"), variable(Side::OnlyB, "new")];
    assert_eq!(differences(&a, &b), expected);
}

#[test]
fn meanings_of_one_name_are_compared_as_a_set() {
    let (mut a, int) = builder();
    aggregate(&mut a, "twice", 4, &[("x", int, 0)]);
    aggregate(&mut a, "twice", 4, &[("y", int, 0)]);
    aggregate(&mut a, "twice", 4, &[("y", int, 0)]);
    let (mut b, int) = builder();
    aggregate(&mut b, "twice", 4, &[("y", int, 0)]);
    let (a, b) = (finish(a), finish(b));
    assert_eq!(differences(&a, &b), [(Class::Struct, Side::OnlyA, "twice".to_owned())]);
    let census = Census::of(&a, WITH_LINKAGE);
    assert_eq!((census.count(Class::Struct), census.duplicates(Class::Struct)), (2, 1));
    assert_eq!(census.ambiguous(Class::Struct), 1);
}

#[test]
fn a_forward_declaration_is_not_the_type_it_declares() {
    let (mut a, _) = builder();
    let name = a.string(b"opaque");
    a.forward(name, true);
    let (mut b, _) = builder();
    aggregate(&mut b, "opaque", 0, &[]);
    let expected = [
        (Class::Struct, Side::OnlyB, "opaque".to_owned()),
        (Class::Forward, Side::OnlyA, "opaque".to_owned()),
    ];
    assert_eq!(differences(&finish(a), &finish(b)), expected);
}

#[test]
fn a_declaration_tag_is_named_after_what_it_is_on() {
    let (mut builder, int) = builder();
    let run = function(&mut builder, "run", &[("a", int), ("b", int)], Linkage::Static);
    let point = aggregate(&mut builder, "point", 4, &[("x", int, 0)]);
    let value = builder.string(b"user");
    builder.decl_tag(value, run, -1);
    builder.decl_tag(value, run, 1);
    builder.decl_tag(value, point, 0);
    let census = Census::of(&finish(builder), WITH_LINKAGE);
    let names: Vec<&String> = census.classes[&Class::DeclTag].keys().collect();
    assert_eq!(names, ["function run", "function run(1)", "struct point.x"]);
}

#[test]
fn only_the_changed_lines_of_two_texts_are_shown() {
    assert_eq!(
        changed_lines("size 8;\n0 int x;", "size 8;\n0 long x;"),
        (vec!["0 int x;"], vec!["0 long x;"])
    );
}
