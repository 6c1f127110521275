//! Types as text: the lines that bpftool prints of them, and the JSON.
//!
//! What the forms look like was learnt by watching bpftool 7.1 print every kind, odd ones too; kinds that it does not know
//! are written in the same manner.
//!
//! ```
//! use btfkit_btf::dump::{Output, raw};
//! # use btfkit_btf::{Btf, Builder, ByteOrder};
//! # let mut builder = Builder::new(ByteOrder::NATIVE);
//! # let name = builder.string(b"double");
//! # builder.float(name, 8);
//! # let btf = Btf::parse(builder.finish()?)?;
//! let mut text = Vec::new();
//! let mut output = Output::new(&mut text);
//! for ty in btf.types() {
//!     raw::write(&mut output, ty)?;
//! }
//! output.finish()?;
//! assert_eq!(text, b"[1] FLOAT 'double' size=8\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod c;
pub mod json;
mod output;
pub mod raw;
mod text;

pub use output::Output;
