//! Types as pahole names them: a pointer's star stands behind what it points to, whatever that is.

use btfkit_btf::{Btf, Kind, Type, TypeId};

/// Deeper than this no valid type goes.
const DEEPEST: u32 = 64;

/// What a name is made of at most, in types and their letters: prototypes inside each other can unfold without end.
const LARGEST: usize = 1 << 16;

/// Writes names of types.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeNames<'b> {
    pub(super) btf: &'b Btf<'b>,
}

impl<'b> TypeNames<'b> {
    /// Appends the name of a type.
    pub(super) fn write(self, out: &mut String, id: TypeId) {
        self.name(out, id, 0, &mut LARGEST.clone());
    }

    /// Appends the parameters of a prototype in parentheses.
    pub(super) fn parameters(self, out: &mut String, proto: Type<'_>) {
        self.parameter_list(out, proto, 0, &mut LARGEST.clone());
    }

    fn name(self, out: &mut String, id: TypeId, depth: u32, left: &mut usize) {
        let Ok(ty) = self.btf.get(id) else { return out.push('?') };
        if depth >= DEEPEST || *left == 0 {
            return out.push('?');
        }
        *left = left.saturating_sub(1 + ty.name().len());
        let target = ty.type_id().unwrap_or_default();
        match ty.kind() {
            Kind::Void => out.push_str("void"),
            Kind::Float => {
                out.push_str("single ");
                out.push_str(&ty.name_str());
            }
            Kind::Ptr => {
                match self.constant_pointer(target) {
                    Some(pointer) => {
                        self.name(out, pointer, depth + 1, left);
                        out.push_str(" const");
                    }
                    None => self.name(out, target, depth + 1, left),
                }
                out.push_str(" *");
            }
            Kind::Const => self.qualified(out, "const ", target, depth, left),
            Kind::Volatile => self.qualified(out, "volatile ", target, depth, left),
            Kind::Restrict => {
                self.name(out, target, depth + 1, left);
                out.push_str(" restrict ");
            }
            Kind::Array => {
                let element = ty.array().map_or(TypeId::VOID, |array| array.element);
                self.name(out, element, depth + 1, left);
            }
            Kind::FuncProto => {
                self.name(out, target, depth + 1, left);
                out.push_str(" ()");
                self.parameter_list(out, ty, depth, left);
            }
            Kind::TypeTag => self.name(out, target, depth + 1, left),
            _ => {
                out.push_str(keyword(ty));
                out.push_str(&ty.name_str());
            }
        }
    }

    /// A qualifier stands in front, and a blank behind.
    fn qualified(self, out: &mut String, word: &str, target: TypeId, depth: u32, left: &mut usize) {
        out.push_str(word);
        self.name(out, target, depth + 1, left);
        out.push(' ');
    }

    /// The pointer that `id` is constant of.
    fn constant_pointer(self, id: TypeId) -> Option<TypeId> {
        let constant = self.btf.get(id).ok().filter(|ty| ty.kind() == Kind::Const)?;
        constant.type_id().filter(|&target| self.btf.get(target).is_ok_and(|ty| ty.kind() == Kind::Ptr))
    }

    fn parameter_list(self, out: &mut String, proto: Type<'_>, depth: u32, left: &mut usize) {
        out.push('(');
        let count = proto.params().len();
        if count == 0 {
            out.push_str("void");
        }
        for (index, parameter) in proto.params().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            if *left == 0 {
                out.push('?');
                break;
            }
            if parameter.type_id.is_void() && index + 1 == count {
                out.push_str("...");
                continue;
            }
            match self.function_pointer(parameter.type_id) {
                Some(proto) => {
                    *left = left.saturating_sub(1);
                    self.name(out, proto.type_id().unwrap_or_default(), depth + 2, left);
                    out.push_str(" (*)");
                    if depth >= DEEPEST {
                        out.push('?');
                    } else {
                        self.parameter_list(out, proto, depth + 2, left);
                    }
                }
                None => self.name(out, parameter.type_id, depth + 1, left),
            }
        }
        out.push(')');
    }

    /// The prototype that a pointer points to right away.
    pub(super) fn function_pointer(self, id: TypeId) -> Option<Type<'b>> {
        let pointer = self.btf.get(id).ok().filter(|ty| ty.kind() == Kind::Ptr)?;
        self.btf.get(pointer.type_id()?).ok().filter(|ty| ty.kind() == Kind::FuncProto)
    }
}

/// What stands before the name of a structure, union or enumeration; nothing for other kinds.
pub(super) fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Fwd if ty.kind_flag() => "union ",
        Kind::Fwd => "struct ",
        Kind::Enum | Kind::Enum64 => "enum ",
        _ => "",
    }
}
