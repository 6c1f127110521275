//! Types as C-like text in which everything that matters can be seen.
//!
//! A type reads from left to right: `int *[4]` is an array of pointers, `int[4] *` a pointer to an array,
//! `void(int a) *` a pointer to a function. Named types are cut to their names; anonymous ones are written out.
//! An array's index type means nothing and is left out.

use std::collections::HashSet;
use std::fmt::Write;

use btfkit_btf::{Btf, Kind, Member, Param, StringOffset, Type, TypeId};

/// How deep anonymous types may nest before the text is cut: no valid BTF comes near.
const DEPTH: usize = 64;

/// A renderer of one BTF's types.
#[derive(Debug)]
pub(crate) struct Renderer<'b> {
    btf: &'b Btf<'b>,
    /// Names of integers and floats, to tell a typedef of the same name from them.
    basic: HashSet<&'b [u8]>,
}

impl<'b> Renderer<'b> {
    pub(crate) fn new(btf: &'b Btf<'b>) -> Self {
        let own = btf.types();
        let basic = own.filter(|ty| matches!(ty.kind(), Kind::Int | Kind::Float)).map(Type::name).collect();
        Self { btf, basic }
    }

    /// The text of a reference to a type.
    pub(crate) fn reference(&self, id: TypeId) -> String {
        let mut text = String::new();
        self.write_reference(&mut text, id, 0);
        text
    }

    /// The text of a structure's, union's or enumeration's body, a line per member.
    pub(crate) fn body(&self, ty: Type<'b>) -> String {
        let mut text = String::new();
        self.write_body(&mut text, ty, "\n", 0);
        text
    }

    /// The text of a prototype's return type and parameters.
    pub(crate) fn prototype(&self, proto: Type<'b>) -> String {
        let mut text = String::new();
        self.write_prototype(&mut text, proto, 0);
        text
    }

    pub(crate) fn string(&self, offset: StringOffset) -> String {
        self.btf.str(offset).map_or_else(|_| format!("<bad string {offset}>"), std::borrow::Cow::into_owned)
    }

    fn write_reference(&self, text: &mut String, id: TypeId, depth: usize) {
        if depth > DEPTH {
            text.push('…');
            return;
        }
        match self.btf.get(id) {
            Ok(ty) => self.write_type(text, ty, depth),
            Err(_) => push(text, format_args!("<no type {id}>")),
        }
    }

    fn write_type(&self, text: &mut String, ty: Type<'b>, depth: usize) {
        let name = ty.name_str();
        match ty.kind() {
            Kind::Void => text.push_str("void"),
            Kind::Int | Kind::Float => text.push_str(&name),
            Kind::Typedef if self.basic.contains(ty.name()) => push(text, format_args!("typedef {name}")),
            Kind::Typedef => text.push_str(&name),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                self.write_tagged(text, ty, depth);
            }
            Kind::Ptr => self.write_suffixed(text, ty, " *", depth),
            Kind::Const => self.write_suffixed(text, ty, " const", depth),
            Kind::Volatile => self.write_suffixed(text, ty, " volatile", depth),
            Kind::Restrict => self.write_suffixed(text, ty, " restrict", depth),
            Kind::TypeTag if ty.kind_flag() => {
                self.write_suffixed(text, ty, &format!(" attribute({name:?})"), depth);
            }
            Kind::TypeTag => self.write_suffixed(text, ty, &format!(" tag({name:?})"), depth),
            Kind::Array => self.write_array(text, ty, depth),
            Kind::FuncProto => self.write_prototype(text, ty, depth),
            kind => push(text, format_args!("<{kind} {name}>")),
        }
    }

    fn write_suffixed(&self, text: &mut String, ty: Type<'b>, suffix: &str, depth: usize) {
        self.write_reference(text, ty.type_id().unwrap_or_default(), depth + 1);
        text.push_str(suffix);
    }

    /// `struct name`, or the body of an anonymous one.
    fn write_tagged(&self, text: &mut String, ty: Type<'b>, depth: usize) {
        text.push_str(keyword(ty));
        if ty.name().is_empty() {
            text.push_str(" { ");
            self.write_body(text, ty, " ", depth + 1);
            text.push_str(" }");
        } else {
            push(text, format_args!(" {}", ty.name_str()));
        }
    }

    /// The dimensions of nested arrays stand in C's order, the outermost first.
    fn write_array(&self, text: &mut String, ty: Type<'b>, depth: usize) {
        let mut dimensions = String::new();
        let mut next = Some(ty);
        let mut element = TypeId::VOID;
        for _ in 0..DEPTH {
            let Some(array) = next.and_then(Type::array) else { break };
            push(&mut dimensions, format_args!("[{}]", array.count));
            element = array.element;
            next = self.btf.get(element).ok();
        }
        self.write_reference(text, element, depth + 1);
        text.push_str(&dimensions);
    }

    fn write_body(&self, text: &mut String, ty: Type<'b>, separator: &str, depth: usize) {
        push(text, format_args!("size {};", ty.size().unwrap_or(0)));
        if ty.kind().is_enum() {
            let signed = if ty.kind_flag() { "signed" } else { "unsigned" };
            push(text, format_args!("{separator}{signed};"));
        }
        for enumerator in ty.enumerators() {
            push(text, format_args!("{separator}{} = {};", self.string(enumerator.name), enumerator.value));
        }
        for member in ty.members() {
            text.push_str(separator);
            self.write_member(text, member, depth);
        }
    }

    /// `bit offset[:width] type name;`
    fn write_member(&self, text: &mut String, member: Member, depth: usize) {
        push(text, format_args!("{}", member.bit_offset));
        if member.bitfield_size > 0 {
            push(text, format_args!(":{}", member.bitfield_size));
        }
        text.push(' ');
        self.write_reference(text, member.type_id, depth + 1);
        if !member.name.is_empty() {
            push(text, format_args!(" {}", self.string(member.name)));
        }
        text.push(';');
    }

    fn write_prototype(&self, text: &mut String, proto: Type<'b>, depth: usize) {
        self.write_reference(text, proto.type_id().unwrap_or_default(), depth + 1);
        text.push('(');
        for (index, param) in proto.params().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            self.write_param(text, param, depth);
        }
        text.push(')');
    }

    fn write_param(&self, text: &mut String, param: Param, depth: usize) {
        if param == Param::default() {
            text.push_str("...");
            return;
        }
        self.write_reference(text, param.type_id, depth + 1);
        if !param.name.is_empty() {
            push(text, format_args!(" {}", self.string(param.name)));
        }
    }
}

/// The keyword of a tagged type, for a forward declaration that of what it declares.
pub(crate) fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::Union => "union",
        Kind::Fwd if ty.kind_flag() => "union",
        Kind::Enum | Kind::Enum64 => "enum",
        _ => "struct",
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
