//! What a comparison finds, as plain data.

use crate::TypeId;

/// What two BTFs mean differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Diff {
    /// Numbers, structures, unions, enumerations and typedefs, in this order, each by name.
    pub types: Vec<Difference>,
    /// Functions, by name.
    pub functions: Vec<Difference>,
    /// Variables, by name.
    pub variables: Vec<Difference>,
}

/// One thing that came, went or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Difference {
    /// What it is.
    pub subject: Subject,
    /// Its name; empty for the enumerators of all enumerations without a name, taken together.
    pub name: String,
    /// Whether it came, went or changed.
    pub status: Status,
    /// The old type.
    pub before: Option<TypeId>,
    /// The new type.
    pub after: Option<TypeId>,
    /// How many things of this name there are on each side, where that is not at most one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub meanings: Option<[usize; 2]>,
    /// What came or went, as C declares it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub declaration: Option<String>,
    /// What changed; nothing if it came or went.
    pub changes: Vec<Change>,
    /// Whom that breaks: all changes taken together.
    pub breaks: Breaks,
}

/// What can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Subject {
    /// An integer or floating point number. Only changes of these are told, not that they came or went.
    Basic,
    /// A structure.
    Struct,
    /// A union.
    Union,
    /// An enumeration of either width.
    Enum,
    /// A typedef.
    Typedef,
    /// A function.
    Function,
    /// A variable.
    Variable,
}

/// Whether something came, went or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Status {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// Whom a change breaks that was built against the first BTF, and meets the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Breaks {
    /// A BPF program that is relocated by names (CO-RE), attaches to functions and reads variables.
    pub core: bool,
    /// A module that was compiled with the layout built in.
    pub module: bool,
}

impl Breaks {
    /// Nobody.
    pub const NONE: Self = Self { core: false, module: false };
    /// Programs and modules.
    pub const BOTH: Self = Self { core: true, module: true };

    /// Whom either breaks.
    pub const fn or(self, other: Self) -> Self {
        Self { core: self.core || other.core, module: self.module || other.module }
    }

    /// Whether anyone is.
    pub const fn any(self) -> bool {
        self.core || self.module
    }
}

/// A change, and whom it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Change {
    /// What changed.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub what: What,
    /// Whom it breaks.
    pub breaks: Breaks,
}

/// A member, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Place {
    /// Its name, with those of what holds it where that has no type name: `inner.x`, `slots[].x`.
    pub name: String,
    /// As C declares it.
    pub declaration: String,
    /// In bits from the start of the type (of the innermost part that the name names, for `inner.x`).
    pub bit_offset: u32,
    /// Size in bits.
    pub bits: u64,
}

/// What changed. Offsets of members are in bits, sizes in bytes unless said otherwise.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "what", rename_all = "snake_case"))]
pub enum What {
    /// The size of a type.
    Size {
        /// Old size.
        before: u64,
        /// New size.
        after: u64,
    },
    /// A member came.
    MemberAdded(Place),
    /// A member went.
    MemberRemoved(Place),
    /// A member of the same name lies elsewhere.
    MemberMoved {
        /// Its name.
        name: String,
        /// Old offset in bits.
        before: u32,
        /// New offset in bits.
        after: u32,
    },
    /// A member of the same name has another type.
    MemberRetyped {
        /// Its name.
        name: String,
        /// Old declaration.
        before: String,
        /// New declaration.
        after: String,
        /// Old size in bits.
        bits_before: u64,
        /// New size in bits.
        bits_after: u64,
        /// Only names of typedefs, qualifiers or tags differ: the value is the same.
        spelling: bool,
    },
    /// A member of the same type has another size, as its type has or as a bit-field.
    MemberResized {
        /// Its name.
        name: String,
        /// Old size in bits.
        bits_before: u64,
        /// New size in bits.
        bits_after: u64,
    },
    /// A member of the same type at the same place has another name.
    MemberRenamed {
        /// Old name.
        before: String,
        /// New name.
        after: String,
        /// Where it lies, in bits.
        bit_offset: u32,
    },
    /// An enumerator came.
    EnumeratorAdded {
        /// Its name.
        name: String,
        /// Its value.
        value: i128,
    },
    /// An enumerator went.
    EnumeratorRemoved {
        /// Its name.
        name: String,
        /// Its value.
        value: i128,
    },
    /// An enumerator has another value.
    EnumeratorRevalued {
        /// Its name.
        name: String,
        /// Old value.
        before: i128,
        /// New value.
        after: i128,
    },
    /// An integer or enumeration is now signed, or no longer.
    Signed {
        /// Whether it was.
        before: bool,
        /// Whether it is.
        after: bool,
    },
    /// A typedef stands for another type.
    Retargeted {
        /// Old type.
        before: String,
        /// New type.
        after: String,
        /// Only names of typedefs, qualifiers or tags differ: the value is the same.
        spelling: bool,
    },
    /// A function returns another type.
    ReturnRetyped {
        /// Old type.
        before: String,
        /// New type.
        after: String,
        /// Only names of typedefs, qualifiers or tags differ: the value is the same.
        spelling: bool,
    },
    /// A parameter came.
    ParameterAdded {
        /// Its number, from 0 on.
        index: usize,
        /// As C declares it.
        declaration: String,
    },
    /// A parameter went.
    ParameterRemoved {
        /// Its old number, from 0 on.
        index: usize,
        /// As C declares it.
        declaration: String,
    },
    /// A parameter of the same name stands in another order among those that stayed.
    ParameterMoved {
        /// Its name.
        name: String,
        /// Its old number, from 0 on.
        before: usize,
        /// Its new number.
        after: usize,
    },
    /// A parameter of the same name has another type.
    ParameterRetyped {
        /// Its new number, from 0 on.
        index: usize,
        /// Old declaration.
        before: String,
        /// New declaration.
        after: String,
        /// Only names of typedefs, qualifiers or tags differ: the value is the same.
        spelling: bool,
    },
    /// A parameter of the same type at the same place has another name.
    ParameterRenamed {
        /// Its new number, from 0 on.
        index: usize,
        /// Old name.
        before: String,
        /// New name.
        after: String,
    },
    /// A variable has another type.
    VariableRetyped {
        /// Old declaration.
        before: String,
        /// New declaration.
        after: String,
        /// Old size.
        bytes_before: u64,
        /// New size.
        bytes_after: u64,
        /// Only names of typedefs, qualifiers or tags differ: the value is the same.
        spelling: bool,
    },
    /// A variable of the same type has another size.
    VariableResized {
        /// Old size.
        before: u64,
        /// New size.
        after: u64,
    },
    /// A variable lies in another section.
    SectionChanged {
        /// Name of the old section; empty for none.
        before: String,
        /// Name of the new section; empty for none.
        after: String,
    },
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// All differences: types, functions, variables.
    pub fn all(&self) -> impl Iterator<Item = &Difference> {
        self.types.iter().chain(&self.functions).chain(&self.variables)
    }

    /// Keeps the differences that `keep` is true for.
    pub fn retain(&mut self, mut keep: impl FnMut(&Difference) -> bool) {
        for list in [&mut self.types, &mut self.functions, &mut self.variables] {
            list.retain(&mut keep);
        }
    }

    /// Keeps only what breaks somebody whom `whom` is true for, down to single changes.
    pub fn retain_breaking(&mut self, whom: impl Fn(Breaks) -> bool) {
        for list in [&mut self.types, &mut self.functions, &mut self.variables] {
            list.retain(|difference| whom(difference.breaks));
            for difference in list {
                difference.changes.retain(|change| whom(change.breaks));
            }
        }
    }
}
