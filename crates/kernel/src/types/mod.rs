//! Types: BTF as the kernel has it in memory, and as side files give it.

mod scan;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use btfkit_btf::provenance::Provenance;
use btfkit_btf::{Btf, Header, Kind, Member, TypeId};
use btfkit_vmcore::{Memory, VirtualAddress};

use crate::error::{self, Error, Result};
use crate::image::Image;
use crate::kernel::once;
use crate::side_file;
use crate::symbols::Symbols;
use crate::variables::Placement;

/// The kernel's types, and those split on them.
#[derive(Debug)]
pub struct Types {
    /// The kernel's own, and side files.
    first: Vec<TypeSource>,
    /// Modules, those that carry the kernel's variables first: read when nothing before them has what is looked for.
    modules: OnceLock<Vec<TypeSource>>,
}

/// A BTF, and where it came from.
#[derive(Debug)]
pub struct TypeSource {
    /// `vmlinux`, a module's name, or a side file's.
    pub name: String,
    /// Where it is in the kernel's memory; `None` for a side file.
    pub address: Option<VirtualAddress>,
    /// The types; of all but the first, split on the first.
    pub btf: Arc<Btf<'static>>,
    /// The module whose variables these are: of a module's own BTF, and of a side file that was made of a module. `None` of the
    /// kernel's, also where a module carries them.
    pub module: Option<String>,
    pub(crate) placement: OnceLock<Placement>,
}

/// Largest BTF that is believed, in bytes: ten times that of the largest kernels.
const LARGEST: u64 = 64 << 20;
/// Why there are no types.
const WITHOUT: &str = "the kernel was built without BTF";
/// Largest BTF of all modules together that is believed, in bytes.
const LARGEST_OF_MODULES: u64 = 64 << 20;
/// Aggregates without a name that one is looked through for a member, at most; one in another is as deep as the stack goes.
const MOST_NESTED: usize = 1024;
/// More modules than this are a broken list.
pub(crate) const MOST_MODULES: usize = 10_000;
/// The module of the kernel's build that carries the kernel's variables, whether or not its BTF says so.
const EXTRA: &str = "vmlinux_btf_extra";

impl Types {
    /// Reads the kernel's own BTF, opens side files on it, and finds those of its modules.
    ///
    /// # Errors
    /// There is none in the dump, it cannot be read, or a side file was not made for this kernel.
    pub(crate) fn read<'i>(
        memory: &Memory,
        symbols: Result<&Symbols>,
        image: impl FnOnce() -> &'i Image,
        side_files: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let own = symbols.as_ref().ok().copied();
        let named = own.and_then(|symbols| named(memory, symbols));
        let vmlinux = named.unwrap_or_else(|| found(memory, symbols, image))?;
        let base = vmlinux.btf.clone();
        let mut first = vec![vmlinux];
        for (name, bytes) in side_files {
            first.push(side_file::open(name, bytes, &base, memory, own)?);
        }
        Ok(Self { first, modules: OnceLock::new() })
    }

    /// The kernel's own types.
    pub fn vmlinux(&self) -> &Arc<Btf<'static>> {
        &self.first[0].btf
    }

    /// All sources, in the order in which they are asked: the kernel's own, side files, modules that carry the kernel's variables,
    /// other modules. Those of modules are read when the iterator comes to them; `head` is asked then where the list `btf_modules`
    /// is, and `build_id` what the kernel's build ID is.
    pub(crate) fn sources(
        &self,
        memory: &Memory,
        head: impl FnOnce() -> Option<VirtualAddress>,
        build_id: impl FnOnce() -> Option<String>,
    ) -> impl Iterator<Item = &TypeSource> {
        let modules = std::iter::once_with(move || self.modules(memory, head, build_id)).flatten();
        self.first.iter().chain(modules)
    }

    fn modules(
        &self,
        memory: &Memory,
        head: impl FnOnce() -> Option<VirtualAddress>,
        build_id: impl FnOnce() -> Option<String>,
    ) -> &[TypeSource] {
        let read = || {
            let Some(head) = head() else { return Vec::new() };
            let mut modules = modules(memory, head, self.vmlinux(), build_id().as_deref());
            // Variables of the kernel itself come before those of its modules.
            modules.sort_by_key(|source| source.module.is_some());
            modules
        };
        once(&self.modules, memory, read).map_or(&[], Vec::as_slice)
    }
}

/// `__start_BTF` to `__stop_BTF` (since Linux 5.7); `None` without these symbols.
fn named(memory: &Memory, symbols: &Symbols) -> Option<Result<TypeSource>> {
    let place = |name| symbols.find(name).map(|symbol| symbol.address);
    let (start, stop) = (place("__start_BTF")?, place("__stop_BTF")?);
    let length = stop.0.saturating_sub(start.0);
    if length == 0 || length > LARGEST {
        return Some(Err(Error::NoTypes { reason: "the kernel's BTF has an impossible size" }));
    }
    let bytes = memory.bytes(start, length as usize).map_err(error::of("the kernel's BTF"));
    Some(bytes.and_then(|bytes| {
        let btf = Btf::parse(bytes).map_err(|error| Error::Btf { of: "vmlinux".into(), error })?;
        Ok(of_vmlinux(start, btf))
    }))
}

/// Where symbols name no data, or there are none: what looks like the kernel's BTF in its image.
fn found<'i>(
    memory: &Memory,
    symbols: Result<&Symbols>,
    image: impl FnOnce() -> &'i Image,
) -> Result<TypeSource> {
    if symbols.as_ref().is_ok_and(|symbols| symbols.name_data()) {
        return Err(Error::NoTypes { reason: WITHOUT });
    }
    let met = scan::find(memory, image());
    if let Some((start, btf)) = met.btf {
        return Ok(of_vmlinux(start, btf));
    }
    if let Some(error) = met.unreadable {
        return Err(error::of("the kernel's BTF")(error));
    }
    // Without symbols, why there are none matters more.
    let symbols = symbols?;
    if met.missing_pages > 0 {
        return Err(Error::TypesNotFound { missing_pages: met.missing_pages });
    }
    // Only a kernel that has BTF shows it in /sys/kernel/btf (kernel/bpf/sysfs_btf.c).
    match symbols.find("btf_vmlinux_init") {
        Some(_) => Err(Error::TypesNotFound { missing_pages: 0 }),
        None => Err(Error::NoTypes { reason: WITHOUT }),
    }
}

fn of_vmlinux(start: VirtualAddress, btf: Btf<'static>) -> TypeSource {
    TypeSource {
        name: "vmlinux".into(),
        address: Some(start),
        btf: Arc::new(btf),
        module: None,
        placement: OnceLock::new(),
    }
}

/// The list `btf_modules` (since Linux 5.11), as far as it can be followed. `struct module` has a pointer to BTF, too, but
/// to the file's, which is gone when the module is loaded.
fn modules(
    memory: &Memory,
    head: VirtualAddress,
    base: &Arc<Btf<'static>>,
    build_id: Option<&str>,
) -> Vec<TypeSource> {
    let offset = |name: &str, member: &str| member_offset(base, name, member);
    let (Some(list), Some(of_btf), Some(data), Some(size), Some(name)) = (
        offset("btf_module", "list"),
        offset("btf_module", "btf"),
        offset("btf", "data"),
        offset("btf", "data_size"),
        offset("btf", "name"),
    ) else {
        return Vec::new();
    };
    let mut modules = Vec::new();
    let mut seen = HashSet::new();
    let mut left = LARGEST_OF_MODULES;
    let mut next = memory.pointer(head);
    while let Ok(node) = next {
        if node == head || node.0 == 0 || seen.len() == MOST_MODULES || !seen.insert(node) {
            break;
        }
        let at = |place: VirtualAddress, offset: u64| VirtualAddress(place.0.wrapping_add(offset));
        let mut read = || {
            let btf = memory.pointer(at(VirtualAddress(node.0.wrapping_sub(list)), of_btf)).ok()?;
            let (data, size) = (memory.pointer(at(btf, data)).ok()?, memory.u32(at(btf, size)).ok()?);
            let name = String::from_utf8_lossy(&memory.c_string(at(btf, name), 56).ok()?).into_owned();
            // A broken list leads to memory that is no BTF: that need not be read.
            if memory.u16(data).ok()? != Header::MAGIC {
                return None;
            }
            left = left.checked_sub(u64::from(size))?;
            let bytes = memory.bytes(data, size as usize).ok()?;
            let module = whose(&name, Provenance::of(&bytes), build_id);
            let btf = Arc::new(Btf::parse_split(bytes, base.clone()).ok()?);
            Some(TypeSource { name, address: Some(data), btf, module, placement: OnceLock::new() })
        };
        modules.extend(read());
        next = memory.pointer(node);
    }
    modules
}

/// The module whose variables are those in the BTF of a module of this name; `None` for the kernel's. Its BTF tells, where
/// `extra-module` made it; what was made of a kernel with another build ID has variables of neither.
fn whose(name: &str, told: Provenance, build_id: Option<&str>) -> Option<String> {
    let is_of_kernel = match told {
        Provenance { module: Some(module), .. } => return Some(module),
        Provenance { build_id: Some(made_of), .. } => build_id.is_none_or(|known| known == made_of),
        Provenance { base, .. } => base.is_some() || name == EXTRA,
    };
    Some(name.to_owned()).filter(|_| !is_of_kernel)
}

/// Offset in bytes of a member of a named structure; members of anonymous structures and unions count as its own.
pub(crate) fn member_offset(btf: &Btf<'_>, name: &str, member: &str) -> Option<u64> {
    btf.named(name.as_bytes())
        .filter(|ty| ty.kind().is_aggregate())
        .find_map(|ty| Some(self::member(btf, ty.id(), member.as_bytes())?.1 / 8))
}

/// Size in bytes of a named structure.
pub(crate) fn size_of(btf: &Btf<'_>, name: &str) -> Option<u64> {
    let ty = btf.named(name.as_bytes()).find(|ty| ty.kind() == Kind::Struct)?;
    ty.size().map(u64::from)
}

/// A member of a structure or union by name, also one in anonymous aggregates, with where it starts, in bits from the start of
/// the whole.
pub(crate) fn member(btf: &Btf<'_>, id: TypeId, name: &[u8]) -> Option<(Member, u64)> {
    member_in(btf, id, name, &mut HashSet::new()).filter(|_| !name.is_empty())
}

/// `seen` has the aggregates that were looked into: each is, once.
fn member_in(btf: &Btf<'_>, id: TypeId, name: &[u8], seen: &mut HashSet<TypeId>) -> Option<(Member, u64)> {
    let ty = btf.skip_modifiers(id).ok().filter(|ty| ty.kind().is_aggregate())?;
    if seen.len() == MOST_NESTED || !seen.insert(ty.id()) {
        return None;
    }
    ty.members().find_map(|member| {
        let start = u64::from(member.bit_offset);
        match ty.string(member.name) {
            own if own == name => Some((member, start)),
            b"" => {
                let (inner, inside) = member_in(btf, member.type_id, name, seen)?;
                Some((inner, start + inside))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use btfkit_btf::provenance::Checksum;

    use super::*;

    #[test]
    fn what_a_module_carries_says_whose_variables_they_are() {
        let of_build = |id: &str| Provenance { build_id: Some(id.into()), ..Provenance::default() };
        let on_base = Provenance { base: Some(Checksum { crc: 1, length: 2 }), ..Provenance::default() };
        let of_module = Provenance { module: Some("veth".into()), ..of_build("02") };
        for (name, told, expected) in [
            ("other", of_build("01"), None),
            ("other", on_base, None),
            ("other", of_build("02"), Some("other")),
            ("other", Provenance::default(), Some("other")),
            ("vmlinux_btf_extra", Provenance::default(), None),
            ("vmlinux_btf_extra", of_build("02"), Some("vmlinux_btf_extra")),
            ("other", of_module, Some("veth")),
        ] {
            assert_eq!(whose(name, told.clone(), Some("01")).as_deref(), expected, "{name} {told:?}");
        }
        assert_eq!(whose("other", of_build("02"), None), None, "nothing contradicts it");
    }
}
