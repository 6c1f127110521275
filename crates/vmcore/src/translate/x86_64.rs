//! x86_64: four or five levels of 512 entries (Intel SDM volume 3, 4.5).

use super::{Mapping, Radix, ReadEntry, Step, is_sign_extended, swapper};
use crate::{Dump, Error, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

/// Where the kernel's image is mapped when it has not been moved (`__START_KERNEL_map`).
const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const PRESENT: u64 = 1;
/// In an entry above the last level: it is a leaf.
const LARGE: u64 = 1 << 7;
/// Bits 12 to 51.
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// The shape of the tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) levels: u32,
    /// The bit by which AMD's processors mark encrypted pages (`sme_mask`), or 0.
    pub(super) encryption_mask: u64,
}

pub(super) fn find(dump: &Dump, info: &VmcoreInfo) -> Result<(Tables, PhysicalAddress)> {
    let symbols = ["swapper_pg_dir", "init_top_pgt", "init_level4_pgt"];
    let root = symbols.iter().find_map(|name| info.symbol(name)).map_or_else(|| swapper(info), Ok)?;
    let phys_base = info
        .number("phys_base")
        .or(dump.phys_base())
        .ok_or(Error::NoPageTables { missing: "NUMBER(phys_base)" })?;
    let tables = Tables {
        levels: if info.number("pgtable_l5_enabled").is_some_and(|enabled| enabled != 0) { 5 } else { 4 },
        encryption_mask: info.number("sme_mask").unwrap_or(0),
    };
    let root = root.0.wrapping_sub(KERNEL_MAP).wrapping_add(phys_base);
    Ok((tables, PhysicalAddress(root)))
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
            let frame = found & FRAME & !self.encryption_mask;
            match found & PRESENT != 0 {
                false => None,
                true if level == 0 || (level <= 2 && found & LARGE != 0) => Some(Step::Leaf(frame)),
                true => Some(Step::Table(frame)),
            }
        })
    }
}
