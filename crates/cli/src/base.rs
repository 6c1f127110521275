//! The base of an encode: mapped for as long as the program runs, and not copied.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfkit_btf::{Btf, distill};
use btfkit_encode::object::Object;
use btfkit_encode::{Base, heap};

use crate::input;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A base, and what tells whether an input is the file that it comes from.
#[derive(Debug)]
pub(crate) struct BaseFile {
    path: PathBuf,
    pub(crate) base: Base,
    build_id: Option<Vec<u8>>,
}

/// What is to be written of an encode.
#[derive(Debug)]
pub(crate) struct Sections {
    /// `.BTF`.
    pub(crate) btf: Vec<u8>,
    /// `.BTF.base`, if the base was distilled.
    pub(crate) base: Option<Vec<u8>>,
}

impl BaseFile {
    /// Finds the BTF in this file: raw, or the section `.BTF` of an ELF file. It is opened when it is needed.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let mut start = [0; 4];
        std::fs::File::open(path)
            .and_then(|mut file| std::io::Read::read(&mut file, &mut start))
            .map_err(|error| format!("{name}: {error}"))?;
        if &start != b"\x7fELF" {
            let file = path.to_path_buf();
            let base = Base::new(name, move || input::base(&file).map_err(|error| error.to_string()));
            return Ok(Self { path: path.into(), base, build_id: None });
        }
        // It is needed until the end, by all threads: there is nothing to gain from giving it back.
        let object: &'static Object = Box::leak(Box::new(Object::open(path)?));
        if object.section_by_name(".BTF.base").is_some() {
            return Err(
                format!("{name}: is split on a distilled base (.BTF.base), and no base itself").into()
            );
        }
        let section = object.section_by_name(".BTF").ok_or_else(|| format!("{name}: has no section .BTF"))?;
        let bytes = object.section_data(section.index)?;
        let in_messages = name.clone();
        let base = Base::new(name, move || match Btf::parse(bytes) {
            Ok(btf) => Ok(Arc::new(btf)),
            Err(btfkit_btf::Error::StringsFirst) => {
                Err(format!("{in_messages}: is split BTF, and no base itself"))
            }
            Err(error) => Err(format!("{in_messages}: {error}")),
        });
        Ok(Self { path: path.into(), base, build_id: object.build_id().map(<[u8]>::to_vec) })
    }

    /// Prepares for one output at a time, by as many threads as are wanted (0 for one for each processor).
    pub(crate) fn begin(&self, threads: usize) {
        heap::prepare();
        if threads != 1 {
            self.base.begin();
        }
    }

    /// Whether it is the BTF of `object`: the same file, or one with its build id.
    pub(crate) fn is_of(&self, object: &Object) -> bool {
        let same_file = || {
            let (a, b) = (std::fs::metadata(&self.path).ok()?, std::fs::metadata(object.path()).ok()?);
            Some((a.dev(), a.ino()) == (b.dev(), b.ino()))
        };
        (self.build_id.is_some() && self.build_id.as_deref() == object.build_id())
            || same_file().unwrap_or(false)
    }

    /// A split BTF moved onto a distilled base.
    pub(crate) fn distill(&self, split: Vec<u8>) -> Result<Sections> {
        let split = Btf::parse_split(split, Arc::clone(self.base.btf()?))?;
        let distilled = distill::distill(&split)?;
        Ok(Sections { btf: distilled.split, base: Some(distilled.base) })
    }
}

impl Sections {
    /// Puts them into the object itself.
    pub(crate) fn put_into(&self, object: &Object) -> crate::Outcome {
        use btfkit_encode::section_writer::{NewSection, put_sections};
        let mut sections = vec![NewSection { name: ".BTF", bytes: &self.btf, alignment: 8 }];
        sections.extend(self.base.as_deref().map(|bytes| NewSection {
            name: ".BTF.base",
            bytes,
            alignment: 8,
        }));
        if self.base.is_none() && object.section_by_name(".BTF.base").is_some() {
            let file = object.path().display();
            return Err(format!(
                "{file}: has a distilled base (.BTF.base) that would no longer belong to its .BTF; remove it first, or distill again"
            )
            .into());
        }
        put_sections(object, &sections, object.path())?;
        Ok(())
    }
}
