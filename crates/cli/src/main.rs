//! The `btfkit` program: one module a subcommand, and nothing about how things are computed.

mod completions;
mod demo;
mod encode;
mod language;
mod summary;

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
    Demo(demo::Arguments),
    Completions(completions::Arguments),
}

/// What a subcommand gives: an error is one line for a person.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Encode(arguments) => encode::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {error}");
            ExitCode::FAILURE
        }
    }
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
