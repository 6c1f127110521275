//! DWARF packages (`.dwp`): many split units in one file, found by their ids (DWARF 5, section 7.3.5; the GNU form
//! for DWARF 4 before it).

use std::borrow::Cow;
use std::ops::Range;

use gimli::{DebugCuIndex, DebugTuIndex, EndianSlice, IndexSectionId, RunTimeEndian, UnitIndex};

use super::error::{Error, Result};
use super::{Object, SectionIndex};

/// The indexes of a package.
#[derive(Debug)]
pub struct Package<'a> {
    object: &'a Object,
    units: Option<Index<'a>>,
    types: Option<Index<'a>>,
}

/// What a unit has of one section of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The section's name without its prefix: "info.dwo", "abbrev.dwo", …
    pub name: &'static str,
    /// The unit's part of it, in bytes.
    pub range: Range<u64>,
}

#[derive(Debug)]
struct Index<'a> {
    section: SectionIndex,
    bytes: Cow<'a, [u8]>,
    is_types: bool,
}

impl<'a> Package<'a> {
    /// Reads the indexes of a package. A file without any is an error: it is no package.
    pub fn new(object: &'a Object) -> Result<Package<'a>> {
        let index = |name, is_types| -> Result<Option<Index<'a>>> {
            let Some(section) = object.debug_section(name) else { return Ok(None) };
            let bytes = object.section_data(section.index)?;
            let index = Index { section: section.index, bytes, is_types };
            index.parse(object)?;
            Ok(Some(index))
        };
        let package = Package { object, units: index("cu_index", false)?, types: index("tu_index", true)? };
        if package.units.is_none() && package.types.is_none() {
            let what = "no DWARF package: it has neither .debug_cu_index nor .debug_tu_index".to_owned();
            return Err(Error::Malformed { file: object.path().to_owned(), offset: 0, what });
        }
        Ok(package)
    }

    /// The contributions of the compilation unit of that id (`DW_AT_dwo_id` of the skeleton, or of its header).
    pub fn unit(&self, id: u64) -> Result<Option<Vec<Contribution>>> {
        self.units.as_ref().map_or(Ok(None), |index| index.find(self.object, id))
    }

    /// The contributions of the type unit of that signature.
    pub fn type_unit(&self, signature: u64) -> Result<Option<Vec<Contribution>>> {
        self.types.as_ref().map_or(Ok(None), |index| index.find(self.object, signature))
    }

    /// The number of compilation units and of type units.
    pub fn counts(&self) -> Result<(u32, u32)> {
        let count = |index: &Option<Index<'_>>| match index {
            Some(index) => Ok(index.parse(self.object)?.unit_count()),
            None => Ok(0),
        };
        Ok((count(&self.units)?, count(&self.types)?))
    }
}

impl Index<'_> {
    /// A parsed index is a few slices of the bytes, checked: making it costs nothing worth keeping.
    fn parse(&self, object: &Object) -> Result<UnitIndex<EndianSlice<'_, RunTimeEndian>>> {
        let order = if object.is_big_endian() { RunTimeEndian::Big } else { RunTimeEndian::Little };
        let index = if self.is_types {
            DebugTuIndex::new(&self.bytes, order).index()
        } else {
            DebugCuIndex::new(&self.bytes, order).index()
        };
        index.map_err(|error| self.malformed(object, &error))
    }

    fn find(&self, object: &Object, id: u64) -> Result<Option<Vec<Contribution>>> {
        let index = self.parse(object)?;
        let Some(row) = index.find(id) else { return Ok(None) };
        let sections = index.sections(row).map_err(|error| self.malformed(object, &error))?;
        Ok(Some(
            sections
                .map(|section| Contribution {
                    name: name(section.section),
                    range: u64::from(section.offset)..u64::from(section.offset) + u64::from(section.size),
                })
                .collect(),
        ))
    }

    fn malformed(&self, object: &Object, error: &gimli::Error) -> Error {
        let offset = object.section(self.section).map_or(0, |section| section.offset);
        let what = format!("the index of the package is damaged ({error})");
        Error::Malformed { file: object.path().to_owned(), offset, what }
    }
}

fn name(section: IndexSectionId) -> &'static str {
    section.dwo_name().strip_prefix(".debug_").unwrap_or(section.dwo_name())
}
