//! The table of sizes.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use btfkit_btf::size::{Owner, Share, Size};

use super::Column;

const HEAD: Style = Style::new().bold();
const LESS: Style = AnsiColor::Green.on_default();
const MORE: Style = AnsiColor::Red.on_default();

/// A line: what it counts, and how much of that each file has.
struct Line {
    label: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// How many, where that means something.
    count: Option<u64>,
    bytes: u64,
}

impl Cell {
    fn bytes(bytes: u64) -> Self {
        Self { count: None, bytes }
    }
}

impl From<Share> for Cell {
    fn from(share: Share) -> Self {
        Self { count: Some(share.count), bytes: share.bytes }
    }
}

/// One file's table has counts and shares; that of several has each file's bytes, and its difference from the first.
pub(super) fn render(columns: &[Column]) -> String {
    let lines = lines(columns);
    match columns {
        [column] => single(&lines, column),
        _ => side_by_side(&lines, columns),
    }
}

fn single(lines: &[Line], column: &Column) -> String {
    let label = label_width(lines, &column.file);
    let mut out =
        format!("{HEAD}{:<label$} {:>9} {:>11} {:>7}{HEAD:#}\n", column.file, "count", "bytes", "share");
    for line in lines {
        let cell = line.cells[0];
        let count = cell.count.map_or_else(String::new, |count| count.to_string());
        let share = percent(cell.bytes as f64, column.size.total);
        let style = style(line);
        let _ =
            writeln!(out, "{style}{:<label$} {count:>9} {:>11} {share:>7}{style:#}", line.label, cell.bytes);
    }
    out
}

fn side_by_side(lines: &[Line], columns: &[Column]) -> String {
    let label = label_width(lines, "");
    let names = names(columns);
    let width = |name: &String| name.chars().count().max(11);
    let mut out = format!("{HEAD}{:<label$}", "bytes");
    for (index, name) in names.iter().enumerate() {
        let _ = write!(out, "  {name:>width$}", width = width(name));
        if index > 0 {
            let _ = write!(out, " {:>19}", "difference");
        }
    }
    let _ = writeln!(out, "{HEAD:#}");
    for line in lines {
        let style = style(line);
        let mut text = format!("{style}{:<label$}{style:#}", line.label);
        let first = line.cells[0].bytes;
        for (index, (cell, name)) in line.cells.iter().zip(&names).enumerate() {
            let _ = write!(text, "  {style}{:>width$}{style:#}", cell.bytes, width = width(name));
            if index > 0 {
                let difference = i128::from(cell.bytes) - i128::from(first);
                let share = if difference == 0 { String::new() } else { signed_percent(difference, first) };
                let style = match difference {
                    0 => Style::new(),
                    ..0 => LESS,
                    _ => MORE,
                };
                let _ = write!(text, " {style}{difference:>+10}{style:#}");
                // Blanks at the end of a line are to be outside of a style, where they can be taken off.
                let style = if share.is_empty() { Style::new() } else { style };
                let _ = write!(text, "{style} {share:>8}{style:#}");
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// What the files are called: their names without folders, if these differ.
fn names(columns: &[Column]) -> Vec<String> {
    let short = |column: &Column| {
        column.file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(&column.file).to_owned()
    };
    let names: Vec<String> = columns.iter().map(short).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == names.len() {
        names
    } else {
        columns.iter().map(|column| column.file.clone()).collect()
    }
}

fn lines(columns: &[Column]) -> Vec<Line> {
    let mut lines = Lines { columns, lines: Vec::new() };
    lines.always("total", |size| Cell::bytes(size.total));
    lines.always("header", |size| Cell::bytes(size.header));
    lines.always("types", |size| size.type_share().into());
    let kinds: BTreeMap<u8, String> = columns
        .iter()
        .flat_map(|column| &column.size.types)
        .map(|kind| (kind.kind.number(), kind.kind.to_string()))
        .collect();
    for (number, name) in &kinds {
        lines.always(&format!("  {name}"), |size| {
            let kind = size.types.iter().find(|kind| kind.kind.number() == *number);
            kind.map_or_else(Share::default, |kind| kind.share).into()
        });
    }
    lines.if_any("layout", |size| Cell::bytes(size.layout));
    lines.always("strings", |size| size.string_share().into());
    for owner in Owner::ALL {
        lines.if_any(&format!("  {}", of_owner(owner)), |size| {
            let found = size.strings.iter().find(|strings| strings.owner == owner);
            found.map_or_else(Share::default, |found| found.share).into()
        });
    }
    lines.if_any("in no section", |size| Cell::bytes(size.unused));
    lines.if_any("in several sections, counted for each", |size| Cell::bytes(size.overlapping));
    sections(&mut lines);
    lines.if_any("stored twice", |size| {
        let mut all = size.duplicates.types;
        all += size.duplicates.strings;
        all += size.duplicates.strings_of_base;
        all.into()
    });
    lines.if_any("  types", |size| size.duplicates.types.into());
    lines.if_any("  strings", |size| size.duplicates.strings.into());
    lines.if_any("  strings that the base has", |size| size.duplicates.strings_of_base.into());
    let compressed: Option<Vec<Cell>> =
        columns.iter().map(|column| Some(Cell::bytes(column.compressed?))).collect();
    if let Some(cells) = compressed {
        lines.lines.push(Line { label: "gzip".into(), cells });
    }
    lines.lines
}

/// The variables: parts of types and strings again.
fn sections(lines: &mut Lines<'_>) {
    lines.if_any("variables with their names", |size| {
        let mut all = Share::default();
        for section in &size.sections {
            all.count += section.variables;
            all.bytes += section.record_bytes + section.name_bytes;
        }
        all.into()
    });
    let mut names: Vec<&str> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for section in lines.columns.iter().flat_map(|column| &column.size.sections) {
        if known.insert(&section.name) {
            names.push(&section.name);
        }
    }
    let by_name: Vec<BTreeMap<&str, Cell>> = lines
        .columns
        .iter()
        .map(|column| {
            let cell = |section: &btfkit_btf::size::SectionSize| Cell {
                count: Some(section.variables),
                bytes: section.record_bytes + section.name_bytes,
            };
            column.size.sections.iter().map(|section| (section.name.as_str(), cell(section))).collect()
        })
        .collect();
    for name in names {
        let none = Cell { count: Some(0), bytes: 0 };
        let cells = by_name.iter().map(|sections| sections.get(name).copied().unwrap_or(none)).collect();
        let label =
            if name.is_empty() { "  (in no section)".into() } else { format!("  {}", printable(name)) };
        lines.lines.push(Line { label, cells });
    }
}

/// Lines being collected.
struct Lines<'c> {
    columns: &'c [Column],
    lines: Vec<Line>,
}

impl Lines<'_> {
    fn always(&mut self, label: &str, cell: impl Fn(&Size) -> Cell) {
        let cells = self.columns.iter().map(|column| cell(&column.size)).collect();
        self.lines.push(Line { label: label.into(), cells });
    }

    /// A line that is left out when it is zero for all files.
    fn if_any(&mut self, label: &str, cell: impl Fn(&Size) -> Cell) {
        if self.columns.iter().any(|column| cell(&column.size).bytes > 0) {
            self.always(label, cell);
        }
    }
}

fn of_owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Functions => "of functions",
        Owner::Parameters => "of parameters",
        Owner::Members => "of members",
        Owner::Enumerators => "of enumerators",
        Owner::Variables => "of variables",
        Owner::Types => "of types",
        Owner::Sections => "of sections",
        Owner::Tags => "of tags",
        Owner::Shared => "of several of these",
        Owner::Unused => "of nothing",
    }
}

/// A name from a file, without what a terminal might obey.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn style(line: &Line) -> Style {
    if line.label.starts_with(' ') { Style::new() } else { HEAD }
}

fn label_width(lines: &[Line], name: &str) -> usize {
    let labels = lines.iter().map(|line| line.label.chars().count());
    labels.chain([name.chars().count()]).max().unwrap_or(0)
}

fn percent(part: f64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part * 100.0 / whole as f64) }
}

fn signed_percent(part: i128, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole as f64;
    match percent.abs() {
        _ if whole == 0 => String::new(),
        1000.0.. => format!("{percent:+.0} %"),
        _ => format!("{percent:+.1} %"),
    }
}
