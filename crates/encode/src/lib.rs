//! From DWARF to BTF.
#![warn(missing_docs)]

pub mod atomic_file;
pub mod object;
pub mod section_writer;
