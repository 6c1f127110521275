//! A blob in the making, without any of `Builder`'s care: every word can be wrong.

/// Types and strings, record by record.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub(crate) types: Vec<u32>,
    pub(crate) strings: Vec<u8>,
    count: u32,
}

pub(crate) const INT: u32 = 1;
pub(crate) const PTR: u32 = 2;
pub(crate) const ARRAY: u32 = 3;
pub(crate) const STRUCT: u32 = 4;
pub(crate) const UNION: u32 = 5;
pub(crate) const ENUM: u32 = 6;
pub(crate) const FWD: u32 = 7;
pub(crate) const TYPEDEF: u32 = 8;
pub(crate) const CONST: u32 = 10;
pub(crate) const FUNC: u32 = 12;
pub(crate) const FUNC_PROTO: u32 = 13;
pub(crate) const VAR: u32 = 14;
pub(crate) const DATASEC: u32 = 15;
pub(crate) const FLOAT: u32 = 16;
pub(crate) const DECL_TAG: u32 = 17;
pub(crate) const TYPE_TAG: u32 = 18;
pub(crate) const ENUM64: u32 = 19;

/// The info word.
pub(crate) const fn info(kind: u32, vlen: u32, flag: bool) -> u32 {
    vlen | kind << 24 | (flag as u32) << 31
}

impl Draft {
    /// A blob with one type: [1] `int`.
    pub(crate) fn with_int() -> Self {
        let mut draft = Self { strings: vec![0], ..Self::default() };
        draft.int("int", 4, 32);
        draft
    }

    /// The offset of a string, added when it is new.
    pub(crate) fn name(&mut self, name: impl AsRef<[u8]>) -> u32 {
        let name = [name.as_ref(), b"\0"].concat();
        if name.len() == 1 {
            return 0;
        }
        let found = (1..self.strings.len())
            .find(|&at| self.strings[at - 1] == 0 && self.strings[at..].starts_with(&name));
        found.unwrap_or_else(|| {
            let at = self.strings.len();
            self.strings.extend_from_slice(&name);
            at
        }) as u32
    }

    /// Adds a record; gives its id.
    pub(crate) fn record(&mut self, name: &str, info: u32, third: u32, rest: &[u32]) -> u32 {
        let name = self.name(name);
        self.words(&[name, info, third]);
        self.types.extend_from_slice(rest);
        self.count
    }

    /// Adds words that are a record.
    pub(crate) fn words(&mut self, words: &[u32]) -> u32 {
        self.types.extend_from_slice(words);
        self.count += 1;
        self.count
    }

    pub(crate) fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.record(name, info(INT, 0, false), size, &[encoding])
    }

    pub(crate) fn reference(&mut self, kind: u32, name: &str, target: u32) -> u32 {
        self.record(name, info(kind, 0, false), target, &[])
    }

    /// Adds a structure with members {name, type, third word}.
    pub(crate) fn structure(
        &mut self,
        name: &str,
        flag: bool,
        size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let words: Vec<u32> =
            members.iter().flat_map(|&(name, ty, offset)| [self.name(name), ty, offset]).collect();
        self.record(name, info(STRUCT, members.len() as u32, flag), size, &words)
    }

    pub(crate) fn proto(&mut self, returns: u32, params: &[(&str, u32)]) -> u32 {
        let words: Vec<u32> = params.iter().flat_map(|&(name, ty)| [self.name(name), ty]).collect();
        self.record("", info(FUNC_PROTO, params.len() as u32, false), returns, &words)
    }

    pub(crate) fn variable(&mut self, name: &str, ty: u32) -> u32 {
        self.record(name, info(VAR, 0, false), ty, &[1])
    }

    /// Adds a data section with entries {variable, offset, size}.
    pub(crate) fn section(&mut self, name: &str, size: u32, entries: &[[u32; 3]]) -> u32 {
        self.record(name, info(DATASEC, entries.len() as u32, false), size, &entries.concat())
    }

    /// The blob in native byte order.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let types = self.types.len() as u32 * 4;
        let strings = self.strings.len() as u32;
        let mut bytes = Vec::new();
        for word in [0x0001_eb9f, 24, 0, types, types, strings].iter().chain(&self.types) {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// Overwrites a 32-bit word of a blob.
pub(crate) fn poke(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
}
