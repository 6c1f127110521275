//! A Linux crash dump as memory: where a dump keeps which page, and how addresses are translated.
//!
//! ```text
//! file        bytes at offsets: of one file, or of a flattened stream
//! image       physical pages: ELF core, kdump-compressed (one file or a split set), /proc/kcore, raw memory
//! note        what the dumper wrote beside the memory: registers, VMCOREINFO
//! translate   the kernel's page tables: x86_64, aarch64, riscv64, s390x
//! memory      the kernel's virtual memory, read through all of these
//! ```
//!
//! A [`Dump`] is opened by looking at bytes, never at a file's name. Three answers that other readers blur stay apart up
//! to the user: an address is *not mapped*, or its page was *excluded* when the dump was written, or it lies *beyond the
//! end of the file* because the dump is incomplete.
//!
//! Whatever the size of a dump, it is read in pieces, through a bounded cache of pages; all reading may be done from
//! several threads. No input makes this crate panic, hang, or take memory out of proportion.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod compression;
mod dump;
mod elf;
mod error;
mod extents;
mod file;
mod flattened;
mod kdump;
mod lzo;
mod memory;
mod note;
mod raw;
mod registers;
mod translate;
mod vmcoreinfo;

pub use address::{ByteOrder, Machine, PhysicalAddress, VirtualAddress};
pub use dump::{Dump, Format, FormatKind};
pub use elf::Segment;
pub use error::{Error, Result};
pub use memory::Memory;
pub use note::{Note, PrStatus};
pub use registers::{register_name, register_names};
pub use translate::{Mapping, PageTables};
pub use vmcoreinfo::{Origin, VmcoreInfo};
