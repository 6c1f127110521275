//! The ELF file header, the section header table and the program header table, in either class and byte order.

use std::path::Path;

use ::object::elf::{self, FileHeader32, FileHeader64};
use ::object::pod;
use ::object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use ::object::{Endian, Endianness};

use super::error::{Error, Result};
use super::section::SectionRecord;

/// What the file header says, plus where the tables are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) is_64: bool,
    pub(crate) endian: Endianness,
    pub(crate) kind: elf::FileType,
    pub(crate) machine: elf::Machine,
    /// Offset of the section header table in the file; 0 if there is none.
    pub(crate) section_table: u64,
    /// Number of section headers, extended numbering resolved.
    pub(crate) section_count: u32,
    /// Index of the section that holds section names, extended numbering resolved; 0 if there is none.
    pub(crate) name_section: u32,
    /// Offset of the program header table in the file; 0 if there is none.
    pub(crate) program_table: u64,
    /// Number of program headers, extended numbering resolved.
    pub(crate) program_count: u32,
}

/// One program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// `p_type`.
    pub kind: elf::ProgramType,
    /// Offset of the content in the file, in bytes.
    pub offset: u64,
    /// Virtual address of the first byte.
    pub address: u64,
    /// Physical address of the first byte.
    pub physical_address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Alignment in bytes.
    pub alignment: u64,
}

/// A file's bytes with its name for messages.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// The bytes of a table or section, or an error that says which one is cut off.
    pub(crate) fn range(&self, what: &str, offset: u64, size: u64) -> Result<&'a [u8]> {
        let start = usize::try_from(offset).ok();
        let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
        start.zip(end).and_then(|(start, end)| self.bytes.get(start..end)).ok_or_else(|| Error::Truncated {
            file: self.path.to_owned(),
            what: what.to_owned(),
            offset,
            size,
            file_size: self.bytes.len() as u64,
        })
    }

    pub(crate) fn malformed(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::Malformed { file: self.path.to_owned(), offset, what: what.into() }
    }

    fn unsupported(&self, offset: u64, what: &'static str) -> Error {
        Error::Unsupported { file: self.path.to_owned(), offset, what }
    }

    /// A table of `count` fixed-size structures.
    fn table<T: pod::Pod>(&self, what: &str, offset: u64, count: u64) -> Result<&'a [T]> {
        let size = count.saturating_mul(size_of::<T>() as u64);
        let bytes = self.range(what, offset, size)?;
        pod::slice_from_all_bytes(bytes).map_err(|()| self.malformed(offset, format!("{what} is misaligned")))
    }
}

impl Header {
    /// Reads the file header.
    pub(crate) fn parse(source: Source<'_>) -> Result<Header> {
        let bytes = source.bytes;
        if bytes.len() < 16 || bytes[..4] != elf::ELFMAG {
            return Err(Error::NotElf { file: source.path.to_owned() });
        }
        let endian = match bytes[5] {
            1 => Endianness::Little,
            2 => Endianness::Big,
            _ => return Err(source.unsupported(5, "ELF byte order is neither little-endian nor big-endian")),
        };
        if bytes[6] != 1 {
            return Err(source.unsupported(6, "ELF version is not 1"));
        }
        match bytes[4] {
            1 => Header::parse_class::<FileHeader32<Endianness>>(source, endian),
            2 => Header::parse_class::<FileHeader64<Endianness>>(source, endian),
            _ => Err(source.unsupported(4, "ELF class is neither 32-bit nor 64-bit")),
        }
    }

    fn parse_class<Elf: FileHeader<Endian = Endianness>>(
        source: Source<'_>,
        endian: Endianness,
    ) -> Result<Header> {
        let file = &source.table::<Elf>("ELF header", 0, 1)?[0];
        let kind = file.e_type(endian);
        match kind {
            elf::ET_REL | elf::ET_EXEC | elf::ET_DYN => {}
            elf::ET_CORE => return Err(Error::CoreDump { file: source.path.to_owned() }),
            _ => {
                return Err(
                    source.unsupported(16, "ELF type is none of relocatable, executable and shared object")
                );
            }
        }
        let section_table: u64 = file.e_shoff(endian).into();
        let program_table: u64 = file.e_phoff(endian).into();
        let mut header = Header {
            is_64: file.is_type_64(),
            endian,
            kind,
            machine: file.e_machine(endian),
            section_table,
            section_count: file.e_shnum(endian).into(),
            name_section: file.e_shstrndx(endian).0.into(),
            program_table,
            program_count: file.e_phnum(endian).into(),
        };
        if section_table == 0 {
            header.section_count = 0;
            header.name_section = 0;
        } else {
            if usize::from(file.e_shentsize(endian)) != size_of::<Elf::SectionHeader>() {
                let what = format!("section header entries have {} bytes", file.e_shentsize(endian));
                return Err(source.malformed(0, what));
            }
            header.extended_numbers::<Elf>(source)?;
        }
        if program_table == 0 {
            header.program_count = 0;
        } else if header.program_count != 0
            && usize::from(file.e_phentsize(endian)) != size_of::<Elf::ProgramHeader>()
        {
            let what = format!("program header entries have {} bytes", file.e_phentsize(endian));
            return Err(source.malformed(0, what));
        }
        Ok(header)
    }

    /// Numbers that do not fit into the file header's 16 bits are in the null section's header (gABI, "ELF Header").
    fn extended_numbers<Elf: FileHeader<Endian = Endianness>>(&mut self, source: Source<'_>) -> Result<()> {
        let more_sections = self.section_count == 0;
        let far_names = self.name_section == u32::from(elf::SHN_XINDEX.0);
        let more_segments = self.program_count == u32::from(elf::PN_XNUM);
        if !(more_sections || far_names || more_segments) {
            return Ok(());
        }
        let null = &source.table::<Elf::SectionHeader>("section header table", self.section_table, 1)?[0];
        if more_sections {
            let count: u64 = null.sh_size(self.endian).into();
            self.section_count = u32::try_from(count).map_err(|_| {
                source.malformed(self.section_table, format!("{count} sections are too many"))
            })?;
        }
        if far_names {
            self.name_section = null.sh_link(self.endian);
        }
        if more_segments {
            self.program_count = null.sh_info(self.endian);
        }
        Ok(())
    }

    /// Decodes all section headers; names are located, not copied.
    pub(crate) fn sections(&self, source: Source<'_>) -> Result<Vec<SectionRecord>> {
        if self.is_64 {
            self.sections_of_class::<FileHeader64<Endianness>>(source)
        } else {
            self.sections_of_class::<FileHeader32<Endianness>>(source)
        }
    }

    fn sections_of_class<Elf: FileHeader<Endian = Endianness>>(
        &self,
        source: Source<'_>,
    ) -> Result<Vec<SectionRecord>> {
        let endian = self.endian;
        let table = source.table::<Elf::SectionHeader>(
            "section header table",
            self.section_table,
            self.section_count.into(),
        )?;
        let mut records: Vec<SectionRecord> = table
            .iter()
            .map(|header| SectionRecord {
                name_offset: header.sh_name(endian),
                name_length: 0,
                kind: header.sh_type(endian),
                flags: header.sh_flags(endian),
                address: header.sh_addr(endian).into(),
                offset: header.sh_offset(endian).into(),
                size: header.sh_size(endian).into(),
                link: header.sh_link(endian),
                info: header.sh_info(endian),
                alignment: header.sh_addralign(endian).into(),
                entry_size: header.sh_entsize(endian).into(),
            })
            .collect();
        let names = match records.get(self.name_section as usize) {
            Some(section) if self.name_section != 0 => {
                source.range("section name table", section.offset, section.size)?
            }
            Some(_) => &[],
            None if self.section_count == 0 => &[],
            None => {
                let what =
                    format!("section {} holds the section names, but there is none", self.name_section);
                return Err(source.malformed(0, what));
            }
        };
        for record in &mut records {
            record.name_length = string_at(names, record.name_offset).len() as u32;
        }
        Ok(records)
    }

    /// Decodes the program headers.
    pub(crate) fn segments(&self, source: Source<'_>) -> Result<Vec<Segment>> {
        if self.is_64 {
            self.segments_of_class::<FileHeader64<Endianness>>(source)
        } else {
            self.segments_of_class::<FileHeader32<Endianness>>(source)
        }
    }

    fn segments_of_class<Elf: FileHeader<Endian = Endianness>>(
        &self,
        source: Source<'_>,
    ) -> Result<Vec<Segment>> {
        let endian = self.endian;
        let table = source.table::<Elf::ProgramHeader>(
            "program header table",
            self.program_table,
            self.program_count.into(),
        )?;
        Ok(table
            .iter()
            .map(|header| Segment {
                kind: header.p_type(endian),
                offset: header.p_offset(endian).into(),
                address: header.p_vaddr(endian).into(),
                physical_address: header.p_paddr(endian).into(),
                file_size: header.p_filesz(endian).into(),
                memory_size: header.p_memsz(endian).into(),
                alignment: header.p_align(endian).into(),
            })
            .collect())
    }

    /// A 32-bit number in the file's byte order, if `bytes` has four bytes there.
    pub(crate) fn u32_at(&self, bytes: &[u8], offset: usize) -> Option<u32> {
        let field = bytes.get(offset..offset.checked_add(4)?)?;
        Some(self.endian.read_u32(field.try_into().ok()?))
    }

    /// A 64-bit number in the file's byte order, if `bytes` has eight bytes there.
    pub(crate) fn u64_at(&self, bytes: &[u8], offset: usize) -> Option<u64> {
        let field = bytes.get(offset..offset.checked_add(8)?)?;
        Some(self.endian.read_u64(field.try_into().ok()?))
    }
}

/// Names longer than this are taken for a missing terminator. Without a limit, a file of many names that all begin
/// in one long run of non-zero bytes costs time in proportion to the square of its size.
const LONGEST_NAME: usize = 1 << 16;

/// The NUL-terminated string at `offset` of a string table; empty if the offset or the string is out of bounds.
pub(crate) fn string_at(table: &[u8], offset: u32) -> &[u8] {
    let Some(tail) = table.get(offset as usize..) else { return &[] };
    let window = &tail[..tail.len().min(LONGEST_NAME)];
    match memchr::memchr(0, window) {
        Some(length) => &window[..length],
        None => &[],
    }
}
