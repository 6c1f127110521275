//! Types of values: those of BTF, and those that expressions make of them.

use std::sync::Arc;

use btfkit_btf::declaration::{binds_tighter, declare};
use btfkit_btf::{Btf, Kind, TypeId};

/// A type.
#[derive(Clone, Debug)]
pub enum CType {
    /// `void`.
    Void,
    /// A type of BTF.
    Btf(Arc<Btf<'static>>, TypeId),
    /// A pointer to a type.
    Pointer(Arc<CType>),
    /// An array of so many elements.
    Array(Arc<CType>, u64),
    /// An integer as C's arithmetic makes it.
    Integer {
        /// Size in bytes: 1, 2, 4, 8 or 16.
        bytes: u8,
        /// Whether it is signed.
        signed: bool,
    },
}

/// What a type is, without typedefs and qualifiers.
#[derive(Clone, Debug)]
pub enum Shape {
    /// No value at all.
    Void,
    /// An integer.
    Integer {
        /// Size in bytes.
        bytes: u8,
        /// Whether it is signed.
        signed: bool,
        /// What its values are shown as.
        look: Look,
    },
    /// A floating point number of so many bytes.
    Float(u8),
    /// A pointer.
    Pointer(CType),
    /// An array of so many elements; 0 for one whose length is not known.
    Array(CType, u64),
    /// A structure or union.
    Aggregate(Arc<Btf<'static>>, TypeId),
    /// An enumeration.
    Enumeration(Arc<Btf<'static>>, TypeId),
    /// A function.
    Function,
    /// A declaration without a definition, or a broken type.
    Incomplete,
}

/// What an integer's values are shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A number.
    Number,
    /// A character.
    Character,
    /// `true` or `false`.
    Boolean,
}

/// `int`.
pub const INT: CType = CType::Integer { bytes: 4, signed: true };
/// `long`.
pub const LONG: CType = CType::Integer { bytes: 8, signed: true };
/// `unsigned long`.
pub const UNSIGNED_LONG: CType = CType::Integer { bytes: 8, signed: false };

impl CType {
    /// A pointer to this.
    pub fn pointer(self) -> Self {
        Self::Pointer(Arc::new(self))
    }

    /// What it is, without typedefs and qualifiers.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Void => Shape::Void,
            Self::Pointer(target) => Shape::Pointer((**target).clone()),
            Self::Array(element, count) => Shape::Array((**element).clone(), *count),
            Self::Integer { bytes, signed } => {
                Shape::Integer { bytes: *bytes, signed: *signed, look: Look::Number }
            }
            Self::Btf(btf, id) => shape(btf, *id),
        }
    }

    /// Its size in bytes; `None` for what has none.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Void => None,
            Self::Pointer(_) => Some(8),
            Self::Array(element, count) => element.size()?.checked_mul(*count),
            Self::Integer { bytes, .. } => Some(u64::from(*bytes)),
            Self::Btf(btf, id) => btf.size_of(*id).ok(),
        }
    }

    /// Declares `name` to be of this type, as C does.
    pub fn declare(&self, name: &str) -> String {
        match self {
            Self::Void if name.is_empty() => "void".into(),
            Self::Void => format!("void {name}"),
            Self::Btf(btf, id) => declare(btf, *id, name),
            Self::Pointer(target) => {
                let outer = match &**target {
                    Self::Array(..) => true,
                    Self::Btf(btf, id) => binds_tighter(btf, *id),
                    _ => false,
                };
                target.declare(&if outer { format!("(*{name})") } else { format!("*{name}") })
            }
            Self::Array(element, count) => element.declare(&format!("{name}[{count}]")),
            Self::Integer { bytes, signed } => {
                let word = match bytes {
                    1 => "char",
                    2 => "short",
                    4 => "int",
                    8 => "long",
                    _ => "__int128",
                };
                let sign = if *signed { "" } else { "unsigned " };
                let space = if name.is_empty() { "" } else { " " };
                format!("{sign}{word}{space}{name}")
            }
        }
    }
}

impl std::fmt::Display for CType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.declare(""))
    }
}

fn shape(btf: &Arc<Btf<'static>>, id: TypeId) -> Shape {
    let Ok(ty) = btf.skip_modifiers(id) else { return Shape::Incomplete };
    let of = |id| if id == TypeId::VOID { CType::Void } else { CType::Btf(btf.clone(), id) };
    match ty.kind() {
        Kind::Void => Shape::Void,
        Kind::Int => {
            let encoding = ty.int_encoding().unwrap_or_default();
            // C's compilers give `char` no encoding of its own.
            let character = encoding.char || (ty.size() == Some(1) && ty.name() == b"char");
            let look = match (encoding.bool, character) {
                (true, _) => Look::Boolean,
                (false, true) => Look::Character,
                (false, false) => Look::Number,
            };
            Shape::Integer { bytes: ty.size().unwrap_or(4).min(16) as u8, signed: encoding.signed, look }
        }
        Kind::Float => Shape::Float(ty.size().unwrap_or(8).min(16) as u8),
        Kind::Ptr => Shape::Pointer(of(ty.type_id().unwrap_or_default())),
        Kind::Array => {
            let array = ty.array().unwrap_or_default();
            Shape::Array(of(array.element), u64::from(array.count))
        }
        Kind::Struct | Kind::Union => Shape::Aggregate(btf.clone(), ty.id()),
        Kind::Enum | Kind::Enum64 if ty.vlen() > 0 => Shape::Enumeration(btf.clone(), ty.id()),
        Kind::FuncProto | Kind::Func => Shape::Function,
        Kind::Var => shape(btf, ty.type_id().unwrap_or_default()),
        _ => Shape::Incomplete,
    }
}
