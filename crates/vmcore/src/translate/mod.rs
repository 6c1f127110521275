//! The kernel's page tables. They are walked level by level, never by following what they hold: no table, however broken,
//! makes a walk longer than its levels.

mod aarch64;
mod riscv64;
mod s390x;
mod x86_64;

use std::cell::Cell;

use crate::{ByteOrder, Dump, Error, Machine, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

/// The page tables of a dumped kernel.
#[derive(Clone, Debug)]
pub struct PageTables {
    tables: Tables,
    root: PhysicalAddress,
}

#[derive(Clone, Debug)]
enum Tables {
    X86_64(x86_64::Tables),
    Aarch64(aarch64::Tables),
    Riscv64(riscv64::Tables),
    S390x(s390x::Tables),
}

/// A piece of virtual memory that lies in one piece of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mapping {
    /// Its first address.
    pub start: VirtualAddress,
    /// Where that is.
    pub physical: PhysicalAddress,
    /// Its size in bytes: that of a page, or of a larger leaf.
    pub size: u64,
}

impl PageTables {
    /// Finds the kernel's page tables by what VMCOREINFO says.
    ///
    /// # Errors
    /// VMCOREINFO is missing or lacks a key, or the machine is not known.
    pub fn find(dump: &Dump) -> Result<Self> {
        let info = dump.vmcoreinfo().ok_or(Error::NoPageTables { missing: "lines at all" })?;
        let (tables, root) = match dump.machine() {
            Machine::X86_64 => {
                x86_64::find(dump, info).map(|(tables, root)| (Tables::X86_64(tables), root))?
            }
            Machine::Aarch64 => aarch64::find(info).map(|(tables, root)| (Tables::Aarch64(tables), root))?,
            Machine::Riscv64 => riscv64::find(info).map(|(tables, root)| (Tables::Riscv64(tables), root))?,
            Machine::S390x => s390x::find(dump, info).map(|(tables, root)| (Tables::S390x(tables), root))?,
            other => return Err(Error::UnknownMachine(other)),
        };
        Ok(Self { tables, root })
    }

    /// The physical address of the topmost table.
    pub fn root(&self) -> PhysicalAddress {
        self.root
    }

    /// How many levels they have.
    pub fn levels(&self) -> u32 {
        match &self.tables {
            Tables::X86_64(tables) => tables.levels,
            Tables::Aarch64(tables) => tables.levels(),
            Tables::Riscv64(tables) => tables.levels,
            Tables::S390x(tables) => tables.levels,
        }
    }

    /// An address as it is without what the processor keeps in its upper bits: on Arm, a pointer's signature.
    pub fn canonical(&self, address: VirtualAddress) -> VirtualAddress {
        match &self.tables {
            Tables::Aarch64(tables) => tables.canonical(address),
            _ => address,
        }
    }

    /// Where an address of the kernel is in physical memory.
    ///
    /// # Errors
    /// [`Error::NotMapped`], or a table cannot be read.
    pub fn translate(&self, dump: &Dump, address: VirtualAddress) -> Result<Mapping> {
        self.translate_from(dump, self.root, address)
    }

    /// The same from another root, a process's: a physical address.
    ///
    /// # Errors
    /// As [`PageTables::translate`].
    pub fn translate_from(
        &self,
        dump: &Dump,
        root: PhysicalAddress,
        address: VirtualAddress,
    ) -> Result<Mapping> {
        self.walk(dump, root, address, &Cell::new(0))
    }

    /// Where an address of the kernel is in physical memory, or where the range that it is in ends of which nothing is mapped
    /// or can be read: what the entry that says so stands for.
    pub(crate) fn probe(&self, dump: &Dump, address: VirtualAddress) -> Result<Mapping, VirtualAddress> {
        let entries = Cell::new(0);
        self.walk(dump, self.root, address, &entries).map_err(|error| {
            // An entry that cannot be read is of a table that the entry before it stands for.
            let read = entries.get() - u32::from(!matches!(error, Error::NotMapped(_)));
            if read == 0 {
                // No table is for this address: up to the kernel's half. Or the topmost one cannot be read: none is.
                let start = self.kernel_half();
                let is_below = matches!(error, Error::NotMapped(_)) && address.0 < start;
                return VirtualAddress(if is_below { start } else { u64::MAX });
            }
            let bits = self.bits_below(self.levels().saturating_sub(read));
            VirtualAddress((address.0 >> bits).saturating_add(1).saturating_mul(1 << bits))
        })
    }

    /// Where the upper half of the addresses begins that tables are for; on s390x there is none.
    fn kernel_half(&self) -> u64 {
        match &self.tables {
            Tables::X86_64(_) | Tables::Riscv64(_) => u64::MAX << (11 + 9 * self.levels()),
            Tables::Aarch64(tables) => u64::MAX << tables.address_bits,
            Tables::S390x(_) => u64::MAX,
        }
    }

    /// How many bits of an address an entry stands for that `levels` levels are below.
    fn bits_below(&self, levels: u32) -> u32 {
        match &self.tables {
            Tables::Aarch64(tables) => tables.page_shift + levels * (tables.page_shift - 3),
            Tables::S390x(_) => [12, 20, 31, 42, 53][levels.min(4) as usize],
            Tables::X86_64(_) | Tables::Riscv64(_) => 12 + 9 * levels,
        }
    }

    /// Counts the entries that it asks for.
    fn walk(
        &self,
        dump: &Dump,
        root: PhysicalAddress,
        address: VirtualAddress,
        entries: &Cell<u32>,
    ) -> Result<Mapping> {
        let entry = |table: PhysicalAddress, index: u64, order: ByteOrder| {
            entries.set(entries.get() + 1);
            let mut bytes = [0; 8];
            let at = table.0.checked_add(index * 8).ok_or(Error::NoMemory(table))?;
            dump.read_physical(PhysicalAddress(at), &mut bytes)?;
            Ok(order.u64(&bytes, 0))
        };
        match &self.tables {
            Tables::X86_64(tables) => tables.translate(entry, root, address),
            Tables::Aarch64(tables) => tables.translate(entry, root, address),
            Tables::Riscv64(tables) => tables.translate(entry, root, address),
            Tables::S390x(tables) => tables.translate(entry, root, address),
        }
    }
}

/// Reads an entry: table, index, byte order.
trait ReadEntry: Fn(PhysicalAddress, u64, ByteOrder) -> Result<u64> {}
impl<F: Fn(PhysicalAddress, u64, ByteOrder) -> Result<u64>> ReadEntry for F {}

/// A leaf of `size` bytes at `physical`, of which `address` is part.
fn leaf(address: VirtualAddress, physical: u64, size: u64) -> Mapping {
    let mask = size - 1;
    Mapping { start: VirtualAddress(address.0 & !mask), physical: PhysicalAddress(physical & !mask), size }
}

/// Tables of as many entries as fill a page, each of 64 bits with its lowest byte first.
#[derive(Clone, Copy, Debug)]
struct Radix {
    /// Bits of an address within a page.
    page_shift: u32,
    /// Bits of an address that are translated. What is left of them for the topmost table may be less than it has room for.
    address_bits: u32,
}

/// What an entry leads to.
enum Step {
    /// A table at this physical address.
    Table(u64),
    /// Memory at this physical address.
    Leaf(u64),
    /// The same, with a size in bytes other than its level's.
    LeafOf(u64, u64),
}

impl Radix {
    fn levels(self) -> u32 {
        (self.address_bits - self.page_shift).div_ceil(self.page_shift - 3)
    }

    /// Walks from the topmost table down. `step` says what an entry of a level leads to; level 0 is that of pages.
    fn walk(
        self,
        entry: impl ReadEntry,
        root: PhysicalAddress,
        address: VirtualAddress,
        step: impl Fn(u64, u32) -> Option<Step>,
    ) -> Result<Mapping> {
        let bits_per_level = self.page_shift - 3;
        let mut table = root;
        for level in (0..self.levels()).rev() {
            let shift = self.page_shift + level * bits_per_level;
            let width = (self.address_bits - shift).min(bits_per_level);
            let found = entry(table, address.0 >> shift & ((1 << width) - 1), ByteOrder::Little)?;
            match step(found, level) {
                Some(Step::Table(next)) if level > 0 => table = PhysicalAddress(next),
                Some(Step::Leaf(physical)) => return Ok(leaf(address, physical, 1 << shift)),
                Some(Step::LeafOf(physical, size)) => return Ok(leaf(address, physical, size)),
                _ => break,
            }
        }
        Err(Error::NotMapped(address))
    }
}

/// Whether the bits from `bits` on are all like bit `bits - 1`.
fn is_sign_extended(address: VirtualAddress, bits: u32) -> bool {
    let shift = 64 - bits.clamp(1, 64);
    ((address.0 << shift) as i64 >> shift) as u64 == address.0
}

/// The kernel's topmost table: `SYMBOL(swapper_pg_dir)`, a virtual address.
fn swapper(info: &VmcoreInfo) -> Result<VirtualAddress> {
    info.symbol("swapper_pg_dir").ok_or(Error::NoPageTables { missing: "SYMBOL(swapper_pg_dir)" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn entries<'t>(table: &'t HashMap<u64, u64>) -> impl ReadEntry + 't {
        |base: PhysicalAddress, index, _| Ok(table.get(&(base.0 + index * 8)).copied().unwrap_or(0))
    }

    #[test]
    fn x86_64_has_pages_and_large_pages_in_four_or_five_levels() {
        let address = VirtualAddress(0xffff_ffff_8123_4567);
        let index = |level: u32| (address.0 >> (12 + 9 * level) & 511) * 8;
        for (levels, sme) in [(4, 0), (5, 1 << 47)] {
            let tables = x86_64::Tables { levels, encryption_mask: sme };
            let mut table = HashMap::new();
            let mut base = 0x1000;
            for level in (1..levels).rev() {
                table.insert(base + index(level), (base + 0x1000) | sme | 0x63);
                base += 0x1000;
            }
            table.insert(base + index(0), 0x8000_0007_7000_0163 | sme);
            let found = tables.translate(entries(&table), PhysicalAddress(0x1000), address).unwrap();
            assert_eq!(
                (found.physical.0, found.size, found.start.0),
                (0x7_7000_0000, 4096, address.0 & !0xfff)
            );
            // A leaf one level up.
            table.insert(base - 0x1000 + index(1), 0x8000_0001_2020_00e3 | sme);
            let found = tables.translate(entries(&table), PhysicalAddress(0x1000), address).unwrap();
            assert_eq!((found.physical.0, found.size), (0x1_2020_0000, 2 << 20));
            let low = VirtualAddress(0x0100_0000_0000_0000);
            assert_eq!(
                tables.translate(entries(&table), PhysicalAddress(0x1000), low),
                Err(Error::NotMapped(low))
            );
        }
    }

    #[test]
    fn a_table_that_holds_itself_ends_with_its_levels() {
        let table: HashMap<u64, u64> = (0..512).map(|index| (index * 8, 0x63)).collect();
        let tables = x86_64::Tables { levels: 5, encryption_mask: 0 };
        let found = tables.translate(entries(&table), PhysicalAddress(0), VirtualAddress(u64::MAX));
        assert_eq!(found.unwrap().physical, PhysicalAddress(0));
    }

    #[test]
    fn aarch64_has_three_page_sizes() {
        for (shift, bits) in [(12, 39), (12, 48), (12, 52), (14, 47), (14, 48), (16, 42), (16, 48), (16, 52)]
        {
            let tables = aarch64::Tables { page_shift: shift, address_bits: bits, signature_mask: 0 };
            let address = VirtualAddress(u64::MAX << (bits - 1) | 0x12_3456_7890);
            let mut table = HashMap::new();
            let mut base = 0x10_0000;
            let levels = tables.levels();
            for level in (0..levels).rev() {
                let low = shift + level * (shift - 3);
                let width = (bits - low).min(shift - 3);
                let index = address.0 >> low & ((1 << width) - 1);
                let next = if level == 0 { 0x4000_0000 } else { base + 0x1_0000 };
                table.insert(base + index * 8, next | 3);
                base = next;
            }
            let found = tables.translate(entries(&table), PhysicalAddress(0x10_0000), address).unwrap();
            assert_eq!((found.physical.0, found.size), (0x4000_0000, 1 << shift), "{shift} {bits}");
        }
        let tables =
            aarch64::Tables { page_shift: 12, address_bits: 48, signature_mask: 0xffff_0000_0000_0000 };
        let signed = VirtualAddress(0xff92_8000_1234_5678);
        assert_eq!(tables.canonical(signed), VirtualAddress(0xffff_8000_1234_5678));
    }

    #[test]
    fn riscv64_has_three_modes() {
        for levels in [3, 4, 5] {
            let tables = riscv64::Tables { levels };
            let address = VirtualAddress(0xffff_ffff_8020_1234);
            let mut table = HashMap::new();
            let mut base = 0x8000_0000;
            for level in (1..levels).rev() {
                let index = address.0 >> (12 + 9 * level) & 511;
                table.insert(base + index * 8, (base + 0x1000) >> 12 << 10 | 1);
                base += 0x1000;
            }
            let index = address.0 >> 12 & 511;
            table.insert(base + index * 8, 0x9_0000_1000 >> 12 << 10 | 0xcf);
            let found = tables.translate(entries(&table), PhysicalAddress(0x8000_0000), address).unwrap();
            assert_eq!((found.physical.0, found.size), (0x9_0000_1000, 4096));
        }
    }

    #[test]
    fn s390x_has_regions_segments_and_pages() {
        let tables = s390x::Tables { levels: 3 };
        let address = VirtualAddress(0x1_2345_6789);
        let (third, segment, page) =
            (address.0 >> 31 & 0x7ff, address.0 >> 20 & 0x7ff, address.0 >> 12 & 0xff);
        let mut table = HashMap::new();
        table.insert(0x10000 + third * 8, 0x20000 | 0x7);
        table.insert(0x20000 + segment * 8, 0x30000);
        table.insert(0x30000 + page * 8, 0x5_5000);
        let found = tables.translate(entries(&table), PhysicalAddress(0x10000), address).unwrap();
        assert_eq!((found.physical.0, found.size), (0x5_5000, 4096));
        table.insert(0x20000 + segment * 8, 0x4560_0000 | 0x400);
        let found = tables.translate(entries(&table), PhysicalAddress(0x10000), address).unwrap();
        assert_eq!((found.physical.0, found.size), (0x4560_0000, 1 << 20));
        table.insert(0x20000 + segment * 8, 0x20);
        assert_eq!(
            tables.translate(entries(&table), PhysicalAddress(0x10000), address),
            Err(Error::NotMapped(address))
        );
    }
}
