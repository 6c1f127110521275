//! A BPF program that asks for things picked at random among a kernel's types.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use btfkit_btf::{Btf, Kind, Type};

/// How many fields are asked for; types and enumerators are a quarter of that.
const FIELDS: usize = 600;

/// Questions in one program: libbpf takes a million instructions, clang better fewer.
const IN_ONE_PROGRAM: usize = 100;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn of<'p, T>(&mut self, all: &'p [T]) -> &'p T {
        &all[self.below(all.len())]
    }
}

/// The program in C, for a `vmlinux.h` made of `btf`. The same seed makes the same program.
pub(super) fn source(btf: &Btf<'_>, seed: u64) -> String {
    let mut random = Random(seed);
    let mut seen: HashMap<(Kind, &[u8]), usize> = HashMap::new();
    let mut enumerators: HashMap<&[u8], usize> = HashMap::new();
    for ty in btf.types() {
        *seen.entry((ty.kind(), ty.name())).or_default() += 1;
        for each in ty.enumerators() {
            *enumerators.entry(ty.string(each.name)).or_default() += 1;
        }
    }
    // Names with several meanings get others in a header.
    let unique = |ty: &Type<'_>| ty.vlen() > 0 && !ty.name().is_empty() && seen[&(ty.kind(), ty.name())] == 1;
    let named: Vec<_> = btf.types().filter(|ty| ty.kind().is_aggregate() && unique(ty)).collect();
    let one = |ty: Type<'_>| ty.enumerators().all(|each| enumerators[ty.string(each.name)] == 1);
    let enums: Vec<_> = btf.types().filter(|ty| ty.kind() == Kind::Enum && unique(ty) && one(*ty)).collect();

    let mut asked = HashSet::new();
    while asked.len() < FIELDS {
        let root = *random.of(&named);
        if let Some(path) = path(btf, root, &mut random) {
            // Offset, size and existence.
            let what = random.of(&[0, 1, 2]);
            asked.insert(format!("__builtin_preserve_field_info((({} *)0)->{path}, {what})", spell(root)));
        }
    }
    for _ in 0..FIELDS / 4 {
        asked.insert(format!("bpf_core_type_exists({})", spell(*random.of(&named))));
        asked.insert(format!("bpf_core_type_size({})", spell(*random.of(&named))));
        let ty = *random.of(&enums);
        if let Some(each) = ty.enumerators().nth(random.below(ty.vlen() as usize)) {
            let name = String::from_utf8_lossy(ty.string(each.name));
            asked.insert(format!("bpf_core_enum_value_exists({}, {name})", spell(ty)));
        }
    }
    let mut asked: Vec<String> = asked.into_iter().collect();
    asked.sort();
    write(&asked)
}

fn write(asked: &[String]) -> String {
    let mut text = String::from(
        "#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\nvolatile __u64 out;\n",
    );
    for (index, questions) in asked.chunks(IN_ONE_PROGRAM).enumerate() {
        let _ = writeln!(text, "SEC(\"raw_tp/x\") int probe{index}(void *context) {{");
        for question in questions {
            let _ = writeln!(text, "\tout = {question};");
        }
        text.push_str("\treturn 0;\n}\n");
    }
    text + "char LICENSE[] SEC(\"license\") = \"GPL\";\n"
}

fn spell(ty: Type<'_>) -> String {
    let word = match ty.kind() {
        Kind::Struct => "struct",
        Kind::Union => "union",
        _ => "enum",
    };
    format!("{word} {}", ty.name_str())
}

/// A way to a field, through arrays, structures inside and members without names.
fn path(btf: &Btf<'_>, root: Type<'_>, random: &mut Random) -> Option<String> {
    let mut text = String::new();
    let mut ty = root;
    loop {
        let index = random.below(ty.vlen() as usize) as u32;
        let member = ty.member(index)?;
        let mut inner = btf.skip_modifiers(member.type_id).ok()?;
        let name = String::from_utf8_lossy(ty.string(member.name)).into_owned();
        if name.is_empty() {
            ty = inner;
            continue;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text += &name;
        let mut last = index + 1 == ty.vlen();
        while let Some(array) = inner.array().filter(|array| array.count > 0 || last) {
            if random.below(4) == 0 {
                return Some(text);
            }
            // An array without a length, at the end, goes on.
            let count = if array.count == 0 { 3 } else { array.count as usize };
            text += &format!("[{}]", random.below(count));
            last = false;
            inner = btf.skip_modifiers(array.element).ok()?;
        }
        if !inner.kind().is_aggregate() || inner.vlen() == 0 || random.below(3) == 0 {
            return Some(text);
        }
        ty = inner;
    }
}
