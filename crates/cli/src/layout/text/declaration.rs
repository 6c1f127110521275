//! A member's line: its type, expanded where it is to be, its name, and where it is.

use std::fmt::Write;

use btfkit_btf::structure::Field;
use btfkit_btf::{Btf, Kind, Type, TypeId};

use super::{DEEPEST, Frame, Text, columns};
use crate::layout::type_name::keyword;

/// What a member's type begins with.
#[derive(Debug)]
struct Head {
    /// What is left of the type.
    id: TypeId,
    /// Columns left for it.
    type_width: i32,
    qualifiers: String,
    dimensions: String,
}

impl<'b> Text<'b, '_> {
    /// A member's declaration and place, to the end of the line.
    pub(super) fn declaration(&mut self, field: &Field, name: &str, flexible: bool, frame: Frame) {
        let start = self.out.len();
        let offset = frame.base.saturating_add(field.offset);
        let mut head = self.head(field.type_id, frame.type_width, flexible);
        let own = head.id;
        // Typedefs of arrays of typedefs go on; more than a few times only in a circle.
        for _ in 0..8 {
            if !self.style.expand || !head.qualifiers.is_empty() {
                break;
            }
            let target = self.typedef_chain(head.id);
            if target == head.id {
                break;
            }
            let dimensions = head.dimensions;
            head = self.head(target, frame.type_width, flexible);
            head.dimensions.insert_str(0, &dimensions);
        }
        self.out.push_str(&head.qualifiers);
        let inside = Frame { type_width: head.type_width, ..frame };
        let Ok(ty) = self.btf().get(head.id) else { return self.out.push_str("?;\n") };
        // Columns written, where they are not simply all that was.
        let mut width = None;
        let mut named = true;
        let mut late = String::new();
        if let Some(proto) = self.names.function_pointer(head.id) {
            let column = self.out.len();
            self.names.write(&mut self.out, proto.type_id().unwrap_or_default());
            self.pad(column, head.type_width);
            let _ = write!(self.out, " (*{name})");
            self.names.parameters(&mut self.out, proto);
            named = false;
        } else if let Some(target) = self.pointer_to_anonymous(ty) {
            if target.kind().is_enum() {
                self.enumeration(target, frame.indent);
            } else {
                late = self.body(target, inside.inside(0).inside_pointer()).1;
            }
            self.out.push_str(" *");
        } else if ty.kind().is_aggregate() && self.is_expanded(ty) {
            let in_union = frame.union || frame.in_union;
            named = head.qualifiers.is_empty();
            let totals = !named && !frame.union;
            let frame =
                Frame { totals, in_union, late: !head.dimensions.is_empty(), ..inside.inside(offset) };
            let (attributes, behind) = self.body(ty, frame);
            late = behind;
            if head.id == own && ty.name().is_empty() && named && head.dimensions.is_empty() {
                // What stands in the column is the closing brace.
                width = Some(1 + attributes);
            }
        } else if ty.kind().is_enum() && self.is_expanded(ty) {
            named = head.qualifiers.is_empty();
            self.enumeration(ty, frame.indent);
            if head.id == own && ty.name().is_empty() && named && head.dimensions.is_empty() {
                width = Some(1);
            }
        } else {
            self.named_type(ty, head.type_width);
        }
        let at = self.out.len();
        if named && !(name.is_empty() && width.is_some()) {
            let _ = write!(self.out, " {name}");
        }
        self.out.push_str(&late);
        self.out.push_str(&head.dimensions);
        let mut uncounted = 0;
        if field.is_bitfield() {
            let at = self.out.len();
            let _ = write!(self.out, ":{}", field.bit_size);
            uncounted = columns(&self.out[at..]);
        }
        if field.alignment > 0 {
            let _ = write!(self.out, " __attribute__((__aligned__({})))", field.alignment);
        }
        let width = width.map(|width| width + columns(&self.out[at..]) - uncounted);
        // The width of a bit-field of an enumeration without a name does not count, nor does a width below zero end.
        let spaces = match width {
            Some(width) => (frame.width() - width - 1).abs(),
            None => frame.width() - columns(&self.out[start..]) - 1,
        };
        self.out.push(';');
        self.spaces(spaces.max(1));
        self.place(field, offset);
    }

    /// The name of a type in its column: of a structure it is the name that fills it.
    fn named_type(&mut self, ty: Type<'_>, width: i32) {
        let keyword = if ty.name().is_empty() { "" } else { keyword(ty) };
        let start = self.out.len();
        self.names.write(&mut self.out, ty.id());
        self.pad(start + keyword.len(), width - keyword.len() as i32);
    }

    /// Whether the members of this are shown where it is a member.
    fn is_expanded(&self, ty: Type<'_>) -> bool {
        ty.name().is_empty() || self.style.expand
    }

    /// What a member's type begins with, from the outside in: `const` and dimensions.
    fn head(&self, mut id: TypeId, type_width: i32, flexible: bool) -> Head {
        let mut head = Head { id, type_width, qualifiers: String::new(), dimensions: String::new() };
        for _ in 0..Btf::CHAIN_LIMIT {
            let Ok(ty) = self.btf().get(id) else { break };
            match ty.kind() {
                Kind::Const if self.is_empty_array(ty.type_id().unwrap_or_default()) => {
                    id = ty.type_id().unwrap_or_default();
                }
                Kind::Const => {
                    head.qualifiers.push_str("const ");
                    head.type_width -= 6;
                    id = ty.type_id().unwrap_or_default();
                }
                Kind::Array => {
                    let Some(array) = ty.array() else { break };
                    let _ = match array.count {
                        0 if flexible => write!(head.dimensions, "[]"),
                        count => write!(head.dimensions, "[{count}]"),
                    };
                    id = array.element;
                }
                // A typedef of an array gives way to the array where something stands around it.
                Kind::Typedef if id != head.id || !head.qualifiers.is_empty() => {
                    let Ok(target) = self.btf().skip_modifiers(id) else { break };
                    if target.kind() != Kind::Array {
                        break;
                    }
                    id = target.id();
                }
                Kind::TypeTag => id = ty.type_id().unwrap_or_default(),
                _ => break,
            }
        }
        head.id = id;
        head
    }

    /// Whether this is an array without elements, whose own `const` is not shown.
    fn is_empty_array(&self, id: TypeId) -> bool {
        self.btf().get(id).ok().and_then(Type::array).is_some_and(|array| array.count == 0)
    }

    /// Writes the typedefs that a type is behind, and gives what they stand for.
    pub(super) fn typedef_chain(&mut self, mut id: TypeId) -> TypeId {
        let mut first = true;
        for _ in 0..DEEPEST {
            let Some(ty) = self.btf().get(id).ok().filter(|ty| ty.kind() == Kind::Typedef) else { break };
            if self.out.len() > self.limit {
                break;
            }
            self.out.push_str(if first { "/* typedef " } else { " -> " });
            self.out.push_str(&ty.name_str());
            first = false;
            id = ty.type_id().unwrap_or_default();
        }
        if !first {
            self.out.push_str(" */ ");
        }
        id
    }

    /// The structure, union or enumeration without a name that a pointer points to.
    fn pointer_to_anonymous(&self, pointer: Type<'b>) -> Option<Type<'b>> {
        let target = pointer.type_id().filter(|_| pointer.kind() == Kind::Ptr)?;
        let target = self.btf().get(target).ok()?;
        (target.name().is_empty() && (target.kind().is_aggregate() || target.kind().is_enum()))
            .then_some(target)
    }

    /// The comment with offset and size.
    fn place(&mut self, field: &Field, offset: u64) {
        let (size, bits) = (field.size, field.bit_offset);
        let _ = match (self.style.hex, field.is_bitfield()) {
            (false, false) => writeln!(self.out, "/* {offset:5} {size:5} */"),
            (false, true) => writeln!(self.out, "/* {offset:5}:{bits:2} {size:2} */"),
            (true, false) => writeln!(self.out, "/* {} {} */", hex(offset, 5), hex(size, 5)),
            (true, true) => {
                writeln!(self.out, "/* {}:{} {} */", hex(offset, 5), hex(u64::from(bits), 2), hex(size, 2))
            }
        };
    }
}

fn hex(value: u64, width: usize) -> String {
    let text = if value == 0 { "0".to_owned() } else { format!("{value:#x}") };
    format!("{text:>width$}")
}
