//! The bytes of a file: mapped, or owned.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use super::compression::unpack_file;
use super::error::{Error, Result};

/// Reading one byte of a file maps the pages around it, aligned to as many bytes (Linux' `fault_around_bytes`).
const MAPPED_AROUND: usize = 1 << 16;

/// The content of a file.
pub(crate) enum Content {
    /// A read-only mapping, with the file that it is of.
    Mapped { mapping: memmap2::Mmap, file: File },
    /// Bytes that were read or handed over.
    Owned(Vec<u8>),
    /// What a file compressed as a whole holds.
    Unpacked(Vec<u8>),
}

impl Content {
    /// Maps a regular file; reads anything else (a pipe, say) to its end.
    pub(crate) fn open(path: &Path) -> Result<Content> {
        let mut file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
        let metadata = file.metadata().map_err(|source| Error::io(path, "read", source))?;
        if metadata.is_file() && metadata.len() > 0 {
            // SAFETY: the mapping is read-only and is handed out as shared slices only. What remains
            // is another process that truncates or rewrites the file while it is read; every reader of object
            // files that maps them takes this risk, and the alternative is a copy of hundreds of megabytes. All
            // that is derived from the bytes is checked where it is used.
            let mapping = unsafe { memmap2::Mmap::map(&file) };
            let mapping = mapping.map_err(|source| Error::io(path, "map", source))?;
            return match unpack_file(&mapping) {
                None => Ok(Content::Mapped { mapping, file }),
                Some(Ok(bytes)) => Ok(Content::Unpacked(bytes)),
                Some(Err(what)) => Err(Error::Malformed { file: path.to_path_buf(), offset: 0, what }),
            };
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::io(path, "read", source))?;
        Ok(Content::Owned(bytes))
    }

    /// Brings mapped bytes into reach at once, rather than page by page as they are read.
    pub(crate) fn prepare(&self, bytes: &[u8]) {
        let Content::Mapped { mapping, .. } = self else { return };
        let start = (bytes.as_ptr() as usize).wrapping_sub(mapping.as_ptr() as usize);
        if mapping.get(start..).is_some_and(|tail| tail.len() >= bytes.len()) && !bytes.is_empty() {
            // Kernels before 5.14 do not know it; then the pages come as they are read.
            let _ = mapping.advise_range(memmap2::Advice::PopulateRead, start, bytes.len());
        }
    }

    /// Gives back the memory of mapped bytes; they are read from the file again if they are needed again.
    pub(crate) fn release(&self, bytes: &[u8]) {
        let Content::Mapped { mapping, .. } = self else { return };
        let start = (bytes.as_ptr() as usize).wrapping_sub(mapping.as_ptr() as usize);
        if mapping.get(start..).is_none_or(|tail| tail.len() < bytes.len()) || bytes.is_empty() {
            return;
        }
        // What the kernel mapped around the bytes goes too, be it next to someone who has to map it again.
        let base = mapping.as_ptr() as usize;
        let first = ((base + start) / MAPPED_AROUND * MAPPED_AROUND).saturating_sub(base);
        let end = ((base + start + bytes.len()).next_multiple_of(MAPPED_AROUND) - base).min(mapping.len());
        // SAFETY: the mapping is read-only and backed by the file, so that discarded pages come back with the same
        // bytes; the range was checked to be inside it. Failure means that nothing was given back.
        let _ =
            unsafe { mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, first, end - first) };
    }

    /// The open file, if the content is mapped.
    pub(crate) fn file(&self) -> Option<&File> {
        match self {
            Content::Mapped { file, .. } => Some(file),
            Content::Owned(_) | Content::Unpacked(_) => None,
        }
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Mapped { mapping, .. } => mapping,
            Content::Owned(bytes) | Content::Unpacked(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Content::Mapped { .. } => "mapped",
            Content::Owned(_) => "owned",
            Content::Unpacked(_) => "unpacked",
        };
        write!(f, "{} bytes, {kind}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_bytes_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mapped = Content::open(&path).unwrap();
        assert!(matches!(mapped, Content::Mapped { .. }));
        for range in [0..200_000, 4096..8192, 5000..5001, 199_999..200_000, 7..7] {
            mapped.release(&mapped[range]);
            assert_eq!(*mapped, *bytes);
        }
        // Bytes from elsewhere are left alone.
        mapped.release(&bytes);
        let owned = Content::Owned(bytes.clone());
        owned.release(&owned[100..]);
        owned.release(&mapped);
        assert_eq!(*owned, *bytes);
    }

    #[test]
    fn an_empty_file_and_a_device_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"").unwrap();
        assert!(Content::open(&path).unwrap().is_empty());
        assert!(Content::open(Path::new("/dev/null")).unwrap().is_empty());
    }
}
