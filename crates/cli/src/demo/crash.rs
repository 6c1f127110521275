//! Debugging `demo/crash.kdump`: the memory of a small Linux 6.12 that was built with its variables in its BTF and crashed.
//! `cargo xtask demo-dump` makes it.

use std::fmt::Write;
use std::time::Instant;

use btfkit_btf::size::Size;
use btfkit_kernel::expression::evaluate;
use btfkit_kernel::show::{Limits, show as shown};
use btfkit_kernel::views::{inventory, log, tasks};
use btfkit_kernel::{Kernel, Options};
use btfkit_vmcore::Dump;

use super::{FAINT, HEAD};
use crate::debug::{commands, render};

const DUMP: &[u8] = include_bytes!("../../demo/crash.kdump");
const NAME: &str = "crash.kdump";

/// What one would type first.
const EXPRESSIONS: [&str; 5] = [
    "init_uts_ns.name.release",
    "init_task.sched_class",
    "per_cpu(runqueues, 0).curr->comm",
    "list(modules, struct module, list).name",
    "sizeof(struct task_struct) * nr_threads",
];

/// The second half: a dump, and nothing but the dump.
pub(super) fn show(out: &mut String) -> crate::Outcome {
    let start = Instant::now();
    let kernel = Kernel::new(Dump::from_bytes(NAME, DUMP)?, Options::default());
    let mut text = String::new();
    found(&mut text, &kernel)?;
    values(&mut text, &kernel);
    processes(&mut text, &kernel)?;
    last_words(&mut text, &kernel)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = DUMP.len();
    writeln!(
        out,
        "{HEAD}crash{HEAD:#} {NAME}: {bytes} bytes; all that follows is in it, found and read in {seconds:.2} s"
    )?;
    out.push_str(&text);
    Ok(())
}

fn found(out: &mut String, kernel: &Kernel) -> crate::Outcome {
    out.push_str(&commands::info::table(&inventory(kernel)));
    let size = Size::of(kernel.types()?.vmlinux());
    let variables: u64 = size.sections.iter().map(|section| section.record_bytes + section.name_bytes).sum();
    writeln!(out, "{HEAD}{:>12}{HEAD:#}  {} bytes, {} of them for variables", "BTF", size.total, variables)?;
    out.push('\n');
    Ok(())
}

fn values(out: &mut String, kernel: &Kernel) {
    for expression in EXPRESSIONS {
        let _ = write!(out, "  {FAINT}p{FAINT:#} {expression:<40} ");
        match evaluate(kernel, expression) {
            Ok(values) => {
                let line = |value| render::one_line(&shown(kernel, value, Limits::default()));
                let _ = writeln!(out, "{}", values.iter().map(line).collect::<Vec<_>>().join(", "));
            }
            Err(error) => {
                let _ = writeln!(out, "{error}");
            }
        }
    }
    out.push('\n');
}

/// Processes that are not the kernel's own.
fn processes(out: &mut String, kernel: &Kernel) -> crate::Outcome {
    let mut rows = tasks(kernel)?;
    let total = rows.len();
    rows.retain(|task| !task.kernel_thread || task.pid < 3);
    out.push_str(&commands::tasks::table(&rows));
    writeln!(out, "  {FAINT}… {} threads of the kernel more{FAINT:#}\n", total - rows.len())?;
    Ok(())
}

/// The log from the panic on, without what the processor's registers held.
fn last_words(out: &mut String, kernel: &Kernel) -> crate::Outcome {
    let records = log(kernel)?;
    let panic = records.iter().position(|record| record.text.starts_with("Kernel panic")).unwrap_or(0);
    for record in records[panic.saturating_sub(2)..].iter().take(12) {
        commands::log::line(out, record);
    }
    Ok(())
}
