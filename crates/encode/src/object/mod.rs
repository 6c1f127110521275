//! ELF files as input: sections, decompressed and relocated, symbols, and what identifies a file.
//!
//! An [`Object`] holds the file's bytes, mapped, and its decoded section headers; everything else is done when it is
//! asked for. No input makes it panic, loop, or take memory out of proportion to the file: tables are checked
//! against the file's size before they are read, decompressed sizes against what the compressed bytes can hold.

pub mod companion;
mod compression;
mod content;
mod error;
pub(crate) mod header;
mod note;
pub mod package;
mod relocation;
mod relocation_kind;
pub(crate) mod section;
mod symbol;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use ::object::elf;

pub use error::{Error, Result};
pub use header::Segment;
pub use note::{AlternateLink, DebugLink};
pub use relocation::{RelocatedSections, RelocationCounts, RelocationTarget, RelocationTargets};
pub use section::{Section, SectionIndex};
pub use symbol::{Symbol, SymbolIndex, SymbolSection, Symbols};

use content::Content;
use header::{Header, Source};
use relocation::Relocator;
use section::SectionRecord;

/// An ELF file: a relocatable object or kernel module, an executable, a shared object.
pub struct Object {
    path: PathBuf,
    content: Content,
    header: Header,
    sections: Vec<SectionRecord>,
    /// (section that relocations apply to, section that holds them), sorted; of relocatable files only.
    relocations: Vec<(u32, u32)>,
}

/// In bytes; linkers make 8 to 32, and it becomes part of a file name.
const LONGEST_BUILD_ID: usize = 64;

/// The content of a section, decompressed and relocated.
#[derive(Debug, Clone)]
pub struct SectionContent<'a> {
    /// The bytes: the file's own where nothing had to be done to them.
    pub bytes: Cow<'a, [u8]>,
    /// The fields that hold addresses, with the sections that these are in.
    pub targets: RelocationTargets,
    /// How many relocations were applied, and how many not.
    pub counts: RelocationCounts,
}

impl Object {
    /// Opens a file: maps it, or reads it to its end if it is a pipe. One that is compressed as a whole is unpacked.
    pub fn open(path: impl Into<PathBuf>) -> Result<Object> {
        let path = path.into();
        let content = Content::open(&path)?;
        Object::parse(path, content)
    }

    /// Takes the bytes of a file; `name` stands for it in messages, and companion files are looked for beside it.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Object> {
        Object::parse(name.into(), Content::Owned(bytes))
    }

    fn parse(path: PathBuf, content: Content) -> Result<Object> {
        let source = Source { path: &path, bytes: &content };
        let header = Header::parse(source)?;
        let sections = header.sections(source)?;
        // A linked file that kept its relocations (--emit-relocs) has had them applied by the linker.
        let relocations =
            if header.kind == elf::ET_REL { relocation_sections(&sections) } else { Vec::new() };
        Ok(Object { path, content, header, sections, relocations })
    }

    /// The file's path, or the name that was given with the bytes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Was the file compressed as a whole (gzip, xz, zstd)? Then its bytes here are those inside.
    pub fn is_unpacked(&self) -> bool {
        matches!(self.content, Content::Unpacked(_))
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.content
    }

    /// `e_machine`: the processor.
    pub fn machine(&self) -> elf::Machine {
        self.header.machine
    }

    /// `e_type`: relocatable, executable or shared object.
    pub fn kind(&self) -> elf::FileType {
        self.header.kind
    }

    /// Is the file of class ELF64?
    pub fn is_64(&self) -> bool {
        self.header.is_64
    }

    /// Is the file's byte order big-endian?
    pub fn is_big_endian(&self) -> bool {
        self.header.endian == ::object::Endianness::Big
    }

    /// Size of an address in bytes, by the file's class: 4 or 8.
    pub fn address_size(&self) -> u8 {
        if self.header.is_64 { 8 } else { 4 }
    }

    /// Is this a relocatable file: an object, or a kernel module?
    pub fn is_relocatable(&self) -> bool {
        self.header.kind == elf::ET_REL
    }

    /// All sections in the order of their numbers, the null section first.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = Section<'_>> + Clone {
        let (names, linked) = (self.section_names(), !self.is_relocatable());
        self.sections.iter().enumerate().map(move |(index, record)| record.view(index as u32, names, linked))
    }

    /// The section of that number.
    pub fn section(&self, index: SectionIndex) -> Result<Section<'_>> {
        Ok(self.record(index)?.view(index.0, self.section_names(), !self.is_relocatable()))
    }

    /// The first section of that name.
    pub fn section_by_name(&self, name: impl AsRef<[u8]>) -> Option<Section<'_>> {
        let name = name.as_ref();
        self.sections().find(|section| section.name == name)
    }

    /// The first debug section of that name, which is given without its prefix: "info" finds `.debug_info` and
    /// `.zdebug_info`.
    pub fn debug_section(&self, name: &str) -> Option<Section<'_>> {
        self.debug_sections(name).next()
    }

    /// All debug sections of that name. Objects that are not linked yet may have several: each type unit of
    /// `-fdebug-types-section` is a section of its own, in a group.
    pub fn debug_sections(&self, name: &str) -> impl Iterator<Item = Section<'_>> {
        self.sections().filter(move |section| section.debug_name() == Some(name.as_bytes()))
    }

    /// Has the file debug information of its own? A stripped file has none, and the file left of one by
    /// `--only-keep-debug` has.
    pub fn has_debug_info(&self) -> bool {
        ["info", "info.dwo"]
            .iter()
            .any(|name| self.debug_sections(name).any(|section| section.has_content() && section.size > 0))
    }

    /// The program headers.
    pub fn segments(&self) -> Result<Vec<Segment>> {
        self.header.segments(self.source())
    }

    /// The section's bytes as the file has them: compressed, if they are, and not relocated. Empty for sections
    /// without content.
    pub fn raw_section_data(&self, index: SectionIndex) -> Result<&[u8]> {
        let section = self.section(index)?;
        if !section.has_content() {
            return Ok(&[]);
        }
        self.source().range(
            &format!("section {}", String::from_utf8_lossy(section.name)),
            section.offset,
            section.size,
        )
    }

    /// The section's bytes, decompressed, and in a relocatable file relocated.
    pub fn section_data(&self, index: SectionIndex) -> Result<Cow<'_, [u8]>> {
        Ok(self.section_content(index)?.bytes)
    }

    /// The section's bytes, decompressed, and in a relocatable file relocated as if every section were at address 0;
    /// with the sections that the addresses in it belong to.
    pub fn section_content(&self, index: SectionIndex) -> Result<SectionContent<'_>> {
        let mut content = SectionContent {
            bytes: self.decompressed(index)?,
            targets: RelocationTargets::default(),
            counts: RelocationCounts::default(),
        };
        let first = self.relocations.partition_point(|(target, _)| *target < index.0);
        let tables = self.relocations[first..].iter().take_while(|(target, _)| *target == index.0);
        if tables.clone().next().is_none() || content.bytes.is_empty() {
            return Ok(content);
        }
        let mut relocator = Relocator {
            machine: self.header.machine,
            is_64: self.header.is_64,
            endian: self.header.endian,
            symbols: Symbols::new(&self.header, &[], &[], &[], false),
            last: None,
            sections: &self.sections,
            targets: RelocationTargets::default(),
            counts: RelocationCounts::default(),
        };
        let bytes = content.bytes.to_mut();
        // Tables that overlap each other could make the work many times the file's size.
        let mut budget = self.content.len() as u64;
        for (_, table) in tables {
            let table = SectionIndex(*table);
            let record = *self.record(table)?;
            budget = budget.checked_sub(record.size).ok_or_else(|| {
                self.source().malformed(record.offset, "relocation tables overlap each other")
            })?;
            relocator.symbols = self.symbol_table(SectionIndex(record.link))?;
            relocator.last = None;
            relocator.apply(bytes, &self.decompressed(table)?, record.kind == elf::SHT_RELA);
        }
        content.targets = relocator.targets;
        content.counts = relocator.counts;
        Ok(content)
    }

    /// Brings bytes that borrow from the file into memory at once; they are about to be read to their end.
    pub fn prepare(&self, bytes: &[u8]) {
        self.content.prepare(bytes);
    }

    /// Gives back the memory of bytes that borrow from the file and will not be read again soon: a scan that does so
    /// as it goes holds a part of a large section at a time. Anything else (owned bytes) is left alone.
    pub fn release(&self, bytes: &[u8]) {
        self.content.release(bytes);
    }

    /// The symbols: those of `.symtab`; in files without one those of `.dynsym`; else none.
    pub fn symbols(&self) -> Result<Symbols<'_>> {
        let find = |kind| self.sections.iter().position(|section| section.kind == kind);
        match find(elf::SHT_SYMTAB).or_else(|| find(elf::SHT_DYNSYM)) {
            Some(index) => self.symbol_table(SectionIndex(index as u32)),
            None => Ok(Symbols::new(&self.header, &[], &[], &[], false)),
        }
    }

    /// The build id: the bytes by which any two links differ.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.note(note::GNU_BUILD_ID).filter(|id| (1..=LONGEST_BUILD_ID).contains(&id.len()))
    }

    /// Was the kernel built with link-time optimisation? `None` if the file has no note on it.
    pub fn link_time_optimised(&self) -> Option<bool> {
        let content = self.note(note::LINUX_LTO_INFO)?;
        Some(self.header.u32_at(content, 0)? != 0)
    }

    /// The name of the separate debug file, if the file has one.
    pub fn debug_link(&self) -> Option<DebugLink<'_>> {
        note::debug_link(&self.header, self.named_content(b".gnu_debuglink")?)
    }

    /// The file that this debug file shares parts with, if there is one.
    pub fn alternate_link(&self) -> Option<AlternateLink<'_>> {
        match self.named_content(b".gnu_debugaltlink") {
            Some(content) => note::alternate_link(content),
            None => self.supplement().filter(|(is_shared, _)| !is_shared).map(|(_, link)| link),
        }
    }

    /// What proves that this is the file that an alternate link means: its build id, or in DWARF 5 a checksum.
    pub(crate) fn is_alternate(&self, id: &[u8]) -> bool {
        self.build_id() == Some(id)
            || self.supplement().is_some_and(|(is_shared, link)| is_shared && link.build_id == id)
    }

    fn supplement(&self) -> Option<(bool, AlternateLink<'_>)> {
        note::supplementary_link(&self.header, self.named_content(b".debug_sup")?)
    }

    /// The open file that the bytes are mapped from.
    pub(crate) fn file(&self) -> Option<&File> {
        self.content.file()
    }

    /// The file header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The decoded section headers.
    pub(crate) fn section_records(&self) -> &[SectionRecord] {
        &self.sections
    }

    fn named_content(&self, name: &[u8]) -> Option<&[u8]> {
        self.raw_section_data(self.section_by_name(name)?.index).ok()
    }

    /// Finds a note in the sections, or in the segments of a file whose section headers are gone.
    fn note(&self, which: (&[u8], u32)) -> Option<&[u8]> {
        let source = self.source();
        let in_sections =
            self.sections.iter().filter(|section| section.kind == elf::SHT_NOTE).find_map(|section| {
                let notes = source.range("note section", section.offset, section.size).ok()?;
                note::find_note(&self.header, notes, section.alignment, which)
            });
        in_sections.or_else(|| {
            let segments = self.segments().ok()?;
            segments.iter().filter(|segment| segment.kind == elf::PT_NOTE).find_map(|segment| {
                let notes = source.range("note segment", segment.offset, segment.file_size).ok()?;
                note::find_note(&self.header, notes, segment.alignment, which)
            })
        })
    }

    fn decompressed(&self, index: SectionIndex) -> Result<Cow<'_, [u8]>> {
        let section = self.section(index)?;
        let raw = self.raw_section_data(index)?;
        let decompressed = if section.flags.contains(elf::SHF_COMPRESSED) && section.has_content() {
            compression::decompress_section(&self.header, raw)
        } else if section.name.starts_with(b".zdebug_") {
            match compression::decompress_gnu(raw) {
                Some(decompressed) => decompressed,
                None => return Ok(Cow::Borrowed(raw)),
            }
        } else {
            return Ok(Cow::Borrowed(raw));
        };
        decompressed.map(Cow::Owned).map_err(|what| Error::Decompression {
            file: self.path.clone(),
            section: String::from_utf8_lossy(section.name).into_owned(),
            offset: section.offset,
            what,
        })
    }

    fn symbol_table(&self, index: SectionIndex) -> Result<Symbols<'_>> {
        let source = self.source();
        let record = self.record(index)?;
        if record.kind != elf::SHT_SYMTAB && record.kind != elf::SHT_DYNSYM {
            return Err(source.malformed(record.offset, format!("section {} is no symbol table", index.0)));
        }
        let table = source.range("symbol table", record.offset, record.size)?;
        let names = self.record(SectionIndex(record.link))?;
        let strings = source.range("symbol name table", names.offset, names.size)?;
        let extended = self
            .sections
            .iter()
            .find(|section| section.kind == elf::SHT_SYMTAB_SHNDX && section.link == index.0)
            .map_or(Ok(&[][..]), |section| {
                source.range("section number table", section.offset, section.size)
            })?;
        Ok(Symbols::new(&self.header, table, strings, extended, record.kind == elf::SHT_DYNSYM))
    }

    fn record(&self, index: SectionIndex) -> Result<&SectionRecord> {
        self.sections.get(index.0 as usize).ok_or_else(|| Error::NoSuchSection {
            file: self.path.clone(),
            index: index.0,
            count: self.sections.len() as u32,
        })
    }

    fn section_names(&self) -> &[u8] {
        let names = self.sections.get(self.header.name_section as usize);
        names.and_then(|names| self.source().range("", names.offset, names.size).ok()).unwrap_or_default()
    }

    fn source(&self) -> Source<'_> {
        Source { path: &self.path, bytes: &self.content }
    }
}

/// Which sections have relocations, and where these are.
fn relocation_sections(sections: &[SectionRecord]) -> Vec<(u32, u32)> {
    let mut pairs: Vec<(u32, u32)> = sections
        .iter()
        .zip(0..)
        .filter(|(section, _)| section.kind == elf::SHT_RELA || section.kind == elf::SHT_REL)
        .map(|(section, index)| (section.info, index))
        .collect();
    pairs.sort_unstable();
    pairs
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("path", &self.path)
            .field("content", &self.content)
            .field("machine", &self.header.machine)
            .field("sections", &self.sections.len())
            .finish()
    }
}
