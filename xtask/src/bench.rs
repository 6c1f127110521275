//! `cargo xtask bench`: the peer and btfkit in turns on the same input.

mod modules;

pub(crate) use modules::modules_in;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::command::{self, Cost};
use crate::fixtures::{Dumps, KERNELS, Pahole};

/// Run a benchmark: the peer and btfkit in turns, with ratios.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Encode(Encode),
    Modules(modules::Modules),
    Debug(Debug),
}

/// The first answer from a dump, by drgn with DWARF and by btfkit with nothing but the dump.
///
/// `init_uts_ns.name.release` of an ELF dump of Debian's 6.12 kernel, 550 MB. The runs alternate, one of each is not counted.
#[derive(Debug, clap::Args)]
struct Debug {
    /// How many counted runs of each program.
    #[arg(short = 'n', long, value_name = "RUNS", default_value_t = 9)]
    runs: usize,
    /// The btfkit to run [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
    /// Print the medians as JSON.
    #[arg(long)]
    json: bool,
}

/// Encode a kernel with pahole and with btfkit, both with all variables and on two threads.
///
/// The runs alternate, one of each is not counted; wall time, CPU time and peak memory are those of the whole process.
#[derive(Debug, clap::Args)]
struct Encode {
    /// The vmlinux to encode [default: Debian's 6.12 cloud kernel].
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// How many counted runs of each program.
    #[arg(short = 'n', long, value_name = "RUNS", default_value_t = 5)]
    runs: usize,
    /// The btfkit to run [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
    /// Print the medians as JSON.
    #[arg(long)]
    json: bool,
}

/// The medians of one program's runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Medians {
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_bytes: f64,
    pub(crate) output_bytes: Option<f64>,
}

/// Both programs' medians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) peer: String,
    pub(crate) theirs: Medians,
    pub(crate) btfkit: Medians,
}

/// How many times less btfkit takes than the peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    pub(crate) time: f64,
    pub(crate) memory: f64,
}

impl Comparison {
    /// The figures beside the goal, in a line.
    ///
    /// # Errors
    /// They are below what is insisted on.
    pub(crate) fn held_against(&self, goal: Factors, insist: Factors) -> Result<String> {
        let (theirs, ours) = (&self.theirs, &self.btfkit);
        let time = theirs.wall_seconds / ours.wall_seconds;
        let memory = theirs.peak_bytes / ours.peak_bytes;
        let figures = format!(
            "{:.3} s, 1/{time:.1} of {}'s {:.2} s (goal 1/{:.0}); {:.0} MB, 1/{memory:.1} of {:.0} MB (goal 1/{:.0})",
            ours.wall_seconds,
            self.peer,
            theirs.wall_seconds,
            goal.time,
            ours.peak_bytes / 1e6,
            theirs.peak_bytes / 1e6,
            goal.memory,
        );
        ensure!(time >= insist.time && memory >= insist.memory, "far from the goals: {figures}");
        Ok(figures)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (comparison, json) = match &arguments.benchmark {
        Benchmark::Encode(encode) => (encode.measure()?, encode.json),
        Benchmark::Debug(debug) => (debug.measure()?, debug.json),
        Benchmark::Modules(modules) => return modules.run().map(|()| ExitCode::SUCCESS),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print!("{}", comparison.table());
    }
    Ok(ExitCode::SUCCESS)
}

/// The release build of btfkit.
pub(crate) fn release_build() -> Result<PathBuf> {
    command::run(command::cargo().args(["build", "--quiet", "--release", "--package", "btfkit"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::repository().join("target"), PathBuf::from);
    Ok(target.join("release/btfkit"))
}

impl Encode {
    fn measure(&self) -> Result<Comparison> {
        let kernel = match &self.kernel {
            Some(path) => path.clone(),
            None => KERNELS[0].fetch()?.vmlinux,
        };
        let btfkit = self.btfkit.clone().map_or_else(release_build, Ok)?;
        let pahole = Pahole::fetch()?;
        let folder = tempfile::tempdir()?;
        let (theirs, ours) = (folder.path().join("pahole.btf"), folder.path().join("btfkit.btf"));
        let mut programs = [pahole.encode(&kernel, &theirs), btfkit_encode(&btfkit, &kernel, &ours)];
        let costs = in_turns(&mut programs, self.runs)?;
        Ok(Comparison {
            peer: format!("pahole {}", pahole.version()?),
            theirs: medians(&costs[0], Some(&theirs))?,
            btfkit: medians(&costs[1], Some(&ours))?,
        })
    }
}

impl Debug {
    fn measure(&self) -> Result<Comparison> {
        let btfkit = self.btfkit.clone().map_or_else(release_build, Ok)?;
        let kernel = KERNELS[0].fetch()?;
        let dumps = Dumps::of(&kernel).context("no dumps are made of this kernel")??;
        let mut theirs = command::python()?;
        theirs
            .args(["-m", "drgn", "--quiet", "--core"])
            .arg(dumps.elf())
            .arg("--symbols")
            .arg(&kernel.vmlinux);
        theirs.arg(command::repository().join("xtask/data/debug_release.py"));
        let mut ours = Command::new(&btfkit);
        ours.arg("debug").arg(dumps.elf()).args(["-e", "init_uts_ns.name.release"]);
        let answers = [command::text(&mut theirs)?, command::text(&mut ours)?];
        let [a, b] = answers.each_ref().map(|answer| answer.trim().trim_matches('"'));
        ensure!(a == b, "the answers differ: {a}, {b}");
        let mut version = command::python()?;
        let version = command::text(version.args(["-c", "import drgn; print(drgn.__version__)"]))?;
        let costs = in_turns(&mut [theirs, ours], self.runs)?;
        Ok(Comparison {
            peer: format!("drgn {}", version.trim()),
            theirs: medians(&costs[0], None)?,
            btfkit: medians(&costs[1], None)?,
        })
    }
}

/// A btfkit that will encode `input` with all variables to `output`, on as many threads as pahole.
fn btfkit_encode(program: &Path, input: &Path, output: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("encode").arg(input).args(["-j", "2", "--lang-exclude", "rust", "-o"]).arg(output);
    command
}

/// Runs the programs in turns, once unmeasured and then `runs` times.
fn in_turns<const N: usize>(programs: &mut [Command; N], runs: usize) -> Result<[Vec<Cost>; N]> {
    let mut costs = [const { Vec::new() }; N];
    for round in 0..=runs.max(1) {
        for (program, costs) in programs.iter_mut().zip(&mut costs) {
            let cost = command::measure(program)?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    Ok(costs)
}

fn medians(costs: &[Cost], output: Option<&Path>) -> Result<Medians> {
    let of = |value: fn(&Cost) -> f64| median(costs.iter().map(value).collect());
    Ok(Medians {
        wall_seconds: of(|cost| cost.wall.as_secs_f64()),
        cpu_seconds: of(|cost| cost.cpu.as_secs_f64()),
        peak_bytes: of(|cost| cost.peak as f64),
        output_bytes: match output {
            Some(output) => Some(fs::metadata(output).context("no output was written")?.len() as f64),
            None => None,
        },
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

impl Comparison {
    fn table(&self) -> String {
        let mut table = format!("{:<18} {:>12} {:>12} {:>10}\n", "median", self.peer, "btfkit", "ratio");
        let (a, b) = (&self.theirs, &self.btfkit);
        row(&mut table, "wall time, s", a.wall_seconds, b.wall_seconds, 3);
        row(&mut table, "CPU time, s", a.cpu_seconds, b.cpu_seconds, 3);
        row(&mut table, "peak memory, MB", a.peak_bytes / 1e6, b.peak_bytes / 1e6, 1);
        if let (Some(a), Some(b)) = (a.output_bytes, b.output_bytes) {
            row(&mut table, "output, bytes", a, b, 0);
        }
        table
    }
}

fn row(table: &mut String, name: &str, peer: f64, ours: f64, digits: usize) {
    let ratio = format!("1/{:.2}", peer / ours);
    // Writing to a string cannot fail.
    let _ = writeln!(table, "{name:<18} {peer:>12.digits$} {ours:>12.digits$} {ratio:>10}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_the_middle_two() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![9.0, 1.0, 2.0, 4.0]) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn programs_run_in_turns_with_one_uncounted_round() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let program = |name: &str| {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("echo {name} >>{}", log.display()));
            command
        };
        let costs = in_turns(&mut [program("a"), program("b")], 2).unwrap();
        assert_eq!(costs.map(|costs| costs.len()), [2, 2]);
        assert_eq!(fs::read_to_string(log).unwrap(), "a\nb\n".repeat(3));
    }

    #[test]
    fn the_table_shows_how_many_times_less_each_figure_is() {
        let medians = |wall_seconds, peak_bytes| Medians {
            wall_seconds,
            cpu_seconds: 1.0,
            peak_bytes,
            output_bytes: Some(5.0),
        };
        let comparison = Comparison {
            peer: "pahole v1.32".into(),
            theirs: medians(4.0, 600e6),
            btfkit: medians(0.4, 150e6),
        };
        let table = comparison.table();
        assert!(table.contains("4.000        0.400    1/10.00"), "{table}");
        assert!(table.contains("600.0        150.0     1/4.00"), "{table}");
    }
}
