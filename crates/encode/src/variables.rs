//! Variables: which data has a name, a type and a place.
//!
//! The linker says what is where (symbols), the compiler says what it is (DWARF). A variable is where both meet:
//! 1. a definition in DWARF with an address at which a symbol of its name stands;
//! 2. a data symbol that DWARF defines nowhere (assembler, linker script), but some C declaration gives a type;
//! 3. a definition with an address where no symbol of its name is, if it lies in nobody else's data.
//!
//! Two variables of one data section must not overlap (the kernel's verifier). Of several names of one place the one
//! whose type has the symbol's size is placed; the others are written without a place, and whoever reads them looks
//! their symbol up.

use hashbrown::{HashMap, HashSet};

use serde::Serialize;

use crate::dwarf::location::Address;
use crate::names::{Name, Names};
use crate::options::{Options, Variables};
use crate::record::{Kind, RecordId, RecordTable};
use crate::render;
use crate::settle::{Settled, World};
use crate::symbols::{DataSymbols, SectionPlace};

/// What one variable DIE says.
#[derive(Debug, Clone, Copy)]
pub struct VariableState {
    /// Its name.
    pub name: Name,
    /// Its name for the linker, where that is another.
    pub linkage_name: Name,
    /// Its type.
    pub target: RecordId,
    /// The unit.
    pub unit: u32,
    /// The node of the DIE among its unit's.
    pub node: u32,
    /// Where it is; `None` for declarations and for what has no one place.
    pub address: Option<Address>,
    /// Nothing but a declaration.
    pub declared: bool,
    /// Visible to other units.
    pub external: bool,
    /// Inside a function.
    pub in_function: bool,
}

/// Why a variable is not in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// No DIE gives the symbol's type.
    NoType,
    /// Its type is `void` or was never completed.
    IncompleteType,
    /// The name is one that macros make for the linker alone.
    LinkerName,
    /// *lean*: its section is freed after boot.
    FreedAfterBoot,
    /// *lean*: a macro generated it.
    Generated,
    /// *percpu*: it is not per-CPU.
    NotPerCpu,
    /// Inside a function, and those were not asked for.
    FunctionStatic,
    /// Offset or size do not fit into 32 bits.
    TooLarge,
    /// At the start of a section, without a symbol: its own section was discarded.
    Discarded,
}

impl LeftOut {
    /// What to tell a person.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoType => "no DWARF entry gives its type",
            Self::IncompleteType => "its type is void or incomplete",
            Self::LinkerName => "a name that macros make for the linker alone",
            Self::FreedAfterBoot => "lean: its section is freed after boot",
            Self::Generated => "lean: a macro generated it",
            Self::NotPerCpu => "only per-CPU variables were asked for",
            Self::FunctionStatic => "inside a function; see --function-statics",
            Self::TooLarge => "offset or size do not fit into 32 bits",
            Self::Discarded => "its section was discarded by the linker",
        }
    }
}

/// A variable of the output.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name: the symbol's.
    pub name: Name,
    /// Its type.
    pub target: RecordId,
    /// The world that the type's names are of.
    pub world: World,
    /// Global rather than static.
    pub global: bool,
    /// Where it is; `None` for a further name of a place, which its symbol tells.
    pub place: Option<SectionPlace>,
    /// Size in bytes in its section.
    pub size: u64,
    /// The state that it comes from: an index.
    pub state: u32,
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Selection {
    /// The variables: placed ones by section and offset, then the others by name.
    pub variables: Vec<Variable>,
    /// What was left out: (name, reason), by name.
    pub left_out: Vec<(Name, LeftOut)>,
}

/// Sizes of types.
pub struct Sizes<'a> {
    /// The records.
    pub table: &'a RecordTable,
    /// What names mean.
    pub settled: &'a Settled,
    /// Bytes of a pointer.
    pub word: u64,
}

impl Sizes<'_> {
    /// The size of a type in bytes; `None` if it is incomplete. An array without a number of elements has size 0.
    pub fn of(&self, record: RecordId, world: World) -> Option<u64> {
        let (mut record, mut world) = (record, world);
        let mut elements = 1u64;
        for _ in 0..64 {
            (record, world) = self.settled.resolve(self.table, record, world);
            let view = self.table.get(record);
            match view.kind {
                Kind::Const | Kind::Volatile | Kind::Restrict => record = RecordId(view.words[0]),
                Kind::Typedef | Kind::TypeTag => record = RecordId(view.words[1]),
                Kind::Array => {
                    elements = elements.checked_mul(u64::from(view.words[1]))?;
                    record = RecordId(view.words[0]);
                }
                Kind::Pointer => return elements.checked_mul(self.word),
                Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum => {
                    return elements.checked_mul(u64::from(view.words[1]));
                }
                Kind::Void | Kind::Named | Kind::Function => return None,
            }
        }
        None
    }
}

/// Names that no debugger's user ever asks for: addresses for the linker's tables.
const LINKER_NAMES: [&[u8]; 5] = [
    b"__UNIQUE_ID",
    b"__tpstrtab_",
    b"__BTF_ID__",
    b"__gendwarfksyms_ptr_",
    b"__func_stack_frame_non_standard_",
];

/// Sections that the kernel gives back once it has booted (include/asm-generic/vmlinux.lds.h).
const FREED_SECTIONS: [&[u8]; 5] = [b".init", b".exit", b".discard", b"__modver", b".altinstr"];

/// What macros make, by the start of the name: trace events, static calls, system call tables, module parameters.
/// Also `event_X` where there is an [`EVENT`]`X`. docs/encode.md lists them.
const GENERATED_NAMES: [&[u8]; 26] = [
    b"__SCK__",
    b"__TRACE_SYSTEM_",
    b"TRACE_SYSTEM_",
    b"__already_done",
    b"__bpf_ops_",
    b"__bpf_trace_tp_map_",
    b"__event_",
    b"__exitcall_",
    b"__initcall_",
    b"__mod_",
    b"__p_syscall_meta__",
    b"__param_",
    b"__setup_",
    b"__syscall_meta__",
    b"__tracepoint_",
    b"__warned",
    b"_acpi_module_name",
    b"args__",
    b"event_attr_",
    b"event_class_",
    b"print_fmt_",
    b"security_hook_active_",
    b"str__",
    b"trace_event_fields_",
    b"trace_event_type_funcs_",
    b"types__",
];

/// The pointer to `event_X` that `TRACE_EVENT(X, …)` makes (include/trace/trace_events.h).
const EVENT: &[u8] = b"__event_";

/// `static const char __func__[]`, which C declares in every function that uses it (C17 §6.4.2.2), and its older names.
const FUNCTION_NAMES: [&[u8]; 3] = [b"__func__", b"__FUNCTION__", b"__PRETTY_FUNCTION__"];

/// Chooses variables; see the top of this module.
pub fn select(
    states: &[VariableState],
    data: &DataSymbols,
    sizes: &Sizes<'_>,
    names: &Names<'_>,
    options: &Options,
) -> Selection {
    let mut selection = Selection::default();
    let candidates = candidates(states, data, sizes, names, options, &mut selection);
    place(candidates, states, data, sizes, names, &mut selection);
    selection.left_out.sort_by(|a, b| names.bytes(a.0).cmp(names.bytes(b.0)).then(a.1.cmp(&b.1)));
    selection.left_out.dedup();
    selection
}

/// A variable that may be written, before places are shared out.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    variable: Variable,
    /// The size of its type.
    type_size: u64,
    /// The symbol, if there is one.
    symbol: Option<u32>,
    /// The symbol's size, 0 if there is none.
    symbol_size: u64,
    defined: bool,
    strong: bool,
}

fn candidates(
    states: &[VariableState],
    data: &DataSymbols,
    sizes: &Sizes<'_>,
    names: &Names<'_>,
    options: &Options,
    selection: &mut Selection,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    // By symbol: has it a definition?
    let mut defined = vec![false; data.symbols.len()];
    let mut declarations: HashMap<Name, Vec<u32>> = HashMap::new();
    // By name and size: an inlined function's `__func__` has a symbol, but no address in DWARF. Another one of its size
    // has its type.
    let mut function_names: HashMap<(Name, u64), Vec<u32>> = HashMap::new();
    let events: HashSet<&[u8]> = match options.variables {
        Variables::Lean => {
            data.symbols.iter().filter_map(|symbol| names.bytes(symbol.name).strip_prefix(EVENT)).collect()
        }
        _ => HashSet::new(),
    };
    for (index, state) in states.iter().enumerate() {
        let Some(address) = state.address else {
            if state.declared {
                let name = if state.linkage_name.is_none() { state.name } else { state.linkage_name };
                declarations.entry(name).or_default().push(index as u32);
            }
            continue;
        };
        let Some((place, symbol)) = find_place(state, address, data, names) else {
            if data.commons.contains(&state.name) {
                declarations.entry(state.name).or_default().push(index as u32);
            } else {
                selection.left_out.push((state.name, LeftOut::Discarded));
            }
            continue;
        };
        if state.in_function && !options.function_statics {
            selection.left_out.push((state.name, LeftOut::FunctionStatic));
            continue;
        }
        let name = symbol.map_or(state.name, |symbol| data.symbols[symbol as usize].name);
        if let Some(reason) = unwanted(names.bytes(name), place, data, &events, options) {
            selection.left_out.push((name, reason));
            if let Some(symbol) = symbol {
                defined[symbol as usize] = true;
            }
            continue;
        }
        match candidate(index as u32, state, name, Some(place), symbol, data, sizes) {
            Ok(candidate) => {
                if let Some(symbol) = symbol {
                    defined[symbol as usize] = true;
                }
                if state.in_function && FUNCTION_NAMES.contains(&names.bytes(state.name)) {
                    function_names.entry((state.name, candidate.type_size)).or_default().push(index as u32);
                }
                candidates.push(candidate);
            }
            Err(reason) => selection.left_out.push((name, reason)),
        }
    }
    for (number, symbol) in data.symbols.iter().enumerate() {
        if defined[number] {
            continue;
        }
        let name = names.bytes(symbol.name);
        let known =
            declarations.get(&symbol.name).or_else(|| function_names.get(&(symbol.base, symbol.size)));
        if known.is_none() && (!symbol.is_object || symbol.place.is_none()) {
            continue; // a label that nobody declares: no variable
        }
        if symbol.place.is_none() && !symbol.is_global {
            continue;
        }
        let place = symbol.place;
        let unwanted = match place {
            Some(place) => {
                if data.section(place.section).is_none_or(|section| section.executable) && !symbol.is_object {
                    continue;
                }
                unwanted(name, place, data, &events, options)
            }
            None => (options.variables == Variables::PerCpu).then_some(LeftOut::NotPerCpu),
        };
        if let Some(reason) = unwanted {
            selection.left_out.push((symbol.name, reason));
            continue;
        }
        if name.contains(&b'.') && !options.function_statics {
            selection.left_out.push((symbol.name, LeftOut::FunctionStatic));
            continue;
        }
        let mut best: Option<(Candidate, u64)> = None;
        let mut incomplete = false;
        for &index in known.map_or(&[][..], Vec::as_slice) {
            let state = &states[index as usize];
            match candidate(index, state, symbol.name, place, Some(number as u32), data, sizes) {
                Ok(candidate) => {
                    // The type of the symbol's size; else the largest.
                    let score =
                        if candidate.type_size == symbol.size { u64::MAX } else { candidate.type_size };
                    let better = match &best {
                        None => true,
                        Some((_, known)) if *known != score => score > *known,
                        Some((known, _)) => tie(&candidate, known, states, sizes, names).is_lt(),
                    };
                    if better {
                        best = Some((candidate, score));
                    }
                }
                Err(_) => incomplete = true,
            }
        }
        match best {
            Some((candidate, _)) => candidates.push(candidate),
            None if symbol.is_object || incomplete => {
                let reason = if incomplete { LeftOut::IncompleteType } else { LeftOut::NoType };
                selection.left_out.push((symbol.name, reason));
            }
            None => {}
        }
    }
    candidates
}

fn content(sizes: &Sizes<'_>, names: &Names<'_>, candidate: &Candidate) -> Vec<u8> {
    render::content(sizes.table, names, candidate.variable.target)
}

/// Where a definition is, and the symbol that says so too.
fn find_place(
    state: &VariableState,
    address: Address,
    data: &DataSymbols,
    names: &Names<'_>,
) -> Option<(SectionPlace, Option<u32>)> {
    let ours = |place: SectionPlace| {
        let named = data.at(place).find(|(_, symbol)| {
            symbol.name == state.name
                || (!state.linkage_name.is_none() && symbol.name == state.linkage_name)
                || (symbol.base == state.name)
        });
        // clang and C++ put the function's name before that of a variable in it, and gcc does not say what the linker
        // calls a static variable of C++.
        named.or_else(|| {
            data.at(place).find(|(_, symbol)| {
                let mangled = || {
                    let (name, part) = (names.bytes(symbol.name), names.bytes(state.name));
                    name.starts_with(b"_Z") && name.windows(part.len().max(1)).any(|window| window == part)
                };
                symbol.is_object && (state.in_function || mangled())
            })
        })
    };
    if let Some(section) = address.section {
        data.section(section.0)?;
        let place = SectionPlace { section: section.0, offset: address.value };
        return Some((place, ours(place).map(|(number, _)| number)));
    }
    let mut first = None;
    for place in data.places(address.value) {
        if let Some((number, _)) = ours(place) {
            return Some((place, Some(number)));
        }
        first = first.or(Some(place));
    }
    // Without a symbol: the compiler may have dropped it. But what the linker discarded claims to be at address 0.
    first
        .filter(|place| address.value != 0 && (place.offset != 0 || !data.complete))
        .map(|place| (place, None))
}

fn candidate(
    index: u32,
    state: &VariableState,
    name: Name,
    place: Option<SectionPlace>,
    symbol: Option<u32>,
    data: &DataSymbols,
    sizes: &Sizes<'_>,
) -> Result<Candidate, LeftOut> {
    let world = sizes.settled.world(state.unit);
    let type_size = sizes.of(state.target, world).ok_or(LeftOut::IncompleteType)?;
    let symbol_record = symbol.map(|symbol| &data.symbols[symbol as usize]);
    let symbol_size = symbol_record.map_or(0, |symbol| symbol.size);
    let size = type_size.max(symbol_size);
    let end = place.map_or(0, |place| place.offset).checked_add(size).ok_or(LeftOut::TooLarge)?;
    if end > u64::from(u32::MAX) {
        return Err(LeftOut::TooLarge);
    }
    let global = symbol_record.map_or(state.external, |symbol| symbol.is_global);
    let variable = Variable { name, target: state.target, world, global, place, size, state: index };
    Ok(Candidate {
        variable,
        type_size,
        symbol,
        symbol_size,
        defined: !state.declared,
        strong: symbol_record.is_some_and(|symbol| symbol.is_strong),
    })
}

/// Does the name or the section say that the variable is not asked for?
fn unwanted(
    name: &[u8],
    place: SectionPlace,
    data: &DataSymbols,
    events: &HashSet<&[u8]>,
    options: &Options,
) -> Option<LeftOut> {
    let section = data.section(place.section).map_or(&[][..], |section| &section.name);
    if LINKER_NAMES.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(LeftOut::LinkerName);
    }
    match options.variables {
        Variables::None => Some(LeftOut::NotPerCpu),
        Variables::PerCpu => (section != b".data..percpu").then_some(LeftOut::NotPerCpu),
        Variables::All => None,
        Variables::Lean if FREED_SECTIONS.iter().any(|prefix| section.starts_with(prefix)) => {
            Some(LeftOut::FreedAfterBoot)
        }
        Variables::Lean => {
            let event = || name.strip_prefix(b"event_").is_some_and(|event| events.contains(event));
            let generated = GENERATED_NAMES.iter().any(|prefix| name.starts_with(prefix)) || event();
            generated.then_some(LeftOut::Generated)
        }
    }
}

/// Shares out places: at most one variable for each byte.
fn place(
    mut candidates: Vec<Candidate>,
    states: &[VariableState],
    data: &DataSymbols,
    sizes: &Sizes<'_>,
    names: &Names<'_>,
    selection: &mut Selection,
) {
    candidates.sort_by(|a, b| {
        let placed = |candidate: &Candidate| candidate.variable.place.is_none();
        (placed(a), a.variable.place)
            .cmp(&(placed(b), b.variable.place))
            .then_with(|| rank(a).cmp(&rank(b)))
            .then_with(|| names.bytes(a.variable.name).cmp(names.bytes(b.variable.name)))
            .then_with(|| tie(a, b, states, sizes, names))
    });
    let mut unplaced: Vec<Variable> = Vec::new();
    let mut placed: Vec<Candidate> = Vec::new();
    for mut candidate in candidates {
        let Some(place) = candidate.variable.place else {
            unplaced.push(candidate.variable);
            continue;
        };
        let end_of_section = data.section(place.section).map_or(0, |section| section.size);
        // A place needs bytes: a label that no size is known of has none.
        if candidate.variable.size == 0 || place.offset + candidate.variable.size > end_of_section {
            candidate.variable.place = None;
            unplaced.push(candidate.variable);
            continue;
        }
        let overlapped = placed.last().filter(|last| {
            let last_place = last.variable.place.unwrap_or(place);
            last_place.section == place.section && last_place.offset + last.variable.size > place.offset
        });
        match overlapped {
            None => placed.push(candidate),
            Some(last)
                if last.variable.name == candidate.variable.name
                    && last.variable.place == candidate.variable.place => {}
            Some(last) => {
                // What starts inside another: the other was there first, unless only its declared type makes it so
                // large, not its symbol.
                let symbol_end = last.variable.place.map_or(0, |place| place.offset) + last.symbol_size;
                let shrinkable = !last.defined && symbol_end <= place.offset;
                candidate.variable.place = candidate.variable.place.filter(|_| shrinkable);
                if shrinkable {
                    let mut last = placed.pop().expect("there is a last one").variable;
                    last.place = None;
                    unplaced.push(last);
                    placed.push(candidate);
                } else {
                    unplaced.push(candidate.variable);
                }
            }
        }
    }
    unplaced.sort_by(|a, b| names.bytes(a.name).cmp(names.bytes(b.name)));
    unplaced.dedup_by_key(|variable| variable.name);
    selection.variables.extend(placed.iter().map(|candidate| candidate.variable));
    selection.variables.extend(unplaced);
}

/// Orders variables that differ in their types only, if at all: by content, and last by where they are described.
fn tie(
    a: &Candidate,
    b: &Candidate,
    states: &[VariableState],
    sizes: &Sizes<'_>,
    names: &Names<'_>,
) -> std::cmp::Ordering {
    let by_content = if a.variable.target == b.variable.target {
        std::cmp::Ordering::Equal
    } else {
        content(sizes, names, a).cmp(&content(sizes, names, b))
    };
    let origin = |candidate: &Candidate| {
        let state = &states[candidate.variable.state as usize];
        (candidate.variable.world, state.unit, state.node)
    };
    by_content.then_with(|| origin(a).cmp(&origin(b)))
}

/// Which of several variables at one place is the one: smaller is better.
fn rank(candidate: &Candidate) -> impl Ord {
    (
        candidate.type_size != candidate.symbol_size,
        candidate.symbol.is_none(),
        !candidate.defined,
        std::cmp::Reverse(candidate.variable.size),
        !candidate.strong,
        !candidate.variable.global,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_each_section_and_name_that_is_left_out() {
        let manual = include_str!("../../../docs/encode.md");
        for pattern in LINKER_NAMES.iter().chain(&FREED_SECTIONS).chain(&GENERATED_NAMES) {
            let pattern = format!("`{}*`", String::from_utf8_lossy(pattern));
            assert!(manual.contains(&pattern), "docs/encode.md does not list {pattern}");
        }
        for reason in [
            LeftOut::NoType,
            LeftOut::IncompleteType,
            LeftOut::LinkerName,
            LeftOut::FreedAfterBoot,
            LeftOut::Generated,
            LeftOut::NotPerCpu,
            LeftOut::FunctionStatic,
            LeftOut::TooLarge,
            LeftOut::Discarded,
        ] {
            assert!(manual.contains(reason.reason()), "docs/encode.md does not have {:?}", reason.reason());
        }
    }
}
