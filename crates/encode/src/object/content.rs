//! The bytes of a file: mapped, or owned.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use super::error::{Error, Result};

/// The content of a file.
pub(crate) enum Content {
    /// A private, read-only mapping.
    Mapped(memmap2::Mmap),
    /// Bytes that were read or handed over.
    Owned(Vec<u8>),
}

impl Content {
    /// Maps a regular file; reads anything else (a pipe, say) to its end.
    pub(crate) fn open(path: &Path) -> Result<Content> {
        let mut file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
        let metadata = file.metadata().map_err(|source| Error::io(path, "read", source))?;
        if metadata.is_file() && metadata.len() > 0 {
            // SAFETY: the mapping is private and read-only, and is handed out as shared slices only. What remains
            // is another process that truncates or rewrites the file while it is read; every reader of object
            // files that maps them takes this risk, and the alternative is a copy of hundreds of megabytes. All
            // that is derived from the bytes is checked where it is used.
            let mapping = unsafe { memmap2::Mmap::map(&file) };
            return mapping.map(Content::Mapped).map_err(|source| Error::io(path, "map", source));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::io(path, "read", source))?;
        Ok(Content::Owned(bytes))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Mapped(mapping) => mapping,
            Content::Owned(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Content::Mapped(_) => "mapped",
            Content::Owned(_) => "owned",
        };
        write!(f, "{} bytes, {kind}", self.len())
    }
}
