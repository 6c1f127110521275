//! Of a kernel's types stays what objects ask for, and answers them as before.

use std::sync::Arc;

use btfkit_btf::check::{self, Profile};
use btfkit_btf::core::{Effort, Place, Step, Target, field, types};
use btfkit_btf::minimize::{Minimized, Needs, Object, minimize};
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, Header, IntEncoding, Kind, Linkage, Member, Param,
    SectionEntry, StringOffset, Type, TypeId,
};

const OFFSET: u32 = 0;
const EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const TYPE_SIZE: u32 = 9;
const ENUMERATOR_VALUE: u32 = 11;
const TYPE_MATCHES: u32 = 12;

/// A builder that takes names as text.
struct Types(Builder<'static>);

impl Types {
    fn new(order: ByteOrder) -> Self {
        Self(Builder::new(order))
    }

    fn name(&mut self, name: &str) -> StringOffset {
        self.0.string(name.as_bytes())
    }

    fn int(&mut self, name: &str, size: u32) -> TypeId {
        let name = self.name(name);
        self.0.int(name, size, IntEncoding::signed(size as u8 * 8))
    }

    /// Members as (name, type, bit offset, width of a bit-field).
    fn aggregate(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[(&str, TypeId, u32, u8)],
    ) -> TypeId {
        let members: Vec<Member> = members
            .iter()
            .map(|&(name, type_id, bit_offset, bitfield_size)| Member {
                name: self.name(name),
                type_id,
                bit_offset,
                bitfield_size,
            })
            .collect();
        let name = self.name(name);
        self.0.aggregate(kind, name, size, &members).unwrap()
    }

    fn structure(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32)]) -> TypeId {
        let members: Vec<_> = members.iter().map(|&(name, ty, offset)| (name, ty, offset * 8, 0)).collect();
        self.aggregate(Kind::Struct, name, size, &members)
    }

    fn enumeration(&mut self, name: &str, values: &[(&str, i128)]) -> TypeId {
        let values: Vec<_> =
            values.iter().map(|&(name, value)| Enumerator { name: self.name(name), value }).collect();
        let name = self.name(name);
        self.0.enumeration(name, 4, false, &values).unwrap()
    }

    fn array(&mut self, element: TypeId, index: TypeId, count: u32) -> TypeId {
        self.0.array(Array { element, index, count })
    }

    fn function(&mut self, name: &str, returns: TypeId, params: &[(&str, TypeId)]) -> TypeId {
        let params: Vec<_> =
            params.iter().map(|&(name, type_id)| Param { name: self.name(name), type_id }).collect();
        let proto = self.0.function_proto(returns, &params).unwrap();
        let name = self.name(name);
        self.0.function(name, proto, Linkage::Static)
    }

    fn section(&mut self, name: &str, variables: &[TypeId]) {
        let entries: Vec<_> = variables
            .iter()
            .enumerate()
            .map(|(index, &variable)| SectionEntry { variable, offset: index as u32 * 8, size: 8 })
            .collect();
        let name = self.name(name);
        self.0.data_section(name, 8 * entries.len() as u32, &entries).unwrap();
    }

    fn finish(self) -> Btf<'static> {
        Btf::parse(self.0.finish().unwrap()).unwrap()
    }
}

/// A kernel. `struct task` has a member inside an anonymous union, an array, a bit-field and pointers.
fn kernel(order: ByteOrder) -> Btf<'static> {
    let mut t = Types::new(order);
    let int = t.int("int", 4);
    let long = t.int("long", 8);
    let inner = t.structure("inner", 8, &[("a", int, 0), ("b", int, 4)]);
    let to_inner = t.0.pointer(inner);
    let to_long = t.0.pointer(long);
    let n = t.name("inner_t");
    let typedef = t.0.typedef(n, inner);
    let either = t.aggregate(Kind::Union, "", 8, &[("x", int, 0, 0), ("y", typedef, 0, 0)]);
    let inners = t.array(inner, int, 4);
    let flexible = t.array(long, int, 0);
    let colour = t.enumeration("colour", &[("RED", 1), ("GREEN", 2), ("BLUE", 3)]);
    t.aggregate(
        Kind::Struct,
        "task",
        128,
        &[
            ("pid", int, 0, 0),
            ("", either, 64, 0),
            ("list", inners, 128, 0),
            ("flags", int, 384, 3),
            ("more", int, 387, 5),
            ("first", to_inner, 448, 0),
            ("second", to_long, 512, 0),
            ("colour", colour, 576, 0),
            ("tail", flexible, 1024, 0),
        ],
    );
    t.structure("unused", 8, &[("member", long, 0)]);
    let n = t.name("handle_t");
    t.0.typedef(n, to_inner);
    let wide = t.name("wide");
    let values =
        [Enumerator { name: t.name("HUGE"), value: 1 << 40 }, Enumerator { name: t.name("TINY"), value: 1 }];
    t.0.enumeration64(wide, 8, false, &values).unwrap();
    t.function("kernel_call", int, &[("inner", to_inner), ("long", to_long)]);
    t.function("bpf_lsm_file_open", int, &[("inner", to_inner)]);
    let n = t.name("per_cpu_thing");
    let variable = t.0.variable(n, inner, Linkage::Global);
    let n = t.name("other_thing");
    let other = t.0.variable(n, long, Linkage::Global);
    t.section(".data..percpu", &[other, variable]);
    let call = t.0.function_proto(int, &[Param { name: StringOffset::EMPTY, type_id: to_inner }]).unwrap();
    let call = t.0.pointer(call);
    let operations = t.structure("operations", 16, &[("call", call, 0), ("data", to_long, 8)]);
    t.structure("bpf_struct_ops_operations", 24, &[("common", long, 0), ("data", operations, 8)]);
    t.finish()
}

/// An object: its types, and relocations as (type, access, kind).
fn with_object<T>(
    types: Types,
    relocations: &[(TypeId, &str, u32)],
    sections: &[&str],
    then: impl FnOnce(&Object<'_>) -> T,
) -> T {
    let mut types = types;
    let order = types.0.byte_order();
    let section = types.name("raw_tp/x");
    let records: Vec<[u32; 4]> = relocations
        .iter()
        .enumerate()
        .map(|(index, (ty, access, kind))| [index as u32 * 8, ty.0, types.name(access).0, *kind])
        .collect();
    let ext = ext(order, section, &records);
    let btf = types.finish();
    then(&Object {
        btf: &btf,
        ext: (!records.is_empty()).then_some(&ext[..]),
        sections: sections.iter().map(|name| name.as_bytes()).collect(),
    })
}

fn ext(order: ByteOrder, section: StringOffset, records: &[[u32; 4]]) -> Vec<u8> {
    let mut table = vec![16, section.0, records.len() as u32];
    table.extend(records.iter().flatten());
    let magic = Header::MAGIC;
    let mut words = vec![32, 0, 0, 0, 0, 0, table.len() as u32 * 4];
    words.extend(table);
    let word = |word: u32| match order {
        ByteOrder::Little => word.to_le_bytes(),
        ByteOrder::Big => word.to_be_bytes(),
    };
    let magic = if order == ByteOrder::Little { magic.to_le_bytes() } else { magic.to_be_bytes() };
    [magic[0], magic[1], 1, 0].into_iter().chain(words.into_iter().flat_map(word)).collect()
}

/// Minimises, and asserts what must always hold: the kernel would load it, and minimising it again changes nothing.
fn keep(kernel: &Btf<'_>, object: &Object<'_>) -> Minimized {
    let needs = [Needs::of(object).unwrap()];
    let minimized = minimize(&Target::new(kernel, []).unwrap(), &needs).unwrap();
    let report = check::check(&minimized.bytes, None, Profile::Load);
    assert!(report.is_clean(), "{report:?}");
    let small = Btf::parse(minimized.bytes.clone()).unwrap();
    let again = minimize(&Target::new(&small, []).unwrap(), &needs).unwrap();
    assert_eq!(again, minimized);
    minimized
}

/// The types kept that have names, with their sizes and members: `struct task 128: pid@0`.
fn shown(minimized: &Minimized) -> Vec<String> {
    let btf = Btf::parse(minimized.bytes.clone()).unwrap();
    let show = |ty: Type<'_>| {
        let string = |offset| String::from_utf8_lossy(ty.string(offset)).into_owned();
        let mut text = format!("{} {} {}:", ty.kind(), ty.name_str(), ty.size().unwrap_or(0));
        for member in ty.members() {
            text += &format!(" {}@{}", string(member.name), member.bit_offset);
            if member.bitfield_size > 0 {
                text += &format!("/{}", member.bitfield_size);
            }
        }
        for each in ty.enumerators() {
            text += &format!(" {}={}", string(each.name), each.value);
        }
        text
    };
    let mut all: Vec<String> = btf.types().filter(|ty| !ty.name().is_empty()).map(show).collect();
    all.sort();
    all
}

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

#[test]
fn of_a_field_the_members_on_the_way_are_kept_where_they_are() {
    for order in ORDERS {
        let mut t = Types::new(order);
        let int = t.int("int", 4);
        let inner = t.structure("inner", 4, &[("b", int, 0)]);
        let inners = t.array(inner, int, 2);
        // The object's own layout, with a flavour, and without the union.
        let task = t.structure("task___mine", 32, &[("y", inner, 0), ("list", inners, 8), ("more", int, 24)]);
        let relocations = [(task, "0:0:0", OFFSET), (task, "0:1:1:0", OFFSET), (task, "0:2", EXISTS)];
        let minimized = with_object(t, &relocations, &[], |object| keep(&kernel(order), object));
        let expected = [
            "INT int 4:",
            "STRUCT inner 8: b@32",
            "STRUCT task 128: @64 list@128 more@387/5",
            "TYPEDEF inner_t 0:",
        ];
        assert_eq!(shown(&minimized), expected);
        assert_eq!((minimized.report.asked, minimized.report.answered), (3, 3));
    }
}

#[test]
fn arrays_end_where_the_kernel_ends_them_except_the_last_of_a_structure_without_length() {
    let ask = |count: u32, name: &str, access: &str| {
        let mut t = Types::new(ByteOrder::Little);
        let int = t.int("int", 4);
        let element =
            if name == "tail" { t.int("long", 8) } else { t.structure("inner", 8, &[("a", int, 0)]) };
        let array = t.array(element, int, count);
        let task = t.structure("task", 800, &[(name, array, 0)]);
        with_object(t, &[(task, access, OFFSET)], &[], |object| {
            keep(&kernel(ByteOrder::Little), object).report
        })
    };
    assert_eq!(ask(9, "list", "0:0:3").answered, 1);
    // Of a kernel that answers nothing, a BTF is left that can be loaded.
    assert_eq!(ask(9, "list", "0:0:4").types, 1);
    assert_eq!(ask(9, "list", "0:0:4").missing, ["struct task.list[4]"]);
    assert_eq!(ask(0, "tail", "0:0:7").answered, 1);
}

#[test]
fn a_member_of_another_kind_is_no_answer_and_a_pointer_to_something_else_is_one() {
    let mut t = Types::new(ByteOrder::Little);
    let int = t.int("int", 4);
    let pointer = t.0.pointer(int);
    let odd = t.structure("task___odd", 16, &[("pid", pointer, 0), ("first", pointer, 8)]);
    let relocations = [(odd, "0:0", EXISTS), (odd, "0:1", OFFSET)];
    let minimized = with_object(t, &relocations, &[], |object| keep(&kernel(ByteOrder::Little), object));
    assert_eq!(minimized.report.missing, ["struct task___odd.pid"]);
    assert_eq!(shown(&minimized), ["STRUCT task 128: first@448"]);
}

#[test]
fn pointers_lose_what_they_point_to_and_are_one_then() {
    let mut t = Types::new(ByteOrder::Little);
    let void = t.0.pointer(TypeId::VOID);
    let task = t.structure("task", 16, &[("first", void, 0), ("second", void, 8)]);
    let relocations = [(task, "0:0", OFFSET), (task, "0:1", OFFSET)];
    let minimized = with_object(t, &relocations, &[], |object| keep(&kernel(ByteOrder::Little), object));
    let btf = Btf::parse(minimized.bytes).unwrap();
    let kinds: Vec<Kind> = btf.types().map(Type::kind).collect();
    assert_eq!(kinds, [Kind::Ptr, Kind::Struct]);
}

#[test]
fn of_enumerations_the_enumerators_asked_for_are_kept() {
    let mut t = Types::new(ByteOrder::Little);
    let colour = t.enumeration("colour", &[("GREEN___old", 77), ("NONE", 5)]);
    let wide = t.enumeration("wide___small", &[("HUGE", 0)]);
    let relocations =
        [(colour, "0", ENUMERATOR_VALUE), (colour, "1", ENUMERATOR_VALUE), (wide, "0", ENUMERATOR_VALUE)];
    let minimized = with_object(t, &relocations, &[], |object| keep(&kernel(ByteOrder::Little), object));
    assert_eq!(shown(&minimized), ["ENUM colour 4: GREEN=2", "ENUM64 wide 8: HUGE=1099511627776"]);
    assert_eq!(minimized.report.missing, ["enum colour::NONE"]);
}

#[test]
fn of_whole_types_the_size_is_kept_and_what_they_are_compared_by() {
    let ask = |local: fn(&mut Types) -> TypeId, kind| {
        let mut t = Types::new(ByteOrder::Little);
        let ty = local(&mut t);
        let minimized =
            with_object(t, &[(ty, "0", kind)], &[], |object| keep(&kernel(ByteOrder::Little), object));
        (minimized.report.answered, shown(&minimized))
    };
    let (answered, types) = ask(|t| t.structure("task", 0, &[]), TYPE_SIZE);
    assert_eq!((answered, &types[..]), (1, &["STRUCT task 128:".to_owned()][..]));
    // `inner *` is a pointer to a structure, and stays one.
    let handle = |t: &mut Types, target| {
        let pointer = t.0.pointer(target);
        let name = t.name("handle_t");
        t.0.typedef(name, pointer)
    };
    let to_struct: fn(&mut Types) -> TypeId = |t| {
        let other = t.structure("other", 0, &[]);
        let pointer = t.0.pointer(other);
        let name = t.name("handle_t");
        t.0.typedef(name, pointer)
    };
    let (answered, types) = ask(to_struct, TYPE_EXISTS);
    assert_eq!((answered, types.len()), (1, 2));
    let mut t = Types::new(ByteOrder::Little);
    let to_void = handle(&mut t, TypeId::VOID);
    let minimized = with_object(t, &[(to_void, "0", TYPE_EXISTS)], &[], |object| {
        keep(&kernel(ByteOrder::Little), object)
    });
    assert_eq!(minimized.report.missing, ["typedef handle_t"]);
}

/// Whether `struct task`, or another root, matches the kernel's, and what was kept for that.
fn matching(local: impl FnOnce(&mut Types) -> TypeId) -> bool {
    let mut t = Types::new(ByteOrder::Little);
    let root = local(&mut t);
    let minimized =
        with_object(t, &[(root, "0", TYPE_MATCHES)], &[], |object| keep(&kernel(ByteOrder::Little), object));
    minimized.report.answered == 1
}

#[test]
fn a_type_matches_when_all_that_it_has_is_there_alike() {
    assert!(matching(|t| {
        let int = t.int("int", 4);
        t.structure("inner___x", 4, &[("b", int, 0)])
    }));
    assert!(!matching(|t| {
        let int = t.int("int", 4);
        t.structure("inner", 4, &[("c", int, 0)])
    }));
    assert!(!matching(|t| {
        let long = t.int("long", 8);
        t.structure("inner", 8, &[("b", long, 0)])
    }));
    // Behind a pointer, names count and members do not.
    assert!(matching(|t| {
        let int = t.int("int", 4);
        let inner = t.structure("inner", 4, &[("no_such", int, 0)]);
        let pointer = t.0.pointer(inner);
        t.structure("task", 8, &[("first", pointer, 0)])
    }));
    assert!(!matching(|t| {
        let other = t.structure("other", 4, &[]);
        let pointer = t.0.pointer(other);
        t.structure("task", 8, &[("first", pointer, 0)])
    }));
    assert!(matching(|t| {
        let name = t.name("inner");
        let forward = t.0.forward(name, false);
        let pointer = t.0.pointer(forward);
        t.structure("task", 8, &[("first", pointer, 0)])
    }));
    assert!(matching(|t| t.enumeration("colour", &[("BLUE___1", 9), ("RED", 9)])));
    assert!(!matching(|t| t.enumeration("colour", &[("BLACK", 0)])));
    // A pointer to nothing in particular is another type than a pointer to a structure.
    assert!(!matching(|t| {
        let pointer = t.0.pointer(TypeId::VOID);
        t.structure("task", 8, &[("first", pointer, 0)])
    }));
}

#[test]
fn what_an_object_names_is_kept_with_prototypes_and_places() {
    let mut t = Types::new(ByteOrder::Little);
    let int = t.int("int", 4);
    let inner = t.structure("inner", 8, &[]);
    let pointer = t.0.pointer(inner);
    let call = t.function("kernel_call___v2", int, &[("inner", pointer), ("long", pointer)]);
    let name = t.name("per_cpu_thing");
    let variable = t.0.variable(name, inner, Linkage::Extern);
    t.section(".ksyms", &[call, variable]);
    let operations = t.structure("operations", 8, &[]);
    let name = t.name("mine");
    let mine = t.0.variable(name, operations, Linkage::Global);
    t.section(".struct_ops.link", &[mine]);
    let sections = ["lsm.s/file_open", "?fentry/no_such_call", "raw_tp/x"];
    let minimized = with_object(t, &[], &sections, |object| {
        assert!(Needs::of_relocations(object).unwrap().is_empty());
        keep(&kernel(ByteOrder::Little), object)
    });
    let expected = [
        "DATASEC .data..percpu 16:",
        "FUNC bpf_lsm_file_open 0:",
        "FUNC kernel_call 0:",
        "INT int 4:",
        "INT long 8:",
        "STRUCT bpf_struct_ops_operations 24: common@0 data@64",
        "STRUCT inner 8:",
        "STRUCT operations 16: call@0 data@64",
        "VAR per_cpu_thing 0:",
    ];
    assert_eq!(shown(&minimized), expected);
    assert_eq!(minimized.report.missing, ["function no_such_call"]);
    let btf = Btf::parse(minimized.bytes).unwrap();
    let section = btf.find(b".data..percpu", Kind::DataSec).unwrap();
    let places: Vec<_> = section.section_entries().map(|entry| (entry.offset, entry.size)).collect();
    assert_eq!(places, [(8, 8)]);
}

#[test]
fn types_of_modules_answer_what_the_kernel_cannot() {
    let kernel = Arc::new(kernel(ByteOrder::Little));
    let mut t = Types(Builder::split(Arc::clone(&kernel)));
    let inner = kernel.find(b"inner", Kind::Struct).unwrap().id();
    // The module's own idea of a type that the kernel has.
    let int = kernel.find(b"int", Kind::Int).unwrap().id();
    let own_task = t.structure("task", 4, &[("only_here", int, 0)]);
    t.structure("driver", 24, &[("inner", inner, 8), ("task", own_task, 16)]);
    let module = Btf::parse_split(t.0.finish().unwrap(), Arc::clone(&kernel)).unwrap();

    let mut t = Types::new(ByteOrder::Little);
    let int = t.int("int", 4);
    let inner = t.structure("inner", 4, &[("b", int, 0)]);
    let task = t.structure("task", 8, &[("only_here", int, 0), ("pid", int, 4)]);
    let driver = t.structure("driver", 4, &[("inner", inner, 0), ("task", task, 4)]);
    let relocations =
        [(driver, "0:0:0", OFFSET), (driver, "0:1:0", OFFSET), (task, "0:0", OFFSET), (task, "0:1", OFFSET)];
    let (minimized, again) = with_object(t, &relocations, &[], |object| {
        let needs = [Needs::of(object).unwrap()];
        let minimized = minimize(&Target::new(&kernel, [&module]).unwrap(), &needs).unwrap();
        let small = Btf::parse(minimized.bytes.clone()).unwrap();
        let again = minimize(&Target::new(&small, []).unwrap(), &needs).unwrap();
        (minimized, again)
    });
    let expected = [
        "INT int 4:",
        "STRUCT driver 24: inner@64 task@128",
        "STRUCT inner 8: b@32",
        "STRUCT task 128: pid@0",
    ];
    assert_eq!(shown(&minimized), expected);
    assert_eq!(minimized.report.missing, ["struct task.only_here"]);
    // The module's is there without its name, and answers no more and no less.
    assert_eq!(again, minimized);
    assert!(Target::new(&module, [&module]).is_err());
}

#[test]
fn broken_relocations_are_refused_by_what_is_wrong() {
    let refusal = |access: &str, kind: u32| {
        let mut t = Types::new(ByteOrder::Little);
        let int = t.int("int", 4);
        let task = t.structure("task", 4, &[("pid", int, 0)]);
        with_object(t, &[(task, access, kind)], &[], |object| Needs::of(object).unwrap_err().to_string())
    };
    for access in ["", ":", "0:", "0:x", "0:-1", "0:99999999999", "a"] {
        assert!(refusal(access, OFFSET).contains("access string is broken"), "{access}");
    }
    assert!(refusal(&vec!["0"; 65].join(":"), OFFSET).contains("access string is broken"));
    assert!(refusal("0:1", OFFSET).contains("leads to no field"));
    assert!(refusal("0:0:0", OFFSET).contains("leads to no field"));
    assert!(refusal("1", TYPE_EXISTS).contains("not \"0\""));
    assert!(refusal("0", ENUMERATOR_VALUE).contains("no enumerator"));
    assert!(refusal("0", 13).contains("kind is not known"));
}

#[test]
fn types_without_end_are_given_up_in_time() {
    let mut t = Types::new(ByteOrder::Little);
    // Anonymous members of the type itself, twice: twice as many on each level. And a typedef of itself.
    let inner = TypeId(1);
    t.aggregate(Kind::Struct, "endless", 8, &[("", inner, 0, 0), ("", inner, 0, 0)]);
    let n = t.name("round");
    t.0.typedef(n, TypeId(2));
    let btf = t.finish();
    let target = Target::new(&btf, []).unwrap();
    let steps = [Step::Member { name: b"x".to_vec(), type_id: inner }];
    let at = |id| Place { btf: 0, id: TypeId(id) };
    let find = |id| field::find(&btf, &target, at(id), &steps, &mut Effort::new(10_000)).unwrap_err();
    assert_eq!(find(1), Error::TooLaborious);
    assert_eq!(find(2), Error::ChainTooLong(TypeId(2)));
    let matches = |id| types::matches(&btf, TypeId(id), &target, at(id), &mut Effort::new(10_000), |_| {});
    // The same on both sides, as far as depth goes.
    assert!(matches(1).is_ok());
    assert_eq!(matches(2).unwrap_err(), Error::ChainTooLong(TypeId(2)));
}

#[test]
fn damage_never_makes_it_panic() {
    let mut t = Types::new(ByteOrder::Little);
    let int = t.int("int", 4);
    let inner = t.structure("inner", 8, &[("b", int, 0)]);
    let inners = t.array(inner, int, 4);
    let task = t.structure("task", 64, &[("y", inner, 0), ("list", inners, 8)]);
    let colour = t.enumeration("colour", &[("RED", 1)]);
    let relocations = [
        (task, "0:0:0", OFFSET),
        (task, "0:1:1:0", OFFSET),
        (task, "0", TYPE_MATCHES),
        (task, "0", TYPE_EXISTS),
        (colour, "0", ENUMERATOR_VALUE),
        (inner, "0", TYPE_MATCHES),
    ];
    let kernel = kernel(ByteOrder::Little);
    with_object(t, &relocations, &["fentry/kernel_call"], |object| {
        let run = |kernel: &Btf<'_>, btf: &Btf<'_>, ext: &[u8]| {
            let object = Object { btf, ext: Some(ext), sections: object.sections.clone() };
            let (Ok(target), Ok(needs)) = (Target::new(kernel, []), Needs::of(&object)) else { return };
            if let Ok(minimized) = minimize(&target, &[needs]) {
                Btf::parse(minimized.bytes).unwrap();
            }
        };
        let ext = object.ext.unwrap();
        for (bytes, which) in [(kernel.bytes(), 0), (object.btf.bytes(), 1), (ext, 2)] {
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0xff, bytes[at] ^ 2] {
                    let mut broken = bytes.to_vec();
                    broken[at] = value;
                    match (which, Btf::parse(&broken[..])) {
                        (0, Ok(kernel)) => run(&kernel, object.btf, ext),
                        (1, Ok(btf)) => run(&kernel, &btf, ext),
                        (2, _) => run(&kernel, object.btf, &broken),
                        _ => {}
                    }
                }
            }
        }
    });
}
