//! Bitmaps of page frames: which exist, which are in the dump, and how many of these come before a given one.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::header::Header;
use crate::Result;
use crate::file::DumpFile;

/// A bitmap in the file; the lowest bit of the first byte is frame 0.
#[derive(Debug)]
pub(super) struct Bitmap {
    /// Offset in bytes in the file.
    offset: u64,
    frames: u64,
    /// Number of bits set before each block.
    ranks: Vec<u64>,
    blocks: Cache<u64, Arc<[u8]>>,
}

/// Bytes of a block: 32,768 frames.
const BLOCK: u64 = 4096;
const FRAMES: u64 = BLOCK * 8;
/// Blocks that are kept of each bitmap: 2 MiB.
const KEPT: usize = 512;

impl Bitmap {
    /// The frames that exist, and those that are dumped. Old dumps have one bitmap for both.
    pub(super) fn pair(file: &DumpFile, header: &Header) -> Result<(Self, Self)> {
        let (offset, size) = header.bitmaps;
        let half = size / 2;
        let dumped = if header.frames.div_ceil(8) <= half { offset + half } else { offset };
        Ok((Self::new(offset, header.frames, None)?, Self::new(dumped, header.frames, Some(file))?))
    }

    /// A bitmap at `offset`; its bits are counted if a file is given.
    fn new(offset: u64, frames: u64, counted: Option<&DumpFile>) -> Result<Self> {
        let mut bitmap = Self { offset, frames, ranks: Vec::new(), blocks: Cache::new(KEPT) };
        if let Some(file) = counted {
            let mut rank = 0;
            let mut block = vec![0; BLOCK as usize];
            for number in 0..frames.div_ceil(FRAMES) {
                bitmap.ranks.push(rank);
                let read = bitmap.read(number, &mut block, file)?;
                rank += block[..read].iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
                // What is beyond the end of the file is not there; the bitmap claims to be any size.
                if read < block.len() && offset + number * BLOCK > file.length() {
                    break;
                }
            }
        }
        Ok(bitmap)
    }

    /// Reads a block as far as the file and the frames go.
    fn read(&self, number: u64, block: &mut [u8], file: &DumpFile) -> Result<usize> {
        let length = self.frames.div_ceil(8).saturating_sub(number * BLOCK).min(BLOCK) as usize;
        file.read_at(self.offset + number * BLOCK, &mut block[..length])
    }

    fn block(&self, number: u64, file: &DumpFile) -> Result<Arc<[u8]>> {
        if let Some(block) = self.blocks.get(&number) {
            return Ok(block);
        }
        let mut bytes = vec![0; BLOCK as usize];
        self.read(number, &mut bytes, file)?;
        let block: Arc<[u8]> = bytes.into();
        self.blocks.insert(number, block.clone());
        Ok(block)
    }

    /// Whether the bit of `frame` is set.
    pub(super) fn get(&self, frame: u64, file: &DumpFile) -> Result<bool> {
        if frame >= self.frames {
            return Ok(false);
        }
        let block = self.block(frame / FRAMES, file)?;
        let within = frame % FRAMES;
        Ok(block[(within / 8) as usize] >> (within % 8) & 1 != 0)
    }

    /// How many bits are set before that of `frame`.
    pub(super) fn rank(&self, frame: u64, file: &DumpFile) -> Result<u64> {
        let frame = frame.min(self.frames);
        let Some(&before) = self.ranks.get((frame / FRAMES) as usize) else {
            return Ok(self.ranks.last().copied().unwrap_or(0));
        };
        let block = self.block(frame / FRAMES, file)?;
        let (whole, rest) = block.split_at((frame % FRAMES / 8) as usize);
        let mask = (1u8 << (frame % 8)).wrapping_sub(1);
        let last = rest.first().map_or(0, |byte| u64::from((byte & mask).count_ones()));
        Ok(before + whole.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>() + last)
    }
}
