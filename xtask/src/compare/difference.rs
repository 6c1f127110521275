//! What differs between two censuses.

use std::collections::BTreeSet;

use serde::Serialize;

use super::census::{Census, Class, Meanings};

/// Which of the two BTFs has a definition that the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    OnlyA,
    OnlyB,
    /// Both define the name, each differently.
    Different,
}

/// One difference: the text in A, the text in B, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) class: Class,
    pub(crate) side: Side,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) a: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) b: Option<String>,
}

/// All differences, sorted by class and name.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) all: Vec<Difference>,
}

impl Differences {
    pub(crate) fn between(a: &Census, b: &Census) -> Self {
        let mut differences = Self::default();
        let none = Meanings::new();
        for class in keys(&a.classes, &b.classes).filter(|class| **class != Class::Derived) {
            let empty = std::collections::BTreeMap::new();
            let in_a = a.classes.get(class).unwrap_or(&empty);
            let in_b = b.classes.get(class).unwrap_or(&empty);
            for name in keys(in_a, in_b) {
                let (a, b) = (in_a.get(name).unwrap_or(&none), in_b.get(name).unwrap_or(&none));
                differences.add_name(*class, name, a, b);
            }
        }
        differences
    }

    /// How many differences of a class are of one kind.
    pub(crate) fn count(&self, class: Class, side: Side) -> usize {
        self.of(class, side).count()
    }

    /// The differences of a class and kind.
    pub(crate) fn of(&self, class: Class, side: Side) -> impl Iterator<Item = &Difference> {
        let start = self.all.partition_point(|difference| difference.class < class);
        let rest = self.all[start..].iter().take_while(move |difference| difference.class == class);
        rest.filter(move |difference| difference.side == side)
    }

    /// Meanings that only one side has are paired as far as they go; what is left over is only on that side.
    fn add_name(&mut self, class: Class, name: &str, a: &Meanings, b: &Meanings) {
        let mut only_a = a.keys().filter(|text| !b.contains_key(*text)).cloned();
        let mut only_b = b.keys().filter(|text| !a.contains_key(*text)).cloned();
        loop {
            let (a, b) = (only_a.next(), only_b.next());
            let side = match (&a, &b) {
                (Some(_), Some(_)) => Side::Different,
                (Some(_), None) => Side::OnlyA,
                (None, Some(_)) => Side::OnlyB,
                (None, None) => return,
            };
            self.all.push(Difference { class, side, name: name.to_owned(), a, b });
        }
    }
}

fn keys<'m, K: Ord, V>(
    a: &'m std::collections::BTreeMap<K, V>,
    b: &'m std::collections::BTreeMap<K, V>,
) -> impl Iterator<Item = &'m K> + use<'m, K, V> {
    a.keys().chain(b.keys()).collect::<BTreeSet<_>>().into_iter()
}

/// The lines of two texts that the other has not: what a reader wants to see of two long structures.
pub(crate) fn changed_lines<'t>(a: &'t str, b: &'t str) -> (Vec<&'t str>, Vec<&'t str>) {
    let only = |text: &'t str, other: &'t str| {
        let other: BTreeSet<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).collect()
    };
    (only(a, b), only(b, a))
}
