//! What developers of btfkit run: `cargo xtask test|fixtures|compare|bench|dist|kernel|modules|demo-dump|fuzz-smoke`.
//!
//! One file per subcommand. The checks against real kernels are in `real/`, what they need from Debian in `fixtures/`.

mod bench;
mod command;
mod compare;
mod dist;
mod fast;
mod fixtures;
mod fuzz_smoke;
mod kernel;
mod machine;
mod modules;
mod real;
mod test;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What developers of btfkit run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Test(test::Arguments),
    Fixtures(fixtures::Arguments),
    Compare(compare::Arguments),
    Bench(bench::Arguments),
    Dist(dist::Arguments),
    FuzzSmoke(fuzz_smoke::Arguments),
    Kernel(kernel::Arguments),
    Modules(modules::Arguments),
    DemoDump(kernel::demo::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Fixtures(arguments) => fixtures::run(&arguments),
        Task::Compare(arguments) => compare::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::FuzzSmoke(arguments) => fuzz_smoke::run(&arguments),
        Task::Kernel(arguments) => kernel::run(&arguments),
        Task::Modules(arguments) => modules::run(&arguments),
        Task::DemoDump(arguments) => kernel::demo::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
