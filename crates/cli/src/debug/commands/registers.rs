//! `regs`, `cpu`.

use std::fmt::Write;

use btfkit_kernel::views::{Processor, registers};
use btfkit_vmcore::VirtualAddress;

use crate::debug::{Session, render};

/// Registers on a line.
const COLUMNS: usize = 4;
/// Registers that say where in the kernel's code a processor was.
const CODE: [&str; 6] = ["rip", "pc", "pswa", "x30", "ra", "r14"];

pub(in crate::debug) fn regs(session: &Session, text: &str) -> crate::Outcome {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wanted = match &words[..] {
        [] => session.cpu.get(),
        ["-c", cpu] => Some(number(cpu)?),
        _ => return Err("regs takes -c and a processor's number: regs -c 1".into()),
    };
    let mut all = registers(&session.kernel)?;
    if let Some(cpu) = wanted {
        all.retain(|processor| processor.cpu == cpu);
        if all.is_empty() {
            return Err(format!("the dump has no registers of processor {cpu}").into());
        }
    }
    session.answer(&all, || {
        let blocks: Vec<String> = all.iter().map(|processor| block(session, processor)).collect();
        blocks.join("\n")
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no processor's number"))
}

/// A processor's head, its registers, and which code it was in.
fn block(session: &Session, processor: &Processor) -> String {
    let mut out = format!("{HEAD}CPU {}{HEAD:#}", processor.cpu, HEAD = render::HEAD);
    if let (Some(pid), Some(comm)) = (processor.pid, &processor.comm) {
        let _ = write!(out, "  PID {pid}  {comm}");
    }
    out.push('\n');
    let width = processor.registers.iter().map(|register| register.name.len()).max().unwrap_or(0);
    for line in processor.registers.chunks(COLUMNS) {
        let cells = line.iter().map(|register| format!("{:>width$} {:016x}", register.name, register.value));
        let _ = writeln!(out, " {}", cells.collect::<Vec<_>>().join("  "));
    }
    let is_x86 = processor.registers.iter().any(|register| register.name == "rip");
    for register in processor.registers.iter().filter(|register| CODE.contains(&register.name)) {
        // There it is a register like others.
        if is_x86 && register.name != "rip" {
            continue;
        }
        if let Some((symbol, offset, module)) = session.kernel.symbol_at(VirtualAddress(register.value)) {
            let module = module.map_or_else(String::new, |module| format!(" [{module}]"));
            let _ = writeln!(out, " {:>width$} {}+{offset:#x}{module}", register.name, symbol.name);
        }
    }
    out
}

/// Selects the processor whose registers and per-CPU variables are meant.
pub(in crate::debug) fn cpu(session: &Session, text: &str) -> crate::Outcome {
    match text {
        "" => {}
        "-" => session.cpu.set(None),
        cpu => {
            let cpu = number(cpu)?;
            // A processor that there cannot be is an error now.
            session.kernel.per_cpu_offset(cpu)?;
            session.cpu.set(Some(cpu));
        }
    }
    let cpu = session.cpu.get();
    session.answer(&serde_json::json!({"cpu": cpu}), || match cpu {
        Some(cpu) => format!("per-CPU variables and registers are those of processor {cpu}\n"),
        None => "no processor is selected: cpu 1 selects one\n".to_owned(),
    })
}
