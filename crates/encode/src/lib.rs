//! From DWARF to BTF: kernels, modules, objects and programs.
//!
//! ```text
//! open      sections, symbols, companion files                            files, object, symbols
//! scan      units in parallel: DIEs to nodes, nodes to records            scan, intern, collect, linked
//! settle    names with several meanings are told apart                    settle
//! select    functions and variables, by rules that can be asked why       functions, variables
//! emit      records into BTF, deduplicated, sorted by name, checked       emit, btfkit_btf
//! ```
#![warn(missing_docs)]

mod abi;
pub mod atomic_file;
#[allow(missing_docs, unreachable_pub)]
mod attributes;
mod collect;
#[allow(missing_docs, unreachable_pub)]
mod dwarf;
mod emit;
mod error;
mod explain;
mod files;
mod functions;
mod intern;
mod linked;
mod names;
#[allow(missing_docs, unreachable_pub)]
mod nodes;
pub mod object;
mod options;
mod parallel;
mod record;
mod render;
mod report;
#[allow(missing_docs, unreachable_pub)]
mod scan;
pub mod section_writer;
mod settle;
mod symbols;
mod variables;

pub use error::{Error, Result};
pub use functions::Verdict;
pub use options::{Options, Variables};
pub use report::{AmbiguityReport, Phase, Report, SectionReport};
pub use variables::LeftOut;

use std::collections::BTreeMap;
use std::sync::Arc;

use btfkit_btf::check::{self, Profile};
use btfkit_btf::{Btf, Builder, ByteOrder, Linkage, SectionEntry, StringOffset, TypeId, dedup, order};

use abi::Abi;
use collect::{Collected, Source};
use emit::Emitter;
use files::Files;
use functions::{FunctionChoice, FunctionSymbols};
use names::Names;
use object::Object;
use object::companion::Companions;
use parallel::both;
use record::{Kind, RecordId, head};
use report::Stopwatch;
use settle::{Settled, World};
use symbols::DataSymbols;
use variables::{Selection, Sizes};

/// The output of an encode.
#[derive(Debug)]
pub struct Encoded {
    /// The BTF, in the byte order of the object.
    pub bytes: Vec<u8>,
    /// What was done.
    pub report: Report,
}

/// Encodes the DWARF of `object`. `progress` is called with (bytes of DWARF done, bytes in all) as the scan goes on,
/// from several threads.
///
/// # Errors
/// The object or its debug files cannot be read, there is nothing in them to encode, or the result is not one that
/// a kernel would accept.
pub fn encode(
    object: &Object,
    options: &Options,
    companions: &Companions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Encoded> {
    let mut watch = Stopwatch::start();
    let mut report = Report::default();

    let files = Files::open(object, companions)?;
    let main = files.main();
    let units = files.units()?;
    if units.units.is_empty() {
        return Err(Error::NoDebugInfo { file: object.path().to_path_buf() });
    }
    // The unit headers' walk reads a few bytes of each unit, around which the kernel maps 16 pages: 120 MB of a
    // 340 MB kernel, which would stay mapped until each unit's turn.
    release_scanned(main, &units.files[0]);
    let names = Names::new(&units.files[0].str);
    let function_symbols = FunctionSymbols::of(main, &names, options.threads)?;
    let kfuncs = functions::kfuncs(object)?;
    watch.lap("open", &mut report);

    let total = units.units.iter().map(|unit| unit.size() as u64).sum();
    let done = std::sync::atomic::AtomicU64::new(0);
    let source = Source {
        object: main,
        files: &units.files,
        units: &units.units,
        names: &names,
        symbols: &function_symbols,
        abi: Abi::of(main),
        options,
        skeletons: &units.skeletons,
        alternate_file: units.alternate,
        progress: &|bytes| {
            let before = done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            progress(before + bytes, total);
        },
    };
    let mut collected = collect::collect(&source);
    for damage in &units.damage {
        *collected.damage.entry(*damage).or_default() += 1;
    }
    report.units_left_out = source.count_left_out();
    report.units = units.units.len() - report.units_left_out;
    report.entries = collected.nodes;
    report.damage = collected.damage.iter().map(|(damage, count)| (damage.to_string(), *count)).collect();
    report.missing_files = files.missing.clone();
    release_scanned(main, &units.files[0]);
    watch.lap("scan", &mut report);
    if collected.nodes == 0 {
        return Err(Error::NothingToEncode {
            file: object.path().to_path_buf(),
            languages: report.units_left_out,
            damaged: report.damage.values().sum(),
        });
    }

    let index = collected.table.intern(&[head(Kind::Int, 1), names.intern(b"int").0, 4]);
    let (data_symbols, settled) = both(
        options.threads,
        || DataSymbols::of(main, &names),
        || Settled::new(&mut collected.table, &names, &collected.units),
    );
    let data_symbols = data_symbols?;
    collected.units = Vec::new();
    watch.lap("settle", &mut report);

    let sizes = Sizes { table: &collected.table, settled: &settled, word: u64::from(main.address_size()) };
    let (selection, mut choices) = both(
        options.threads,
        || variables::select(&collected.variables, &data_symbols, &sizes, &names, options),
        || functions::select(&mut collected.functions, &function_symbols, &collected.table, &names),
    );
    if options.true_signatures {
        functions::true_signatures(
            &mut choices,
            &collected.functions,
            &function_symbols,
            &mut collected.table,
            &names,
        );
    }
    watch.lap("select", &mut report);

    let bytes = emit(
        main,
        options,
        &collected,
        &names,
        &settled,
        index,
        &choices,
        &selection,
        &data_symbols,
        &kfuncs,
    )?;
    // The rest is not needed to sort, when memory is at its highest.
    let functions = std::mem::take(&mut collected.functions);
    drop(collected);
    watch.lap("emit", &mut report);
    let (bytes, btf) = finish(bytes, options)?;
    watch.lap("sort", &mut report);
    if btf.type_count() == 0 {
        return Err(Error::NothingToEncode {
            file: object.path().to_path_buf(),
            languages: report.units_left_out,
            damaged: report.damage.values().sum(),
        });
    }
    let verdict = check::check(&bytes, options.base.as_ref(), Profile::Vmlinux);
    if !verdict.violations.is_empty() {
        return Err(Error::Refused(Box::new(verdict)));
    }
    watch.lap("check", &mut report);

    summarise(&mut report, &bytes, &btf, &settled, &names, &choices, &selection, &data_symbols);
    if let Some(name) = &options.explain {
        report.explanations = explain::explain(
            name.as_bytes(),
            &explain::Facts {
                names: &names,
                choices: &choices,
                states: &functions,
                symbols: &function_symbols,
                selection: &selection,
                data: &data_symbols,
                kfuncs: &kfuncs,
            },
        );
    }
    Ok(Encoded { bytes, report })
}

/// Gives back the memory that holds the sections which the scan alone reads.
fn release_scanned(main: &Object, dwarf: &dwarf::Dwarf<'_>) {
    for section in dwarf.scanned_sections() {
        main.release(section);
    }
}

/// Writes everything, in no particular order and with duplicates.
#[allow(clippy::too_many_arguments)]
fn emit(
    object: &Object,
    options: &Options,
    collected: &Collected,
    names: &Names<'_>,
    settled: &Settled,
    index: RecordId,
    choices: &[FunctionChoice],
    selection: &Selection,
    data: &DataSymbols,
    kfuncs: &[functions::KfuncTag],
) -> Result<Vec<u8>> {
    let order = if object.is_big_endian() { ByteOrder::Big } else { ByteOrder::Little };
    let mut builder = match &options.base {
        Some(base) => Builder::split(base.clone()),
        None => Builder::new(order),
    };
    if options.layout && options.base.is_none() {
        builder = builder.with_layout();
    }
    let table = &collected.table;
    let mut emitter = Emitter::new(table, names, settled, index, &builder);
    if !options.only_variables {
        for (record, world) in settled.types() {
            emitter.id(record, world);
        }
    }
    let kept: Vec<&FunctionChoice> =
        choices.iter().filter(|choice| choice.verdict == Verdict::Kept).collect();
    let prototypes: Vec<TypeId> =
        kept.iter().map(|choice| emitter.id(choice.prototype, settled.world(choice.unit))).collect();
    let types: Vec<TypeId> =
        selection.variables.iter().map(|variable| emitter.id(variable.target, variable.world)).collect();
    emitter.types(&mut builder)?;

    let mut tags: BTreeMap<(TypeId, i32, Vec<u8>), ()> = BTreeMap::new();
    if !options.only_variables {
        for &(record, component, value) in &collected.type_tags {
            let view = table.get(record);
            if component >= 0 && component as usize >= emit::members(view).count() {
                continue;
            }
            for id in emitter.ids_of(record) {
                tags.insert((id, component, names.bytes(value).to_vec()), ());
            }
        }
    }
    let state_tags: BTreeMap<(u32, u32), Vec<&collect::StateTag>> =
        collected.state_tags.iter().fold(BTreeMap::new(), |mut map, tag| {
            map.entry(tag.state).or_insert_with(Vec::new).push(tag);
            map
        });
    for (choice, &prototype) in kept.iter().zip(&prototypes) {
        let bytes = emit::identifier(names.bytes(choice.name)).into_owned();
        let name = builder.string(&bytes);
        let id = builder.function(name, prototype, Linkage::Static);
        if let Ok(found) = kfuncs.binary_search_by(|kfunc| kfunc.name.as_slice().cmp(&bytes)) {
            tags.insert((id, -1, b"bpf_kfunc".to_vec()), ());
            if kfuncs[found].fastcall {
                tags.insert((id, -1, b"bpf_fastcall".to_vec()), ());
            }
        }
        let state = &collected.functions[choice.state as usize];
        for tag in state_tags.get(&(state.unit, state.node)).into_iter().flatten() {
            let parameters = table.get(choice.prototype).words.len() / 2;
            let changed = parameters != table.get(state.prototype).words.len() / 2;
            let Some(component) = state.component(tag.component, changed) else { continue };
            if component < parameters as i32 {
                tags.insert((id, component, names.bytes(tag.value).to_vec()), ());
            }
        }
    }
    let mut entries: BTreeMap<u32, Vec<SectionEntry>> = BTreeMap::new();
    for (variable, &target) in selection.variables.iter().zip(&types) {
        let name = builder.string(&emit::identifier(names.bytes(variable.name)));
        let linkage = if variable.global { Linkage::Global } else { Linkage::Static };
        let id = builder.variable(name, target, linkage);
        if let Some(place) = variable.place {
            let entry =
                SectionEntry { variable: id, offset: place.offset as u32, size: variable.size as u32 };
            entries.entry(place.section).or_default().push(entry);
        }
        let state = &collected.variables[variable.state as usize];
        for tag in state_tags.get(&(state.unit, state.node)).into_iter().flatten() {
            tags.insert((id, -1, names.bytes(tag.value).to_vec()), ());
        }
    }
    for (section, entries) in entries {
        let Some(section) = data.section(section) else { continue };
        if entries.len() > usize::from(u16::MAX) {
            let name = String::from_utf8_lossy(&section.name).into_owned();
            return Err(Error::TooManyVariables { section: name, count: entries.len() });
        }
        let name = builder.string(&section.name);
        builder.data_section(name, u32::try_from(section.size).unwrap_or(u32::MAX), &entries)?;
    }
    for ((target, component, value), ()) in tags {
        let value: StringOffset = builder.string(&value);
        builder.decl_tag(value, target, component);
    }
    Ok(builder.finish()?)
}

/// Deduplicates and sorts.
fn finish(bytes: Vec<u8>, options: &Options) -> Result<(Vec<u8>, Btf<'static>)> {
    let parse = |bytes: Vec<u8>| match &options.base {
        Some(base) => Btf::parse_split(bytes, Arc::clone(base)),
        None => Btf::parse(bytes),
    };
    let raw = parse(bytes)?;
    let (unique, order) = both(options.threads, || dedup::deduplicate(&raw), || order::by_name(&raw));
    let (unique, mut order) = (unique?, order?);
    order.retain(|&id| unique.representative(id) == id);
    let sorted = order::permute_merged(&raw, &order, |id| unique.representative(id))?.bytes;
    let btf = parse(sorted.clone())?;
    Ok((sorted, btf))
}

#[allow(clippy::too_many_arguments)]
fn summarise(
    report: &mut Report,
    bytes: &[u8],
    btf: &Btf<'_>,
    settled: &Settled,
    names: &Names<'_>,
    choices: &[FunctionChoice],
    selection: &Selection,
    data: &DataSymbols,
) {
    report.bytes = bytes.len();
    report.types = btf.type_count();
    report.string_bytes = btf.string_section().len();
    for ty in btf.types() {
        *report.kinds.entry(ty.kind().to_string()).or_default() += 1;
    }
    for choice in choices {
        if choice.verdict == Verdict::Kept {
            report.functions += 1;
        } else {
            *report.functions_left_out.entry(choice.verdict.reason().to_owned()).or_default() += 1;
        }
    }
    let mut sections: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for variable in &selection.variables {
        let section = variable.place.and_then(|place| data.section(place.section));
        let name =
            section.map_or(String::new(), |section| String::from_utf8_lossy(&section.name).into_owned());
        let entry = sections.entry(name).or_default();
        entry.0 += 1;
        entry.1 += variable.size;
    }
    report.variables = sections
        .into_iter()
        .map(|(name, (variables, bytes))| SectionReport { name, variables, bytes })
        .collect();
    for (_, reason) in &selection.left_out {
        *report.variables_left_out.entry(reason.reason().to_owned()).or_default() += 1;
    }
    report.ambiguous = settled
        .ambiguous
        .iter()
        .map(|name| AmbiguityReport {
            kind: match name.kind {
                record::Aggregate::Struct => "struct",
                record::Aggregate::Union => "union",
                _ => "enum",
            },
            name: String::from_utf8_lossy(names.bytes(name.name)).into_owned(),
            meanings: name.contents.len(),
        })
        .collect();
    let _ = World::default();
}
