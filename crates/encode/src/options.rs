//! What to encode, and how.

use gimli::constants::DwLang;

use crate::base::Base;

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

/// What BTF may say, where kernels or readers differ in what they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Floating point numbers as `FLOAT` (kernels from 5.13 on); else as integers without sign, or as structs without
    /// members where no integer has their size.
    pub floats: bool,
    /// Enumerations of more than 4 bytes as `ENUM64`, and the flag of signed ones (kernels from 6.0 on); else as `ENUM`,
    /// with the lower 32 bits of their values.
    pub enum64: bool,
    /// `btf_decl_tag`, and the tags of kfuncs.
    pub declaration_tags: bool,
    /// `btf_type_tag`.
    pub type_tags: bool,
    /// Tags for the kernel functions that `.BTF_ids` offers to BPF programs. They are declaration tags, too.
    pub kfunc_tags: bool,
    /// Attributes on the pointers of kfuncs that take or give memory of an arena (`KF_ARENA_*`; kernels from 6.14 on).
    pub attributes: bool,
    /// Leave out functions whose name has several prototypes.
    pub consistent_functions: bool,
}

impl Default for Features {
    /// All that kernels from 6.0 on take.
    fn default() -> Self {
        Self {
            floats: true,
            enum64: true,
            declaration_tags: true,
            type_tags: true,
            kfunc_tags: true,
            attributes: false,
            consistent_functions: true,
        }
    }
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
    pub base: Option<Base>,
    /// Languages to take; empty for all.
    pub languages: Vec<DwLang>,
    /// Languages to leave out.
    pub excluded_languages: Vec<DwLang>,
    /// Units whose name starts so are left out.
    pub excluded_units: Vec<Vec<u8>>,
    /// Every name that starts so becomes that: kernels that keep room for later in their structures
    /// (`__kabi_reserved_1`, …) look the same whatever is in it.
    pub collapsed_prefix: Option<Vec<u8>>,
    /// Which kinds and tags to write.
    pub features: Features,
    /// Number of threads; 0 for one for each processor.
    pub threads: usize,
    /// Functions and variables of this name are explained in the report.
    pub explain: Option<String>,
    /// Write a layout section and the longer header that it needs (kernels from 7.1 on).
    pub layout: bool,
}
