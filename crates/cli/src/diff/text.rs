//! Differences as a person reads them.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use btfkit_btf::diff::{Breaks, Change, Diff, Difference, Place, Status, Subject, What};

use super::{Count, Counts};

const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();

/// Fewer moved members than this are listed one by one.
const RUN: usize = 3;

/// All differences, a group each for types, functions and variables; on demand with whom each breaks.
pub(super) fn list(diff: &Diff, abi: bool) -> String {
    let mut out = String::new();
    for (title, list) in
        [("types", &diff.types), ("functions", &diff.functions), ("variables", &diff.variables)]
    {
        if !list.is_empty() {
            let _ = writeln!(out, "{HEAD}{title}{HEAD:#}");
            for difference in list {
                write_difference(&mut out, difference, abi);
            }
            out.push('\n');
        }
    }
    out
}

/// The counts, on a line.
pub(super) fn summary(counts: &Counts, abi: bool) -> String {
    let of = |name: &str, count: &Count| {
        format!("{name}: {} added, {} removed, {} changed", count.added, count.removed, count.changed)
    };
    let mut line =
        [of("types", &counts.types), of("functions", &counts.functions), of("variables", &counts.variables)]
            .join("; ");
    if abi {
        let _ = write!(
            line,
            "; {} break BPF programs, {} break modules",
            counts.breaks_core, counts.breaks_module
        );
    }
    line + "\n"
}

fn sign(status: Status) -> (char, Style) {
    match status {
        Status::Added => ('+', ADDED),
        Status::Removed => ('-', REMOVED),
        Status::Changed => ('~', CHANGED),
    }
}

fn write_difference(out: &mut String, difference: &Difference, abi: bool) {
    let (sign, style) = sign(difference.status);
    let word = match difference.subject {
        Subject::Struct => "struct ",
        Subject::Union => "union ",
        Subject::Enum => "enum ",
        Subject::Typedef => "typedef ",
        Subject::Basic | Subject::Function | Subject::Variable => "",
    };
    let title = match &difference.declaration {
        Some(declaration) => declaration.clone(),
        None if difference.name.is_empty() => format!("{word}{{…}}"),
        None if difference.subject == Subject::Function => format!("{}()", difference.name),
        None => format!("{word}{}", difference.name),
    };
    let meanings = difference.meanings.map_or_else(String::new, |[before, after]| {
        format!("  {FAINT}({before} of this name before, {after} after){FAINT:#}")
    });
    let whom = if difference.changes.is_empty() { whom(difference.breaks, abi) } else { String::new() };
    let _ = writeln!(out, "{style}{sign}{style:#} {HEAD}{title}{HEAD:#}{meanings}{whom}");
    let mut changes = &difference.changes[..];
    while let Some((first, rest)) = changes.split_first() {
        let run = run_of_moves(changes);
        if run >= RUN {
            write_run(out, &changes[..run], abi);
            changes = &changes[run..];
        } else {
            write_change(out, first, abi);
            changes = rest;
        }
    }
}

/// How many members from the first on have moved by the same distance.
fn run_of_moves(changes: &[Change]) -> usize {
    let distance = |change: &Change| match change.what {
        What::MemberMoved { before, after, .. } => Some(i64::from(after) - i64::from(before)),
        _ => None,
    };
    let Some(first) = changes.first().and_then(distance) else { return 0 };
    changes.iter().take_while(|change| distance(change) == Some(first)).count()
}

fn write_run(out: &mut String, changes: &[Change], abi: bool) {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return };
    if let (What::MemberMoved { name, before, after }, What::MemberMoved { name: end, .. }) =
        (&first.what, &last.what)
    {
        let distance = i64::from(*after) - i64::from(*before);
        let sign = if distance < 0 { "-" } else { "+" };
        let distance = bytes(distance.unsigned_abs() as u32);
        let text = format!("{} members moved by {sign}{distance}: {name} to {end}", changes.len());
        write_line(out, Status::Changed, &text, first.breaks, abi);
    }
}

fn write_change(out: &mut String, change: &Change, abi: bool) {
    let (status, text) = describe(&change.what);
    write_line(out, status, &text, change.breaks, abi);
}

fn write_line(out: &mut String, status: Status, text: &str, breaks: Breaks, abi: bool) {
    let (sign, style) = sign(status);
    let _ = writeln!(out, "    {style}{sign} {text}{style:#}{}", whom(breaks, abi));
}

fn whom(breaks: Breaks, abi: bool) -> String {
    let word = match (breaks.core, breaks.module) {
        _ if !abi => return String::new(),
        (true, true) => "breaks BPF programs and modules",
        (true, false) => "breaks BPF programs",
        (false, true) => "breaks modules",
        (false, false) => return String::new(),
    };
    format!("  {FAINT}{word}{FAINT:#}")
}

/// An offset or size in bits, for people: bytes, and bits beyond them.
fn bytes(bits: u32) -> String {
    if bits.is_multiple_of(8) { (bits / 8).to_string() } else { format!("{}:{}", bits / 8, bits % 8) }
}

fn size(bits: u64) -> String {
    let count = |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    if bits.is_multiple_of(8) { count(bits / 8, "byte") } else { count(bits, "bit") }
}

fn place(member: &Place) -> String {
    format!("{};  at {}, {}", member.declaration, bytes(member.bit_offset), size(member.bits))
}

fn describe(what: &What) -> (Status, String) {
    let note = |spelling: bool| if spelling { " (only spelled otherwise)" } else { "" };
    let text = match what {
        What::MemberAdded(member) => return (Status::Added, place(member)),
        What::MemberRemoved(member) => return (Status::Removed, place(member)),
        What::EnumeratorAdded { name, value } => return (Status::Added, format!("{name} = {value}")),
        What::EnumeratorRemoved { name, value } => return (Status::Removed, format!("{name} = {value}")),
        What::ParameterAdded { index, declaration } => {
            return (Status::Added, format!("parameter {}: {declaration}", index + 1));
        }
        What::ParameterRemoved { index, declaration } => {
            return (Status::Removed, format!("parameter {}: {declaration}", index + 1));
        }
        What::Size { before, after } => format!("{before} → {after} bytes"),
        What::MemberMoved { name, before, after } => {
            format!("{name}: moved from {} to {}", bytes(*before), bytes(*after))
        }
        What::MemberRetyped { before, after, bits_before, bits_after, spelling, .. } => {
            let sizes = if bits_before == bits_after {
                String::new()
            } else {
                format!(", {} → {}", size(*bits_before), size(*bits_after))
            };
            format!("{before} → {after}{sizes}{}", note(*spelling))
        }
        What::MemberResized { name, bits_before, bits_after } => {
            let word = if bits_before < bits_after { "grew" } else { "shrank" };
            format!("{name}: {word}, {} → {}", size(*bits_before), size(*bits_after))
        }
        What::MemberRenamed { before, after, bit_offset } => {
            format!("{before} → {after}: renamed, at {}", bytes(*bit_offset))
        }
        What::EnumeratorRevalued { name, before, after } => format!("{name}: {before} → {after}"),
        What::Signed { after, .. } => format!("now {}", if *after { "signed" } else { "unsigned" }),
        What::Retargeted { before, after, spelling } => format!("{before} → {after}{}", note(*spelling)),
        What::ReturnRetyped { before, after, spelling } => {
            format!("returns {before} → {after}{}", note(*spelling))
        }
        What::ParameterMoved { name, before, after } => {
            format!("{name}: parameter {} → {}", before + 1, after + 1)
        }
        What::ParameterRetyped { index, before, after, spelling } => {
            format!("parameter {}: {before} → {after}{}", index + 1, note(*spelling))
        }
        What::ParameterRenamed { index, before, after } => {
            let name = |name: &str| if name.is_empty() { "(no name)".to_owned() } else { name.to_owned() };
            format!("parameter {}: {} → {}: renamed", index + 1, name(before), name(after))
        }
        What::VariableRetyped { before, after, bytes_before, bytes_after, spelling } => {
            let sizes = if bytes_before == bytes_after {
                String::new()
            } else {
                format!(", {bytes_before} → {bytes_after} bytes")
            };
            format!("{before} → {after}{sizes}{}", note(*spelling))
        }
        What::VariableResized { before, after } => format!("{before} → {after} bytes"),
        What::SectionChanged { before, after } => {
            let name = |name: &str| if name.is_empty() { "no section".to_owned() } else { name.to_owned() };
            format!("{} → {}", name(before), name(after))
        }
        // A kind of change newer than this list.
        other => format!("{other:?}"),
    };
    (Status::Changed, text)
}
