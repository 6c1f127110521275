//! x86_64: four or five levels of 512 entries (Intel SDM volume 3, 4.5).

use super::{Mapping, ReadEntry, is_sign_extended, leaf, swapper};
use crate::{ByteOrder, Dump, Error, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

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
        if !is_sign_extended(address, 12 + 9 * self.levels) {
            return Err(Error::NotMapped(address));
        }
        let mut table = root;
        for level in (0..self.levels).rev() {
            let shift = 12 + 9 * level;
            let found = entry(table, address.0 >> shift & 511, ByteOrder::Little)?;
            if found & PRESENT == 0 {
                return Err(Error::NotMapped(address));
            }
            let frame = found & FRAME & !self.encryption_mask;
            if level == 0 || (level <= 2 && found & LARGE != 0) {
                return Ok(leaf(address, frame, 1 << shift));
            }
            table = PhysicalAddress(frame);
        }
        Err(Error::NotMapped(address))
    }
}
