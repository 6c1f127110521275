//! The kernel's virtual memory.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache;

use crate::{ByteOrder, Dump, Error, Mapping, PageTables, Result, VirtualAddress};

/// A dump read by the addresses that the kernel itself uses.
#[derive(Debug)]
pub struct Memory {
    dump: Dump,
    tables: Result<PageTables>,
    /// By 4 KiB page: where it is mapped.
    translated: Cache<u64, Mapping>,
    /// Set by who wants no more of it.
    interrupt: Arc<AtomicBool>,
}

/// Translations that are kept.
const TRANSLATED: usize = 8192;
/// Longest string that is read.
const LONGEST_STRING: usize = 1 << 16;

impl Memory {
    /// Finds the kernel's page tables in a dump. Without them, what the dump's segments map can still be read.
    pub fn new(dump: Dump) -> Self {
        let tables = PageTables::find(&dump);
        Self { dump, tables, translated: Cache::new(TRANSLATED), interrupt: Arc::default() }
    }

    /// The same, but while `flag` is set all reading fails with [`Error::Interrupted`], so that whatever walks through memory
    /// comes to its end.
    #[must_use]
    pub fn interrupted_by(self, flag: Arc<AtomicBool>) -> Self {
        Self { interrupt: flag, ..self }
    }

    /// [`Error::Interrupted`] while the flag of [`Memory::interrupted_by`] is set. What is long without reading asks this now
    /// and then.
    ///
    /// # Errors
    /// It is set.
    pub fn check_interrupt(&self) -> Result<()> {
        if self.interrupt.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The dump.
    pub fn dump(&self) -> &Dump {
        &self.dump
    }

    /// The page tables, or why they cannot be used.
    pub fn page_tables(&self) -> Result<&PageTables> {
        self.tables.as_ref().map_err(Clone::clone)
    }

    /// Order of the bytes of numbers.
    pub fn byte_order(&self) -> ByteOrder {
        self.dump.byte_order()
    }

    /// Where an address of the kernel is in physical memory.
    ///
    /// # Errors
    /// It is not mapped, or a page table cannot be read.
    pub fn translate(&self, address: VirtualAddress) -> Result<Mapping> {
        let page = address.0 >> 12;
        if let Some(mapping) = self.translated.get(&page) {
            return Ok(mapping);
        }
        let mapping = self.page_tables()?.translate(&self.dump, address)?;
        self.translated.insert(page, mapping);
        Ok(mapping)
    }

    /// Reads the kernel's memory.
    ///
    /// # Errors
    /// The first byte that cannot be read, and why.
    pub fn read(&self, address: VirtualAddress, buffer: &mut [u8]) -> Result<()> {
        self.check_interrupt()?;
        // A live kernel shows its memory as it is mapped; its tables may change under us.
        if self.is_by_segments() {
            return self.dump.read_segments(address, buffer);
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = VirtualAddress(address.0.checked_add(done as u64).ok_or(Error::NotMapped(address))?);
            let mapping = self.translate(at)?;
            let within = at.0 - mapping.start.0;
            let part = (mapping.size - within).min((buffer.len() - done) as u64) as usize;
            let physical = crate::PhysicalAddress(mapping.physical.0 + within);
            self.dump.read_physical(physical, &mut buffer[done..done + part])?;
            done += part;
        }
        Ok(())
    }

    /// Whether the container's segments say what is mapped, and page tables do not.
    fn is_by_segments(&self) -> bool {
        self.dump.is_live() || (self.tables.is_err() && self.dump.has_virtual_addresses())
    }

    /// What is mapped of these addresses, in their order, each piece in one leaf of the page tables or one segment. Where
    /// nothing is mapped costs a look at each entry of the page tables that says so, of whatever level, and not at each page.
    /// Ends when interrupted.
    pub fn mapped(&self, addresses: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut at = addresses.start;
        std::iter::from_fn(move || {
            while at < addresses.end && self.check_interrupt().is_ok() {
                let (end, is_mapped) = self.piece(VirtualAddress(at));
                // The last byte of the address space is left out: no end is behind it.
                let piece = at..end.clamp(at.saturating_add(1), addresses.end);
                at = piece.end;
                if is_mapped {
                    return Some(piece);
                }
            }
            None
        })
    }

    /// The end of what is mapped as `address` is, or is not mapped as it is not, as far as one look tells.
    fn piece(&self, address: VirtualAddress) -> (u64, bool) {
        if self.is_by_segments() {
            return self.dump.segment_piece(address);
        }
        match self.tables.as_ref().map(|tables| tables.probe(&self.dump, address)) {
            Ok(Ok(mapping)) => (mapping.start.0.saturating_add(mapping.size), true),
            Ok(Err(end)) => (end.0, false),
            Err(_) => (u64::MAX, false),
        }
    }

    /// Reads `length` bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn bytes(&self, address: VirtualAddress, length: usize) -> Result<Vec<u8>> {
        // Memory is taken as it is found, so that a wrong length costs no more than what is there. What is reserved is none
        // until it is used.
        const STEP: usize = 1 << 20;
        const RESERVED: usize = 64 << 20;
        let mut bytes = Vec::with_capacity(length.min(RESERVED));
        while bytes.len() < length {
            let done = bytes.len();
            bytes.resize(done + STEP.min(length - done), 0);
            let next = address.0.checked_add(done as u64).ok_or(Error::NotMapped(address))?;
            self.read(VirtualAddress(next), &mut bytes[done..])?;
        }
        Ok(bytes)
    }

    /// A byte.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u8(&self, address: VirtualAddress) -> Result<u8> {
        let mut bytes = [0];
        self.read(address, &mut bytes)?;
        Ok(bytes[0])
    }

    /// A 16-bit number.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u16(&self, address: VirtualAddress) -> Result<u16> {
        let mut bytes = [0; 2];
        self.read(address, &mut bytes)?;
        Ok(self.byte_order().u16(&bytes, 0))
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u32(&self, address: VirtualAddress) -> Result<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(self.byte_order().u32(&bytes, 0))
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u64(&self, address: VirtualAddress) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(self.byte_order().u64(&bytes, 0))
    }

    /// A pointer.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn pointer(&self, address: VirtualAddress) -> Result<VirtualAddress> {
        self.u64(address).map(VirtualAddress)
    }

    /// The bytes up to a NUL, or `limit` of them, at most 64 KiB; what follows may be unreadable.
    ///
    /// # Errors
    /// As [`Memory::read`], for the bytes before the NUL.
    pub fn c_string(&self, address: VirtualAddress, limit: usize) -> Result<Vec<u8>> {
        let limit = limit.min(LONGEST_STRING);
        let mut string = Vec::new();
        while string.len() < limit {
            let at = address.0.checked_add(string.len() as u64).ok_or(Error::NotMapped(address))?;
            // To the end of the page: the next one may not be there.
            let part = (4096 - (at % 4096) as usize).min(limit - string.len());
            let start = string.len();
            string.resize(start + part, 0);
            self.read(VirtualAddress(at), &mut string[start..])?;
            if let Some(end) = string[start..].iter().position(|&byte| byte == 0) {
                string.truncate(start + end);
                break;
            }
        }
        Ok(string)
    }
}
