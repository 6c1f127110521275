//! `btfkit dedup`: each type of a BTF once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use btfkit_btf::dedup::{Report, deduplicate};
use btfkit_btf::{Btf, Error, Kind, TypeId, places};
use clap::Args;
use serde::Serialize;

use crate::input::Input;
use crate::output::Destination;

/// Write each type of a BTF once
///
/// Without -o and --in-place nothing is written, and what would come out is printed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit dedup all-units.btf -o deduplicated.btf\n  \
    btfkit dedup prog.bpf.o --in-place\n  \
    btfkit dedup vmlinux.btf")]
pub(crate) struct Arguments {
    /// Raw BTF, an ELF file, or "-"
    file: PathBuf,

    /// The BTF that it is split on: types that this has are not repeated
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Also take sections that are equal in all respects for one, with their variables: for copies of one BTF, not for
    /// modules
    #[arg(long)]
    same_places: bool,

    #[command(flatten)]
    destination: Destination,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// What came of deduplication.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) bytes_before: usize,
    pub(crate) bytes_after: usize,
    pub(crate) types_before: u32,
    pub(crate) types_after: u32,
    /// Types before and after, by kind.
    pub(crate) kinds: BTreeMap<String, [u32; 2]>,
    pub(crate) forwards_resolved: u32,
    pub(crate) forwards_left: u32,
    pub(crate) ambiguous: Vec<Ambiguous>,
    /// How long it took to tell which types are the same, and to write each once.
    pub(crate) seconds: f64,
}

/// A name that means several types.
#[derive(Debug, Serialize)]
pub(crate) struct Ambiguous {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Their ids in the result.
    pub(crate) types: Vec<TypeId>,
}

/// A BTF that has been deduplicated.
pub(crate) struct Deduplicated {
    pub(crate) bytes: Vec<u8>,
    /// The new id of each own type.
    pub(crate) ids: Vec<TypeId>,
    pub(crate) summary: Summary,
}

/// Deduplicates `btf`; with `same_places` also variables and sections.
pub(crate) fn unique(btf: &Btf<'static>, same_places: bool) -> Result<Deduplicated, Error> {
    let start = Instant::now();
    let (bytes, mut ids, report) = once(btf)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut after = view(bytes, btf)?;
    if same_places && let Some(merged) = places::merge_equal(&after)? {
        // Tags of variables that have become one may be the same now.
        let again = view(merged.bytes, btf)?;
        let (last, last_ids, _) = once(&again)?;
        let follow = |id: TypeId, ids: &[TypeId]| match id.0.checked_sub(btf.first_id().0) {
            Some(index) => ids.get(index as usize).copied().unwrap_or_default(),
            None => id,
        };
        for id in &mut ids {
            *id = follow(follow(*id, &merged.ids), &last_ids);
        }
        after = view(last, btf)?;
    }
    let summary = Summary { seconds, ..summarize(btf, &after, &ids, report) };
    Ok(Deduplicated { bytes: after.bytes().to_vec(), ids, summary })
}

fn once(btf: &Btf<'static>) -> Result<(Vec<u8>, Vec<TypeId>, Report), Error> {
    let deduplication = deduplicate(btf)?;
    let rewritten = deduplication.rewrite(btf)?;
    Ok((rewritten.builder.finish()?, rewritten.ids, deduplication.report))
}

/// The bytes as BTF on the base of `old`.
fn view(bytes: Vec<u8>, old: &Btf<'static>) -> Result<Btf<'static>, Error> {
    match old.base() {
        Some(base) => Btf::parse_split(bytes, base.clone()),
        None => Btf::parse(bytes),
    }
}

fn summarize(before: &Btf<'_>, after: &Btf<'_>, ids: &[TypeId], report: Report) -> Summary {
    let mut counts = [[0u32; 2]; 256];
    for (side, btf) in [before, after].into_iter().enumerate() {
        for ty in btf.types() {
            counts[usize::from(ty.kind().number())][side] += 1;
        }
    }
    let counts = counts.into_iter().zip(0..=u8::MAX).filter(|(count, _)| *count != [0, 0]);
    let kinds = counts.map(|(count, number)| (Kind::from_number(number).to_string(), count)).collect();
    let new = |id: TypeId| match id.0.checked_sub(before.first_id().0) {
        Some(index) => ids.get(index as usize).copied().unwrap_or_default(),
        None => id,
    };
    let ambiguous = report.ambiguous.into_iter().map(|each| Ambiguous {
        kind: each.kind.to_string(),
        name: before.str(each.name).unwrap_or_default().into_owned(),
        types: each.variants.into_iter().map(new).collect(),
    });
    Summary {
        bytes_before: before.bytes().len(),
        bytes_after: after.bytes().len(),
        types_before: before.type_count(),
        types_after: after.type_count(),
        kinds,
        forwards_resolved: report.forwards_resolved,
        forwards_left: report.forwards_left,
        ambiguous: ambiguous.collect(),
        seconds: 0.0,
    }
}

const HEAD: anstyle::Style = anstyle::Style::new().bold();

impl Summary {
    /// As a person reads it.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{HEAD}{} → {} types{HEAD:#}, {} → {} bytes",
            self.types_before, self.types_after, self.bytes_before, self.bytes_after
        );
        for (kind, [before, after]) in &self.kinds {
            if before != after {
                let _ = writeln!(out, "  {kind:<12} {before:>9} → {after}");
            }
        }
        let _ = writeln!(
            out,
            "forward declarations: {} resolved, {} left",
            self.forwards_resolved, self.forwards_left
        );
        if !self.ambiguous.is_empty() {
            let _ = writeln!(out, "{HEAD}names with several meanings{HEAD:#}");
            for each in self.ambiguous.iter().take(20) {
                let ids: Vec<String> = each.types.iter().map(ToString::to_string).collect();
                let _ = writeln!(out, "  {} {}: {}", each.kind, each.name, ids.join(" "));
            }
            if self.ambiguous.len() > 20 {
                let _ = writeln!(out, "  … and {} more (--json lists all)", self.ambiguous.len() - 20);
            }
        }
        out
    }
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let input = Input::open(&arguments.file, arguments.base.as_deref())?;
    let unique = unique(&input.btf, arguments.same_places);
    let mut unique = unique.map_err(|error| format!("{}: {error}", input.name()))?;
    unique.summary.bytes_after = arguments.destination.write(&input, unique.bytes, &unique.ids)?;
    if arguments.json {
        return arguments.destination.say(&(serde_json::to_string_pretty(&unique.summary)? + "\n"));
    }
    if arguments.quiet { Ok(()) } else { arguments.destination.say(&unique.summary.render()) }
}
