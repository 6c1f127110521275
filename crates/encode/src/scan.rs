//! One pass over the DIEs of a unit: types, functions and variables come out as rows of small numbers.
//!
//! The pass keeps the DIEs that matter and steps over the rest with the compiled abbreviations. References stay what
//! they are in the file, offsets in the unit; names become [`Name`]s; nothing is looked up yet.

use gimli::constants as dw;

use crate::attributes::{AttributeReader, Class, UnitScan};
use crate::dwarf::Dwarf;
use crate::dwarf::abbreviation::{Abbreviation, AbbreviationTable, Field, Plain, Role};
use crate::dwarf::bytes::{Bytes, Damage};
use crate::dwarf::location::{self, Address};
use crate::dwarf::unit::{Format, UnitHeader, UnitRoot};
use crate::names::{Name, Names};
use crate::nodes::{
    BITFIELDS, DECLARATION, DeclTag, Function, Node, NodeKind, Nodes, Parameter, Place, Reference, Row,
    SIGNED, VARARG, Variable,
};

/// DIEs nested deeper than this are taken for damage.
const DEEPEST: usize = 4096;

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
    /// What the rows of its owner are made of: members, enumerators, parameters, or nothing that is plain.
    parts: Role,
    in_function: bool,
    /// Where its rows start in [`Nodes::rows`].
    rows: u32,
    /// Rows that lie on `set_aside` because a node below it has rows of its own.
    set_aside: u32,
    parameters: u32,
    /// The innermost context that a node owns, this one included: 1 + its index, 0 for none.
    collecting: u32,
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
    reader: AttributeReader<'n, 'd>,
    wanted: Wanted,
    table: AbbreviationTable,
    /// What `table` was compiled from: file, offset, format.
    compiled: Option<(u32, usize, Format)>,
    contexts: Vec<Context>,
    /// Rows of nodes that are open, while nodes below them have theirs.
    set_aside: Vec<Row>,
    open_parameters: Vec<Parameter>,
}

impl<'n, 'd> Scanner<'n, 'd> {
    pub fn new(names: &'n Names<'d>, wanted: Wanted) -> Self {
        Self {
            reader: AttributeReader::new(names),
            wanted,
            table: AbbreviationTable::default(),
            compiled: None,
            contexts: Vec::new(),
            set_aside: Vec::new(),
            open_parameters: Vec::new(),
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
        self.set_aside.clear();
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
        let mut context = Context {
            owner: Owner::Scope,
            parts: Role::Ignored,
            in_function: false,
            rows: 0,
            set_aside: 0,
            parameters: 0,
            collecting: 0,
        };
        self.contexts.push(context);
        while at < end {
            let offset = at;
            let code = bytes.uleb(&mut at)?;
            if code == 0 {
                self.contexts.pop();
                self.close(context, out);
                let Some(&outer) = self.contexts.last() else { return Ok(()) };
                if matches!(context.owner, Owner::Node(_)) && outer.collecting > 0 {
                    self.contexts[outer.collecting as usize - 1].rows = out.rows.len() as u32;
                }
                let Some(&outer) = self.contexts.last() else { return Ok(()) };
                context = outer;
                continue;
            }
            let abbreviation = unit.table.get(code)?;
            if let Some(layout) = abbreviation.plain
                && !matches!(context.owner, Owner::Nothing)
                && self.plain(unit, abbreviation.role, layout, offset as u32, &mut at, context, out)?
            {
                continue;
            }
            let owner = self.die(unit, abbreviation, offset as u32, &mut at, context, out)?;
            if !abbreviation.children {
                continue;
            }
            if matches!(owner, Owner::Nothing)
                && let Some((sibling, Class::Reference)) = self.reader.attributes.get(Field::Sibling)
                && (at..end).contains(&(sibling as usize))
            {
                at = sibling as usize;
                continue;
            }
            if self.contexts.len() >= DEEPEST {
                return Err(Damage::TooDeep);
            }
            let mut collecting = context.collecting;
            if matches!(owner, Owner::Node(_)) {
                if collecting > 0 {
                    // A type inside a type: what the outer one has so far makes room.
                    let outer = &mut self.contexts[collecting as usize - 1];
                    let rows = out.rows.drain(outer.rows as usize..);
                    outer.set_aside += rows.len() as u32;
                    self.set_aside.extend(rows);
                }
                collecting = self.contexts.len() as u32 + 1;
            }
            context = Context {
                owner,
                parts: match owner {
                    Owner::Node(node) => parts_of(out.nodes[node as usize].kind),
                    _ => Role::Ignored,
                },
                in_function: context.in_function || abbreviation.role == Role::Subprogram,
                rows: out.rows.len() as u32,
                set_aside: 0,
                parameters: self.open_parameters.len() as u32,
                collecting,
            };
            self.contexts.push(context);
        }
        Ok(())
    }

    /// Gives what was collected under `context` to its owner.
    fn close(&mut self, context: Context, out: &mut Nodes) {
        match context.owner {
            Owner::Node(node) => {
                let mut first = context.rows;
                if context.set_aside > 0 {
                    let at = self.set_aside.len() - context.set_aside as usize;
                    let later = out.rows.len() - first as usize;
                    out.rows.extend(self.set_aside.drain(at..));
                    out.rows[first as usize..].rotate_left(later);
                    first = context.rows;
                }
                let count = out.rows.len() as u32 - first;
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
        abbreviation: &Abbreviation,
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
            Role::Ignored | Role::Scope | Role::Inlined | Role::UnspecifiedParameters => true,
            Role::Label => !self.wanted.functions || unit.root.language != dw::DW_LANG_Mips_Assembler.0,
            Role::Parameter => !matches!(context.owner, Owner::Function(_) | Owner::Node(_)),
            Role::Member | Role::Enumerator | Role::Subrange => !matches!(context.owner, Owner::Node(_)),
            Role::Variable => {
                !self.wanted.variables
                    || (context.in_function
                        && !abbreviation.declared
                        && !(self.wanted.function_statics && abbreviation.located))
            }
            Role::ChildAnnotation => {
                !matches!(context.owner, Owner::Node(_) | Owner::Part(..) | Owner::Function(_))
            }
            _ => false,
        };
        if pass {
            self.reader.take(unit, abbreviation.pass, at, out)?;
            return Ok(match role {
                Role::Scope => Owner::Scope,
                Role::Inlined if self.wanted.function_statics => Owner::Scope,
                Role::UnspecifiedParameters => {
                    match context.owner {
                        Owner::Function(function) => out.functions[function as usize].vararg = true,
                        Owner::Node(node) if out.nodes[node as usize].kind == NodeKind::Subroutine => {
                            out.rows.push([0, VARARG, 0, 0]);
                        }
                        _ => {}
                    }
                    Owner::Nothing
                }
                _ => Owner::Nothing,
            });
        }
        self.reader.take(unit, abbreviation.take, at, out)?;
        let attributes = &self.reader.attributes;
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
            Role::Member => {
                return Ok(self.member(unit, node, context, out).unwrap_or_else(|damage| lose(out, damage)));
            }
            Role::Enumerator => {
                if let Some((value, class)) = attributes.get(Field::ConstValue)
                    && matches!(class, Class::Constant | Class::Signed)
                {
                    let negative = class == Class::Signed && (value as i64) < 0;
                    out.rows.push([node.name.0, value as u32, (value >> 32) as u32, u32::from(negative)]);
                }
                return Ok(Owner::Nothing);
            }
            Role::Subrange => {
                let Owner::Node(array) = context.owner else { return Ok(Owner::Nothing) };
                if out.nodes[array as usize].kind == NodeKind::Array {
                    let count = self.elements();
                    if count > 1 << 32 {
                        out.damage.push(Damage::TooLarge);
                    }
                    // gcc writes the bound of `int a[0]` as -1 in as many bytes as it likes.
                    out.rows.push([u32::try_from(count).unwrap_or(0), 0, 0, 0]);
                }
                return Ok(Owner::Nothing);
            }
            Role::Parameter => return Ok(self.parameter(offset, context, out)),
            Role::ChildAnnotation => {
                self.annotation(context, out);
                return Ok(Owner::Nothing);
            }
            Role::Variable => {
                return Ok(self
                    .variable(unit, node, context, out)
                    .unwrap_or_else(|damage| lose(out, damage)));
            }
            Role::Subprogram | Role::Label => {
                return Ok(self.function(unit, node, out).unwrap_or_else(|damage| lose(out, damage)));
            }
            Role::Base => self.base(&mut node),
            Role::Pointer => node.kind = NodeKind::Pointer,
            Role::Typedef => node.kind = NodeKind::Typedef,
            Role::Const => node.kind = NodeKind::Const,
            Role::Volatile => node.kind = NodeKind::Volatile,
            Role::Restrict => node.kind = NodeKind::Restrict,
            Role::Transparent => node.kind = NodeKind::Transparent,
            Role::Unspecified if node.name == self.reader.names.null_pointer => node.kind = NodeKind::Pointer,
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
                    node.size = u32::try_from(size).unwrap_or_else(|_| {
                        out.damage.push(Damage::TooLarge);
                        node.flags |= DECLARATION;
                        0
                    });
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
            Role::Scope | Role::Inlined | Role::Ignored | Role::UnspecifiedParameters => {
                return Ok(Owner::Nothing);
            }
        }
        if role != Role::SharedAnnotation && attributes.has(Field::Annotation) {
            out.annotated.push((index, -1, attributes.reference(Field::Annotation)));
        }
        out.nodes.push(node);
        Ok(owner)
    }

    fn base(&self, node: &mut Node) {
        let attributes = &self.reader.attributes;
        let size = attributes
            .number(Field::ByteSize)
            .or_else(|| attributes.number(Field::BitSize).map(|bits| bits.div_ceil(8)));
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
    fn elements(&self) -> u64 {
        let attributes = &self.reader.attributes;
        match (attributes.get(Field::Count), attributes.get(Field::UpperBound)) {
            (Some((count, Class::Constant | Class::Signed)), _) => count,
            (None, Some((bound, Class::Constant | Class::Signed))) => bound.wrapping_add(1),
            _ => 0,
        }
    }

    /// A DIE without children that is nothing but a name, a type and a number, at fixed offsets: nearly all are. False
    /// if it has to be looked at in full after all.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn plain(
        &mut self,
        unit: &UnitScan<'_, '_>,
        role: Role,
        layout: Plain,
        offset: u32,
        at: &mut usize,
        context: Context,
        out: &mut Nodes,
    ) -> Result<bool, Damage> {
        let kind = match role {
            Role::Member | Role::Enumerator | Role::Parameter if role == context.parts => NodeKind::Void,
            Role::Pointer => NodeKind::Pointer,
            Role::Const => NodeKind::Const,
            Role::Volatile => NodeKind::Volatile,
            Role::Typedef => NodeKind::Typedef,
            _ => return Ok(false),
        };
        let bytes = Bytes { data: unit.bytes.block(*at, usize::from(layout.size))?, ..unit.bytes };
        let mut target = match layout.target {
            Some(target) => bytes.u32(usize::from(target))?,
            None => 0,
        };
        if target >= unit.bytes.data.len() as u64 {
            out.damage.push(Damage::BadReference);
            target = 0;
        }
        if kind == NodeKind::Void {
            let name = match layout.name {
                Some(name) => self.name_of_row(unit, bytes.u32(usize::from(name))?, out),
                None => Name::NONE,
            };
            let number = match layout.number {
                Some((number, 1)) => bytes.u8(usize::from(number))?,
                Some((number, 2)) => bytes.u16(usize::from(number))?,
                Some((number, _)) => bytes.u32(usize::from(number))?,
                None if role == Role::Enumerator => return Ok(false),
                None => 0,
            };
            let row = match role {
                Role::Member if number > u64::from(u32::MAX / 8) => return Ok(false),
                Role::Member => [name.0, target as u32, (number as u32).wrapping_mul(8), 0],
                Role::Enumerator => [name.0, number as u32, 0, 0],
                _ => [name.0, target as u32, 0, 0],
            };
            out.rows.push(row);
        } else {
            let name = match layout.name {
                Some(name) => self.reader.string_or_none(unit, bytes.u32(usize::from(name))?, out),
                None => Name::NONE,
            };
            out.nodes.push(Node {
                offset,
                kind,
                flags: 0,
                encoding: 0,
                name,
                target: target as u32,
                size: 0,
                first: 0,
                count: 0,
            });
        }
        *at += usize::from(layout.size);
        Ok(true)
    }

    /// The name in a row, which may be a second copy of a name: nearly all rows are compared with one that went through
    /// [`Names::settled`] before, so it need not be asked here (6 % of an encode's time).
    #[inline]
    fn name_of_row(&mut self, unit: &UnitScan<'_, '_>, offset: u64, out: &mut Nodes) -> Name {
        if unit.header.file == 0
            && let Some(name) = self.reader.names.unsettled_at(offset)
        {
            return name;
        }
        self.reader.string_or_none(unit, offset, out)
    }

    fn member(
        &mut self,
        unit: &UnitScan<'_, '_>,
        node: Node,
        context: Context,
        out: &mut Nodes,
    ) -> Result<Owner, Damage> {
        let Owner::Node(owner) = context.owner else { return Ok(Owner::Nothing) };
        let attributes = &self.reader.attributes;
        let kind = out.nodes[owner as usize].kind;
        // A static member is a variable that is declared inside the class; its definition leaves name and type to it.
        let is_static = attributes.flag(Field::External) || attributes.flag(Field::Declaration);
        if is_static && self.wanted.variables {
            out.variables.push(Variable {
                node: out.nodes.len() as u32,
                unit: out.unit_starts.len() as u32 - 1,
                origin: 0,
                address: None,
                external: attributes.flag(Field::External),
                // Its name is no symbol's: it declares nothing by itself.
                artificial: true,
                in_function: false,
                linkage_name: Name::NONE,
            });
            let size = out.variables.len() as u32 - 1;
            out.nodes.push(Node { kind: NodeKind::Variable, flags: DECLARATION, size, ..node });
        }
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
                    Some(size) => {
                        start.wrapping_add(size.wrapping_mul(8)).wrapping_sub(offset).wrapping_sub(bits)
                    }
                    None => {
                        // The storage unit is as large as the member's type; known when all is read.
                        out.storage_fixups
                            .push((owner, out.rows.len() as u32 - context.rows + context.set_aside));
                        start.wrapping_sub(offset).wrapping_sub(bits)
                    }
                }
            }
        } else {
            byte.wrapping_mul(8)
        };
        // Less than 0 while the storage unit is not known.
        if bit_offset > u64::from(u32::MAX) && (bit_offset as i64) >= 0 {
            return Err(Damage::TooLarge);
        }
        let row = [
            attributes.name(Field::Name).0,
            attributes.reference(Field::Type),
            bit_offset as u32,
            u32::try_from(bits).unwrap_or(u32::MAX),
        ];
        if attributes.number(Field::BitSize).is_some() {
            out.nodes[owner as usize].flags |= BITFIELDS;
        }
        let number = (out.rows.len() as u32 - context.rows + context.set_aside) as i32;
        if attributes.has(Field::Annotation) {
            out.annotated.push((owner, number, attributes.reference(Field::Annotation)));
        }
        out.rows.push(row);
        Ok(Owner::Part(owner, number))
    }

    fn parameter(&mut self, offset: u32, context: Context, out: &mut Nodes) -> Owner {
        let attributes = &self.reader.attributes;
        let name = attributes.name(Field::Name);
        let target = attributes.reference(Field::Type);
        match context.owner {
            Owner::Node(node) => {
                if out.nodes[node as usize].kind == NodeKind::Subroutine {
                    out.rows.push([name.0, target, 0, 0]);
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

    fn function(
        &mut self,
        unit: &UnitScan<'_, '_>,
        mut node: Node,
        out: &mut Nodes,
    ) -> Result<Owner, Damage> {
        if !self.wanted.functions {
            // Types inside it still count.
            return Ok(Owner::Scope);
        }
        let attributes = &self.reader.attributes;
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
        let attributes = &self.reader.attributes;
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
        let value = self.reader.attributes.name(Field::ConstValue);
        let is_type_tag = self.reader.attributes.name(Field::Name) == self.reader.names.type_tag;
        let is_decl_tag = self.reader.attributes.name(Field::Name) == self.reader.names.decl_tag;
        if value.is_none() {
            return;
        }
        match context.owner {
            Owner::Node(node) if is_type_tag && out.nodes[node as usize].kind == NodeKind::Pointer => {
                out.rows.push([value.0, 0, 0, 0]);
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
}

/// What the rows of a node are made of.
fn parts_of(kind: NodeKind) -> Role {
    match kind {
        NodeKind::Struct | NodeKind::Union => Role::Member,
        NodeKind::Enum => Role::Enumerator,
        NodeKind::Subroutine => Role::Parameter,
        _ => Role::Ignored,
    }
}

/// Counts a DIE that is left out.
fn lose(out: &mut Nodes, damage: Damage) -> Owner {
    out.damage.push(damage);
    Owner::Nothing
}

/// The offset in bytes of a member whose location is an expression (DWARF 2: `DW_OP_plus_uconst`).
fn member_block(expression: Bytes<'_>) -> Result<u64, Damage> {
    match expression.data.first().map(|&operation| dw::DwOp(operation)) {
        Some(dw::DW_OP_plus_uconst | dw::DW_OP_constu) => expression.uleb(&mut 1),
        Some(dw::DwOp(literal @ 0x30..=0x4f)) => Ok(u64::from(literal - 0x30)),
        _ => Err(Damage::UnknownForm),
    }
}
