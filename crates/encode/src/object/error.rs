//! What can be wrong with an ELF file, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an ELF file, or a part of it, could not be read. Displays as one line that names the file and, where there
/// is one, the file offset in bytes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: the file is not there, may not be read, or the disk is full.
    Io {
        /// The file.
        file: PathBuf,
        /// What was attempted, as a verb: "open", "read", "write".
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The file does not begin as an ELF file does.
    NotElf {
        /// The file.
        file: PathBuf,
    },
    /// The file is a memory dump (`ET_CORE`), not a program, a module or an object.
    CoreDump {
        /// The file.
        file: PathBuf,
    },
    /// The file is ELF of a kind that is not handled.
    Unsupported {
        /// The file.
        file: PathBuf,
        /// Offset in the file of the field that says so.
        offset: u64,
        /// What is not handled.
        what: &'static str,
    },
    /// A table or a section reaches beyond the end of the file.
    Truncated {
        /// The file.
        file: PathBuf,
        /// What was to be read.
        what: String,
        /// Offset in the file at which it should begin.
        offset: u64,
        /// Its size in bytes.
        size: u64,
        /// The size of the file in bytes.
        file_size: u64,
    },
    /// A field has a value that the format does not allow.
    Malformed {
        /// The file.
        file: PathBuf,
        /// Offset in the file of the field, or of the structure that it is in.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The file has no section of that number.
    NoSuchSection {
        /// The file.
        file: PathBuf,
        /// The number that was asked for.
        index: u32,
        /// How many sections there are, the null section included.
        count: u32,
    },
    /// A compressed section could not be decompressed.
    Decompression {
        /// The file.
        file: PathBuf,
        /// The section's name.
        section: String,
        /// Offset of the section in the file.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A section cannot be given the new content.
    CannotReplace {
        /// The file.
        file: PathBuf,
        /// The section's name.
        section: String,
        /// Offset of the section in the file.
        offset: u64,
        /// Why not, and what would be possible.
        what: String,
    },
}

/// The result of reading an ELF file.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The file that the error is about.
    pub fn file(&self) -> &Path {
        match self {
            Error::Io { file, .. }
            | Error::NotElf { file }
            | Error::CoreDump { file }
            | Error::Unsupported { file, .. }
            | Error::Truncated { file, .. }
            | Error::Malformed { file, .. }
            | Error::NoSuchSection { file, .. }
            | Error::Decompression { file, .. }
            | Error::CannotReplace { file, .. } => file,
        }
    }

    /// Wraps a system error.
    pub(crate) fn io(file: &Path, action: &'static str, source: io::Error) -> Error {
        Error::Io { file: file.to_owned(), action, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file().display())?;
        match self {
            Error::Io { action, source, .. } => write!(f, "cannot {action}: {source}"),
            Error::NotElf { .. } => write!(f, "not an ELF file"),
            Error::CoreDump { .. } => {
                write!(f, "a core dump; a program, a kernel, a module or an object is needed here")
            }
            Error::Unsupported { offset, what, .. } => write!(f, "{what} (at offset {offset:#x})"),
            Error::Truncated { what, offset, size, file_size, .. } => {
                write!(
                    f,
                    "{what} at offset {offset:#x} needs {size:#x} bytes, but the file ends at {file_size:#x}"
                )
            }
            Error::Malformed { offset, what, .. } => write!(f, "{what} (at offset {offset:#x})"),
            Error::NoSuchSection { index, count, .. } => {
                write!(f, "there is no section {index}; the file has {count}")
            }
            Error::Decompression { section, offset, what, .. } => {
                write!(f, "section {section} at offset {offset:#x} cannot be decompressed: {what}")
            }
            Error::CannotReplace { section, offset, what, .. } => {
                write!(f, "section {section} at offset {offset:#x} cannot be replaced: {what}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
