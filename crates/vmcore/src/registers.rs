//! Names of registers, by the order in which each machine's `NT_PRSTATUS` has them.
//!
//! The orders are those of the kernel's interface to user space: `struct user_regs_struct` of x86_64
//! (`asm/user_64.h`), `struct user_pt_regs` of arm64, `struct user_regs_struct` of riscv and `s390_regs` of s390
//! (`uapi/asm/ptrace.h` of each).

use crate::Machine;

const X86_64: [&str; 27] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
];
const AARCH64: [&str; 34] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
    "sp", "pc", "pstate",
];
const RISCV64: [&str; 32] = [
    "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];
/// The access registers have 32 bits each: two stand in 64.
const S390X: [&str; 35] = [
    "pswm", "pswa", "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15", "acr0", "acr1", "acr2", "acr3", "acr4", "acr5", "acr6", "acr7", "acr8", "acr9", "acr10",
    "acr11", "acr12", "acr13", "acr14", "acr15", "orig_r2",
];

/// The names of a machine's general registers, in the order of `NT_PRSTATUS`; none for machines that are not known.
pub fn register_names(machine: Machine) -> &'static [&'static str] {
    match machine {
        Machine::X86_64 => &X86_64,
        Machine::Aarch64 => &AARCH64,
        Machine::Riscv64 => &RISCV64,
        Machine::S390x => &S390X,
        Machine::Other(_) => &[],
    }
}

/// How many bytes a register takes in `NT_PRSTATUS`.
pub(crate) fn register_size(name: &str) -> usize {
    if name.starts_with("acr") { 4 } else { 8 }
}

/// The name in [`register_names`] of what people also call a register: `pc`, `sp` and `fp` of every machine, `lr`, `rflags`,
/// `cpsr`, and riscv's `x0` to `x31`. A name that is one of them already stays. `None` for what is no register.
pub fn register_name(machine: Machine, name: &str) -> Option<&'static str> {
    let names = register_names(machine);
    let find = |name: &str| names.iter().find(|known| **known == name).copied();
    let other = |name: &str| match (machine, name) {
        (Machine::X86_64, "pc" | "ip") => "rip",
        (Machine::X86_64, "sp") => "rsp",
        (Machine::X86_64, "fp") => "rbp",
        (Machine::X86_64, "rflags" | "flags") => "eflags",
        (Machine::Aarch64, "fp") => "x29",
        (Machine::Aarch64, "lr") => "x30",
        (Machine::Aarch64, "cpsr") => "pstate",
        (Machine::Riscv64, "fp") => "s0",
        (Machine::S390x, "pc") => "pswa",
        (Machine::S390x, "sp") => "r15",
        (Machine::S390x, "lr") => "r14",
        _ => "",
    };
    find(name).or_else(|| find(other(name))).or_else(|| {
        // By number: the order of the instruction set, in which x0 is always zero and no register of the note.
        let number: usize = name.strip_prefix('x').filter(|_| machine == Machine::Riscv64)?.parse().ok()?;
        const ORDER: [&str; 31] = [
            "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
            "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
        ];
        ORDER.get(number.checked_sub(1)?).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_names_that_people_give_them() {
        for (machine, name, expected) in [
            (Machine::X86_64, "pc", Some("rip")),
            (Machine::X86_64, "gs_base", Some("gs_base")),
            (Machine::X86_64, "x0", None),
            (Machine::Aarch64, "lr", Some("x30")),
            (Machine::Aarch64, "sp", Some("sp")),
            (Machine::Riscv64, "x1", Some("ra")),
            (Machine::Riscv64, "x31", Some("t6")),
            (Machine::Riscv64, "x0", None),
            (Machine::Riscv64, "x32", None),
            (Machine::S390x, "sp", Some("r15")),
            (Machine::S390x, "", None),
        ] {
            assert_eq!(register_name(machine, name), expected, "{machine} {name}");
        }
    }
}
