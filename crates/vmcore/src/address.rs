//! Typed numbers: addresses, machines, byte order.

use std::fmt;

/// An address of the machine's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PhysicalAddress(pub u64);

/// An address as the kernel's code uses it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct VirtualAddress(pub u64);

impl fmt::Display for PhysicalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "physical address {:#x}", self.0)
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Order of the bytes of the dumped machine's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// A 16-bit number at `offset`; 0 beyond the end.
    pub fn u16(self, bytes: &[u8], offset: usize) -> u16 {
        let Some(&bytes) = bytes.get(offset..).and_then(<[u8]>::first_chunk::<2>) else { return 0 };
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// A 32-bit number at `offset`; 0 beyond the end.
    pub fn u32(self, bytes: &[u8], offset: usize) -> u32 {
        let Some(&bytes) = bytes.get(offset..).and_then(<[u8]>::first_chunk::<4>) else { return 0 };
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// A 64-bit number at `offset`; 0 beyond the end.
    pub fn u64(self, bytes: &[u8], offset: usize) -> u64 {
        let Some(&bytes) = bytes.get(offset..).and_then(<[u8]>::first_chunk::<8>) else { return 0 };
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// The processor architecture of the dumped machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// x86, 64 bits.
    X86_64,
    /// Arm, 64 bits.
    Aarch64,
    /// RISC-V, 64 bits.
    Riscv64,
    /// IBM Z, 64 bits, big-endian.
    S390x,
    /// Another one, by its number in ELF headers (`e_machine`); 0 when nothing tells.
    Other(u16),
}

impl Machine {
    /// The machine with this number in ELF headers.
    pub const fn from_elf(number: u16) -> Self {
        match number {
            62 => Self::X86_64,
            183 => Self::Aarch64,
            243 => Self::Riscv64,
            22 => Self::S390x,
            other => Self::Other(other),
        }
    }

    /// The machine that `uname -m` calls so.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"x86_64" => Self::X86_64,
            b"aarch64" => Self::Aarch64,
            b"riscv64" => Self::Riscv64,
            b"s390x" => Self::S390x,
            _ => return None,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86_64 => f.pad("x86_64"),
            Self::Aarch64 => f.pad("aarch64"),
            Self::Riscv64 => f.pad("riscv64"),
            Self::S390x => f.pad("s390x"),
            Self::Other(0) => f.pad("an unknown machine"),
            Self::Other(number) => write!(f, "ELF machine {number}"),
        }
    }
}
