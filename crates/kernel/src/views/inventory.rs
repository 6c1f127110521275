//! What was found in a dump, what is missing, and what each gap costs.

use std::fmt::Write;

use btfkit_btf::Kind;
use btfkit_vmcore::{FormatKind, Origin};

use crate::{Kernel, Symbols, TypeSource};

/// A part of a dump that is there, or is not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which part.
    pub what: &'static str,
    /// What was found of it.
    pub found: Option<String>,
    /// Why it is missing.
    pub missing: Option<String>,
    /// What cannot be done without it.
    pub cost: Option<&'static str>,
}

/// More per-CPU variables than any kernel has: with fewer variables, these are all.
const PER_CPU_ONLY: usize = 2000;

/// Modules that are named; a machine may have hundreds.
const NAMED_MODULES: usize = 8;

impl Finding {
    fn found(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: Some(found.into()), missing: None, cost: None }
    }

    fn missing(what: &'static str, missing: impl ToString, cost: &'static str) -> Self {
        Self { what, found: None, missing: Some(missing.to_string()), cost: Some(cost) }
    }
}

/// All parts, in the order in which they depend on each other.
pub fn inventory(kernel: &Kernel) -> Vec<Finding> {
    let mut findings = Vec::new();
    container(kernel, &mut findings);
    let dump = kernel.memory().dump();
    findings.push(match dump.vmcoreinfo() {
        Some(info) => {
            let place = match info.origin {
                Origin::Note => "in a note".to_owned(),
                Origin::SubHeader => "in the sub-header".to_owned(),
                Origin::Memory(address) => format!("in memory at {address}"),
            };
            Finding::found(
                "VMCOREINFO",
                format!("{}, {place}", info.release().unwrap_or("without a release")),
            )
        }
        None => Finding::missing("VMCOREINFO", "not found", "only physical memory can be read"),
    });
    if let Some(id) = kernel.build_id() {
        findings.push(Finding::found("build ID", id));
    }
    findings.push(match kernel.memory().page_tables() {
        Ok(tables) => {
            Finding::found("page tables", format!("{} levels, at {}", tables.levels(), tables.root()))
        }
        Err(error) => Finding::missing("page tables", error, "only what the dump's segments map can be read"),
    });
    findings.push(match kernel.symbols() {
        Ok(symbols) => Finding::found("symbols", symbols.len().to_string()),
        Err(error) if kernel.types().is_ok() => {
            Finding::missing("symbols", error, "functions and most variables have no names")
        }
        Err(error) => Finding::missing("symbols", error, "no names, types or variables; the log can be read"),
    });
    if kernel.symbols().is_ok_and(|symbols| !symbols.name_data()) {
        let count = kernel.derived_symbols().len();
        findings.push(Finding::missing(
            "data symbols",
            format!("kallsyms names functions alone; {count} variables were found otherwise"),
            "others are read by address, and per-CPU ones not at all",
        ));
    }
    types(kernel, &mut findings);
    findings.push(match dump.registers().count() {
        0 => Finding::missing("registers", "no notes hold any", "where running tasks are is not known"),
        count => Finding::found("registers", format!("of {count} processors")),
    });
    findings
}

fn container(kernel: &Kernel, findings: &mut Vec<Finding>) {
    let dump = kernel.memory().dump();
    let format = dump.format();
    let mut text = match format.kind {
        FormatKind::Elf => "ELF core",
        FormatKind::Kdump => "kdump-compressed",
        FormatKind::Kcore => "the running kernel",
        FormatKind::Raw => "raw memory",
    }
    .to_owned();
    if format.flattened {
        text.push_str(", flattened");
    }
    if format.files > 1 {
        let _ = write!(text, ", {} files", format.files);
    }
    if let Some(level) = dump.dump_level() {
        let _ = write!(text, ", dump level {level}");
    }
    findings.push(Finding::found("dump", format!("{text}, {}", dump.machine())));
    if let Some(reason) = format.incomplete {
        findings.push(Finding::missing("all of it", reason, "some memory cannot be read"));
    }
}

fn types(kernel: &Kernel, findings: &mut Vec<Finding>) {
    if let Err(error) = kernel.types() {
        findings.push(Finding::missing("types", error, "no values, only bytes"));
        return;
    }
    let variables = |source: &TypeSource| source.btf.types().filter(|ty| ty.kind() == Kind::Var).count();
    let is_looked_for = !kernel.symbols().is_ok_and(Symbols::name_data);
    let of_modules = |source: &&TypeSource| source.module.is_some() && source.address.is_some();
    for source in kernel.type_sources().filter(|source| !of_modules(source)) {
        let place = match source.address {
            None => " (side file)",
            Some(_) if is_looked_for && source.name == "vmlinux" => ", found in the kernel's image",
            Some(_) => "",
        };
        let text = format!(
            "{}: {} types, {} variables{place}",
            source.name,
            source.btf.type_count(),
            variables(source)
        );
        findings.push(Finding::found("types", text));
    }
    let modules: Vec<&TypeSource> = kernel.type_sources().filter(of_modules).collect();
    if !modules.is_empty() {
        let types: usize = modules.iter().map(|source| source.btf.type_count() as usize).sum();
        let variables: usize = modules.iter().map(|source| variables(source)).sum();
        let names: Vec<&str> = modules.iter().map(|source| &source.name[..]).take(NAMED_MODULES).collect();
        let more = if modules.len() > NAMED_MODULES { ", …" } else { "" };
        let (count, names) = (modules.len(), names.join(", "));
        let text = format!("{count} modules: {types} types, {variables} variables ({names}{more})");
        findings.push(Finding::found("types", text));
    }
    if kernel.type_sources().map(variables).sum::<usize>() < PER_CPU_ONLY {
        findings.push(Finding::missing(
            "variables",
            "the kernel's BTF has only per-CPU ones",
            "only well-known ones have a type; `btfkit encode --only-vars` makes a side file for --btf",
        ));
    }
}
