//! One pass over the DIEs of a unit: types, functions and variables come out as rows of small numbers.
//!
//! The pass keeps the DIEs that matter and steps over the rest with the compiled abbreviations. References stay what
//! they are in the file, offsets in the unit; names become [`Name`]s; nothing is looked up yet.

use gimli::constants as dw;

use crate::dwarf::Dwarf;
use crate::dwarf::abbreviation::{Abbreviation, AbbreviationTable, Field, Plan, Role, Shape};
use crate::dwarf::bytes::{Bytes, Damage};
use crate::dwarf::location::{self, Address};
use crate::dwarf::unit::{Format, UnitHeader, UnitRoot};
use crate::names::{Name, Names};

/// DIEs nested deeper than this are taken for damage.
const DEEPEST: usize = 4096;

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
    }

    /// Counts a DIE that is left out.
    fn lose(&mut self, damage: Damage) -> Owner {
        self.damage.push(damage);
        Owner::Nothing
    }

    pub fn rows_of(&self, node: &Node) -> &[Row] {
        &self.rows[node.first as usize..][..node.count as usize]
    }
}

/// What sort of value an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Constant,
    Signed,
    Text,
    Reference,
    /// `start << 32 | length` in the unit.
    Block,
    SectionOffset,
    Address,
    AddressIndex,
    ListIndex,
}

/// The attributes of one DIE.
struct Attributes {
    present: u32,
    values: [u64; Field::COUNT],
    classes: [Class; Field::COUNT],
}

impl Attributes {
    fn new() -> Self {
        Self { present: 0, values: [0; Field::COUNT], classes: [Class::Constant; Field::COUNT] }
    }

    #[inline]
    fn set(&mut self, field: Field, value: u64, class: Class) {
        self.present |= 1 << field as u32;
        self.values[field as usize] = value;
        self.classes[field as usize] = class;
    }

    #[inline]
    fn has(&self, field: Field) -> bool {
        self.present >> field as u32 & 1 != 0
    }

    #[inline]
    fn get(&self, field: Field) -> Option<(u64, Class)> {
        self.has(field).then(|| (self.values[field as usize], self.classes[field as usize]))
    }

    #[inline]
    fn name(&self, field: Field) -> Name {
        match self.get(field) {
            Some((value, Class::Text)) => Name(value as u32),
            _ => Name::NONE,
        }
    }

    #[inline]
    fn reference(&self, field: Field) -> Reference {
        match self.get(field) {
            Some((value, Class::Reference)) => value as Reference,
            _ => 0,
        }
    }

    #[inline]
    fn number(&self, field: Field) -> Option<u64> {
        match self.get(field) {
            Some((value, Class::Constant | Class::Signed | Class::SectionOffset)) => Some(value),
            _ => None,
        }
    }

    #[inline]
    fn flag(&self, field: Field) -> bool {
        self.number(field).unwrap_or(0) != 0
    }
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    /// The unit, a namespace, a block: nothing that has rows.
    Scope,
    /// A node whose rows are being collected.
    Node(u32),
    /// A function, by its index.
    Function(u32),
    /// A member or a parameter: its node (or function's node) and its number.
    Part(u32, i32),
    /// Nothing below matters.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Context {
    owner: Owner,
    in_function: bool,
    rows: u32,
    parameters: u32,
}

/// What to look for in a unit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub functions: bool,
    pub variables: bool,
    pub function_statics: bool,
}

/// Scans units; keeps its buffers from one to the next.
pub struct Scanner<'n, 'd> {
    names: &'n Names<'d>,
    wanted: Wanted,
    table: AbbreviationTable,
    /// What `table` was compiled from: file, offset, format.
    compiled: Option<(u32, usize, Format)>,
    attributes: Attributes,
    contexts: Vec<Context>,
    open_rows: Vec<Row>,
    open_parameters: Vec<Parameter>,
    inline_names: Vec<(u64, Name)>,
}

impl<'n, 'd> Scanner<'n, 'd> {
    pub fn new(names: &'n Names<'d>, wanted: Wanted) -> Self {
        Self {
            names,
            wanted,
            table: AbbreviationTable::default(),
            compiled: None,
            attributes: Attributes::new(),
            contexts: Vec::new(),
            open_rows: Vec::new(),
            open_parameters: Vec::new(),
            inline_names: vec![(0, Name::NONE); 1024],
        }
    }

    /// Adds what `unit` holds to `out`. Damage ends the unit where it is, and is noted in `out`; what was read
    /// before it stays.
    pub fn scan(&mut self, dwarf: &Dwarf<'_>, header: &UnitHeader, root: &UnitRoot<'_>, out: &mut Nodes) {
        out.unit_starts.push(out.nodes.len() as u32);
        let key = (header.file, header.abbreviations, header.format);
        if self.compiled != Some(key) {
            self.compiled = None;
            let section = dwarf.bytes(&dwarf.abbrev);
            if let Err(damage) = self.table.compile(section, header.abbreviations, header.format) {
                out.damage.push(damage);
                return;
            }
            self.compiled = Some(key);
        }
        self.contexts.clear();
        self.open_rows.clear();
        self.open_parameters.clear();
        let table = std::mem::take(&mut self.table);
        let bytes = dwarf.unit_bytes(header);
        let unit = UnitScan { dwarf, header, root, bytes, table: &table };
        if let Err(damage) = self.walk(&unit, out) {
            out.damage.push(damage);
        }
        while let Some(context) = self.contexts.pop() {
            self.close(context, out);
        }
        self.table = table;
    }

    fn walk(&mut self, unit: &UnitScan<'_, '_>, out: &mut Nodes) -> Result<(), Damage> {
        let bytes = unit.bytes;
        let end = bytes.data.len();
        let mut at = unit.root.first_child;
        let mut context = Context { owner: Owner::Scope, in_function: false, rows: 0, parameters: 0 };
        self.contexts.push(context);
        while at < end {
            let offset = at;
            let code = bytes.uleb(&mut at)?;
            if code == 0 {
                self.contexts.pop();
                self.close(context, out);
                match self.contexts.last() {
                    Some(outer) => context = *outer,
                    None => return Ok(()),
                }
                continue;
            }
            let abbreviation = unit.table.get(code)?;
            let owner = self.die(unit, abbreviation, offset as u32, &mut at, context, out)?;
            if !abbreviation.children {
                continue;
            }
            if matches!(owner, Owner::Nothing)
                && let Some((sibling, Class::Reference)) = self.attributes.get(Field::Sibling)
                && (at..end).contains(&(sibling as usize))
            {
                at = sibling as usize;
                continue;
            }
            if self.contexts.len() >= DEEPEST {
                return Err(Damage::TooDeep);
            }
            context = Context {
                owner,
                in_function: context.in_function || abbreviation.role == Role::Subprogram,
                rows: self.open_rows.len() as u32,
                parameters: self.open_parameters.len() as u32,
            };
            self.contexts.push(context);
        }
        Ok(())
    }

    /// Gives what was collected under `context` to its owner.
    fn close(&mut self, context: Context, out: &mut Nodes) {
        match context.owner {
            Owner::Node(node) => {
                let rows = context.rows as usize;
                let first = out.rows.len() as u32;
                out.rows.extend_from_slice(&self.open_rows[rows..]);
                let count = (self.open_rows.len() - rows) as u32;
                self.open_rows.truncate(rows);
                let node = &mut out.nodes[node as usize];
                (node.first, node.count) = (first, count);
            }
            Owner::Function(function) => {
                let parameters = context.parameters as usize;
                let function = &mut out.functions[function as usize];
                function.first = out.parameters.len() as u32;
                function.count = (self.open_parameters.len() - parameters) as u32;
                out.parameters.extend_from_slice(&self.open_parameters[parameters..]);
                self.open_parameters.truncate(parameters);
            }
            Owner::Scope | Owner::Part(..) | Owner::Nothing => {}
        }
    }

    /// Takes one DIE; the answer is what its children belong to.
    #[inline]
    fn die(
        &mut self,
        unit: &UnitScan<'_, '_>,
        abbreviation: Abbreviation,
        offset: u32,
        at: &mut usize,
        context: Context,
        out: &mut Nodes,
    ) -> Result<Owner, Damage> {
        let mut role = abbreviation.role;
        if matches!(context.owner, Owner::Nothing) {
            role = Role::Ignored;
        }
        let pass = match role {
            Role::Ignored | Role::Scope | Role::UnspecifiedParameters => true,
            Role::Parameter => !matches!(context.owner, Owner::Function(_) | Owner::Node(_)),
            Role::Member | Role::Enumerator | Role::Subrange => !matches!(context.owner, Owner::Node(_)),
            Role::Variable => {
                !self.wanted.variables
                    || (context.in_function
                        && !abbreviation.declared
                        && !(self.wanted.function_statics && abbreviation.located))
            }
            Role::ChildAnnotation => !matches!(context.owner, Owner::Node(_) | Owner::Part(..) | Owner::Function(_)),
            _ => false,
        };
        if pass {
            self.take(unit, abbreviation.pass, at, out)?;
            return Ok(match role {
                Role::Scope => Owner::Scope,
                Role::UnspecifiedParameters => {
                    match context.owner {
                        Owner::Function(function) => out.functions[function as usize].vararg = true,
                        Owner::Node(node) if out.nodes[node as usize].kind == NodeKind::Subroutine => {
                            self.open_rows.push([0, VARARG, 0, 0]);
                        }
                        _ => {}
                    }
                    Owner::Nothing
                }
                _ => Owner::Nothing,
            });
        }
        self.take(unit, abbreviation.take, at, out)?;
        let attributes = &self.attributes;
        let mut node = Node {
            offset,
            kind: NodeKind::Void,
            flags: if attributes.flag(Field::Declaration) { DECLARATION } else { 0 },
            encoding: 0,
            name: attributes.name(Field::Name),
            target: attributes.reference(Field::Type),
            size: 0,
            first: 0,
            count: 0,
        };
        let size = attributes.number(Field::ByteSize);
        let index = out.nodes.len() as u32;
        let owner = Owner::Node(index);
        match role {
            Role::Member => return Ok(self.member(unit, context, out).unwrap_or_else(|damage| out.lose(damage))),
            Role::Enumerator => {
                if let Some((value, class)) = attributes.get(Field::ConstValue)
                    && matches!(class, Class::Constant | Class::Signed)
                {
                    let negative = class == Class::Signed && (value as i64) < 0;
                    self.open_rows.push([
                        node.name.0,
                        value as u32,
                        (value >> 32) as u32,
                        u32::from(negative),
                    ]);
                }
                return Ok(Owner::Nothing);
            }
            Role::Subrange => {
                let Owner::Node(array) = context.owner else { return Ok(Owner::Nothing) };
                if out.nodes[array as usize].kind == NodeKind::Array {
                    self.open_rows.push([self.elements(), 0, 0, 0]);
                }
                return Ok(Owner::Nothing);
            }
            Role::Parameter => return Ok(self.parameter(offset, context, out)),
            Role::ChildAnnotation => {
                self.annotation(context, out);
                return Ok(Owner::Nothing);
            }
            Role::Variable => {
                return Ok(self.variable(unit, node, context, out).unwrap_or_else(|damage| out.lose(damage)));
            }
            Role::Subprogram => {
                return Ok(self.function(unit, node, out).unwrap_or_else(|damage| out.lose(damage)));
            }
            Role::Base => self.base(&mut node),
            Role::Pointer => node.kind = NodeKind::Pointer,
            Role::Typedef => node.kind = NodeKind::Typedef,
            Role::Const => node.kind = NodeKind::Const,
            Role::Volatile => node.kind = NodeKind::Volatile,
            Role::Restrict => node.kind = NodeKind::Restrict,
            Role::Transparent => node.kind = NodeKind::Transparent,
            Role::Unspecified => node.kind = NodeKind::Void,
            Role::Opaque => {
                node.kind = NodeKind::Opaque;
                node.size = size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0);
            }
            Role::SubroutineType => node.kind = NodeKind::Subroutine,
            Role::Array => node.kind = NodeKind::Array,
            Role::Struct | Role::Union | Role::Enum => {
                node.kind = match role {
                    Role::Struct => NodeKind::Struct,
                    Role::Union => NodeKind::Union,
                    _ => NodeKind::Enum,
                };
                if role == Role::Enum {
                    let default = if attributes.has(Field::Encoding) { 0 } else { node.target };
                    let encoding = attributes.number(Field::Encoding).unwrap_or(0);
                    let signed = [dw::DW_ATE_signed, dw::DW_ATE_signed_char];
                    if signed.iter().any(|known| u64::from(known.0) == encoding) {
                        node.flags |= SIGNED;
                    }
                    // The underlying type: its sign counts where no value tells.
                    node.target = default;
                    node.size = 4;
                }
                if let Some(size) = size {
                    node.size = u32::try_from(size).unwrap_or(u32::MAX);
                }
                if let Some((reference, Class::Reference)) = attributes.get(Field::Signature) {
                    node.kind = NodeKind::Transparent;
                    node.target = reference as Reference;
                } else if role != Role::Enum {
                    node.target = match attributes.reference(Field::Specification) {
                        0 => attributes.reference(Field::AbstractOrigin),
                        reference => reference,
                    };
                }
            }
            Role::SharedAnnotation => {
                node.kind = NodeKind::Annotation;
                node.size = attributes.name(Field::ConstValue).0;
                node.target = attributes.reference(Field::Annotation);
            }
            Role::Scope | Role::Ignored | Role::UnspecifiedParameters => return Ok(Owner::Nothing),
        }
        if role != Role::SharedAnnotation && attributes.has(Field::Annotation) {
            out.annotated.push((index, -1, attributes.reference(Field::Annotation)));
        }
        out.nodes.push(node);
        Ok(owner)
    }

    fn base(&self, node: &mut Node) {
        let attributes = &self.attributes;
        let size = attributes.number(Field::ByteSize).or_else(|| {
            attributes.number(Field::BitSize).map(|bits| bits.div_ceil(8))
        });
        node.size = size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0);
        let encoding = attributes.number(Field::Encoding).unwrap_or(0);
        (node.kind, node.encoding) = match dw::DwAte(encoding as u8) {
            dw::DW_ATE_float | dw::DW_ATE_decimal_float => (NodeKind::Float, 0),
            dw::DW_ATE_complex_float | dw::DW_ATE_imaginary_float => (NodeKind::Opaque, 0),
            dw::DW_ATE_signed | dw::DW_ATE_signed_char => (NodeKind::Int, 1),
            dw::DW_ATE_boolean => (NodeKind::Int, 4),
            _ => (NodeKind::Int, 0),
        };
        let regular = match node.kind {
            NodeKind::Float => matches!(node.size, 2 | 4 | 8 | 12 | 16),
            _ => node.size.is_power_of_two() && node.size <= 16,
        };
        if !regular {
            node.kind = NodeKind::Opaque;
        }
    }

    /// How many elements the subrange in `attributes` gives: 0 where it does not say.
    fn elements(&self) -> u32 {
        let attributes = &self.attributes;
        let count = match (attributes.get(Field::Count), attributes.get(Field::UpperBound)) {
            (Some((count, Class::Constant | Class::Signed)), _) => count,
            (None, Some((bound, Class::Constant | Class::Signed))) => bound.wrapping_add(1),
            _ => 0,
        };
        // gcc writes the bound of `int a[0]` as -1 in as many bytes as it likes.
        u32::try_from(count).unwrap_or(0)
    }

    fn member(&mut self, unit: &UnitScan<'_, '_>, context: Context, out: &mut Nodes) -> Result<Owner, Damage> {
        let Owner::Node(owner) = context.owner else { return Ok(Owner::Nothing) };
        let attributes = &self.attributes;
        let kind = out.nodes[owner as usize].kind;
        // A static member is a variable that is declared inside the class.
        let is_static = attributes.flag(Field::External) || attributes.flag(Field::Declaration);
        if is_static || !matches!(kind, NodeKind::Struct | NodeKind::Union) {
            return Ok(Owner::Nothing);
        }
        let bits = attributes.number(Field::BitSize).unwrap_or(0);
        let byte = match attributes.get(Field::MemberLocation) {
            None => 0,
            Some((value, Class::Block)) => member_block(unit.block(value))?,
            Some((value, _)) => value,
        };
        let bit_offset = if let Some(offset) = attributes.number(Field::DataBitOffset) {
            offset
        } else if let Some(offset) = attributes.number(Field::BitOffset) {
            // DWARF 2 and 3 count from the most significant bit of a storage unit.
            let start = byte.wrapping_mul(8);
            if unit.bytes.big_endian {
                start.wrapping_add(offset)
            } else {
                match attributes.number(Field::ByteSize) {
                    Some(size) => start
                        .wrapping_add(size.wrapping_mul(8))
                        .wrapping_sub(offset)
                        .wrapping_sub(bits),
                    None => {
                        // The storage unit is as large as the member's type; known when all is read.
                        out.storage_fixups.push((owner, self.open_rows.len() as u32 - context.rows));
                        start.wrapping_sub(offset).wrapping_sub(bits)
                    }
                }
            }
        } else {
            byte.wrapping_mul(8)
        };
        let row = [
            attributes.name(Field::Name).0,
            attributes.reference(Field::Type),
            bit_offset as u32,
            u32::try_from(bits).unwrap_or(u32::MAX),
        ];
        if attributes.number(Field::BitSize).is_some() {
            out.nodes[owner as usize].flags |= BITFIELDS;
        }
        let number = (self.open_rows.len() as u32 - context.rows) as i32;
        if attributes.has(Field::Annotation) {
            out.annotated.push((owner, number, attributes.reference(Field::Annotation)));
        }
        self.open_rows.push(row);
        Ok(Owner::Part(owner, number))
    }

    fn parameter(&mut self, offset: u32, context: Context, out: &mut Nodes) -> Owner {
        let attributes = &self.attributes;
        let name = attributes.name(Field::Name);
        let target = attributes.reference(Field::Type);
        match context.owner {
            Owner::Node(node) => {
                if out.nodes[node as usize].kind == NodeKind::Subroutine {
                    self.open_rows.push([name.0, target, 0, 0]);
                }
                Owner::Nothing
            }
            Owner::Function(function) => {
                let place = match attributes.get(Field::Location) {
                    Some((value, Class::Block)) => Place::Expression((value >> 32) as u32, value as u32),
                    Some((value, Class::SectionOffset | Class::Constant)) => Place::List(value),
                    Some((value, Class::ListIndex)) => Place::Index(value),
                    _ => Place::Nowhere,
                };
                let node = out.functions[function as usize].node;
                let number = (self.open_parameters.len() as u32 - context.parameters) as i32;
                if attributes.has(Field::Annotation) {
                    out.annotated.push((node, number, attributes.reference(Field::Annotation)));
                }
                self.open_parameters.push(Parameter {
                    offset,
                    name,
                    target,
                    origin: attributes.reference(Field::AbstractOrigin),
                    place,
                });
                Owner::Part(node, number)
            }
            _ => Owner::Nothing,
        }
    }

    fn function(&mut self, unit: &UnitScan<'_, '_>, mut node: Node, out: &mut Nodes) -> Result<Owner, Damage> {
        if !self.wanted.functions {
            // Types inside it still count.
            return Ok(Owner::Scope);
        }
        let attributes = &self.attributes;
        let format = unit.header.format;
        let address = |field: Field| -> Result<Option<Address>, Damage> {
            Ok(match attributes.get(field) {
                Some((value, Class::Address)) => {
                    let field = unit.header.offset + (value >> 32) as usize;
                    Some(unit.address_at((value >> 32) as usize, field)?)
                }
                Some((index, Class::AddressIndex)) => {
                    let (value, section) =
                        unit.dwarf.indexed_address(index, unit.root.address_base, format.address_size)?;
                    Some(Address { value, section })
                }
                _ => None,
            })
        };
        let mut entry = match address(Field::EntryPc)? {
            Some(entry) => Some(entry),
            None => address(Field::LowPc)?,
        };
        if entry.is_none()
            && let Some((offset, class)) = attributes.get(Field::Ranges)
        {
            let indexed = class == Class::ListIndex;
            entry = location::first_of_ranges(unit.dwarf, unit.root, format, offset, indexed).unwrap_or(None);
        }
        let index = out.nodes.len() as u32;
        let function = out.functions.len() as u32;
        node.kind = NodeKind::Function;
        node.size = function;
        let origin = match attributes.reference(Field::AbstractOrigin) {
            0 => attributes.reference(Field::Specification),
            reference => reference,
        };
        if attributes.has(Field::Annotation) {
            out.annotated.push((index, -1, attributes.reference(Field::Annotation)));
        }
        out.functions.push(Function {
            node: index,
            unit: out.unit_starts.len() as u32 - 1,
            origin,
            entry,
            nocall: attributes.number(Field::CallingConvention) == Some(u64::from(dw::DW_CC_nocall.0)),
            vararg: false,
            first: 0,
            count: 0,
        });
        out.nodes.push(node);
        Ok(Owner::Function(function))
    }

    fn variable(
        &mut self,
        unit: &UnitScan<'_, '_>,
        mut node: Node,
        context: Context,
        out: &mut Nodes,
    ) -> Result<Owner, Damage> {
        let attributes = &self.attributes;
        let mut address = None;
        if let Some((value, Class::Block)) = attributes.get(Field::Location) {
            let start = (value >> 32) as usize;
            address = location::static_address(
                unit.block(value),
                unit.header.offset + start,
                unit.dwarf,
                unit.root,
                unit.header.format,
            )?;
        }
        if context.in_function && address.is_none() && node.flags & DECLARATION == 0 {
            return Ok(Owner::Nothing);
        }
        let index = out.nodes.len() as u32;
        node.kind = NodeKind::Variable;
        node.size = out.variables.len() as u32;
        let origin = match attributes.reference(Field::Specification) {
            0 => attributes.reference(Field::AbstractOrigin),
            reference => reference,
        };
        if attributes.has(Field::Annotation) {
            out.annotated.push((index, -1, attributes.reference(Field::Annotation)));
        }
        out.variables.push(Variable {
            node: index,
            unit: out.unit_starts.len() as u32 - 1,
            origin,
            address,
            external: attributes.flag(Field::External),
            artificial: attributes.flag(Field::Artificial),
            in_function: context.in_function,
            linkage_name: attributes.name(Field::LinkageName),
        });
        out.nodes.push(node);
        Ok(Owner::Part(index, -1))
    }

    /// A tag that clang puts below what it is on (`DW_TAG_LLVM_annotation`).
    fn annotation(&mut self, context: Context, out: &mut Nodes) {
        let value = self.attributes.name(Field::ConstValue);
        let is_type_tag = self.attributes.name(Field::Name) == self.names.type_tag;
        let is_decl_tag = self.attributes.name(Field::Name) == self.names.decl_tag;
        if value.is_none() {
            return;
        }
        match context.owner {
            Owner::Node(node) if is_type_tag && out.nodes[node as usize].kind == NodeKind::Pointer => {
                self.open_rows.push([value.0, 0, 0, 0]);
            }
            Owner::Node(node) if is_decl_tag => out.decl_tags.push(DeclTag { node, component: -1, value }),
            Owner::Function(function) if is_decl_tag => {
                let node = out.functions[function as usize].node;
                out.decl_tags.push(DeclTag { node, component: -1, value });
            }
            Owner::Part(node, component) if is_decl_tag => {
                out.decl_tags.push(DeclTag { node, component, value });
            }
            _ => {}
        }
    }

    /// Follows `plan` over one DIE.
    #[inline]
    fn take(
        &mut self,
        unit: &UnitScan<'_, '_>,
        plan: Plan,
        position: &mut usize,
        out: &mut Nodes,
    ) -> Result<(), Damage> {
        self.attributes.present = 0;
        let bytes = unit.bytes;
        let mut at = *position;
        for step in unit.table.steps(plan) {
            at += usize::from(step.skip);
            if step.field == Field::Ignored {
                step.shape.skip(bytes, &mut at, unit.header.format)?;
                continue;
            }
            let (value, class) = match step.shape {
                // The shapes that kernels are full of first.
                Shape::StringOffset => {
                    let size = usize::from(unit.header.format.offset_size);
                    let offset = bytes.sized(at, size)?;
                    at += size;
                    match self.string(unit, offset) {
                        Ok(name) => (name, Class::Text),
                        Err(damage) => {
                            out.damage.push(damage);
                            continue;
                        }
                    }
                }
                Shape::Reference(4) => {
                    let value = bytes.u32(at)?;
                    at += 4;
                    if value >= bytes.data.len() as u64 {
                        out.damage.push(Damage::BadReference);
                        continue;
                    }
                    (value, Class::Reference)
                }
                Shape::U8 => {
                    at += 1;
                    (bytes.u8(at - 1)?, Class::Constant)
                }
                Shape::U16 => {
                    at += 2;
                    (bytes.u16(at - 2)?, Class::Constant)
                }
                Shape::Implicit => (unit.table.constant(*step) as u64, Class::Signed),
                Shape::Present => (1, Class::Constant),
                Shape::Text => {
                    let text = bytes.string(at)?;
                    at += text.len() + 1;
                    (u64::from(self.inline_name(text).0), Class::Text)
                }
                Shape::Address(size) => {
                    let value = (at as u64) << 32 | u64::from(size);
                    bytes.block(at, usize::from(size))?;
                    at += usize::from(size);
                    (value, Class::Address)
                }
                Shape::SectionOffset(size) => {
                    let value = bytes.sized(at, usize::from(size))?;
                    at += usize::from(size);
                    (value, Class::SectionOffset)
                }
                Shape::Expression | Shape::BlockUleb | Shape::Block(_) => {
                    let length = match step.shape {
                        Shape::Block(size) => {
                            at += usize::from(size);
                            bytes.sized(at - usize::from(size), usize::from(size))?
                        }
                        _ => bytes.uleb(&mut at)?,
                    };
                    let length = usize::try_from(length).map_err(|_| Damage::Truncated)?;
                    bytes.block(at, length)?;
                    let value = (at as u64) << 32 | length as u64;
                    at += length;
                    (value, Class::Block)
                }
                shape => match self.other(unit, shape, &mut at, out)? {
                    Some(found) => found,
                    None => continue,
                },
            };
            self.attributes.set(step.field, value, class);
        }
        *position = at + usize::from(plan.tail);
        Ok(())
    }

    /// The shapes that are rare in kernels.
    #[cold]
    fn other(
        &mut self,
        unit: &UnitScan<'_, '_>,
        shape: Shape,
        at: &mut usize,
        out: &mut Nodes,
    ) -> Result<Option<(u64, Class)>, Damage> {
        let bytes = unit.bytes;
        if shape == Shape::Indirect {
            let form = bytes.uleb(at)?;
            let shape = u16::try_from(form)
                .ok()
                .and_then(|form| Shape::of(dw::DwForm(form), unit.header.format))
                .filter(|shape| !matches!(shape, Shape::Indirect | Shape::Implicit))
                .ok_or(Damage::UnknownForm)?;
            return self.indirect(unit, shape, at, out);
        }
        let mut sized = |size: u8| {
            let value = bytes.sized(*at, usize::from(size))?;
            *at += usize::from(size);
            Ok::<u64, Damage>(value)
        };
        let offset_size = unit.header.format.offset_size;
        let mut foreign = |target: Foreign| {
            out.foreign.push(target);
            (u64::from(FOREIGN | (out.foreign.len() as u32 - 1)), Class::Reference)
        };
        Ok(Some(match shape {
            Shape::U24 => (sized(3)?, Class::Constant),
            Shape::U32 => (sized(4)?, Class::Constant),
            Shape::U64 => (sized(8)?, Class::Constant),
            Shape::Uleb => (bytes.uleb(at)?, Class::Constant),
            Shape::Sleb => (bytes.sleb(at)? as u64, Class::Signed),
            Shape::Wide16 => {
                bytes.block(*at, 16)?;
                *at += 16;
                return Ok(None);
            }
            Shape::LineStringOffset => {
                let offset = sized(offset_size)?;
                let text = unit.dwarf.text(&unit.dwarf.line_str, offset).ok_or(Damage::BadString)?;
                (u64::from(self.names.intern(&text).0), Class::Text)
            }
            Shape::AlternateStringOffset => {
                let offset = sized(offset_size)?;
                let text = unit.dwarf.text(&unit.dwarf.alternate_str, offset).ok_or(Damage::BadString)?;
                (u64::from(self.names.intern(&text).0), Class::Text)
            }
            Shape::StringIndex(_) | Shape::StringIndexUleb => {
                let index = match shape {
                    Shape::StringIndex(size) => sized(size)?,
                    _ => bytes.uleb(at)?,
                };
                let offset = unit.dwarf.string_offset(index, unit.root.string_offsets_base, offset_size)?;
                (self.string(unit, offset)?, Class::Text)
            }
            Shape::Reference(size) => {
                let value = sized(size)?;
                if value >= bytes.data.len() as u64 {
                    out.damage.push(Damage::BadReference);
                    return Ok(None);
                }
                (value, Class::Reference)
            }
            Shape::ReferenceUleb => {
                let value = bytes.uleb(at)?;
                if value >= bytes.data.len() as u64 {
                    out.damage.push(Damage::BadReference);
                    return Ok(None);
                }
                (value, Class::Reference)
            }
            Shape::GlobalReference(size) => {
                let target = sized(size)?;
                let start = unit.header.offset as u64;
                if (start..start + bytes.data.len() as u64).contains(&target) && !unit.header.in_types {
                    (target - start, Class::Reference)
                } else {
                    foreign(Foreign::Global(target))
                }
            }
            Shape::SignatureReference => foreign(Foreign::Signature(sized(8)?)),
            Shape::AlternateReference(size) => foreign(Foreign::Alternate(sized(size)?)),
            Shape::AddressIndex(size) => (sized(size)?, Class::AddressIndex),
            Shape::AddressIndexUleb => (bytes.uleb(at)?, Class::AddressIndex),
            Shape::ListIndex => (bytes.uleb(at)?, Class::ListIndex),
            _ => return Err(Damage::UnknownForm),
        }))
    }

    /// A value whose form stands before it.
    fn indirect(
        &mut self,
        unit: &UnitScan<'_, '_>,
        shape: Shape,
        at: &mut usize,
        out: &mut Nodes,
    ) -> Result<Option<(u64, Class)>, Damage> {
        let bytes = unit.bytes;
        let start = *at;
        let fixed = |size: u8| bytes.sized(start, usize::from(size));
        let found = match shape {
            Shape::Present => (1, Class::Constant),
            Shape::U8 => (fixed(1)?, Class::Constant),
            Shape::U16 => (fixed(2)?, Class::Constant),
            Shape::SectionOffset(size) => (fixed(size)?, Class::SectionOffset),
            Shape::Text => (u64::from(self.names.intern(bytes.string(start)?).0), Class::Text),
            Shape::StringOffset => {
                (self.string(unit, fixed(unit.header.format.offset_size)?)?, Class::Text)
            }
            Shape::Address(_) | Shape::Expression | Shape::Block(_) | Shape::BlockUleb => {
                shape.skip(bytes, at, unit.header.format)?;
                return Ok(None);
            }
            shape => return self.other(unit, shape, at, out),
        };
        shape.skip(bytes, at, unit.header.format)?;
        Ok(Some(found))
    }

    /// The name at `offset` of the unit's `.debug_str`.
    #[inline]
    fn string(&self, unit: &UnitScan<'_, '_>, offset: u64) -> Result<u64, Damage> {
        let name = if unit.header.file == 0 {
            self.names.at(offset)
        } else {
            unit.dwarf.text(&unit.dwarf.str, offset).map(|text| self.names.intern(&text))
        };
        name.map(|name| u64::from(name.0)).ok_or(Damage::BadString)
    }

    /// The name of a string inside a DIE: nearly always a short one that was seen before.
    #[inline]
    fn inline_name(&mut self, text: &[u8]) -> Name {
        if text.len() > 8 || text.is_empty() {
            return self.names.intern(text);
        }
        let mut key = [0; 8];
        key[..text.len()].copy_from_slice(text);
        let key = u64::from_le_bytes(key);
        let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let (known, name) = self.inline_names[slot];
        if known == key {
            return name;
        }
        let name = self.names.intern(text);
        self.inline_names[slot] = (key, name);
        name
    }
}

/// A unit that is being scanned.
struct UnitScan<'a, 'd> {
    dwarf: &'a Dwarf<'d>,
    header: &'a UnitHeader,
    root: &'a UnitRoot<'a>,
    bytes: Bytes<'a>,
    table: &'a AbbreviationTable,
}

impl<'a> UnitScan<'a, '_> {
    fn block(&self, value: u64) -> Bytes<'a> {
        let (start, length) = ((value >> 32) as usize, value as u32 as usize);
        Bytes { data: &self.bytes.data[start..start + length], ..self.bytes }
    }

    fn address_at(&self, at: usize, field: usize) -> Result<Address, Damage> {
        let value = self.bytes.sized(at, usize::from(self.header.format.address_size))?;
        Ok(Address { value, section: self.dwarf.target_of_info(field) })
    }
}

/// The offset in bytes of a member whose location is an expression (DWARF 2: `DW_OP_plus_uconst`).
fn member_block(expression: Bytes<'_>) -> Result<u64, Damage> {
    match expression.data.first().map(|&operation| dw::DwOp(operation)) {
        Some(dw::DW_OP_plus_uconst | dw::DW_OP_constu) => expression.uleb(&mut 1),
        Some(dw::DwOp(literal @ 0x30..=0x4f)) => Ok(u64::from(literal - 0x30)),
        _ => Err(Damage::UnknownForm),
    }
}
