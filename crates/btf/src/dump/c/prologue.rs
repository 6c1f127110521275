//! What stands around the definitions: guards, macros, attributes for all records.

use super::declarator::Printer;
use super::spelling::{self, Float};
use super::{Header, externs};
use crate::{Kind, Type};

/// Start of the name of a float that not every target has; its size in bytes follows.
pub(super) const FLOAT: &str = "__btf_float";

/// Macros and types that only some headers need.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    type_tags: bool,
    decl_tags: bool,
    attributes: bool,
    /// Sizes in bytes of floats that not every target has.
    floats: Vec<u32>,
}

impl Uses {
    /// Notes what a type may need.
    pub(super) fn add(&mut self, ty: Type<'_>) {
        match ty.kind() {
            Kind::TypeTag | Kind::DeclTag if ty.kind_flag() => self.attributes = true,
            Kind::TypeTag => self.type_tags = true,
            Kind::DeclTag if !externs::is_kfunc_tag(ty) => self.decl_tags = true,
            Kind::Float => {
                if let Float::Made(size) = spelling::float(ty)
                    && let Err(place) = self.floats.binary_search(&size)
                {
                    self.floats.insert(place, size);
                }
            }
            _ => {}
        }
    }

    /// gcc, too, takes what these make.
    fn write(&self, text: &mut Vec<u8>) {
        for (wanted, name, attribute) in [
            (self.type_tags, "__btf_type_tag", "btf_type_tag"),
            (self.decl_tags, "__btf_decl_tag", "btf_decl_tag"),
        ] {
            if wanted {
                text.extend_from_slice(
                    format!(
                        "#if defined(__has_attribute)\n#if __has_attribute({attribute})\n\
                         #define {name}(value) __attribute__(({attribute}(value)))\n#endif\n#endif\n\
                         #ifndef {name}\n#define {name}(value)\n#endif\n\n"
                    )
                    .as_bytes(),
                );
            }
        }
        if self.attributes {
            text.extend_from_slice(
                b"#if defined(__clang__) && defined(__bpf__)\n\
                  #define __btf_attribute(...) __attribute__((__VA_ARGS__))\n#else\n\
                  #define __btf_attribute(...)\n#endif\n\n",
            );
        }
        for &size in &self.floats {
            text.extend_from_slice(float(size).as_bytes());
        }
    }
}

impl Printer<'_, '_> {
    /// All that stands before the first definition.
    pub(super) fn begin(&mut self, uses: &Uses) {
        self.out.extend_from_slice(b"#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n");
        for include in &self.options.includes {
            self.out.extend_from_slice(format!("#include <{include}>\n").as_bytes());
        }
        if !self.options.includes.is_empty() {
            self.out.push(b'\n');
        }
        uses.write(&mut self.out);
        if self.records {
            self.out.extend_from_slice(PUSH);
        }
    }

    /// The whole header.
    pub(super) fn finish(mut self) -> Header {
        if self.records {
            self.out.extend_from_slice(POP);
        }
        if self.assertions.wanted {
            let pointer = u64::from(self.btf.pointer_size());
            for scalar in [b"void *" as &[u8], b"long"] {
                self.assertions.definition(&[scalar]);
                self.assertions.size(pointer);
            }
            self.out.extend_from_slice(&self.assertions.text);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"#endif /* __VMLINUX_H__ */\n");
        Header { text: self.out, assertions: self.assertions.count, ..self.count }
    }
}

/// A float by its size, from what the target has; else bytes in its place.
fn float(size: u32) -> String {
    let name = format!("{FLOAT}{size}");
    let align = if size.is_power_of_two() { size } else { 1 << size.trailing_zeros().min(2) };
    let bytes = format!(
        "typedef struct {{ unsigned char bytes[{size}]; }} {name} __attribute__((aligned({align})));\n"
    );
    match size {
        2 => format!(
            "#if !defined(__bpf__) && defined(__FLT16_MAX__)\ntypedef _Float16 {name};\n#else\n{bytes}#endif\n\n"
        ),
        12 | 16 => format!(
            "#if !defined(__bpf__) && __SIZEOF_LONG_DOUBLE__ == {size}\ntypedef long double {name};\n\
             #else\n{bytes}#endif\n\n"
        ),
        _ => bytes + "\n",
    }
}

/// Every record is one whose fields are found by name in the running kernel (CO-RE). Other targets do not know that.
const PUSH: &[u8] = b"#if !defined(BPF_NO_PRESERVE_ACCESS_INDEX) && defined(__clang__) && defined(__bpf__)
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

";

const POP: &[u8] = b"#if !defined(BPF_NO_PRESERVE_ACCESS_INDEX) && defined(__clang__) && defined(__bpf__)
#pragma clang attribute pop
#endif

";
