//! riscv64: Sv39, Sv48 and Sv57 (RISC-V privileged architecture, 12.4 to 12.6).

use super::{Mapping, Radix, ReadEntry, Step, is_sign_extended, swapper};
use crate::{Error, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

const VALID: u64 = 1;
/// Readable, writable or executable: a leaf.
const LEAF: u64 = 0b1110;
/// Svnapot: 64 KiB of pages in one.
const CONTIGUOUS: u64 = 1 << 63;

/// The shape of the tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) levels: u32,
}

pub(super) fn find(info: &VmcoreInfo) -> Result<(Tables, PhysicalAddress)> {
    let levels = match info.number("VA_BITS") {
        Some(39) => 3,
        Some(48) => 4,
        Some(57) => 5,
        _ => return Err(Error::NoPageTables { missing: "NUMBER(VA_BITS) of 39, 48 or 57" }),
    };
    let offset = match info.number("va_kernel_pa_offset") {
        Some(offset) => offset,
        // Before Linux 6.4: the link address and where memory begins.
        None => {
            let keys = (info.number("KERNEL_LINK_ADDR"), info.number("phys_ram_base"));
            let (Some(link), Some(base)) = keys else {
                return Err(Error::NoPageTables { missing: "NUMBER(va_kernel_pa_offset)" });
            };
            link.wrapping_sub(base)
        }
    };
    Ok((Tables { levels }, PhysicalAddress(swapper(info)?.0.wrapping_sub(offset))))
}

impl Tables {
    pub(super) fn translate(
        &self,
        entry: impl ReadEntry,
        root: PhysicalAddress,
        address: VirtualAddress,
    ) -> Result<Mapping> {
        let radix = Radix { page_shift: 12, address_bits: 12 + 9 * self.levels };
        if !is_sign_extended(address, radix.address_bits) {
            return Err(Error::NotMapped(address));
        }
        radix.walk(entry, root, address, |found, level| {
            let frame = (found >> 10 & 0xfff_ffff_ffff) << 12;
            match (found & VALID != 0, found & LEAF != 0) {
                (false, _) => None,
                (true, false) => Some(Step::Table(frame)),
                (true, true) if level == 0 && found & CONTIGUOUS != 0 => Some(Step::LeafOf(frame, 1 << 16)),
                (true, true) => Some(Step::Leaf(frame)),
            }
        })
    }
}
