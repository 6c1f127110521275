//! From DWARF to BTF.
