//! Enumerations: size, sign and enumerators; and the enumerators of those that have no name.

use super::Comparison;
use super::change::{Breaks, Change, Difference, Status, Subject, What};
use super::names::Name;
use crate::{Kind, Type, TypeId, error::Result};
use hashbrown::{HashMap, HashSet};

/// Enumerators of one or more enumerations, in the order they stand.
type Values = Vec<(Name, i128)>;

impl Comparison<'_> {
    pub(super) fn enumerations(&mut self, a: TypeId, b: TypeId, changes: &mut Vec<Change>) -> Result<()> {
        let (a, b) = (self.get(0, a)?, self.get(1, b)?);
        let (before, after) = (u64::from(a.raw_size()), u64::from(b.raw_size()));
        if before != after {
            let breaks = Breaks { core: false, module: true };
            changes.push(Change { what: What::Size { before, after }, breaks });
        }
        if a.kind_flag() != b.kind_flag() {
            let what = What::Signed { before: a.kind_flag(), after: b.kind_flag() };
            changes.push(Change { what, breaks: Breaks::NONE });
        }
        let (a, b) = (self.values(0, a.id())?, self.values(1, b.id())?);
        self.compare_values(&a, &b, changes);
        Ok(())
    }

    fn values(&mut self, side: usize, id: TypeId) -> Result<Values> {
        let mut values = Values::new();
        for each in self.get(side, id)?.enumerators() {
            values.push((self.name(side, each.name)?, each.value));
        }
        Ok(values)
    }

    fn compare_values(&self, a: &Values, b: &Values, changes: &mut Vec<Change>) {
        if a == b {
            return;
        }
        let (set_a, set_b) = (set(a), set(b));
        let (only_a, only_b) = (singles(a), singles(b));
        let mut change = |what, breaks| changes.push(Change { what, breaks });
        for &(name, value) in a.iter().filter(|each| !set_b.contains(*each)) {
            let text = self.text(name);
            match (only_a.get(&name), only_b.get(&name)) {
                (Some(Some(_)), Some(&Some(after))) => {
                    let what = What::EnumeratorRevalued { name: text, before: value, after };
                    change(what, Breaks::BOTH);
                }
                _ => change(What::EnumeratorRemoved { name: text, value }, Breaks::BOTH),
            }
        }
        for &(name, value) in b.iter().filter(|each| !set_a.contains(*each)) {
            if !matches!((only_a.get(&name), only_b.get(&name)), (Some(Some(_)), Some(Some(_)))) {
                change(What::EnumeratorAdded { name: self.text(name), value }, Breaks::NONE);
            }
        }
    }

    /// What differs between the enumerators of all enumerations without a name, but for those that a typedef names. One
    /// that is also an enumerator with a home on the other side, of the same value, has only moved there.
    pub(super) fn anonymous_enumerators(&mut self) -> Result<Option<Difference>> {
        let (mut a, all_a) = self.enumerators(0)?;
        let (mut b, all_b) = self.enumerators(1)?;
        let (pool_a, pool_b) = (set(&a), set(&b));
        a.retain(|each| pool_b.contains(each) || !all_b.contains(each));
        b.retain(|each| pool_a.contains(each) || !all_a.contains(each));
        let mut changes = Vec::new();
        self.compare_values(&a, &b, &mut changes);
        Ok((!changes.is_empty()).then(|| Difference {
            subject: Subject::Enum,
            name: String::new(),
            status: Status::Changed,
            before: None,
            after: None,
            meanings: None,
            declaration: None,
            breaks: changes.iter().fold(Breaks::NONE, |all, change| all.or(change.breaks)),
            changes,
        }))
    }

    /// The enumerators of a side's enumerations without a home of their own, each once, and those of all.
    fn enumerators(&mut self, side: usize) -> Result<(Values, HashSet<(Name, i128)>)> {
        let btf = self.btf(side);
        let named = btf.types().filter(|ty| ty.kind() == Kind::Typedef);
        let homes: HashSet<TypeId> =
            named.filter_map(|ty| self.unqualified(side, ty.raw_type_id())).map(Type::id).collect();
        let (mut pool, mut all) = (Values::new(), HashSet::new());
        for ty in btf.types().filter(|ty| ty.kind().is_enum()) {
            let home = self.name(side, ty.name_offset())? != 0 || homes.contains(&ty.id());
            for value in self.values(side, ty.id())? {
                let new = all.insert(value);
                if !home && new {
                    pool.push(value);
                }
            }
        }
        Ok((pool, all))
    }
}

fn set(values: &Values) -> HashSet<(Name, i128)> {
    values.iter().copied().collect()
}

/// The value of each name; none where it has several.
fn singles(values: &Values) -> HashMap<Name, Option<i128>> {
    let mut map = HashMap::with_capacity(values.len());
    for &(name, value) in values {
        map.entry(name).and_modify(|known| *known = None).or_insert(Some(value));
    }
    map
}
