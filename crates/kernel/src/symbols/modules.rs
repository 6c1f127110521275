//! Symbols of modules: each keeps its own ELF symbol table, with addresses filled in when it was loaded.

use std::collections::HashSet;
use std::ops::Range;

use btfkit_btf::Btf;
use btfkit_btf::provenance::hexadecimal;
use btfkit_vmcore::{Memory, VirtualAddress};

use super::{Entry, Symbols};
use crate::types::{MOST_MODULES, member_offset, size_of};

/// A module's symbols.
#[derive(Debug)]
pub struct ModuleSymbols {
    /// The module's name.
    pub name: String,
    /// Where its code and data are.
    pub ranges: Vec<Range<u64>>,
    /// Its symbols.
    pub symbols: Symbols,
}

/// More symbols than all modules of a kernel have.
const MOST: u32 = 1 << 21;
/// Longest names of a module, in bytes.
const LONGEST: u32 = 4 << 20;
/// Size in bytes of the build ID that `struct module` has room for (`BUILD_ID_SIZE_MAX`).
const BUILD_ID_SIZE: usize = 20;
/// The type of a note with a build ID.
pub(crate) const NT_GNU_BUILD_ID: u32 = 3;
/// Bytes of a part of a module that are looked through for its build ID, at most.
const MOST_MEMORY: u64 = 64 << 20;
/// Size in bytes of an `Elf64_Sym`.
const ENTRY: usize = 24;
/// Parts of `mem[]` that stay when a module is initialised: text, data, rodata, rodata after initialisation.
const KEPT: u64 = 4;

/// The modules of the list `modules`, whose head is given, as far as it can be followed; those that are not formed yet are left out.
pub(crate) fn read(memory: &Memory, head: VirtualAddress, btf: &Btf<'_>) -> Vec<ModuleSymbols> {
    let Some(layout) = Layout::of(btf) else { return Vec::new() };
    let mut modules = Vec::new();
    let mut seen = HashSet::new();
    let mut left = MOST;
    let mut next = memory.pointer(head);
    while let Ok(node) = next {
        if node == head || node.0 == 0 || seen.len() == MOST_MODULES || !seen.insert(node) {
            break;
        }
        let module = VirtualAddress(node.0.wrapping_sub(layout.list));
        modules.extend(layout.module(memory, module, &mut left));
        next = memory.pointer(node);
    }
    modules
}

/// The build ID of the loaded module of this name in the list `modules`, whose head is given, in hexadecimal: the kernel's copy
/// (since Linux 5.14, with `CONFIG_STACKTRACE_BUILD_ID`), or the note itself, which is among the module's read-only data.
/// `None` of it all if no such module is loaded; `Some(None)` also where the list cannot be followed to its end.
pub(crate) fn build_id(
    memory: &Memory,
    head: VirtualAddress,
    btf: &Btf<'_>,
    wanted: &str,
) -> Option<Option<String>> {
    let offsets = (member_offset(btf, "module", "list"), member_offset(btf, "module", "name"));
    let (Some(list), Some(name)) = offsets else { return Some(None) };
    let mut node = head;
    for _ in 0..MOST_MODULES {
        match memory.pointer(node) {
            Ok(next) if next == head => return None,
            Ok(next) if next.0 != 0 => node = next,
            _ => break,
        }
        let at = |offset: u64| VirtualAddress(node.0.wrapping_sub(list).wrapping_add(offset));
        if memory.c_string(at(name), 56).is_ok_and(|found| found == wanted.as_bytes()) {
            let copy = member_offset(btf, "module", "build_id");
            let copy = copy.and_then(|offset| memory.bytes(at(offset), BUILD_ID_SIZE).ok());
            // A module without one has zeros.
            let copy = copy.filter(|id| id.iter().any(|&byte| byte != 0));
            let id = copy.or_else(|| {
                let ranges = parts(btf).into_iter().filter_map(|part| range(memory, at, part));
                ranges.filter_map(|range| note_in(memory, range)).next()
            });
            return Some(id.map(|id| hexadecimal(&id)));
        }
    }
    Some(None)
}

/// Where a part of a module is: its base and size are at these offsets.
fn range(
    memory: &Memory,
    at: impl Fn(u64) -> VirtualAddress,
    (base, size): (u64, u64),
) -> Option<Range<u64>> {
    let (base, size) = (memory.u64(at(base)).ok()?, memory.u32(at(size)).ok()?);
    (size > 0).then(|| base..base.saturating_add(u64::from(size)))
}

/// The content of a note with a build ID in a module's memory.
fn note_in(memory: &Memory, range: Range<u64>) -> Option<Vec<u8>> {
    let length = (range.end - range.start).min(MOST_MEMORY) as usize;
    let bytes = memory.bytes(VirtualAddress(range.start), length).ok()?;
    let order = memory.byte_order();
    let size = BUILD_ID_SIZE as u32;
    // Lengths of name and content, the type, the name.
    let is_note = |at: &usize| {
        order.u32(&bytes, *at) == 4
            && order.u32(&bytes, at + 4) == size
            && order.u32(&bytes, at + 8) == NT_GNU_BUILD_ID
            && bytes[at + 12..].starts_with(b"GNU\0")
    };
    let last = bytes.len().checked_sub(16 + BUILD_ID_SIZE)?;
    let note = (0..=last).step_by(4).find(is_note)?;
    Some(bytes[note + 16..note + 16 + BUILD_ID_SIZE].to_vec())
}

/// Offsets in bytes in `struct module` and `struct mod_kallsyms`.
struct Layout {
    list: u64,
    state: u64,
    name: u64,
    kallsyms: u64,
    symtab: u64,
    count: u64,
    strtab: u64,
    /// Since Linux 5.2.
    typetab: Option<u64>,
    /// Where {base, size} of each part are.
    parts: Vec<(u64, u64)>,
}

impl Layout {
    fn of(btf: &Btf<'_>) -> Option<Self> {
        let module = |member: &str| member_offset(btf, "module", member);
        let table = |member: &str| member_offset(btf, "mod_kallsyms", member);
        Some(Self {
            list: module("list")?,
            state: module("state")?,
            name: module("name")?,
            kallsyms: module("kallsyms")?,
            symtab: table("symtab")?,
            count: table("num_symtab")?,
            strtab: table("strtab")?,
            typetab: table("typetab"),
            parts: parts(btf),
        })
    }

    /// The symbols of a module, if it has no more than are `left`.
    fn module(&self, memory: &Memory, module: VirtualAddress, left: &mut u32) -> Option<ModuleSymbols> {
        let at = |base: VirtualAddress, offset: u64| VirtualAddress(base.0.wrapping_add(offset));
        // MODULE_STATE_UNFORMED.
        if memory.u32(at(module, self.state)).ok()? == 3 {
            return None;
        }
        let name = memory.c_string(at(module, self.name), 56).ok()?;
        let table = memory.pointer(at(module, self.kallsyms)).ok()?;
        let field = |offset: u64| memory.pointer(at(table, offset)).ok();
        let count = memory.u32(at(table, self.count)).ok()?;
        *left = left.checked_sub(count)?;
        let count = count as usize;
        let entries = memory.bytes(field(self.symtab)?, count * ENTRY).ok()?;
        let kinds = self.typetab.and_then(field).and_then(|place| memory.bytes(place, count).ok());
        let strings = Strings { memory, start: field(self.strtab)?, bytes: Vec::new() };
        let ranges = self.parts.iter().filter_map(|part| range(memory, |offset| at(module, offset), *part));
        Some(ModuleSymbols {
            name: String::from_utf8_lossy(&name).into_owned(),
            ranges: ranges.collect(),
            symbols: decode(memory, &entries, kinds.as_deref(), strings),
        })
    }
}

/// `mem[]` since Linux 6.4; `core_layout`, and on some machines `data_layout`, before.
fn parts(btf: &Btf<'_>) -> Vec<(u64, u64)> {
    let part = |name: &str, member: &str| member_offset(btf, name, member);
    if let (Some(mem), Some(base), Some(size), Some(stride)) = (
        part("module", "mem"),
        part("module_memory", "base"),
        part("module_memory", "size"),
        size_of(btf, "module_memory"),
    ) {
        return (0..KEPT).map(|index| mem + index * stride).map(|at| (at + base, at + size)).collect();
    }
    let (Some(base), Some(size)) = (part("module_layout", "base"), part("module_layout", "size")) else {
        return Vec::new();
    };
    let layouts = ["core_layout", "data_layout"].iter().filter_map(|name| part("module", name));
    layouts.map(|at| (at + base, at + size)).collect()
}

/// A module's names, read as far as they are needed.
struct Strings<'m> {
    memory: &'m Memory,
    start: VirtualAddress,
    bytes: Vec<u8>,
}

impl Strings<'_> {
    /// The name at `offset`.
    fn get(&mut self, offset: u32) -> Option<String> {
        if offset > LONGEST {
            return None;
        }
        if let Some(rest) = self.bytes.get(offset as usize..)
            && let Some(end) = rest.iter().take(512).position(|&byte| byte == 0)
        {
            return Some(String::from_utf8_lossy(&rest[..end]).into_owned());
        }
        let place = VirtualAddress(self.start.0.wrapping_add(u64::from(offset)));
        // The page that it is in, so that the next ones are there already.
        let name = self.memory.c_string(place, 512).ok()?;
        Some(String::from_utf8_lossy(&name).into_owned())
    }
}

fn decode(memory: &Memory, entries: &[u8], kinds: Option<&[u8]>, mut strings: Strings<'_>) -> Symbols {
    let order = memory.byte_order();
    let mut names = String::new();
    let mut found = Vec::new();
    // One read for all names where they lie in one piece, as they do.
    let furthest = entries.chunks_exact(ENTRY).map(|entry| order.u32(entry, 0)).max().unwrap_or(0);
    strings.bytes = memory.bytes(strings.start, furthest.min(LONGEST) as usize).unwrap_or_default();
    for (index, entry) in entries.chunks_exact(ENTRY).enumerate() {
        let (name, info, section) = (order.u32(entry, 0), entry[4], order.u16(entry, 6));
        // Undefined ones belong to others.
        if section == 0 {
            continue;
        }
        let Some(name) = strings.get(name).filter(|name| !name.is_empty() && name.len() < 512) else {
            continue;
        };
        let kind = kinds.and_then(|kinds| kinds.get(index)).copied().unwrap_or(match info & 0xf {
            2 => b't',
            1 => b'd',
            _ => b'?',
        });
        found.push(Entry {
            address: order.u64(entry, 8),
            name: names.len() as u32,
            length: name.len() as u16,
            kind,
        });
        names.push_str(&name);
    }
    Symbols::new(names, found)
}
