//! Variables that are one and the same place: for inputs that hold one BTF several times.

use crate::{Btf, Kind, Type, TypeId, error::Result, order};
use hashbrown::HashMap;

/// Merges data sections that are equal in all respects (name, size, and each entry's variable by name, type, linkage,
/// offset and size) with their variables, and variables without a section that have one name, type and linkage. `None`
/// where there are none.
///
/// That is right where the input holds copies of one BTF, and wrong where two modules have sections alike: so
/// deduplication leaves it out. The types of `btf` must have been deduplicated.
///
/// # Errors
/// As of [`order::permute_merged`].
pub fn merge_equal(btf: &Btf<'_>) -> Result<Option<order::Permuted>> {
    let mut stands_for: HashMap<TypeId, TypeId> = HashMap::new();
    let mut sections: HashMap<Vec<u32>, TypeId> = HashMap::new();
    let mut listed = vec![false; btf.type_count() as usize];
    let own = |id: TypeId| id.0.checked_sub(btf.first_id().0).map(|index| index as usize);
    for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
        let mut key = vec![section.word(0), section.raw_size()];
        for entry in section.section_entries() {
            if let Some(listed) = own(entry.variable).and_then(|index| listed.get_mut(index)) {
                *listed = true;
            }
            key.extend(place(btf.get(entry.variable)?));
            key.extend([entry.offset, entry.size]);
        }
        let first = *sections.entry(key).or_insert(section.id());
        if first != section.id() {
            let pairs =
                || section.section_entries().zip(btf.get(first).into_iter().flat_map(Type::section_entries));
            // Later ones go to earlier ones only, so that nothing goes round in circles. What is no variable does not move.
            let is_variable = |id: TypeId| btf.get(id).is_ok_and(|ty| ty.kind() == Kind::Var);
            if pairs().all(|(later, earlier)| {
                own(later.variable).is_some()
                    && is_variable(later.variable)
                    && earlier.variable <= later.variable
            }) {
                stands_for.insert(section.id(), first);
                let moved = pairs().filter(|(later, earlier)| earlier.variable < later.variable);
                stands_for.extend(moved.map(|(later, earlier)| (later.variable, earlier.variable)));
            }
        }
    }
    let mut alone: HashMap<[u32; 4], TypeId> = HashMap::new();
    for (index, variable) in btf.types().enumerate() {
        if variable.kind() == Kind::Var && !listed[index] {
            let first = *alone.entry(place(variable)).or_insert(variable.id());
            if first != variable.id() {
                stands_for.insert(variable.id(), first);
            }
        }
    }
    if stands_for.is_empty() {
        return Ok(None);
    }
    let order: Vec<TypeId> = btf.types().map(Type::id).filter(|id| !stands_for.contains_key(id)).collect();
    let first = |mut id: TypeId| {
        while let Some(&earlier) = stands_for.get(&id) {
            id = earlier;
        }
        id
    };
    Ok(Some(order::permute_merged(btf, &order, first)?))
}

/// What a variable is, in words: kind, name, type and linkage.
fn place(variable: Type<'_>) -> [u32; 4] {
    [u32::from(variable.kind().number()), variable.word(0), variable.word(2), variable.word(3)]
}
