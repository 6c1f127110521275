//! Many inputs in one run: the modules of a kernel, on one base.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Base, Encoded, Options, Report};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Arguments, named, put, refuse_packed, sections};
use crate::base::BaseFile;

/// What became of one input.
#[derive(Debug, Serialize)]
struct Outcome {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    report: Option<Report>,
}

/// Encodes all inputs, the largest first, as many at a time as there are threads. What fails is told at the end, and the
/// others are done.
pub(super) fn run(arguments: &Arguments, options: &Options, base: Option<&BaseFile>) -> crate::Outcome {
    let outputs = outputs(arguments)?;
    // What is wrong with it is told once, and not for each input.
    base.map_or(Ok(()), |file| file.base.btf().map(drop))?;
    if let Some(directory) = &arguments.output_dir {
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let companions = Companions::new(arguments.debug_root.clone());
    let sizes: Vec<u64> = arguments
        .inputs
        .iter()
        .map(|input| std::fs::metadata(input).map_or(0, |metadata| metadata.len()))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sizes[index]));
    let bar = progress_bar(arguments.quiet, sizes.len());
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(order.len()));
    // One thread each: there are more inputs than processors, and they share nothing but the base.
    let shared = options.base.clone().map(Base::indexed);
    let one = Options { threads: 1, base: shared, ..options.clone() };
    let work = || {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let input = &arguments.inputs[index];
            let output = outputs[index].as_deref();
            let outcome = match encode(arguments, &one, base, &companions, input, output) {
                Ok(report) => Outcome {
                    file: input.clone(),
                    output: output.map(Path::to_path_buf),
                    error: None,
                    report: Some(report),
                },
                Err(error) => Outcome {
                    file: input.clone(),
                    output: None,
                    error: Some(error.to_string()),
                    report: None,
                },
            };
            outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, outcome));
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads(options.threads).min(order.len()) {
            scope.spawn(work);
        }
        work();
    });
    bar.finish_and_clear();
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    report(arguments, outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        wanted => wanted,
    }
}

/// Where each input's BTF goes; two of the same name would overwrite each other.
fn outputs(arguments: &Arguments) -> Result<Vec<Option<PathBuf>>, Box<dyn std::error::Error>> {
    let Some(directory) = &arguments.output_dir else {
        let in_place = |input: &PathBuf| arguments.in_place.then(|| input.clone());
        return Ok(arguments.inputs.iter().map(in_place).collect());
    };
    let mut taken: HashMap<PathBuf, &Path> = HashMap::new();
    let mut outputs = Vec::with_capacity(arguments.inputs.len());
    for input in &arguments.inputs {
        let output = directory.join(stem(input)).with_extension("btf");
        if let Some(other) = taken.insert(output.clone(), input) {
            let (a, b, output) = (other.display(), input.display(), output.display());
            return Err(format!("{a} and {b} would both be written to {output}").into());
        }
        outputs.push(Some(output));
    }
    Ok(outputs)
}

/// The name of a module without what says how its file is packed: `x.ko` of `x.ko.xz`.
fn stem(input: &Path) -> PathBuf {
    let name = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
    let packed =
        name.extension().is_some_and(|extension| ["gz", "xz", "zst"].iter().any(|known| extension == *known));
    if packed { name.with_extension("") } else { name }
}

fn encode(
    arguments: &Arguments,
    options: &Options,
    base: Option<&BaseFile>,
    companions: &Companions,
    input: &Path,
    output: Option<&Path>,
) -> Result<Report, Box<dyn std::error::Error>> {
    let object = Object::open(input)?;
    if arguments.in_place {
        refuse_packed(&object)?;
    }
    let encoded = btfkit_encode::encode(&object, options, companions, &|_, _| {});
    let Encoded { bytes, report } = encoded.map_err(|error| named(input, error))?;
    let sections = sections(arguments, base, input, bytes)?;
    if arguments.in_place {
        sections.put_into(&object)?;
    } else if let Some(output) = output {
        put(output, &sections.btf)?;
        if let Some(bytes) = &sections.base {
            put(&output.with_extension("base.btf"), bytes)?;
        }
    }
    Ok(report)
}

fn report(arguments: &Arguments, outcomes: Vec<Outcome>) -> crate::Outcome {
    let failures = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    if arguments.json {
        let mut text = String::new();
        for outcome in &outcomes {
            text.push_str(&serde_json::to_string(outcome)?);
            text.push('\n');
        }
        crate::print(&text)?;
    } else if !arguments.quiet {
        let reports = || outcomes.iter().filter_map(|outcome| outcome.report.as_ref());
        let variables =
            |report: &Report| report.variables.iter().map(|section| section.variables).sum::<usize>();
        let mut text = format!(
            "{} of {} encoded: {} bytes, {} types, {} functions, {} variables\n",
            outcomes.len() - failures,
            outcomes.len(),
            reports().map(|report| report.bytes).sum::<usize>(),
            reports().map(|report| report.types as usize).sum::<usize>(),
            reports().map(|report| report.functions).sum::<usize>(),
            reports().map(variables).sum::<usize>(),
        );
        if arguments.time {
            text.push_str(&crate::summary::all_phases(reports()));
        }
        crate::print(&text)?;
    }
    for error in outcomes.iter().filter_map(|outcome| outcome.error.as_deref()) {
        crate::complain(&error);
    }
    if failures > 0 { Err(crate::No.into()) } else { Ok(()) }
}

fn progress_bar(quiet: bool, count: usize) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("encoding {wide_bar} {pos}/{len} {eta}");
    ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
