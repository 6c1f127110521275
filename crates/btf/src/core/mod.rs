//! CO-RE, "compile once, run everywhere": what a BPF object asks of a kernel's types, and what answers it.
//!
//! A compiler leaves in `.BTF.ext` a *relocation* for each place where code depends on a kernel's types: the object's
//! own, *local* type, and an *access string* that says what of it is meant. A loader finds the kernel's, *target* types
//! of the same name, and follows the access there by the names of members.
//!
//! ```text
//! relocation  ──Spec::parse──▶  Spec            what is asked: a field, a type, an enumerator
//! Target      ──candidates───▶  Place…          types of that name and kind in a kernel and its modules
//! field::find, types::compatible, types::matches, enumerator::find: does a candidate answer it, and by which members?
//! ```
//!
//! The rules are those of the kernel's documentation (`Documentation/bpf/llvm_reloc.rst`, and of libbpf's as its users
//! know them): typedefs and qualifiers are looked through, `___` and what follows in a name is a *flavour* that only the
//! object knows, members are found by name also inside anonymous members, and a field's type must be of the same kind.

mod effort;
pub mod enumerator;
pub mod field;
mod name;
mod spec;
mod target;
pub mod types;

pub use effort::Effort;
pub use name::essential;
pub use spec::{Question, Spec, Step};
pub use target::{Candidates, Place, Target};
pub use types::Looked;
