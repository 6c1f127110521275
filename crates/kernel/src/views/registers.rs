//! Registers of the processors, and what each ran.

use super::{Result, number, text};
use crate::registers::registers as all;
use crate::{Kernel, expression};

/// The registers of a processor.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Processor {
    /// Its number.
    pub cpu: u64,
    /// The task that it ran, if that can be read.
    pub pid: Option<i32>,
    /// The task's name.
    pub comm: Option<String>,
    /// Names and values, in the order of the machine's `NT_PRSTATUS`.
    pub registers: Vec<Register>,
}

/// A register.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Register {
    /// Its name, as expressions have it behind `$`.
    pub name: &'static str,
    /// What was in it.
    #[serde(serialize_with = "hexadecimal")]
    pub value: u64,
}

fn hexadecimal<S: serde::Serializer>(value: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

/// The registers of all processors whose are in the dump.
///
/// # Errors
/// The dump has no registers, or the kernel is running.
pub fn registers(kernel: &Kernel) -> Result<Vec<Processor>> {
    let processor = |of: crate::registers::Registers| {
        let task = expression::evaluate(kernel, &format!("*per_cpu(runqueues, {}).curr", of.cpu));
        let task = task.ok().and_then(|mut task| task.pop());
        let pid = task.as_ref().and_then(|task| number(kernel, task, "pid").ok());
        Processor {
            cpu: of.cpu,
            pid: pid.map(|pid| pid as i32),
            comm: task.as_ref().and_then(|task| text(kernel, task, "comm").ok()),
            registers: of.values.into_iter().map(|(name, value)| Register { name, value }).collect(),
        }
    };
    Ok(all(kernel)?.into_iter().map(processor).collect())
}
