//! Targets of the debugger: a dump, an expression over the kernel in the demo's dump, and a kernel's symbol table.

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

/// Bytes of a page.
const PAGE: usize = 4096;
/// Pages that one table of pages maps.
const MOST_PAGES: usize = 512;

/// Reads the symbols of a machine whose kernel is this input: eight 16-bit numbers, and what lies at `_stext`. The first number
/// is what VMCOREINFO says: bit 0, where kallsyms is; bit 1, that addresses are absolute; bit 2, that there is a base. The
/// others are where count, names, tokens, their index, addresses and base are, in units of 8 bytes.
pub(crate) fn read_symbols(input: &[u8]) -> bool {
    let Some((numbers, image)) = input.split_at_checked(16) else { return false };
    let number = |index: usize| u64::from(u16::from_le_bytes([numbers[index * 2], numbers[index * 2 + 1]]));
    let flags = number(0);
    let mut info = format!(
        "OSRELEASE=6.12.0\nPAGESIZE={PAGE}\nSYMBOL(_stext)={TEXT:x}\nSYMBOL(swapper_pg_dir)={:x}\n\
         NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n",
        TEXT + PAGE as u64
    );
    let addresses = if flags & 2 == 0 { "kallsyms_offsets" } else { "kallsyms_addresses" };
    let names =
        ["kallsyms_num_syms", "kallsyms_names", "kallsyms_token_table", "kallsyms_token_index", addresses];
    let base = (flags & 4 != 0).then_some("kallsyms_relative_base");
    for (index, name) in names.into_iter().chain(base).enumerate().filter(|_| flags & 1 != 0) {
        info.push_str(&format!("SYMBOL({name})={:x}\n", TEXT + number(index + 1) * 8));
    }
    let table = |index: usize, entries: &mut dyn Iterator<Item = u64>| {
        let mut page = vec![0; PAGE];
        for (place, frame) in page[index * 8..].chunks_exact_mut(8).zip(entries) {
            place.copy_from_slice(&((frame * PAGE as u64) | 0x63).to_le_bytes());
        }
        page
    };
    let mut memory = info.into_bytes();
    memory.resize(PAGE, 0);
    for (index, frame) in [(511, 2), (510, 3), (0, 4)] {
        memory.extend(table(index, &mut std::iter::once(frame)));
    }
    let pages = image.len().div_ceil(PAGE).min(MOST_PAGES);
    memory.extend(table(0, &mut (5..).take(pages)));
    memory.extend_from_slice(&image[..image.len().min(MOST_PAGES * PAGE)]);
    memory.resize(memory.len().next_multiple_of(PAGE), 0);
    let Ok(dump) = Dump::from_bytes("input", memory) else { return false };
    let kernel = Kernel::new(dump, Options::default());
    let Ok(symbols) = kernel.symbols() else { return false };
    let text = VirtualAddress(TEXT);
    assert!(
        symbols.find("_stext").is_some_and(|symbol| symbol.address == text),
        "by which it was recognised"
    );
    assert!(symbols.at(text).is_some(), "it has a place");
    for symbol in symbols.iter() {
        let _ = (symbols.at(symbol.address), kernel.symbol_at(symbol.address));
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
