//! For each rule a blob that breaks it, and a twin that keeps it.

mod blob;
mod records;
mod references;

use crate::draft::*;
use btfkit_btf::check::Rule;

/// Makes a blob that breaks the rule when told to, else its twin.
pub(crate) type Make = fn(bad: bool) -> Vec<u8>;

/// A rule, what else the blob cannot help breaking, and the blobs.
pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) along: &'static [Rule],
    pub(crate) make: Make,
}

const fn case(rule: Rule, make: Make) -> Case {
    Case { rule, along: &[], make }
}

const fn along(rule: Rule, along: &'static [Rule], make: Make) -> Case {
    Case { rule, along, make }
}

/// A blob with an `int`, and what is added to it.
fn types(add: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::with_int();
    add(&mut draft);
    draft.finish()
}

/// A blob with an `int`, and what is done to its bytes.
fn bytes(patch: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Draft::with_int().finish();
    patch(&mut bytes);
    bytes
}

/// A blob with a chain of `length` `const`s that ends at `int`.
fn constants(length: u32, forward: bool) -> Vec<u8> {
    types(|d| {
        for i in 0..length {
            let next = if i + 1 == length { 1 } else { i + 3 };
            let before = if i == 0 { 1 } else { i + 1 };
            d.reference(CONST, "", if forward { next } else { before });
        }
    })
}

/// A blob with a single type of this name.
fn named(kind: u32, name: &str, third: u32) -> Vec<u8> {
    types(|d| {
        d.record(name, info(kind, 0, false), third, &[]);
    })
}

/// A data section of 16 bytes with two variables of 4.
fn two_variables(size: u32, first: [u32; 2], second: [u32; 2]) -> Vec<u8> {
    types(|d| {
        let (a, b) = (d.variable("a", 1), d.variable("b", 1));
        d.section(".data", size, &[[a, first[0], first[1]], [b, second[0], second[1]]]);
    })
}

/// A structure with one member of the type that `add` makes.
fn member_of(flag: bool, size: u32, word: u32, add: impl FnOnce(&mut Draft) -> u32) -> Vec<u8> {
    types(|d| {
        let ty = add(d);
        d.structure("s", flag, size, &[("m", ty, word)]);
    })
}

/// All cases, in the order of the rules.
pub(crate) fn all() -> Vec<Case> {
    [blob::cases(), records::cases(), references::cases()].into_iter().flatten().collect()
}
