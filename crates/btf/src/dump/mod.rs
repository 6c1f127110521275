//! Types as text: the lines that bpftool prints of them, and the JSON.
//!
//! Each form has a function that appends one type to a buffer, so that whoever prints decides when to write. What the
//! forms look like was learnt by watching bpftool 7.1 print every kind, odd ones too; kinds that it does not know are
//! written in the same manner.

pub mod c;
pub mod json;
pub mod raw;
mod text;
