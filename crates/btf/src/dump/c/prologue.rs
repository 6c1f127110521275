//! What stands around the definitions: guards, macros, attributes for all records.

use super::Header;
use super::declarator::Printer;

/// Start of the name of a float that not every target has; its size in bytes follows.
pub(super) const FLOAT: &str = "__btf_float";

impl Printer<'_, '_> {
    /// The whole header.
    pub(super) fn finish(mut self) -> Header {
        let mut text = Vec::with_capacity(self.out.len() + self.assertions.text.len() + 4096);
        text.extend_from_slice(b"#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n");
        for include in &self.options.includes {
            text.extend_from_slice(format!("#include <{include}>\n").as_bytes());
        }
        if !self.options.includes.is_empty() {
            text.push(b'\n');
        }
        self.macros(&mut text);
        text.extend_from_slice(PUSH);
        text.append(&mut self.out);
        text.extend_from_slice(POP);
        if self.assertions.wanted {
            let pointer = u64::from(self.btf.pointer_size());
            self.assertions.definition(&[b"void *"]);
            self.assertions.size(pointer);
            self.assertions.definition(&[b"long"]);
            self.assertions.size(pointer);
            text.extend_from_slice(&self.assertions.text);
            text.push(b'\n');
        }
        text.extend_from_slice(b"#endif /* __VMLINUX_H__ */\n");
        Header { text, assertions: self.assertions.count, ..self.count }
    }

    /// Macros that only some headers need. gcc, too, takes what they make.
    fn macros(&mut self, text: &mut Vec<u8>) {
        let uses = &mut self.uses;
        for (wanted, name, attribute) in [
            (uses.type_tags, "__btf_type_tag", "btf_type_tag"),
            (uses.decl_tags, "__btf_decl_tag", "btf_decl_tag"),
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
        if uses.attributes {
            text.extend_from_slice(
                b"#if defined(__clang__) && defined(__bpf__)\n\
                  #define __btf_attribute(...) __attribute__((__VA_ARGS__))\n#else\n\
                  #define __btf_attribute(...)\n#endif\n\n",
            );
        }
        uses.floats.sort_unstable();
        for &size in &uses.floats {
            text.extend_from_slice(&float(size));
        }
    }
}

/// A float by its size, from what the target has; else bytes in its place.
fn float(size: u32) -> Vec<u8> {
    let name = format!("{FLOAT}{size}");
    let align = if size.is_power_of_two() { size } else { 1 << size.trailing_zeros().min(2) };
    let bytes = format!(
        "typedef struct {{ unsigned char bytes[{size}]; }} {name} __attribute__((aligned({align})));\n"
    );
    let text = match size {
        2 => format!(
            "#if !defined(__bpf__) && defined(__FLT16_MAX__)\ntypedef _Float16 {name};\n#else\n{bytes}#endif\n\n"
        ),
        12 | 16 => format!(
            "#if !defined(__bpf__) && __SIZEOF_LONG_DOUBLE__ == {size}\ntypedef long double {name};\n\
             #else\n{bytes}#endif\n\n"
        ),
        _ => bytes + "\n",
    };
    text.into_bytes()
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
