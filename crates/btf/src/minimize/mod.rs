//! Minimised BTF: of a kernel's types only what some BPF objects need to be relocated to it.
//!
//! A kernel without BTF of its own can be served by a file; all kernels that a tool supports take gigabytes of such
//! files, while the tool's objects look at a few fields of a few structures. What is kept:
//!
//! - for a field: the structures and unions on the way to it with the members on the way, at their offsets and with the
//!   sizes of the whole; the types of these members, pointers among them without what they point to;
//! - for a type: it, without members; for a type that is compared all the way down: whatever the comparison looks at;
//! - for an enumerator: its enumeration with this one enumerator;
//! - for what an object names of a kernel besides (`__ksym` variables and functions, `struct_ops`, the functions and
//!   tracepoints that programs attach to): it, with its prototypes.
//!
//! Types of modules are put beside the kernel's into the one blob: loaders look for modules' types only in the kernel
//! that runs, never in a file. Types that nothing tells apart after all that are one type.

mod kept;
mod needs;
mod write;

use hashbrown::HashSet;

use crate::core::{
    Candidates, Effort, Looked, Place, Question, Spec, Target, enumerator, essential, field, types,
};
use crate::{Kind, Type, TypeId, error::Result};
use kept::Kept;
pub use needs::{Needs, Object};

/// A minimised BTF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimized {
    /// The blob: it stands alone, leaves first as [`crate::order::leaves_first`] has them.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub report: Report,
}

/// What objects asked, and what a kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Types kept.
    pub types: u32,
    /// Questions asked: relocations that ask the same count once for each object.
    pub asked: u32,
    /// Questions that the kernel has an answer to.
    pub answered: u32,
    /// The others, such as `struct task_struct.state`, by name.
    pub missing: Vec<String>,
}

/// Keeps of a kernel and its modules what these objects need.
///
/// # Errors
/// A type that is looked at is broken, or the result is larger than BTF can be.
pub fn minimize(target: &Target<'_>, needs: &[Needs<'_>]) -> Result<Minimized> {
    let candidates = Candidates::of(target, needs.iter().flat_map(Needs::names));
    let effort = Effort::for_questions(needs.iter().map(|needs| needs.specs.len() + needs.named.len()).sum());
    let mut search = Search { target, candidates, kept: Kept::new(target), effort };
    let mut report = Report::default();
    let mut missing = HashSet::new();
    for needs in needs {
        for spec in &needs.specs {
            report.asked += 1;
            if search.answer(needs, spec)? {
                report.answered += 1;
            } else {
                missing.insert(spec.show(needs.btf));
            }
        }
        for root in &needs.named {
            report.asked += 1;
            if search.keep_named(needs, root)? {
                report.answered += 1;
            } else {
                missing.insert(root.to_string());
            }
        }
    }
    report.missing.extend(missing);
    report.missing.sort();
    // A module's own idea of a type that the kernel is asked for has come along with something else. Under its name, it
    // would be taken for an answer.
    let nameless = |place: Place, ty: Type<'_>| {
        let same_name = || search.candidates.get(ty.kind(), essential(ty.name()));
        place.btf != 0 && same_name().first().is_some_and(|candidate| candidate.btf == 0)
    };
    let (bytes, types) = write::write(target, &search.kept, nameless)?;
    report.types = types;
    Ok(Minimized { bytes, report })
}

struct Search<'s, 'a> {
    target: &'s Target<'a>,
    candidates: Candidates<'s>,
    kept: Kept<'s, 'a>,
    effort: Effort,
}

impl Search<'_, '_> {
    /// Keeps what answers a relocation; tells whether anything does. Every candidate that does is kept: if there are
    /// several, loaders compare their answers.
    fn answer(&mut self, needs: &Needs<'_>, spec: &Spec) -> Result<bool> {
        let root = needs.btf.get(spec.root)?;
        let mut answered = false;
        let candidates = self.candidates.get(root.kind(), essential(root.name())).to_vec();
        for candidate in candidates {
            self.effort.spend(1)?;
            answered |= match &spec.question {
                Question::Field(steps) => {
                    let way = field::find(needs.btf, self.target, candidate, steps, &mut self.effort)?;
                    if let Some(way) = &way {
                        self.kept.keep(candidate)?;
                        for &(place, index) in way {
                            self.kept.keep_element(place, index)?;
                        }
                    }
                    way.is_some()
                }
                Question::Enumerator(name) => {
                    let found = enumerator::find(self.target, candidate, name, &mut self.effort)?;
                    if let Some((place, index)) = found {
                        self.kept.keep(candidate)?;
                        self.kept.keep_element(place, index)?;
                    }
                    found.is_some()
                }
                Question::Type => {
                    let mut looked = Vec::new();
                    let compatible = types::compatible(
                        needs.btf,
                        spec.root,
                        self.target,
                        candidate,
                        &mut self.effort,
                        |at| {
                            looked.push(at);
                        },
                    )?;
                    self.keep_looked(&looked)?;
                    compatible
                }
                Question::Match => {
                    let mut looked = Vec::new();
                    let matches = types::matches(
                        needs.btf,
                        spec.root,
                        self.target,
                        candidate,
                        &mut self.effort,
                        |at| looked.push(at),
                    )?;
                    self.keep_looked(&looked)?;
                    matches
                }
            };
        }
        Ok(answered)
    }

    /// Keeps what a comparison looked at, also where the answer is no: with less, it could become yes.
    fn keep_looked(&mut self, looked: &[Looked]) -> Result<()> {
        for &looked in looked {
            match looked {
                Looked::Type(place) => self.kept.keep(place)?,
                Looked::Element(place, index) => self.kept.keep_element(place, index)?,
            }
        }
        Ok(())
    }

    /// Keeps what an object names without a relocation.
    fn keep_named(&mut self, needs: &Needs<'_>, named: &needs::Named) -> Result<bool> {
        let places: Vec<Place> = self.candidates.get(named.kind, &named.name).to_vec();
        for &place in &places {
            if named.with_members {
                self.kept.keep_all_elements(place)?;
            }
            self.kept.keep_deep(place)?;
            if let Some(local) = named.local {
                // What a loader compares it by.
                let mut looked = Vec::new();
                let inner = |id: TypeId, ty: Type<'_>| match ty.kind() {
                    Kind::Func | Kind::Var => ty.type_id().unwrap_or_default(),
                    _ => id,
                };
                let ours = inner(local, needs.btf.get(local)?);
                let theirs = self.target.place(place, inner(place.id, self.target.get(place)?));
                types::compatible(needs.btf, ours, self.target, theirs, &mut self.effort, |at| {
                    looked.push(at);
                })?;
                self.keep_looked(&looked)?;
            }
        }
        Ok(!places.is_empty())
    }
}
