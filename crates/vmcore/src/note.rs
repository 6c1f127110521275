//! ELF notes: what the dumper wrote beside the memory.

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
    /// The general registers, in the order of the machine's `struct pt_regs` or `user_regs_struct`, 64 bits each.
    pub registers: Vec<u64>,
}

/// `NT_PRSTATUS`.
const PRSTATUS: u32 = 1;
/// Offset in bytes of `pr_pid` in a 64-bit `struct elf_prstatus`.
const PRSTATUS_PID: usize = 32;
/// Offset in bytes of `pr_reg` in a 64-bit `struct elf_prstatus`.
const PRSTATUS_REGISTERS: usize = 112;

/// Reads notes one after the other, each part aligned to 4 bytes, as far as they go.
pub(crate) fn parse(mut bytes: &[u8], order: ByteOrder) -> Vec<Note> {
    let mut notes = Vec::new();
    while bytes.len() >= 12 {
        let word = |index: usize| order.u32(bytes, index * 4) as usize;
        let (name_length, length, kind) = (word(0), word(1), word(2) as u32);
        let name_end = 12 + name_length.saturating_add(3) / 4 * 4;
        let Some(end) = name_end.checked_add(length) else { break };
        let (Some(name), Some(content)) = (bytes.get(12..12 + name_length), bytes.get(name_end..end)) else {
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

/// `NT_TASKSTRUCT`: the reader's own task. Only `/proc/kcore` has this note, on every machine (`fs/proc/kcore.c`).
const TASKSTRUCT: u32 = 4;

impl Note {
    /// Whether a file with this note is `/proc/kcore`.
    pub(crate) fn is_of_kcore(&self) -> bool {
        self.name == b"CORE" && self.kind == TASKSTRUCT
    }

    /// The registers in this note, if it is one of a processor's registers.
    pub fn prstatus(&self, machine: Machine, order: ByteOrder) -> Option<PrStatus> {
        if self.name != b"CORE" || self.kind != PRSTATUS {
            return None;
        }
        let count = match machine {
            Machine::X86_64 => 27,
            Machine::Aarch64 => 34,
            Machine::Riscv64 => 32,
            Machine::S390x => 27,
            Machine::Other(_) => return None,
        };
        let bytes = self.content.get(PRSTATUS_REGISTERS..PRSTATUS_REGISTERS + count * 8)?;
        Some(PrStatus {
            pid: order.u32(&self.content, PRSTATUS_PID),
            registers: (0..count).map(|index| order.u64(bytes, index * 8)).collect(),
        })
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
    fn notes_are_read_in_either_byte_order_and_as_far_as_they_go() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let mut bytes = note(order, b"VMCOREINFO\0", 0, b"OSRELEASE=6.12\n");
            bytes.extend([0; 12]);
            bytes.extend(note(order, b"CORE\0", 1, &[7; 336]));
            let notes = parse(&bytes, order);
            assert_eq!(notes.len(), 2);
            assert_eq!(notes[0].content, b"OSRELEASE=6.12\n");
            assert_eq!(notes[1].prstatus(Machine::X86_64, order).unwrap().pid, 0x0707_0707);
            assert_eq!(notes[0].prstatus(Machine::X86_64, order), None);
            for length in 0..bytes.len() {
                assert!(parse(&bytes[..length], order).len() <= 2);
            }
        }
    }
}
