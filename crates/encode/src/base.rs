//! The BTF that outputs are split on.

use std::sync::{Arc, LazyLock, OnceLock};

use btfkit_btf::{Btf, ByteOrder, dedup};

use crate::error::{Error, Result};
use crate::object::Object;
use crate::wrong_base::{KernelStructs, kernel_structs};

/// A BTF to split outputs on. For a single output it is read as far as that output needs it; with an [index](Base::indexed),
/// which takes longer to make than that, it serves many.
#[derive(Debug, Clone)]
pub struct Base {
    shared: Arc<Shared>,
    indexed: bool,
}

/// Opens a base, or says in one line why not.
type Open = Box<dyn FnOnce() -> Opened + Send>;
type Opened = Result<Arc<Btf<'static>>, String>;

#[derive(Debug)]
struct Shared {
    name: String,
    btf: LazyLock<Opened, Open>,
    index: OnceLock<Result<dedup::Base<'static>, btfkit_btf::Error>>,
    kernel_structs: OnceLock<KernelStructs>,
}

impl Base {
    /// A base that is opened when an encode first needs it, which is after the DWARF has been read. `name` is what messages
    /// call it; those of `open` have to tell it themselves.
    pub fn new(name: impl Into<String>, open: impl FnOnce() -> Opened + Send + 'static) -> Self {
        let shared = Shared {
            name: name.into(),
            btf: LazyLock::new(Box::new(open)),
            index: OnceLock::new(),
            kernel_structs: OnceLock::new(),
        };
        Self { shared: Arc::new(shared), indexed: false }
    }

    /// The BTF itself.
    ///
    /// # Errors
    /// It could not be opened.
    pub fn btf(&self) -> Result<&Arc<Btf<'static>>> {
        self.shared.btf.as_ref().map_err(|error| Error::Base(error.clone()))
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
                let _ = base.kernel_structs();
            }
        });
    }

    /// Refuses objects of the other byte order.
    pub(crate) fn check_byte_order(&self, object: &Object) -> Result<()> {
        let is_big_endian = self.btf()?.byte_order() == ByteOrder::Big;
        if is_big_endian == object.is_big_endian() {
            return Ok(());
        }
        let file = object.path().to_path_buf();
        Err(Error::ByteOrders { base: self.shared.name.clone(), is_big_endian, file })
    }

    /// Does what can be done before the types are known that are to be split off.
    pub(crate) fn prepare(&self) -> Result<()> {
        // The first search makes the index of strings.
        self.btf()?.find_string(b"int");
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
    pub(crate) fn kernel_structs(&self) -> Result<&KernelStructs> {
        let btf = self.btf()?;
        Ok(self.shared.kernel_structs.get_or_init(|| kernel_structs(btf)))
    }

    fn index(&self) -> Result<&dedup::Base<'static>> {
        let btf = self.btf()?;
        let index = self.shared.index.get_or_init(|| dedup::Base::new(Arc::clone(btf)));
        index.as_ref().map_err(|error| error.clone().into())
    }
}

impl From<Arc<Btf<'static>>> for Base {
    fn from(btf: Arc<Btf<'static>>) -> Self {
        Self::new("the base", || Ok(btf))
    }
}
