//! BTF as lines of text that read like C and compare well.
//!
//! ```text
//! struct s (16) { a: int @0, b: unsigned int @32:3, next: *struct s @64 }
//! enum e (4) { A = 1, B = 2 }          enum signed e (4) …
//! typedef t = [2][3]const char         enum e (4) {} is a forward declaration, as struct s; is one
//! func f(x: int, ...) -> *void
//! var x: int                           static var x: int
//! section .data { x @0 +4 }            tag "a" on struct s.b
//! int char (1 signed)
//! ```

use btfkit_btf::{Btf, Kind, Linkage, StringOffset, Type, TypeId};

/// A line for each type that has a name, each tag, each section; sorted.
pub fn lines(btf: &Btf<'_>) -> Vec<String> {
    let mut lines: Vec<String> = btf.types().filter_map(|ty| line(btf, ty)).collect();
    lines.sort();
    lines
}

fn line(btf: &Btf<'_>, ty: Type<'_>) -> Option<String> {
    let name = ty.name_str();
    Some(match ty.kind() {
        Kind::DeclTag => {
            let target = btf.get(ty.type_id()?).unwrap();
            let component = ty.component_index()?;
            let part = match target.kind() {
                _ if component < 0 => String::new(),
                Kind::Func => {
                    let prototype = btf.get(target.type_id()?).unwrap();
                    let param = prototype.params().nth(component as usize).unwrap();
                    format!("({})", string(btf, param.name))
                }
                _ => format!(".{}", string(btf, target.members().nth(component as usize).unwrap().name)),
            };
            let what = match target.kind() {
                Kind::Struct => "struct ",
                Kind::Union => "union ",
                Kind::Typedef => "typedef ",
                Kind::Func => "func ",
                _ => "var ",
            };
            format!("tag \"{name}\" on {what}{}{part}", target.name_str())
        }
        Kind::DataSec => {
            let entries: Vec<String> = ty
                .section_entries()
                .map(|entry| {
                    let variable = btf.get(entry.variable).unwrap().name_str().into_owned();
                    format!("{variable} @{} +{}", entry.offset, entry.size)
                })
                .collect();
            format!("section {name} {{ {} }}", entries.join(", "))
        }
        Kind::Var => {
            let linkage = if ty.linkage() == Some(Linkage::Static) { "static " } else { "" };
            format!("{linkage}var {name}: {}", reference(btf, ty.type_id()?))
        }
        Kind::Func => format!("func {name}{}", prototype(btf, ty.type_id()?)),
        Kind::Typedef => format!("typedef {name} = {}", reference(btf, ty.type_id()?)),
        Kind::Int => {
            let encoding = ty.int_encoding()?;
            let mut words = format!("{}", ty.size()?);
            if u32::from(encoding.bits) != ty.size()? * 8 {
                words += &format!(" {} bits", encoding.bits);
            }
            for (set, word) in
                [(encoding.signed, " signed"), (encoding.char, " char"), (encoding.bool, " bool")]
            {
                words += if set { word } else { "" };
            }
            format!("int {} ({words})", integer(&name))
        }
        Kind::Float => format!("float {name} ({})", ty.size()?),
        Kind::Fwd => format!("{} {name};", if ty.kind_flag() { "union" } else { "struct" }),
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if !name.is_empty() => definition(btf, ty),
        _ => return None,
    })
}

fn string(btf: &Btf<'_>, offset: StringOffset) -> String {
    btf.str(offset).unwrap().into_owned()
}

/// A struct, union or enum with its content.
pub fn definition(btf: &Btf<'_>, ty: Type<'_>) -> String {
    let name = ty.name_str();
    let name = if name.is_empty() { String::new() } else { format!("{name} ") };
    let (what, parts): (&str, Vec<String>) = match ty.kind() {
        Kind::Enum | Kind::Enum64 => (
            match (ty.kind(), ty.kind_flag()) {
                (Kind::Enum, false) => "enum",
                (Kind::Enum, true) => "enum signed",
                (_, false) => "enum64",
                (_, true) => "enum64 signed",
            },
            ty.enumerators().map(|item| format!("{} = {}", string(btf, item.name), item.value)).collect(),
        ),
        kind => (
            if kind == Kind::Struct { "struct" } else { "union" },
            ty.members()
                .map(|member| {
                    let bits = match member.bitfield_size {
                        0 => String::new(),
                        bits => format!(":{bits}"),
                    };
                    let target = reference(btf, member.type_id);
                    format!("{}: {target} @{}{bits}", string(btf, member.name), member.bit_offset)
                })
                .collect(),
        ),
    };
    let parts = if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) };
    format!("{what} {name}({}) {parts}", ty.size().unwrap_or(0))
}

fn prototype(btf: &Btf<'_>, id: TypeId) -> String {
    let ty = btf.get(id).unwrap();
    let parameters: Vec<String> = ty
        .params()
        .map(|param| match (param.name.is_empty(), param.type_id) {
            (true, TypeId::VOID) => "...".to_owned(),
            (true, id) => reference(btf, id),
            (false, id) => format!("{}: {}", string(btf, param.name), reference(btf, id)),
        })
        .collect();
    let returns = match ty.type_id() {
        Some(TypeId::VOID) | None => String::new(),
        Some(id) => format!(" -> {}", reference(btf, id)),
    };
    format!("({}){returns}", parameters.join(", "))
}

thread_local! {
    /// How many types deep the text is: broken input can make circles of types without names.
    static DEPTH: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// A type as others refer to it.
pub fn reference(btf: &Btf<'_>, id: TypeId) -> String {
    let depth = DEPTH.get();
    if depth > 40 {
        return "…".to_owned();
    }
    DEPTH.set(depth + 1);
    let text = shallow(btf, id);
    DEPTH.set(depth);
    text
}

fn shallow(btf: &Btf<'_>, id: TypeId) -> String {
    let ty = btf.get(id).unwrap();
    let target = || reference(btf, ty.type_id().unwrap());
    let name = ty.name_str();
    match ty.kind() {
        Kind::Void => "void".to_owned(),
        Kind::Ptr => format!("*{}", target()),
        Kind::Const => format!("const {}", target()),
        Kind::Volatile => format!("volatile {}", target()),
        Kind::Restrict => format!("restrict {}", target()),
        Kind::TypeTag => format!("#{name} {}", target()),
        Kind::Array => {
            let array = ty.array().unwrap();
            assert_eq!(btf.get(array.index).unwrap().name_str(), "int", "what indexes arrays");
            format!("[{}]{}", array.count, reference(btf, array.element))
        }
        Kind::FuncProto => format!("fn{}", prototype(btf, id)),
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if name.is_empty() => definition(btf, ty),
        Kind::Struct | Kind::Fwd if !(ty.kind() == Kind::Fwd && ty.kind_flag()) => format!("struct {name}"),
        Kind::Union | Kind::Fwd => format!("union {name}"),
        Kind::Enum | Kind::Enum64 => format!("enum {name}"),
        Kind::Int => {
            let bits = ty.int_encoding().map_or(0, |encoding| u32::from(encoding.bits));
            let odd = bits != ty.size().unwrap_or(0) * 8;
            if odd { format!("{}/{bits}", integer(&name)) } else { integer(&name).to_owned() }
        }
        _ => name.into_owned(),
    }
}

/// gcc and clang name integers differently.
fn integer(name: &str) -> &str {
    match name {
        "short int" => "short",
        "long int" => "long",
        "long long int" => "long long",
        "short unsigned int" => "unsigned short",
        "long unsigned int" => "unsigned long",
        "long long unsigned int" => "unsigned long long",
        "__int128 unsigned" => "unsigned __int128",
        name => name,
    }
}
