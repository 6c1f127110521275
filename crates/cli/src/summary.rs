//! The summary of an encode as a person reads it.

use std::fmt::Write;

use btfkit_encode::{Phase, Report};

const HEAD: anstyle::Style = anstyle::Style::new().bold();

/// Tables of what is in the output and what is not.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{HEAD}{} bytes{HEAD:#}, {} of them names; {} types from {} units",
        report.bytes, report.string_bytes, report.types, report.units
    );
    let kinds: Vec<String> = report.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let _ = writeln!(out, "  {}", kinds.join(", "));
    let variables: usize = report.variables.iter().map(|section| section.variables).sum();
    let _ = writeln!(out, "{HEAD}{variables} variables{HEAD:#}, {} functions", report.functions);
    for section in &report.variables {
        let name = if section.name.is_empty() { "(without a place)" } else { &section.name };
        let _ = writeln!(out, "  {name:<24} {:>7} {:>12} bytes", section.variables, section.bytes);
    }
    table(&mut out, "functions left out", &report.functions_left_out);
    table(&mut out, "variables and symbols left out", &report.variables_left_out);
    if !report.ambiguous.is_empty() {
        let _ = writeln!(out, "{HEAD}names with several meanings{HEAD:#}");
        for name in report.ambiguous.iter().take(20) {
            let _ = writeln!(out, "  {} {}: {}", name.kind, name.name, name.meanings);
        }
        if report.ambiguous.len() > 20 {
            let _ = writeln!(out, "  … and {} more (--json lists all)", report.ambiguous.len() - 20);
        }
    }
    table(&mut out, "DWARF that could not be read", &report.damage);
    if !report.missing_files.is_empty() {
        let _ = writeln!(out, "{HEAD}split units not found{HEAD:#}: {}", report.missing_files.join(", "));
    }
    out
}

fn table<N: std::fmt::Display>(out: &mut String, title: &str, rows: &std::collections::BTreeMap<String, N>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "{HEAD}{title}{HEAD:#}");
    for (reason, count) in rows {
        let _ = writeln!(out, "  {count:>7}  {reason}");
    }
}

/// How long each phase took.
pub(crate) fn phases(report: &Report) -> String {
    phase_table(&report.phases)
}

/// The same for many encodes: the sum of what each took, on whichever thread.
pub(crate) fn all_phases<'r>(reports: impl Iterator<Item = &'r Report>) -> String {
    let mut sums: Vec<Phase> = Vec::new();
    for phase in reports.flat_map(|report| &report.phases) {
        match sums.iter_mut().find(|sum| sum.name == phase.name) {
            Some(sum) => sum.seconds += phase.seconds,
            None => sums.push(phase.clone()),
        }
    }
    phase_table(&sums)
}

fn phase_table(phases: &[Phase]) -> String {
    let mut out = format!("{HEAD}time{HEAD:#}\n");
    let mut total = 0.0;
    for phase in phases {
        total += phase.seconds;
        let _ = writeln!(out, "  {:<8} {:>8.1} ms", phase.name, phase.seconds * 1e3);
    }
    let _ = writeln!(out, "  {:<8} {:>8.1} ms", "total", total * 1e3);
    out
}
