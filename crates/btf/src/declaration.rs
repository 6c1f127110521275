//! Types as C declares them, on one line or a few. (What compiles is another matter: this is for people to read.)

use std::cell::Cell;
use std::fmt::Write;

use crate::{Btf, Kind, Type, TypeId};

/// Deeper than this no valid type goes.
const DEEPEST: usize = 64;

/// Types that one declaration is made of at most: anonymous structs inside each other can unfold without end.
const LARGEST: usize = 4096;

/// The same for declarations in lists.
const BRIEF: usize = 128;

/// Declares `name` to be of type `id`: `const char *const names[3]`. The name may be empty. What is broken, or goes too
/// deep to be a type, reads `?`.
pub fn declare(btf: &Btf<'_>, id: TypeId, name: &str) -> String {
    Declaration::of(btf).declarator(id, name.to_owned(), 0)
}

/// As [`declare`], for lists: anonymous structs, unions and enumerations read `struct {…}`, and the text is cut at a
/// thousand bytes or so.
pub fn declare_briefly(btf: &Btf<'_>, id: TypeId, name: &str) -> String {
    let mut text = Declaration { btf, left: Cell::new(BRIEF), unfold: false }.declarator(
        id,
        brief(name).into_owned(),
        0,
    );
    if let Some(end) = cut(&text) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A name for lists: cut where it is longer than any that a kernel accepts.
pub fn brief(name: &str) -> std::borrow::Cow<'_, str> {
    match cut(name) {
        Some(end) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// Where a text is cut for lists, if it is too long for them.
fn cut(text: &str) -> Option<usize> {
    const LONGEST: usize = 1024;
    let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at));
    end.filter(|_| text.len() > LONGEST)
}

/// A struct or union with its members, each with its offset in bytes (and bits), a line each.
pub fn define(btf: &Btf<'_>, ty: Type<'_>) -> Vec<String> {
    let mut lines = vec![format!("{} {{", Declaration::of(btf).base(ty, 0))];
    for member in ty.members() {
        let name = String::from_utf8_lossy(ty.string(member.name)).into_owned();
        let mut text = declare(btf, member.type_id, &name);
        let (byte, bit) = (member.bit_offset / 8, member.bit_offset % 8);
        let place = if member.bitfield_size > 0 {
            let _ = write!(text, " : {}", member.bitfield_size);
            format!("{byte}, bit {bit}")
        } else {
            byte.to_string()
        };
        lines.push(format!("    {:<36} /* {place} */", text + ";"));
    }
    lines.push(format!("}}; /* {} bytes */", ty.size().unwrap_or(0)));
    lines
}

/// Whether a pointer to this type needs parentheses around its star: to an array or a function, qualified or not. A typedef
/// of one needs none.
pub fn binds_tighter(btf: &Btf<'_>, id: TypeId) -> bool {
    let mut id = id;
    for _ in 0..DEEPEST {
        let Ok(ty) = btf.get(id) else { return false };
        match ty.kind() {
            Kind::Array | Kind::FuncProto => return true,
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag | Kind::Var | Kind::Func => {
                id = ty.type_id().unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

/// A declaration being written.
struct Declaration<'b> {
    btf: &'b Btf<'b>,
    /// How many more types it may be made of.
    left: Cell<usize>,
    /// Whether what has no name is written out.
    unfold: bool,
}

impl<'b> Declaration<'b> {
    fn of(btf: &'b Btf<'b>) -> Self {
        Self { btf, left: Cell::new(LARGEST), unfold: true }
    }

    fn declarator(&self, id: TypeId, inner: String, depth: usize) -> String {
        self.qualified(id, Qualifiers::default(), inner, depth)
    }

    /// Declares `inner` to be of type `id` with these qualifiers on it. Those of an array are its elements'; those of a
    /// pointer stand behind its star, all others in front.
    fn qualified(&self, id: TypeId, qualifiers: Qualifiers, inner: String, depth: usize) -> String {
        let Some(left) = self.left.get().checked_sub(1).filter(|_| depth < DEEPEST) else {
            return join("?", &inner);
        };
        self.left.set(left);
        let Ok(ty) = self.btf.get(id) else { return join("?", &inner) };
        let target = ty.type_id().unwrap_or_default();
        let next = |inner| self.declarator(target, inner, depth + 1);
        let also = |more: Qualifiers, inner| self.qualified(target, more, inner, depth + 1);
        match ty.kind() {
            Kind::Ptr => {
                let inner = qualifiers.before(inner);
                next(if binds_tighter(self.btf, target) {
                    format!("(*{inner})")
                } else {
                    format!("*{inner}")
                })
            }
            Kind::Array => {
                let Some(array) = ty.array() else { return join("?", &inner) };
                let count = if array.count == 0 { String::new() } else { array.count.to_string() };
                self.qualified(array.element, qualifiers, format!("{inner}[{count}]"), depth + 1)
            }
            Kind::FuncProto => next(format!("{inner}({})", self.parameters(ty, depth))),
            Kind::Const => also(Qualifiers { is_const: true, ..qualifiers }, inner),
            Kind::Volatile => also(Qualifiers { is_volatile: true, ..qualifiers }, inner),
            Kind::Restrict => also(Qualifiers { is_restrict: true, ..qualifiers }, inner),
            Kind::TypeTag | Kind::Var | Kind::Func => also(qualifiers, inner),
            _ => qualifiers.before(join(&self.base(ty, depth), &inner)),
        }
    }

    fn parameters(&self, prototype: Type<'_>, depth: usize) -> String {
        let parameters: Vec<String> = prototype
            .params()
            .map(|parameter| {
                if parameter.type_id == TypeId::VOID {
                    return "...".to_owned();
                }
                let name = String::from_utf8_lossy(prototype.string(parameter.name)).into_owned();
                self.declarator(parameter.type_id, name, depth + 1)
            })
            .collect();
        if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") }
    }

    /// What stands in front of a declarator.
    fn base(&self, ty: Type<'_>, depth: usize) -> String {
        let keyword = match ty.kind() {
            Kind::Void => return "void".to_owned(),
            Kind::Struct => "struct",
            Kind::Union => "union",
            Kind::Fwd if ty.kind_flag() => "union",
            Kind::Fwd => "struct",
            Kind::Enum | Kind::Enum64 => "enum",
            _ => return ty.name_str().into_owned(),
        };
        if !ty.name().is_empty() {
            return format!("{keyword} {}", ty.name_str());
        }
        if !self.unfold {
            return format!("{keyword} {{…}}");
        }
        let members: Vec<String> = ty
            .members()
            .map(|member| {
                let name = String::from_utf8_lossy(ty.string(member.name)).into_owned();
                self.declarator(member.type_id, name, depth + 1) + "; "
            })
            .collect();
        let values: Vec<_> =
            ty.enumerators().map(|value| String::from_utf8_lossy(ty.string(value.name))).collect();
        if members.is_empty() {
            format!("{keyword} {{ {} }}", values.join(", "))
        } else {
            format!("{keyword} {{ {}}}", members.concat())
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Qualifiers {
    is_const: bool,
    is_volatile: bool,
    is_restrict: bool,
}

impl Qualifiers {
    /// Puts the qualifiers in front of `text`.
    fn before(self, text: String) -> String {
        let all = [(self.is_restrict, "restrict"), (self.is_volatile, "volatile"), (self.is_const, "const")];
        all.into_iter().filter(|(is_there, _)| *is_there).fold(text, |text, (_, word)| join(word, &text))
    }
}

fn join(left: &str, right: &str) -> String {
    if right.is_empty() { left.to_owned() } else { format!("{left} {right}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Builder, ByteOrder, IntEncoding, Param};

    #[test]
    fn declarations_read_as_c_writes_them() {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let [int_name, char_name] = [b"int" as &[u8], b"char"].map(|name| builder.string(name));
        let int = builder.int(int_name, 4, IntEncoding::signed(32));
        let char = builder.int(char_name, 1, IntEncoding::signed(8));
        let const_char = builder.modifier(Kind::Const, char).unwrap();
        let text = builder.pointer(const_char);
        let const_text = builder.modifier(Kind::Const, text).unwrap();
        let texts = builder.array(Array { element: const_text, index: int, count: 3 });
        let to_texts = builder.pointer(texts);
        let (argument, ellipsis) = (Param { type_id: int, ..Param::default() }, Param::default());
        let proto = builder.function_proto(text, &[argument, ellipsis]).unwrap();
        let function_pointer = builder.pointer(proto);
        let nothing = builder.function_proto(TypeId::VOID, &[]).unwrap();
        let flexible = builder.array(Array { element: function_pointer, index: int, count: 0 });
        let chars = builder.array(Array { element: char, index: int, count: 9 });
        let const_chars = builder.modifier(Kind::Const, chars).unwrap();
        let to_const_chars = builder.pointer(const_chars);
        let texts_of_char = builder.pointer(char);
        let texts_again = builder.array(Array { element: texts_of_char, index: int, count: 2 });
        let const_texts = builder.modifier(Kind::Const, texts_again).unwrap();
        let twice = builder.modifier(Kind::Volatile, const_chars).unwrap();
        let twice = builder.modifier(Kind::Const, twice).unwrap();
        let btf = Btf::parse(builder.finish().unwrap()).unwrap();
        for (id, expected) in [
            (const_chars, "const char x[9]"),
            (to_const_chars, "const char (*x)[9]"),
            (const_texts, "char *const x[2]"),
            (twice, "const volatile char x[9]"),
            (text, "const char *x"),
            (texts, "const char *const x[3]"),
            (to_texts, "const char *const (*x)[3]"),
            (proto, "const char *x(int, ...)"),
            (function_pointer, "const char *(*x)(int, ...)"),
            (flexible, "const char *(*x[])(int, ...)"),
            (nothing, "void x(void)"),
        ] {
            assert_eq!(declare(&btf, id, "x"), expected);
        }
        assert_eq!(declare(&btf, const_text, ""), "const char *const");
    }
}
