//! From DWARF to BTF.
#![warn(missing_docs)]

pub mod object;
