//! Are two prototypes the same to a caller?

use crate::record::{Aggregate, Kind, Record, RecordId, RecordTable};

/// Prototypes nested deeper than this (functions that take functions that take …) are taken for different.
const DEEPEST: u32 = 64;

/// Compares return types and parameters; names of parameters do not count, nor does `const` that only one side has.
/// Types that have a name are compared by it: `struct foo`, complete or not, is `struct foo`.
pub fn same_prototype(table: &RecordTable, a: RecordId, b: RecordId) -> bool {
    same(table, a, b, Typedefs::Named, 0)
}

/// The same for two declarations of one function: C lets them name a type differently (`size_t` in one header,
/// `__kernel_size_t` in another).
pub fn same_declaration(table: &RecordTable, a: RecordId, b: RecordId) -> bool {
    same(table, a, b, Typedefs::Followed, 0)
}

/// What a typedef is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typedefs {
    /// Its name.
    Named,
    /// What it stands for.
    Followed,
}

fn same(table: &RecordTable, mut a: RecordId, mut b: RecordId, typedefs: Typedefs, depth: u32) -> bool {
    if a == b {
        return true;
    }
    if depth > DEEPEST {
        return false;
    }
    if typedefs == Typedefs::Followed {
        (a, b) = (without_typedefs(table, a), without_typedefs(table, b));
        if a == b {
            return true;
        }
    }
    let (mut left, mut right) = (table.get(a), table.get(b));
    if left.kind != right.kind {
        (a, left) = without_const(table, a, left);
        (b, right) = without_const(table, b, right);
        if a == b {
            return true;
        }
    }
    if left.kind != right.kind || (left.detail != right.detail && left.kind != Kind::Named) {
        return false;
    }
    let below = |position: usize| {
        same(table, RecordId(left.words[position]), RecordId(right.words[position]), typedefs, depth + 1)
    };
    match left.kind {
        Kind::Void => true,
        Kind::Named => {
            let record_like = |record: Record<'_>| match Aggregate::from_detail(record.detail) {
                Aggregate::Struct | Aggregate::Union => Aggregate::Struct,
                other => other,
            };
            left.words[0] == right.words[0] && record_like(left) == record_like(right)
        }
        Kind::Typedef => left.words[0] == right.words[0],
        Kind::Int | Kind::Float => left.words == right.words,
        Kind::Pointer | Kind::Const | Kind::Volatile | Kind::Restrict => below(0),
        Kind::TypeTag => left.words[0] == right.words[0] && below(1),
        Kind::Array => left.words[1] == right.words[1] && below(0),
        Kind::Function => {
            left.words.len() == right.words.len()
                && (0..left.words.len()).step_by(2).all(|position| {
                    // `...` is a parameter of type void without a name.
                    let vararg =
                        |words: &[u32]| position > 0 && words[position - 1] == 0 && words[position] == 0;
                    vararg(left.words) == vararg(right.words) && below(position)
                })
        }
        // Without a name: by what they are, as far as callers see it.
        Kind::Struct | Kind::Union | Kind::Enum => left.words[1] == right.words[1],
    }
}

fn without_typedefs(table: &RecordTable, mut id: RecordId) -> RecordId {
    for _ in 0..DEEPEST {
        let record = table.get(id);
        if record.kind != Kind::Typedef {
            break;
        }
        id = RecordId(record.words[1]);
    }
    id
}

fn without_const<'t>(
    table: &'t RecordTable,
    mut id: RecordId,
    mut record: Record<'t>,
) -> (RecordId, Record<'t>) {
    for _ in 0..DEEPEST {
        if record.kind != Kind::Const {
            break;
        }
        id = RecordId(record.words[0]);
        record = table.get(id);
    }
    (id, record)
}
