//! Sections: what their headers say.

use ::object::elf;

/// The number of a section in its file. 0 is the null section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionIndex(pub u32);

/// A section's header, with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// The section's number.
    pub index: SectionIndex,
    /// The name, without the terminator; empty if it has none or its offset is out of bounds.
    pub name: &'a [u8],
    /// `sh_type`.
    pub kind: elf::SectionType,
    /// `sh_flags`.
    pub flags: elf::SectionFlags,
    /// Virtual address; 0 in relocatable files.
    pub address: u64,
    /// Offset of the content in the file, in bytes.
    pub offset: u64,
    /// Size of the content in bytes: in the file as it is (compressed, if it is), in memory for `SHT_NOBITS`.
    pub size: u64,
    /// `sh_link`: the section that this one refers to, by kind.
    pub link: u32,
    /// `sh_info`: its meaning depends on the kind; for relocations the section that they apply to.
    pub info: u32,
    /// Alignment in bytes; 0 and 1 mean none.
    pub alignment: u64,
    /// Size in bytes of one entry, for tables; else 0.
    pub entry_size: u64,
}

impl Section<'_> {
    /// Is the section part of the memory image of the program?
    pub fn is_allocated(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC)
    }

    /// Has the section content in the file? (`.bss` has none.)
    pub fn has_content(&self) -> bool {
        self.kind != elf::SHT_NOBITS && self.kind != elf::SHT_NULL
    }

    /// Is the content compressed, by either of the two conventions?
    pub fn is_compressed(&self) -> bool {
        self.flags.contains(elf::SHF_COMPRESSED) || self.name.starts_with(b".zdebug_")
    }

    /// For a debug section, the name without `.debug_` or `.zdebug_`.
    pub fn debug_name(&self) -> Option<&[u8]> {
        self.name.strip_prefix(b".debug_").or_else(|| self.name.strip_prefix(b".zdebug_"))
    }
}

/// A decoded section header as the object keeps it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionRecord {
    pub(crate) name_offset: u32,
    pub(crate) name_length: u32,
    pub(crate) kind: elf::SectionType,
    pub(crate) flags: elf::SectionFlags,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) alignment: u64,
    pub(crate) entry_size: u64,
}

impl SectionRecord {
    /// The public view; `names` is the section name table. In a relocatable file values of symbols are offsets in sections,
    /// and a section's address means nothing. Linker scripts give one all the same, as that of the kernel's modules does.
    pub(crate) fn view<'a>(&self, index: u32, names: &'a [u8], linked: bool) -> Section<'a> {
        let start = self.name_offset as usize;
        Section {
            index: SectionIndex(index),
            name: names.get(start..start + self.name_length as usize).unwrap_or_default(),
            kind: self.kind,
            flags: self.flags,
            address: if linked { self.address } else { 0 },
            offset: self.offset,
            size: self.size,
            link: self.link,
            info: self.info,
            alignment: self.alignment,
            entry_size: self.entry_size,
        }
    }
}
