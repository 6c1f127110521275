//! Last phase: one type of each class stands for all of them.
//!
//! The members of a class are the same, so that the lowest id will do, but for two things: a definition goes before
//! its forward declarations, and types that hold definitions before those that hold declarations in their place. With a
//! base, whose ids are the lowest, types that the base has are thereby the base's.
//!
//! One case is particular to bases: the base forward declares `struct foo`, and the split BTF defines it. The base's
//! `struct device` with its pointer to `foo` is the same type as the split BTF's own, and stands for it, or else every
//! module would carry a copy of half the kernel. But where an own type points to `foo`, it should lead to the
//! definition, and the base's pointer leads to the declaration. So types without a name that reach such a declaration,
//! with no named aggregate in between, are not taken from the base.

use super::classes::Class;
use super::cons::Consed;
use super::record::{Role, references, role};
use super::refine::Refined;
use super::{Ambiguity, Deduplication, Report};
use crate::bits::BitSet;
use crate::{Kind, TypeId, error::Result};
use hashbrown::HashMap;

/// Chooses the representatives, and tells what came of the names.
pub(super) fn represent(mut consed: Consed<'_>, mut refined: Refined) -> Result<Deduplication> {
    let first_own = consed.first_own;
    let representative = representatives(&consed, &mut refined);
    let mut report = Report { types_in: consed.btf.type_count(), ..Report::default() };
    report.ambiguous = ambiguities(&consed, &refined, &representative);
    for &(id, class) in consed.cut.iter().filter(|cut| cut.0 >= first_own && consed.is_forward(cut.1)) {
        let resolved =
            !is_forward_id(&consed, representative[consed.reference[id as usize] as usize], class)?;
        *if resolved { &mut report.forwards_resolved } else { &mut report.forwards_left } += 1;
    }
    let mut replaced = Replaced::new(&consed, &representative)?;
    let mut map = std::mem::take(&mut consed.reference);
    consed.reference.extend_from_slice(&map[..first_own as usize]);
    map.drain(..first_own as usize);
    for class in &mut map {
        let base_or_own = representative[*class as usize];
        *class = match &mut replaced {
            Some(replaced) if base_or_own < first_own => {
                replaced.own(&mut consed, *class, base_or_own, &representative)?
            }
            _ => base_or_own,
        };
    }
    let own = |&(index, &number): &(usize, &u32)| number == first_own + index as u32;
    report.types_out = map.iter().enumerate().filter(own).count() as u32;
    let map = map.into_iter().map(|number| consed.id(number)).collect();
    Ok(Deduplication { first_id: consed.btf.first_id(), map, report })
}

/// The type that stands for each class.
fn representatives(consed: &Consed<'_>, refined: &mut Refined) -> Vec<u32> {
    let classes = consed.reference.iter().max().map_or(1, |&last| last as usize + 1);
    let mut representative = vec![0u32; classes];
    let mut weak = BitSet::new(consed.reference.len());
    refined.loose.sort_unstable();
    let forwards = || consed.cut.iter().filter(|cut| consed.is_forward(cut.1)).map(|cut| cut.0);
    for id in refined.loose.iter().copied().chain(forwards()) {
        weak.insert(id);
    }
    for (id, &class) in consed.reference.iter().enumerate() {
        let known = &mut representative[class as usize];
        if *known == 0 && !weak.contains(id as u32) {
            *known = id as u32;
        }
    }
    for id in refined.loose.iter().copied().chain(forwards()) {
        let known = &mut representative[consed.reference[id as usize] as usize];
        if *known == 0 {
            *known = id;
        }
    }
    representative
}

/// Whether `id`, which stands for a forward declaration whose record has class `class`, is one itself.
fn is_forward_id(consed: &Consed<'_>, id: u32, class: Class) -> Result<bool> {
    let ty = consed.get(id)?;
    Ok(id == 0 || role(consed.classes.words(class)[0], ty.word(1)) == Role::Forward)
}

fn ambiguities(consed: &Consed<'_>, refined: &Refined, representative: &[u32]) -> Vec<Ambiguity> {
    let mut found = Vec::new();
    for (leaf, blocks) in &refined.families {
        let &[name, kind] = consed.classes.words(*leaf) else { continue };
        let mut variants: Vec<TypeId> = blocks
            .iter()
            .map(|&block| consed.id(representative[block as usize]))
            .filter(|&id| consed.btf.get(id).is_ok_and(|ty| role(name, ty.word(1)) == Role::Definition))
            .collect();
        variants.sort_unstable();
        if variants.len() > 1 && variants.iter().any(|&id| id >= consed.btf.first_id()) {
            let name = crate::StringOffset(name);
            found.push(Ambiguity { kind: Kind::from_number(kind as u8), name, variants });
        }
    }
    found.sort_by_cached_key(|each| {
        (consed.btf.string(each.name).unwrap_or_default().to_vec(), each.kind.number())
    });
    found
}

/// Types that own types do not take from the base, as the base's lead to a declaration where there is a definition.
struct Replaced {
    /// For each base type asked so far: whether it is one.
    known: HashMap<u32, bool>,
    /// The first own type of each class.
    first: Vec<u32>,
}

impl Replaced {
    /// `None` when there is no such declaration.
    fn new(consed: &Consed<'_>, representative: &[u32]) -> Result<Option<Self>> {
        let first_own = consed.first_own;
        let declared = |&(id, class): &(u32, Class)| {
            id < first_own
                && representative[consed.reference[id as usize] as usize] >= first_own
                && consed.is_forward(class)
        };
        if !consed.cut.iter().any(declared) {
            return Ok(None);
        }
        let mut first = vec![0; representative.len()];
        for (id, &class) in consed.reference.iter().enumerate().skip(first_own as usize) {
            let first = &mut first[class as usize];
            if *first == 0 {
                *first = id as u32;
            }
        }
        Ok(Some(Self { known: HashMap::new(), first }))
    }

    /// What stands for an own type of `class`, for which the base has `base`.
    fn own(
        &mut self,
        consed: &mut Consed<'_>,
        class: Class,
        base: u32,
        representative: &[u32],
    ) -> Result<u32> {
        Ok(if self.leads_to_declaration(consed, base, representative)? {
            self.first[class as usize]
        } else {
            base
        })
    }

    fn leads_to_declaration(
        &mut self,
        consed: &mut Consed<'_>,
        base: u32,
        representative: &[u32],
    ) -> Result<bool> {
        if let Some(&known) = self.known.get(&base) {
            return Ok(known);
        }
        let first_own = consed.first_own;
        let mut stack = vec![base];
        let mut record = Vec::new();
        while let Some(&id) = stack.last() {
            if self.known.get(&id) == Some(&true) {
                stack.pop();
                continue;
            }
            consed.read(id, &mut record)?;
            let name = consed.strings.canonical(record[0])?;
            let entered = self.known.insert(id, false).is_some();
            match role(name, record[1]) {
                Role::Forward => {
                    let definition = representative[consed.reference[id as usize] as usize];
                    self.known.insert(id, definition >= first_own);
                    stack.pop();
                }
                Role::Content => {
                    let depth = stack.len();
                    let mut leads = false;
                    references(&record, |child| match self.known.get(&child) {
                        Some(&known) => leads |= known,
                        None if child != 0 && !entered => stack.push(child),
                        None => {}
                    });
                    if entered || stack.len() == depth {
                        self.known.insert(id, leads);
                        stack.truncate(depth - 1);
                    }
                }
                Role::Definition | Role::Own => {
                    stack.pop();
                }
            }
        }
        Ok(self.known.get(&base) == Some(&true))
    }
}
