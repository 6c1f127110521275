//! From DWARF to BTF: kernels, modules, objects and programs.
//!
//! ```text
//! open      sections, symbols, companion files                            files, object, symbols
//! scan      units in parallel: DIEs to nodes, nodes to records            scan, intern, collect, linked
//! settle    names with several meanings are told apart                    settle
//! select    functions and variables, by rules that can be asked why       functions, variables
//! emit      records into BTF, deduplicated, sorted by name, checked       emit, output, btfkit_btf
//! ```
#![warn(missing_docs)]

mod abi;
pub mod atomic_file;
#[allow(missing_docs, unreachable_pub)]
mod attributes;
mod base;
pub mod btf_ids;
mod collect;
mod copies;
mod die_index;
#[allow(missing_docs, unreachable_pub)]
mod dwarf;
mod emit;
mod error;
mod explain;
mod files;
mod functions;
pub mod heap;
mod intern;
mod linked;
pub mod moved_relocations;
mod names;
#[allow(missing_docs, unreachable_pub)]
mod nodes;
pub mod object;
mod options;
mod output;
mod parallel;
mod record;
mod render;
mod report;
#[allow(missing_docs, unreachable_pub)]
mod scan;
pub mod section_writer;
mod settle;
mod side_file;
mod symbols;
mod variables;
mod wrong_base;

pub use base::Base;
pub use error::{Error, Result};
pub use functions::Verdict;
pub use options::{Features, Options, Variables};
pub use report::{AmbiguityReport, Phase, Report, SectionReport};
pub use variables::LeftOut;

use btfkit_btf::StringOffset;
use btfkit_btf::check::{self, Profile};

use abi::Abi;
use collect::Source;
use files::Files;
use functions::FunctionSymbols;
use names::{Name, Names};
use object::Object;
use object::companion::Companions;
use output::Facts;
use parallel::both;
use record::{Kind, head};
use report::Stopwatch;
use settle::Settled;
use symbols::DataSymbols;
use variables::Sizes;

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

    // The strings of a relocatable file are indexed while its entries are relocated.
    let strings = files::strings_beside(object);
    let early_threads = parallel::threads(options.threads, strings.len() as u64 * 4);
    let (files, early_names) = both(
        early_threads,
        || Files::open(object, companions),
        || (early_threads > 1).then(|| Names::new(strings, false)),
    );
    let files = files?;
    let main = files.main();
    let units = files.units()?;
    if units.units.is_empty() {
        let file = object.path().to_path_buf();
        // Debug information that breaks off in its first unit is not the same as none.
        return Err(match units.damage.len() {
            0 => Error::NoDebugInfo { file },
            damaged => Error::NothingToEncode { file, languages: 0, damaged: damaged as u64 },
        });
    }
    // The unit headers' walk reads a few bytes of each unit, around which the kernel maps 16 pages: 120 MB of a
    // 340 MB kernel, which would stay mapped until each unit's turn.
    release_scanned(main, &units.files[0]);
    let total = units.units.iter().map(|unit| unit.size() as u64).sum();
    let threads = parallel::threads(options.threads, total);
    // For all but the scan, which takes nine tenths of the time.
    let few_threads = parallel::threads(options.threads, total / 10);
    let strings: &[u8] = &units.files[0].str;
    let names = match early_names.filter(|names| std::ptr::eq(names.section(), strings)) {
        Some(names) => names,
        None => Names::new(strings, !main.is_relocatable()),
    };
    let known: Vec<Name> = match &options.base {
        Some(base) if !base.is_indexed() => names.all().collect(),
        _ => Vec::new(),
    };
    // What the output may name: that, and what DWARF does not.
    let expected = || {
        let sections = object.sections().map(|section| section.name);
        let others = sections.chain(functions::KFUNC_TAGS).chain(functions::ARGUMENT_NAMES);
        let others = others.chain(wrong_base::KERNEL_STRUCTS);
        known.iter().map(|&name| names.bytes(name)).chain(others)
    };
    let aside = options.base.as_ref().and_then(|base| base.expect(expected()));
    let function_symbols = FunctionSymbols::of(main, &names, few_threads)?;
    let kfuncs = functions::kfuncs(object)?;
    watch.lap("open", &mut report);

    let done = std::sync::atomic::AtomicU64::new(0);
    let source = Source {
        object: main,
        files: &units.files,
        units: &units.units,
        names: &names,
        symbols: &function_symbols,
        abi: Abi::of(main),
        options,
        threads,
        skeletons: &units.skeletons,
        alternate_file: units.alternate,
        left_out: std::sync::atomic::AtomicUsize::new(0),
        progress: &|bytes| {
            let before = done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            progress(before + bytes, total);
        },
    };
    let prepare_base = || options.base.as_ref().map_or(Ok(()), Base::prepare);
    let (prepared, mut collected) = both(few_threads, prepare_base, || collect::collect(&source));
    prepared?;
    let base = options.base.as_ref().map(Base::btf).transpose()?;
    if let Some(base) = &options.base {
        base.check_byte_order(object)?;
    }
    for damage in &units.damage {
        *collected.damage.entry(*damage).or_default() += 1;
    }
    report.units_left_out = source.left_out.load(std::sync::atomic::Ordering::Relaxed);
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
        few_threads,
        || DataSymbols::of(main, &names),
        || Settled::new(&mut collected.table, &names, &collected.units),
    );
    let data_symbols = data_symbols?;
    collected.units = Vec::new();
    watch.lap("settle", &mut report);

    let sizes = Sizes { table: &collected.table, settled: &settled, word: u64::from(main.address_size()) };
    let (mut selection, mut choices) = both(
        few_threads,
        || variables::select(&collected.variables, &data_symbols, &sizes, &names, options),
        || {
            let consistent = options.features.consistent_functions;
            functions::select(
                &mut collected.functions,
                &function_symbols,
                &collected.table,
                &names,
                consistent,
            )
        },
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
    if options.features.attributes && options.features.kfunc_tags {
        functions::arena_attributes(&mut choices, &kfuncs, &mut collected.table, &names);
    }
    let found = match &options.base {
        Some(base) => base.find(aside.as_ref(), expected().chain(names.aside()))?,
        None => Vec::new(),
    };
    let base_strings: Vec<(Name, StringOffset)> = known.iter().copied().zip(found).collect();
    if options.only_variables
        && let Some(base) = base
    {
        side_file::leave_to_base(&mut selection, base, &names, &data_symbols);
    }
    watch.lap("select", &mut report);

    let facts = Facts {
        object: main,
        options,
        collected: &collected,
        names: &names,
        base_strings: &base_strings,
        settled: &settled,
        index,
        choices: &choices,
        selection: &selection,
        data: &data_symbols,
        symbols: &function_symbols,
        kfuncs: &kfuncs,
    };
    report::selection(&mut report, &facts);
    if let Some(name) = &options.explain {
        report.explanations = explain::explain(name.as_bytes(), &facts);
    }
    let bytes = output::write(&facts)?;
    // Nothing of it is needed to sort, when memory is at its highest.
    drop((collected, settled, selection, choices));
    watch.lap("emit", &mut report);
    let bytes = output::finish(bytes, options, aside, few_threads)?;
    let btf = output::view(bytes.as_slice(), options)?;
    watch.lap("sort", &mut report);
    wrong_base::refuse(main, &btf, options.base.as_ref())?;
    if btf.type_count() == 0 {
        return Err(Error::NothingToEncode {
            file: object.path().to_path_buf(),
            languages: report.units_left_out,
            damaged: report.damage.values().sum(),
        });
    }
    let verdict = check::check(&bytes, base, Profile::Vmlinux);
    if !verdict.violations.is_empty() {
        return Err(Error::Refused(Box::new(verdict)));
    }
    watch.lap("check", &mut report);

    report::contents(&mut report, &btf);
    Ok(Encoded { bytes, report })
}

/// Gives back the memory that holds the sections which the scan alone reads, when it is worth it: each time costs a small
/// module's encode 1 %, as all threads have to be told of it.
fn release_scanned(main: &Object, dwarf: &dwarf::Dwarf<'_>) {
    const WORTH_IT: usize = 16 << 20;
    let sections = dwarf.scanned_sections();
    if sections.iter().map(|section| section.len()).sum::<usize>() < WORTH_IT {
        return;
    }
    for section in sections {
        main.release(section);
    }
}
