//! A split BTF leaves its base, and is at home on another.

use std::sync::Arc;

use btfkit_btf::check::{self, Profile};
use btfkit_btf::distill::{Distilled, distill, distill_with};
use btfkit_btf::relocate::relocate;
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, IntEncoding, Kind, Linkage, Member, Param, Type,
    TypeId,
};

/// What differs between kernels.
#[derive(Clone, Copy)]
struct Kernel {
    order: ByteOrder,
    /// Types that come before all others: ids differ between kernels.
    before: u32,
    list_size: u32,
    file_size: u32,
    int_bits: u8,
    wide_enum: bool,
}

const KERNEL: Kernel = Kernel {
    order: ByteOrder::Little,
    before: 0,
    list_size: 16,
    file_size: 200,
    int_bits: 32,
    wide_enum: false,
};

fn base(kernel: Kernel) -> Arc<Btf<'static>> {
    Arc::new(Btf::parse(base_builder(kernel).finish().unwrap()).unwrap())
}

fn base_builder(kernel: Kernel) -> Builder<'static> {
    let mut b = Builder::new(kernel.order);
    for index in 0..kernel.before {
        let name = b.string(format!("filler{index}").as_bytes());
        b.aggregate(Kind::Struct, name, index, &[]).unwrap();
    }
    let name = |b: &mut Builder<'static>, name: &str| b.string(name.as_bytes());
    let n = name(&mut b, "int");
    let int = b.int(n, 4, IntEncoding::signed(kernel.int_bits));
    let (n, next) = (name(&mut b, "list_head"), name(&mut b, "next"));
    b.aggregate(
        Kind::Struct,
        n,
        kernel.list_size,
        &[Member { name: next, type_id: int, ..Member::default() }],
    )
    .unwrap();
    let n = name(&mut b, "file");
    let file = b.aggregate(Kind::Struct, n, kernel.file_size, &[]).unwrap();
    let (n, one) = (name(&mut b, "mode"), name(&mut b, "ONE"));
    let values = [Enumerator { name: one, value: 1 }];
    match kernel.wide_enum {
        false => b.enumeration(n, 4, false, &values).unwrap(),
        true => b.enumeration64(n, 4, false, &values).unwrap(),
    };
    let n = name(&mut b, "u32");
    b.typedef(n, int);
    b.pointer(file);
    let n = name(&mut b, "hidden");
    b.forward(n, true);
    b.aggregate(
        Kind::Union,
        Default::default(),
        4,
        &[Member { name: one, type_id: int, ..Member::default() }],
    )
    .unwrap();
    let proto = b.function_proto(int, &[]).unwrap();
    let n = name(&mut b, "do_it");
    b.function(n, proto, Linkage::Global);
    b
}

/// Types of the base by what they are.
fn of(base: &Btf<'_>, name: &str, kind: Kind) -> TypeId {
    base.find(name.as_bytes(), kind).unwrap_or_else(|| panic!("{name}")).id()
}

/// A module's BTF: a structure that holds a `list_head` twice, one array deep, and points to a `file`, and a function.
fn module(base: &Arc<Btf<'static>>) -> Btf<'static> {
    let mut b = Builder::split(Arc::clone(base));
    let unnamed =
        |kind: Kind| base.types().find(|ty| ty.kind() == kind && ty.name().is_empty()).unwrap().id();
    let list = of(base, "list_head", Kind::Struct);
    let lists = b.array(Array { element: list, index: of(base, "int", Kind::Int), count: 2 });
    let to_hidden = b.pointer(of(base, "hidden", Kind::Fwd));
    let mode = if base.find(b"mode", Kind::Enum).is_some() { Kind::Enum } else { Kind::Enum64 };
    let types = [
        ("lists", lists, 0),
        ("file", unnamed(Kind::Ptr), 256),
        ("mode", of(base, "mode", mode), 320),
        ("count", of(base, "u32", Kind::Typedef), 352),
        ("either", unnamed(Kind::Union), 384),
        ("hidden", to_hidden, 448),
    ];
    let members = types.map(|(name, type_id, bit_offset)| Member {
        name: b.string(name.as_bytes()),
        type_id,
        bit_offset,
        bitfield_size: 0,
    });
    let n = b.string(b"driver");
    let driver = b.aggregate(Kind::Struct, n, 64, &members).unwrap();
    let to_driver = b.pointer(driver);
    let param = b.string(b"driver");
    let proto = b
        .function_proto(of(base, "u32", Kind::Typedef), &[Param { name: param, type_id: to_driver }])
        .unwrap();
    let n = b.string(b"driver_init");
    b.function(n, proto, Linkage::Static);
    Btf::parse_split(b.finish().unwrap(), Arc::clone(base)).unwrap()
}

fn open(distilled: &Distilled) -> Btf<'static> {
    let base = Arc::new(Btf::parse(distilled.base.clone()).unwrap());
    Btf::parse_split(distilled.split.clone(), base).unwrap()
}

/// Every own type of the module as a C declaration, and the body of its structure: what must stay the same.
fn meaning(btf: &Btf<'_>, types: usize) -> Vec<String> {
    let lines = btf.types().take(types).flat_map(|ty| {
        let mut lines =
            vec![format!("{} {}", ty.kind(), btfkit_btf::declaration::declare(btf, ty.id(), "x"))];
        if ty.kind().is_aggregate() {
            lines.extend(btfkit_btf::declaration::define(btf, ty));
        }
        lines
    });
    lines.collect()
}

#[test]
fn a_distilled_base_holds_names_kinds_and_sizes_only() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let kernel = base(Kernel { order, ..KERNEL });
        let distilled = distill(&module(&kernel)).unwrap();
        let btf = Btf::parse(distilled.base.clone()).unwrap();
        let types: Vec<_> =
            btf.types().map(|ty| (ty.kind(), ty.name_str().into_owned(), ty.size(), ty.vlen())).collect();
        let expected = [
            (Kind::Int, "int", 4),
            (Kind::Struct, "list_head", 16),
            (Kind::Struct, "file", 200),
            (Kind::Enum, "mode", 4),
        ];
        assert_eq!(types, expected.map(|(kind, name, size)| (kind, name.to_owned(), Some(size), 0)));
        let split = open(&distilled);
        assert_eq!(split.base().unwrap().next_id(), split.first_id());
        let report = check::check(&distilled.split, split.base(), Profile::Vmlinux);
        assert!(report.is_clean(), "{report:?}");
        assert!(check::check(&distilled.base, None, Profile::Load).is_clean());
    }
}

#[test]
fn what_has_no_name_and_forward_declarations_follow_the_modules_own_types() {
    let kernel = base(KERNEL);
    let module = module(&kernel);
    let distilled = distill(&module).unwrap();
    let split = open(&distilled);
    let copied: Vec<Kind> = split.types().skip(module.type_count() as usize).map(Type::kind).collect();
    assert_eq!(copied, [Kind::Typedef, Kind::Ptr, Kind::Fwd, Kind::Union]);
    let count = module.type_count() as usize;
    assert_eq!(meaning(&split, count)[0], meaning(&module, count)[0]);
    for ty in module.types() {
        let new = distilled.ids.get(ty.id()).unwrap();
        assert_eq!(split.get(new).unwrap().name(), ty.name());
    }
    assert_eq!(distilled.ids.get(of(&kernel, "do_it", Kind::Func)), None);
}

#[test]
fn relocation_to_the_same_base_gives_the_module_back() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let kernel = base(Kernel { order, ..KERNEL });
        let module = module(&kernel);
        let relocated = relocate(&open(&distill(&module).unwrap()), Arc::clone(&kernel)).unwrap();
        let again = Btf::parse_split(relocated.bytes, Arc::clone(&kernel)).unwrap();
        let count = module.type_count() as usize;
        assert_eq!(meaning(&again, count), meaning(&module, count));
        assert_eq!(again.first_id(), module.first_id());
    }
}

#[test]
fn relocation_finds_types_under_other_ids_and_tells_which_changed_their_size() {
    let distilled = open(&distill(&module(&base(KERNEL))).unwrap());
    let other = base(Kernel { before: 7, file_size: 208, wide_enum: true, ..KERNEL });
    let relocated = relocate(&distilled, Arc::clone(&other)).unwrap();
    let again = Btf::parse_split(relocated.bytes, Arc::clone(&other)).unwrap();
    let driver = again.find(b"driver", Kind::Struct).unwrap();
    let mode = driver.members().nth(2).unwrap().type_id;
    assert_eq!(again.get(mode).unwrap().kind(), Kind::Enum64);
    let resized: Vec<_> =
        relocated.report.resized.iter().map(|each| (&*each.name, each.before, each.after)).collect();
    assert_eq!(resized, [("file", 200, 208)]);
    assert_eq!((relocated.report.found, relocated.report.own), (4, distilled.type_count()));
}

/// The error of relocating the module to another base.
fn refusal(other: Arc<Btf<'static>>) -> String {
    let distilled = open(&distill(&module(&base(KERNEL))).unwrap());
    relocate(&distilled, other).unwrap_err().to_string()
}

#[test]
fn a_structure_held_by_value_must_keep_its_size() {
    let text = refusal(base(Kernel { list_size: 24, ..KERNEL }));
    assert!(text.contains("struct list_head of 16 bytes") && text.contains("24 bytes"), "{text}");
}

#[test]
fn an_integer_must_keep_its_encoding() {
    let text = refusal(base(Kernel { int_bits: 31, ..KERNEL }));
    assert!(text.contains("integer int of 4 bytes") && text.contains("31 bits, signed"), "{text}");
}

#[test]
fn a_missing_type_is_named() {
    let empty = Builder::new(ByteOrder::Little).finish().unwrap();
    let text = refusal(Arc::new(Btf::parse(empty).unwrap()));
    assert!(text.contains("integer int of 4 bytes: the new base has none of that name"), "{text}");
}

/// A base that has further structures named `file`, of these sizes.
fn with_more_files(sizes: &[u32]) -> Arc<Btf<'static>> {
    let mut b = base_builder(KERNEL);
    for &size in sizes {
        let name = b.string(b"file");
        b.aggregate(Kind::Struct, name, size, &[]).unwrap();
    }
    Arc::new(Btf::parse(b.finish().unwrap()).unwrap())
}

#[test]
fn of_several_structures_of_a_name_the_one_of_the_same_size_is_taken() {
    let distilled = open(&distill(&module(&base(KERNEL))).unwrap());
    let relocated = relocate(&distilled, with_more_files(&[100, 300])).unwrap();
    assert!(relocated.report.resized.is_empty());
    let text = refusal(with_more_files(&[100, 200]));
    assert!(text.contains("struct file of 200 bytes") && text.contains("has 2 that fit"), "{text}");
}

#[test]
fn names_that_no_kernel_could_tell_apart_are_reported_when_distilling() {
    let distilled = distill(&module(&with_more_files(&[200, 300]))).unwrap();
    let names: Vec<_> = distilled.ambiguous.iter().map(|each| (&*each.name, each.size)).collect();
    assert_eq!(names, [("file", 200)]);
}

/// A base of `struct flags` (which has a bit-field), `union plain`, and of a FWD and a structure both named `both`; the
/// split BTF on its distilled base has FWDs of these kinds.
fn forwards(kinds: &[(&str, bool)]) -> Result<Vec<(Kind, String)>, Error> {
    let mut b = Builder::new(ByteOrder::Little);
    let n = b.string(b"int");
    let int = b.int(n, 4, IntEncoding::signed(32));
    let (flags, plain, both) = (b.string(b"flags"), b.string(b"plain"), b.string(b"both"));
    let bit = Member { name: n, type_id: int, bit_offset: 0, bitfield_size: 1 };
    b.aggregate(Kind::Struct, flags, 4, &[bit])?;
    b.aggregate(Kind::Union, plain, 4, &[])?;
    b.aggregate(Kind::Struct, both, 4, &[])?;
    b.forward(both, false);
    let new = Arc::new(Btf::parse(b.finish()?)?);
    let mut b = Builder::new(ByteOrder::Little);
    for (name, union) in kinds {
        let name = b.string(name.as_bytes());
        b.forward(name, *union);
    }
    let distilled = Arc::new(Btf::parse(b.finish()?)?);
    let mut b = Builder::split(Arc::clone(&distilled));
    for ty in distilled.types() {
        b.pointer(ty.id());
    }
    let split = Btf::parse_split(b.finish()?, distilled)?;
    let relocated = relocate(&split, Arc::clone(&new))?;
    let split = Btf::parse_split(relocated.bytes, new)?;
    let targets = split.types().map(|ty| split.get(ty.type_id().unwrap()).unwrap());
    Ok(targets.map(|ty| (ty.kind(), ty.name_str().into_owned())).collect())
}

#[test]
fn a_forward_declaration_is_found_by_its_own_flag_and_not_that_of_what_it_declares() {
    let found = forwards(&[("flags", false), ("plain", true), ("both", false)]).unwrap();
    let expected = [(Kind::Struct, "flags"), (Kind::Union, "plain"), (Kind::Fwd, "both")];
    assert_eq!(found, expected.map(|(kind, name)| (kind, name.to_owned())));
    for wrong in [("flags", true), ("plain", false), ("both", true)] {
        let error = forwards(&[wrong]).unwrap_err().to_string();
        assert!(error.contains("none of that name"), "{error}");
    }
}

#[test]
fn functions_of_the_base_cannot_be_distilled() {
    let kernel = base(KERNEL);
    let mut b = Builder::split(Arc::clone(&kernel));
    let do_it = of(&kernel, "do_it", Kind::Func);
    let tag = b.string(b"tag");
    b.decl_tag(tag, do_it, -1);
    let split = Btf::parse_split(b.finish().unwrap(), Arc::clone(&kernel)).unwrap();
    let error = distill(&split).unwrap_err();
    assert_eq!(error, Error::NotDistillable { id: do_it, kind: Kind::Func, by: split.first_id() });
    assert_eq!(distill(&kernel).unwrap_err(), Error::NotSplit);
}

#[test]
fn types_that_are_used_from_elsewhere_can_be_added() {
    let kernel = base(Kernel { before: 3, ..KERNEL });
    let filler = of(&kernel, "filler2", Kind::Struct);
    let module = module(&kernel);
    assert_eq!(distill(&module).unwrap().ids.get(filler), None);
    let distilled = distill_with(&module, &[filler]).unwrap();
    assert_eq!(distilled.ids.get(filler), Some(TypeId(1)));
    assert_eq!(open(&distilled).get(TypeId(1)).unwrap().name(), b"filler2");
}

#[test]
fn broken_input_is_refused_without_a_panic() {
    let kernel = base(KERNEL);
    let module = module(&kernel);
    let distilled = distill(&module).unwrap();
    let on_distilled = open(&distilled);
    for (bytes, base) in [(module.bytes(), &kernel), (&distilled.split[..], on_distilled.base().unwrap())] {
        for at in 24..bytes.len() {
            for value in [0, 1, 0x7f, 0xff, bytes[at] ^ 4] {
                let mut broken = bytes.to_vec();
                broken[at] = value;
                let Ok(split) = Btf::parse_split(broken, Arc::clone(base)) else { continue };
                if let Ok(again) = distill(&split) {
                    let _ = relocate(&open(&again), Arc::clone(&kernel));
                }
                let _ = relocate(&split, Arc::clone(&kernel));
            }
        }
    }
}
