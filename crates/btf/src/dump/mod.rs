//! Types as text: the lines of `bpftool btf dump`, and its JSON.
//!
//! Each form has a function that appends one type to a buffer, so that whoever prints decides when to write.

pub mod json;
pub mod raw;
mod text;

pub use text::ANONYMOUS;
