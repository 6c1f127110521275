//! Where a BTF comes from: a raw file, or the `.BTF` section of an ELF file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use btfkit_btf::Btf;
use object::{Object, ObjectSection};

/// An opened BTF, with its base if it is split.
#[derive(Debug)]
pub(crate) struct Source {
    btf: Btf<'static>,
}

impl Source {
    pub(crate) fn open(file: &Path, base: Option<&Path>) -> Result<Self> {
        let base = base.map(|base| Self::open(base, None)).transpose()?;
        let bytes = read(file)?;
        let btf = match base {
            Some(base) => Btf::parse_split(bytes, Arc::new(base.btf)),
            None => Btf::parse(bytes),
        };
        Ok(Self { btf: btf.with_context(|| format!("{} is no valid BTF", file.display()))? })
    }

    pub(crate) fn into_btf(self) -> Btf<'static> {
        self.btf
    }

    pub(crate) fn btf(&self) -> &Btf<'static> {
        &self.btf
    }
}

/// The raw BTF in a file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", file.display());
    let opened = fs::File::open(file).with_context(cannot)?;
    // SAFETY: the map is only read, and nothing here writes to the files that are compared.
    let map = unsafe { memmap2::Mmap::map(&opened) }.with_context(cannot)?;
    if !map.starts_with(b"\x7fELF") {
        return Ok(map.to_vec());
    }
    let elf = object::File::parse(&map[..]).with_context(cannot)?;
    let section =
        elf.section_by_name(".BTF").with_context(|| format!("{} has no .BTF section", file.display()))?;
    Ok(section.data().with_context(cannot)?.to_vec())
}
