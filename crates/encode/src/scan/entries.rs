//! What each sort of DIE leaves behind: nodes, rows, functions and variables.

use gimli::constants as dw;

use super::{Context, Owner, Scanner};
use crate::attributes::{Attributes, Class, UnitScan};
use crate::dwarf::abbreviation::{Abbreviation, Field, Role};
use crate::dwarf::bytes::{Bytes, Damage};
use crate::dwarf::location::{self, Address};
use crate::names::Name;
use crate::nodes::{
    BITFIELDS, DECLARATION, DeclTag, Function, Node, NodeKind, Nodes, Parameter, Place, Reference, SIGNED,
    VARARG, Variable,
};

impl Scanner<'_, '_> {
    /// Takes one DIE; the answer is what its children belong to.
    #[inline]
    pub(super) fn die(
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
                    node.target = attributes.first_reference(Field::Specification, Field::AbstractOrigin);
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
        annotate(attributes, owner, number, out);
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
                annotate(attributes, node, number, out);
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
        let origin = attributes.first_reference(Field::AbstractOrigin, Field::Specification);
        annotate(attributes, index, -1, out);
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
        let origin = attributes.first_reference(Field::Specification, Field::AbstractOrigin);
        annotate(attributes, index, -1, out);
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

/// Notes gcc's annotations of a node, or of one of its members or parameters.
fn annotate(attributes: &Attributes, node: u32, component: i32, out: &mut Nodes) {
    if attributes.has(Field::Annotation) {
        out.annotated.push((node, component, attributes.reference(Field::Annotation)));
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
