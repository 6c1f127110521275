//! Registers of the processors: from the dump's notes, or from where the kernel itself puts them when it crashes.
//!
//! Notes do not say whose they are. The kernel's own copy of each, `crash_notes`, is a per-CPU variable, and tells: a note
//! with the same content is that processor's. Where the kernel has not written any (QEMU's dumps, those of hypervisors) all
//! processors have a note, and they come in their order; so do notes that no copy is the same as, among the processors that
//! are left.

use std::collections::HashSet;

use btfkit_vmcore::{PrStatus, VirtualAddress, register_name, register_names};

use crate::error::{Error, Result};
use crate::{Kernel, expression};

/// The registers of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Whose they are.
    pub cpu: u64,
    /// Names and values, in the order of the machine's `NT_PRSTATUS`.
    pub values: Vec<(&'static str, u64)>,
}

/// Bytes of a note before its content: three words, and the name `CORE` in 8 bytes.
const NOTE_HEADER: u64 = 20;
/// Bytes of a 64-bit machine's longest `struct elf_prstatus`: that of arm64 has 392.
const CONTENT: usize = 512;
/// More processors than a kernel can be built for.
const MOST: u64 = 8192;

impl Registers {
    /// The value of a register, by any of its names.
    pub fn get(&self, kernel: &Kernel, name: &str) -> Option<u64> {
        let name = register_name(kernel.memory().dump().machine(), name)?;
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// The registers of all processors whose are known, in the order of their numbers.
///
/// # Errors
/// The dump has no registers, or the kernel is running.
pub fn registers(kernel: &Kernel) -> Result<Vec<Registers>> {
    let dump = kernel.memory().dump();
    if dump.is_live() {
        return Err(Error::NoRegisters { reason: "the kernel is running" });
    }
    let names = register_names(dump.machine());
    if names.is_empty() {
        return Err(Error::NoRegisters { reason: "their names are not known for this machine" });
    }
    let own = of_the_kernel(kernel);
    let notes: Vec<PrStatus> = dump.registers().collect();
    let found = if notes.is_empty() { own } else { assigned(notes, own) };
    kernel.memory().check_interrupt().map_err(crate::error::of("registers"))?;
    if found.is_empty() {
        return Err(Error::NoRegisters { reason: "the dump has no notes of them" });
    }
    let named = |(cpu, status): (u64, PrStatus)| Registers {
        cpu,
        values: names.iter().copied().zip(status.registers).collect(),
    };
    Ok(found.into_iter().map(named).collect())
}

/// Whose each note is, by the kernel's own copies, in the order of the processors.
fn assigned(notes: Vec<PrStatus>, mut own: Vec<(u64, PrStatus)>) -> Vec<(u64, PrStatus)> {
    let mut of = |note: &PrStatus| {
        let at = own.iter().position(|(_, own)| own == note)?;
        Some(own.remove(at).0)
    };
    let known: Vec<Option<u64>> = notes.iter().map(&mut of).collect();
    let taken: HashSet<u64> = known.iter().copied().flatten().collect();
    let mut free = (0..).filter(|cpu| !taken.contains(cpu));
    let cpus = known.into_iter().map(|cpu| cpu.or_else(|| free.next()));
    let mut found: Vec<_> = cpus.zip(notes).filter_map(|(cpu, note)| Some((cpu?, note))).collect();
    found.sort_by_key(|(cpu, _)| *cpu);
    found
}

/// What the kernel wrote into `crash_notes` of each processor.
fn of_the_kernel(kernel: &Kernel) -> Vec<(u64, PrStatus)> {
    let memory = kernel.memory();
    let order = memory.byte_order();
    let Some(place) = kernel.symbols().ok().and_then(|symbols| symbols.find("crash_notes")) else {
        return Vec::new();
    };
    let Ok(notes) = memory.pointer(place.address) else { return Vec::new() };
    let of = |cpu: u64| {
        let offset = kernel.per_cpu_offset(cpu).ok()?;
        let note = notes.0.wrapping_add(offset);
        let header = memory.bytes(VirtualAddress(note), NOTE_HEADER as usize).ok()?;
        let (length, kind) = (order.u32(&header, 4) as usize, order.u32(&header, 8));
        // NT_PRSTATUS.
        if kind != 1 || !header[12..].starts_with(b"CORE\0") || length > CONTENT {
            return None;
        }
        let content = memory.bytes(VirtualAddress(note.wrapping_add(NOTE_HEADER)), length).ok()?;
        Some((cpu, PrStatus::parse(&content, memory.dump().machine(), order)?))
    };
    (0..kernel.processors().min(MOST)).filter_map(of).collect()
}

/// The processor that panicked, or else the first.
pub(crate) fn default_processor(kernel: &Kernel) -> u64 {
    let number = |text: &str| {
        let value = expression::evaluate(kernel, text).ok()?.pop()?;
        u64::try_from(value.to_number(kernel.memory()).ok()?).ok()
    };
    number("panic_cpu.counter").or_else(|| number("crashing_cpu")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose the notes are, each known by its process: those of the dump, and the kernel's copies by processor.
    fn pids(notes: &[u32], own: &[(u64, u32)]) -> Vec<(u64, u32)> {
        let status = |pid: u32| PrStatus { pid, registers: vec![7] };
        let notes = notes.iter().map(|pid| status(*pid)).collect();
        let own = own.iter().map(|(cpu, pid)| (*cpu, status(*pid))).collect();
        assigned(notes, own).into_iter().map(|(cpu, note)| (cpu, note.pid)).collect()
    }

    #[test]
    fn each_note_is_one_processors_and_none_is_lost() {
        assert_eq!(pids(&[10, 20], &[]), [(0, 10), (1, 20)]);
        assert_eq!(pids(&[10, 20], &[(0, 20), (3, 10)]), [(0, 20), (3, 10)]);
        // Idle ones are alike.
        assert_eq!(pids(&[0, 0, 10], &[(0, 10), (1, 0), (2, 0)]), [(0, 10), (1, 0), (2, 0)]);
        assert_eq!(pids(&[0, 0], &[(0, 0)]), [(0, 0), (1, 0)]);
        // What the kernel did not write down.
        assert_eq!(pids(&[10, 20, 30], &[(0, 20)]), [(0, 20), (1, 10), (2, 30)]);
    }
}
