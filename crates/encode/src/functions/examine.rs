//! One subprogram DIE: its prototype, and what its parameters' locations say about how it is called.

use super::FunctionSymbols;
use crate::abi::Abi;
use crate::dwarf::Dwarf;
use crate::dwarf::bytes::Bytes;
use crate::dwarf::location::{self, Address, Arrival};
use crate::dwarf::unit::{UnitHeader, UnitRoot};
use crate::intern::Interner;
use crate::names::Name;
use crate::nodes::{DECLARATION, Function, Node, NodeKind, Nodes, Parameter, Place, Reference};
use crate::record::{Kind, RecordId, head};

/// A parameter arrives in another register than the convention says.
pub const UNEXPECTED_REGISTER: u8 = 1;
/// A parameter is on the stack, where a packed struct may make it unfindable.
pub const UNCERTAIN_LOCATION: u8 = 2;
/// The parameters are in another order than in the source.
pub const REORDERED: u8 = 4;
/// A parameter has no location: it may not be passed at all.
pub const OPTIMIZED: u8 = 8;
/// The function does not follow the calling convention at all (`DW_CC_nocall`).
pub const NOCALL: u8 = 16;
/// A function of an assembler unit: it has no prototype.
pub const ASSEMBLER: u8 = 32;

/// A declaration: nothing but a prototype.
pub const DECLARED: u8 = 64;

/// What one subprogram DIE says about the function of a name.
#[derive(Debug, Clone, Copy)]
pub struct FunctionState {
    /// The key of the function's name in [`FunctionSymbols`].
    pub key: u32,
    /// The prototype.
    pub prototype: RecordId,
    /// The unit.
    pub unit: u32,
    /// The node of the DIE among its unit's.
    pub node: u32,
    /// Where it is entered; `None` for the abstract part of an inlined function.
    pub entry: Option<Address>,
    /// See the constants of this module.
    pub flags: u8,
    /// A bit for each of the first 64 parameters that are not passed.
    pub dropped: u64,
}

impl FunctionState {
    /// Which parameter a tag is on if those that are not passed are left out (`changed`); `None` if it is on one of
    /// them.
    pub fn component(&self, component: i32, changed: bool) -> Option<i32> {
        if !changed || !(0..64).contains(&component) {
            return Some(component);
        }
        let below = self.dropped & ((1 << component) - 1);
        (self.dropped >> component & 1 == 0).then_some(component - below.count_ones() as i32)
    }
}

/// The unit that is being examined.
pub struct Unit<'a, 'd> {
    /// The file.
    pub dwarf: &'a Dwarf<'d>,
    /// Its header.
    pub header: &'a UnitHeader,
    /// Its root DIE.
    pub root: &'a UnitRoot<'a>,
    /// Made by clang?
    pub clang: bool,
    /// Written in assembler?
    pub assembler: bool,
}

/// What parameters are called that a declaration leaves without names, as of functions in assembly.
#[rustfmt::skip]
pub const ARGUMENT_NAMES: [&[u8]; 12] = [
    b"arg0", b"arg1", b"arg2", b"arg3", b"arg4", b"arg5", b"arg6", b"arg7", b"arg8", b"arg9", b"arg10", b"arg11",
];

/// How far origins are followed: concrete, abstract, specification.
const ORIGINS: usize = 8;

/// Looks at `function`; `None` if BTF cannot say anything about it.
#[allow(clippy::too_many_arguments)] // what is looked at, and all that it is looked at with
pub fn examine(
    interner: &mut Interner<'_, '_>,
    nodes: &Nodes,
    function: &Function,
    number: u32,
    unit: &Unit<'_, '_>,
    symbols: &FunctionSymbols,
    abi: &Abi,
    argument_name: impl Fn(usize) -> Option<Name>,
) -> Option<FunctionState> {
    let node = &nodes.nodes[function.node as usize];
    let declared = node.flags & DECLARATION != 0;
    // Most entries are of functions that are inlined everywhere, or not of this file.
    if !node.name.is_none() && symbols.key(node.name).is_none() {
        return None;
    }
    let chain = origins(nodes, function);
    let name = chain.iter().map(|&function| die(nodes, function).name).find(|name| !name.is_none())?;
    let key = symbols.key(name)?;
    let returns = chain.iter().map(|&function| die(nodes, function).target).find(|&target| target != 0);
    let mut words = vec![head(Kind::Function, 0)];
    words.push(interner.resolve(nodes, returns.unwrap_or(0)).0);

    let parameters = &nodes.parameters[function.first as usize..][..function.count as usize];
    let mut slot = 0;
    let (mut flags, mut dropped) = (0, 0u64);
    if declared {
        flags |= DECLARED;
    }
    if function.nocall {
        flags |= NOCALL;
    }
    if unit.assembler {
        flags |= ASSEMBLER;
    }
    let mut has_struct = false;
    for (position, parameter) in parameters.iter().enumerate() {
        let (origin, order) = origin_of(nodes, &chain, parameter);
        let name = [parameter.name, origin.map_or(Name::NONE, |origin| origin.name)]
            .into_iter()
            .find(|name| !name.is_none());
        let name = match name {
            Some(name) => name,
            // Declarations need not name their parameters.
            None if declared => argument_name(position)?,
            None => return None,
        };
        let target =
            if parameter.target != 0 { parameter.target } else { origin.map_or(0, |origin| origin.target) };
        words.extend([name.0, interner.resolve(nodes, target).0]);
        if order.is_some_and(|order| order != position) {
            flags |= REORDERED;
        }
        let (size, is_struct) = size_of(nodes, target, abi);
        has_struct |= is_struct;
        // Beyond the registers, on the stack, a parameter may be removed too: then those behind it move up.
        let judgement = judge(parameter, origin, function, unit, abi, slot, size);
        flags |= judgement;
        if judgement & OPTIMIZED != 0 && position < 64 {
            dropped |= 1 << position;
        }
        if slot >= abi.register_count && is_packed(nodes, target, abi) {
            flags |= UNCERTAIN_LOCATION;
        }
        slot += abi.slots(size);
    }
    if has_struct {
        // Where the parts of a struct are is the compiler's affair.
        flags &= !UNEXPECTED_REGISTER;
    }
    if function.vararg {
        words.extend([0, 0]);
    }
    let prototype = interner.table.intern(&words);
    Some(FunctionState {
        key,
        prototype,
        unit: number,
        node: function.node,
        entry: function.entry,
        flags,
        dropped,
    })
}

/// The DIE itself, then those that it completes.
fn origins<'n>(nodes: &'n Nodes, function: &'n Function) -> Vec<&'n Function> {
    let mut chain = vec![function];
    while chain.len() < ORIGINS {
        let Some(node) = nodes.get(chain[chain.len() - 1].origin) else { break };
        if node.kind != NodeKind::Function {
            break;
        }
        chain.push(&nodes.functions[node.size as usize]);
    }
    chain
}

fn die<'n>(nodes: &'n Nodes, function: &Function) -> &'n Node {
    &nodes.nodes[function.node as usize]
}

/// The parameter that `parameter` completes, and its position among its function's.
fn origin_of<'n>(
    nodes: &'n Nodes,
    chain: &[&Function],
    parameter: &Parameter,
) -> (Option<&'n Parameter>, Option<usize>) {
    if parameter.origin == 0 {
        return (None, None);
    }
    for function in &chain[1..] {
        let candidates = &nodes.parameters[function.first as usize..][..function.count as usize];
        let position = if nodes.are_linked {
            (parameter.origin as usize)
                .checked_sub(function.first as usize + 1)
                .filter(|&position| position < candidates.len())
        } else {
            candidates.iter().position(|candidate| candidate.offset == parameter.origin)
        };
        if let Some(position) = position {
            return (candidates.get(position), Some(position));
        }
    }
    (None, None)
}

/// What the location of a parameter that should be in argument slot `slot` says; behind the registers, on the stack,
/// it need only have one.
fn judge(
    parameter: &Parameter,
    origin: Option<&Parameter>,
    function: &Function,
    unit: &Unit<'_, '_>,
    abi: &Abi,
    slot: usize,
    size: u64,
) -> u8 {
    if function.entry.is_none() {
        return 0;
    }
    let located = [Some(parameter), origin].into_iter().flatten().find(|part| part.place != Place::Nowhere);
    let arrival = located.map_or(Arrival::default(), |part| arrival(part.place, unit));
    let expected = abi.register(slot).filter(|_| abi.slots(size) > 0);
    let Some(expected) = expected else {
        return if arrival.located { 0 } else { OPTIMIZED };
    };
    match arrival.register {
        Some(register) if register == expected => 0,
        Some(register) => {
            // clang names any register of an argument that takes several.
            let slots = abi.slots(size);
            let within = unit.clang
                && !function.nocall
                && (slot..slot + slots).any(|slot| abi.register(slot) == Some(register));
            if within { 0 } else { UNEXPECTED_REGISTER }
        }
        None => OPTIMIZED,
    }
}

fn arrival(place: Place, unit: &Unit<'_, '_>) -> Arrival {
    let found = match place {
        Place::Nowhere => return Arrival::default(),
        Place::Expression(start, length) => {
            let bytes = unit.dwarf.unit_bytes(unit.header);
            let data = bytes.data.get(start as usize..start as usize + length as usize).unwrap_or_default();
            location::arrival_of_expression(Bytes { data, ..bytes })
        }
        Place::List(offset) => location::arrival_of_list(unit.dwarf, unit.header.format, offset),
        Place::Index(index) => location::list_offset(unit.dwarf, unit.root, unit.header.format, index)
            .and_then(|offset| location::arrival_of_list(unit.dwarf, unit.header.format, offset)),
    };
    found.unwrap_or(Arrival { located: true, register: None })
}

/// The size of a type in bytes, and whether it is a struct below all typedefs and qualifiers.
fn size_of(nodes: &Nodes, reference: Reference, abi: &Abi) -> (u64, bool) {
    let mut reference = reference;
    let mut elements = 1u64;
    for _ in 0..64 {
        let Some(node) = nodes.get(reference) else { return (0, false) };
        match node.kind {
            NodeKind::Const
            | NodeKind::Volatile
            | NodeKind::Restrict
            | NodeKind::Typedef
            | NodeKind::Transparent => reference = node.target,
            NodeKind::Array => {
                for row in nodes.rows_of(node) {
                    elements = elements.saturating_mul(u64::from(row[0]));
                }
                reference = node.target;
            }
            NodeKind::Pointer => return (elements.saturating_mul(u64::from(abi.word)), false),
            NodeKind::Struct => return (elements.saturating_mul(u64::from(node.size)), true),
            NodeKind::Int | NodeKind::Float | NodeKind::Opaque | NodeKind::Union | NodeKind::Enum => {
                return (elements.saturating_mul(u64::from(node.size)), false);
            }
            _ => return (0, false),
        }
    }
    (0, false)
}

/// Is the type directly a named struct that is packed: without holes, yet not naturally aligned?
fn is_packed(nodes: &Nodes, reference: Reference, abi: &Abi) -> bool {
    let Some(node) = nodes.get(reference) else { return false };
    if node.kind != NodeKind::Struct || node.name.is_none() {
        return false;
    }
    let (mut end, mut alignment, mut misaligned) = (0u64, 1u64, false);
    for row in nodes.rows_of(node) {
        let (size, _) = size_of(nodes, row[1], abi);
        let natural = natural_alignment(nodes, row[1], abi, 0);
        alignment = alignment.max(natural);
        let offset = u64::from(row[2]);
        if offset > end {
            return false;
        }
        misaligned |= row[3] == 0 && !(offset / 8).is_multiple_of(natural);
        end = offset + if row[3] != 0 { u64::from(row[3]) } else { size.saturating_mul(8) };
    }
    end >= u64::from(node.size) * 8 && (misaligned || !u64::from(node.size).is_multiple_of(alignment))
}

fn natural_alignment(nodes: &Nodes, mut reference: Reference, abi: &Abi, depth: u32) -> u64 {
    for _ in 0..64 {
        let Some(node) = nodes.get(reference) else { return 1 };
        match node.kind {
            NodeKind::Const
            | NodeKind::Volatile
            | NodeKind::Restrict
            | NodeKind::Typedef
            | NodeKind::Transparent
            | NodeKind::Array => reference = node.target,
            NodeKind::Pointer => return u64::from(abi.word),
            NodeKind::Struct | NodeKind::Union if depth < 8 => {
                return nodes
                    .rows_of(node)
                    .iter()
                    .map(|row| natural_alignment(nodes, row[1], abi, depth + 1))
                    .max()
                    .unwrap_or(1);
            }
            NodeKind::Int | NodeKind::Float | NodeKind::Enum => return u64::from(node.size).clamp(1, 16),
            _ => return 1,
        }
    }
    1
}
