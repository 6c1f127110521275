//! The kernel in a dump.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, OnceLock};

use btfkit_vmcore::{Dump, Memory, VirtualAddress};

use crate::declarations::DECLARATIONS;
use crate::image::Image;
use crate::symbols::{ModuleSymbols, Symbol, Symbols, derived, modules};
use crate::{
    Address, CType, Error, Result, TypeSource, Types, Variable, error, expression, side_file, variables,
};

/// What there is where looking for the image or symbols was interrupted.
static NO_IMAGE: Image = Image::NONE;
static NO_SYMBOLS: LazyLock<Symbols> = LazyLock::new(|| Symbols::few(&[]));

/// What the user gives beside the dump.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// BTF of variables, split on the kernel's own: names and contents.
    pub side_files: Vec<(String, Vec<u8>)>,
    /// While this is set, whatever reads memory fails: what takes long comes to its end.
    pub interrupt: Arc<AtomicBool>,
}

/// A kernel in a dump. What it is made of is found when it is first asked for; what is missing does not keep the rest.
#[derive(Debug)]
pub struct Kernel {
    memory: Memory,
    options: Options,
    symbols: OnceLock<Result<Symbols>>,
    image: OnceLock<Image>,
    types: OnceLock<Result<Types>>,
    derived_symbols: OnceLock<Symbols>,
    module_symbols: OnceLock<Vec<ModuleSymbols>>,
}

impl Kernel {
    /// Takes a dump.
    pub fn new(dump: Dump, options: Options) -> Self {
        Self {
            memory: Memory::new(dump).interrupted_by(options.interrupt.clone()),
            options,
            symbols: OnceLock::new(),
            image: OnceLock::new(),
            types: OnceLock::new(),
            derived_symbols: OnceLock::new(),
            module_symbols: OnceLock::new(),
        }
    }

    /// Its memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Its symbols.
    ///
    /// # Errors
    /// They cannot be found or read.
    pub fn symbols(&self) -> Result<&Symbols> {
        let symbols = once(&self.symbols, &self.memory, || Symbols::read(&self.memory))?;
        symbols.as_ref().map_err(Clone::clone)
    }

    /// Symbols of data that were found otherwise, where its own table has functions alone or cannot be read: those of
    /// VMCOREINFO, and those that their types give away. None where the kernel's own table has data.
    pub fn derived_symbols(&self) -> &Symbols {
        let find = || {
            let info = self.memory.dump().vmcoreinfo();
            let own = self.symbols().ok();
            let (Some(info), false) = (info, own.is_some_and(Symbols::name_data)) else {
                return Symbols::few(&[]);
            };
            let image = self.image();
            let mut found = derived::of_vmcoreinfo(info, image);
            if let Ok(types) = self.types() {
                let text_end =
                    own.and_then(|own| own.find("_etext")).map_or(VirtualAddress(0), |it| it.address);
                derived::by_types(&self.memory, image, text_end, types.vmlinux(), &mut found);
            }
            found.retain(|(name, ..)| own.and_then(|own| own.find(name)).is_none());
            Symbols::few(&found)
        };
        once(&self.derived_symbols, &self.memory, find).unwrap_or(&NO_SYMBOLS)
    }

    fn image(&self) -> &Image {
        let find = || {
            let symbol = |name| Some(self.symbols().ok()?.find(name)?.address);
            let info = self.memory.dump().vmcoreinfo();
            let stext = info.and_then(|info| info.symbol("_stext")).or_else(|| symbol("_stext"));
            stext.map(|stext| Image::of(&self.memory, stext, symbol("_end"))).unwrap_or_default()
        };
        once(&self.image, &self.memory, find).unwrap_or(&NO_IMAGE)
    }

    /// Its types.
    ///
    /// # Errors
    /// They cannot be found or read, or a side file does not belong to it.
    pub fn types(&self) -> Result<&Types> {
        let read = || Types::read(&self.memory, self.symbols(), || self.image(), &self.options.side_files);
        once(&self.types, &self.memory, read)?.as_ref().map_err(Clone::clone)
    }

    /// All sources of types, in the order in which they are asked: the kernel's own, side files, modules that carry the kernel's
    /// variables, other modules. Those of modules are read when the iterator comes to them. Empty without types.
    pub fn type_sources(&self) -> impl Iterator<Item = &TypeSource> {
        let head = || self.place_of("btf_modules");
        self.types().into_iter().flat_map(move |types| types.sources(&self.memory, head, || self.build_id()))
    }

    /// Where the only variable of a name is.
    fn place_of(&self, name: &str) -> Option<VirtualAddress> {
        let own = self.symbols().ok().and_then(|symbols| variables::only(symbols, name));
        own.or_else(|| variables::only(self.derived_symbols(), name)).map(VirtualAddress)
    }

    /// The variables of this name: the kernel's own first, then those of side files and of modules. The iterator reads
    /// modules when it comes to them. Empty without types.
    pub fn variables(&self, name: &str) -> impl Iterator<Item = Variable> {
        let mut seen = Vec::new();
        let all =
            self.type_sources().flat_map(move |source| source.variables(name, || self.symbols_of(source)));
        // What a side file declares again is the same variable.
        all.filter(move |variable| {
            let Some(address) = variable.address else { return true };
            let is_new = !seen.contains(&address);
            seen.push(address);
            is_new
        })
    }

    /// The type and place of what every kernel has, also where its BTF has no variables.
    pub fn declared(&self, name: &str) -> Option<(CType, Address)> {
        let index = DECLARATIONS.binary_search_by(|(declared, _)| (*declared).cmp(name)).ok()?;
        let text = DECLARATIONS[index].1;
        let address = self.place_of(name)?;
        let (text, address) = match text.strip_prefix("percpu ") {
            Some(text) => (text, Address::PerCpu(address)),
            None => (text, Address::Global(address)),
        };
        Some((expression::type_of(self, text)?, address))
    }

    /// The kernel's build ID in hexadecimal, if VMCOREINFO (since Linux 5.9) or the kernel's notes in memory have it.
    pub fn build_id(&self) -> Option<String> {
        side_file::build_id(&self.memory, self.symbols().ok())
    }

    /// What is added to the address of a per-CPU variable for this processor, in bytes.
    ///
    /// # Errors
    /// There are no symbols, or no such processor.
    pub fn per_cpu_offset(&self, cpu: u64) -> Result<u64> {
        let symbols = self.symbols()?;
        if !symbols.name_data() {
            return Err(Error::NoSymbols {
                reason: "kallsyms names no data, so that per-CPU variables have no place",
            });
        }
        // A kernel for one processor has none.
        let Some(offsets) = symbols.find("__per_cpu_offset") else { return Ok(0) };
        if let Some(count) = self.processor_limit(symbols)?
            && cpu >= u64::from(count)
        {
            return Err(Error::NoProcessor { cpu, count });
        }
        let place = VirtualAddress(offsets.address.0.wrapping_add(cpu.wrapping_mul(8)));
        self.memory.u64(place).map_err(error::of("__per_cpu_offset"))
    }

    /// `nr_cpu_ids`: processors have smaller numbers. `None` where a kernel is built for one.
    fn processor_limit(&self, symbols: &Symbols) -> Result<Option<u32>> {
        let Some(count) = symbols.find("nr_cpu_ids") else { return Ok(None) };
        self.memory.u32(count.address).map(Some).map_err(error::of("nr_cpu_ids"))
    }

    /// How many processors there can be.
    pub(crate) fn processors(&self) -> u64 {
        let limit = self.symbols().and_then(|symbols| self.processor_limit(symbols)).ok().flatten();
        // Without it as many as have notes, if any has.
        limit.map_or_else(|| self.memory.dump().registers().count().max(1) as u64, u64::from)
    }

    /// The symbols of each module. None without types, which tell where modules keep them.
    pub fn module_symbols(&self) -> &[ModuleSymbols] {
        let read = || match (self.place_of("modules"), self.types()) {
            (Some(head), Ok(types)) => modules::read(&self.memory, head, types.vmlinux()),
            _ => Vec::new(),
        };
        once(&self.module_symbols, &self.memory, read).map_or(&[], Vec::as_slice)
    }

    /// The symbols among which variables of a source are found: a module's own; where the kernel's have no data, those that were
    /// found otherwise.
    fn symbols_of(&self, source: &TypeSource) -> Option<&Symbols> {
        if let Some(name) = &source.module {
            let module = self.module_symbols().iter().find(|module| module.name == *name);
            return module.map(|module| &module.symbols);
        }
        Some(self.symbols().ok().filter(|own| own.name_data()).unwrap_or_else(|| self.derived_symbols()))
    }

    /// The symbols of this name, the kernel's own first, then those that were found otherwise, then those of modules, with the
    /// module's name.
    pub fn symbols_named(&self, name: &str) -> impl Iterator<Item = (Symbol<'_>, Option<&str>)> {
        let own = self.symbols().into_iter().flat_map(|symbols| symbols.named(name));
        let derived = std::iter::once_with(|| self.derived_symbols());
        let of_kernel = own.chain(derived.flat_map(|symbols| symbols.named(name)));
        let of_modules = std::iter::once_with(|| self.module_symbols()).flatten();
        let of_modules = of_modules
            .flat_map(|module| module.symbols.named(name).map(|symbol| (symbol, Some(module.name.as_str()))));
        of_kernel.map(|symbol| (symbol, None)).chain(of_modules)
    }

    /// The symbol that an address of the kernel's image or of a module is in, how many bytes behind its start, and the module's
    /// name. Where symbols of data were found otherwise, data has a symbol at its first byte alone.
    pub fn symbol_at(&self, address: VirtualAddress) -> Option<(Symbol<'_>, u64, Option<&str>)> {
        if let Ok(symbols) = self.symbols() {
            // Without symbols of data, what lies behind the text is no part of the last function.
            let end = if symbols.name_data() { "_end" } else { "_etext" };
            let (start, end) = (symbols.find("_stext")?.address, symbols.find(end)?.address);
            if (start..end).contains(&address) {
                let (symbol, offset) = symbols.at(address)?;
                return Some((symbol, offset, None));
            }
        }
        let derived = self.derived_symbols().at(address).filter(|(_, offset)| *offset == 0);
        if let Some((symbol, _)) = derived {
            return Some((symbol, 0, None));
        }
        // Below the kernel's own text only modules have symbols; the direct map has none.
        let is_in = |module: &&ModuleSymbols| module.ranges.iter().any(|range| range.contains(&address.0));
        let module = self.module_symbols().iter().find(is_in)?;
        let (symbol, offset) = module.symbols.at(address)?;
        Some((symbol, offset, Some(&module.name)))
    }
}

/// What is in `cell`, or is found by `find` and kept there; what was found while an interrupt was wanted may be half of it and
/// is not kept.
///
/// # Errors
/// An interrupt was wanted.
pub(crate) fn once<'c, T>(cell: &'c OnceLock<T>, memory: &Memory, find: impl FnOnce() -> T) -> Result<&'c T> {
    if let Some(found) = cell.get() {
        return Ok(found);
    }
    let found = find();
    memory.check_interrupt().map_err(error::of("reading"))?;
    Ok(cell.get_or_init(|| found))
}
