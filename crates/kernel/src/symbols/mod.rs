//! Symbols: names and addresses of everything in the kernel.

pub(crate) mod derived;
mod kallsyms;
pub(crate) mod modules;
mod scan;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use btfkit_vmcore::{Memory, VirtualAddress};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use crate::Result;
pub use modules::ModuleSymbols;

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Symbol<'s> {
    /// Its name. Static functions and variables of several files may share one.
    pub name: &'s str,
    /// Its address. Before Linux 6.15, that of a per-CPU variable on x86 is an offset from the start of its section.
    pub address: VirtualAddress,
    /// What it is, as `nm` says it: `T` and `t` for code, `D`, `B`, `R` and their small letters for data, …; capitals are
    /// global.
    pub kind: char,
}

/// The kernel's symbols, in the order of their addresses.
#[derive(Debug)]
pub struct Symbols {
    /// All names, one after the other.
    names: String,
    entries: Vec<Entry>,
    by_name: OnceLock<ByName>,
    /// How often a name was looked for without an index.
    lookups: AtomicU32,
    name_data: OnceLock<bool>,
    /// Whether they are but a few that were found otherwise: what is not among them may be there all the same.
    pub(crate) are_few: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    /// Where its name starts in `names`; it ends where that of the one read next starts.
    name: u32,
    length: u16,
    kind: u8,
}

/// Names that are looked for one by one before an index is made: of 155,000 symbols a scan takes 0.3 ms, making the index
/// 6.
const SCANS: u32 = 20;

/// Positions of entries by their names.
struct ByName {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
}

impl std::fmt::Debug for ByName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByName").finish_non_exhaustive()
    }
}

impl Symbols {
    /// Reads the kernel's own symbol table.
    ///
    /// # Errors
    /// It is not where VMCOREINFO says or cannot be found, cannot be read, or makes no sense.
    pub fn read(memory: &Memory) -> Result<Self> {
        kallsyms::read(memory)
    }

    fn new(names: String, mut entries: Vec<Entry>) -> Self {
        if !entries.is_sorted_by_key(|entry| entry.address) {
            entries.sort_by_key(|entry| entry.address);
        }
        Self {
            names,
            entries,
            by_name: OnceLock::new(),
            lookups: AtomicU32::new(0),
            name_data: OnceLock::new(),
            are_few: false,
        }
    }

    /// A table of these names, addresses and kinds.
    pub(crate) fn of<N: AsRef<str>>(symbols: &[(N, u64, u8)]) -> Self {
        let mut names = String::new();
        let mut entries = Vec::new();
        for (name, address, kind) in symbols {
            let name = name.as_ref();
            let (start, length) = (names.len() as u32, name.len() as u16);
            entries.push(Entry { address: *address, name: start, length, kind: *kind });
            names.push_str(name);
        }
        Self::new(names, entries)
    }

    /// The same, as few that were found otherwise.
    pub(crate) fn few(symbols: &[(String, u64, u8)]) -> Self {
        Self { are_few: true, ..Self::of(symbols) }
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All symbols in the order of their addresses.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Symbol<'_>> {
        self.entries.iter().map(|entry| self.symbol(entry))
    }

    fn symbol(&self, entry: &Entry) -> Symbol<'_> {
        Symbol {
            name: self.name(entry),
            address: VirtualAddress(entry.address),
            kind: char::from(entry.kind),
        }
    }

    fn name(&self, entry: &Entry) -> &str {
        let start = entry.name as usize;
        self.names.get(start..start + usize::from(entry.length)).unwrap_or_default()
    }

    /// The symbols of this name, in the order of their addresses.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Symbol<'_>> {
        let is_named = |position: &u32| {
            let entry = &self.entries[*position as usize];
            usize::from(entry.length) == name.len() && self.name(entry) == name
        };
        // The first few times names are looked for one by one, as making an index takes longer.
        let indexed = self.by_name.get().is_some() || self.lookups.fetch_add(1, Ordering::Relaxed) >= SCANS;
        let mut found: Vec<u32> = if indexed {
            let index = self.by_name.get_or_init(|| self.index());
            index.table.iter_hash(index.hasher.hash_one(name)).copied().filter(is_named).collect()
        } else {
            (0..self.entries.len() as u32).filter(is_named).collect()
        };
        found.sort_unstable();
        found.into_iter().map(|position| self.symbol(&self.entries[position as usize]))
    }

    /// The first symbol of this name.
    pub fn find(&self, name: &str) -> Option<Symbol<'_>> {
        self.named(name).next()
    }

    /// Whether data has symbols, and not functions alone: the kernel was built with `CONFIG_KALLSYMS_ALL`.
    pub fn name_data(&self) -> bool {
        // Every kernel has it.
        *self.name_data.get_or_init(|| self.find("init_task").is_some())
    }

    fn index(&self) -> ByName {
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(self.entries.len());
        for (position, entry) in self.entries.iter().enumerate() {
            let hash = hasher.hash_one(self.name(entry));
            table.insert_unique(hash, position as u32, |&other| {
                hasher.hash_one(self.name(&self.entries[other as usize]))
            });
        }
        ByName { hasher, table }
    }

    /// The symbol that `address` is in or behind, and how many bytes behind its start.
    pub fn at(&self, address: VirtualAddress) -> Option<(Symbol<'_>, u64)> {
        let after = self.entries.partition_point(|entry| entry.address <= address.0);
        let last = self.entries[..after].last()?;
        // Of several at one place the first is it: labels of sections come after functions of files.
        let first = self.entries[..after].partition_point(|entry| entry.address < last.address);
        let entry = self.entries.get(first)?;
        Some((self.symbol(entry), address.0 - entry.address))
    }
}
