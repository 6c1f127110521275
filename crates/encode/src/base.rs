//! The BTF that outputs are split on.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};

use btfkit_btf::{Btf, ByteOrder, StringOffset, dedup};

use crate::error::{Error, Result};
use crate::heap;
use crate::object::Object;
use crate::parallel;
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
    aside: Mutex<Option<Aside>>,
}

/// The other end of a thread that looks for what of the base may be the same as types of an output. Whichever encode takes it
/// first has it for itself.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Takes the names that the output may have, each with a NUL; nothing if they are too many to be sought.
    names: mpsc::Sender<Option<Vec<u8>>>,
    /// Gives the offset of each in the base; nothing if they are too many.
    strings: mpsc::Receiver<Vec<StringOffset>>,
    /// Gives what they leave of the base, once they are known.
    candidates: mpsc::Receiver<Result<dedup::Candidates, btfkit_btf::Error>>,
}

impl Shared {
    fn aside(&self) -> MutexGuard<'_, Option<Aside>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            aside: Mutex::new(None),
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

    /// Whether it is for many outputs: then names are looked up in the index of all its strings.
    pub(crate) fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// Begins, on a thread of its own, with what an encode on this base would have to wait for: it takes as long as to
    /// open and scan a small module.
    pub fn begin(&self) {
        let (names_sender, names) = mpsc::channel::<Option<Vec<u8>>>();
        let (found, strings) = mpsc::channel();
        let (left, candidates) = mpsc::channel();
        *self.shared.aside() = Some(Aside { names: names_sender, strings, candidates });
        // Not to keep it: when nobody else does, nobody asks.
        let shared = Arc::downgrade(&self.shared);
        parallel::begin(move || {
            heap::prepare_thread();
            // What fails is found out again, and told, when it is needed.
            let Some(Ok(btf)) = shared.upgrade().map(|shared| shared.btf.clone()) else { return };
            match names.recv() {
                Ok(Some(names)) => {
                    let _ = found.send(btf.find_strings(names));
                    let _ = left.send(dedup::Candidates::new(&btf));
                }
                Ok(None) => {
                    // Nobody need wait for more than the index of all strings, which the first search makes.
                    drop((found, left));
                    btf.find_string(b"int");
                }
                Err(_) => return,
            }
            if let Some(shared) = shared.upgrade() {
                shared.kernel_structs.get_or_init(|| kernel_structs(&btf));
            }
            // It does not wait for more outputs: a process whose threads sleep ends no sooner than their processors wake.
        });
    }

    /// Tells the thread, if there is one that no other encode has, which names an output may have. Without the thread it is all
    /// done when it is needed.
    pub(crate) fn expect<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> Option<Aside> {
        let aside = self.shared.aside().take()?;
        aside.names.send(together(names)).ok()?;
        Some(aside)
    }

    /// Finds the names that an output may have: the offset of each in the base, [`StringOffset::EMPTY`] of those that it does
    /// not have. None at all if they are so many that it is quicker to index all strings of the base. From a thread there are
    /// as many as it was told; `names` have to begin with those.
    pub(crate) fn find<'n>(
        &self,
        aside: Option<&Aside>,
        names: impl Iterator<Item = &'n [u8]>,
    ) -> Result<Vec<StringOffset>> {
        if self.indexed {
            return Ok(Vec::new());
        }
        if let Some(aside) = aside {
            return Ok(parallel::receive(&aside.strings).unwrap_or_default());
        }
        Ok(match together(names) {
            Some(names) => self.btf()?.find_strings(names),
            None => Vec::new(),
        })
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
        if self.indexed { self.index().map(drop) } else { self.btf().map(drop) }
    }

    /// Finds out which types of a BTF split on it are the same.
    pub(crate) fn deduplicate(&self, split: &Btf<'_>, aside: Option<Aside>) -> Result<dedup::Deduplication> {
        if self.indexed {
            return Ok(dedup::deduplicate_on(split, self.index()?)?);
        }
        // What failed in the thread is found out again here.
        Ok(dedup::deduplicate_among(split, || parallel::receive(&aside?.candidates)?.ok())?)
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

/// The names one after the other, each with a NUL; nothing if it is quicker to index a kernel's than to seek them in it.
fn together<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<Vec<u8>> {
    const FEW: usize = 1 << 15;
    /// Names of sections may overlap, and then be more than the file.
    const FEW_BYTES: usize = 1 << 21;
    let mut all = Vec::new();
    for (number, name) in names.enumerate() {
        if number == FEW || all.len() + name.len() > FEW_BYTES {
            return None;
        }
        all.extend_from_slice(name);
        all.push(0);
    }
    Some(all)
}

impl From<Arc<Btf<'static>>> for Base {
    fn from(btf: Arc<Btf<'static>>) -> Self {
        Self::new("the base", || Ok(btf))
    }
}
