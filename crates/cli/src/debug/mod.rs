//! `btfkit debug`: a dump, and what it says.

mod command;
pub(crate) mod commands;
mod complete;
mod interactive;
mod interrupt;
mod output;
pub(crate) mod render;

use std::cell::Cell;
use std::path::PathBuf;

use btfkit_kernel::expression::Scope;
use btfkit_kernel::{Kernel, Options};
use btfkit_vmcore::Dump;
use clap::Args;

use crate::input::Source;
use interrupt::Interrupt;
use output::Output;

/// Debug a memory dump with nothing but the dump
///
/// Symbols, types, variables and the log are taken from the dump itself. Without -e, -c or -x, commands are asked for; `help`
/// lists them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit debug vmcore\n  \
    btfkit debug vmcore -e init_uts_ns.name.release\n  \
    btfkit debug vmcore -e 'list(init_task.tasks, struct task_struct, tasks).comm'\n  \
    btfkit debug vmcore -c sys -c ps -c log\n  \
    btfkit debug vmcore --btf vars.btf --json -c ps\n  \
    btfkit debug /proc/kcore -e jiffies")]
pub(crate) struct Arguments {
    /// The dump: a file of any kind, all files of a split one, or /proc/kcore
    #[arg(required = true, value_name = "DUMP")]
    dump: Vec<PathBuf>,

    /// BTF of variables of this kernel or of one of its modules: raw, or the section .BTF of an ELF file; may be repeated
    #[arg(long, value_name = "FILE")]
    btf: Vec<PathBuf>,

    /// Print the value of a C expression; may be repeated
    #[arg(short, long, value_name = "EXPR", allow_hyphen_values = true)]
    eval: Vec<String>,

    /// Run a command; may be repeated
    #[arg(short, long, value_name = "COMMAND")]
    command: Vec<String>,

    /// Run the commands in this file, a line each ("-" for standard input)
    #[arg(short = 'x', long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Print JSON: a document for each expression or command
    #[arg(long)]
    json: bool,

    /// At the prompt, print long answers as they are instead of through $BTFKIT_PAGER, $PAGER or less
    #[arg(long)]
    no_pager: bool,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let interrupt = Interrupt::new()?;
    let mut options = Options { interrupt: interrupt.flag(), ..Options::default() };
    for path in &arguments.btf {
        options.side_files.push((path.display().to_string(), Source::read(path)?.btf.to_vec()));
    }
    let mut session = Session {
        kernel: Kernel::new(Dump::open(&arguments.dump)?, options),
        json: arguments.json,
        output: Output::straight(),
        cpu: Cell::new(None),
    };
    if !arguments.btf.is_empty() {
        // A side file that does not fit is an error now, not a variable that is missing later.
        session.kernel.types()?;
    }
    let mut lines: Vec<String> = arguments.eval.iter().map(|text| format!("p {text}")).collect();
    lines.extend(arguments.command.iter().cloned());
    if let Some(script) = &arguments.script {
        lines.extend(read_script(script)?);
    } else if lines.is_empty() {
        return interactive::run(&mut session, &interrupt, !arguments.no_pager);
    }
    let mut failed = None;
    for line in lines {
        match command::run(&session, &line) {
            Ok(()) => {}
            // What else was asked for is still answered.
            Err(error) if !crate::is_broken_pipe(&*error) => {
                if let Some(before) = failed.replace(error) {
                    crate::complain(&*before);
                }
            }
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn read_script(path: &std::path::Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let text = if path == std::path::Path::new("-") {
        std::io::read_to_string(std::io::stdin().lock())
            .map_err(|error| format!("standard input: {error}"))?
    } else {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
    };
    Ok(text.lines().map(str::to_owned).collect())
}

/// A dump that is being debugged.
pub(crate) struct Session {
    pub(crate) kernel: Kernel,
    pub(crate) json: bool,
    output: Output,
    /// The processor whose per-CPU variables and registers are meant.
    cpu: Cell<Option<u64>>,
}

impl Session {
    /// Prints data as JSON, or as `text` puts it.
    fn answer<T: serde::Serialize>(&self, data: &T, text: impl FnOnce() -> String) -> crate::Outcome {
        // What was interrupted is half an answer.
        self.kernel.memory().check_interrupt()?;
        if self.json { self.put(&(serde_json::to_string(data)? + "\n")) } else { self.put(&text()) }
    }

    /// Where names of expressions are looked up.
    fn scope(&self) -> Scope<'_> {
        Scope { kernel: &self.kernel, cpu: self.cpu.get() }
    }

    /// Prints a part of an answer.
    fn put(&self, text: &str) -> crate::Outcome {
        self.output.put(&self.kernel, text)
    }

    /// Shows now what was printed: the next part may be long in coming.
    fn show(&self) -> crate::Outcome {
        self.output.show()
    }
}
