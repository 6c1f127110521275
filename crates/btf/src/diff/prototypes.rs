//! Functions: what they return and take.

use super::Comparison;
use super::change::{Breaks, Change, What};
use super::classes::Class;
use super::names::Name;
use crate::{Type, TypeId, error::Result};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// A parameter; `...` is one without a name, whose type is `void`.
#[derive(Clone, Copy, Debug)]
struct Parameter {
    name: Name,
    type_id: TypeId,
    class: Class,
}

impl Comparison<'_> {
    pub(super) fn functions(&mut self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (a, b) = (self.get(0, a)?.raw_type_id(), self.get(1, b)?.raw_type_id());
        let (Ok(a), Ok(b)) = (self.get(0, a), self.get(1, b)) else { return Ok(()) };
        let returns = [a, b].map(|proto| proto.type_id().unwrap_or_default());
        if self.declared(0, returns[0])? != self.declared(1, returns[1])? {
            let what = What::ReturnRetyped {
                before: self.declare(0, returns[0], ""),
                after: self.declare(1, returns[1], ""),
                spelling: self.same_value(returns[0], returns[1])?,
            };
            let breaks = self.passed_otherwise(returns[0], returns[1])?;
            changes.push(Change { what, breaks });
        }
        let (a, b) = (self.parameters(0, a)?, self.parameters(1, b)?);
        let partners = partners(&a, &b);
        self.compare_parameters(&a, &b, &partners, changes)
    }

    fn parameters(&mut self, side: usize, proto: Type<'_>) -> Result<Vec<Parameter>> {
        let mut parameters = Vec::with_capacity(proto.vlen().min(64) as usize);
        for param in proto.params() {
            parameters.push(Parameter {
                name: self.name(side, param.name)?,
                type_id: param.type_id,
                class: self.declared(side, param.type_id)?,
            });
        }
        Ok(parameters)
    }

    /// Registers hold values whole: unlike a member, a parameter that got wider is another one.
    fn passed_otherwise(&mut self, a: TypeId, b: TypeId) -> Result<Breaks> {
        Ok(if self.same_shape(a, b)? { Breaks::NONE } else { Breaks::BOTH })
    }

    /// `partners` has for each parameter of `a` the one of `b`.
    fn compare_parameters(
        &mut self,
        a: &[Parameter],
        b: &[Parameter],
        partners: &[Option<usize>],
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let mut taken = vec![false; b.len()];
        let in_place = increasing(partners);
        for (before, (x, partner)) in a.iter().zip(partners).enumerate() {
            let Some(index) = *partner else {
                let declaration = self.declare_parameter(0, *x);
                let what = What::ParameterRemoved { index: before, declaration };
                changes.push(Change { what, breaks: Breaks::BOTH });
                continue;
            };
            taken[index] = true;
            let y = b[index];
            if !in_place[before] {
                let what = What::ParameterMoved { name: self.text(x.name), before, after: index };
                changes.push(Change { what, breaks: Breaks::BOTH });
            }
            if x.name != y.name {
                let what =
                    What::ParameterRenamed { index, before: self.text(x.name), after: self.text(y.name) };
                changes.push(Change { what, breaks: Breaks::NONE });
            }
            if x.class != y.class {
                let what = What::ParameterRetyped {
                    index,
                    before: self.declare_parameter(0, *x),
                    after: self.declare_parameter(1, y),
                    spelling: self.same_value(x.type_id, y.type_id)?,
                };
                let breaks = self.passed_otherwise(x.type_id, y.type_id)?;
                changes.push(Change { what, breaks });
            }
        }
        for (index, y) in b.iter().enumerate().filter(|(index, _)| !taken[*index]) {
            let what = What::ParameterAdded { index, declaration: self.declare_parameter(1, *y) };
            changes.push(Change { what, breaks: Breaks::BOTH });
        }
        Ok(())
    }

    fn declare_parameter(&self, side: usize, parameter: Parameter) -> String {
        if parameter.name == 0 && parameter.type_id == TypeId::VOID {
            return "...".to_owned();
        }
        self.declare(side, parameter.type_id, &self.text(parameter.name))
    }
}

/// For each parameter of `a`, which one of `b` it is: the one of its name; else, between two that are found, the next one
/// of the same type; else one without a name, or any if it has none itself, in its very place.
fn partners(a: &[Parameter], b: &[Parameter]) -> Vec<Option<usize>> {
    let mut by_name: HashMap<Name, VecDeque<usize>> = HashMap::new();
    for (index, parameter) in b.iter().enumerate().filter(|(_, parameter)| parameter.name != 0) {
        by_name.entry(parameter.name).or_default().push_back(index);
    }
    let mut taken = vec![false; b.len()];
    let mut partners: Vec<Option<usize>> = a
        .iter()
        .map(|parameter| {
            let index = by_name.get_mut(&parameter.name)?.pop_front()?;
            taken[index] = true;
            Some(index)
        })
        .collect();
    // For each place, the partner of the next one that has been found.
    let mut until = vec![b.len(); a.len()];
    let mut found = b.len();
    for (at, partner) in partners.iter().enumerate().rev() {
        found = partner.unwrap_or(found);
        until[at] = found;
    }
    // `next` goes over those of `b` that are still free, up to there.
    let mut next = 0;
    for before in 0..a.len() {
        if let Some(index) = partners[before] {
            next = next.max(index + 1);
            continue;
        }
        while next < until[before] && taken[next] {
            next += 1;
        }
        let unnamed = |index: usize| a[before].name == 0 || b[index].name == 0;
        let fits = |index: usize| a[before].class == b[index].class || (index == before && unnamed(index));
        if next < until[before] && fits(next) {
            partners[before] = Some(next);
            taken[next] = true;
            next += 1;
        }
    }
    partners
}

/// Which of these stand in increasing order, of as many as can: the longest increasing subsequence.
fn increasing(partners: &[Option<usize>]) -> Vec<bool> {
    // The position whose number ends the best sequence of each length, and the position before each.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; partners.len()];
    for (position, &number) in partners.iter().enumerate() {
        let Some(number) = number else { continue };
        let length = ends.partition_point(|&end| partners[end] < Some(number));
        before[position] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(position);
        } else {
            ends[length] = position;
        }
    }
    let mut kept = vec![false; partners.len()];
    let mut at = ends.last().copied();
    while let Some(position) = at {
        kept[position] = true;
        at = before[position];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(text: &str) -> Vec<Parameter> {
        // A letter for the name, a digit for the type; a dash for no name.
        let parameter = |word: &str| {
            let (name, class) = (word.as_bytes()[0], word.as_bytes()[1]);
            let name = if name == b'-' { 0 } else { Name::from(name) };
            Parameter { name, type_id: TypeId(1), class: Class::from(class) }
        };
        text.split_whitespace().map(parameter).collect()
    }

    #[test]
    fn parameters_find_their_partners_by_name_and_else_by_type_in_their_place() {
        for (a, b, expected) in [
            ("a1 b2", "a1 b2", vec![Some(0), Some(1)]),
            ("a1 b2", "b2 a1", vec![Some(1), Some(0)]),
            ("a1 b2", "a1 c2", vec![Some(0), Some(1)]),
            ("a1 b2", "a1 c3", vec![Some(0), None]),
            ("a1 b2 c3", "a1 c3", vec![Some(0), None, Some(1)]),
            ("a1 c3", "a1 b2 c3", vec![Some(0), Some(2)]),
            ("a1 c3", "a1 b3 c3", vec![Some(0), Some(2)]),
            ("-1 -2", "a1 b3", vec![Some(0), Some(1)]),
            ("a1 x1 c3", "a1 y1 c3", vec![Some(0), Some(1), Some(2)]),
        ] {
            assert_eq!(partners(&parameters(a), &parameters(b)), expected, "{a} / {b}");
        }
    }

    #[test]
    fn as_many_as_can_stay_in_order() {
        let kept = |numbers: &[usize]| increasing(&numbers.iter().map(|&n| Some(n)).collect::<Vec<_>>());
        assert_eq!(kept(&[0, 1, 2]), [true, true, true]);
        assert_eq!(kept(&[2, 0, 1]), [false, true, true]);
        assert_eq!(kept(&[0, 3, 1, 2]), [true, false, true, true]);
        assert_eq!(increasing(&[None, Some(1), None, Some(0)]).iter().filter(|kept| **kept).count(), 1);
    }
}
