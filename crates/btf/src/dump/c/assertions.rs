//! What a compiler can check of a header: the size of every type, and the offset of every member that is no bit-field.

use super::spelling;

/// Assertions, and the way from the type being written to the member being written.
#[derive(Debug, Default)]
pub(super) struct Assertions {
    pub(super) wanted: bool,
    pub(super) text: Vec<u8>,
    pub(super) count: usize,
    /// The type as an expression names it; empty where none can.
    pub(super) owner: Vec<u8>,
    /// `member.inner[0].`
    path: Vec<u8>,
    /// Bits from the start of the type to the aggregate being written.
    base: u64,
    /// Name and bits of the member whose type is written next.
    member: Vec<u8>,
    bits: u64,
}

/// How the members of an anonymous aggregate are reached from the declaration that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Through this many array brackets.
    Arrays(usize),
    /// Only through a pointer or a call, or not at all.
    Never,
}

impl Reach {
    pub(super) fn of(arrays: Option<usize>) -> Self {
        arrays.map_or(Self::Never, Self::Arrays)
    }
}

/// Where a member of an aggregate is.
#[derive(Debug)]
pub(super) struct Mark {
    path: usize,
    base: u64,
    owner: Option<Vec<u8>>,
}

impl Assertions {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Asserts the size in bytes of the type being written.
    pub(super) fn size(&mut self, size: u64) {
        if !self.wanted || self.owner.is_empty() {
            return;
        }
        self.text.extend_from_slice(b"_Static_assert(sizeof(");
        self.text.extend_from_slice(&self.owner);
        self.text.extend_from_slice(b") == ");
        self.end(size, false);
    }

    /// Asserts the offset of a member, in bits from the start of the aggregate that it is in.
    pub(super) fn offset(&mut self, member: &[u8], bits: u64) {
        if !self.wanted || self.owner.is_empty() {
            return;
        }
        self.text.extend_from_slice(b"_Static_assert(__builtin_offsetof(");
        self.text.extend_from_slice(&self.owner);
        self.text.extend_from_slice(b", ");
        self.text.extend_from_slice(&self.path);
        self.text.extend_from_slice(member);
        self.text.extend_from_slice(b") == ");
        self.end((self.base + bits) / 8, true);
    }

    /// C before C23 wants a message: what is asserted, or which type it is of.
    fn end(&mut self, value: u64, member: bool) {
        spelling::number(&mut self.text, value);
        self.text.extend_from_slice(b", \"");
        self.text.extend_from_slice(&self.owner);
        self.text.extend_from_slice(if member { b": offset\");\n" } else { b": size\");\n" });
        self.count += 1;
    }

    /// A member is written next; its name is empty if its own members are the owner's.
    pub(super) fn member(&mut self, name: &[u8], bits: u64) {
        if self.wanted {
            self.member.clear();
            self.member.extend_from_slice(name);
            self.bits = bits;
        }
    }

    /// A definition is written next.
    pub(super) fn definition(&mut self, owner: &[&[u8]]) {
        if self.wanted {
            self.member(b"", 0);
            self.owner = owner.concat();
            self.path.clear();
            self.base = 0;
        }
    }

    /// Goes into the aggregate that the member is of.
    pub(super) fn enter(&mut self, reach: Reach) -> Mark {
        let mark = Mark { path: self.path.len(), base: self.base, owner: None };
        if !self.wanted {
            return mark;
        }
        let name = std::mem::take(&mut self.member);
        match reach {
            Reach::Arrays(count) if count == 0 || !name.is_empty() => {
                if !name.is_empty() {
                    self.path.extend_from_slice(&name);
                    for _ in 0..count {
                        self.path.extend_from_slice(b"[0]");
                    }
                    self.path.push(b'.');
                }
                self.base += self.bits;
                self.bits = 0;
                mark
            }
            _ => Mark { owner: Some(std::mem::take(&mut self.owner)), ..mark },
        }
    }

    /// Comes out again.
    pub(super) fn leave(&mut self, mark: Mark) {
        self.path.truncate(mark.path);
        self.base = mark.base;
        if let Some(owner) = mark.owner {
            self.owner = owner;
        }
    }
}
