//! How a machine passes arguments, as far as BPF cares: which registers hold the first ones.

use crate::object::{Object, elf};

/// A calling convention.
#[derive(Debug, Clone, Copy)]
pub struct Abi {
    /// DWARF numbers of the argument registers, in order; empty where only their number is known.
    registers: &'static [u16],
    /// How many arguments are passed in registers.
    pub register_count: usize,
    /// Bytes of a register.
    pub word: u32,
    /// Is a 16-byte argument passed by reference, in one register?
    by_reference: bool,
    /// Are arguments of more than two registers copied to the stack, taking none?
    by_copy: bool,
}

impl Abi {
    /// The convention of the machine that `object` is for.
    pub fn of(object: &Object) -> Self {
        let word = u32::from(object.address_size());
        let (registers, register_count): (&[u16], usize) = match object.machine() {
            elf::EM_X86_64 => (&[5, 4, 1, 2, 8, 9], 6),
            elf::EM_S390 => (&[2, 3, 4, 5, 6], 5),
            elf::EM_AARCH64 | elf::EM_ARM => (&[0, 1, 2, 3, 4, 5, 6, 7], 8),
            elf::EM_SPARC | elf::EM_SPARCV9 => (&[], 6),
            elf::EM_MIPS
            | elf::EM_PPC
            | elf::EM_PPC64
            | elf::EM_RISCV
            | elf::EM_ARC
            | elf::EM_ARC_COMPACT2
            | elf::EM_LOONGARCH => (&[], 8),
            _ => (&[], 0),
        };
        let by_reference = object.machine() == elf::EM_S390;
        Self { registers, register_count, word, by_reference, by_copy: object.machine() == elf::EM_X86_64 }
    }

    /// The DWARF number of the register that argument slot `slot` is passed in.
    pub fn register(&self, slot: usize) -> Option<u16> {
        self.registers.get(slot).copied()
    }

    /// How many slots an argument of `size` bytes takes.
    pub fn slots(&self, size: u64) -> usize {
        let words = size.div_ceil(u64::from(self.word)).max(1);
        match words {
            _ if self.by_reference => 1,
            3.. => usize::from(!self.by_copy),
            words => words as usize,
        }
    }
}
