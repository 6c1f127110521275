//! Raw memory: a file whose offsets are physical addresses.

use crate::file::DumpFile;
use crate::{Error, PhysicalAddress, Result};

/// A raw memory image.
#[derive(Debug)]
pub(crate) struct RawImage {
    file: DumpFile,
}

impl RawImage {
    pub(crate) fn new(file: DumpFile) -> Self {
        Self { file }
    }

    pub(crate) fn file(&self) -> &DumpFile {
        &self.file
    }

    pub(crate) fn read_physical(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<()> {
        let read = self.file.read_at(address.0, buffer)?;
        if read < buffer.len() {
            return Err(Error::NoMemory(PhysicalAddress(address.0 + read as u64)));
        }
        Ok(())
    }
}
