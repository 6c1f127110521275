//! What DIEs get from each other: names and types that one DIE leaves to another, in its unit or in another one.
//!
//! Units that refer to each other cannot be scanned one by one. Then all units are scanned into one set of nodes,
//! references become node numbers, and the whole is treated as a single unit: names that mean several things in it are
//! told apart as they are within a unit.

use hashbrown::HashMap;

use crate::collect::{Collected, ScannedUnit, Source, Worker, merge};
use crate::dwarf::bytes::Damage;
use crate::dwarf::unit::UnitKind;
use crate::intern::Interner;
use crate::names::Name;
use crate::nodes::{
    BITFIELDS, DECLARATION, DeclTag, FOREIGN, Foreign, NodeKind, Nodes, Reference, VARARG, Variable,
};
use crate::scan::Scanner;
use crate::variables::VariableState;

/// How far chains of specifications and annotations are followed.
const LONGEST_CHAIN: usize = 64;

/// Scans all units as one.
pub fn collect(source: &Source<'_, '_>) -> Collected {
    let mut nodes = Nodes::default();
    let mut scanner = Scanner::new(source.names, source.wanted());
    let mut roots = Vec::new();
    // By scanned unit: its number, its first node, foreign reference and parameter.
    let mut parts: Vec<(u32, u32, u32, u32)> = Vec::new();
    for unit in 0..source.units.len() as u32 {
        let header = &source.units[unit as usize];
        match source.root(unit) {
            Ok(Some(root)) => {
                let (node, parameter) = (nodes.nodes.len() as u32, nodes.parameters.len() as u32);
                parts.push((unit, node, nodes.foreign.len() as u32, parameter));
                scanner.scan(&source.files[header.file as usize], header, &root, &mut nodes);
                roots.push(ScannedUnit::new(unit, root));
            }
            Ok(None) => {}
            Err(damage) => nodes.damage.push(damage),
        }
        (source.progress)(header.size() as u64);
    }
    link(source, &mut nodes, &parts);
    let mut worker = Worker::new(source);
    worker.digest(0, &mut nodes, &roots);
    merge(vec![worker.finish()], 1)
}

/// Turns all references into node numbers + 1 (parameters' origins: parameter numbers + 1).
fn link(source: &Source<'_, '_>, nodes: &mut Nodes, parts: &[(u32, u32, u32, u32)]) {
    let foreign = std::mem::take(&mut nodes.foreign);
    let index = Index::new(source, nodes, parts);
    let mut broken = 0u64;
    let mut node_of = |part: usize, reference: Reference| -> Reference {
        if reference == 0 {
            return 0;
        }
        match index.node(source, &foreign, part, reference) {
            Some(node) => node + 1,
            None => {
                broken += 1;
                0
            }
        }
    };
    for part in 0..parts.len() {
        let end = |field: fn(&(u32, u32, u32, u32)) -> u32, total: usize| {
            parts.get(part + 1).map_or(total, |next| field(next) as usize)
        };
        let (first, last) = (parts[part].1 as usize, end(|part| part.1, nodes.nodes.len()));
        for number in first..last {
            let node = nodes.nodes[number];
            nodes.nodes[number].target = node_of(part, node.target);
            if matches!(node.kind, NodeKind::Struct | NodeKind::Union | NodeKind::Subroutine) {
                for row in &mut nodes.rows[node.first as usize..][..node.count as usize] {
                    if row[1] != VARARG {
                        row[1] = node_of(part, row[1]);
                    }
                }
            }
        }
        let (first, last) = (parts[part].3 as usize, end(|part| part.3, nodes.parameters.len()));
        for parameter in &mut nodes.parameters[first..last] {
            parameter.target = node_of(part, parameter.target);
            parameter.origin = index.parameter(source, &foreign, part, parameter.origin);
        }
    }
    for function in &mut nodes.functions {
        function.origin = node_of(function.unit as usize, function.origin);
    }
    for variable in &mut nodes.variables {
        variable.origin = node_of(variable.unit as usize, variable.origin);
    }
    for (node, _, reference) in &mut nodes.annotated {
        let part = nodes.unit_starts.partition_point(|start| start <= node) - 1;
        *reference = node_of(part, *reference);
    }
    nodes.are_linked = true;
    nodes.damage.extend(std::iter::repeat_n(Damage::BadReference, broken.min(1 << 20) as usize));
}

/// Finds nodes by where their DIEs are.
struct Index<'a> {
    parts: &'a [(u32, u32, u32, u32)],
    /// (file, offset of the unit in .debug_info, part), sorted.
    starts: Vec<(u32, usize, usize)>,
    /// By signature: part and offset of the type's DIE in its unit.
    signatures: HashMap<u64, (usize, u32)>,
    /// By part, sorted: (offset of the DIE in its unit, node).
    offsets: Vec<(u32, u32)>,
    ranges: Vec<(usize, usize)>,
    /// By part, sorted: (offset of the DIE in its unit, parameter).
    parameters: Vec<(u32, u32)>,
    parameter_ranges: Vec<(usize, usize)>,
}

impl<'a> Index<'a> {
    fn new(source: &Source<'_, '_>, nodes: &Nodes, parts: &'a [(u32, u32, u32, u32)]) -> Self {
        let mut index = Self {
            parts,
            starts: Vec::new(),
            signatures: HashMap::new(),
            offsets: nodes
                .nodes
                .iter()
                .enumerate()
                .map(|(number, node)| (node.offset, number as u32))
                .collect(),
            ranges: Vec::new(),
            parameters: nodes
                .parameters
                .iter()
                .enumerate()
                .map(|(number, parameter)| (parameter.offset, number as u32))
                .collect(),
            parameter_ranges: Vec::new(),
        };
        for (part, &(unit, first, _, parameter)) in parts.iter().enumerate() {
            let header = &source.units[unit as usize];
            if !header.in_types {
                index.starts.push((header.file, header.offset, part));
            }
            if let UnitKind::Type { signature, type_offset } = header.kind {
                index.signatures.entry(signature).or_insert((part, type_offset as u32));
            }
            let next = parts.get(part + 1);
            let range = (first as usize, next.map_or(nodes.nodes.len(), |next| next.1 as usize));
            index.offsets[range.0..range.1].sort_unstable();
            index.ranges.push(range);
            let range = (parameter as usize, next.map_or(nodes.parameters.len(), |next| next.3 as usize));
            index.parameters[range.0..range.1].sort_unstable();
            index.parameter_ranges.push(range);
        }
        index.starts.sort_unstable();
        index
    }

    /// The part and the offset in its unit that a reference means.
    fn place(
        &self,
        source: &Source<'_, '_>,
        foreign: &[Foreign],
        part: usize,
        reference: Reference,
    ) -> Option<(usize, u32)> {
        if reference & FOREIGN == 0 {
            return Some((part, reference));
        }
        let file = source.units[self.parts[part].0 as usize].file;
        let (file, offset) = match *foreign.get((reference & !FOREIGN) as usize)? {
            Foreign::Signature(signature) => return self.signatures.get(&signature).copied(),
            Foreign::Global(offset) => (file, offset),
            Foreign::Alternate(offset) => (source.alternate_file?, offset),
        };
        let offset = usize::try_from(offset).ok()?;
        let position = self.starts.partition_point(|&(other, start, _)| (other, start) <= (file, offset));
        let &(found, start, part) = self.starts.get(position.checked_sub(1)?)?;
        let inside = source.units[self.parts[part].0 as usize].end > offset;
        (found == file && inside).then(|| (part, (offset - start) as u32))
    }

    fn node(
        &self,
        source: &Source<'_, '_>,
        foreign: &[Foreign],
        part: usize,
        reference: Reference,
    ) -> Option<u32> {
        let (part, offset) = self.place(source, foreign, part, reference)?;
        let (first, last) = self.ranges[part];
        let slice = &self.offsets[first..last];
        slice.binary_search_by_key(&offset, |&(offset, _)| offset).ok().map(|found| slice[found].1)
    }

    fn parameter(
        &self,
        source: &Source<'_, '_>,
        foreign: &[Foreign],
        part: usize,
        reference: Reference,
    ) -> Reference {
        if reference == 0 {
            return 0;
        }
        let Some((part, offset)) = self.place(source, foreign, part, reference) else { return 0 };
        let (first, last) = self.parameter_ranges[part];
        let slice = &self.parameters[first..last];
        slice.binary_search_by_key(&offset, |&(offset, _)| offset).map_or(0, |found| slice[found].1 + 1)
    }
}

/// Fills in what nodes leave to others: names of completed classes, storage units of old-style bit-fields.
pub fn complete(nodes: &mut Nodes, type_tag: Name) {
    for number in 0..nodes.nodes.len() {
        let node = nodes.nodes[number];
        if matches!(node.kind, NodeKind::Struct | NodeKind::Union) && node.target != 0 && node.name.is_none()
        {
            nodes.nodes[number].name = nodes.get(node.target).map_or(Name::NONE, |other| other.name);
        }
    }
    for index in 0..nodes.annotated.len() {
        let (owner, _, first) = nodes.annotated[index];
        if nodes.nodes[owner as usize].kind != NodeKind::Pointer {
            continue;
        }
        // gcc's chain starts next to the pointer, clang's tags next to what it points at.
        let mut rows = Vec::new();
        let mut reference = first;
        while let Some(annotation) = nodes.get(reference).filter(|_| rows.len() < LONGEST_CHAIN) {
            if annotation.kind != NodeKind::Annotation {
                break;
            }
            if annotation.name == type_tag {
                rows.push([annotation.size, 0, 0, 0]);
            }
            reference = annotation.target;
        }
        let node = &mut nodes.nodes[owner as usize];
        (node.first, node.count) = (nodes.rows.len() as u32, rows.len() as u32);
        nodes.rows.extend(rows.into_iter().rev());
    }
    for (owner, member) in std::mem::take(&mut nodes.storage_fixups) {
        let node = nodes.nodes[owner as usize];
        if node.flags & BITFIELDS == 0 || member >= node.count {
            continue;
        }
        let row = (node.first + member) as usize;
        let mut reference = nodes.rows[row][1];
        for _ in 0..LONGEST_CHAIN {
            let Some(target) = nodes.get(reference) else { break };
            match target.kind {
                NodeKind::Int | NodeKind::Enum => {
                    nodes.rows[row][2] = nodes.rows[row][2].wrapping_add(target.size.wrapping_mul(8));
                    break;
                }
                _ => reference = target.target,
            }
        }
    }
}

/// What a variable's DIE, and those that it completes, say together.
pub fn variable(
    interner: &Interner<'_, '_>,
    nodes: &Nodes,
    variable: &Variable,
    unit: u32,
) -> Option<VariableState> {
    let node = &nodes.nodes[variable.node as usize];
    if variable.artificial && variable.address.is_none() {
        return None;
    }
    let (mut name, mut target, mut external) = (node.name, node.target, variable.external);
    let (mut linkage_name, mut origin) = (variable.linkage_name, variable.origin);
    let mut in_function = variable.in_function;
    for _ in 0..8 {
        let Some(other) = nodes.get(origin) else { break };
        if other.kind != NodeKind::Variable {
            break;
        }
        let declaration = &nodes.variables[other.size as usize];
        name = if name.is_none() { other.name } else { name };
        target = if target == 0 { other.target } else { target };
        linkage_name = if linkage_name.is_none() { declaration.linkage_name } else { linkage_name };
        external |= declaration.external;
        in_function |= declaration.in_function;
        origin = declaration.origin;
    }
    let declared = node.flags & DECLARATION != 0;
    if name.is_none() || (variable.address.is_none() && !declared) {
        return None;
    }
    Some(VariableState {
        name,
        linkage_name,
        target: interner.resolve(nodes, target),
        unit,
        node: variable.node,
        address: variable.address.filter(|_| !declared),
        declared,
        external,
        in_function,
    })
}

/// The node of a function or variable, then those that it completes.
pub fn origins(nodes: &Nodes, node: u32) -> Vec<u32> {
    let mut chain = vec![node];
    while chain.len() < 8 {
        let last = &nodes.nodes[chain[chain.len() - 1] as usize];
        let origin = match last.kind {
            NodeKind::Function => nodes.functions[last.size as usize].origin,
            NodeKind::Variable => nodes.variables[last.size as usize].origin,
            _ => break,
        };
        let Some(next) = nodes.find(origin) else { break };
        chain.push(next);
    }
    chain
}

/// All declaration tags: clang's, and gcc's, which several DIEs may share.
pub fn tags(nodes: &Nodes, decl_tag: Name) -> Vec<DeclTag> {
    let mut tags = nodes.decl_tags.clone();
    for &(node, component, first) in &nodes.annotated {
        let mut reference = first;
        for _ in 0..LONGEST_CHAIN {
            let Some(annotation) = nodes.get(reference) else { break };
            if annotation.kind != NodeKind::Annotation {
                break;
            }
            if annotation.name == decl_tag && annotation.size != 0 {
                tags.push(DeclTag { node, component, value: Name(annotation.size) });
            }
            reference = annotation.target;
        }
    }
    tags
}
