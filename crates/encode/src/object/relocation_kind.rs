//! What the relocation types of each machine do to a field: those that compilers and assemblers put into debug
//! sections and into other data. Numbers and formulas are those of each processor's psABI supplement.

use ::object::elf::{self, RelocationType as Kind};

/// What a relocation does. S is the symbol's value, A the addend, P the place's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Nothing: a marker for the linker.
    None,
    /// Place = S + A, so many bytes wide.
    Absolute(u8),
    /// Place = S + A - P.
    Relative(u8),
    /// Place = the symbol's size + A.
    Size(u8),
    /// Place = Place + S + A.
    Add(u8),
    /// Place = Place - S - A.
    Subtract(u8),
    /// Low six bits of a byte: Place = S + A.
    SetSix,
    /// Low six bits of a byte: Place = Place + S + A.
    AddSix,
    /// Low six bits of a byte: Place = Place - S - A.
    SubtractSix,
    /// LEB128, its length kept: Place = S + A.
    SetLeb,
    /// LEB128, its length kept: Place = Place + S + A.
    AddLeb,
    /// LEB128, its length kept: Place = Place - S - A.
    SubtractLeb,
    /// Not one that is expected in data.
    Unknown,
}

use Operation::{
    Absolute, Add, AddLeb, AddSix, Relative, SetLeb, SetSix, Size, Subtract, SubtractLeb, SubtractSix,
    Unknown,
};

/// The operation of a machine's relocation type.
pub(crate) fn operation(machine: elf::Machine, kind: Kind) -> Operation {
    match machine {
        elf::EM_X86_64 => x86_64(kind),
        elf::EM_386 => i386(kind),
        elf::EM_AARCH64 => aarch64(kind),
        elf::EM_ARM => arm(kind),
        elf::EM_S390 => s390(kind),
        elf::EM_RISCV => riscv(kind),
        elf::EM_PPC64 => powerpc64(kind),
        elf::EM_PPC => powerpc(kind),
        elf::EM_MIPS => mips(kind),
        elf::EM_LOONGARCH => loongarch(kind),
        elf::EM_BPF => bpf(kind),
        _ => Unknown,
    }
}

fn x86_64(kind: Kind) -> Operation {
    match kind {
        elf::R_X86_64_NONE => Operation::None,
        elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64 => Absolute(8),
        elf::R_X86_64_32 | elf::R_X86_64_32S | elf::R_X86_64_DTPOFF32 => Absolute(4),
        elf::R_X86_64_16 => Absolute(2),
        elf::R_X86_64_8 => Absolute(1),
        elf::R_X86_64_PC64 => Relative(8),
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => Relative(4),
        elf::R_X86_64_PC16 => Relative(2),
        elf::R_X86_64_PC8 => Relative(1),
        elf::R_X86_64_SIZE32 => Size(4),
        elf::R_X86_64_SIZE64 => Size(8),
        _ => Unknown,
    }
}

fn i386(kind: Kind) -> Operation {
    match kind {
        elf::R_386_NONE => Operation::None,
        elf::R_386_32 | elf::R_386_TLS_LDO_32 | elf::R_386_TLS_DTPOFF32 => Absolute(4),
        elf::R_386_16 => Absolute(2),
        elf::R_386_8 => Absolute(1),
        elf::R_386_PC32 | elf::R_386_PLT32 => Relative(4),
        elf::R_386_PC16 => Relative(2),
        elf::R_386_PC8 => Relative(1),
        elf::R_386_SIZE32 => Size(4),
        _ => Unknown,
    }
}

fn aarch64(kind: Kind) -> Operation {
    match kind {
        // 256 is R_AARCH64_NONE of drafts, still written by old assemblers.
        elf::R_AARCH64_NONE | Kind(256) => Operation::None,
        elf::R_AARCH64_ABS64 | elf::R_AARCH64_TLS_DTPREL => Absolute(8),
        elf::R_AARCH64_ABS32 | elf::R_AARCH64_P32_ABS32 => Absolute(4),
        elf::R_AARCH64_ABS16 => Absolute(2),
        elf::R_AARCH64_PREL64 => Relative(8),
        elf::R_AARCH64_PREL32 | elf::R_AARCH64_PLT32 => Relative(4),
        elf::R_AARCH64_PREL16 => Relative(2),
        _ => Unknown,
    }
}

fn arm(kind: Kind) -> Operation {
    match kind {
        elf::R_ARM_NONE => Operation::None,
        elf::R_ARM_ABS32 | elf::R_ARM_TARGET1 | elf::R_ARM_TLS_LDO32 | elf::R_ARM_TLS_DTPOFF32 => Absolute(4),
        elf::R_ARM_ABS16 => Absolute(2),
        elf::R_ARM_ABS8 => Absolute(1),
        elf::R_ARM_REL32 => Relative(4),
        _ => Unknown,
    }
}

fn s390(kind: Kind) -> Operation {
    match kind {
        elf::R_390_NONE => Operation::None,
        elf::R_390_64 | elf::R_390_TLS_LDO64 => Absolute(8),
        elf::R_390_32 | elf::R_390_TLS_LDO32 => Absolute(4),
        elf::R_390_16 => Absolute(2),
        elf::R_390_8 => Absolute(1),
        elf::R_390_PC64 => Relative(8),
        elf::R_390_PC32 => Relative(4),
        elf::R_390_PC16 => Relative(2),
        _ => Unknown,
    }
}

fn riscv(kind: Kind) -> Operation {
    match kind {
        elf::R_RISCV_NONE | elf::R_RISCV_RELAX => Operation::None,
        elf::R_RISCV_64 | elf::R_RISCV_TLS_DTPREL64 => Absolute(8),
        elf::R_RISCV_32 | elf::R_RISCV_TLS_DTPREL32 | elf::R_RISCV_SET32 => Absolute(4),
        elf::R_RISCV_SET16 => Absolute(2),
        elf::R_RISCV_SET8 => Absolute(1),
        // R_RISCV_32_PCREL
        Kind(57) => Relative(4),
        elf::R_RISCV_ADD64 => Add(8),
        elf::R_RISCV_ADD32 => Add(4),
        elf::R_RISCV_ADD16 => Add(2),
        elf::R_RISCV_ADD8 => Add(1),
        elf::R_RISCV_SUB64 => Subtract(8),
        elf::R_RISCV_SUB32 => Subtract(4),
        elf::R_RISCV_SUB16 => Subtract(2),
        elf::R_RISCV_SUB8 => Subtract(1),
        elf::R_RISCV_SET6 => SetSix,
        elf::R_RISCV_SUB6 => SubtractSix,
        elf::R_RISCV_SET_ULEB128 => SetLeb,
        elf::R_RISCV_SUB_ULEB128 => SubtractLeb,
        _ => Unknown,
    }
}

fn powerpc64(kind: Kind) -> Operation {
    match kind {
        elf::R_PPC_NONE => Operation::None,
        // 117 is R_PPC64_ADDR64_LOCAL.
        elf::R_PPC64_ADDR64 | elf::R_PPC64_UADDR64 | elf::R_PPC64_DTPREL64 | Kind(117) => Absolute(8),
        elf::R_PPC_ADDR32 | elf::R_PPC_UADDR32 => Absolute(4),
        elf::R_PPC_ADDR16 | elf::R_PPC_UADDR16 => Absolute(2),
        elf::R_PPC64_REL64 => Relative(8),
        elf::R_PPC_REL32 => Relative(4),
        _ => Unknown,
    }
}

fn powerpc(kind: Kind) -> Operation {
    match kind {
        elf::R_PPC_NONE => Operation::None,
        elf::R_PPC_ADDR32 | elf::R_PPC_UADDR32 | elf::R_PPC_DTPREL32 => Absolute(4),
        elf::R_PPC_ADDR16 | elf::R_PPC_UADDR16 => Absolute(2),
        elf::R_PPC_REL32 => Relative(4),
        _ => Unknown,
    }
}

/// In 64-bit files the type field is three types in a row, of which data needs the first alone.
fn mips(kind: Kind) -> Operation {
    match kind {
        elf::R_MIPS_NONE => Operation::None,
        elf::R_MIPS_64 | elf::R_MIPS_TLS_DTPREL64 => Absolute(8),
        elf::R_MIPS_32 | elf::R_MIPS_TLS_DTPREL32 => Absolute(4),
        // R_MIPS_PC32
        Kind(248) => Relative(4),
        _ => Unknown,
    }
}

fn loongarch(kind: Kind) -> Operation {
    match kind {
        elf::R_LARCH_NONE | elf::R_LARCH_RELAX | elf::R_LARCH_MARK_LA | elf::R_LARCH_MARK_PCREL => {
            Operation::None
        }
        elf::R_LARCH_64 | elf::R_LARCH_TLS_DTPREL64 => Absolute(8),
        elf::R_LARCH_32 | elf::R_LARCH_TLS_DTPREL32 => Absolute(4),
        elf::R_LARCH_32_PCREL => Relative(4),
        elf::R_LARCH_64_PCREL => Relative(8),
        elf::R_LARCH_ADD64 => Add(8),
        elf::R_LARCH_ADD32 => Add(4),
        elf::R_LARCH_ADD24 => Add(3),
        elf::R_LARCH_ADD16 => Add(2),
        elf::R_LARCH_ADD8 => Add(1),
        elf::R_LARCH_SUB64 => Subtract(8),
        elf::R_LARCH_SUB32 => Subtract(4),
        elf::R_LARCH_SUB24 => Subtract(3),
        elf::R_LARCH_SUB16 => Subtract(2),
        elf::R_LARCH_SUB8 => Subtract(1),
        elf::R_LARCH_ADD6 => AddSix,
        elf::R_LARCH_SUB6 => SubtractSix,
        elf::R_LARCH_ADD_ULEB128 => AddLeb,
        elf::R_LARCH_SUB_ULEB128 => SubtractLeb,
        _ => Unknown,
    }
}

/// Types 2 to 4 are those of Documentation/bpf/llvm_reloc.rst.
fn bpf(kind: Kind) -> Operation {
    match kind {
        elf::R_BPF_NONE => Operation::None,
        Kind(2) => Absolute(8),
        Kind(3 | 4) => Absolute(4),
        _ => Unknown,
    }
}
