//! The `btfkit` program: one module a subcommand, and nothing about how things are computed.

mod base;
mod check;
mod completions;
mod debug;
mod dedup;
mod demo;
mod diff;
mod distill;
mod dump;
mod encode;
mod extra_module;
mod input;
mod kernel_files;
mod language;
mod layout;
mod man;
mod merge;
mod minimize;
mod output;
mod pahole;
mod relocate;
mod selector;
mod size;
mod sort;
mod split;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Kernel type information and post-mortem debugging.
#[derive(Debug, Parser)]
#[command(name = "btfkit", version, about, max_term_width = 100, propagate_version = true)]
struct Cli<C: Subcommand = Command> {
    #[command(subcommand)]
    command: C,
}

/// The subcommand that kernel builds run thousands of times. Without the options of all others to prepare, which it does not
/// look at, it starts 0.4 ms sooner.
#[derive(Debug, Subcommand)]
enum EncodeAlone {
    Encode(encode::Arguments),
}

#[derive(Debug, Subcommand)]
enum Command {
    Encode(encode::Arguments),
    /// Encode as pahole does, with pahole's options: for builds that call pahole
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Pahole {
        /// As pahole takes them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<std::ffi::OsString>,
    },
    ExtraModule(extra_module::Arguments),
    Debug(debug::Arguments),
    Check(check::Arguments),
    Dump(dump::Arguments),
    Layout(layout::Arguments),
    Size(size::Arguments),
    Diff(diff::Arguments),
    Dedup(dedup::Arguments),
    Merge(merge::Arguments),
    Split(split::Arguments),
    Sort(sort::Arguments),
    Distill(distill::Arguments),
    Relocate(relocate::Arguments),
    Minimize(minimize::Arguments),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// What a subcommand gives: an error is one line for a person.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The answer is no, and all of it has been printed: exit code 1 without a further line.
#[derive(Debug)]
struct No;

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for No {}

fn main() -> ExitCode {
    // Before clap sees the words: it has a meaning of its own for `--`.
    let mut words = std::env::args_os();
    let (program, subcommand) = (words.next(), words.next());
    if pahole::is_called(program.as_deref()) || subcommand.as_deref().is_some_and(|word| word == "pahole") {
        return pahole::run(std::env::args_os());
    }
    if subcommand.is_some_and(|word| word == "encode") {
        let Cli { command: EncodeAlone::Encode(arguments) } = Cli::parse();
        return end(encode::run(&arguments));
    }
    let Cli { command } = Cli::parse();
    end(match command {
        Command::Encode(arguments) => encode::run(&arguments),
        Command::ExtraModule(arguments) => extra_module::run(&arguments),
        Command::Debug(arguments) => debug::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Dump(arguments) => dump::run(&arguments),
        Command::Layout(arguments) => layout::run(&arguments),
        Command::Size(arguments) => size::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Dedup(arguments) => dedup::run(&arguments),
        Command::Merge(arguments) => merge::run(&arguments),
        Command::Split(arguments) => split::run(&arguments),
        Command::Sort(arguments) => sort::run(&arguments),
        Command::Distill(arguments) => distill::run(&arguments),
        Command::Relocate(arguments) => relocate::run(&arguments),
        Command::Minimize(arguments) => minimize::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Pahole { .. } => return pahole::run(std::env::args_os()),
    })
}

/// The exit code for what a subcommand gives, after a word on it.
fn end(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) if error.is::<No>() => ExitCode::FAILURE,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Ends the program as clap does when a command line makes no sense.
fn usage_error(message: &str) -> ! {
    <Cli>::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}

/// Says what went wrong in one line.
fn complain(error: &dyn std::fmt::Display) {
    anstream::eprintln!("{ERROR}error:{ERROR:#} {error}");
}

/// Prints to standard output, with colours if that is a terminal.
fn print(text: &str) -> Outcome {
    write_to(&mut anstream::stdout().lock(), text.as_bytes())
}

/// Writes bytes to standard output as they are.
fn put(bytes: &[u8]) -> Outcome {
    write_to(&mut std::io::stdout().lock(), bytes)
}

/// Lets `write` write to standard output, piece by piece.
fn stream(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Outcome {
    let mut out = std::io::stdout().lock();
    write(&mut out).and_then(|()| out.flush()).map_err(cannot_write)
}

fn write_to(out: &mut impl Write, bytes: &[u8]) -> Outcome {
    out.write_all(bytes).and_then(|()| out.flush()).map_err(cannot_write)
}

fn cannot_write(error: std::io::Error) -> Box<dyn std::error::Error> {
    std::io::Error::new(error.kind(), format!("standard output: cannot write: {error}")).into()
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
