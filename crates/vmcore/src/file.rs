//! Bytes at offsets: a file as it is, or put together again from a flattened stream.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::extents::Extents;
use crate::{Error, Result, flattened};

/// A file that is read in pieces.
#[derive(Debug)]
pub(crate) struct DumpFile {
    path: PathBuf,
    content: Content,
    /// In bytes; of what the content claims to be when it is flattened.
    length: u64,
    /// In bytes; of the file itself. No structure of a dump is longer.
    stored_length: u64,
    /// A file of procfs, until it proves to be none of a running kernel's: the length of `/proc/kcore` says nothing, and
    /// memory may go away while it is read.
    live: bool,
    extents: Option<Extents>,
}

/// What is read.
#[derive(Debug)]
enum Content {
    File(File),
    /// A dump that is in memory already.
    Bytes(Cow<'static, [u8]>),
}

/// File system magic of proc (`PROC_SUPER_MAGIC`).
const PROC: i64 = 0x9fa0;

impl DumpFile {
    /// Opens a file; one that is flattened is indexed, which takes a walk over its records.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, &error))?;
        let metadata = file.metadata().map_err(|error| Error::io(path, &error))?;
        if metadata.is_dir() {
            return Err(Error::NotADump { path: path.into(), reason: "it is a directory".into() });
        }
        let live =
            rustix::fs::fstatfs(&file).is_ok_and(|system| i128::from(system.f_type) == i128::from(PROC));
        let length = if live { u64::MAX } else { metadata.len() };
        Self::with(path, Content::File(file), length, live)
    }

    /// Takes the bytes of a file that is called `name`.
    pub(crate) fn from_bytes(name: &str, bytes: Cow<'static, [u8]>) -> Result<Self> {
        let length = bytes.len() as u64;
        Self::with(Path::new(name), Content::Bytes(bytes), length, false)
    }

    fn with(path: &Path, content: Content, length: u64, live: bool) -> Result<Self> {
        let mut opened =
            Self { path: path.into(), content, length, stored_length: length, live, extents: None };
        if let Some(extents) = flattened::extents(&opened)? {
            opened.length = extents.end();
            opened.extents = Some(extents);
        }
        Ok(opened)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Length in bytes of the file itself, which bounds what can be in it.
    pub(crate) fn stored_length(&self) -> u64 {
        self.stored_length
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Says that the memory in here is not that of the running kernel: procfs has `/proc/vmcore`, too, where a capture kernel
    /// shows what the one before it has left. Its length is what the system says.
    pub(crate) fn hold_still(&mut self) -> Result<()> {
        if let (true, Content::File(file)) = (self.live, &self.content) {
            let metadata = file.metadata().map_err(|error| Error::io(&self.path, &error))?;
            (self.length, self.stored_length) = (metadata.len(), metadata.len());
            self.live = false;
        }
        Ok(())
    }

    pub(crate) fn is_flattened(&self) -> bool {
        self.extents.is_some()
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        match &self.extents {
            Some(extents) => {
                flattened::read_at(extents, offset, buffer, |offset, buffer| self.read_raw(offset, buffer))
            }
            None => self.read_raw(offset, buffer),
        }
    }

    fn read_raw(&self, offset: u64, mut buffer: &mut [u8]) -> Result<usize> {
        let wanted = buffer.len();
        let mut at = offset;
        while !buffer.is_empty() {
            // Offsets are signed for the system.
            if i64::try_from(at).is_err() {
                break;
            }
            let read = match &self.content {
                Content::File(file) => file.read_at(buffer, at),
                Content::Bytes(bytes) => {
                    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                    let length = rest.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&rest[..length]);
                    Ok(length)
                }
            };
            match read {
                Ok(0) => break,
                Ok(read) => {
                    at += read as u64;
                    buffer = &mut buffer[read..];
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // What is gone from a running kernel reads as not there.
                Err(_) if self.live => break,
                Err(error) => return Err(Error::io(&self.path, &error)),
            }
        }
        Ok(wanted - buffer.len())
    }

    /// Exactly `length` bytes at `offset`, or an error that names `what`.
    pub(crate) fn bytes(&self, offset: u64, length: u64, what: &str) -> Result<Vec<u8>> {
        let fits = offset.checked_add(length).is_some_and(|end| end <= self.length);
        // A live file's length cannot be relied on.
        if !fits || length > self.stored_length.min(1 << 30) {
            return Err(self.malformed(offset, format!("{what} reaches beyond the end of the file")));
        }
        let mut bytes = vec![0; length as usize];
        if self.read_at(offset, &mut bytes)? < bytes.len() {
            return Err(self.malformed(offset, format!("{what} reaches beyond the end of the file")));
        }
        Ok(bytes)
    }

    pub(crate) fn malformed(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::Malformed { path: self.path.clone(), offset, what: what.into() }
    }

    pub(crate) fn not_a_dump(&self, reason: impl Into<String>) -> Error {
        Error::NotADump { path: self.path.clone(), reason: reason.into() }
    }
}
