//! The kernel's verifier as a library: would a kernel take this blob?
//!
//! The kernel reads BTF in two ways. Its own blob and those of modules ([`Profile::Vmlinux`]) are checked record by
//! record, and chains of modifiers are followed. A blob that user space loads ([`Profile::Load`], BPF_BTF_LOAD) is
//! also resolved: every reference must lead to something that fits where it stands. The kernel stops at the first
//! fault; here all are collected.
//!
//! The phases, a file each: `blob` the header, sections and strings; `records` each record by itself; `names` what may
//! be a name; `chains` modifiers and type tags; `resolve` and `members` what the references lead to; `ext` the section
//! `.BTF.ext`. Each rule is a [`Rule`]. Verdicts are compared with a running kernel's (6.18) by the test
//! `kernel_verifier`, holes included.
//!
//! What only newer kernels take is a [`Feature`]: [`Options::kernel`] names the [`Version`] that the blob is for, and
//! [`crate::sanitize`] rewrites it so that this one takes it.
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
mod ext;
mod features;
mod members;
mod names;
mod records;
mod resolve;
mod rules;
mod version;

use crate::{Btf, Kind, StringOffset, Type, TypeId};
pub use features::Feature;
pub(crate) use names::{OLD_LIMIT, is_identifier_byte};
pub use rules::Rule;
use std::fmt;
use std::sync::Arc;
pub use version::{NoVersion, Version};

/// How the kernel will read the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Profile {
    /// As its own BTF or that of a module.
    Vmlinux,
    /// As a blob loaded from user space.
    Load,
    /// As [`Profile::Load`], by way of a loader: it is the BTF of an object file for BPF, in which a compiler leaves to
    /// the loader what it cannot know. Sections may be without size, and their variables then without order; functions
    /// and variables may be external, and external functions stand in sections and need no names of parameters.
    Object,
}

/// What to check against, and how much to report.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How the kernel will read the blob.
    pub profile: Profile,
    /// The kernel's release. What it does not take yet is refused; rules that it did not have yet are held all the same.
    pub kernel: Version,
    /// How many violations to describe; further ones are counted only.
    pub limit: usize,
}

impl Options {
    /// The newest kernel, the first 1000 violations.
    pub const fn new(profile: Profile) -> Self {
        Self { profile, kernel: Version::NEWEST, limit: 1000 }
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
    /// That type's kind.
    pub kind: Option<Kind>,
    /// That type's name, cut where it is longer than anyone wants to read.
    pub name: String,
    /// Which member, enumerator, parameter or section entry is at fault, from 0; in `.BTF.ext`, which record.
    pub element: Option<u32>,
    /// The element's name: of a section entry, its variable's; of a record of `.BTF.ext`, its ELF section's.
    pub element_name: String,
    /// Where the record or element stands, in bytes from the start of the blob (or of `.BTF.ext`).
    pub offset: Option<usize>,
    /// The numbers that are wrong.
    pub detail: String,
    /// What an older kernel does not take yet; `None` when newer ones refuse the blob too.
    pub feature: Option<Feature>,
}

impl Violation {
    /// What an element of the type at fault is called.
    pub fn element_noun(&self) -> &'static str {
        match self.kind {
            Some(Kind::Struct | Kind::Union) => "member",
            Some(Kind::Enum | Kind::Enum64) => "enumerator",
            Some(Kind::Func | Kind::FuncProto) => "parameter",
            Some(_) => "entry",
            None => "record",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "type {} {kind}", self.type_id)?;
            if !self.name.is_empty() {
                write!(f, " '{}'", self.name)?;
            }
        }
        if let Some(element) = self.element {
            let comma = if self.kind.is_some() { ", " } else { "" };
            write!(f, "{comma}{} {element}", self.element_noun())?;
            if !self.element_name.is_empty() {
                write!(f, " '{}'", self.element_name)?;
            }
        }
        if self.kind.is_some() || self.element.is_some() {
            write!(f, ": ")?;
        }
        match self.feature {
            Some(feature) => write!(f, "not before Linux {}: {}", feature.since(), feature.what())?,
            None => write!(f, "{}", self.rule.message())?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
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
    let mut findings = Findings::new(options);
    blob::check(&mut findings, data, base.map(Arc::as_ref));
    let Ok((btf, stop)) = Btf::open_up_to_fault(data.into(), base.cloned()) else { return findings.report };
    records::check(&mut findings, &btf, stop);
    chains::check(&mut findings, &btf);
    if options.profile != Profile::Vmlinux {
        resolve::check(&mut findings, &btf);
    }
    findings.report
}

/// Checks the section `.BTF.ext` that goes with `btf`, as a loader and the kernel do when a program is loaded.
pub fn check_ext(data: &[u8], btf: &Btf<'_>, options: &Options) -> Report {
    let mut findings = Findings::new(options);
    ext::check(&mut findings, data, btf);
    findings.report
}

/// What is found on the way, and what is looked for.
struct Findings {
    options: Options,
    report: Report,
}

impl Findings {
    fn new(options: &Options) -> Self {
        Self { options: *options, report: Report::default() }
    }

    fn takes(&self, feature: Feature) -> bool {
        self.options.kernel.takes(feature)
    }

    /// Whether a loader comes before the kernel and fills in what a compiler cannot know.
    fn is_object(&self) -> bool {
        self.options.profile == Profile::Object
    }

    /// Notes a fault of the blob as a whole, or of the place `offset` in it.
    #[cold]
    fn blob(&mut self, rule: Rule, offset: Option<usize>, detail: fmt::Arguments<'_>) {
        self.blob_since(None, rule, offset, detail);
    }

    /// As [`Findings::blob`], for what newer kernels take.
    #[cold]
    fn blob_since(
        &mut self,
        feature: Option<Feature>,
        rule: Rule,
        offset: Option<usize>,
        detail: fmt::Arguments<'_>,
    ) {
        self.add(|| Violation { offset, feature, ..Violation::of(rule, detail) });
    }

    /// Notes a fault of a type.
    #[cold]
    fn ty(&mut self, rule: Rule, ty: Type<'_>, detail: fmt::Arguments<'_>) {
        self.element(rule, ty, None, detail);
    }

    /// Notes a fault of a member, enumerator, parameter or section entry.
    #[cold]
    fn element(&mut self, rule: Rule, ty: Type<'_>, element: Option<u32>, detail: fmt::Arguments<'_>) {
        self.add(|| Violation::of(rule, detail).at(ty, element));
    }

    /// Notes what this kernel does not take yet.
    #[cold]
    fn since(
        &mut self,
        feature: Feature,
        rule: Rule,
        ty: Type<'_>,
        element: Option<u32>,
        detail: fmt::Arguments<'_>,
    ) {
        self.add(|| Violation { feature: Some(feature), ..Violation::of(rule, detail).at(ty, element) });
    }

    fn add(&mut self, violation: impl FnOnce() -> Violation) {
        self.report.total += 1;
        if self.report.violations.len() < self.options.limit {
            self.report.violations.push(violation());
        }
    }
}

impl Violation {
    fn of(rule: Rule, detail: fmt::Arguments<'_>) -> Self {
        Self {
            rule,
            type_id: TypeId::VOID,
            kind: None,
            name: String::new(),
            element: None,
            element_name: String::new(),
            offset: None,
            detail: detail.to_string(),
            feature: None,
        }
    }

    fn at(self, ty: Type<'_>, element: Option<u32>) -> Self {
        let place = element.and_then(|index| Some(ty.kind().shape()?.element(index)));
        let record = ty.owner().record_offset(ty.id());
        Self {
            type_id: ty.id(),
            kind: Some(ty.kind()),
            name: shown(ty.name()),
            element,
            element_name: place.map_or_else(String::new, |word| element_name(ty, word)),
            offset: record.map(|offset| offset + place.unwrap_or(0) * 4),
            ..self
        }
    }
}

/// The name of the element that starts at a word of a record.
fn element_name(ty: Type<'_>, word: usize) -> String {
    match ty.kind() {
        Kind::DataSec => {
            ty.owner().get(TypeId(ty.word(word))).map_or_else(|_| String::new(), |var| shown(var.name()))
        }
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::FuncProto => {
            shown(ty.string(StringOffset(ty.word(word))))
        }
        _ => String::new(),
    }
}

/// A name as it is shown.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(128)].utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.extend(
            chunk.valid().chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }),
        );
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        text
    })
}
