//! The seeds of the targets whose inputs no compiler makes: built here, kept in `fuzz/seeds` for the fuzzer.

#[path = "../../../crates/vmcore/tests/container/mod.rs"]
mod container;
mod kallsyms;

use std::sync::Arc;

use btfkit_btf::{
    Btf, Builder, ByteOrder, Enumerator, IntEncoding, Kind, Linkage, Member, Param, SectionEntry,
    StringOffset, TypeId,
};
use container::Compression;

/// Every such seed: its file below `fuzz/seeds`, and its bytes.
pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let little = every_kind(Builder::new(ByteOrder::Little));
    let big = every_kind(Builder::new(ByteOrder::Big).with_layout());
    let sound = Arc::new(Btf::parse(little.clone()).expect("it is sound"));
    let split = every_kind(Builder::split(sound.clone()));
    let memory = container::machine(false);
    let notes = container::note("VMCOREINFO", 0, container::INFO.as_bytes());
    let kdump = |compression| container::kdump(&memory, &notes, compression, None);
    vec![
        ("btf/kinds", little.clone()),
        ("btf/big-layout", big.clone()),
        ("header/classic", super::target::header_of_sound()),
        ("header/zero-tail", zero_tail(super::target::header_of_sound())),
        ("types/small", type_section()),
        ("strings/names", b"\0int\0s\0m\0f\0.data\0var\0".to_vec()),
        ("split/on-kinds", in_two(&little, &split)),
        ("ext/tables", in_two(&little, &ext(&sound))),
        ("dump/elf", container::elf(&memory, &notes, false)),
        ("dump/lzo", kdump(Compression::Lzo)),
        ("dump/zstd", kdump(Compression::Zstd)),
        ("dump/flattened-zlib", container::flattened(&kdump(Compression::Zlib), 4096)),
        (
            "expression/path",
            b"(&init_task)->tasks.next != &init_task.tasks && !modules.next->prev->next".to_vec(),
        ),
        (
            "expression/cast",
            b"*(struct list_head **)((char *)&modules + 2 * sizeof(int)) + 0x10 / 3".to_vec(),
        ),
        ("expression/walk", b"list(modules, struct module, list).name".to_vec()),
        ("kallsyms/named-relative", kallsyms::seed(12, kallsyms::Encoding::Relative, true)),
        ("kallsyms/named-absolute", kallsyms::seed(12, kallsyms::Encoding::Absolute, true)),
        ("kallsyms/named-in-place", kallsyms::seed(12, kallsyms::Encoding::InPlace, true)),
        // To look for the tables takes milliseconds: for the fuzzer, and once here.
        ("../kept/kallsyms/found-percpu", kallsyms::seed(1000, kallsyms::Encoding::RelativePerCpu, false)),
        ("../kept/kallsyms/found-in-place", kallsyms::seed(1000, kallsyms::Encoding::InPlace, false)),
        ("expression/elements", b"init_task.comm[0] + sizeof(struct task_struct) % 0x1f".to_vec()),
    ]
}

/// A header four words longer than it needs to be.
fn zero_tail(mut header: Vec<u8>) -> Vec<u8> {
    header[4] = 40;
    header.resize(40, 0);
    header
}

fn in_two(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&(first.len() as u32).to_le_bytes(), first, second].concat()
}

/// A few records without strings of their own.
fn type_section() -> Vec<u8> {
    let words: [u32; 22] = [
        1,
        1 << 24,
        4,
        1 << 24 | 32, // INT
        0,
        2 << 24,
        1, // PTR
        5,
        4 << 24 | 1,
        8,
        7,
        2,
        0, // STRUCT
        9,
        8 << 24,
        3, // TYPEDEF
        0,
        13 << 24,
        1, // FUNC_PROTO
        9,
        12 << 24,
        5, // FUNC
    ];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A type of each kind, referring forth and back.
fn every_kind(mut b: Builder<'_>) -> Vec<u8> {
    let mut name = |text: &str| b.string(text.as_bytes());
    let [alpha, beta, gamma, data] = ["alpha", "beta.1", "gamma", ".data"].map(&mut name);
    let int = b.int(alpha, 4, IntEncoding::signed(32));
    let pointer = b.pointer(TypeId(int.0 + 3));
    let array = b.array(btfkit_btf::Array { element: pointer, index: int, count: 3 });
    let members = [
        Member { name: alpha, type_id: int, bit_offset: 0, bitfield_size: 3 },
        Member { name: beta, type_id: array, bit_offset: 64, bitfield_size: 0 },
    ];
    let node = b.aggregate(Kind::Struct, beta, 32, &members).expect("two members");
    let member = Member { name: beta, type_id: array, ..Member::default() };
    b.aggregate(Kind::Union, StringOffset::EMPTY, 32, &[member]).expect("one member");
    b.enumeration(gamma, 4, true, &[Enumerator { name: beta, value: -1 }]).expect("it fits");
    b.enumeration64(gamma, 8, false, &[Enumerator { name: beta, value: 1 << 40 }]).expect("it fits");
    let constant = b.modifier(Kind::Const, node).expect("a modifier");
    let typedef = b.typedef(beta, constant);
    let params = [Param { name: alpha, type_id: pointer }, Param::default()];
    let proto = b.function_proto(typedef, &params).expect("two parameters");
    let function = b.function(gamma, proto, Linkage::Global);
    let variable = b.variable(beta, typedef, Linkage::Static);
    b.data_section(data, 64, &[SectionEntry { variable, offset: 0, size: 32 }]).expect("one variable");
    b.decl_tag(alpha, function, 0);
    let tag = b.type_tag(alpha, int);
    b.pointer(tag);
    b.float(alpha, 8);
    b.forward(gamma, true);
    b.finish().expect("a few types")
}

/// A `.BTF.ext` with two records in each table.
fn ext(btf: &Btf<'_>) -> Vec<u8> {
    let function = btf.find(b"gamma", Kind::Func).expect("there is one").id().0;
    let string = |text: &str| btf.find_string(text.as_bytes()).expect("it is there").0;
    let (section, text) = (string(".data"), string("alpha"));
    let tables: [Vec<u32>; 3] = [
        vec![8, section, 2, 0, function, 64, function],
        vec![16, section, 2, 0, text, text, 7 << 10, 8, text, text, 8 << 10],
        vec![16, section, 2, 16, 4, text, 0, 24, 4, text, 2],
    ];
    let mut words = vec![0x0001_eb9f, 32];
    let mut body = Vec::new();
    for table in tables {
        words.extend([body.len() as u32 * 4, table.len() as u32 * 4]);
        body.extend(table);
    }
    words.into_iter().chain(body).flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn the_seeds_in_the_tree_are_the_ones_that_are_built() {
        for (name, bytes) in all() {
            let path = crate::command::repository().join("fuzz/seeds").join(name);
            assert!(std::fs::read(&path).unwrap() == bytes, "{name}: cargo xtask fuzz-smoke --write-seeds");
        }
    }
}
