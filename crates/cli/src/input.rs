//! BTF as users name it: a raw file, an ELF file, what the running kernel shows in sysfs, or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfkit_btf::{Btf, TypeId, fit};
use btfkit_encode::object::Object;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the running kernel shows its BTF, and each module's.
pub(crate) const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// The bytes that a file has of BTF, not looked at yet.
#[derive(Debug)]
pub(crate) struct Source {
    /// What to call it in messages.
    pub(crate) name: String,
    /// Raw BTF, or the section `.BTF`. It lives as long as the program, which reads few files and ends soon.
    pub(crate) btf: &'static [u8],
    /// The section `.BTF.base`: the distilled base that `btf` is split on.
    pub(crate) distilled_base: Option<Vec<u8>>,
    /// The section `.BTF.ext`.
    pub(crate) ext: Option<Vec<u8>>,
    /// The ELF file that the sections are of.
    pub(crate) object: Option<Object>,
    /// Where its base is to be found when nobody says so: modules in sysfs.
    known_base: Option<PathBuf>,
}

/// An opened BTF, on its base if it has one.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) source: Source,
    pub(crate) btf: Arc<Btf<'static>>,
}

impl Source {
    /// Reads what `path` names; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let standard = path == Path::new("-");
        let name = if standard { "standard input".to_owned() } else { path.display().to_string() };
        let raw = |btf: Vec<u8>| Self {
            known_base: known_base(path),
            name: name.clone(),
            btf: btf.leak(),
            distilled_base: None,
            ext: None,
            object: None,
        };
        let object = if standard {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
            if !is_elf(&bytes) {
                return Ok(raw(bytes));
            }
            Object::from_bytes(&name, bytes)?
        } else {
            let mut start = Vec::new();
            let open = std::fs::File::open(path);
            let read = open.and_then(|file| file.take(4).read_to_end(&mut start));
            read.map_err(|error| format!("{name}: {error}"))?;
            if !is_elf(&start) {
                return Ok(raw(std::fs::read(path).map_err(|error| format!("{name}: {error}"))?));
            }
            Object::open(path)?
        };
        let section = |section: &str| -> Result<Option<Vec<u8>>> {
            let Some(found) = object.section_by_name(section) else { return Ok(None) };
            Ok(Some(object.section_data(found.index)?.into_owned()))
        };
        let btf = section(".BTF")?.ok_or_else(|| format!("{name}: has no section .BTF"))?.leak();
        let (distilled_base, ext) = (section(".BTF.base")?, section(".BTF.ext")?);
        Ok(Self { name, btf, distilled_base, ext, object: Some(object), known_base: None })
    }

    /// The same with the BTF as the file stores it. An object file has relocations for its BTF, which give variables
    /// their places in sections; bpftool and libbpf read around them.
    pub(crate) fn stored(mut self) -> Result<Self> {
        if let Some(object) = &self.object
            && let Some(section) = object.section_by_name(".BTF").filter(|section| !section.is_compressed())
        {
            self.btf = object.raw_section_data(section.index)?.to_vec().leak();
        }
        Ok(self)
    }

    /// The base that goes with it: the one given, its own distilled one, or the running kernel's for a module in sysfs.
    pub(crate) fn base(&self, given: Option<&Path>) -> Result<Option<Arc<Btf<'static>>>> {
        if let Some(distilled) = &self.distilled_base {
            if given.is_some() {
                let name = &self.name;
                return Err(format!(
                    "{name}: is split on a distilled base of its own (.BTF.base); leave --base out, or relocate it first"
                )
                .into());
            }
            let base = Btf::parse(distilled.clone());
            return Ok(Some(Arc::new(base.map_err(|error| format!("{}: .BTF.base: {error}", self.name))?)));
        }
        given.or(self.known_base.as_deref()).map(base).transpose()
    }

    /// Where the base of a module in sysfs is.
    pub(crate) fn known_base(&self) -> Option<&Path> {
        self.known_base.as_deref()
    }

    /// Opens the BTF on this base; what refers to types that are not there is taken for split BTF without its base.
    pub(crate) fn open(self, base: Option<Arc<Btf<'static>>>) -> Result<Input> {
        let alone = base.is_none();
        let input = self.open_unchecked(base)?;
        if alone && refers_beyond(&input.btf) {
            let name = input.name();
            return Err(format!(
                "{name}: refers to types that it does not have: if it is split BTF, give its base with --base"
            )
            .into());
        }
        if let Some(misfit) = fit::misfit(&input.btf) {
            let name = input.name();
            return Err(format!("{name}: built against another vmlinux than the base given: {misfit}").into());
        }
        Ok(input)
    }

    /// Opens the BTF on this base, whatever its types refer to.
    pub(crate) fn open_unchecked(self, base: Option<Arc<Btf<'static>>>) -> Result<Input> {
        let alone = base.is_none();
        let btf = match base {
            Some(base) => Btf::parse_split(self.btf, base),
            None => Btf::parse(self.btf),
        };
        let name = &self.name;
        let btf = btf.map_err(|error| match error {
            btfkit_btf::Error::StringsFirst if alone => {
                format!("{name}: is split BTF: give the BTF that it is split on with --base")
            }
            error => format!("{name}: {error}"),
        })?;
        Ok(Input { source: self, btf: Arc::new(btf) })
    }
}

impl Input {
    /// Reads and opens what `path` names, on the base given or the one that it comes with.
    pub(crate) fn open(path: &Path, base: Option<&Path>) -> Result<Self> {
        let source = Source::read(path)?;
        let base = source.base(base)?;
        source.open(base)
    }

    /// What to call it in messages.
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }
}

/// The BTF that others are split on.
pub(crate) fn base(path: &Path) -> Result<Arc<Btf<'static>>> {
    let source = Source::read(path)?;
    Ok(source.open(None)?.btf)
}

/// Modules in sysfs are split on the kernel beside them.
fn known_base(path: &Path) -> Option<PathBuf> {
    let running = Path::new(RUNNING);
    (path.parent() == running.parent() && path != running).then(|| running.to_path_buf())
}

/// Whether a type of a BTF that stands alone refers to one that is not there.
pub(crate) fn refers_beyond(btf: &Btf<'_>) -> bool {
    let end = btf.next_id();
    let mut beyond = false;
    for ty in btf.types() {
        ty.for_each_reference(|id: TypeId| beyond |= id >= end);
    }
    beyond
}

fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}
