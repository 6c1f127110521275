//! Kinds of types, and the shape of each kind's record.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// What a type is. The numbers are those of `enum` `BTF_KIND_*` in the kernel's `uapi/linux/btf.h`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        pub enum Kind {
            $($(#[$doc])* $name,)*
            /// A kind newer than this library, by its number.
            Unknown(u8),
        }

        impl Kind {
            /// The kind with this number.
            #[inline]
            pub const fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number of this kind in a record.
            #[inline]
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// The kind's name in the kernel's header, without its prefix; "UNKNOWN" for one that is not known here.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }
        }

        impl fmt::Display for Kind {
            /// [`Kind::text`], or the number of an unknown kind: `KIND_42`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Unknown(number) => write!(f, "KIND_{number}"),
                    known => f.pad(known.text()),
                }
            }
        }
    };
}

kinds! {
    /// `void`: id 0, never stored.
    Void = 0 "VOID",
    /// Integer, character or boolean.
    Int = 1 "INT",
    /// Pointer.
    Ptr = 2 "PTR",
    /// Array.
    Array = 3 "ARRAY",
    /// Structure.
    Struct = 4 "STRUCT",
    /// Union.
    Union = 5 "UNION",
    /// Enumeration with values of up to 32 bits.
    Enum = 6 "ENUM",
    /// Forward declaration of a structure or union.
    Fwd = 7 "FWD",
    /// Typedef.
    Typedef = 8 "TYPEDEF",
    /// `volatile`.
    Volatile = 9 "VOLATILE",
    /// `const`.
    Const = 10 "CONST",
    /// `restrict`.
    Restrict = 11 "RESTRICT",
    /// Function: a name for a prototype.
    Func = 12 "FUNC",
    /// Function prototype.
    FuncProto = 13 "FUNC_PROTO",
    /// Variable.
    Var = 14 "VAR",
    /// Data section: where variables lie.
    DataSec = 15 "DATASEC",
    /// Floating point number.
    Float = 16 "FLOAT",
    /// A tag on a declaration.
    DeclTag = 17 "DECL_TAG",
    /// A tag on a type.
    TypeTag = 18 "TYPE_TAG",
    /// Enumeration with values of up to 64 bits.
    Enum64 = 19 "ENUM64",
    /// Where an inlined function's parameter lives.
    LocParam = 20 "LOC_PARAM",
    /// The parameter places of one inlined call.
    LocProto = 21 "LOC_PROTO",
    /// Inlined calls of a section.
    LocSec = 22 "LOCSEC",
}

impl Kind {
    /// The highest kind known here.
    pub const MAX: u8 = 22;

    /// Whether this is a structure or a union.
    #[inline]
    pub const fn is_aggregate(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }

    /// Whether this is an enumeration of either width.
    #[inline]
    pub const fn is_enum(self) -> bool {
        matches!(self, Self::Enum | Self::Enum64)
    }

    /// Whether this only passes on another type: `const`, `volatile`, `restrict`, type tag or typedef.
    #[inline]
    pub const fn is_modifier(self) -> bool {
        matches!(self, Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag)
    }

    /// How a record of this kind is laid out after its three common words; `None` for an unknown kind.
    #[inline]
    pub(crate) const fn shape(self) -> Option<Shape> {
        match self {
            Self::Unknown(_) => None,
            known => Some(SHAPES[known.number() as usize]),
        }
    }
}

/// Layout of a record in 32-bit words: {name, info, size or type}, then `info`, then vlen times `element`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Words after the common three, once.
    pub(crate) info: u8,
    /// Words per element.
    pub(crate) element: u8,
    /// Whether the third common word is a type id.
    pub(crate) target: bool,
    /// How many of the `info` words, from the first on, are type ids.
    pub(crate) info_references: u8,
    /// Which words of an element are type ids: first, count.
    pub(crate) element_references: (u8, u8),
    /// Whether the first word of an element is a string offset.
    pub(crate) element_name: bool,
}

const fn shape(
    info: u8,
    element: u8,
    target: bool,
    info_references: u8,
    element_references: (u8, u8),
    element_name: bool,
) -> Shape {
    Shape { info, element, target, info_references, element_references, element_name }
}

const PLAIN: Shape = shape(0, 0, false, 0, (0, 0), false);
const REFERENCE: Shape = shape(0, 0, true, 0, (0, 0), false);
const AGGREGATE: Shape = shape(0, 3, false, 0, (1, 1), true);

const SHAPES: [Shape; Kind::MAX as usize + 1] = [
    PLAIN,
    shape(1, 0, false, 0, (0, 0), false), // INT {encoding}
    REFERENCE,                            // PTR
    shape(3, 0, false, 2, (0, 0), false), // ARRAY {element, index, count}
    AGGREGATE,                            // STRUCT {name, type, offset}*
    AGGREGATE,                            // UNION
    shape(0, 2, false, 0, (0, 0), true),  // ENUM {name, value}*
    PLAIN,                                // FWD
    REFERENCE,                            // TYPEDEF
    REFERENCE,                            // VOLATILE
    REFERENCE,                            // CONST
    REFERENCE,                            // RESTRICT
    REFERENCE,                            // FUNC
    shape(0, 2, true, 0, (1, 1), true),   // FUNC_PROTO {name, type}*
    shape(1, 0, true, 0, (0, 0), false),  // VAR {linkage}
    shape(0, 3, false, 0, (0, 1), false), // DATASEC {variable, offset, size}*
    PLAIN,                                // FLOAT
    shape(1, 0, true, 0, (0, 0), false),  // DECL_TAG {component}
    REFERENCE,                            // TYPE_TAG
    shape(0, 3, false, 0, (0, 0), true),  // ENUM64 {name, low, high}*
    shape(1, 1, false, 0, (0, 0), false), // LOC_PARAM {flags} {value}*
    shape(0, 1, false, 0, (0, 1), false), // LOC_PROTO {parameter}*
    shape(0, 3, false, 0, (0, 2), false), // LOCSEC {function, prototype, offset}*
];

impl Shape {
    /// Index of the first word of an element.
    pub(crate) fn element(self, index: u32) -> usize {
        3 + usize::from(self.info) + index as usize * usize::from(self.element)
    }

    /// Indices of the words of a record with `vlen` elements that are type ids, in the order they stand.
    #[inline]
    pub(crate) fn references(self, vlen: u32) -> impl Iterator<Item = usize> {
        let (first, count) = (usize::from(self.element_references.0), usize::from(self.element_references.1));
        let (start, step) = (3 + usize::from(self.info), usize::from(self.element));
        let elements = if count == 0 { 0 } else { vlen as usize };
        let target = if self.target { 2..3 } else { 0..0 };
        target
            .chain(3..3 + usize::from(self.info_references))
            .chain((0..elements).flat_map(move |i| (0..count).map(move |j| start + i * step + first + j)))
    }

    /// Indices of the words of a record with `vlen` elements that are string offsets, after the type's own name.
    #[inline]
    pub(crate) fn element_names(self, vlen: u32) -> impl Iterator<Item = usize> {
        let (start, step) = (3 + usize::from(self.info), usize::from(self.element));
        let elements = if self.element_name { vlen as usize } else { 0 };
        (0..elements).map(move |i| start + i * step)
    }
}

/// The second word of a record: vlen in bits 0–23, kind in 24–30, kind flag in 31. Before Linux 7.2 vlen had 16 bits
/// and the kind 5; the bits between were zero, so that one reading fits both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info(pub(crate) u32);

impl Info {
    pub(crate) const VLEN_MAX: u32 = 0xff_ffff;

    pub(crate) const fn new(kind: Kind, vlen: u32, flag: bool) -> Self {
        Self((vlen & Self::VLEN_MAX) | (kind.number() as u32) << 24 | (flag as u32) << 31)
    }

    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        Kind::from_number((self.0 >> 24 & 0x7f) as u8)
    }

    /// How the record is laid out after its three common words; `None` for an unknown kind.
    #[inline]
    pub(crate) const fn shape(self) -> Option<Shape> {
        let number = (self.0 >> 24 & 0x7f) as usize;
        if number < SHAPES.len() { Some(SHAPES[number]) } else { None }
    }

    #[inline]
    pub(crate) const fn vlen(self) -> u32 {
        self.0 & Self::VLEN_MAX
    }

    #[inline]
    pub(crate) const fn flag(self) -> bool {
        self.0 >> 31 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_are_each_others_mirror() {
        for number in 0..=u8::MAX {
            let kind = Kind::from_number(number);
            assert_eq!(kind.number(), number);
            assert_eq!(matches!(kind, Kind::Unknown(_)), number > Kind::MAX);
            assert_eq!(kind.shape().is_none(), number > Kind::MAX);
        }
    }

    #[test]
    fn words_of_a_record_are_references_names_or_neither() {
        let words = |kind: Kind, vlen| {
            let shape = kind.shape().unwrap();
            let references: Vec<_> = shape.references(vlen).collect();
            let names: Vec<_> = shape.element_names(vlen).collect();
            (references, names)
        };
        assert_eq!(words(Kind::Struct, 2), (vec![4, 7], vec![3, 6]));
        assert_eq!(words(Kind::FuncProto, 2), (vec![2, 4, 6], vec![3, 5]));
        assert_eq!(words(Kind::Array, 0), (vec![3, 4], vec![]));
        assert_eq!(words(Kind::Enum64, 2), (vec![], vec![3, 6]));
        assert_eq!(words(Kind::DataSec, 2), (vec![3, 6], vec![]));
        assert_eq!(words(Kind::Func, 1), (vec![2], vec![]));
        assert_eq!(words(Kind::LocSec, 2), (vec![3, 4, 6, 7], vec![]));
        assert_eq!(words(Kind::LocProto, 2), (vec![3, 4], vec![]));
        assert_eq!(words(Kind::LocParam, 2), (vec![], vec![]));
    }

    #[test]
    fn the_info_word_holds_kind_count_and_flag() {
        let info = Info::new(Kind::Enum64, 0x12_3456, true);
        assert_eq!(
            (info.0, info.kind(), info.vlen(), info.flag()),
            (0x9312_3456, Kind::Enum64, 0x12_3456, true)
        );
    }
}
