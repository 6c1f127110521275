//! Types as a C header that compiles: a `vmlinux.h`.
//!
//! | phase | |
//! |---|---|
//! | `rank` | in which order definitions are wanted: by what they are and their names, so that headers can be compared |
//! | `order` | what has to stand before what; forward declarations |
//! | `layout` | what a compiler makes of a structure, and what makes it do as BTF says: `packed`, `aligned`, padding |
//! | `names` | names that several types have |
//! | `declarator`, `definition` | C |
//! | `externs` | functions and variables |
//! | `assertions` | what a compiler can check of all this |
//!
//! Everything is linear in what is read and written; what a hostile BTF could blow up (anonymous types in each other)
//! ends in an error that names the type.

mod assertions;
mod declarator;
mod definition;
mod externs;
mod layout;
mod libc;
mod names;
mod order;
mod outside;
mod prologue;
mod rank;
mod reserved;
mod scan;
mod spelling;

use crate::{Btf, Error, Kind, Type, TypeId, error::Result};
use hashbrown::HashMap;

pub use outside::Outside;

/// What a header is to hold.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Declare all variables. Those selected are declared in any case.
    pub variables: bool,
    /// Let the compiler check the size of every type and the offset of every member.
    pub assertions: bool,
    /// Also define what pointers lead to.
    pub follow_pointers: bool,
    /// What other headers define.
    pub outside: Outside,
    /// Headers to include, as they stand between `<` and `>`.
    pub includes: Vec<String>,
}

/// A header, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Header {
    /// The text.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub text: Vec<u8>,
    /// Structures, unions, enumerations and typedefs.
    pub definitions: usize,
    /// Tags declared ahead.
    pub forwards: usize,
    /// Functions declared.
    pub functions: usize,
    /// Variables declared.
    pub variables: usize,
    /// Assertions.
    pub assertions: usize,
    /// Members and enumerators that C cannot say; a comment stands in each's place.
    pub left_out: usize,
}

/// The header of all own types of `btf`, or of those selected, with what they need of it and of its base.
///
/// Selected functions and variables are declared.
///
/// # Errors
/// A type that is needed does not exist, is needed for itself, or is nested deeper than C goes.
pub fn header(btf: &Btf<'_>, selected: Option<&[TypeId]>, options: &Options) -> Result<Header> {
    let wanted = Wanted::new(btf, selected, options)?;
    let is_outside = |ty: Type<'_>| options.outside.has(ty);
    let mut order = order::Order::new(btf, &is_outside);
    for &id in &wanted.definitions {
        order.define(id)?;
    }
    for &id in wanted.functions.iter().chain(&wanted.kfuncs).chain(&wanted.variables) {
        order.declare(btf.get(id)?)?;
    }
    // Enumerations without a name that are no part of anything: they come first.
    let mut steps: Vec<order::Step> = wanted
        .constants
        .iter()
        .filter(|&&id| !order.is_inside(id))
        .map(|&id| order::Step::Define(id))
        .collect();
    steps.append(&mut order.steps);
    let layouts = layout::Layouts::new(btf, &order.aggregates, options.outside.is_empty())?;
    let records = !order.aggregates.is_empty();
    drop(order);

    let mut printer = declarator::Printer::new(btf, layouts, &wanted.tags, options);
    printer.records = records;
    printer.begin(&wanted.uses);
    for &step in &steps {
        printer.step(step)?;
    }
    printer.externs(&wanted)?;
    Ok(printer.finish())
}

/// What the header is to hold, each in the order wanted.
struct Wanted {
    definitions: Vec<TypeId>,
    /// Enumerations without a name.
    constants: Vec<TypeId>,
    functions: Vec<TypeId>,
    kfuncs: Vec<TypeId>,
    variables: Vec<TypeId>,
    tags: Tags,
    uses: prologue::Uses,
}

/// Tags on declarations: which member or parameter (-1: the whole), and the tag itself.
type Tags = HashMap<TypeId, Vec<TypeId>>;

impl Wanted {
    fn new(btf: &Btf<'_>, selected: Option<&[TypeId]>, options: &Options) -> Result<Self> {
        let mut wanted = Self {
            definitions: Vec::new(),
            constants: Vec::new(),
            functions: Vec::new(),
            kfuncs: Vec::new(),
            variables: Vec::new(),
            tags: Tags::new(),
            uses: prologue::Uses::default(),
        };
        match selected {
            None => {
                for ty in btf.types() {
                    wanted.add(ty);
                }
                wanted.functions.clear();
                if !options.variables {
                    wanted.variables.clear();
                }
            }
            Some(selected) => {
                let mut ids = selected.to_vec();
                if options.follow_pointers {
                    reach(btf, &mut ids)?;
                }
                ids.sort_unstable();
                ids.dedup();
                for id in ids {
                    wanted.add(btf.get(id)?);
                }
            }
        }
        rank::sort(btf, &mut wanted.definitions);
        rank::sort(btf, &mut wanted.constants);
        wanted.collect_tags(btf, selected.is_some());
        for functions in [&mut wanted.functions, &mut wanted.kfuncs] {
            externs::sort_by_name(btf, functions);
        }
        Ok(wanted)
    }

    fn add(&mut self, ty: Type<'_>) {
        match ty.kind() {
            Kind::Enum | Kind::Enum64 if !ty.is_named() => self.constants.push(ty.id()),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Typedef if ty.is_named() => {
                self.definitions.push(ty.id());
            }
            Kind::Func => self.functions.push(ty.id()),
            Kind::Var => self.variables.push(ty.id()),
            _ => {}
        }
    }

    /// Collects the tags on declarations, and tells kfuncs from other functions by them.
    fn collect_tags(&mut self, btf: &Btf<'_>, only_selected: bool) {
        let mut levels = vec![btf];
        while let Some(base) = levels.last().and_then(|level| level.base()) {
            levels.push(base);
        }
        for ty in levels.into_iter().rev().flat_map(Btf::types) {
            self.uses.add(ty);
            if ty.kind() == Kind::DeclTag {
                let target = ty.raw_type_id();
                self.tags.entry(target).or_default().push(ty.id());
                if ty.name() == externs::KFUNC && ty.component_index() == Some(-1) {
                    self.kfuncs.push(target);
                }
            }
        }
        let selected = |id: &TypeId| self.functions.binary_search(id).is_ok();
        let own = |id: &TypeId| *id >= btf.first_id();
        self.kfuncs.retain(|id| {
            btf.get(*id).is_ok_and(|ty| ty.kind() == Kind::Func)
                && if only_selected { selected(id) } else { own(id) }
        });
        self.kfuncs.sort_unstable();
        self.kfuncs.dedup();
        self.functions.retain(|id| self.kfuncs.binary_search(id).is_err());
    }
}

/// Adds all types that are mentioned, directly or not.
fn reach(btf: &Btf<'_>, ids: &mut Vec<TypeId>) -> Result<()> {
    let mut seen = vec![false; btf.next_id().0 as usize];
    let mut next = 0;
    while let Some(&id) = ids.get(next) {
        next += 1;
        let ty = btf.get(id)?;
        ty.for_each_reference(|id| {
            if let Some(seen) = seen.get_mut(id.0 as usize)
                && !std::mem::replace(seen, true)
            {
                ids.push(id);
            }
        });
    }
    Ok(())
}

fn cycle(btf: &Btf<'_>, id: TypeId) -> Error {
    Error::TypeCycle { id, name: name(btf, id) }
}

fn too_deep(btf: &Btf<'_>, id: TypeId) -> Error {
    Error::NestedTooDeep { id, name: name(btf, id) }
}

fn too_far(btf: &Btf<'_>, id: TypeId) -> Error {
    Error::UnfoldsTooFar { id, name: name(btf, id) }
}

/// A type's name for an error.
fn name(btf: &Btf<'_>, id: TypeId) -> String {
    btf.get(id).map(|ty| ty.name_str().into_owned()).unwrap_or_default()
}
