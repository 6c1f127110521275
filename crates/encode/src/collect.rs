//! All units, scanned in parallel; and what the threads found, put together.
//!
//! Each thread takes the largest unit that is left, scans it, turns its types into records of a table of its own, and
//! forgets the rest. At the end the tables are merged. If units refer to DIEs of each other (link-time optimisation,
//! `dwz`, type units), they are scanned as one instead: see [`linked`].

use hashbrown::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gimli::constants as dw;

use crate::abi::Abi;
use crate::dwarf::Dwarf;
use crate::dwarf::bytes::Damage;
use crate::dwarf::unit::{UnitHeader, UnitKind, UnitRoot};
use crate::functions::{self, FunctionState, FunctionSymbols};
use crate::intern::{Interner, UnitTypes};
use crate::linked;
use crate::names::{Name, Names};
use crate::nodes::{DECLARATION, DeclTag, NodeKind, Nodes};
use crate::object::Object;
use crate::options::{Options, Variables};
use crate::parallel;
use crate::record::{RecordId, RecordTable};
use crate::scan::{Scanner, Wanted};
use crate::variables::VariableState;

/// A tag on a function or a variable: its state, the parameter or -1, the text.
#[derive(Debug, Clone, Copy)]
pub struct StateTag {
    /// (unit, node) of the state.
    pub state: (u32, u32),
    /// Which parameter, or -1.
    pub component: i32,
    /// The tag.
    pub value: Name,
}

/// What all units hold.
#[derive(Debug, Default)]
pub struct Collected {
    /// The records of all types and prototypes.
    pub table: RecordTable,
    /// By unit.
    pub units: Vec<UnitTypes>,
    /// What DIEs say about functions.
    pub functions: Vec<FunctionState>,
    /// What DIEs say about variables.
    pub variables: Vec<VariableState>,
    /// Tags on types: the record, the member or -1, the text.
    pub type_tags: Vec<(RecordId, i32, Name)>,
    /// Tags on functions and variables.
    pub state_tags: Vec<StateTag>,
    /// What could not be read, and how often.
    pub damage: HashMap<Damage, u64>,
    /// Number of DIEs that were kept.
    pub nodes: u64,
}

/// What a unit is scanned with.
pub struct Source<'a, 'd> {
    /// The object that holds the first of `files`.
    pub object: &'a Object,
    /// The files that have DWARF: the object itself first.
    pub files: &'a [Dwarf<'d>],
    /// The units of all of them.
    pub units: &'a [UnitHeader],
    /// Names.
    pub names: &'a Names<'d>,
    /// Function symbols.
    pub symbols: &'a FunctionSymbols,
    /// Calling convention.
    pub abi: Abi,
    /// What was asked for.
    pub options: &'a Options,
    /// Number of threads.
    pub threads: usize,
    /// Addresses and strings of split units come from their skeletons: by unit.
    pub skeletons: &'a HashMap<u32, Skeleton>,
    /// Which file `DW_FORM_GNU_ref_alt` means.
    pub alternate_file: Option<u32>,
    /// Units that were left out by their language so far.
    pub left_out: AtomicUsize,
    /// Called when some more bytes of DWARF are done.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What a split unit has from its skeleton.
#[derive(Debug, Clone, Copy)]
pub struct Skeleton {
    /// The base of its addresses in the `.debug_addr` of the object.
    pub address_base: u64,
    /// Its `DW_AT_low_pc`.
    pub low_pc: u64,
}

impl Source<'_, '_> {
    /// What the scan has to look for.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            functions: !self.options.no_functions && !self.options.only_variables,
            variables: self.options.variables != Variables::None,
            function_statics: self.options.function_statics,
        }
    }

    /// The root DIE of a unit, if its language is wanted.
    pub fn root(&self, unit: u32) -> Result<Option<UnitRoot<'_>>, Damage> {
        let header = &self.units[unit as usize];
        if header.kind == UnitKind::Skeleton {
            return Ok(None);
        }
        let mut root = UnitRoot::read(&self.files[header.file as usize], header)?;
        if let Some(skeleton) = self.skeletons.get(&unit) {
            root.address_base = skeleton.address_base;
            root.low_pc = skeleton.low_pc;
        } else if root.dwo_name.is_some() && root.first_child >= header.size() {
            return Ok(None);
        }
        if !self.takes(&root) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(Some(root))
    }

    /// Is the unit one that was asked for, by language and name?
    fn takes(&self, root: &UnitRoot<'_>) -> bool {
        let language = dw::DwLang(root.language);
        let wanted = self.options.languages.is_empty() || self.options.languages.contains(&language);
        let name = root.name.as_deref().unwrap_or_default();
        let excluded = self.options.excluded_languages.contains(&language)
            || self.options.excluded_units.iter().any(|prefix| name.starts_with(prefix));
        wanted && !excluded
    }

    fn thread_count(&self) -> usize {
        self.threads.min(self.units.len()).max(1)
    }
}

/// Scans all units.
pub fn collect(source: &Source<'_, '_>) -> Collected {
    let units = source.units;
    if !units.iter().any(|unit| matches!(unit.kind, UnitKind::Type { .. }))
        && let Some(collected) = in_parallel(source)
    {
        return collected;
    }
    source.left_out.store(0, Ordering::Relaxed);
    linked::collect(source)
}

/// Scans units in parallel; `None` if one refers to another.
fn in_parallel(source: &Source<'_, '_>) -> Option<Collected> {
    let mut order: Vec<u32> = (0..source.units.len() as u32).collect();
    order.sort_by_key(|&unit| std::cmp::Reverse(source.units[unit as usize].size()));
    let next = AtomicUsize::new(0);
    let linked = AtomicBool::new(false);
    let parts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || {
            let mut worker = Worker::new(source);
            while !linked.load(Ordering::Relaxed) {
                let Some(&unit) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                if !worker.unit(unit) {
                    linked.store(true, Ordering::Relaxed);
                }
                (source.progress)(source.units[unit as usize].size() as u64);
            }
            let part = worker.finish();
            parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(part);
        };
        for _ in 1..source.thread_count() {
            scope.spawn(parallel::elsewhere(work));
        }
        std::thread::yield_now();
        work();
    });
    if linked.into_inner() {
        return None;
    }
    let parts = parts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(merge(parts, source.units.len()))
}

/// A unit whose DIEs are among the nodes.
#[derive(Debug)]
pub struct ScannedUnit<'a> {
    number: u32,
    root: UnitRoot<'a>,
    clang: bool,
    assembler: bool,
}

impl<'a> ScannedUnit<'a> {
    /// Unit `number` with this root DIE.
    pub fn new(number: u32, root: UnitRoot<'a>) -> Self {
        let assembler = root.language == dw::DW_LANG_Mips_Assembler.0;
        Self { number, clang: root.is_clang(), assembler, root }
    }
}

/// What one thread found. Records have the numbers of its own table.
#[derive(Debug, Default)]
pub struct Part {
    collected: Collected,
    numbers: Vec<u32>,
}

/// One thread's work.
pub struct Worker<'a, 'b, 'd> {
    source: &'a Source<'b, 'd>,
    scanner: Scanner<'b, 'd>,
    interner: Interner<'b, 'd>,
    nodes: Nodes,
    part: Part,
    declared: HashSet<(u32, RecordId)>,
    arguments: Vec<Name>,
}

impl<'a, 'b, 'd> Worker<'a, 'b, 'd> {
    /// A worker that has done nothing yet.
    pub fn new(source: &'a Source<'b, 'd>) -> Self {
        let arguments = functions::ARGUMENT_NAMES.map(|name| source.names.intern(name)).into();
        Self {
            source,
            scanner: Scanner::new(source.names, source.wanted()),
            interner: Interner::new(source.names),
            nodes: Nodes::default(),
            part: Part::default(),
            declared: HashSet::new(),
            arguments,
        }
    }

    /// Does one unit; false if it refers to others.
    fn unit(&mut self, unit: u32) -> bool {
        let header = &self.source.units[unit as usize];
        let bytes = self.source.files[header.file as usize].unit_bytes(header).data;
        self.source.object.prepare(bytes);
        let alone = match self.source.root(unit) {
            Ok(Some(root)) => self.scan(unit, root),
            Ok(None) => true,
            Err(damage) => {
                *self.part.collected.damage.entry(damage).or_default() += 1;
                true
            }
        };
        self.source.object.release(bytes);
        alone
    }

    fn scan(&mut self, unit: u32, root: UnitRoot<'a>) -> bool {
        let header = &self.source.units[unit as usize];
        let dwarf = &self.source.files[header.file as usize];
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.clear();
        self.scanner.scan(dwarf, header, &root, &mut nodes);
        let alone = nodes.foreign.is_empty();
        if alone {
            nodes.index();
            self.digest(unit, &mut nodes, &[ScannedUnit::new(unit, root)]);
        }
        self.nodes = nodes;
        alone
    }

    /// Turns the nodes of one unit, or of several that were linked, into records.
    pub fn digest(&mut self, number: u32, nodes: &mut Nodes, roots: &[ScannedUnit<'_>]) {
        let collected = &mut self.part.collected;
        for damage in nodes.damage.drain(..) {
            *collected.damage.entry(damage).or_default() += 1;
        }
        collected.nodes += nodes.nodes.len() as u64;
        linked::complete(nodes, self.source.names.type_tag);
        let types = self.interner.unit(number, nodes);
        let nodes = &*nodes;
        for function in &nodes.functions {
            let scanned = &roots[function.unit as usize];
            let header = &self.source.units[scanned.number as usize];
            let unit = functions::Unit {
                dwarf: &self.source.files[header.file as usize],
                header,
                root: &scanned.root,
                clang: scanned.clang,
                assembler: scanned.assembler,
            };
            let arguments = &self.arguments;
            let state = functions::examine(
                &mut self.interner,
                nodes,
                function,
                number,
                &unit,
                self.source.symbols,
                &self.source.abi,
                |position| arguments.get(position).copied(),
            );
            if let Some(state) = state
                && (state.flags & functions::DECLARED == 0
                    || self.declared.insert((state.key, state.prototype)))
            {
                collected.functions.push(state);
            }
        }
        for variable in &nodes.variables {
            if let Some(state) = linked::variable(&self.interner, nodes, variable, number) {
                collected.variables.push(state);
            }
        }
        let mut on_origins: HashMap<u32, Vec<DeclTag>> = HashMap::new();
        for tag in linked::tags(nodes, self.source.names.decl_tag) {
            let node = &nodes.nodes[tag.node as usize];
            match node.kind {
                NodeKind::Function | NodeKind::Variable => on_origins.entry(tag.node).or_default().push(tag),
                _ if node.flags & DECLARATION != 0 => {}
                _ => {
                    if let Some(record) = self.interner.tagged(tag.node) {
                        collected.type_tags.push((record, tag.component, tag.value));
                    }
                }
            }
        }
        if !on_origins.is_empty() {
            // A definition has the tags of the declaration and of the abstract instance that it completes.
            let nodes_with_origins = nodes.functions.iter().map(|function| function.node);
            for node in nodes_with_origins.chain(nodes.variables.iter().map(|variable| variable.node)) {
                for origin in linked::origins(nodes, node) {
                    for tag in on_origins.get(&origin).into_iter().flatten() {
                        let state = (number, node);
                        collected.state_tags.push(StateTag {
                            state,
                            component: tag.component,
                            value: tag.value,
                        });
                    }
                }
            }
        }
        collected.units.push(types);
        self.part.numbers.push(number);
    }

    /// What was found.
    pub fn finish(mut self) -> Part {
        self.part.collected.table = std::mem::take(&mut self.interner.table);
        self.part
    }
}

/// Puts the findings of threads together.
pub fn merge(parts: Vec<Part>, units: usize) -> Collected {
    let mut parts = parts.into_iter();
    let mut merged = Collected::default();
    let mut in_order = vec![UnitTypes::default(); units];
    let Some(first) = parts.next() else { return merged };
    merged.table = first.collected.table;
    let place = |types: Vec<UnitTypes>, numbers: Vec<u32>, in_order: &mut Vec<UnitTypes>| {
        for (types, number) in types.into_iter().zip(numbers) {
            in_order[number as usize] = types;
        }
    };
    place(first.collected.units, first.numbers, &mut in_order);
    merged.functions = first.collected.functions;
    merged.variables = first.collected.variables;
    merged.type_tags = first.collected.type_tags;
    merged.state_tags = first.collected.state_tags;
    merged.damage = first.collected.damage;
    merged.nodes = first.collected.nodes;
    for part in parts {
        let mut collected = part.collected;
        let map = merged.table.absorb(&collected.table);
        let renumber = |record: &mut RecordId| *record = map[record.index()];
        for types in &mut collected.units {
            types.records.iter_mut().for_each(renumber);
            for (name, content) in &mut types.conflicts {
                renumber(name);
                renumber(content);
            }
        }
        place(collected.units, part.numbers, &mut in_order);
        collected.functions.iter_mut().for_each(|state| renumber(&mut state.prototype));
        collected.variables.iter_mut().for_each(|state| renumber(&mut state.target));
        collected.type_tags.iter_mut().for_each(|tag| renumber(&mut tag.0));
        merged.functions.append(&mut collected.functions);
        merged.variables.append(&mut collected.variables);
        merged.type_tags.append(&mut collected.type_tags);
        merged.state_tags.append(&mut collected.state_tags);
        for (damage, count) in collected.damage {
            *merged.damage.entry(damage).or_default() += count;
        }
        merged.nodes += collected.nodes;
    }
    // Threads are done in any order.
    merged.variables.sort_unstable_by_key(|state| (state.unit, state.node));
    merged.units = in_order;
    merged
}
