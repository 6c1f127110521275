//! Variables: a name, its type from BTF, its address from the symbol table.
//!
//! BTF is made before the kernel's last link, so that a variable's offset in its section may be off by megabytes; its
//! symbol's address never is. A name that only one symbol has is settled by that. Names that several have, statics of
//! several files, are told apart by their offsets: variables whose names are unique show by how much offsets of their
//! section are off nearby, and each variable gets the symbol nearest to where it ought to be then. No symbol is given away
//! twice. Where a kernel's table names functions alone, a section's variables are placed by the few that were found
//! otherwise. A build that puts a part of the kernel under names of its own (arm64's hypervisor, code that runs before the kernel
//! is where it belongs) renames symbols, but not what DWARF, and so BTF, calls them: these names count, too.

use std::collections::HashMap;
use std::sync::OnceLock;

use btfkit_btf::{Btf, Kind, SectionEntry, Type, TypeId};
use btfkit_vmcore::VirtualAddress;

use crate::symbols::Symbols;
use crate::{CType, TypeSource};

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Whose BTF declares it: `vmlinux`, a side file, a module, also where a side file was made of one.
    pub source: String,
    /// Its type.
    pub ctype: CType,
    /// The section it is in, as the kernel's build calls it; empty when BTF does not say.
    pub section: String,
    /// Its size in bytes, if BTF gives it.
    pub size: Option<u32>,
    /// Where it is.
    pub address: Option<Address>,
}

/// Where a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// In one place.
    Global(VirtualAddress),
    /// Once for each processor: to be added to its `__per_cpu_offset`.
    PerCpu(VirtualAddress),
}

/// Where variables of a source are.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    sections: Vec<Section>,
    /// By VAR: its section, and its entry there.
    by_variable: HashMap<TypeId, (usize, SectionEntry)>,
}

#[derive(Debug)]
struct Section {
    name: String,
    is_per_cpu: bool,
    /// Offsets and addresses of variables that only one symbol may be, in the order of offsets.
    anchors: OnceLock<Vec<(u32, u64)>>,
    entries: Vec<SectionEntry>,
}

/// The section of variables that are there once for each processor.
const PER_CPU: &str = ".data..percpu";
/// Letters of symbols that are code or nothing.
const NOT_DATA: &str = "tTwWUu";
/// What is put before the names of a part's symbols (`arch/arm64/kvm/hyp/nvhe/Makefile`, `arch/*/kernel/pi/Makefile`).
const RENAMED: [&str; 2] = ["__kvm_nvhe_", "__pi_"];

impl Placement {
    fn of(source: &TypeSource) -> Self {
        let mut placement = Self::default();
        for ty in source.btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            let number = placement.sections.len();
            let name = ty.name_str().into_owned();
            let entries: Vec<SectionEntry> = ty.section_entries().collect();
            placement.by_variable.extend(entries.iter().map(|&entry| (entry.variable, (number, entry))));
            // The hypervisor's (`.hyp.data..percpu`) are copied elsewhere.
            let is_per_cpu = name.starts_with(PER_CPU);
            placement.sections.push(Section { name, is_per_cpu, anchors: OnceLock::new(), entries });
        }
        placement
    }
}

impl TypeSource {
    /// The variables of this name that it declares. `symbols` is asked only if there are some: a module's take time to read.
    pub(crate) fn variables<'s>(
        &self,
        name: &str,
        symbols: impl FnOnce() -> Option<&'s Symbols>,
    ) -> Vec<Variable> {
        let declared: Vec<Type<'_>> =
            self.btf.own_named(name.as_bytes()).filter(|ty| ty.kind() == Kind::Var).collect();
        if declared.is_empty() {
            return Vec::new();
        }
        let placement = self.placement.get_or_init(|| Placement::of(self));
        let placed: Vec<_> = declared
            .iter()
            .map(|ty| {
                let (section, entry) = placement.by_variable.get(&ty.id())?;
                Some((placement.sections.get(*section)?, entry))
            })
            .collect();
        let addresses = match symbols() {
            Some(symbols) => addresses(name, &placed, &self.btf, symbols),
            None => vec![None; declared.len()],
        };
        let variables = declared.iter().zip(placed).zip(addresses).map(|((ty, placed), address)| Variable {
            source: self.module.as_ref().unwrap_or(&self.name).clone(),
            ctype: CType::Btf(self.btf.clone(), ty.type_id().unwrap_or_default()),
            section: placed.map(|(section, _)| section.name.clone()).unwrap_or_default(),
            size: placed.map(|(_, entry)| entry.size),
            address: address.map(VirtualAddress).map(|address| match placed {
                Some((section, _)) if section.is_per_cpu => Address::PerCpu(address),
                _ => Address::Global(address),
            }),
        });
        let mut variables: Vec<Variable> = variables.collect();
        // Those that are nowhere come last.
        variables.sort_by_key(|variable| variable.address.is_none());
        variables
    }
}

/// The addresses of data symbols of a name, each once, in their order.
fn data_symbols(symbols: &Symbols, name: &str) -> Vec<u64> {
    let found = symbols.named(name).filter(|symbol| !NOT_DATA.contains(symbol.kind));
    let mut addresses: Vec<u64> = found.map(|symbol| symbol.address.0).collect();
    addresses.dedup();
    addresses
}

/// The addresses of a variable of this name in parts of the kernel whose symbols are renamed. Some of them lie beside code.
fn renamed_symbols(symbols: &Symbols, name: &str) -> Vec<u64> {
    let named = |prefix: &&str| symbols.find(&format!("{prefix}{name}"));
    RENAMED.iter().filter_map(named).map(|symbol| symbol.address.0).collect()
}

/// The address of the only symbol of a name, or of several at one place.
pub(crate) fn only(symbols: &Symbols, name: &str) -> Option<u64> {
    match data_symbols(symbols, name)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The addresses of all variables of a name.
fn addresses(
    name: &str,
    placed: &[Option<(&Section, &SectionEntry)>],
    btf: &Btf<'_>,
    symbols: &Symbols,
) -> Vec<Option<u64>> {
    let mut candidates = data_symbols(symbols, name);
    if candidates.len() < placed.len() {
        candidates.extend(renamed_symbols(symbols, name));
        candidates.sort_unstable();
    }
    let expected: Vec<Option<u64>> = placed
        .iter()
        .map(|placed| placed.and_then(|(section, entry)| section.expected(entry.offset, btf, symbols)))
        .collect();
    if candidates.is_empty() && symbols.are_few {
        let certain = |placed: &Option<(&Section, &SectionEntry)>| {
            let (section, entry) = placed.as_ref()?;
            section.certain(entry.offset, btf, symbols)
        };
        return placed.iter().map(certain).collect();
    }
    if let [only] = candidates[..]
        && (placed.len() == 1 || expected.iter().all(Option::is_none))
    {
        return vec![Some(only); placed.len()];
    }
    let mut order: Vec<usize> = (0..placed.len()).collect();
    // A section without any unique variable (`__modver`) has only its order.
    let offset = |index: usize| placed[index].map(|(section, entry)| (&section.name, entry.offset));
    order.sort_by_key(|&index| (expected[index].is_none(), expected[index], offset(index)));
    let (known, unknown) = order.split_at(expected.iter().flatten().count());
    let mut found = vec![None; placed.len()];
    if unknown.is_empty() && candidates.len() == placed.len() {
        // As many symbols as variables: what is moved within a section keeps its order.
        for (&index, &address) in known.iter().zip(&candidates) {
            found[index] = Some(address);
        }
        return found;
    }
    let mut taken = HashMap::new();
    for &index in known {
        let Some(expected) = expected[index] else { continue };
        let Some(address) = nearest(&candidates, expected) else { continue };
        let distance = address.abs_diff(expected);
        // No symbol is two variables': the nearer one has it.
        match taken.get(&address) {
            Some((_, other)) if *other <= distance => continue,
            Some((before, _)) => found[*before] = None,
            None => {}
        }
        taken.insert(address, (index, distance));
        found[index] = Some(address);
    }
    let free: Vec<u64> = candidates.into_iter().filter(|address| !taken.contains_key(address)).collect();
    if free.len() == unknown.len() {
        for (&index, address) in unknown.iter().zip(free) {
            found[index] = Some(address);
        }
    }
    found
}

/// The one of sorted addresses that is nearest.
fn nearest(addresses: &[u64], wanted: u64) -> Option<u64> {
    let after = addresses.partition_point(|&address| address < wanted);
    let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
    around.filter_map(|index| addresses.get(index).copied()).min_by_key(|address| address.abs_diff(wanted))
}

impl Section {
    /// Where something at `offset` ought to be, by the unique variable that is nearest.
    fn expected(&self, offset: u32, btf: &Btf<'_>, symbols: &Symbols) -> Option<u64> {
        let anchors = self.anchors.get_or_init(|| self.anchors(btf, symbols));
        let after = anchors.partition_point(|(anchor, _)| *anchor < offset);
        let nearest = [after.checked_sub(1), Some(after)]
            .into_iter()
            .flatten()
            .filter_map(|index| anchors.get(index))
            .min_by_key(|(anchor, _)| anchor.abs_diff(offset))?;
        Some(nearest.1.wrapping_add(u64::from(offset)).wrapping_sub(u64::from(nearest.0)))
    }

    /// Where something at `offset` is though it has no symbol: where several variables that have one agree on where the section
    /// begins, nothing in it has moved.
    fn certain(&self, offset: u32, btf: &Btf<'_>, symbols: &Symbols) -> Option<u64> {
        let anchors = self.anchors.get_or_init(|| self.anchors(btf, symbols));
        let mut starts = anchors.iter().map(|(offset, address)| address.wrapping_sub(u64::from(*offset)));
        let start = starts.next().filter(|_| anchors.len() >= 2 && !self.is_per_cpu)?;
        starts.all(|other| other == start).then(|| start.wrapping_add(u64::from(offset)))
    }

    fn anchors(&self, btf: &Btf<'_>, symbols: &Symbols) -> Vec<(u32, u64)> {
        let mut anchors: Vec<(u32, u64)> = self
            .entries
            .iter()
            .filter_map(|entry| {
                let name = btf.get(entry.variable).ok()?.name_str();
                let mut variables = btf.own_named(name.as_bytes()).filter(|ty| ty.kind() == Kind::Var);
                // Of two variables of a name, one symbol is only one's.
                let is_unique = variables.nth(1).is_none();
                Some((entry.offset, is_unique.then(|| only(symbols, &name))??))
            })
            .collect();
        anchors.sort_unstable();
        anchors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btfkit_btf::{Builder, ByteOrder, IntEncoding, Linkage};
    use std::sync::Arc;

    /// A BTF of variables: name, section, offset. All are `int`.
    fn source(variables: &[(&str, &str, u32)]) -> TypeSource {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let int = builder.string(b"int");
        let int = builder.int(int, 4, IntEncoding::signed(32));
        let mut sections: Vec<&str> = variables.iter().map(|(_, section, _)| *section).collect();
        sections.dedup();
        for section in sections {
            let mut entries = Vec::new();
            for (name, _, offset) in variables.iter().filter(|(_, of, _)| *of == section) {
                let name = builder.string(name.as_bytes());
                let variable = builder.variable(name, int, Linkage::Static);
                entries.push(SectionEntry { variable, offset: *offset, size: 4 });
            }
            let section = builder.string(section.as_bytes());
            builder.data_section(section, 0x10000, &entries).unwrap();
        }
        let btf = Arc::new(Btf::parse(builder.finish().unwrap()).unwrap());
        TypeSource { name: "vmlinux".into(), address: None, btf, module: None, placement: OnceLock::new() }
    }

    fn addresses_of(source: &TypeSource, name: &str, symbols: &Symbols) -> Vec<Option<u64>> {
        let found = source.variables(name, || Some(symbols));
        found
            .into_iter()
            .map(|variable| match variable.address? {
                Address::Global(address) | Address::PerCpu(address) => Some(address.0),
            })
            .collect()
    }

    #[test]
    fn statics_of_one_name_are_told_apart_though_their_section_has_moved() {
        // The last link put what lies behind `middle` 0x800 further: more than the distance of the two.
        let source = source(&[
            ("first", ".rodata", 0),
            ("same", ".rodata", 0x100),
            ("middle", ".rodata", 0x400),
            ("same", ".rodata", 0x500),
            ("last", ".rodata", 0x600),
        ]);
        let symbols = Symbols::of(&[
            ("first", 0x1000, b'r'),
            ("same", 0x1100, b'r'),
            ("middle", 0x1c00, b'r'),
            ("same", 0x1d00, b'r'),
            ("last", 0x1e00, b'r'),
            // Code of this name is not meant.
            ("same", 0x1508, b't'),
        ]);
        assert_eq!(addresses_of(&source, "same", &symbols), [Some(0x1100), Some(0x1d00)]);
        assert_eq!(addresses_of(&source, "middle", &symbols), [Some(0x1c00)]);
    }

    #[test]
    fn a_section_without_any_unique_name_is_placed_by_its_order() {
        let source = source(&[("same", "__modver", 72), ("same", "__modver", 0), ("other", ".data", 0)]);
        let symbols = Symbols::of(&[("same", 0x1048, b'd'), ("same", 0x1000, b'd'), ("other", 0x9000, b'd')]);
        assert_eq!(addresses_of(&source, "same", &symbols), [Some(0x1048), Some(0x1000)]);
    }

    #[test]
    fn a_part_whose_symbols_are_renamed_has_variables_of_its_own() {
        let source = source(&[
            ("anchor", ".data", 0),
            ("same", ".data", 0x10),
            ("far", ".bss", 0),
            ("same", ".bss", 8),
            ("alone", ".bss", 0x20),
        ]);
        let symbols = [
            ("anchor", 0x1000, b'd'),
            ("same", 0x1010, b'd'),
            ("far", 0x9000, b'b'),
            ("__kvm_nvhe_same", 0x9008, b'b'),
            ("__pi_alone", 0x9020, b't'),
        ];
        let all = Symbols::of(&symbols);
        assert_eq!(addresses_of(&source, "same", &all), [Some(0x1010), Some(0x9008)]);
        assert_eq!(addresses_of(&source, "alone", &all), [Some(0x9020)]);
        // Without it, the one symbol is that of the variable that is nearest to it.
        let fewer = Symbols::of(&symbols[..3]);
        assert_eq!(addresses_of(&source, "same", &fewer), [Some(0x1010), None]);
    }

    #[test]
    fn no_symbol_is_given_to_two_variables() {
        let source = source(&[
            ("anchor", ".data", 0),
            ("same", ".data", 0x10),
            ("same", ".data", 0x20),
            ("same", ".data", 0x100),
        ]);
        let symbols =
            Symbols::of(&[("anchor", 0x1000, b'd'), ("same", 0x1010, b'd'), ("same", 0x1100, b'd')]);
        assert_eq!(addresses_of(&source, "same", &symbols), [Some(0x1010), Some(0x1100), None]);
    }
}
