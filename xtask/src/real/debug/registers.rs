//! Registers of each processor, as `regs` shows them and as expressions have them.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::Case;
use super::session::hexadecimal;

#[derive(Debug, Deserialize)]
struct Processor {
    cpu: u64,
    registers: Vec<Register>,
}

#[derive(Debug, Deserialize)]
struct Register {
    name: String,
    value: String,
}

/// Every register that drgn knows too has its value, of every processor.
pub(super) fn check(case: &Case) -> Result<String> {
    let theirs = &case.oracle.registers;
    ensure!(theirs.len() > 1, "drgn has the registers of {} processors", theirs.len());
    let mut lines = vec!["regs".to_owned()];
    let written = |name: &str, cpu: u64| format!("${name}@{cpu}");
    for processor in theirs {
        lines.extend(processor.registers.keys().map(|name| format!("p/x {}", written(name, processor.cpu))));
    }
    let answers = case.session().run(&lines)?;
    let [regs] = &answers.others[..] else {
        bail!("regs has {} answers: {}", answers.others.len(), answers.errors.join("; "));
    };
    let ours: Vec<Processor> = serde_json::from_value(regs.clone()).context("regs")?;
    ensure!(ours.len() == theirs.len(), "regs has {} processors, drgn {}", ours.len(), theirs.len());
    let mut compared = 0;
    for (ours, theirs) in ours.iter().zip(theirs) {
        ensure!(ours.cpu == theirs.cpu, "processor {} comes where drgn has {}", ours.cpu, theirs.cpu);
        for (name, value) in &theirs.registers {
            let text = written(name, ours.cpu);
            let answer = answers.address(&text);
            ensure!(answer == Some(*value), "{text} is {answer:x?}, drgn has {value:#x}");
            // drgn has names of its own for a few.
            if let Some(shown) = ours.registers.iter().find(|register| register.name == *name) {
                ensure!(hexadecimal(&shown.value) == Some(*value), "regs has {shown:?}, drgn {value:#x}");
                compared += 1;
            }
        }
    }
    ensure!(compared > 40, "only {compared} registers were compared");
    Ok(format!("{compared} registers of {} processors", theirs.len()))
}
