//! Values as text and as JSON.

use std::fmt::Write;

use btfkit_kernel::show::Shown;
use serde_json::Value as Json;

pub(super) const HEAD: anstyle::Style = anstyle::Style::new().bold();
pub(super) const WARNING: anstyle::Style = anstyle::AnsiColor::Yellow.on_default();

/// Appends a value as C would initialise it, members a line each.
pub(super) fn text(out: &mut String, shown: &Shown, depth: usize) {
    match shown {
        Shown::Scalar(scalar) => out.push_str(scalar),
        Shown::Text(text) => {
            let _ = write!(out, "{:?}", text.text);
        }
        Shown::Deeper => out.push_str("{…}"),
        Shown::Error(error) => {
            let _ = write!(out, "{WARNING}<{}>{WARNING:#}", error.error);
        }
        Shown::Members(members) => {
            out.push_str("{\n");
            for (name, member) in members {
                indent(out, depth + 1);
                if !name.is_empty() {
                    let _ = write!(out, ".{name} = ");
                }
                text(out, member, depth + 1);
                out.push_str(",\n");
            }
            indent(out, depth);
            out.push('}');
        }
        Shown::Elements(elements) => {
            out.push('{');
            let is_long = elements.runs.iter().any(|(element, _)| matches!(element, Shown::Members(_)));
            for (index, (element, times)) in elements.runs.iter().enumerate() {
                if index > 0 {
                    out.push_str(if is_long { "," } else { ", " });
                }
                if is_long {
                    out.push('\n');
                    indent(out, depth + 1);
                }
                text(out, element, depth + 1);
                if *times > 1 {
                    let _ = write!(out, " <{times} times>");
                }
            }
            if elements.more > 0 {
                let _ = write!(out, ", … {} more", elements.more);
            }
            if is_long {
                out.push('\n');
                indent(out, depth);
            }
            out.push('}');
        }
    }
}

/// A value on one line: text without quotes, the rest as it is.
pub(crate) fn one_line(shown: &Shown) -> String {
    if let Shown::Text(shown) = shown {
        return shown.text.escape_debug().to_string();
    }
    let mut out = String::new();
    text(&mut out, shown, 0);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rows with their cells one below the other; the first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = match index {
            0 => writeln!(out, "{HEAD}{}{HEAD:#}", line.trim_end()),
            _ => writeln!(out, "{}", line.trim_end()),
        };
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("    ", depth));
}

/// A value as JSON: members by name, those of anonymous aggregates among them.
pub(super) fn json(shown: &Shown) -> Json {
    match shown {
        Shown::Scalar(scalar) => Json::String(scalar.clone()),
        Shown::Text(text) => Json::String(text.text.clone()),
        Shown::Deeper => Json::Null,
        Shown::Error(error) => serde_json::json!({"error": error.error}),
        Shown::Members(members) => {
            let mut map = serde_json::Map::new();
            for (name, member) in members {
                match (name.as_str(), json(member)) {
                    ("", Json::Object(inner)) => map.extend(inner),
                    (name, value) => drop(map.insert(name.to_owned(), value)),
                }
            }
            Json::Object(map)
        }
        Shown::Elements(elements) => {
            let each = elements.runs.iter();
            let each = each.flat_map(|(element, times)| std::iter::repeat_n(json(element), *times as usize));
            Json::Array(each.collect())
        }
    }
}
