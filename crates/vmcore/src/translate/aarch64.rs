//! aarch64: pages of 4, 16 or 64 KiB, addresses of 36 to 52 bits (Arm ARM, D8; `Documentation/arch/arm64/memory.rst`).

use super::{Mapping, Radix, ReadEntry, Step, swapper};
use crate::{Error, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

/// The shape of the tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// 12, 14 or 16.
    pub(super) page_shift: u32,
    /// Bits of an address that are translated.
    pub(super) address_bits: u32,
    /// Bits that hold a pointer's signature.
    pub(super) signature_mask: u64,
}

pub(super) fn find(info: &VmcoreInfo) -> Result<(Tables, PhysicalAddress)> {
    let offset =
        info.number("kimage_voffset").ok_or(Error::NoPageTables { missing: "NUMBER(kimage_voffset)" })?;
    let page_shift = info.page_size().unwrap_or(4096).trailing_zeros();
    let configured = info.number("VA_BITS").ok_or(Error::NoPageTables { missing: "NUMBER(VA_BITS)" })?;
    // With 64 KiB pages the kernel's tables have room for all configured bits, also where the processor uses fewer.
    let t1sz =
        info.number("TCR_EL1_T1SZ").or_else(|| info.number("tcr_el1_t1sz")).filter(|_| page_shift != 16);
    let address_bits = t1sz.and_then(|size| 64u64.checked_sub(size)).unwrap_or(configured);
    if !(36..=52).contains(&address_bits) || !matches!(page_shift, 12 | 14 | 16) {
        return Err(Error::NoPageTables { missing: "possible NUMBER(VA_BITS) and PAGESIZE" });
    }
    let signature_mask = info.number("KERNELPACMASK").unwrap_or(0);
    let root = swapper(info)?.0.wrapping_sub(offset);
    Ok((Tables { page_shift, address_bits: address_bits as u32, signature_mask }, PhysicalAddress(root)))
}

impl Tables {
    fn radix(&self) -> Radix {
        Radix { page_shift: self.page_shift, address_bits: self.address_bits }
    }

    pub(super) fn levels(&self) -> u32 {
        self.radix().levels()
    }

    /// Bit 55 tells the kernel's half from the user's: the signature's bits become like it.
    pub(super) fn canonical(&self, address: VirtualAddress) -> VirtualAddress {
        let kernel = address.0 >> 55 & 1 != 0;
        VirtualAddress(if kernel {
            address.0 | self.signature_mask
        } else {
            address.0 & !self.signature_mask
        })
    }

    pub(super) fn translate(
        &self,
        entry: impl ReadEntry,
        root: PhysicalAddress,
        address: VirtualAddress,
    ) -> Result<Mapping> {
        let upper = u64::MAX << self.address_bits;
        if address.0 & upper != upper && address.0 & upper != 0 {
            return Err(Error::NotMapped(address));
        }
        self.radix().walk(entry, root, address, |found, level| match (found & 3, level) {
            (3, 0) | (1, 1..) => Some(Step::Leaf(self.frame(found))),
            (3, _) => Some(Step::Table(self.frame(found))),
            _ => None,
        })
    }

    /// The physical address in an entry. Of 52 bits, those that have no room in their place are elsewhere.
    fn frame(&self, entry: u64) -> u64 {
        let low = u64::MAX << self.page_shift;
        if self.page_shift == 16 {
            return entry & 0x0000_ffff_ffff_0000 | (entry >> 12 & 0xf) << 48;
        }
        if self.address_bits == 52 {
            return entry & 0x0003_ffff_ffff_f000 & low | (entry >> 8 & 3) << 50;
        }
        entry & 0x0000_ffff_ffff_f000 & low
    }
}
