//! One pass over the DIEs of a unit: types, functions and variables come out as rows of small numbers.
//!
//! The pass keeps the DIEs that matter and steps over the rest with the compiled abbreviations. References stay what
//! they are in the file, offsets in the unit; names become [`Name`]s; nothing is looked up yet.

mod entries;

use crate::attributes::{AttributeReader, Class, UnitScan};
use crate::dwarf::Dwarf;
use crate::dwarf::abbreviation::{AbbreviationTable, Field, Plain, Role};
use crate::dwarf::bytes::{Bytes, Damage};
use crate::dwarf::unit::{Format, UnitHeader, UnitRoot};
use crate::names::{Name, Names};
use crate::nodes::{Node, NodeKind, Nodes, Parameter, Row};

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
