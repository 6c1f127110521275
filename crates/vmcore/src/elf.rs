//! ELF cores: kdump's `/proc/vmcore`, `makedumpfile -E`, QEMU's memory dumps, and `/proc/kcore`.

use crate::extents::{Extent, Extents};
use crate::file::DumpFile;
use crate::note::Note;
use crate::{ByteOrder, Error, Machine, PhysicalAddress, Result, VirtualAddress};

const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `e_phnum` of a file with more program headers than 16 bits count: `sh_info` of section 0 then has their number.
const PN_XNUM: u16 = 0xffff;
const PROGRAM_HEADER: u64 = 56;
/// Notes longer than this are not read: a processor takes less than 8 KiB.
const LONGEST_NOTES: u64 = 256 << 20;

/// A piece of memory in an ELF core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is in the machine's memory, if the dump says so.
    pub physical: Option<PhysicalAddress>,
    /// Where the kernel has it mapped; 0 in dumps that know physical addresses only.
    pub address: VirtualAddress,
    /// Its first byte, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes of it are in the file.
    pub file_size: u64,
    /// How many bytes it has in memory. What goes beyond `file_size` was excluded from the dump, or was zero.
    pub memory_size: u64,
}

/// An ELF core.
#[derive(Debug)]
pub(crate) struct ElfCore {
    file: DumpFile,
    pub(crate) order: ByteOrder,
    pub(crate) machine: Machine,
    pub(crate) notes: Vec<Note>,
    pub(crate) segments: Vec<Segment>,
    /// Physical addresses to offsets in the file.
    physical: Extents,
    /// Physical addresses that the machine has.
    memory: Extents,
    /// Virtual addresses to offsets in the file.
    mapped: Extents,
}

pub(crate) fn is_elf(start: &[u8]) -> bool {
    start.starts_with(b"\x7fELF")
}

impl ElfCore {
    pub(crate) fn open(mut file: DumpFile) -> Result<Self> {
        let header = file.bytes(0, 64, "the ELF header")?;
        if header[4] != 2 {
            return Err(
                file.not_a_dump("it is a 32-bit ELF file; dumps of 32-bit machines are not supported")
            );
        }
        let order = match header[5] {
            1 => ByteOrder::Little,
            2 => ByteOrder::Big,
            other => return Err(file.malformed(5, format!("ELF byte order {other}"))),
        };
        let kind = order.u16(&header, 16);
        if kind != ET_CORE {
            return Err(file.not_a_dump(format!(
                "it is an ELF file of type {kind}, not a core; for the kernel's own file, give its dump"
            )));
        }
        let machine = Machine::from_elf(order.u16(&header, 18));
        let headers = program_headers(&file, order, &header)?;
        let mut segments = Vec::new();
        let mut notes = Vec::new();
        for header in headers.chunks_exact(PROGRAM_HEADER as usize) {
            let long = |offset| order.u64(header, offset);
            let (offset, file_size) = (long(8), long(32));
            match order.u32(header, 0) {
                PT_LOAD => segments.push(Segment {
                    physical: Some(long(24)).filter(|&address| address != u64::MAX).map(PhysicalAddress),
                    address: VirtualAddress(long(16)),
                    offset,
                    file_size,
                    memory_size: long(40).max(file_size),
                }),
                PT_NOTE => {
                    let length = file_size.min(LONGEST_NOTES).min(file.stored_length());
                    let mut bytes = vec![0; length as usize];
                    let read = file.read_at(offset, &mut bytes)?;
                    notes.extend(Note::parse(&bytes[..read], order));
                }
                _ => {}
            }
        }
        // procfs has two: that of the running kernel, and /proc/vmcore.
        if !notes.iter().any(Note::is_of_kcore) {
            file.hold_still()?;
        }
        let wraps = |segment: &Segment| {
            let starts =
                [segment.physical.map_or(0, |physical| physical.0), segment.address.0, segment.offset];
            // The last byte of the address space may be a segment's.
            starts.iter().any(|start| start.checked_add(segment.memory_size.saturating_sub(1)).is_none())
        };
        segments.retain(|segment| segment.memory_size > 0 && !wraps(segment));
        // On a live kernel, addresses outside the direct map have no physical address, which reads 0.
        let live = file.is_live();
        let nowhere = |segment: &Segment| {
            live && segment.physical == Some(PhysicalAddress(0)) && segment.address.0 != 0
        };
        let physical = |size: fn(&Segment) -> u64| {
            let extents = segments
                .iter()
                .filter(|segment| !nowhere(segment))
                .filter_map(move |segment| extent(segment.physical?.0, size(segment), segment.offset));
            Extents::new(extents)
        };
        let (memory, in_file) =
            (physical(|segment| segment.memory_size), physical(|segment| segment.file_size));
        let mapped = segments.iter().filter(|segment| segment.address.0 != 0);
        let mapped = Extents::new(
            mapped.filter_map(|segment| extent(segment.address.0, segment.file_size, segment.offset)),
        );
        Ok(Self { file, order, machine, notes, physical: in_file, memory, mapped, segments })
    }

    pub(crate) fn file(&self) -> &DumpFile {
        &self.file
    }

    /// Whether the dump says where the kernel has its memory mapped.
    pub(crate) fn has_virtual_addresses(&self) -> bool {
        !self.mapped.is_empty()
    }

    /// Ranges of physical addresses in the file.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        self.physical.ranges()
    }

    pub(crate) fn read_physical(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<()> {
        self.read(&self.physical, address.0, buffer, |at, missing_in_file| {
            let at = PhysicalAddress(at);
            if missing_in_file && !self.file.is_live() {
                Error::BeyondFile(at)
            } else if self.memory.find(at.0).is_some() {
                Error::Excluded(at)
            } else {
                Error::NoMemory(at)
            }
        })
    }

    /// Reads through the virtual addresses of the segments.
    pub(crate) fn read_virtual(&self, address: VirtualAddress, buffer: &mut [u8]) -> Result<()> {
        self.read(&self.mapped, address.0, buffer, |at, _| Error::NotMapped(VirtualAddress(at)))
    }

    /// The end of the segment that `address` is in, or of the gap between two, and whether it is a segment.
    pub(crate) fn mapped_piece(&self, address: VirtualAddress) -> (u64, bool) {
        match self.mapped.find(address.0) {
            Some((_, length)) => (address.0.saturating_add(length), true),
            None => (self.mapped.next_start(address.0).unwrap_or(u64::MAX), false),
        }
    }

    fn read(
        &self,
        extents: &Extents,
        address: u64,
        buffer: &mut [u8],
        error: impl Fn(u64, bool) -> Error,
    ) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.wrapping_add(done as u64);
            let (place, available) = extents.find(at).ok_or_else(|| error(at, false))?;
            let part = available.min((buffer.len() - done) as u64) as usize;
            let got = self.file.read_at(place, &mut buffer[done..done + part])?;
            if got < part {
                return Err(error(at + got as u64, true));
            }
            done += part;
        }
        Ok(())
    }
}

fn extent(start: u64, length: u64, place: u64) -> Option<Extent> {
    // The last byte of the address space cannot be counted with 64 bits; nothing is there.
    let length = if start.checked_add(length).is_none() { length.checked_sub(1)? } else { length };
    start.checked_add(length)?;
    Some(Extent { start, length, place })
}

/// The bytes of all program headers.
fn program_headers(file: &DumpFile, order: ByteOrder, header: &[u8]) -> Result<Vec<u8>> {
    let (start, size, count) = (order.u64(header, 32), order.u16(header, 54), order.u16(header, 56));
    if u64::from(size) != PROGRAM_HEADER {
        return Err(file.malformed(54, format!("program headers of {size} bytes")));
    }
    let mut count = u64::from(count);
    if count == u64::from(PN_XNUM) {
        let section =
            file.bytes(order.u64(header, 40), 64, "section header 0, which counts the segments,")?;
        count = u64::from(order.u32(&section, 44));
    }
    file.bytes(start, count * PROGRAM_HEADER, "the table of segments")
}
