//! What to encode, and how.

use std::sync::Arc;

use btfkit_btf::Btf;
use gimli::constants::DwLang;

/// Which variables to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variables {
    /// None.
    None,
    /// Per-CPU variables, as mainline kernels have them.
    PerCpu,
    /// All that a debugger's user would name: no data that is freed after boot, nothing that macros make.
    Lean,
    /// Every data object that has a symbol and a type.
    #[default]
    All,
}

/// The options of an encode.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which variables to write.
    pub variables: Variables,
    /// Also the static variables inside functions.
    pub function_statics: bool,
    /// Leave functions out.
    pub no_functions: bool,
    /// Write nothing but variables, and types that only they need: a side file, on `base`.
    pub only_variables: bool,
    /// Write optimised functions as the compiler left them, under their symbols' names.
    pub true_signatures: bool,
    /// The BTF that the output is split on.
    pub base: Option<Arc<Btf<'static>>>,
    /// Languages to take; empty for all.
    pub languages: Vec<DwLang>,
    /// Languages to leave out.
    pub excluded_languages: Vec<DwLang>,
    /// Number of threads; 0 for one for each processor.
    pub threads: usize,
    /// Functions and variables of this name are explained in the report.
    pub explain: Option<String>,
    /// Write a layout section and the longer header that it needs (kernels from 7.1 on).
    pub layout: bool,
}
