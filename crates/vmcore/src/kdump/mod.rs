//! kdump-compressed dumps (makedumpfile's, QEMU's): a header, bitmaps of page frames, and pages compressed one by one.
//!
//! A page frame's descriptor is found by its rank: the number of dumped frames before it. Bitmaps of large machines have
//! tens of megabytes, so that only a rank for each block of them is kept; the blocks themselves are read when they are
//! needed, and stay in the same cache as the pages.

mod bitmap;
mod header;

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::compression;
use crate::file::DumpFile;
use crate::note::Note;
use crate::{ByteOrder, Error, Machine, PhysicalAddress, Result};
use bitmap::Bitmap;
use header::Header;

pub(crate) use header::is_kdump;

/// Bytes of pages and of bitmaps that are kept.
const CACHE: u64 = 16 << 20;
/// Size in bytes of a page's descriptor.
const DESCRIPTOR: u64 = 24;

/// A kdump-compressed dump of one file or several.
#[derive(Debug)]
pub(crate) struct Kdump {
    parts: Vec<Part>,
    block_size: u64,
    pages: Cache<u64, Arc<[u8]>>,
}

/// A file, and the page frames whose pages it has.
#[derive(Debug)]
struct Part {
    file: DumpFile,
    header: Header,
    /// Frames that the machine has.
    exist: Bitmap,
    /// Frames that are in the dump.
    dumped: Bitmap,
    /// The rank of this part's first frame among the dumped ones.
    first_rank: u64,
}

impl Kdump {
    /// Opens the files of a set, in any order.
    pub(crate) fn open(files: Vec<DumpFile>) -> Result<Self> {
        let mut parts = files.into_iter().map(Part::open).collect::<Result<Vec<_>>>()?;
        parts.sort_by_key(|part| part.header.first_frame);
        let block_size = parts.first().map_or(4096, |part| part.header.block_size);
        for pair in parts.windows(2) {
            let (before, part) = (&pair[0].header, &pair[1].header);
            let reason = if !before.is_split || !part.is_split {
                "it is not part of a split dump"
            } else if before.block_size != part.block_size
                || before.frames != part.frames
                || before.utsname != part.utsname
            {
                "it is part of another dump"
            } else if before.end_frame > part.first_frame {
                "both have the same pages"
            } else {
                continue;
            };
            return Err(Error::NotOneSet { path: pair[1].file.path().into(), reason: reason.into() });
        }
        let pages = Cache::new((CACHE / block_size) as usize);
        Ok(Self { parts, block_size, pages })
    }

    fn first(&self) -> &Part {
        // `Dump::open` hands over at least one file.
        &self.parts[0]
    }

    pub(crate) fn order(&self) -> ByteOrder {
        self.first().header.order
    }

    pub(crate) fn machine(&self) -> Option<Machine> {
        Machine::from_name(self.first().header.machine())
    }

    /// Length in bytes of all files.
    pub(crate) fn stored_length(&self) -> u64 {
        self.parts.iter().map(|part| part.file.stored_length()).sum()
    }

    /// Number of files.
    pub(crate) fn files(&self) -> usize {
        self.parts.len()
    }

    /// Whether parts of a split set are missing.
    pub(crate) fn lacks_parts(&self) -> bool {
        let ends = self.parts.iter().map(|part| part.header.end_frame);
        let starts = self.parts.iter().map(|part| part.header.first_frame);
        let gaps = ends.clone().zip(starts.clone().skip(1)).any(|(end, start)| end < start);
        let header = &self.first().header;
        header.is_split
            && (gaps || starts.min() != Some(0) || ends.max().is_none_or(|end| end < header.frames))
    }

    pub(crate) fn is_flattened(&self) -> bool {
        self.first().file.is_flattened()
    }

    /// Whether the dumper says that it could not finish.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.parts.iter().any(|part| part.header.is_incomplete)
    }

    /// makedumpfile's dump level, and what the kernel's image is shifted by in physical memory.
    pub(crate) fn dump_level(&self) -> i32 {
        self.first().header.dump_level
    }

    pub(crate) fn phys_base(&self) -> u64 {
        self.first().header.phys_base
    }

    /// VMCOREINFO in the sub-header.
    pub(crate) fn vmcoreinfo(&self) -> Result<Option<Vec<u8>>> {
        for part in &self.parts {
            if let Some((offset, size)) = part.header.vmcoreinfo {
                return part.file.bytes(offset, size, "VMCOREINFO").map(Some);
            }
        }
        Ok(None)
    }

    /// The notes of the ELF core that this was made from.
    pub(crate) fn notes(&self) -> Result<Vec<Note>> {
        for part in &self.parts {
            if let Some((offset, size)) = part.header.notes {
                let bytes = part.file.bytes(offset, size, "the notes")?;
                return Ok(Note::parse(&bytes, part.header.order));
            }
        }
        Ok(Vec::new())
    }

    /// Size of a page in bytes.
    pub(crate) fn page_size(&self) -> u64 {
        self.block_size
    }

    /// The page frames in the dump, as ranges of physical addresses.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let size = self.block_size;
        self.parts
            .iter()
            .flat_map(move |part| {
                let (first, end) = (part.header.first_frame, part.header.end_frame);
                (first..end).filter(|&frame| matches!(part.dumped.get(frame, &part.file), Ok(true)))
            })
            .map(move |frame| frame.saturating_mul(size)..frame.saturating_add(1).saturating_mul(size))
    }

    pub(crate) fn read_physical(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.0.checked_add(done as u64).ok_or(Error::NoMemory(address))?;
            let (frame, within) = (at / self.block_size, (at % self.block_size) as usize);
            let page = match self.pages.get(&frame) {
                Some(page) => page,
                None => {
                    let page: Arc<[u8]> = self.page(frame)?.into();
                    self.pages.insert(frame, page.clone());
                    page
                }
            };
            let part = (page.len() - within).min(buffer.len() - done);
            buffer[done..done + part].copy_from_slice(&page[within..within + part]);
            done += part;
        }
        Ok(())
    }

    /// Reads and decompresses the page of a frame.
    fn page(&self, frame: u64) -> Result<Vec<u8>> {
        let address = PhysicalAddress(frame.saturating_mul(self.block_size));
        let owns = |part: &&Part| (part.header.first_frame..part.header.end_frame).contains(&frame);
        let Some(part) = self.parts.iter().find(owns) else {
            // A part of the set that was not given, or no memory at all.
            let first = self.first();
            let exists = frame < first.header.frames && first.exist.get(frame, &first.file)?;
            return Err(if exists { Error::BeyondFile(address) } else { Error::NoMemory(address) });
        };
        part.page(frame, address, self.block_size)
    }
}

impl Part {
    fn open(file: DumpFile) -> Result<Self> {
        let header = Header::read(&file)?;
        let (exist, dumped) = Bitmap::pair(&file, &header)?;
        let first_rank = dumped.rank(header.first_frame, &file)?;
        Ok(Self { file, header, exist, dumped, first_rank })
    }

    fn page(&self, frame: u64, address: PhysicalAddress, size: u64) -> Result<Vec<u8>> {
        if !self.dumped.get(frame, &self.file)? {
            let exists = self.exist.get(frame, &self.file)?;
            return Err(if exists { Error::Excluded(address) } else { Error::NoMemory(address) });
        }
        let rank = self.dumped.rank(frame, &self.file)?.saturating_sub(self.first_rank);
        let offset = rank.checked_mul(DESCRIPTOR).and_then(|at| self.header.descriptors.checked_add(at));
        let offset = offset.ok_or(Error::BeyondFile(address))?;
        let mut descriptor = [0; DESCRIPTOR as usize];
        if self.file.read_at(offset, &mut descriptor)? < descriptor.len() {
            return Err(Error::BeyondFile(address));
        }
        let order = self.header.order;
        let (place, stored, flags) =
            (order.u64(&descriptor, 0), order.u32(&descriptor, 8), order.u32(&descriptor, 12));
        // What was never written because the disk was full reads as zeros.
        if place == 0 {
            return Err(Error::BeyondFile(address));
        }
        // Whatever does not shrink is stored as it is; nothing grows by more than this.
        if u64::from(stored) > size * 2 {
            return Err(Error::DamagedPage { address, reason: "its descriptor gives an impossible size" });
        }
        let mut bytes = vec![0; stored as usize];
        if self.file.read_at(place, &mut bytes)? < bytes.len() {
            return Err(Error::BeyondFile(address));
        }
        let mut page = vec![0; size as usize];
        compression::decompress(flags, &bytes, &mut page)
            .map_err(|reason| Error::DamagedPage { address, reason })?;
        Ok(page)
    }
}
