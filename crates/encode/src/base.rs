//! The BTF that outputs are split on.

use std::sync::{Arc, OnceLock};

use btfkit_btf::{Btf, dedup};

use crate::error::Result;
use crate::wrong_base::{KernelStructs, kernel_structs};

/// A BTF to split outputs on. For a single output it is read as far as that output needs it; with an [index](Base::indexed),
/// which takes longer to make than that, it serves many.
#[derive(Debug, Clone)]
pub struct Base {
    shared: Arc<Shared>,
    indexed: bool,
}

#[derive(Debug)]
struct Shared {
    btf: Arc<Btf<'static>>,
    index: OnceLock<Result<dedup::Base<'static>, btfkit_btf::Error>>,
    kernel_structs: OnceLock<KernelStructs>,
}

impl Base {
    /// The BTF itself.
    pub fn btf(&self) -> &Arc<Btf<'static>> {
        &self.shared.btf
    }

    /// The same for many outputs: what is needed to know of it is found out once, when it is first needed, for all that
    /// share it, be it in several threads.
    pub fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// Begins, on a thread of its own, with what an encode on this base would have to wait for: it takes as long as to
    /// open and scan a small module.
    pub fn begin(&self) {
        let base = self.clone();
        // Where there is no thread, or on errors, it is found out when it is needed.
        let _ = std::thread::Builder::new().spawn(move || {
            if base.prepare().is_ok() {
                base.kernel_structs();
            }
        });
    }

    /// Does what can be done before the types are known that are to be split off.
    pub(crate) fn prepare(&self) -> Result<()> {
        // The first search makes the index of strings.
        self.btf().find_string(b"int");
        if self.indexed { self.index().map(drop) } else { Ok(()) }
    }

    /// Finds out which types of a BTF split on it are the same.
    pub(crate) fn deduplicate(&self, split: &Btf<'_>) -> Result<dedup::Deduplication> {
        let unique = if self.indexed {
            dedup::deduplicate_on(split, self.index()?)
        } else {
            dedup::deduplicate(split)
        };
        Ok(unique?)
    }

    /// What tells whether a module was built against this kernel.
    pub(crate) fn kernel_structs(&self) -> &KernelStructs {
        self.shared.kernel_structs.get_or_init(|| kernel_structs(self.btf()))
    }

    fn index(&self) -> Result<&dedup::Base<'static>> {
        let index = self.shared.index.get_or_init(|| dedup::Base::new(Arc::clone(&self.shared.btf)));
        index.as_ref().map_err(|error| error.clone().into())
    }
}

impl From<Arc<Btf<'static>>> for Base {
    fn from(btf: Arc<Btf<'static>>) -> Self {
        let shared = Shared { btf, index: OnceLock::new(), kernel_structs: OnceLock::new() };
        Self { shared: Arc::new(shared), indexed: false }
    }
}
