//! The machines that are emulated.

/// What a machine is, as its emulator is told.
#[derive(Debug)]
pub(crate) struct Hardware {
    pub(super) emulator: &'static str,
    pub(super) options: &'static [&'static str],
    /// The serial port, as the kernel calls it.
    pub(super) console: &'static str,
    /// Whether memory begins at physical address 0, so that a file of it is as long as it is.
    pub(crate) memory_begins_at_0: bool,
}

/// With all that the emulated processor can: page tables of 5 levels.
pub(crate) const PC: Hardware = pc(&["-cpu", "max", "-smp", "2,sockets=2", "-device", "vmcoreinfo"]);

/// With page tables of 4 levels.
pub(crate) const OLD_PC: Hardware = pc(&["-cpu", "qemu64", "-smp", "2,sockets=2", "-device", "vmcoreinfo"]);

const fn pc(options: &'static [&'static str]) -> Hardware {
    Hardware { emulator: "qemu-system-x86_64", options, console: "ttyS0", memory_begins_at_0: true }
}

pub(crate) const ARM: Hardware = Hardware {
    emulator: "qemu-system-aarch64",
    options: &["-M", "virt", "-cpu", "max", "-smp", "2", "-device", "vmcoreinfo"],
    console: "ttyAMA0",
    memory_begins_at_0: false,
};

/// Its emulator and the next one have no device for VMCOREINFO, which is found in memory.
pub(crate) const RISCV: Hardware = Hardware {
    emulator: "qemu-system-riscv64",
    options: &["-M", "virt", "-smp", "2"],
    console: "ttyS0",
    memory_begins_at_0: false,
};

pub(crate) const MAINFRAME: Hardware = Hardware {
    emulator: "qemu-system-s390x",
    options: &["-M", "s390-ccw-virtio", "-cpu", "max", "-smp", "2"],
    console: "ttysclp0",
    memory_begins_at_0: true,
};
