//! `p`, `whatis`, `ptype`, `struct`, `union`.

use btfkit_btf::declaration::define;
use btfkit_kernel::expression::{self, ExpressionError, Selection, evaluate_partly};
use btfkit_kernel::show::{ErrorShown, Limits, Numbers, Shown, show};
use btfkit_kernel::{Shape, Value};

use crate::debug::{Session, render};

pub(in crate::debug) fn print(session: &Session, text: &str) -> crate::Outcome {
    let (numbers, text) = format(text)?;
    if text.is_empty() {
        return Err("p wants an expression: p init_task.comm".into());
    }
    let limits = Limits { numbers, ..Limits::default() };
    if let Some(selection) = expression::select(session.scope(), text) {
        return table(session, text, selection?, limits);
    }
    let (values, broken_off) = evaluate_partly(session.scope(), text)?;
    let mut all = Vec::new();
    for value in &values {
        let shown = show(&session.kernel, value, limits);
        // One value that cannot be read is the answer's failure; among several it is one answer.
        if let (Shown::Error(error), 1) = (&shown, values.len()) {
            return Err(format!("{text}: {}", error.error).into());
        }
        if session.json {
            all.push(serde_json::json!({
                "type": value.ctype.to_string(),
                "address": value.address().map(|address| format!("{address}")),
                "value": render::json(&shown),
            }));
        } else {
            let mut line = String::new();
            render::text(&mut line, &shown, 0);
            line.push('\n');
            session.put(&line)?;
        }
    }
    if session.json {
        session.answer(&serde_json::json!({"expression": text, "values": all}), String::new)?;
    }
    complete(text, broken_off)
}

/// A list that broke off is an error behind what there is of it.
fn complete(text: &str, broken_off: Option<ExpressionError>) -> crate::Outcome {
    broken_off.map_or(Ok(()), |error| Err(format!("{text}: elements are missing: {error}").into()))
}

/// A row for each value, a column for each member.
fn table(session: &Session, text: &str, selection: Selection, limits: Limits) -> crate::Outcome {
    let cell = |value: &Result<Value, ExpressionError>| match value {
        Ok(value) => show(&session.kernel, value, limits),
        Err(error) => Shown::Error(ErrorShown { error: error.to_string() }),
    };
    let is_wanted = |_: &_| session.kernel.memory().check_interrupt().is_ok();
    let rows = selection.rows.iter().take_while(is_wanted).map(|row| row.iter().map(cell));
    if session.json {
        let objects = rows.map(|row| {
            let members = selection.columns.iter().cloned().zip(row.map(|cell| render::json(&cell)));
            serde_json::Value::Object(members.collect())
        });
        let json = serde_json::json!({"expression": text, "rows": objects.collect::<Vec<_>>()});
        session.answer(&json, String::new)?;
    } else {
        let cells = rows.map(|row| row.map(|cell| render::one_line(&cell)).collect());
        let all: Vec<Vec<String>> = std::iter::once(selection.columns.clone()).chain(cells).collect();
        session.put(&render::table(&all))?;
    }
    complete(text, selection.broken_off)
}

/// `/x` before an expression.
fn format(text: &str) -> Result<(Numbers, &str), Box<dyn std::error::Error>> {
    let Some(rest) = text.strip_prefix('/') else { return Ok((Numbers::Natural, text)) };
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (format, rest) = rest.split_at(end);
    let numbers = match format {
        "x" => Numbers::Hexadecimal,
        "d" | "u" => Numbers::Decimal,
        "b" | "t" => Numbers::Binary,
        "c" => Numbers::Character,
        "s" => Numbers::Text,
        other => return Err(format!("there is no format /{other}: x, d, b, c and s are").into()),
    };
    Ok((numbers, rest.trim()))
}

pub(in crate::debug) fn whatis(session: &Session, text: &str) -> crate::Outcome {
    let ctype = match expression::type_of(&session.kernel, text) {
        Some(ctype) => ctype,
        None => expression::type_of_value(session.scope(), text)?,
    };
    let name = ctype.to_string();
    session.answer(&serde_json::json!({"expression": text, "type": name}), || name.clone() + "\n")
}

pub(in crate::debug) fn ptype(session: &Session, text: &str) -> crate::Outcome {
    let (row, lines) = definition(session, text)?;
    session.answer(&row, || lines)
}

/// A type with its members, as JSON and as lines.
fn definition(
    session: &Session,
    text: &str,
) -> Result<(serde_json::Value, String), Box<dyn std::error::Error>> {
    let ctype = match expression::type_of(&session.kernel, text) {
        Some(ctype) => ctype,
        None => expression::type_of_value(session.scope(), text)?,
    };
    let mut target = ctype.clone();
    // What a pointer points to is what one wants to see.
    while let Shape::Pointer(next) | Shape::Array(next, _) = target.shape() {
        target = next;
    }
    let lines = match target.shape() {
        Shape::Aggregate(btf, id) => btf.get(id).map(|ty| define(&btf, ty)).unwrap_or_default(),
        Shape::Enumeration(btf, id) => {
            let ty = btf.get(id)?;
            let values = ty.enumerators().map(|each| {
                format!("    {} = {},", String::from_utf8_lossy(ty.string(each.name)), each.value)
            });
            let head = format!("enum {} {{", ty.name_str());
            std::iter::once(head).chain(values).chain(std::iter::once("};".to_owned())).collect()
        }
        _ => vec![ctype.to_string()],
    };
    Ok((serde_json::json!({"type": ctype.to_string(), "definition": lines}), lines.join("\n") + "\n"))
}

pub(in crate::debug) fn structure(session: &Session, text: &str) -> crate::Outcome {
    aggregate(session, "struct", text)
}

pub(in crate::debug) fn union_(session: &Session, text: &str) -> crate::Outcome {
    aggregate(session, "union", text)
}

/// `NAME[.MEMBER,…] [ADDRESS]`: the type with its members, or what is at an address.
fn aggregate(session: &Session, tag: &str, text: &str) -> crate::Outcome {
    let (name, address) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if name.is_empty() {
        return Err(format!("{tag} wants a name: {tag} list_head").into());
    }
    let (name, members) = name.split_once('.').map_or((name, None), |(name, members)| (name, Some(members)));
    if expression::type_of(&session.kernel, &format!("{tag} {name}")).is_none() {
        session.kernel.types()?;
        return Err(format!("there is no {tag} {name}").into());
    }
    if address.trim().is_empty() {
        let member = |member: &str| definition(session, &format!("(({tag} {name} *)0)->{member}"));
        return match members {
            None => ptype(session, &format!("{tag} {name}")),
            Some(members) if members.contains(',') => {
                let each: Result<Vec<_>, _> = members.split(',').map(member).collect();
                let (rows, lines): (Vec<_>, Vec<_>) = each?.into_iter().unzip();
                session.answer(&rows, || lines.concat())
            }
            Some(one) => member(one).and_then(|(row, lines)| session.answer(&row, || lines)),
        };
    }
    let address = super::address(session, address.trim())?;
    let place = format!("(({tag} {name} *){address})");
    match members {
        None => print(session, &format!("*{place}")),
        Some(members) if members.contains(',') => print(session, &format!("{place}->{{{members}}}")),
        Some(member) => print(session, &format!("{place}->{member}")),
    }
}
