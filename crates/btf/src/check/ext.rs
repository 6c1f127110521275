//! The section `.BTF.ext`: what is said of instructions, in terms of types and strings.
//!
//! A loader cuts the tables up by program and hands them to the kernel with each; the kernel then looks at every record
//! (`check_btf_func`, `check_btf_line`), and the loader or the kernel at every relocation. How the instructions go is
//! not known here, so that only what holds for any is checked: offsets of whole instructions, in ascending order.

use super::names::Names;
use super::{Findings, Rule, Violation, shown};
use crate::ext::{Ext, RelocationKind, Section};
use crate::{Btf, Kind, StringOffset, TypeId};

/// Size of an instruction in bytes.
const INSTRUCTION: u32 = 8;

pub(super) fn check(findings: &mut Findings, data: &[u8], btf: &Btf<'_>) {
    let ext = match Ext::parse(data) {
        Ok(ext) => ext,
        Err(error) => return findings.blob(Rule::ExtTables, None, format_args!("{error}")),
    };
    if ext.byte_order() != btf.byte_order() {
        return findings.blob(Rule::ExtTables, Some(0), format_args!("in the other byte order than its BTF"));
    }
    let names = Names::new(btf, findings.options.kernel);
    let kind = |id: TypeId| btf.get(id).map(crate::Type::kind);
    for section in ext.functions() {
        let mut table = Table::new(findings, btf, "func_info", section.name);
        table.order(&section, |record| record.instruction);
        for (index, record) in section.records.iter().enumerate() {
            if kind(record.type_id) != Ok(Kind::Func) {
                table.fault(Rule::ExtFunction, index, format_args!("type {}", record.type_id));
            }
        }
    }
    for section in ext.lines() {
        let mut table = Table::new(findings, btf, "line_info", section.name);
        table.order(&section, |record| record.instruction);
        for (index, record) in section.records.iter().enumerate() {
            for string in [record.file, record.text].into_iter().filter(|&string| !names.contains(string)) {
                table.fault(Rule::ExtString, index, format_args!("string offset {string}"));
            }
        }
    }
    for section in ext.relocations() {
        let mut table = Table::new(findings, btf, "core_relo", section.name);
        for (index, record) in section.records.iter().enumerate() {
            if !record.instruction.is_multiple_of(INSTRUCTION) {
                table.fault(Rule::ExtOrder, index, format_args!("instruction at {}", record.instruction));
            }
            if record.type_id.is_void() || kind(record.type_id).is_err() {
                table.fault(Rule::ExtType, index, format_args!("type {}", record.type_id));
            }
            let access = if names.contains(record.access) { btf.string(record.access).ok() } else { None };
            match access {
                None => {
                    table.fault(Rule::ExtString, index, format_args!("string offset {}", record.access));
                }
                Some(access) if !is_access(access) => {
                    table.fault(Rule::ExtAccess, index, format_args!("'{}'", shown(access)));
                }
                Some(_) => {}
            }
            if let RelocationKind::Unknown(number) = record.kind {
                table.fault(Rule::ExtKind, index, format_args!("{number}"));
            }
        }
    }
}

/// Whether a text is numbers with colons between: `0:1:2`.
fn is_access(text: &[u8]) -> bool {
    text.split(|&byte| byte == b':').all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

/// The part of a table that is about one ELF section.
struct Table<'f> {
    findings: &'f mut Findings,
    table: &'static str,
    /// The ELF section's name.
    section: String,
}

impl<'f> Table<'f> {
    fn new(findings: &'f mut Findings, btf: &Btf<'_>, table: &'static str, section: StringOffset) -> Self {
        let name = btf.string(section).ok().filter(|name| !name.is_empty());
        if name.is_none() {
            findings.blob(Rule::ExtSection, None, format_args!("{table}, string offset {section}"));
        }
        Self { findings, table, section: name.map_or_else(String::new, shown) }
    }

    /// Instructions are whole ones and ascend.
    fn order<T>(&mut self, section: &Section<T>, instruction: impl Fn(&T) -> u32) {
        let mut last = None;
        for (index, at) in section.records.iter().map(instruction).enumerate() {
            if !at.is_multiple_of(INSTRUCTION) || last.is_some_and(|last| at <= last) {
                self.fault(Rule::ExtOrder, index, format_args!("instruction at {at}"));
            }
            last = Some(at);
        }
    }

    fn fault(&mut self, rule: Rule, index: usize, detail: std::fmt::Arguments<'_>) {
        let (table, section) = (self.table, &self.section);
        self.findings.add(|| Violation {
            element: Some(index as u32),
            element_name: section.clone(),
            ..Violation::of(rule, format_args!("{table}, {detail}"))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Options, Profile, check_ext};
    use crate::{Builder, ByteOrder, Linkage};

    /// An integer, a prototype and a function, and the strings `text` and `0:1`.
    fn blob(order: ByteOrder) -> Vec<u8> {
        let mut b = Builder::new(order);
        let [int, text, _] = ["int", "text", "0:1"].map(|name| b.string(name.as_bytes()));
        b.int(int, 4, crate::IntEncoding::signed(32));
        let proto = b.function_proto(TypeId::VOID, &[]).unwrap();
        b.function(text, proto, Linkage::Static);
        b.finish().unwrap()
    }

    const TEXT: u32 = 5;
    const ACCESS: u32 = 10;
    const FUNCTION: u32 = 3;

    /// A sound section: 21 words of tables after the header of 8.
    fn words() -> Vec<u32> {
        let tables: [&[u32]; 3] = [
            &[8, TEXT, 2, 0, FUNCTION, 16, FUNCTION],
            &[16, TEXT, 1, 8, TEXT, TEXT, 3 << 10],
            &[16, TEXT, 1, 8, 1, ACCESS, 0],
        ];
        let mut words = vec![0x0001_eb9f, 32];
        words.extend((0..3).flat_map(|index| [28 * index, 28]));
        words.into_iter().chain(tables.concat()).collect()
    }

    fn verdict(order: ByteOrder, words: &[u32]) -> crate::check::Report {
        let (blob, mut bytes) = (blob(order), Vec::new());
        words.iter().for_each(|&word| bytes.extend(order.bytes(word)));
        if order == ByteOrder::Big {
            bytes[..4].copy_from_slice(&[0xeb, 0x9f, 1, 0]);
        }
        check_ext(&bytes, &Btf::parse(&blob).unwrap(), &Options::new(Profile::Object))
    }

    #[test]
    fn each_rule_is_broken_alone_and_kept() {
        let cases = [
            (Rule::ExtTables, 8, 9),
            (Rule::ExtSection, 9, 0),
            (Rule::ExtSection, 16, 999),
            (Rule::ExtOrder, 13, 0),
            (Rule::ExtOrder, 13, 12),
            (Rule::ExtOrder, 18, 4),
            (Rule::ExtOrder, 25, 9),
            (Rule::ExtFunction, 12, 1),
            (Rule::ExtFunction, 14, 77),
            (Rule::ExtString, 19, 1000),
            (Rule::ExtString, 20, 1000),
            (Rule::ExtString, 27, 1000),
            (Rule::ExtType, 26, 0),
            (Rule::ExtType, 26, 4),
            (Rule::ExtAccess, 27, TEXT),
            (Rule::ExtAccess, 27, 0),
            (Rule::ExtKind, 28, 13),
        ];
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let sound = verdict(order, &words());
            assert!(sound.is_clean(), "{sound:?}");
            for (rule, at, word) in cases {
                let mut words = words();
                words[at] = word;
                let report = verdict(order, &words);
                assert_eq!((report.total, report.breaks(rule)), (1, true), "{rule:?} {at}: {report:?}");
            }
        }
        let all = Rule::ALL.iter().filter(|rule| rule.is_of_ext());
        assert!(all.into_iter().all(|rule| cases.iter().any(|case| case.0 == *rule)));
    }
}
