//! ELF notes: what the dumper wrote beside the memory.

use crate::registers::{register_names, register_size};
use crate::{ByteOrder, Machine};

/// A note of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who defines its type: `CORE`, `VMCOREINFO`, `QEMU`, …
    pub name: Vec<u8>,
    /// Its type, in terms of `name`.
    pub kind: u32,
    /// Its content.
    pub content: Vec<u8>,
}

/// Registers of a processor at the time of the dump (`NT_PRSTATUS`, `struct elf_prstatus`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrStatus {
    /// The task that ran, or, in dumps that QEMU writes, the number of the processor plus one.
    pub pid: u32,
    /// The general registers, in the order of [`register_names`].
    pub registers: Vec<u64>,
}

impl PrStatus {
    /// The registers of the content of such a note.
    pub fn parse(content: &[u8], machine: Machine, order: ByteOrder) -> Option<Self> {
        let names = register_names(machine);
        let mut at = PRSTATUS_REGISTERS;
        let mut registers = Vec::with_capacity(names.len());
        for name in names {
            let size = register_size(name);
            let bytes = content.get(at..at + size)?;
            registers.push(if size == 4 { u64::from(order.u32(bytes, 0)) } else { order.u64(bytes, 0) });
            at += size;
        }
        let pid = order.u32(content.get(PRSTATUS_PID..PRSTATUS_PID + 4)?, 0);
        (!registers.is_empty()).then_some(Self { pid, registers })
    }
}

/// `NT_PRSTATUS`.
const PRSTATUS: u32 = 1;
/// Offset in bytes of `pr_pid` in a 64-bit `struct elf_prstatus`.
const PRSTATUS_PID: usize = 32;
/// Offset in bytes of `pr_reg` in a 64-bit `struct elf_prstatus`.
const PRSTATUS_REGISTERS: usize = 112;

/// `NT_TASKSTRUCT`: the reader's own task. Only `/proc/kcore` has this note, on every machine (`fs/proc/kcore.c`).
const TASKSTRUCT: u32 = 4;

impl Note {
    /// Reads notes one after the other, each part aligned to 4 bytes, as far as they go.
    pub fn parse(mut bytes: &[u8], order: ByteOrder) -> Vec<Self> {
        let mut notes = Vec::new();
        while bytes.len() >= 12 {
            let word = |index: usize| order.u32(bytes, index * 4) as usize;
            let (name_length, length, kind) = (word(0), word(1), word(2) as u32);
            let name_end = 12 + name_length.saturating_add(3) / 4 * 4;
            let Some(end) = name_end.checked_add(length) else { break };
            let (Some(name), Some(content)) = (bytes.get(12..12 + name_length), bytes.get(name_end..end))
            else {
                break;
            };
            // Unused slots of processors are all zero.
            if name_length != 0 || length != 0 || kind != 0 {
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                notes.push(Note { name: name.to_vec(), kind, content: content.to_vec() });
            }
            bytes = &bytes[end.saturating_add(3).wrapping_div(4).saturating_mul(4).min(bytes.len())..];
        }
        notes
    }

    /// Whether a file with this note is `/proc/kcore`.
    pub(crate) fn is_of_kcore(&self) -> bool {
        self.name == b"CORE" && self.kind == TASKSTRUCT
    }

    /// The registers in this note, if it is one of a processor's registers.
    pub fn prstatus(&self, machine: Machine, order: ByteOrder) -> Option<PrStatus> {
        if self.name != b"CORE" || self.kind != PRSTATUS {
            return None;
        }
        PrStatus::parse(&self.content, machine, order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(order: ByteOrder, name: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [name.len() as u32, content.len() as u32, kind] {
            bytes.extend(match order {
                ByteOrder::Little => word.to_le_bytes(),
                ByteOrder::Big => word.to_be_bytes(),
            });
        }
        for part in [name, content] {
            bytes.extend_from_slice(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn registers_stand_one_behind_the_other_and_two_access_registers_in_one_place() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let mut content = vec![0; PRSTATUS_REGISTERS];
            let mut put = |word: u32| match order {
                ByteOrder::Little => content.extend(word.to_le_bytes()),
                ByteOrder::Big => content.extend(word.to_be_bytes()),
            };
            // s390x: the status word's two halves and 16 registers, 64 bits each; 16 of 32 bits; one of 64.
            (0..36).for_each(&mut put);
            (100..116).for_each(&mut put);
            (200..202).for_each(&mut put);
            let status = PrStatus::parse(&content, Machine::S390x, order).unwrap();
            let value = |name| {
                status.registers[register_names(Machine::S390x).iter().position(|it| *it == name).unwrap()]
            };
            assert_eq!((value("acr0"), value("acr1"), value("acr15")), (100, 101, 115));
            let long = |first: u64| {
                if order == ByteOrder::Big { first << 32 | (first + 1) } else { (first + 1) << 32 | first }
            };
            assert_eq!((value("pswm"), value("r15"), value("orig_r2")), (long(0), long(34), long(200)));
            assert_eq!(PrStatus::parse(&content[1..], Machine::S390x, order), None);
        }
    }

    #[test]
    fn notes_are_read_in_either_byte_order_and_as_far_as_they_go() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let mut bytes = note(order, b"VMCOREINFO\0", 0, b"OSRELEASE=6.12\n");
            bytes.extend([0; 12]);
            bytes.extend(note(order, b"CORE\0", 1, &[7; 336]));
            let notes = Note::parse(&bytes, order);
            assert_eq!(notes.len(), 2);
            assert_eq!(notes[0].content, b"OSRELEASE=6.12\n");
            assert_eq!(notes[1].prstatus(Machine::X86_64, order).unwrap().pid, 0x0707_0707);
            assert_eq!(notes[0].prstatus(Machine::X86_64, order), None);
            assert_eq!(notes[1].prstatus(Machine::Aarch64, order), None, "x86_64's note is shorter");
            for length in 0..bytes.len() {
                assert!(Note::parse(&bytes[..length], order).len() <= 2);
            }
        }
    }
}
