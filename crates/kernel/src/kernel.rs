//! The kernel in a dump.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use btfkit_vmcore::{Dump, Memory, VirtualAddress};

use crate::declarations::DECLARATIONS;
use crate::symbols::{ModuleSymbols, Symbol, Symbols, modules};
use crate::{
    Address, CType, Error, Result, TypeSource, Types, Variable, error, expression, side_file, variables,
};

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
    types: OnceLock<Result<Types>>,
    module_symbols: OnceLock<Vec<ModuleSymbols>>,
}

impl Kernel {
    /// Takes a dump.
    pub fn new(dump: Dump, options: Options) -> Self {
        Self {
            memory: Memory::new(dump).interrupted_by(options.interrupt.clone()),
            options,
            symbols: OnceLock::new(),
            types: OnceLock::new(),
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

    /// Its types.
    ///
    /// # Errors
    /// They cannot be found or read, or a side file does not belong to it.
    pub fn types(&self) -> Result<&Types> {
        let read = || Types::read(&self.memory, self.symbols()?, &self.options.side_files);
        once(&self.types, &self.memory, read)?.as_ref().map_err(Clone::clone)
    }

    /// All sources of types, in the order in which they are asked: the kernel's own, side files, `vmlinux_btf_extra`, modules.
    /// Those of modules are read when the iterator comes to them. Empty without types.
    pub fn type_sources(&self) -> impl Iterator<Item = &TypeSource> {
        let symbols = self.symbols().ok();
        self.types().into_iter().flat_map(move |types| types.sources(&self.memory, symbols))
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
        let address = VirtualAddress(variables::only(self.symbols().ok()?, name)?);
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
        let read = || match (self.symbols(), self.types()) {
            (Ok(symbols), Ok(types)) => modules::read(&self.memory, symbols, types.vmlinux()),
            _ => Vec::new(),
        };
        once(&self.module_symbols, &self.memory, read).map_or(&[], Vec::as_slice)
    }

    /// The symbols among which variables of a source are found: a module's own.
    fn symbols_of(&self, source: &TypeSource) -> Option<&Symbols> {
        if let Some(name) = &source.module {
            let module = self.module_symbols().iter().find(|module| module.name == *name);
            return module.map(|module| &module.symbols);
        }
        self.symbols().ok()
    }

    /// The symbols of this name, the kernel's own first, then those of modules, with the module's name.
    pub fn symbols_named(&self, name: &str) -> impl Iterator<Item = (Symbol<'_>, Option<&str>)> {
        let own =
            self.symbols().into_iter().flat_map(|symbols| symbols.named(name).map(|symbol| (symbol, None)));
        let of_modules = std::iter::once_with(|| self.module_symbols()).flatten();
        let of_modules = of_modules
            .flat_map(|module| module.symbols.named(name).map(|symbol| (symbol, Some(module.name.as_str()))));
        own.chain(of_modules)
    }

    /// The symbol that an address of the kernel's image or of a module is in, how many bytes behind its start, and the module's
    /// name.
    pub fn symbol_at(&self, address: VirtualAddress) -> Option<(Symbol<'_>, u64, Option<&str>)> {
        let symbols = self.symbols().ok()?;
        let (start, end) = (symbols.find("_stext")?.address, symbols.find("_end")?.address);
        if (start..end).contains(&address) {
            let (symbol, offset) = symbols.at(address)?;
            return Some((symbol, offset, None));
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
