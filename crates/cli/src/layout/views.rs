//! Each view as text.

use std::fmt::Write;

use btfkit_btf::structure::{Repacked, Structure, Structures, containers, pointers};
use btfkit_btf::{Type, TypeId};

use super::listing::{self, Seen};
use super::text::Text;
use super::{Request, View, json};
use crate::selector::Selector;

/// What is written goes out when there is so much of it.
const CHUNK: usize = 1 << 20;

/// Where text goes.
type Sink<'s> = &'s mut dyn FnMut(&str) -> crate::Outcome;

/// Text, or one line about why there is none.
type Written = Result<String, Box<dyn std::error::Error>>;

/// Writes all that `request` asks for.
pub(super) fn render(request: &Request, structures: &mut Structures<'_>, sink: Sink<'_>) -> crate::Outcome {
    let text = match &request.view {
        View::Containing(target) => containing(target, request, structures)?,
        View::PointersTo(target) => pointing(target, request, structures)?,
        View::Bodies => bodies(request, structures, sink)?,
        View::Reorganized { steps } => reorganized(*steps, request, structures, sink)?,
        View::Sizes { separator } => table(request, structures, *separator, |ty, structures| {
            let structure = structures.get(ty.id())?;
            Some(vec![structure.size, u64::from(structure.holes)])
        })?,
        View::Members { separator } => {
            table(request, structures, *separator, |ty, _| Some(vec![u64::from(ty.vlen())]))?
        }
        View::Packable { separator } => table(request, structures, *separator, |ty, structures| {
            let structure = structures.get(ty.id())?;
            let better = structure.repack()?;
            Some(vec![structure.size, better.structure.size, better.saved])
        })?,
        View::Json => objects(request, structures, sink)?,
    };
    sink(&text)
}

/// The types themselves.
fn bodies(request: &Request, structures: &mut Structures<'_>, sink: Sink<'_>) -> Written {
    let types = listing::types(request, structures)?;
    let mut text = Text::new(structures, request.style);
    for ty in types {
        text.write(ty);
        // So that one sees where one of several ends, pahole leaves a line free behind those asked for by name.
        if !request.names.is_empty() {
            text.out.push('\n');
        }
        flush(&mut text.out, sink)?;
    }
    Ok(text.out)
}

/// A JSON object for each structure and union.
fn objects(request: &Request, structures: &mut Structures<'_>, sink: Sink<'_>) -> Written {
    let mut out = String::new();
    for ty in listing::types(request, structures)? {
        json::line(&mut out, ty, structures);
        flush(&mut out, sink)?;
    }
    Ok(out)
}

/// Passes on what has been written, once that is much.
fn flush(out: &mut String, sink: Sink<'_>) -> crate::Outcome {
    if out.len() >= CHUNK {
        sink(out)?;
        out.clear();
    }
    Ok(())
}

/// A line of columns for each structure and union that has them.
fn table<'b>(
    request: &Request,
    structures: &mut Structures<'b>,
    separator: char,
    row: impl Fn(Type<'b>, &mut Structures<'b>) -> Option<Vec<u64>>,
) -> Written {
    let mut out = String::new();
    for ty in listing::types(request, structures)?.into_iter().filter(|ty| ty.kind().is_aggregate()) {
        let Some(columns) = row(ty, structures) else { continue };
        out.push_str(&ty.name_str());
        for column in columns {
            let _ = write!(out, "{separator}{column}");
        }
        out.push_str(if request.names.is_empty() { "\n" } else { "\n\n" });
    }
    Ok(out)
}

fn targets(target: &Selector, structures: &Structures<'_>) -> Result<Vec<TypeId>, String> {
    let void = matches!(target, Selector::Name { name, .. } if name == "void");
    if void {
        return Ok(vec![TypeId::VOID]);
    }
    Ok(target.find(structures.btf())?.iter().map(|ty| ty.id()).collect())
}

/// Names of those that have a member of the type.
fn containing(target: &Selector, request: &Request, structures: &mut Structures<'_>) -> Written {
    let targets = targets(target, structures)?;
    let mut seen = Seen::default();
    let mut out = String::new();
    for ty in containers(structures.btf(), &targets) {
        if request.filter.takes(ty, structures) && seen.is_new(ty) {
            out.push_str(&ty.name_str());
            out.push('\n');
        }
    }
    Ok(out)
}

/// Members that are pointers to the type.
fn pointing(target: &Selector, request: &Request, structures: &mut Structures<'_>) -> Written {
    let targets = targets(target, structures)?;
    let mut seen = Seen::default();
    let mut out = String::new();
    for (ty, members) in pointers(structures.btf(), &targets) {
        if request.filter.takes(ty, structures) && seen.is_new(ty) {
            for member in members {
                let _ =
                    writeln!(out, "{}: {}", ty.name_str(), String::from_utf8_lossy(ty.string(member.name)));
            }
        }
    }
    Ok(out)
}

/// Structures in a better order; as they are where there is none.
fn reorganized(steps: bool, request: &Request, structures: &mut Structures<'_>, sink: Sink<'_>) -> Written {
    let types = listing::types(request, structures)?;
    let mut text = Text::new(structures, request.style);
    for ty in types {
        match text.structure(ty).and_then(Structure::repack) {
            None => text.write(ty),
            Some(better) => {
                if steps {
                    show_moves(&mut text, ty, &better);
                }
                let lines = |size: u64| size.div_ceil(request.style.cacheline);
                let before = better.structure.size.saturating_add(better.saved);
                let fewer = lines(before) - lines(better.structure.size);
                text.write_as(ty, &better.structure);
                text.out.push_str(&saved(&better, fewer));
            }
        }
        flush(&mut text.out, sink)?;
    }
    Ok(text.out)
}

/// Each move, and the structure after it.
fn show_moves<'b>(text: &mut Text<'b, '_>, ty: Type<'b>, better: &Repacked) {
    let name = |offset| String::from_utf8_lossy(ty.string(offset)).into_owned();
    let place = |neighbour: Option<_>| {
        neighbour.map_or_else(|| "the front".to_owned(), |neighbour| format!("after '{}'", name(neighbour)))
    };
    let mut order: Vec<usize> = (0..better.structure.fields.len()).collect();
    for step in &better.moves {
        let (from, to) = (place(step.from), place(step.to));
        let _ = writeln!(text.out, "/* Moving '{}' from {from} to {to} */", name(step.name));
        let moved = order.remove(step.index);
        order.insert(step.target, moved);
        let structure = text.structure(ty).and_then(|structure| structure.with_order(&order));
        if let Some(structure) = structure {
            text.write_as(ty, &structure);
            text.out.push('\n');
        }
    }
    if !better.moves.is_empty() {
        text.out.push_str("\n/* Final reorganized struct: */\n");
    }
}

fn saved(better: &Repacked, cachelines: u64) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let mut text = format!(";   /* saved {} byte{}", better.saved, plural(better.saved));
    if cachelines > 0 {
        let _ = write!(text, " and {cachelines} cacheline{}", plural(cachelines));
    }
    text + "! */\n"
}
