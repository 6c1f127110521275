//! What an encode did: numbers for a summary, reasons for what is not in the output.

use std::collections::BTreeMap;
use std::time::Duration;

use btfkit_btf::Btf;
use serde::Serialize;

use crate::functions::Verdict;
use crate::output::Facts;
use crate::record::Aggregate;

/// How long one phase took.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// Its name, as the documentation has it.
    pub name: &'static str,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A section of variables.
#[derive(Debug, Clone, Serialize)]
pub struct SectionReport {
    /// Its name.
    pub name: String,
    /// Variables in it.
    pub variables: usize,
    /// Bytes of the section that they cover.
    pub bytes: u64,
}

/// A name with several meanings.
#[derive(Debug, Clone, Serialize)]
pub struct AmbiguityReport {
    /// `struct`, `union` or `enum`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// How many meanings.
    pub meanings: usize,
}

/// What an encode did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Size of the output in bytes.
    pub bytes: usize,
    /// Number of types, functions and variables included.
    pub types: u32,
    /// Bytes of names.
    pub string_bytes: usize,
    /// Records by kind.
    pub kinds: BTreeMap<String, u32>,
    /// DWARF units that were read.
    pub units: usize,
    /// Units left out by their language.
    pub units_left_out: usize,
    /// Debugging entries that were kept while reading.
    pub entries: u64,
    /// Functions in the output.
    pub functions: usize,
    /// Functions left out, by reason.
    pub functions_left_out: BTreeMap<String, usize>,
    /// Variables in the output, by section; those without a place under "".
    pub variables: Vec<SectionReport>,
    /// Symbols and variables left out, by reason.
    pub variables_left_out: BTreeMap<String, usize>,
    /// Names of struct, union and enum types with several meanings.
    pub ambiguous: Vec<AmbiguityReport>,
    /// Places in the DWARF that could not be read, by reason.
    pub damage: BTreeMap<String, u64>,
    /// Split units that were not found.
    pub missing_files: Vec<String>,
    /// Answers to `explain`.
    pub explanations: Vec<String>,
    /// How long each phase took.
    pub phases: Vec<Phase>,
}

/// A stop watch for phases.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    last: std::time::Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { last: std::time::Instant::now() }
    }

    /// Ends a phase.
    pub(crate) fn lap(&mut self, name: &'static str, report: &mut Report) {
        let now = std::time::Instant::now();
        let elapsed: Duration = now - self.last;
        report.phases.push(Phase { name, seconds: elapsed.as_secs_f64() });
        self.last = now;
    }
}

/// Counts what is in `btf`.
pub(crate) fn contents(report: &mut Report, btf: &Btf<'_>) {
    report.bytes = btf.bytes().len();
    report.types = btf.type_count();
    report.string_bytes = btf.string_section().len();
    for ty in btf.types() {
        *report.kinds.entry(ty.kind().to_string()).or_default() += 1;
    }
}

/// Counts what was selected, and what was not.
pub(crate) fn selection(report: &mut Report, facts: &Facts<'_>) {
    let Facts { settled, names, choices, selection, data, .. } = *facts;
    for choice in choices {
        if choice.verdict == Verdict::Kept {
            report.functions += 1;
        } else {
            *report.functions_left_out.entry(choice.verdict.reason().to_owned()).or_default() += 1;
        }
    }
    let mut sections: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for variable in &selection.variables {
        let section = variable.place.and_then(|place| data.section(place.section));
        let name =
            section.map_or(String::new(), |section| String::from_utf8_lossy(&section.name).into_owned());
        let entry = sections.entry(name).or_default();
        entry.0 += 1;
        entry.1 += variable.size;
    }
    report.variables = sections
        .into_iter()
        .map(|(name, (variables, bytes))| SectionReport { name, variables, bytes })
        .collect();
    for (_, reason) in &selection.left_out {
        *report.variables_left_out.entry(reason.reason().to_owned()).or_default() += 1;
    }
    report.ambiguous = settled
        .ambiguous
        .iter()
        .map(|name| AmbiguityReport {
            kind: match name.kind {
                Aggregate::Struct => "struct",
                Aggregate::Union => "union",
                _ => "enum",
            },
            name: String::from_utf8_lossy(names.bytes(name.name)).into_owned(),
            meanings: name.contents.len(),
        })
        .collect();
}
