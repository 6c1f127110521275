//! What the scan of a unit keeps of its DIEs: rows of small numbers.

use crate::die_index::DieIndex;
use crate::dwarf::bytes::Damage;
use crate::dwarf::location::Address;
use crate::names::Name;

/// A reference to a DIE: 0 is none; else an offset from the start of the unit, or, with the highest bit, an index
/// into [`Nodes::foreign`]. After linking: a node number + 1.
pub type Reference = u32;

/// The bit that marks a [`Reference`] out of its unit.
pub const FOREIGN: u32 = 1 << 31;

/// Where a reference that leaves its unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// An offset in `.debug_info` of the same file.
    Global(u64),
    /// The type unit with this signature.
    Signature(u64),
    /// An offset in `.debug_info` of the alternate file.
    Alternate(u64),
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeKind {
    Int,
    Float,
    /// Of a size, but nothing that BTF can say more about.
    Opaque,
    Void,
    Pointer,
    Const,
    Volatile,
    Restrict,
    Transparent,
    Typedef,
    Struct,
    Union,
    Enum,
    Array,
    Subroutine,
    Annotation,
    Function,
    Variable,
}

/// The DIE is a declaration only.
pub const DECLARATION: u8 = 1;
/// A struct has bit-fields; an enum has a signed underlying type.
pub const BITFIELDS: u8 = 2;
/// See [`BITFIELDS`].
pub const SIGNED: u8 = 2;

/// A DIE that matters.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// Offset of the DIE from the start of its unit.
    pub offset: u32,
    pub kind: NodeKind,
    pub flags: u8,
    /// BTF's encoding, of integers.
    pub encoding: u8,
    pub name: Name,
    /// The type that it is made of; for structs the DIE that it completes.
    pub target: Reference,
    /// Size in bytes; for functions and variables the index into their own list.
    pub size: u32,
    /// The rows that belong to it.
    pub first: u32,
    pub count: u32,
}

/// What belongs to a node: (name, type, bit offset, bit size) of a member; (name, low word, high word, 1 if
/// negative) of an enumerator; (elements) of an array's dimension; (name, type) of a parameter; (value) of a type tag.
/// The names of members, enumerators and parameters of types have yet to go through `Names::settled`.
pub type Row = [u32; 4];

/// The type of the parameter `...`.
pub const VARARG: u32 = u32::MAX;

/// A `btf_decl_tag`.
#[derive(Debug, Clone, Copy)]
pub struct DeclTag {
    /// The node that it is on.
    pub node: u32,
    /// Which member or parameter, or -1.
    pub component: i32,
    pub value: Name,
}

/// Where a parameter is, as the DIE says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Nowhere,
    /// Offset in the unit and length of an expression.
    Expression(u32, u32),
    /// Offset of a location list in its section.
    List(u64),
    /// Index of a location list.
    Index(u64),
}

#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Offset of the DIE from the start of its unit.
    pub offset: u32,
    pub name: Name,
    pub target: Reference,
    pub origin: Reference,
    pub place: Place,
}

#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub node: u32,
    /// Which of the scanned units it is in.
    pub unit: u32,
    pub origin: Reference,
    pub entry: Option<Address>,
    /// `DW_CC_nocall`: it does not follow the calling convention.
    pub nocall: bool,
    pub vararg: bool,
    /// Its slice of [`Nodes::parameters`].
    pub first: u32,
    pub count: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct Variable {
    pub node: u32,
    /// Which of the scanned units it is in.
    pub unit: u32,
    pub origin: Reference,
    pub address: Option<Address>,
    pub external: bool,
    pub artificial: bool,
    pub in_function: bool,
    pub linkage_name: Name,
}

/// What the scan of one unit, or of several that refer to each other, found.
#[derive(Debug, Default)]
pub struct Nodes {
    pub nodes: Vec<Node>,
    pub rows: Vec<Row>,
    pub parameters: Vec<Parameter>,
    pub functions: Vec<Function>,
    pub variables: Vec<Variable>,
    pub decl_tags: Vec<DeclTag>,
    /// (node, member or parameter or -1, first annotation) of gcc's shared annotations.
    pub annotated: Vec<(u32, i32, Reference)>,
    pub foreign: Vec<Foreign>,
    /// (struct, member) of bit-fields whose offset still lacks the size of their storage unit, which is their type's.
    pub storage_fixups: Vec<(u32, u32)>,
    /// The first node of each scanned unit.
    pub unit_starts: Vec<u32>,
    /// DIEs that were left out, by reason.
    pub damage: Vec<Damage>,
    /// Whether references are node numbers + 1.
    pub are_linked: bool,
    /// Where the nodes' DIEs are, if they are not linked and [`Nodes::index`] was called.
    dies: DieIndex,
}

impl Nodes {
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.rows.clear();
        self.parameters.clear();
        self.functions.clear();
        self.variables.clear();
        self.decl_tags.clear();
        self.annotated.clear();
        self.foreign.clear();
        self.storage_fixups.clear();
        self.unit_starts.clear();
        self.damage.clear();
        self.are_linked = false;
        self.dies.clear();
    }

    /// Has the nodes of a single unit found by offsets.
    pub fn index(&mut self) {
        self.dies.fill(&self.nodes);
    }

    /// The number of the node that `reference` means.
    #[inline]
    pub fn find(&self, reference: Reference) -> Option<u32> {
        // No DIEs are indexed if nodes are linked.
        let linked = || reference.checked_sub(1).filter(|&node| (node as usize) < self.nodes.len());
        self.dies.get(reference).or_else(|| if self.are_linked { linked() } else { None })
    }

    /// The node that `reference` means.
    #[inline]
    pub fn get(&self, reference: Reference) -> Option<&Node> {
        self.find(reference).map(|number| &self.nodes[number as usize])
    }

    pub fn rows_of(&self, node: &Node) -> &[Row] {
        &self.rows[node.first as usize..][..node.count as usize]
    }
}
