//! What can be missing in a dump, or wrong.

use btfkit_vmcore::{Error as MemoryError, VirtualAddress};
use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Every variant prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Memory cannot be read.
    Memory {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        error: MemoryError,
    },
    /// The symbol table cannot be found.
    NoSymbols {
        /// Why.
        reason: &'static str,
    },
    /// A kernel's table is not as it should be.
    BrokenTable {
        /// Which.
        what: &'static str,
        /// Where it is.
        address: VirtualAddress,
    },
    /// The kernel has no types.
    NoTypes {
        /// Why.
        reason: &'static str,
    },
    /// Symbols do not tell where the kernel's types are, and they were not found in its image.
    TypesNotFound {
        /// Pages of the image that are not in the dump.
        missing_pages: usize,
    },
    /// The machine has fewer processors.
    NoProcessor {
        /// The one that was asked for.
        cpu: u64,
        /// How many there can be.
        count: u32,
    },
    /// Nothing tells what was in the processors' registers.
    NoRegisters {
        /// Why.
        reason: &'static str,
    },
    /// A side file was not made for this kernel.
    WrongSideFile {
        /// Which.
        file: String,
        /// What shows it.
        reason: String,
    },
    /// BTF cannot be read.
    Btf {
        /// Whose.
        of: String,
        /// Why not.
        error: btfkit_btf::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { error: MemoryError::Interrupted, .. } => MemoryError::Interrupted.fmt(f),
            Self::Memory { what, error } => write!(f, "{what}: {error}"),
            Self::NoSymbols { reason } => write!(f, "no symbols: {reason}"),
            Self::BrokenTable { what, address } => write!(f, "{what} at {address} is broken"),
            Self::NoTypes { reason } => write!(f, "no types: {reason}"),
            Self::TypesNotFound { missing_pages: 0 } => {
                f.write_str("no types: kallsyms names no data, and no BTF was found in the kernel's image")
            }
            Self::TypesNotFound { missing_pages } => write!(
                f,
                "no types: kallsyms names no data, and no BTF was found in the kernel's image (pages of it that are not in the \
                 dump: {missing_pages})"
            ),
            Self::NoRegisters { reason } => write!(f, "no registers: {reason}"),
            Self::NoProcessor { cpu, count } => {
                write!(
                    f,
                    "there is no processor {cpu}: they are numbered from 0 to {}",
                    count.saturating_sub(1)
                )
            }
            Self::WrongSideFile { file, reason } => write!(f, "{file}: {reason}"),
            Self::Btf { of, error } => write!(f, "types of {of}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Names what was wanted of memory.
pub(crate) fn of(what: &'static str) -> impl Fn(MemoryError) -> Error {
    move |error| Error::Memory { what, error }
}
