//! Variables: type, size, section.

use super::Comparison;
use super::change::{Breaks, Change, What};
use super::classes::Classes;
use super::names::Name;
use crate::{Kind, Type, TypeId, error::Result};
use hashbrown::HashMap;

/// Section and size in bytes of each variable that a data section lists.
pub(super) type Places = HashMap<TypeId, Place>;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Name of the section; 0 for none.
    pub(super) section: Name,
    /// Size in bytes.
    pub(super) size: u64,
}

/// Where the variables of a side and of its bases lie.
pub(super) fn places(classes: &mut Classes<'_>, side: usize) -> Result<Places> {
    let mut places = Places::new();
    let mut level = Some(classes.sides[side]);
    while let Some(btf) = level {
        for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            let name = classes.names.of(side, section.name_offset())?;
            for entry in section.section_entries() {
                places.insert(entry.variable, Place { section: name, size: entry.size.into() });
            }
        }
        level = btf.base().map(|base| &**base);
    }
    Ok(places)
}

impl Comparison<'_> {
    /// Where a variable lies. One that no section lists has its type's size.
    pub(super) fn place(&self, side: usize, variable: Type<'_>) -> Place {
        let elsewhere = || Place { section: 0, size: self.size(side, variable.raw_type_id()) };
        self.places[side].get(&variable.id()).copied().unwrap_or_else(elsewhere)
    }

    pub(super) fn variables(&mut self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (a, b) = (self.get(0, a)?, self.get(1, b)?);
        let (before, after) = (self.place(0, a), self.place(1, b));
        let (type_a, type_b) = (a.raw_type_id(), b.raw_type_id());
        if self.declared(0, type_a)? != self.declared(1, type_b)? {
            let name = a.name_str();
            let what = What::VariableRetyped {
                before: self.declare(0, type_a, &name),
                after: self.declare(1, type_b, &name),
                bytes_before: before.size,
                bytes_after: after.size,
                spelling: self.same_value(type_a, type_b)?,
            };
            let breaks = self.retyped(type_a, type_b)?;
            changes.push(Change { what, breaks });
        } else if before.size != after.size {
            let what = What::VariableResized { before: before.size, after: after.size };
            changes.push(Change { what, breaks: Breaks { core: after.size < before.size, module: true } });
        }
        if before.section != after.section {
            let per_cpu = |name: Name| is_per_cpu(self.classes.names.bytes(name));
            let breaks =
                if per_cpu(before.section) == per_cpu(after.section) { Breaks::NONE } else { Breaks::BOTH };
            let what =
                What::SectionChanged { before: self.text(before.section), after: self.text(after.section) };
            changes.push(Change { what, breaks });
        }
        Ok(())
    }
}

/// Whether a section holds a copy of its variables for each processor.
pub(crate) fn is_per_cpu(section: &[u8]) -> bool {
    let part = b"percpu";
    section.windows(part.len()).any(|window| window == part)
}
