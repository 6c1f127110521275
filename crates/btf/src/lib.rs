//! BTF, the compact type format of the Linux kernel: read, build, check, deduplicate, order.
//!
//! [`Btf`] is a view over bytes, [`Builder`] its mirror image that writes:
//!
//! ```
//! use btfkit_btf::{Btf, Builder, ByteOrder, IntEncoding, Kind, Member};
//!
//! let mut builder = Builder::new(ByteOrder::NATIVE);
//! let name = builder.string(b"int");
//! let int = builder.int(name, 4, IntEncoding::signed(32));
//! let (point, x) = (builder.string(b"point"), builder.string(b"x"));
//! builder.aggregate(Kind::Struct, point, 4, &[Member { name: x, type_id: int, ..Member::default() }])?;
//! let bytes = builder.finish()?;
//!
//! let btf = Btf::parse(bytes)?;
//! let point = btf.find(b"point", Kind::Struct).unwrap();
//! assert_eq!(point.members().next().unwrap().type_id, int);
//! # Ok::<(), btfkit_btf::Error>(())
//! ```
//!
//! Nothing here knows files, ELF, DWARF or kernels. No input makes it panic, hang, or take memory out of proportion.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod builder;
pub mod check;
mod copied_strings;
pub mod core;
pub mod declaration;
pub mod dedup;
pub mod diff;
pub mod distill;
pub mod dump;
mod error;
pub mod ext;
pub mod fit;
pub mod follow;
mod header;
mod ids;
mod kind;
mod layout;
pub mod merge;
pub mod minimize;
mod names;
pub mod order;
pub mod places;
pub mod provenance;
pub mod relocate;
pub mod sanitize;
pub mod size;
pub mod split;
mod strings;
pub mod structure;
mod types;
mod view;

pub use builder::Builder;
pub use error::{Error, Result};
pub use header::Header;
pub use ids::{ByteOrder, StringOffset, TypeId};
pub use kind::Kind;
pub use layout::KindLayout;
pub use types::{Array, Enumerator, IntEncoding, Linkage, Member, Param, SectionEntry, Type};
pub use view::Btf;
