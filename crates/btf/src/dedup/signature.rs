//! Numbers that depend on content only: the same whatever the order of the input, to break ties with.

use super::classes::Class;
use super::cons::Consed;
use super::record::{Link, links};
use crate::strings::{MIX, fold};
use hashbrown::HashMap;

/// Signatures of classes as the first phase left them.
#[derive(Default)]
pub(super) struct Signatures {
    known: HashMap<Class, u64>,
}

impl Signatures {
    /// The signature of a class: a hash of its words, with strings and the classes below it in place of their numbers.
    pub(super) fn of(&mut self, consed: &Consed<'_>, class: Class) -> u64 {
        let mut stack = vec![class];
        while let Some(&class) = stack.last() {
            if self.known.contains_key(&class) {
                stack.pop();
                continue;
            }
            let depth = stack.len();
            if let Some(signature) = self.try_class(consed, class, &mut stack) {
                stack.truncate(depth - 1);
                self.known.insert(class, signature);
            }
        }
        self.known[&class]
    }

    /// The signature of one class; `None` when classes below have none yet, which are then stacked.
    fn try_class(&self, consed: &Consed<'_>, class: Class, stack: &mut Vec<Class>) -> Option<u64> {
        let words = consed.classes.words(class);
        match *words {
            [] => return Some(MIX),
            [name, kind] => return Some(Self::combine(consed.strings.content(name), [u64::from(kind)])),
            _ => {}
        }
        let mut ready = true;
        let mut parts: Vec<u64> = words.iter().map(|&word| u64::from(word)).collect();
        links(words[1], |link, index| match link {
            Link::Name => parts[index] = consed.strings.content(words[index]),
            Link::Reference => match self.known.get(&words[index]) {
                Some(&signature) => parts[index] = signature,
                None => {
                    stack.push(words[index]);
                    ready = false;
                }
            },
        });
        ready.then(|| Self::combine(words.len() as u64, parts))
    }

    /// A number for a sequence of numbers.
    pub(super) fn combine(first: u64, rest: impl IntoIterator<Item = u64>) -> u64 {
        rest.into_iter().fold(fold(first ^ MIX, MIX), |hash, part| fold(hash.rotate_left(5) ^ part, MIX))
    }
}
