//! `btfkit encode`: DWARF in, BTF out.

mod many;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Base, Encoded, Error, Options, Report, Variables, atomic_file};
use clap::{Args, ValueEnum};
use gimli::constants::DwLang;
use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{BaseFile, Sections};
use crate::{language, summary};

/// Encode the DWARF of a kernel, module, object or program as BTF, with every global variable
///
/// The result is deduplicated, sorted by name and checked by the rules of the kernel's verifier before it is
/// written; it does not depend on the number of threads, the order of units or the directory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit encode vmlinux -o vmlinux.btf\n  \
    btfkit encode vmlinux --in-place --vars lean\n  \
    btfkit encode nf_tables.ko --base vmlinux.btf -o nf_tables.btf\n  \
    btfkit encode --base vmlinux --in-place *.ko\n  \
    btfkit encode --base vmlinux --output-dir btf *.ko.xz\n  \
    btfkit encode vmlinux --only-vars --base /sys/kernel/btf/vmlinux -o vars.btf\n  \
    btfkit encode vmlinux --explain jiffies")]
pub(crate) struct Arguments {
    /// ELF files with DWARF, or with separate debug files that build id or debug link name; compressed ones, too
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Write the BTF to this file ("-" for standard output; the summary then goes to standard error)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Put the BTF into the inputs themselves, as their sections .BTF
    #[arg(long, conflicts_with = "output")]
    in_place: bool,

    /// Write the BTF of each input into this directory, as NAME.btf for NAME.ko
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "in_place"])]
    output_dir: Option<PathBuf>,

    /// Split the output on the BTF in this file (raw BTF, or an ELF file with a section .BTF)
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Split the output on a distilled base, .BTF.base, by which kernels other than that of --base can take it
    #[arg(long, requires = "base", conflicts_with_all = ["output", "only_vars"])]
    distill: bool,

    /// Which variables to write
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    vars: Which,

    /// Also write static variables inside functions, under their symbols' names (count.12)
    #[arg(long)]
    function_statics: bool,

    /// Write variables only, and types that only they use: a side file for the kernel whose BTF is --base, or for a module of it
    #[arg(long, requires = "base")]
    only_vars: bool,

    /// Write optimised functions as the compiler left them, under their symbols' names (foo.isra.0)
    #[arg(long)]
    true_signatures: bool,

    /// Leave functions out
    #[arg(long)]
    no_functions: bool,

    /// Add a layout section, by which older readers can skip kinds they do not know (kernels from 7.1 on accept it)
    #[arg(long)]
    layout: bool,

    /// Only units in these languages
    #[arg(long, value_name = "LANG,…", value_delimiter = ',', value_parser = language::parse)]
    lang: Vec<&'static [DwLang]>,

    /// No units in these languages
    #[arg(long, value_name = "LANG,…", value_delimiter = ',', value_parser = language::parse)]
    lang_exclude: Vec<&'static [DwLang]>,

    /// Threads [default: one for each processor]
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,

    /// Say why the functions and variables of this name are in the output, or not
    #[arg(long, value_name = "NAME")]
    explain: Option<String>,

    /// Look for separate debug files here
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/debug")]
    debug_root: Vec<PathBuf>,

    /// Print how long each phase took
    #[arg(long)]
    time: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with_all = ["time", "json"])]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Which {
    /// No variables
    None,
    /// Per-CPU variables, as kernels have them today
    #[value(name = "percpu")]
    PerCpu,
    /// Without what is freed after boot and what macros generate
    Lean,
    /// Every data object that has a symbol and a type
    #[default]
    All,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let base = arguments.base.as_deref().map(BaseFile::open).transpose()?;
    let options = options(arguments, base.as_ref().map(|file| file.base.clone()));
    match &arguments.inputs[..] {
        [input] if arguments.output_dir.is_none() => encode_one(arguments, input, &options, base.as_ref()),
        _ => {
            for (given, option) in
                [(arguments.output.is_some(), "--output"), (arguments.explain.is_some(), "--explain")]
            {
                if given {
                    crate::usage_error(&format!(
                        "{option} is for one input; several go --in-place or to --output-dir"
                    ));
                }
            }
            many::run(arguments, &options, base.as_ref())
        }
    }
}

fn options(arguments: &Arguments, base: Option<Base>) -> Options {
    let languages =
        |names: &[&'static [DwLang]]| names.iter().flat_map(|names| names.iter().copied()).collect();
    Options {
        variables: match arguments.vars {
            Which::None => Variables::None,
            Which::PerCpu => Variables::PerCpu,
            Which::Lean => Variables::Lean,
            Which::All => Variables::All,
        },
        function_statics: arguments.function_statics,
        no_functions: arguments.no_functions,
        only_variables: arguments.only_vars,
        true_signatures: arguments.true_signatures,
        base,
        languages: languages(&arguments.lang),
        excluded_languages: languages(&arguments.lang_exclude),
        threads: arguments.jobs,
        explain: arguments.explain.clone(),
        layout: arguments.layout,
        ..Options::default()
    }
}

fn encode_one(
    arguments: &Arguments,
    input: &Path,
    options: &Options,
    base: Option<&BaseFile>,
) -> crate::Outcome {
    if let Some(base) = base {
        base.begin(options.threads);
    }
    let object = Object::open(input)?;
    if arguments.in_place {
        refuse_packed(&object)?;
    }
    let companions = Companions::new(arguments.debug_root.clone());
    let bar = progress_bar(arguments.quiet);
    let encoded = btfkit_encode::encode(&object, options, &companions, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let encoded = encoded.map_err(|error| named(input, error))?;
    let start = std::time::Instant::now();
    let Encoded { bytes, report } = encoded;
    let sections = sections(arguments, base, input, bytes)?;
    if arguments.in_place {
        sections.put_into(&object)?;
    } else if let Some(output) = &arguments.output {
        put(output, &sections.btf)?;
    }
    let written = start.elapsed().as_secs_f64();
    print_report(arguments, report, written)
}

/// A packed file cannot get a section: it would have to be packed again, by settings that only its installer knows.
pub(crate) fn refuse_packed(object: &Object) -> crate::Outcome {
    if object.is_unpacked() {
        let file = object.path().display();
        return Err(format!("{file}: is compressed, and cannot be written in place; unpack it first").into());
    }
    Ok(())
}

/// Makes sure that an error names the file.
pub(crate) fn named(input: &Path, error: Error) -> Box<dyn std::error::Error> {
    match error {
        Error::Object(_)
        | Error::Base(_)
        | Error::ByteOrders { .. }
        | Error::NoDebugInfo { .. }
        | Error::NothingToEncode { .. } => error.into(),
        other => format!("{}: {other}", input.display()).into(),
    }
}

/// What is to be written: split on the base itself, or on a distilled one.
fn sections(
    arguments: &Arguments,
    base: Option<&BaseFile>,
    input: &Path,
    btf: Vec<u8>,
) -> Result<Sections, Box<dyn std::error::Error>> {
    match base {
        Some(base) if arguments.distill => {
            base.distill(btf).map_err(|error| format!("{}: distilled base: {error}", input.display()).into())
        }
        _ => Ok(Sections { btf, base: None }),
    }
}

fn put(output: &Path, bytes: &[u8]) -> crate::Outcome {
    if output == Path::new("-") {
        return crate::put(bytes);
    }
    Ok(atomic_file::atomic_write(output, |file| file.write_all(bytes))?)
}

fn print_report(arguments: &Arguments, mut report: Report, written: f64) -> crate::Outcome {
    report.phases.push(btfkit_encode::Phase { name: "write", seconds: written });
    if arguments.quiet {
        return Ok(());
    }
    let mut text = String::new();
    if arguments.json {
        text = serde_json::to_string_pretty(&report)? + "\n";
    } else {
        if arguments.explain.is_some() {
            for line in &report.explanations {
                text.push_str(line);
                text.push('\n');
            }
        } else {
            text = summary::render(&report);
        }
        if arguments.time {
            text.push_str(&summary::phases(&report));
        }
    }
    if arguments.output.as_deref() == Some(Path::new("-")) {
        // A summary that nobody can read is no reason to fail.
        let _ = anstream::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    crate::print(&text)
}

fn progress_bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message("reading")
}
