//! Targets of the debugger: a dump, and an expression over the kernel in the demo's dump.

use std::path::Path;
use std::sync::OnceLock;

use btfkit_kernel::show::{Limits, show};
use btfkit_kernel::{Kernel, Options, expression};
use btfkit_vmcore::{Dump, Memory, PhysicalAddress, VirtualAddress};

/// Where kernels are linked, on x86_64.
const TEXT: u64 = 0xffff_ffff_8000_0000;

/// Opens a dump in whatever container it is, and reads its memory by physical and by virtual address.
pub(crate) fn read_dump(input: &[u8]) -> bool {
    let Ok(dump) = Dump::from_bytes("input", input.to_vec()) else { return false };
    let _ = (dump.format(), dump.dump_level(), dump.machine(), dump.segments().len());
    let _ = (dump.registers().count(), dump.vmcoreinfo().map(|info| (info.release(), info.kernel_offset())));
    let mut page = [0; 4096];
    for number in (0..16).chain([1 << 20, u64::MAX >> 12]) {
        let _ = dump.read_physical(PhysicalAddress(number << 12), &mut page);
    }
    let memory = Memory::new(dump);
    for address in (0..9).map(|number| TEXT + number * 4096 - 8).chain([0, u64::MAX]) {
        let _ = memory.bytes(VirtualAddress(address), 16);
    }
    true
}

/// Evaluates an expression over a real kernel's memory, and shows what comes of it.
pub(crate) fn evaluate(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let kernel = kernel();
    let _ = expression::type_of_value(kernel, text);
    let Ok((values, _)) = expression::evaluate_partly(kernel, text) else { return false };
    let limits = Limits { depth: 1, elements: 4, ..Limits::default() };
    for value in values.iter().take(4) {
        let _ = (show(kernel, value, limits), value.to_number(kernel.memory()), value.ctype.declare("x"));
    }
    true
}

/// The kernel of the demo.
fn kernel() -> &'static Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    KERNEL.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo/crash.kdump");
        Kernel::new(Dump::open(&[path]).expect("the dump of the demo"), Options::default())
    })
}
