//! A memory dump as a kernel: what it calls its parts, of which types they are, and where.
//!
//! ```text
//! symbols     kallsyms: every name and its address, from the kernel's own tables
//! types       BTF: of the kernel, of its modules, of side files
//! variables   both together: a name, its type, its address
//! value       a type and a place; expression: C over these; show: what is seen of them
//! ```
//!
//! Everything comes from the dump itself. Each step that fails leaves a [`Kernel`] that can do all that the missing step
//! does not touch, and says what is missing.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod ctype;
mod declarations;
mod error;
pub mod expression;
mod image;
mod kernel;
pub mod registers;
pub mod show;
mod side_file;
pub mod symbols;
mod types;
pub mod value;
mod variables;
pub mod views;

pub use ctype::{CType, Look, Shape};
pub use declarations::declared_names;
pub use error::{Error, Result};
pub use kernel::{Kernel, Options};
pub use symbols::{Symbol, Symbols};
pub use types::{TypeSource, Types};
pub use value::{Place, Value, ValueError};
pub use variables::{Address, Variable};
