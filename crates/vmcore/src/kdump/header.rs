//! The headers of a kdump-compressed dump: `struct disk_dump_header` and `struct kdump_sub_header` of 64-bit machines.

use crate::file::DumpFile;
use crate::{ByteOrder, Result};

/// What is used of the headers.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) order: ByteOrder,
    /// The six strings of `uname`, 65 bytes each.
    pub(super) utsname: Vec<u8>,
    /// Size of a page in bytes.
    pub(super) block_size: u64,
    /// Number of page frames that the bitmaps cover.
    pub(super) frames: u64,
    /// The page frames whose pages are in this file: all but in a split set.
    pub(super) first_frame: u64,
    pub(super) end_frame: u64,
    pub(super) is_split: bool,
    pub(super) is_incomplete: bool,
    pub(super) phys_base: u64,
    pub(super) dump_level: i32,
    /// Offset and size in bytes.
    pub(super) vmcoreinfo: Option<(u64, u64)>,
    pub(super) notes: Option<(u64, u64)>,
    /// Offset in bytes and size in bytes of both bitmaps.
    pub(super) bitmaps: (u64, u64),
    /// Offset of the first page descriptor.
    pub(super) descriptors: u64,
}

const UTSNAME: std::ops::Range<usize> = 12..12 + 6 * 65;
/// `status` of a dump that ran out of space.
const INCOMPLETE: u32 = 0x8;

/// Whether a file begins as a kdump-compressed dump.
pub(crate) fn is_kdump(start: &[u8]) -> bool {
    start.starts_with(b"KDUMP   ") || start.starts_with(b"DISKDUMP")
}

impl Header {
    /// Reads both headers. Neither byte order nor word size is declared: the one under which the numbers make sense is it.
    pub(super) fn read(file: &DumpFile) -> Result<Self> {
        let header = file.bytes(0, 464, "the header")?;
        let sensible = |order: ByteOrder, block_size: usize| {
            let size = order.u32(&header, block_size);
            size.is_power_of_two() && (4096..=65536).contains(&size) && order.u32(&header, 8) <= 64
        };
        let orders = [ByteOrder::Little, ByteOrder::Big];
        let Some(order) = orders.into_iter().find(|&order| sensible(order, 428)) else {
            // 32-bit machines have a shorter time stamp before it.
            if orders.into_iter().any(|order| sensible(order, 416)) {
                return Err(file.not_a_dump("it is of a 32-bit machine, which is not supported"));
            }
            return Err(file.malformed(428, "the page size is impossible"));
        };
        let version = order.u32(&header, 8);
        let word = |offset| u64::from(order.u32(&header, offset));
        let (block_size, sub_blocks, bitmap_blocks) = (word(428), word(432), word(436));
        let sub =
            file.bytes(block_size, 104.min(file.length().saturating_sub(block_size)), "the sub-header")?;
        let has = |since: u32, length: usize| version >= since && sub.len() >= length;
        let long =
            |since: u32, offset: usize| if has(since, offset + 8) { order.u64(&sub, offset) } else { 0 };
        let is_split = has(2, 16) && order.u32(&sub, 12) != 0;
        let (frames, first_frame, end_frame) = if has(6, 104) {
            (long(6, 96), long(6, 80), long(6, 88))
        } else {
            (word(440), long(2, 16), long(2, 24))
        };
        let part = |since, offset| {
            Some((long(since, offset), long(since, offset + 8))).filter(|&(at, size)| at != 0 && size != 0)
        };
        let bitmaps = ((1 + sub_blocks) * block_size, bitmap_blocks * block_size);
        // No more frames than there is room for in the bitmaps.
        let frames = frames.min(bitmaps.1 * 8).min(file.stored_length().saturating_mul(8));
        Ok(Self {
            order,
            utsname: header[UTSNAME].to_vec(),
            block_size,
            frames,
            first_frame: if is_split { first_frame.min(frames) } else { 0 },
            end_frame: if is_split { end_frame.min(frames) } else { frames },
            is_split,
            is_incomplete: order.u32(&header, 424) & INCOMPLETE != 0,
            phys_base: if has(1, 8) { order.u64(&sub, 0) } else { 0 },
            dump_level: if has(1, 12) { order.u32(&sub, 8) as i32 } else { 0 },
            vmcoreinfo: part(3, 32),
            notes: part(4, 48),
            bitmaps,
            descriptors: bitmaps.0 + bitmaps.1,
        })
    }

    /// The machine as `uname -m` gives it; empty when QEMU wrote the dump.
    pub(super) fn machine(&self) -> &[u8] {
        let name = self.utsname.get(4 * 65..5 * 65).unwrap_or_default();
        name.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}
