//! From the nodes of a unit to records that all units share.
//!
//! Types are taken in the order in which they need each other, with a stack of our own: no depth of nesting in the
//! input can exhaust the program's. A named struct, union or enum is two records, its name and its content; whoever
//! refers to it refers to the name.
//!
//! If one unit gives a name two contents (structs local to functions, C++ and Rust namespaces), the name alone does not
//! say which is meant. Then every content gets a name of its own, valid in that unit alone, and the unit is done again;
//! that may tell apart more types, which are treated the same, until no name has two contents. Units in C hardly
//! ever need a second round.

use hashbrown::HashMap;

use crate::names::{Name, Names};
use crate::nodes::{BITFIELDS, DECLARATION, Node, NodeKind, Nodes, Reference, Row, SIGNED, VARARG};
use crate::record::{Aggregate, Kind, RecordId, RecordTable, head};

const UNSET: u32 = u32::MAX;

/// How many contents are noted: some more than one large unit has.
const RECENT_BITS: u32 = 14;

/// Turns nodes into records; keeps its buffers from one unit to the next.
#[derive(Debug)]
pub struct Interner<'n, 'd> {
    names: &'n Names<'d>,
    /// The records so far, of all units that this interner was given.
    pub table: RecordTable,
    /// By node: the record that stands for it in references.
    references: Vec<u32>,
    /// By node: the record of its content, for named aggregates that have one.
    definitions: Vec<u32>,
    /// By node: its number among the contents of its name in this unit; 0 if its name has only one.
    variants: Vec<u32>,
    /// By node: waits for others on the stack.
    open: Vec<bool>,
    round: u32,
    /// Contents of structs, unions and enums that were met lately.
    recent: Vec<RecordId>,
    stack: Vec<Task>,
    /// The stack's height before the types below the one at hand were asked for.
    height: usize,
    /// (record that stands for a cycle, node where it closes) of this unit.
    cycles: Vec<(RecordId, u32)>,
    words: Vec<u32>,
    /// The records of the unit at hand.
    found: Vec<RecordId>,
    /// By record: the unit that last had it.
    seen: Vec<u32>,
    /// By record of a name: (round, content).
    contents: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Refer(u32),
    Define(u32),
}

/// The types of one unit.
#[derive(Debug, Default, Clone)]
pub struct UnitTypes {
    /// Each record that the unit has, once.
    pub records: Vec<RecordId>,
    /// (name, content) where the unit has several contents for what is one name elsewhere.
    pub conflicts: Vec<(RecordId, RecordId)>,
}

impl<'n, 'd> Interner<'n, 'd> {
    /// An interner that has no records yet.
    pub fn new(names: &'n Names<'d>) -> Self {
        Self {
            names,
            table: RecordTable::default(),
            references: Vec::new(),
            definitions: Vec::new(),
            variants: Vec::new(),
            open: Vec::new(),
            round: 0,
            recent: vec![RecordId::VOID; 1 << RECENT_BITS],
            stack: Vec::new(),
            height: 0,
            cycles: Vec::new(),
            words: Vec::new(),
            found: Vec::new(),
            seen: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// Makes records of all type nodes.
    pub fn unit(&mut self, unit: u32, nodes: &Nodes) -> UnitTypes {
        let count = nodes.nodes.len();
        self.variants.clear();
        self.variants.resize(count, 0);
        self.round(unit, nodes);
        let mut conflicted = false;
        while self.separate(nodes) {
            conflicted = true;
            self.round(unit, nodes);
        }
        self.collect(unit, nodes, conflicted)
    }

    /// The record that stands for `reference` (in a type, a function, a variable); all types must be done.
    pub fn resolve(&self, nodes: &Nodes, reference: Reference) -> RecordId {
        self.known(nodes, reference).unwrap_or(RecordId::VOID)
    }

    /// The record that stands for `reference`, if it was made.
    #[inline]
    fn known(&self, nodes: &Nodes, reference: Reference) -> Option<RecordId> {
        if reference == 0 {
            return Some(RecordId::VOID);
        }
        let record = self.references[nodes.find(reference)? as usize];
        (record != UNSET).then_some(RecordId(record))
    }

    fn round(&mut self, unit: u32, nodes: &Nodes) {
        let count = nodes.nodes.len();
        self.round += 1;
        self.references.clear();
        self.references.resize(count, UNSET);
        self.definitions.clear();
        self.definitions.resize(count, UNSET);
        self.open.clear();
        self.open.resize(count, false);
        self.cycles.clear();
        // Names first, then what refers to them, then contents: so hardly anything has to wait for another.
        for index in 0..count as u32 {
            let node = &nodes.nodes[index as usize];
            if let Some(kind) = aggregate(node).filter(|_| !node.name.is_none()) {
                let record = self.name(unit, kind, index, node.name);
                self.settle(index, record);
            }
        }
        for index in 0..count as u32 {
            match nodes.nodes[index as usize].kind {
                NodeKind::Annotation | NodeKind::Function | NodeKind::Variable => {}
                _ if self.references[index as usize] != UNSET => {}
                _ if self.derive(nodes, index) => {}
                _ => self.run(unit, nodes, Task::Refer(index)),
            }
        }
        for index in 0..count as u32 {
            let node = &nodes.nodes[index as usize];
            if aggregate(node).is_some() && !node.name.is_none() && node.flags & DECLARATION == 0 {
                self.run(unit, nodes, Task::Define(index));
            }
        }
    }

    /// Makes the record of a pointer or a qualifier whose target is known, as nearly all are: no need for the stack.
    #[inline]
    fn derive(&mut self, nodes: &Nodes, index: u32) -> bool {
        let node = &nodes.nodes[index as usize];
        let kind = match node.kind {
            NodeKind::Pointer if node.count == 0 => Kind::Pointer,
            NodeKind::Const => Kind::Const,
            NodeKind::Volatile => Kind::Volatile,
            _ => return false,
        };
        let Some(target) = self.known(nodes, node.target) else { return false };
        let record = self.table.derive(kind, target);
        self.settle(index, record);
        true
    }

    fn run(&mut self, unit: u32, nodes: &Nodes, task: Task) {
        self.stack.push(task);
        while let Some(&task) = self.stack.last() {
            let (index, done) = match task {
                Task::Refer(index) => (index, self.references[index as usize]),
                Task::Define(index) => (index, self.definitions[index as usize]),
            };
            if done != UNSET {
                self.stack.pop();
                continue;
            }
            let height = self.stack.len();
            self.height = height;
            let record = match task {
                Task::Refer(_) => self.refer(unit, nodes, index),
                Task::Define(_) => self.content(unit, nodes, index),
            };
            if self.stack.len() > height {
                // Something below is missing: it lies on top of us now.
                self.stack[height..].reverse();
                if matches!(task, Task::Refer(_)) {
                    self.open[index as usize] = true;
                }
                continue;
            }
            self.stack.pop();
            match task {
                Task::Refer(_) => self.settle(index, record),
                Task::Define(_) => self.definitions[index as usize] = record.0,
            }
        }
    }

    /// The record of a type that `index` refers to; puts it on the stack if it is not there yet.
    #[inline]
    fn target(&mut self, unit: u32, nodes: &Nodes, reference: Reference) -> RecordId {
        match self.known(nodes, reference) {
            Some(record) => record,
            None => self.find_target(unit, nodes, reference),
        }
    }

    fn find_target(&mut self, unit: u32, nodes: &Nodes, reference: Reference) -> RecordId {
        let Some(node) = nodes.find(reference) else { return RecordId::VOID };
        let found = self.references[node as usize];
        if found != UNSET {
            return RecordId(found);
        }
        let target = &nodes.nodes[node as usize];
        if let Some(kind) = aggregate(target)
            && !target.name.is_none()
        {
            let record = self.name(unit, kind, node, target.name);
            self.settle(node, record);
            return record;
        }
        if matches!(target.kind, NodeKind::Function | NodeKind::Variable | NodeKind::Annotation) {
            return RecordId::VOID;
        }
        if self.open[node as usize] {
            let words = [head(Kind::Named, Aggregate::Cycle as u8), target.name.0, unit, node];
            let record = self.table.intern(&words);
            self.cycles.push((record, node));
            return record;
        }
        self.stack.push(Task::Refer(node));
        RecordId::VOID
    }

    /// Notes the record that stands for a node.
    #[inline]
    fn settle(&mut self, node: u32, record: RecordId) {
        self.references[node as usize] = record.0;
    }

    /// Adds a record, unless a type that it refers to is still missing.
    #[inline]
    fn add(&mut self, words: &[u32]) -> RecordId {
        if self.stack.len() > self.height { RecordId::VOID } else { self.table.intern(words) }
    }

    /// The same for a short record.
    #[inline]
    fn add_short(&mut self, words: &[u32; 3]) -> RecordId {
        if self.stack.len() > self.height { RecordId::VOID } else { self.table.intern_short(words) }
    }

    /// The record that is a name and nothing else.
    fn name(&mut self, unit: u32, kind: Aggregate, node: u32, name: Name) -> RecordId {
        match self.variants[node as usize] {
            0 => self.table.intern_short(&[head(Kind::Named, kind as u8), name.0]),
            variant => self.table.intern(&[head(Kind::Named, kind as u8), name.0, unit, variant]),
        }
    }

    fn refer(&mut self, unit: u32, nodes: &Nodes, index: u32) -> RecordId {
        let node = &nodes.nodes[index as usize];
        let simple = |kind| (kind, nodes.nodes[index as usize].target);
        let (kind, target) = match node.kind {
            NodeKind::Const => simple(Kind::Const),
            NodeKind::Volatile => simple(Kind::Volatile),
            NodeKind::Restrict => simple(Kind::Restrict),
            NodeKind::Pointer => simple(Kind::Pointer),
            NodeKind::Transparent => return self.target(unit, nodes, node.target),
            NodeKind::Void => return RecordId::VOID,
            NodeKind::Typedef => {
                let target = self.target(unit, nodes, node.target);
                if node.name.is_none() {
                    return target;
                }
                return self.add_short(&[head(Kind::Typedef, 0), node.name.0, target.0]);
            }
            NodeKind::Int => {
                return self.table.intern_short(&[head(Kind::Int, node.encoding), node.name.0, node.size]);
            }
            NodeKind::Float => return self.table.intern(&[head(Kind::Float, 0), node.name.0, node.size]),
            NodeKind::Opaque => {
                return self.table.intern(&[head(Kind::Struct, 0), node.name.0, node.size]);
            }
            NodeKind::Array => return self.array(unit, nodes, node),
            NodeKind::Struct | NodeKind::Union | NodeKind::Enum => {
                let Some(kind) = aggregate(node).filter(|_| !node.name.is_none()) else {
                    if node.flags & DECLARATION != 0 {
                        return RecordId::VOID;
                    }
                    return self.content(unit, nodes, index);
                };
                return self.name(unit, kind, index, node.name);
            }
            NodeKind::Subroutine => return self.subroutine(unit, nodes, node),
            NodeKind::Annotation | NodeKind::Function | NodeKind::Variable => return RecordId::VOID,
        };
        let mut target = self.target(unit, nodes, target);
        if node.kind == NodeKind::Pointer {
            for row in nodes.rows_of(node).iter().filter(|row| row[0] != 0) {
                target = self.add(&[head(Kind::TypeTag, 0), row[0], target.0]);
            }
        }
        if self.stack.len() > self.height { RecordId::VOID } else { self.table.derive(kind, target) }
    }

    fn array(&mut self, unit: u32, nodes: &Nodes, node: &Node) -> RecordId {
        let mut element = self.target(unit, nodes, node.target);
        let dimensions = nodes.rows_of(node);
        for dimension in dimensions.iter().rev() {
            element = self.add_short(&[head(Kind::Array, 0), element.0, dimension[0]]);
        }
        if dimensions.is_empty() {
            element = self.add_short(&[head(Kind::Array, 0), element.0, 0]);
        }
        element
    }

    fn subroutine(&mut self, unit: u32, nodes: &Nodes, node: &Node) -> RecordId {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.push(head(Kind::Function, 0));
        words.push(self.target(unit, nodes, node.target).0);
        for row in nodes.rows_of(node) {
            if row[1] == VARARG {
                words.extend([0, 0]);
            } else {
                words.extend([self.settled(row[0]), self.target(unit, nodes, row[1]).0]);
            }
        }
        let record = self.add(&words);
        self.words = words;
        record
    }

    /// The record of the content of a struct, union or enum.
    fn content(&mut self, unit: u32, nodes: &Nodes, index: u32) -> RecordId {
        let node = &nodes.nodes[index as usize];
        let rows = nodes.rows_of(node);
        // Nearly always it is what it was in the unit before: comparing is cheaper than looking it up.
        let slot = self.recent_slot(node, rows);
        let recent = self.recent[slot];
        if self.is_content(nodes, recent, node, rows) {
            return recent;
        }
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        if node.kind == NodeKind::Enum {
            let signed = if node.size > 4 && (node.flags & SIGNED != 0 || node.target != 0) {
                node.flags & SIGNED != 0 || self.is_signed(nodes, node.target)
            } else {
                rows.iter().any(|row| row[3] != 0)
            };
            words.extend([head(Kind::Enum, u8::from(signed)), node.name.0, node.size]);
            for row in rows {
                words.extend([self.settled(row[0]), row[1], row[2]]);
            }
        } else {
            let kind = if node.kind == NodeKind::Union { Kind::Union } else { Kind::Struct };
            let bitfields = node.flags & BITFIELDS != 0;
            words.extend([head(kind, u8::from(bitfields)), node.name.0, node.size]);
            for row in rows {
                let target = self.target(unit, nodes, row[1]);
                words.extend([self.settled(row[0]), target.0, row[2], row[3]]);
            }
            // With the flag for bit-fields, a member's offset has 24 bits and its size 8.
            if bitfields && rows.iter().any(|row| row[2] >= 1 << 24 || row[3] >= 1 << 8) {
                self.far_bitfields(nodes, rows, &mut words);
            } else if !rows.is_sorted_by_key(|row| row[2]) {
                let (members, _) = words[3..].as_chunks_mut::<4>();
                members.sort_by_key(|member| member[2]);
            }
        }
        let record = self.add(&words);
        self.words = words;
        if record != RecordId::VOID {
            self.recent[slot] = record;
        }
        record
    }

    /// Where a struct, union or enum of that name and shape was noted last.
    fn recent_slot(&self, node: &Node, rows: &[Row]) -> usize {
        let first = rows.first().map_or(0, |row| row[0]);
        let key = u64::from(node.name.0) << 32 | u64::from(first ^ node.count << 8 ^ node.size);
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT_BITS)) as usize
    }

    /// Is `record` the content of `node`? If in doubt (a type that it needs is not there yet), no.
    fn is_content(&self, nodes: &Nodes, record: RecordId, node: &Node, rows: &[Row]) -> bool {
        let view = self.table.get(record);
        let same = |words: &[u32]| words.first() == Some(&node.name.0) && words.get(1) == Some(&node.size);
        match (node.kind, view.kind) {
            (NodeKind::Struct, Kind::Struct) | (NodeKind::Union, Kind::Union) => {
                let bitfields = u8::from(node.flags & BITFIELDS != 0);
                let (members, rest) = view.words.get(2..).unwrap_or_default().as_chunks::<4>();
                same(view.words)
                    && view.detail == bitfields
                    && rest.is_empty()
                    && members.len() == rows.len()
                    && members.iter().zip(rows).all(|(member, row)| {
                        self.is_name(member[0], row[0])
                            && member[2] == row[2]
                            && member[3] == row[3]
                            && self.known(nodes, row[1]) == Some(RecordId(member[1]))
                    })
            }
            // The sign of larger enums is that of a type to be looked up.
            (NodeKind::Enum, Kind::Enum) if node.size <= 4 => {
                let signed = u8::from(rows.iter().any(|row| row[3] != 0));
                let (enumerators, _) = view.words.get(2..).unwrap_or_default().as_chunks::<3>();
                same(view.words)
                    && view.detail == signed
                    && enumerators.len() == rows.len()
                    && enumerators.iter().zip(rows).all(|(enumerator, row)| {
                        self.is_name(enumerator[0], row[0]) && enumerator[1..] == row[1..3]
                    })
            }
            _ => false,
        }
    }

    /// The name of a row.
    #[inline]
    fn settled(&self, name: u32) -> u32 {
        self.names.settled(Name(name)).0
    }

    /// Is `name` that of a row? A row's name mostly is the first copy.
    #[inline]
    fn is_name(&self, name: u32, of_row: u32) -> bool {
        name == of_row || name == self.settled(of_row)
    }

    /// Makes bit-fields members of an integer type that has as many bits, the form that BTF had before the flag for
    /// bit-fields and that leaves 32 bits for offsets.
    #[cold]
    fn far_bitfields(&mut self, nodes: &Nodes, rows: &[Row], words: &mut [u32]) {
        words[0] = head(if words[0] & 0xff == Kind::Union as u32 { Kind::Union } else { Kind::Struct }, 0);
        let (members, _) = words[3..].as_chunks_mut::<4>();
        for (row, member) in rows.iter().zip(&mut *members).filter(|(row, _)| row[3] != 0) {
            member[3] = 0;
            match self.storage(nodes, row[1]) {
                Some(node) if row[3] <= node.size.saturating_mul(8).min(128) => {
                    let int = [head(Kind::Int, node.encoding), node.name.0, node.size, row[3]];
                    member[1] = self.table.intern(&int).0;
                }
                _ => member[2] &= !7,
            }
        }
        members.sort_by_key(|member| member[2]);
    }

    /// The integer or enum that a type comes down to.
    fn storage<'a>(&self, nodes: &'a Nodes, mut reference: Reference) -> Option<&'a Node> {
        for _ in 0..32 {
            let node = &nodes.nodes[nodes.find(reference)? as usize];
            if matches!(node.kind, NodeKind::Int | NodeKind::Enum) {
                return Some(node);
            }
            reference = node.target;
        }
        None
    }

    /// Is the underlying type of an enum signed?
    fn is_signed(&self, nodes: &Nodes, mut reference: Reference) -> bool {
        for _ in 0..32 {
            let Some(node) = nodes.find(reference) else { return false };
            let node = &nodes.nodes[node as usize];
            match node.kind {
                NodeKind::Int => return node.encoding & 1 != 0,
                NodeKind::Typedef | NodeKind::Const | NodeKind::Volatile | NodeKind::Transparent => {
                    reference = node.target;
                }
                _ => return false,
            }
        }
        false
    }

    /// Gives names with several contents in this unit a number for each; false if there is nothing left to tell
    /// apart.
    fn separate(&mut self, nodes: &Nodes) -> bool {
        let mut found = false;
        self.contents.resize(self.table.len(), (0, 0));
        for (&name, &content) in self.references.iter().zip(&self.definitions) {
            if content == UNSET {
                continue;
            }
            let known = &mut self.contents[name as usize];
            if known.0 != self.round {
                *known = (self.round, content);
            } else if known.1 != content {
                found = true;
                break;
            }
        }
        if !found {
            return false;
        }
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        let mut contents: HashMap<u32, u32> = HashMap::new();
        for index in 0..nodes.nodes.len() {
            let (name, content) = (self.references[index], self.definitions[index]);
            if content != UNSET && numbers.insert((name, content), 0).is_none() {
                *contents.entry(name).or_default() += 1;
            }
        }
        let mut next: HashMap<(u8, Name), u32> = HashMap::new();
        for index in 0..nodes.nodes.len() {
            let node = &nodes.nodes[index];
            if let Some(kind) = aggregate(node) {
                let highest = next.entry((kind as u8, node.name)).or_default();
                *highest = (*highest).max(self.variants[index]);
            }
        }
        for index in 0..nodes.nodes.len() {
            let (name, content) = (self.references[index], self.definitions[index]);
            if content == UNSET || contents[&name] < 2 {
                continue;
            }
            let node = &nodes.nodes[index];
            let kind = aggregate(node).map_or(0, |kind| kind as u8);
            let number = numbers.get_mut(&(name, content)).expect("numbered above");
            if *number == 0 {
                let next = next.entry((kind, node.name)).or_default();
                *next += 1;
                *number = *next;
            }
            self.variants[index] = *number;
        }
        true
    }

    fn collect(&mut self, unit: u32, nodes: &Nodes, conflicted: bool) -> UnitTypes {
        let mut types = UnitTypes::default();
        self.found.clear();
        self.seen.resize(self.table.len(), UNSET);
        for index in 0..nodes.nodes.len() {
            // Sizes that no C type has mostly come from location expressions, and no type refers to them.
            if nodes.nodes[index].kind == NodeKind::Opaque {
                continue;
            }
            for record in [self.references[index], self.definitions[index]] {
                if record != UNSET && self.seen[record as usize] != unit {
                    self.seen[record as usize] = unit;
                    self.found.push(RecordId(record));
                }
            }
            if conflicted && self.variants[index] != 0 {
                types.conflicts.push((RecordId(self.references[index]), RecordId(self.definitions[index])));
            }
        }
        // There are thousands of these lists: they take no more than they need.
        types.records = self.found.clone();
        for &(record, node) in &self.cycles {
            let content = RecordId(self.references[node as usize]);
            if !self.is_circular(content) {
                types.conflicts.push((record, content));
            }
        }
        types
    }

    /// Is a type nothing but modifiers that lead back to themselves?
    fn is_circular(&self, mut record: RecordId) -> bool {
        loop {
            let view = self.table.get(record);
            record = match view.kind {
                Kind::Const | Kind::Volatile | Kind::Restrict => RecordId(view.words[0]),
                Kind::Typedef | Kind::TypeTag => RecordId(view.words[1]),
                kind => return kind == Kind::Named && view.detail == Aggregate::Cycle as u8,
            };
        }
    }

    /// The record of the content of a node, if it is a named aggregate that has one, else of the node.
    pub fn tagged(&self, node: u32) -> Option<RecordId> {
        let (reference, definition) = (self.references[node as usize], self.definitions[node as usize]);
        let record = if definition == UNSET { reference } else { definition };
        (record != UNSET).then_some(RecordId(record))
    }
}

/// What sort of name of its own a node may have.
fn aggregate(node: &Node) -> Option<Aggregate> {
    match node.kind {
        NodeKind::Struct => Some(Aggregate::Struct),
        NodeKind::Union => Some(Aggregate::Union),
        NodeKind::Enum => Some(Aggregate::Enum),
        _ => None,
    }
}
