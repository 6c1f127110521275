//! The report of a comparison: counts per class, and examples.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::census::{Census, Class};
use super::difference::{Difference, Differences, Side, changed_lines};

/// How many lines of one example are shown.
const LINES: usize = 8;

/// What `compare` prints, as a table or as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether the two BTFs mean the same.
    pub(crate) equal: bool,
    classes: Vec<Row>,
    examples: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Row {
    class: Class,
    a: usize,
    b: usize,
    only_a: usize,
    only_b: usize,
    different: usize,
    /// Definitions that repeat another of the same BTF.
    duplicates_a: usize,
    duplicates_b: usize,
    /// Names with more than one meaning.
    ambiguous_a: usize,
    ambiguous_b: usize,
}

impl Report {
    /// Sums up, with up to `show` examples per class and kind of difference.
    pub(crate) fn new(a: &Census, b: &Census, differences: &Differences, show: usize) -> Self {
        let classes: BTreeSet<Class> = a.classes.keys().chain(b.classes.keys()).copied().collect();
        let rows: Vec<Row> = classes.iter().map(|class| row(*class, a, b, differences)).collect();
        let sides = [Side::OnlyA, Side::OnlyB, Side::Different];
        let kinds = classes.iter().flat_map(|class| sides.map(|side| (*class, side)));
        let examples =
            kinds.flat_map(|(class, side)| differences.of(class, side).take(show)).cloned().collect();
        let same_duplicates = rows.iter().all(|row| row.duplicates_a == row.duplicates_b);
        Self { equal: differences.all.is_empty() && same_duplicates, classes: rows, examples }
    }
}

fn row(class: Class, a: &Census, b: &Census, differences: &Differences) -> Row {
    Row {
        class,
        a: a.count(class),
        b: b.count(class),
        only_a: differences.count(class, Side::OnlyA),
        only_b: differences.count(class, Side::OnlyB),
        different: differences.count(class, Side::Different),
        duplicates_a: a.duplicates(class),
        duplicates_b: b.duplicates(class),
        ambiguous_a: a.ambiguous(class),
        ambiguous_b: b.ambiguous(class),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20}{:>9}{:>9}{:>9}{:>9}{:>10}{:>14}{:>18}",
            "class", "A", "B", "only A", "only B", "different", "repeated A/B", "ambiguous A/B"
        )?;
        for row in &self.classes {
            // Derived types are only counted for what repeats.
            let count = |n: usize| if row.class == Class::Derived { String::new() } else { n.to_string() };
            write!(f, "{:<20}{:>9}{:>9}", row.class, count(row.a), count(row.b))?;
            write!(f, "{:>9}{:>9}{:>10}", count(row.only_a), count(row.only_b), count(row.different))?;
            let repeated = format!("{}/{}", row.duplicates_a, row.duplicates_b);
            writeln!(f, "{repeated:>14}{:>18}", format!("{}/{}", row.ambiguous_a, row.ambiguous_b))?;
        }
        for example in &self.examples {
            write_example(f, example)?;
        }
        writeln!(f, "{}", if self.equal { "the two mean the same" } else { "the two differ" })
    }
}

fn write_example(f: &mut fmt::Formatter<'_>, example: &Difference) -> fmt::Result {
    let (a, b) = (example.a.as_deref().unwrap_or_default(), example.b.as_deref().unwrap_or_default());
    let heading = match example.side {
        Side::OnlyA => "only in A",
        Side::OnlyB => "only in B",
        Side::Different => "different",
    };
    writeln!(f, "\n{heading}: {} {}", example.class, example.name)?;
    let (a, b) = changed_lines(a, b);
    write_lines(f, '-', &a)?;
    write_lines(f, '+', &b)
}

fn write_lines(f: &mut fmt::Formatter<'_>, sign: char, lines: &[&str]) -> fmt::Result {
    for line in lines.iter().take(LINES) {
        writeln!(f, "  {sign} {line}")?;
    }
    if lines.len() > LINES {
        writeln!(f, "  {sign} … and {} more lines", lines.len() - LINES)?;
    }
    Ok(())
}
