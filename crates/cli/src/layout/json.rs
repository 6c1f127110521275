//! Structures as JSON, one object a line.

use btfkit_btf::structure::{Forced, Inner, Structure, Structures};
use btfkit_btf::{Type, declaration};
use serde::Serialize;
use serde_json::Value;

/// A structure or union, with what is worked out of it.
#[derive(Serialize)]
struct Line<'s> {
    kind: &'static str,
    name: String,
    #[serde(flatten)]
    structure: &'s Structure,
    forced: Forced,
    inner: Inner,
}

/// Appends a structure or union; in its members, names and types are spelled out.
pub(super) fn line<'b>(out: &mut String, ty: Type<'b>, structures: &mut Structures<'b>) {
    let Some(structure) = structures.share(ty.id()) else { return };
    let line = Line {
        kind: if structure.union { "union" } else { "struct" },
        name: ty.name_str().into_owned(),
        forced: structure.forced(),
        inner: structures.inner(&structure),
        structure: &structure,
    };
    let Ok(mut value) = serde_json::to_value(&line) else { return };
    let fields = value.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten();
    for (field, member) in fields.zip(&structure.fields) {
        field["name"] = String::from_utf8_lossy(ty.string(member.name)).into();
        field["type"] = declaration::declare(structures.btf(), member.type_id, "").into();
    }
    out.push_str(&value.to_string());
    out.push('\n');
}
