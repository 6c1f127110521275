//! The `btfkit` program: one module a subcommand, and nothing about how things are computed.

mod completions;
mod demo;
mod encode;
#[allow(dead_code)]
mod input;
mod language;
mod layout;
#[allow(dead_code)]
mod selector;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kernel type information and post-mortem debugging.
#[derive(Debug, Parser)]
#[command(name = "btfkit", version, about, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Encode(encode::Arguments),
    Layout(layout::Arguments),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
}

/// What a subcommand gives: an error is one line for a person.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The answer is no, and all of it has been printed: exit code 1 without a further line.
#[allow(dead_code)]
#[derive(Debug)]
struct No;

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for No {}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Encode(arguments) => encode::run(&arguments),
        Command::Layout(arguments) => layout::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) if error.is::<No>() => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output, with colours if that is a terminal.
fn print(text: &str) -> Outcome {
    write_to(&mut anstream::stdout().lock(), text.as_bytes())
}

/// Writes bytes to standard output as they are.
fn put(bytes: &[u8]) -> Outcome {
    write_to(&mut std::io::stdout().lock(), bytes)
}

fn write_to(out: &mut impl Write, bytes: &[u8]) -> Outcome {
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
        std::io::Error::new(error.kind(), format!("standard output: cannot write: {error}")).into()
    })
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
