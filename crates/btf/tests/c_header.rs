//! C headers of shapes that are hard to write, judged by compilers where there are any.

use std::process::Command;

use btfkit_btf::dump::c::{Header, Options, Outside, header};
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, IntEncoding, Kind, Linkage, Member, Param,
    SectionEntry, TypeId,
};
use std::sync::Arc;

/// A builder with what nearly every test needs.
struct Draft {
    builder: Builder<'static>,
    int: TypeId,
    long: TypeId,
    char: TypeId,
}

impl Draft {
    fn new() -> Self {
        let mut builder = Builder::new(ByteOrder::Little);
        let [int, long, char] = [("int", 4), ("long int", 8), ("char", 1)].map(|(name, size)| {
            let name = builder.string(name.as_bytes());
            builder.int(name, size, IntEncoding::signed(size as u8 * 8))
        });
        Self { builder, int, long, char }
    }

    fn member(&mut self, name: &str, type_id: TypeId, bit_offset: u32, bitfield_size: u8) -> Member {
        Member { name: self.builder.string(name.as_bytes()), type_id, bit_offset, bitfield_size }
    }

    fn aggregate(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[(&str, TypeId, u32, u8)],
    ) -> TypeId {
        let members: Vec<_> =
            members.iter().map(|&(name, ty, offset, bits)| self.member(name, ty, offset, bits)).collect();
        let name = self.builder.string(name.as_bytes());
        self.builder.aggregate(kind, name, size, &members).unwrap()
    }

    fn structure(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32, u8)]) -> TypeId {
        self.aggregate(Kind::Struct, name, size, members)
    }

    fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        let name = self.builder.string(name.as_bytes());
        self.builder.typedef(name, target)
    }

    fn array(&mut self, element: TypeId, count: u32) -> TypeId {
        self.builder.array(Array { element, index: self.int, count })
    }

    fn enumeration(&mut self, name: &str, size: u32, values: &[(&str, i128)]) -> TypeId {
        let values: Vec<_> = values
            .iter()
            .map(|&(name, value)| Enumerator { name: self.builder.string(name.as_bytes()), value })
            .collect();
        let signed = values.iter().any(|each| each.value < 0);
        let name = self.builder.string(name.as_bytes());
        if size == 8 {
            self.builder.enumeration64(name, size, signed, &values).unwrap()
        } else {
            self.builder.enumeration(name, size, signed, &values).unwrap()
        }
    }

    fn proto(&mut self, returns: TypeId, params: &[TypeId]) -> TypeId {
        let params: Vec<_> = params.iter().map(|&type_id| Param { type_id, ..Param::default() }).collect();
        self.builder.function_proto(returns, &params).unwrap()
    }

    fn btf(self) -> Btf<'static> {
        Btf::parse(self.builder.finish().unwrap()).unwrap()
    }

    fn header(self) -> String {
        text(&dump(&self.btf()).unwrap())
    }
}

fn dump(btf: &Btf<'_>) -> Result<Header, Error> {
    header(btf, None, &Options { assertions: true, variables: true, ..Options::default() })
}

fn text(header: &Header) -> String {
    let text = String::from_utf8(header.text.clone()).unwrap();
    compiles(&text);
    text
}

/// Compilers that are there take the header, without a warning, and its assertions hold.
fn compiles(text: &str) {
    let folder = std::env::temp_dir().join(format!("c-header-{}-{:p}", std::process::id(), text.as_ptr()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("header.c");
    std::fs::write(&file, text).unwrap();
    for (compiler, target) in [("gcc", None), ("clang", None), ("clang", Some("--target=bpf"))] {
        let arguments = ["-std=gnu11", "-Werror", "-fsyntax-only"];
        let output = Command::new(compiler).args(arguments).args(target).arg(&file).output();
        let Ok(output) = output else {
            eprintln!("SKIPPED c_header: {compiler} is not installed");
            continue;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compiler} {target:?}: {said}\n{text}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no\n{part}\nin\n{text}");
    }
}

#[test]
fn a_structure_is_packed_only_where_its_offsets_say_so() {
    let mut draft = Draft::new();
    let (int, char, long) = (draft.int, draft.char, draft.long);
    draft.structure("packed", 5, &[("c", char, 0, 0), ("i", int, 8, 0)]);
    draft.structure("natural", 8, &[("c", char, 0, 0), ("i", int, 32, 0)]);
    draft.structure("short_of_its_alignment", 12, &[("l", long, 0, 0), ("i", int, 64, 0)]);
    draft.structure("straddling", 5, &[("a", int, 0, 31), ("b", int, 31, 3)]);
    draft.aggregate(Kind::Union, "packed_union", 5, &[("bytes", char, 0, 0), ("i", int, 0, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "struct packed {\n\tchar c;\n\tint i;\n} __attribute__((packed));",
            "struct natural {\n\tchar c;\n\tint i;\n};",
            "struct short_of_its_alignment {\n\tlong int l;\n\tint i;\n} __attribute__((packed));",
            "struct straddling {\n\tint a: 31;\n\tint b: 3;\n} __attribute__((packed));",
            "union packed_union {\n\tchar bytes;\n\tint i;\n\tunsigned char ___padding_0[5];\n} __attribute__((packed));",
        ],
    );
}

#[test]
fn gaps_are_filled_or_read_as_alignment() {
    let mut draft = Draft::new();
    let (int, char, long) = (draft.int, draft.char, draft.long);
    draft.structure("gap", 24, &[("a", int, 0, 0), ("b", int, 96, 0), ("l", long, 128, 0)]);
    draft.structure("aligned_member", 128, &[("a", int, 0, 0), ("b", int, 512, 0)]);
    let whole = draft.structure("aligned_whole", 64, &[("c", char, 0, 0)]);
    draft.structure("holder", 128, &[("c", char, 0, 0), ("w", whole, 512, 0)]);
    let held = draft.structure("held_elsewhere", 64, &[("i", int, 0, 0)]);
    draft.structure("elsewhere", 72, &[("l", long, 0, 0), ("h", held, 64, 0)]);
    draft.structure("no_members", 9000, &[]);
    draft.aggregate(Kind::Union, "wide_union", 64, &[("i", int, 0, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "struct gap {\n\tint a;\n\tlong: 32;\n\tint: 32;\n\tint b;\n\tlong int l;\n};",
            "struct aligned_member {\n\tint a;\n\tint b __attribute__((aligned(64)));\n};",
            "struct aligned_whole {\n\tchar c;\n} __attribute__((aligned(64)));",
            // Its holder's offset of 8 allows no more than 8, and that does not explain 64 bytes.
            "struct held_elsewhere {\n\tint i;\n\tint: 32;",
            "struct no_members {\n\tunsigned char ___padding_0[9000];\n}",
            "union wide_union {\n\tint i;\n} __attribute__((aligned(64)));",
        ],
    );
}

#[test]
fn bit_fields_stand_where_they_stood() {
    let mut draft = Draft::new();
    let (int, char, long) = (draft.int, draft.char, draft.long);
    let bool = {
        let name = draft.builder.string(b"_Bool");
        draft.builder.int(name, 1, IntEncoding { bool: true, ..IntEncoding::unsigned(8) })
    };
    let mode = draft.enumeration("mode", 4, &[("OFF", 0), ("ON", 1)]);
    draft.structure(
        "fields",
        16,
        &[
            ("a", int, 0, 3),
            ("b", bool, 3, 1),
            ("after_gap", int, 16, 4),
            ("mode", mode, 20, 2),
            ("next_unit", int, 32, 32),
            ("l", long, 64, 33),
            ("c", char, 104, 0),
        ],
    );
    // As encoders wrote them before structures had a flag for them.
    let name = draft.builder.string(b"unsigned int");
    let three = draft.builder.int(name, 4, IntEncoding { offset: 2, ..IntEncoding::unsigned(3) });
    draft.structure("old", 4, &[("x", three, 0, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "\tint a: 3;\n\t_Bool b: 1;\n\tshort: 12;\n\tint after_gap: 4;\n\tenum mode mode: 2;\n\tint next_unit: 32;\n",
            "\tlong int l: 33;\n\tchar c;\n",
            "struct old {\n\tchar: 2;\n\tunsigned int x: 3;\n};",
        ],
    );
}

#[test]
fn arrays_of_all_shapes_keep_their_places() {
    let mut draft = Draft::new();
    let (int, char) = (draft.int, draft.char);
    let none = draft.array(char, 0);
    let row = draft.array(int, 3);
    let matrix = draft.array(row, 2);
    let open_rows = draft.array(row, 0);
    draft.structure("flexible", 4, &[("n", int, 0, 0), ("data", none, 32, 0)]);
    draft.structure("only", 0, &[("data", none, 0, 0)]);
    draft.structure("middle", 4, &[("data", none, 0, 0), ("n", int, 0, 0)]);
    draft.structure("rows", 28, &[("m", matrix, 0, 0), ("n", int, 192, 0), ("open", open_rows, 224, 0)]);
    let unnamed = draft.structure("", 8, &[("a", int, 0, 0), ("b", char, 32, 0)]);
    let unnamed = draft.array(unnamed, 2);
    let pair = draft.structure("", 4, &[("low", char, 0, 0)]);
    draft.structure("nested", 20, &[("pair", unnamed, 0, 0), ("", pair, 128, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "struct flexible {\n\tint n;\n\tchar data[];\n};",
            "struct only {\n\tchar data[0];\n};",
            "struct middle {\n\tchar data[0];\n\tint n;\n};",
            "\tint m[2][3];\n\tint n;\n\tint open[][3];\n",
            "\tstruct {\n\t\tint a;\n\t\tchar b;\n\t} pair[2];\n\tstruct {\n\t\tchar low;\n",
            "_Static_assert(__builtin_offsetof(struct nested, pair[0].b) == 4, ",
            "_Static_assert(__builtin_offsetof(struct nested, low) == 16, ",
        ],
    );
}

#[test]
fn enumerations_have_their_size_and_values() {
    let mut draft = Draft::new();
    draft.enumeration("byte", 1, &[("B", 255)]);
    draft.enumeration("half", 2, &[("H", -3)]);
    draft.enumeration("word", 4, &[("W", 0xffff_ffff)]);
    draft.enumeration("small64", 8, &[("S", 1)]);
    draft.enumeration("large64", 8, &[("L", u64::MAX.into())]);
    draft.enumeration("least64", 8, &[("M", i64::MIN.into()), ("N", -5_000_000_000)]);
    draft.enumeration("incomplete", 4, &[]);
    draft.enumeration("too_small", 1, &[("FITS", 1), ("FITS_NOT", 256)]);
    draft.enumeration("", 4, &[("ALONE", 7)]);
    let inner = draft.enumeration("", 4, &[("INSIDE", 1)]);
    draft.structure("a", 4, &[("x", inner, 0, 0)]);
    draft.structure("b", 4, &[("x", inner, 0, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "enum byte {\n\tB = 255,\n} __attribute__((mode(QI)));",
            "enum half {\n\tH = -3,\n} __attribute__((mode(HI)));",
            "enum word {\n\tW = 4294967295,\n};",
            "enum small64 {\n\tS = 1,\n} __attribute__((mode(DI)));",
            "enum large64 {\n\tL = 18446744073709551615ULL,\n};",
            "M = (-9223372036854775807LL - 1),\n\tN = -5000000000LL,\n};",
            "enum incomplete {\n\tincomplete___none,\n};",
            "/* FITS_NOT is left out: its value does not fit in the enumeration */",
            "enum {\n\tALONE = 7,\n};",
            "INSIDE = 1,",
            "INSIDE___2 = 1,",
        ],
    );
}

#[test]
fn names_that_several_types_have_are_told_apart() {
    let mut draft = Draft::new();
    let (int, long) = (draft.int, draft.long);
    let first = draft.structure("twice", 4, &[("i", int, 0, 0)]);
    let second = draft.structure("twice", 8, &[("l", long, 0, 0)]);
    draft.structure("user", 16, &[("a", first, 0, 0), ("b", second, 64, 0)]);
    let name = draft.builder.string(b"twice");
    let forward = draft.builder.forward(name, false);
    let other = draft.builder.forward(name, true);
    let (forward, other) = (draft.builder.pointer(forward), draft.builder.pointer(other));
    draft.structure("forwards", 16, &[("a", forward, 0, 0), ("b", other, 64, 0)]);
    draft.typedef("name", int);
    draft.typedef("name", long);
    draft.enumeration("", 4, &[("name", 1), ("log", 2)]);
    draft.structure("keyword", 8, &[("int", int, 0, 0), ("a.b", int, 32, 0)]);
    draft.structure("same", 8, &[("x", int, 0, 0), ("x", int, 32, 0)]);
    let text = draft.header();
    has(
        &text,
        &[
            "struct twice {",
            "struct twice___3 {",
            "union twice___2 *b;",
            "struct twice *a;",
            "typedef int name",
            "typedef long int name",
            "log___2 = 2,",
            "int int_;\n\tint a_b;",
            "int x;\n\tint x___2;",
        ],
    );
    has(&text, &["name = 1,", " name___2;", " name___3;"]);
}

#[test]
fn declarators_of_all_kinds_are_c() {
    let mut draft = Draft::new();
    let (int, char) = (draft.int, draft.char);
    let constant = draft.builder.modifier(Kind::Const, char).unwrap();
    let text = draft.builder.pointer(constant);
    let restricted = draft.builder.modifier(Kind::Restrict, text).unwrap();
    let volatile = draft.builder.modifier(Kind::Volatile, restricted).unwrap();
    let own = draft.structure("own", 8, &[("next", TypeId(20), 0, 0)]);
    let proto = draft.proto(int, &[own, volatile, TypeId::VOID]);
    let call = draft.builder.pointer(proto);
    let proto = draft.proto(call, &[]);
    let returning = draft.builder.pointer(proto);
    let calls = draft.array(returning, 2);
    let to_calls = draft.builder.pointer(calls);
    let unknown = draft.proto(TypeId::VOID, &[TypeId::VOID]);
    let unknown = draft.builder.pointer(unknown);
    let tag = draft.builder.string(b"us\"er");
    let tagged = draft.builder.type_tag(tag, constant);
    let tagged = draft.builder.pointer(tagged);
    assert_eq!(draft.builder.pointer(own), TypeId(19));
    assert_eq!(draft.builder.pointer(own), TypeId(20));
    let holder = draft.structure(
        "declarators",
        32,
        &[("calls", calls, 0, 0), ("to", to_calls, 128, 0), ("unknown", unknown, 192, 0)],
    );
    let tagged = draft.structure("tagged", 8, &[("p", tagged, 0, 0)]);
    let value = draft.builder.string(b"on it");
    draft.builder.decl_tag(value, tagged, 0);
    draft.builder.decl_tag(value, holder, -1);
    has(
        &draft.header(),
        &[
            "\tint (*(*calls[2])(void))(struct own, const char *volatile restrict, ...);\n",
            "\tint (*(*(*to)[2])(void))(struct own, const char *volatile restrict, ...);\n",
            "\tvoid (*unknown)();\n",
            "\tconst char __btf_type_tag(\"us\\\"er\") *p __btf_decl_tag(\"on it\");\n",
            "} __btf_decl_tag(\"on it\");\n",
        ],
    );
}

#[test]
fn tags_are_declared_ahead_only_where_a_parameter_list_would_hide_them() {
    let mut draft = Draft::new();
    // [4] struct b, [5] pointer to it, [6] int (struct b *), [7] pointer to that
    let later = TypeId(8);
    let pointer = draft.builder.pointer(later);
    let proto = draft.proto(draft.int, &[pointer]);
    let call = draft.builder.pointer(proto);
    draft.structure("a", 8, &[("call", call, 0, 0)]);
    let mut other = draft;
    assert_eq!(other.structure("z", 16, &[("call", call, 0, 0), ("p", pointer, 64, 0)]), later);
    other.structure("b", 8, &[("p", pointer, 0, 0)]);
    let text = other.header();
    has(&text, &["struct z;\n\nstruct a {"]);
    assert_eq!(text.matches("struct z;").count(), 1, "{text}");
    assert_eq!(text.matches("struct b;").count(), 0, "{text}");
}

#[test]
fn the_compilers_own_list_of_arguments_is_not_defined_again() {
    let mut draft = Draft::new();
    let int = draft.int;
    let pointer = draft.builder.pointer(TypeId::VOID);
    let tag = draft.structure(
        "__va_list_tag",
        24,
        &[
            ("gp_offset", int, 0, 0),
            ("fp_offset", int, 32, 0),
            ("overflow", pointer, 64, 0),
            ("save", pointer, 128, 0),
        ],
    );
    let array = draft.array(tag, 1);
    let list = draft.typedef("__builtin_va_list", array);
    let list = draft.typedef("va_list", list);
    let to = draft.builder.pointer(list);
    draft.structure("format", 32, &[("to", to, 0, 0), ("list", list, 64, 0)]);
    has(
        &draft.header(),
        &[
            "typedef __builtin_va_list va_list;",
            "struct format {\n\tva_list *to;\n\tstruct __va_list_tag list[1];\n};",
        ],
    );
}

#[test]
fn numbers_that_c_or_the_target_lacks_have_their_size() {
    let mut draft = Draft::new();
    let names: [(&str, u32); 4] = [("u64", 8), ("__int128", 16), ("odd", 3), ("bool", 1)];
    let mut at = 0;
    let mut members = Vec::new();
    for (name, size) in names {
        let offset = draft.builder.string(name.as_bytes());
        let encoding = IntEncoding { bool: name == "bool", ..IntEncoding::unsigned(size as u8 * 8) };
        let ty = draft.builder.int(offset, size, encoding);
        at = u32::next_multiple_of(at, if size == 3 { 8 } else { size * 8 });
        members.push((name, ty, at, 0));
        at += size * 8;
    }
    for (name, size) in [("long double", 16), ("_Float16", 2), ("float", 4)] {
        let offset = draft.builder.string(name.as_bytes());
        let ty = draft.builder.float(offset, size);
        at = u32::next_multiple_of(at, size * 8);
        members.push((name, ty, at, 0));
        at += size * 8;
    }
    draft.structure("numbers", u32::next_multiple_of(at, 128) / 8, &members);
    has(
        &draft.header(),
        &[
            "unsigned long long u64;",
            "__int128 __int128_;",
            "_Bool bool;",
            "struct { unsigned char bytes[3]; } odd;",
            "__btf_float16 long_double;",
            "__btf_float2 _Float16_;",
            "float float_;",
        ],
    );
}

#[test]
fn what_c_cannot_say_is_left_out_with_a_comment() {
    let mut draft = Draft::new();
    let (int, long) = (draft.int, draft.long);
    let name = draft.builder.string(b"unknown");
    let forward = draft.builder.forward(name, false);
    draft.structure(
        "broken",
        24,
        &[
            ("f", forward, 0, 0),
            ("v", TypeId::VOID, 0, 0),
            ("l", long, 64, 0),
            ("over", int, 64, 0),
            ("far", long, 160, 0),
        ],
    );
    let btf = draft.btf();
    let made = dump(&btf).unwrap();
    assert_eq!(made.left_out, 4);
    has(
        &text(&made),
        &["/* f is left out: its type is incomplete */", "/* over is left out: overlaps the one before */"],
    );
}

#[test]
fn functions_and_variables_are_declared_with_their_places() {
    let mut draft = Draft::new();
    let (int, char) = (draft.int, draft.char);
    let [task, name] = [b"task" as &[u8], b"bpf_thing"].map(|name| draft.builder.string(name));
    let params = [Param { name: task, type_id: int }, Param { name: task, type_id: char }];
    let proto = draft.builder.function_proto(int, &params).unwrap();
    let function = draft.builder.function(name, proto, Linkage::Static);
    let tag = draft.builder.string(b"bpf_kfunc");
    draft.builder.decl_tag(tag, function, -1);
    let open = draft.array(int, 0);
    let names = [b"counter" as &[u8], b"table", b"counter"].map(|name| draft.builder.string(name));
    let ids = [int, open, char];
    let variables: Vec<_> =
        names.iter().zip(ids).map(|(&name, ty)| draft.builder.variable(name, ty, Linkage::Static)).collect();
    let section = draft.builder.string(b".data..percpu*/");
    let entries = [
        SectionEntry { variable: variables[0], offset: 16, size: 4 },
        SectionEntry { variable: variables[1], offset: 32, size: 8 },
    ];
    draft.builder.data_section(section, 64, &entries).unwrap();
    has(
        &draft.header(),
        &[
            "#ifndef BPF_NO_KFUNC_PROTOTYPES",
            "extern int bpf_thing(int task, char task___2) __weak __ksym;\n#endif",
            "extern int counter __ksym; /* .data..percpu_/ + 0x10, 4 bytes */\n",
            "extern int table[] __ksym; /* .data..percpu_/ + 0x20, 8 bytes */\n",
            "/* of no section */\nextern char counter___2 __ksym;\n",
        ],
    );
}

#[test]
fn types_selected_come_with_what_they_need_and_no_more() {
    let mut draft = Draft::new();
    let int = draft.int;
    let inner = draft.structure("inner", 4, &[("i", int, 0, 0)]);
    let inner_t = draft.typedef("inner_t", inner);
    let far = draft.structure("far", 4, &[("i", int, 0, 0)]);
    let far = draft.builder.pointer(far);
    let outer = draft.structure("outer", 16, &[("in", inner_t, 0, 0), ("far", far, 64, 0)]);
    let btf = draft.btf();
    let alone = header(&btf, Some(&[outer]), &Options::default()).unwrap();
    let alone = text(&alone);
    has(&alone, &["struct inner {", "typedef struct inner inner_t;", "struct outer {"]);
    assert!(!alone.contains("struct far {"), "{alone}");
    let options = Options { follow_pointers: true, ..Options::default() };
    has(&text(&header(&btf, Some(&[outer]), &options).unwrap()), &["struct far {"]);
    // What another header defines stays out, and so does what only it needs.
    let mut outside = Outside::default();
    outside.insert("inner_t");
    let left = header(&btf, Some(&[outer]), &Options { outside, ..Options::default() }).unwrap();
    let left = String::from_utf8(left.text).unwrap();
    has(&left, &["\tinner_t in;\n"]);
    assert!(!left.contains("struct inner") && !left.contains("typedef"), "{left}");
    compiles(&format!("typedef struct {{ int z; }} inner_t;\n{left}"));
}

#[test]
fn a_split_btf_brings_along_what_it_needs_of_its_base() {
    let mut draft = Draft::new();
    let int = draft.int;
    let base_inner = draft.structure("base_inner", 4, &[("i", int, 0, 0)]);
    draft.structure("base_unused", 4, &[("i", int, 0, 0)]);
    let base = Arc::new(draft.btf());
    let mut split = Builder::split(base);
    let (name, member) = (split.string(b"module"), split.string(b"inner"));
    let member = Member { name: member, type_id: base_inner, ..Member::default() };
    split.aggregate(Kind::Struct, name, 4, &[member]).unwrap();
    let bytes = split.finish().unwrap();
    let mut draft = Draft::new();
    draft.structure("base_inner", 4, &[("i", int, 0, 0)]);
    draft.structure("base_unused", 4, &[("i", int, 0, 0)]);
    let btf = Btf::parse_split(bytes, Arc::new(draft.btf())).unwrap();
    let made = text(&dump(&btf).unwrap());
    has(&made, &["struct base_inner {", "struct module {\n\tstruct base_inner inner;\n};"]);
    assert!(!made.contains("base_unused"), "{made}");
}

#[test]
fn what_needs_itself_is_an_error_that_names_it() {
    let mut draft = Draft::new();
    let id = draft.builder.next_id();
    draft.structure("endless", 8, &[("again", id, 0, 0)]);
    let error = dump(&draft.btf()).unwrap_err();
    assert_eq!(error, Error::TypeCycle { id, name: "endless".into() });
    let mut draft = Draft::new();
    let id = draft.builder.next_id();
    draft.typedef("itself", TypeId(id.0 + 1));
    draft.builder.pointer(id);
    let error = dump(&draft.btf()).unwrap_err();
    assert_eq!(error, Error::TypeCycle { id, name: "itself".into() });
    // Pointers to themselves, mentioned by a structure.
    let mut draft = Draft::new();
    let id = draft.builder.next_id();
    draft.builder.pointer(id);
    let user = draft.structure("user", 8, &[("p", id, 0, 0)]);
    assert_eq!(dump(&draft.btf()).unwrap_err(), Error::TypeCycle { id: user, name: "user".into() });
}

#[test]
fn nesting_and_unfolding_have_an_end() {
    // Anonymous structures in each other.
    let mut draft = Draft::new();
    let mut inner = draft.int;
    for _ in 0..5000 {
        inner = draft.structure("", 4, &[("x", inner, 0, 0)]);
    }
    draft.structure("deep", 4, &[("x", inner, 0, 0)]);
    assert!(matches!(dump(&draft.btf()), Err(Error::NestedTooDeep { .. })));
    // Each holds the one before twice: what is written doubles with each.
    let mut draft = Draft::new();
    let mut inner = draft.int;
    for _ in 0..60 {
        inner = draft.aggregate(Kind::Union, "", 4, &[("x", inner, 0, 0), ("y", inner, 0, 0)]);
    }
    draft.structure("wide", 4, &[("x", inner, 0, 0)]);
    assert!(matches!(dump(&draft.btf()), Err(Error::UnfoldsTooFar { .. })));
    // A chain of typedefs is no nesting, in any order; one of pointers is none of C's.
    let mut draft = Draft::new();
    let mut next = draft.int;
    for number in 0..20_000 {
        next = draft.typedef(&format!("t{number:05}"), next);
    }
    assert!(matches!(dump(&draft.btf()), Ok(_) | Err(Error::NestedTooDeep { .. })));
    // Structures that mention a large prototype again and again are walked once each.
    let mut draft = Draft::new();
    let parameters: Vec<_> = (0..3000).map(|number| TypeId(10 + number)).collect();
    let proto = draft.proto(draft.int, &parameters);
    let call = draft.builder.pointer(proto);
    while draft.builder.next_id() < TypeId(4000) {
        let name = format!("s{}", draft.builder.next_id().0);
        draft.structure(&name, 8, &[("call", call, 0, 0)]);
    }
    let begun = std::time::Instant::now();
    let _ = dump(&draft.btf());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
