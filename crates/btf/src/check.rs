//! The kernel's verifier as a library: would a kernel take this blob?
//!
//! The kernel reads BTF in two ways. Its own blob and those of modules ([`Profile::Vmlinux`]) are checked record by
//! record, and chains of modifiers are followed. A blob that user space loads ([`Profile::Load`], BPF_BTF_LOAD) is
//! also resolved: every reference must lead to something that fits where it stands. The kernel stops at the first
//! fault; here all are collected.
//!
//! The phases, a file each: `blob` the header, sections and strings; `records` each record by itself; `names` what may
//! be a name; `chains` modifiers and type tags; `resolve` and `members` what the references lead to. Each rule is a
//! [`Rule`]. Verdicts are compared with a running kernel's (6.18) by the test `kernel_verifier`, holes included.
//!
//! Not checked: the fields with a meaning to BPF (`bpf_spin_lock`, kptrs, list heads and the like), which the kernel
//! looks for in loaded blobs after all this; and of the LOC kinds more than names and type ids. A blob is taken in its
//! own byte order, though a kernel reads its own order only.
//!
//! ```
//! use btfkit_btf::check::{Profile, Rule, check};
//! use btfkit_btf::{Builder, ByteOrder, TypeId};
//!
//! let mut builder = Builder::new(ByteOrder::NATIVE);
//! let name = builder.string(b"not a name");
//! builder.typedef(name, TypeId::VOID);
//! let report = check(&builder.finish()?, None, Profile::Vmlinux);
//! assert!(report.breaks(Rule::Name));
//! # Ok::<(), btfkit_btf::Error>(())
//! ```

mod blob;
mod chains;
mod members;
mod names;
mod records;
mod resolve;
mod rules;

use crate::{Btf, Type, TypeId};
pub use rules::Rule;
use std::fmt;
use std::sync::Arc;

/// How the kernel will read the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As its own BTF or that of a module.
    Vmlinux,
    /// As a blob loaded from user space.
    Load,
}

/// Which form of BTF the kernel knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// 24-byte header, 16-bit counts, kinds up to ENUM64: kernels up to 7.0.
    Classic,
    /// Also the layout section, 24-bit counts and the LOC kinds.
    #[default]
    Current,
}

/// What to check against, and how much to report.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How the kernel will read the blob.
    pub profile: Profile,
    /// Which form of BTF it knows.
    pub format: Format,
    /// How many violations to describe; further ones are counted only.
    pub limit: usize,
}

impl Options {
    /// The newest form, the first 1000 violations.
    pub const fn new(profile: Profile) -> Self {
        Self { profile, format: Format::Current, limit: 1000 }
    }
}

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Violation {
    /// The rule broken.
    pub rule: Rule,
    /// The type at fault; `void` when it is the blob as a whole.
    pub type_id: TypeId,
    /// That type's kind and name.
    pub subject: String,
    /// Which member, enumerator, parameter or section entry is at fault, from 0.
    pub element: Option<u32>,
    /// The numbers that are wrong.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.type_id.is_void() {
            write!(f, "type {} {}", self.type_id, self.subject)?;
            if let Some(element) = self.element {
                write!(f, " #{element}")?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}", self.rule.message())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// The violations, in the order found, up to the limit.
    pub violations: Vec<Violation>,
    /// How many there are.
    pub total: u64,
}

impl Report {
    /// Whether the kernel would take the blob.
    pub fn is_clean(&self) -> bool {
        self.total == 0
    }

    /// Whether this rule is among those broken.
    pub fn breaks(&self, rule: Rule) -> bool {
        self.violations.iter().any(|violation| violation.rule == rule)
    }
}

/// Checks a blob against the newest rules of a profile. A split blob comes with its base, which counts as sound.
pub fn check(data: &[u8], base: Option<&Arc<Btf<'_>>>, profile: Profile) -> Report {
    check_with(data, base, &Options::new(profile))
}

/// Checks a blob. A split blob comes with its base, which counts as sound.
pub fn check_with(data: &[u8], base: Option<&Arc<Btf<'_>>>, options: &Options) -> Report {
    let mut findings = Findings { options: *options, report: Report::default() };
    blob::check(&mut findings, data, base.map(Arc::as_ref));
    let Ok((btf, stop)) = Btf::open_up_to_fault(data.into(), base.cloned()) else { return findings.report };
    records::check(&mut findings, &btf, stop);
    chains::check(&mut findings, &btf);
    if options.profile == Profile::Load {
        resolve::check(&mut findings, &btf);
    }
    findings.report
}

/// What is found on the way, and what is looked for.
struct Findings {
    options: Options,
    report: Report,
}

impl Findings {
    fn is_classic(&self) -> bool {
        self.options.format == Format::Classic
    }

    /// Notes a fault of the blob as a whole.
    #[cold]
    fn blob(&mut self, rule: Rule, detail: fmt::Arguments<'_>) {
        self.add(rule, None, None, detail);
    }

    /// Notes a fault of a type.
    #[cold]
    fn ty(&mut self, rule: Rule, ty: Type<'_>, detail: fmt::Arguments<'_>) {
        self.add(rule, Some(ty), None, detail);
    }

    /// Notes a fault of a member, enumerator, parameter or section entry.
    #[cold]
    fn element(&mut self, rule: Rule, ty: Type<'_>, element: Option<u32>, detail: fmt::Arguments<'_>) {
        self.add(rule, Some(ty), element, detail);
    }

    fn add(&mut self, rule: Rule, ty: Option<Type<'_>>, element: Option<u32>, detail: fmt::Arguments<'_>) {
        self.report.total += 1;
        if self.report.violations.len() < self.options.limit {
            self.report.violations.push(Violation {
                rule,
                type_id: ty.map_or(TypeId::VOID, Type::id),
                subject: ty.map_or_else(String::new, subject),
                element,
                detail: detail.to_string(),
            });
        }
    }
}

/// Kind and name, the name cut where it is longer than anyone wants to read.
fn subject(ty: Type<'_>) -> String {
    let name = ty.name();
    if name.is_empty() {
        return ty.kind().to_string();
    }
    format!("{} '{}'", ty.kind(), String::from_utf8_lossy(&name[..name.len().min(128)]))
}
