//! What a dump looks like: the expected lines are what bpftool 7.1 printed of the same bytes.

use btfkit_btf::dump::{Output, json, raw};
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, IntEncoding, Kind, Linkage, Member, Param, SectionEntry,
    StringOffset, TypeId,
};
use std::sync::Arc;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// A blob from words: for what no builder would write.
fn blob(order: ByteOrder, records: &[u32], layout: &[u8], strings: &[u8]) -> Vec<u8> {
    let word = |word: u32| match order {
        ByteOrder::Little => word.to_le_bytes(),
        ByteOrder::Big => word.to_be_bytes(),
    };
    let mut out = match order {
        ByteOrder::Little => vec![0x9f, 0xeb, 1, 0],
        ByteOrder::Big => vec![0xeb, 0x9f, 1, 0],
    };
    let types = 4 * records.len() as u32;
    let (layout_length, string_length) = (layout.len() as u32, strings.len() as u32);
    for number in [32, 0, types, types + layout_length, string_length, types, layout_length] {
        out.extend(word(number));
    }
    out.extend(records.iter().flat_map(|&record| word(record)));
    out.extend(layout);
    out.extend(strings);
    out
}

fn raw_text(btf: &Btf<'_>) -> String {
    let mut text = Vec::new();
    let mut out = Output::new(&mut text);
    btf.types().for_each(|ty| raw::write(&mut out, ty).unwrap());
    out.finish().unwrap();
    String::from_utf8(text).unwrap()
}

fn json_text(btf: &Btf<'_>) -> String {
    let mut text = Vec::new();
    let (mut out, mut document) = (Output::new(&mut text), json::Document::new(btf));
    document.begin(&mut out);
    btf.types().for_each(|ty| document.write(&mut out, ty).unwrap());
    document.end(&mut out);
    out.finish().unwrap();
    String::from_utf8(text).unwrap()
}

const fn info(kind: u32, vlen: u32, flag: u32) -> u32 {
    flag << 31 | kind << 24 | vlen
}

/// The usual of every kind.
fn every_kind(mut b: Builder<'_>) -> Vec<u8> {
    let [int, pair, x, y] = ["int", "pair", "x", "y"].map(|name| b.string(name.as_bytes()));
    let int = b.int(int, 4, IntEncoding::signed(32));
    let pointer = b.pointer(int);
    let array = b.array(Array { element: int, index: int, count: 7 });
    let members = [
        Member { name: x, type_id: int, bit_offset: 0, bitfield_size: 3 },
        Member { name: StringOffset::EMPTY, type_id: array, bit_offset: 32, bitfield_size: 0 },
    ];
    b.aggregate(Kind::Struct, pair, 32, &members).unwrap();
    b.aggregate(Kind::Union, StringOffset::EMPTY, 0, &[]).unwrap();
    let (colour, low) = (b.string(b"colour"), b.string(b"LOW"));
    b.enumeration(colour, 4, true, &[Enumerator { name: low, value: -1 }]).unwrap();
    b.enumeration(colour, 4, false, &[Enumerator { name: low, value: 0xffff_ffff }]).unwrap();
    b.enumeration64(colour, 8, true, &[Enumerator { name: low, value: i64::MIN.into() }]).unwrap();
    b.enumeration64(colour, 8, false, &[Enumerator { name: low, value: u64::MAX.into() }]).unwrap();
    b.forward(pair, true);
    b.forward(pair, false);
    b.typedef(pair, pointer);
    for kind in [Kind::Const, Kind::Volatile, Kind::Restrict] {
        b.modifier(kind, pointer).unwrap();
    }
    let proto = b.function_proto(TypeId::VOID, &[Param { name: x, type_id: int }, Param::default()]).unwrap();
    let print = b.string(b"print");
    let function = b.function(print, proto, Linkage::Extern);
    let variable = b.variable(y, int, Linkage::Global);
    let lonely = b.variable(x, int, Linkage::Static);
    let data = b.string(b".data");
    let entry = |variable, offset| SectionEntry { variable, offset, size: 4 };
    b.data_section(
        data,
        64,
        &[entry(variable, 8), entry(int, 16), entry(TypeId::VOID, 24), entry(TypeId(999), 32)],
    )
    .unwrap();
    let double = b.string(b"double");
    b.float(double, 8);
    b.decl_tag(print, function, -1);
    b.decl_tag(print, function, 1);
    b.type_tag(print, lonely);
    b.finish().unwrap()
}

const EVERY_KIND: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] PTR '(anon)' type_id=1
[3] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=7
[4] STRUCT 'pair' size=32 vlen=2
\t'x' type_id=1 bits_offset=0 bitfield_size=3
\t'(anon)' type_id=3 bits_offset=32
[5] UNION '(anon)' size=0 vlen=0
[6] ENUM 'colour' encoding=SIGNED size=4 vlen=1
\t'LOW' val=-1
[7] ENUM 'colour' encoding=UNSIGNED size=4 vlen=1
\t'LOW' val=4294967295
[8] ENUM64 'colour' encoding=SIGNED size=8 vlen=1
\t'LOW' val=-9223372036854775808LL
[9] ENUM64 'colour' encoding=UNSIGNED size=8 vlen=1
\t'LOW' val=18446744073709551615ULL
[10] FWD 'pair' fwd_kind=union
[11] FWD 'pair' fwd_kind=struct
[12] TYPEDEF 'pair' type_id=2
[13] CONST '(anon)' type_id=2
[14] VOLATILE '(anon)' type_id=2
[15] RESTRICT '(anon)' type_id=2
[16] FUNC_PROTO '(anon)' ret_type_id=0 vlen=2
\t'x' type_id=1
\t'(anon)' type_id=0
[17] FUNC 'print' type_id=16 linkage=extern
[18] VAR 'y' type_id=1, linkage=global
[19] VAR 'x' type_id=1, linkage=static
[20] DATASEC '.data' size=64 vlen=4
\ttype_id=18 offset=8 size=4 (VAR 'y')
\ttype_id=1 offset=16 size=4 (INT 'int')
\ttype_id=0 offset=24 size=4 (UNKNOWN '(anon)')
\ttype_id=999 offset=32 size=4
[21] FLOAT 'double' size=8
[22] DECL_TAG 'print' type_id=17 component_idx=-1
[23] DECL_TAG 'print' type_id=17 component_idx=1
[24] TYPE_TAG 'print' type_id=19
";

#[test]
fn every_kind_is_printed_as_bpftool_prints_it_in_both_byte_orders() {
    for order in ORDERS {
        let btf = Btf::parse(every_kind(Builder::new(order))).unwrap();
        assert_eq!(raw_text(&btf), EVERY_KIND);
    }
}

#[test]
fn odd_records_are_printed_as_bpftool_prints_them() {
    let encodings = [0, 1, 2, 3, 4, 8, 0x10, 0x11, 0xff];
    let mut records: Vec<u32> =
        encodings.iter().flat_map(|encoding| [1, info(1, 0, 0), 4, encoding << 24 | 5 << 16 | 20]).collect();
    // Names outside the strings and names that are empty without being absent.
    records.extend([99, info(8, 0, 0), 1]);
    records.extend([2, info(7, 0, 1), 0]);
    // Bit offsets with and without the kind flag; linkage that means nothing.
    records.extend([1, info(4, 1, 1), u32::MAX, 0, 3, 0xff00_0000]);
    records.extend([1, info(4, 1, 0), 8, 99, 3, 0xff00_0000]);
    records.extend([1, info(12, 3, 0), 1, 0, info(14, 0, 0), 1, 0x8000_0000]);
    for order in ORDERS {
        let btf = Btf::parse(blob(order, &records, b"", b"\0a\0")).unwrap();
        let encodings: String =
            ["(none)", "SIGNED", "CHAR", "UNKN", "BOOL", "UNKN", "(none)", "SIGNED", "UNKN"]
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    format!("[{}] INT 'a' size=4 bits_offset=5 nr_bits=20 encoding={name}\n", index + 1)
                })
                .collect();
        let expected = encodings
            + "[10] TYPEDEF '(invalid)' type_id=1\n\
               [11] FWD '' fwd_kind=union\n\
               [12] STRUCT 'a' size=4294967295 vlen=1\n\
               \t'(anon)' type_id=3 bits_offset=0 bitfield_size=255\n\
               [13] STRUCT 'a' size=8 vlen=1\n\
               \t'(invalid)' type_id=3 bits_offset=4278190080\n\
               [14] FUNC 'a' type_id=1 linkage=(unknown)\n\
               [15] VAR '(anon)' type_id=1, linkage=(unknown)\n";
        assert_eq!(raw_text(&btf), expected);
    }
}

#[test]
fn split_btf_shows_its_own_types_with_names_from_the_base() {
    for order in ORDERS {
        let base = Arc::new(Btf::parse(every_kind(Builder::new(order))).unwrap());
        let mut builder = Builder::split(Arc::clone(&base));
        let name = builder.string(b"y");
        assert!(name < StringOffset(base.end_string()), "the name is the base's");
        let variable = builder.variable(name, TypeId(1), Linkage::Static);
        let data = builder.string(b".bss");
        let entries = [variable, TypeId(18)].map(|variable| SectionEntry { variable, offset: 0, size: 4 });
        builder.data_section(data, 8, &entries).unwrap();
        let btf = Btf::parse_split(builder.finish().unwrap(), base).unwrap();
        assert_eq!(
            raw_text(&btf),
            "[25] VAR 'y' type_id=1, linkage=static\n[26] DATASEC '.bss' size=8 vlen=2\n\
             \ttype_id=25 offset=0 size=4 (VAR 'y')\n\ttype_id=18 offset=0 size=4 (VAR 'y')\n"
        );
        assert!(json_text(&btf).contains("\"first_id\":25,"));
    }
}

#[test]
fn kinds_that_bpftool_does_not_know_are_printed_in_its_manner() {
    let mut layout = vec![0; 4 * 43];
    layout[4 * 42] = 8;
    layout[4 * 42 + 1] = 4;
    // A kind without elements may have any count: there is nothing to print.
    let mut records = vec![1, info(42, 2, 1), 7, 0xab, 0, 1, 0xffff_ffff];
    records.extend([0, info(41, 0xff_ffff, 0), 7]);
    records.extend([0, info(20, 2, 0), 8, 0x0c, 5, 6]);
    records.extend([0, info(21, 2, 0), 0, 3, 0]);
    records.extend([1, info(22, 1, 0), 0, 3, 4, 16]);
    for order in ORDERS {
        let btf = Btf::parse(blob(order, &records, &layout, b"\0a\0")).unwrap();
        assert_eq!(
            raw_text(&btf),
            "[1] KIND_42 'a' size_or_type_id=7 vlen=2 kind_flag=1 info=0xab 0x0\n\t0x1\n\t0xffffffff\n\
             [2] KIND_41 '(anon)' size_or_type_id=7 vlen=16777215 kind_flag=0\n\
             [3] LOC_PARAM '(anon)' size=8 flags=0xc vlen=2\n\tval=5\n\tval=6\n\
             [4] LOC_PROTO '(anon)' vlen=2\n\ttype_id=3\n\ttype_id=0\n\
             [5] LOCSEC 'a' vlen=1\n\ttype_id=3 loc_proto_type_id=4 offset=16 (LOC_PARAM '(anon)')\n"
        );
        assert_eq!(
            json_text(&btf).lines().skip(1).collect::<String>(),
            "{\"id\":1,\"kind\":\"KIND_42\",\"name\":\"a\",\"size_or_type_id\":7,\"vlen\":2,\"kind_flag\":true,\
             \"info\":[171,0],\"elements\":[[1],[4294967295]]},\
             {\"id\":2,\"kind\":\"KIND_41\",\"name\":\"(anon)\",\"size_or_type_id\":7,\"vlen\":16777215,\
             \"kind_flag\":false,\"info\":[],\"elements\":[]},\
             {\"id\":3,\"kind\":\"LOC_PARAM\",\"name\":\"(anon)\",\"size\":8,\"flags\":12,\"vlen\":2,\"values\":[5,6]},\
             {\"id\":4,\"kind\":\"LOC_PROTO\",\"name\":\"(anon)\",\"vlen\":2,\
             \"params\":[{\"type_id\":3},{\"type_id\":0}]},\
             {\"id\":5,\"kind\":\"LOCSEC\",\"name\":\"a\",\"vlen\":1,\"locs\":[{\"type_id\":3,\
             \"loc_proto_type_id\":4,\"offset\":16,\"name\":\"(anon)\"}]}]}"
        );
    }
}

#[test]
fn json_has_bpftool_s_keys_and_the_places_of_variables() {
    let btf = Btf::parse(every_kind(Builder::new(ByteOrder::Little))).unwrap();
    let text = json_text(&btf);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(r#"{"byte_order":"little","pointer_size":8,"first_id":1,"types":["#));
    for line in [
        r#"{"id":1,"kind":"INT","name":"int","size":4,"bits_offset":0,"nr_bits":32,"encoding":"SIGNED"},"#,
        r#"{"id":2,"kind":"PTR","name":"(anon)","type_id":1},"#,
        r#"{"id":3,"kind":"ARRAY","name":"(anon)","type_id":1,"index_type_id":1,"nr_elems":7},"#,
        r#"{"id":4,"kind":"STRUCT","name":"pair","size":32,"vlen":2,"members":[{"name":"x","type_id":1,"bits_offset":0,"bitfield_size":3},{"name":"(anon)","type_id":3,"bits_offset":32}]},"#,
        r#"{"id":5,"kind":"UNION","name":"(anon)","size":0,"vlen":0,"members":[]},"#,
        r#"{"id":6,"kind":"ENUM","name":"colour","encoding":"SIGNED","size":4,"vlen":1,"values":[{"name":"LOW","val":-1}]},"#,
        r#"{"id":7,"kind":"ENUM","name":"colour","encoding":"UNSIGNED","size":4,"vlen":1,"values":[{"name":"LOW","val":4294967295}]},"#,
        r#"{"id":9,"kind":"ENUM64","name":"colour","encoding":"UNSIGNED","size":8,"vlen":1,"values":[{"name":"LOW","val":18446744073709551615}]},"#,
        r#"{"id":10,"kind":"FWD","name":"pair","fwd_kind":"union"},"#,
        r#"{"id":16,"kind":"FUNC_PROTO","name":"(anon)","ret_type_id":0,"vlen":2,"params":[{"name":"x","type_id":1},{"name":"(anon)","type_id":0}]},"#,
        r#"{"id":17,"kind":"FUNC","name":"print","type_id":16,"linkage":"extern"},"#,
        r#"{"id":18,"kind":"VAR","name":"y","type_id":1,"linkage":"global","section":".data","offset":8,"size":4},"#,
        r#"{"id":19,"kind":"VAR","name":"x","type_id":1,"linkage":"static"},"#,
        r#"{"id":20,"kind":"DATASEC","name":".data","size":64,"vlen":4,"vars":[{"type_id":18,"offset":8,"size":4,"name":"y"},{"type_id":1,"offset":16,"size":4,"name":"int"},{"type_id":0,"offset":24,"size":4,"name":"(anon)"},{"type_id":999,"offset":32,"size":4}]},"#,
        r#"{"id":22,"kind":"DECL_TAG","name":"print","type_id":17,"component_idx":-1},"#,
        r#"{"id":24,"kind":"TYPE_TAG","name":"print","type_id":19}"#,
    ] {
        assert!(lines.any(|other| other == line), "no {line} in\n{text}");
    }
    assert_eq!(lines.next(), Some("]}"));
}

#[test]
fn any_name_becomes_json() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    for name in [&b"tab\tline\nquote\"back\\slash\x01\x7f"[..], "é√".as_bytes(), b"\xff\xfe"] {
        let name = builder.string(name);
        builder.type_tag(name, TypeId::VOID);
    }
    let text = json_text(&Btf::parse(builder.finish().unwrap()).unwrap());
    for name in [r#""tab\tline\nquote\"back\\slash\u0001\u007f""#, "\"é√\"", "\"\u{fffd}\u{fffd}\""] {
        assert!(text.contains(name), "no {name} in {text}");
    }
}

/// Counts bytes, and the largest piece.
#[derive(Default)]
struct Counter {
    bytes: usize,
    largest: usize,
}

impl std::io::Write for Counter {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.bytes += piece.len();
        self.largest = self.largest.max(piece.len());
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn long_names_used_often_take_neither_memory_nor_time_without_end() {
    let members = 2_000;
    let mut records = vec![0, info(4, members, 0), 8];
    (0..members).for_each(|_| records.extend([1, 0, 0]));
    records.extend([1, info(14, 0, 0), 0, 0, 1, info(15, members, 0), 8]);
    (0..members).for_each(|_| records.extend([2, 0, 0]));
    let mut strings = vec![b'"'; 1 << 20];
    (strings[0], strings[(1 << 20) - 1]) = (0, 0);
    let btf = Btf::parse(blob(ByteOrder::NATIVE, &records, b"", &strings)).unwrap();
    let (mut lines, mut text) = (Counter::default(), Counter::default());
    let mut out = Output::new(&mut lines);
    btf.types().for_each(|ty| raw::write(&mut out, ty).unwrap());
    out.finish().unwrap();
    let (mut out, mut document) = (Output::new(&mut text), json::Document::new(&btf));
    btf.types().for_each(|ty| document.write(&mut out, ty).unwrap());
    out.finish().unwrap();
    for counter in [lines, text] {
        assert!(counter.bytes > 2 * members as usize * 4096, "names are shown");
        assert!(counter.bytes < 2 * members as usize * 10_000, "{}", counter.bytes);
        assert!(counter.largest < 1 << 18, "{}", counter.largest);
    }
}

#[test]
fn a_writer_that_fails_ends_the_dump() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let name = builder.string(&[b'x'; 4000]);
    let member = Member { name, type_id: TypeId(1), ..Member::default() };
    builder.aggregate(Kind::Struct, name, 8, &vec![member; 1000]).unwrap();
    let btf = Btf::parse(builder.finish().unwrap()).unwrap();
    let mut full = Full;
    let written = raw::write(&mut Output::new(&mut full), btf.get(TypeId(1)).unwrap());
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}
