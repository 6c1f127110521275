//! s390x: regions, segments and pages (z/Architecture Principles of Operation, chapter 3, dynamic address translation).

use super::{Mapping, ReadEntry, leaf, swapper};
use crate::{ByteOrder, Dump, Error, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

/// In an entry of a region or segment table.
const INVALID: u64 = 0x20;
/// In an entry of a page table.
const INVALID_PAGE: u64 = 0x400;
/// In an entry of a region-third or segment table: a leaf.
const LARGE: u64 = 0x400;
/// Kind of table that a region's entry is in: 3 region-first, 2 region-second, 1 region-third, 0 segment.
const KIND: u64 = 0xc;

/// The shape of the tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// 5 with region-first tables on top, 4 with region-second, 3 with region-third, 2 with segment tables.
    pub(super) levels: u32,
}

pub(super) fn find(dump: &Dump, info: &VmcoreInfo) -> Result<(Tables, PhysicalAddress)> {
    let root = swapper(info)?.0;
    // Before Linux 6.10 the kernel's image had the same virtual and physical addresses.
    let root = match info.get("KERNELOFFPHYS").and_then(|text| u64::from_str_radix(text.trim(), 16).ok()) {
        Some(physical) => root.wrapping_sub(info.kernel_offset().unwrap_or(0)).wrapping_add(physical),
        None => root,
    };
    let mut entry = [0; 8];
    dump.read_physical(PhysicalAddress(root), &mut entry)?;
    let levels = 2 + ((ByteOrder::Big.u64(&entry, 0) & KIND) >> 2) as u32;
    Ok((Tables { levels }, PhysicalAddress(root)))
}

impl Tables {
    pub(super) fn translate(
        &self,
        entry: impl ReadEntry,
        root: PhysicalAddress,
        address: VirtualAddress,
    ) -> Result<Mapping> {
        // Tables above the page's have 2,048 entries from bit 20 on.
        let top = 20 + 11 * (self.levels - 1);
        if top < 64 && address.0 >> top != 0 {
            return Err(Error::NotMapped(address));
        }
        let mut table = root;
        for level in (1..self.levels).rev() {
            let shift = 20 + 11 * (level - 1);
            let found = entry(table, address.0 >> shift & 0x7ff, ByteOrder::Big)?;
            if found & INVALID != 0 {
                return Err(Error::NotMapped(address));
            }
            if level <= 2 && found & LARGE != 0 {
                return Ok(leaf(address, found, 1 << shift));
            }
            // Tables of regions and segments are 4 KiB aligned, those of pages 2 KiB.
            let origin = if level == 1 { !0x7ff } else { !0xfff };
            table = PhysicalAddress(found & origin);
        }
        let found = entry(table, address.0 >> 12 & 0xff, ByteOrder::Big)?;
        if found & INVALID_PAGE != 0 {
            return Err(Error::NotMapped(address));
        }
        Ok(leaf(address, found, 4096))
    }
}
