//! What two BTFs mean differently: types, functions and variables that came, went or changed.
//!
//! Ids, order, duplicates, and which of two equal spellings a compiler used play no part. What is compared has a name:
//!
//! - A number, structure, union, enumeration or typedef is found by kind and name, a function and a variable by name. What has
//!   no name is compared through what holds it: the members of an anonymous union are members of the structure around
//!   it, those of `struct { int x; } inner` are `inner.x`; and the enumerators of all enumerations without a name are
//!   taken together, as C does.
//! - A reference to something named is its kind and name and no more (`classes`). A structure that points to one that
//!   changed did not change; one that holds it and so has a member that grew, did.
//! - A forward declaration defines nothing: a name that is only declared is not there, and a pointer to it is the same
//!   type as a pointer to the definition.
//! - Where a name has several meanings on a side (`pairs`), equal ones are set aside, and of the rest those are paired
//!   that have most in common; what is left over came or went.
//! - Not compared are declaration tags, linkage, names of parameters but a function's own, index types of arrays, and
//!   offsets of variables in their sections.
//!
//! Of split BTFs their own types are compared. Where one side has none of a name, its base may have it: then that is the
//! other side's.
//!
//! Who is broken by a change is said with it: the rules are in `abi`.
//!
//! The cost is linear in the input, plus a sort of the names.

mod abi;
mod aggregates;
mod change;
mod classes;
mod enumerations;
mod names;
mod pairs;
mod prototypes;
mod variables;

pub use change::{Breaks, Change, Diff, Difference, Place, Status, Subject, What};

pub(crate) use variables::is_per_cpu;

use crate::declaration::{brief, declare_briefly};
use crate::{Btf, Kind, Type, TypeId, error::Result};
use classes::{Class, Classes, View};
use names::Name;
use pairs::Pair;

/// Compares the meaning of two BTFs; the first is the older one.
///
/// # Errors
/// Names overlap so much that reading them one by one would take quadratic time.
pub fn compare(before: &Btf<'_>, after: &Btf<'_>) -> Result<Diff> {
    let mut comparison = Comparison::new([before, after])?;
    let mut found = Vec::new();
    for pair in comparison.pairs()? {
        if let Some(difference) = comparison.difference(pair)? {
            found.push((pair.name, difference));
        }
    }
    found.extend(comparison.anonymous_enumerators()?.map(|difference| (0, difference)));
    // Names by their bytes; several meanings of one in the order of their ids.
    let names = &comparison.classes.names;
    found.sort_by(|(a, x), (b, y)| {
        (x.subject, names.bytes(*a))
            .cmp(&(y.subject, names.bytes(*b)))
            .then((x.before.is_none(), x.before, x.after).cmp(&(y.before.is_none(), y.before, y.after)))
    });
    let mut diff = Diff::default();
    for (_, difference) in found {
        match difference.subject {
            Subject::Function => diff.functions.push(difference),
            Subject::Variable => diff.variables.push(difference),
            _ => diff.types.push(difference),
        }
    }
    Ok(diff)
}

/// Two BTFs being compared.
struct Comparison<'b> {
    classes: Classes<'b>,
    /// Where the variables of each side lie.
    places: [variables::Places; 2],
    /// So many members of anonymous aggregates may still be listed as those of what is around: they can hold each other
    /// in ways that make their number explode.
    unfold: usize,
}

impl<'b> Comparison<'b> {
    fn new(sides: [&'b Btf<'b>; 2]) -> Result<Self> {
        let mut classes = Classes::new(sides);
        let places = [variables::places(&mut classes, 0)?, variables::places(&mut classes, 1)?];
        let bytes =
            sides.map(|btf| btf.type_section().len() + btf.base().map_or(0, |base| base.bytes().len()));
        Ok(Self { classes, places, unfold: bytes[0] + bytes[1] })
    }

    fn btf(&self, side: usize) -> &'b Btf<'b> {
        self.classes.sides[side]
    }

    /// A type that is known to be there.
    fn get(&self, side: usize, id: TypeId) -> Result<Type<'b>> {
        self.btf(side).get(id)
    }

    fn declared(&mut self, side: usize, id: TypeId) -> Result<Class> {
        self.classes.of(View::Declared, side, id)
    }

    /// Whether two types are the same as far as values go.
    fn same_value(&mut self, a: TypeId, b: TypeId) -> Result<bool> {
        Ok(self.classes.of(View::Value, 0, a)? == self.classes.of(View::Value, 1, b)?)
    }

    fn name(&mut self, side: usize, offset: crate::StringOffset) -> Result<Name> {
        self.classes.names.of(side, offset)
    }

    fn text(&self, name: Name) -> String {
        self.classes.names.text(name)
    }

    /// A declaration for showing.
    fn declare(&self, side: usize, id: TypeId, name: &str) -> String {
        declare_briefly(self.btf(side), id, name)
    }

    /// Size of a value in bytes; 0 for what has none.
    fn size(&self, side: usize, id: TypeId) -> u64 {
        self.btf(side).size_of(id).unwrap_or(0)
    }

    /// What is behind qualifiers and tags, typedefs not included.
    fn unqualified(&self, side: usize, id: TypeId) -> Option<Type<'b>> {
        let mut ty = self.btf(side).get(id).ok()?;
        for _ in 0..Btf::CHAIN_LIMIT {
            if !ty.kind().is_modifier() || ty.kind() == Kind::Typedef {
                return Some(ty);
            }
            ty = self.btf(side).get(ty.raw_type_id()).ok()?;
        }
        None
    }

    /// What a pair differs in, if anything.
    fn difference(&mut self, pair: Pair) -> Result<Option<Difference>> {
        let mut difference = Difference {
            subject: pair.subject,
            name: self.text(pair.name),
            status: Status::Changed,
            before: pair.sides[0],
            after: pair.sides[1],
            meanings: pair.meanings,
            declaration: None,
            changes: Vec::new(),
            breaks: Breaks::NONE,
        };
        match pair.sides {
            [Some(a), Some(b)] => {
                let changes = &mut difference.changes;
                match pair.subject {
                    Subject::Basic => self.basic(a, b, changes)?,
                    Subject::Struct | Subject::Union => self.aggregates(a, b, changes)?,
                    Subject::Enum => self.enumerations(a, b, changes)?,
                    Subject::Typedef => self.typedefs(a, b, changes)?,
                    Subject::Function => self.functions(a, b, changes)?,
                    Subject::Variable => self.variables(a, b, changes)?,
                }
                if changes.is_empty() {
                    return Ok(None);
                }
                difference.breaks = changes.iter().fold(Breaks::NONE, |all, change| all.or(change.breaks));
            }
            _ if pair.subject == Subject::Basic => return Ok(None),
            [Some(id), None] => {
                difference.status = Status::Removed;
                difference.declaration = Some(self.whole(0, id)?);
                difference.breaks = Breaks::BOTH;
            }
            [None, Some(id)] => {
                difference.status = Status::Added;
                difference.declaration = Some(self.whole(1, id)?);
            }
            [None, None] => return Ok(None),
        }
        Ok(Some(difference))
    }

    /// What came or went, in C.
    fn whole(&self, side: usize, id: TypeId) -> Result<String> {
        let ty = self.get(side, id)?;
        let name = ty.name_str();
        let name = brief(&name);
        Ok(match ty.kind() {
            Kind::Typedef => {
                format!("typedef {}", self.declare(side, ty.raw_type_id(), &name))
            }
            Kind::Func | Kind::Var => self.declare(side, ty.raw_type_id(), &name),
            _ => self.declare(side, id, ""),
        })
    }

    /// Numbers. Where they have another size, what holds them has members that grew or shrank.
    fn basic(&self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (a, b) = (self.get(0, a)?, self.get(1, b)?);
        let (before, after) = (u64::from(a.raw_size()), u64::from(b.raw_size()));
        if before != after {
            changes.push(Change { what: What::Size { before, after }, breaks: Breaks::BOTH });
        }
        let (before, after) = (pairs::is_signed(a), pairs::is_signed(b));
        if before != after {
            changes.push(Change { what: What::Signed { before, after }, breaks: Breaks::NONE });
        }
        Ok(())
    }

    fn typedefs(&mut self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (a, b) = (self.get(0, a)?.raw_type_id(), self.get(1, b)?.raw_type_id());
        if let (Some(x), Some(y)) = (self.unqualified(0, a), self.unqualified(1, b))
            && x.name_offset().is_empty()
            && y.name_offset().is_empty()
        {
            if x.kind().is_aggregate() && x.kind() == y.kind() {
                return self.aggregates(x.id(), y.id(), changes);
            }
            if x.kind().is_enum() && y.kind().is_enum() {
                return self.enumerations(x.id(), y.id(), changes);
            }
        }
        if self.declared(0, a)? != self.declared(1, b)? {
            let spelling = self.same_value(a, b)?;
            let what =
                What::Retargeted { before: self.declare(0, a, ""), after: self.declare(1, b, ""), spelling };
            let breaks = self.retyped(a, b)?;
            changes.push(Change { what, breaks });
        }
        Ok(())
    }
}
