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
