//! What can be wrong with a dump, and why an address cannot be read.

use crate::{Machine, PhysicalAddress, VirtualAddress};
use std::fmt;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and where. Every variant prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operating system cannot read the file.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The file is no dump of any kind known here.
    NotADump {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        reason: String,
    },
    /// A part of the dump's own structure is wrong.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Files that are given together do not belong together.
    NotOneSet {
        /// The file that does not fit.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The kernel has no memory at this address: its page tables do not map it.
    NotMapped(VirtualAddress),
    /// The machine has no memory here, as far as the dump knows.
    NoMemory(PhysicalAddress),
    /// The page was left out when the dump was written (makedumpfile's dump level), or was zero, which some formats do
    /// not tell apart.
    Excluded(PhysicalAddress),
    /// The page's place is beyond the end of the file: the dump is incomplete.
    BeyondFile(PhysicalAddress),
    /// The page is in the dump, but cannot be decompressed.
    DamagedPage {
        /// The page.
        address: PhysicalAddress,
        /// Why.
        reason: &'static str,
    },
    /// Nothing tells where the kernel's page tables are.
    NoPageTables {
        /// What is missing: a key of VMCOREINFO.
        missing: &'static str,
    },
    /// Page tables of this machine are not known.
    UnknownMachine(Machine),
    /// The user wants no more of it.
    Interrupted,
}

impl Error {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), message: error.to_string() }
    }

    /// Whether this says of an address why it cannot be read, rather than of the dump what is wrong with it.
    pub fn is_about_memory(&self) -> bool {
        matches!(
            self,
            Self::NotMapped(_)
                | Self::NoMemory(_)
                | Self::Excluded(_)
                | Self::BeyondFile(_)
                | Self::DamagedPage { .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, message } => write!(f, "{}: {message}", path.display()),
            Self::NotADump { path, reason } => write!(f, "{}: not a memory dump: {reason}", path.display()),
            Self::Malformed { path, offset, what } => {
                write!(f, "{}: damaged at offset {offset:#x}: {what}", path.display())
            }
            Self::NotOneSet { path, reason } => {
                write!(f, "{}: does not go with the other files: {reason}", path.display())
            }
            Self::NotMapped(address) => write!(f, "{address} is not mapped"),
            Self::NoMemory(address) => write!(f, "{address} is no memory of this machine"),
            Self::Excluded(address) => write!(f, "{address} was excluded from the dump"),
            Self::BeyondFile(address) => {
                write!(f, "{address} is beyond the end of the file: the dump is incomplete")
            }
            Self::DamagedPage { address, reason } => write!(f, "{address} is damaged in the dump: {reason}"),
            Self::NoPageTables { missing } => {
                write!(f, "the kernel's page tables cannot be found: VMCOREINFO has no {missing}")
            }
            Self::UnknownMachine(machine) => write!(f, "page tables of {machine} are not known"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
