//! `cargo xtask compare`: two BTFs by meaning, type ids and order ignored.
//!
//! Each BTF becomes a *census*: every definition as (class, name, text), where the text is a full rendering with named
//! types cut to their names. Two censuses are then compared as sets of texts per class and name.

pub(crate) mod census;
pub(crate) mod difference;
mod report;
pub(crate) mod source;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use census::{Census, Options};
use difference::Differences;
use report::Report;
use source::Source;

/// Compare two BTFs by meaning: what does one define that the other does not, or differently?
///
/// Types are compared as C-like text with sizes and bit offsets, functions by prototype with parameter names, variables
/// by section, offset, size and type, tags by what they are on. Type ids, order and string tables do not matter. Also
/// counted: definitions that one BTF holds twice, and names with several meanings. Exits with 1 if the two differ.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A raw BTF, or an ELF file with a .BTF section.
    a: PathBuf,
    /// The BTF to compare it with.
    b: PathBuf,
    /// The BTF that A is split on.
    #[arg(long, value_name = "FILE")]
    base_a: Option<PathBuf>,
    /// The BTF that B is split on.
    #[arg(long, value_name = "FILE")]
    base_b: Option<PathBuf>,
    /// Show up to N examples of each kind of difference.
    #[arg(long, value_name = "N", default_value_t = 0)]
    show: usize,
    /// Only these classes: struct, union, enum, function, variable, …
    #[arg(long = "class", value_name = "CLASS,…", value_delimiter = ',')]
    classes: Vec<String>,
    /// Take static and global functions for the same: pahole calls all of them static.
    #[arg(long)]
    ignore_function_linkage: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = Options { function_linkage: !arguments.ignore_function_linkage };
    let a = Source::open(&arguments.a, arguments.base_a.as_deref())?;
    let b = Source::open(&arguments.b, arguments.base_b.as_deref())?;
    let (mut a, mut b) = std::thread::scope(|scope| {
        let a = scope.spawn(|| Census::of(a.btf(), options));
        let b = Census::of(b.btf(), options);
        (a.join().unwrap_or_default(), b)
    });
    for census in [&mut a, &mut b] {
        census.keep(&arguments.classes);
    }
    let differences = Differences::between(&a, &b);
    let report = Report::new(&a, &b, &differences, arguments.show);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
