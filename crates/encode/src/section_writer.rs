//! Adds sections to an ELF file, or gives existing ones new content, and leaves all else where it is.
//!
//! Nothing that a loader or a debugger refers to may move, so new content goes to the end of the file, followed by
//! the section names and a new section header table:
//!
//! ```text
//! before   header | sections …           | names | section headers
//! after    header | sections … | .BTF    | names | section headers     the old tail is used again
//! again    header | sections … | .BTF′   | names | section headers     so repeated writes do not add up
//! ```
//!
//! The tail that may be used again is found from the end of the file: the section header table, the section names,
//! and the sections that get new content, as long as they follow each other without a gap. A replaced section
//! elsewhere is written in its old place if it fits, and else leaves a hole. Section numbers never change, so symbol
//! tables, groups and links stay valid.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ::object::Endian;

use crate::atomic_file::{Target, atomic_write_like};
use crate::object::header::Header;
use crate::object::section::SectionRecord;
use crate::object::{Error, Object, Result, SectionIndex, elf};

/// A section to write.
#[derive(Debug, Clone, Copy)]
pub struct NewSection<'a> {
    /// Its name, such as ".BTF".
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Its alignment in bytes, a power of two. The kernel reads `.BTF` where it is, so 4 or more is wise.
    pub alignment: u64,
}

/// Writes `input` with these sections to `output`, which may be the same file. A section of a name that is there
/// already gets the new content; any other is added, of type `SHT_PROGBITS` and without flags.
///
/// The file is written under a temporary name first (see [`crate::atomic_file`]). A section that is part of a linked
/// program's memory image cannot change its size; that is an error.
pub fn put_sections(input: &Object, sections: &[NewSection<'_>], output: impl AsRef<Path>) -> Result<()> {
    let layout = Layout::new(input, sections)?;
    atomic_write_like(output.as_ref(), Some(input.path()), |file, target| match target {
        Target::Temporary => layout.write(input, file),
        Target::Straight => layout.write_in_order(input, file),
    })
}

/// As [`put_sections`], into memory.
pub fn with_sections(input: &Object, sections: &[NewSection<'_>]) -> Result<Vec<u8>> {
    let layout = Layout::new(input, sections)?;
    let mut bytes = input.bytes()[..layout.kept as usize].to_vec();
    bytes.resize(layout.end as usize, 0);
    for (offset, piece) in &layout.pieces {
        bytes[*offset as usize..][..piece.len()].copy_from_slice(piece);
    }
    Ok(bytes)
}

/// Where everything goes.
struct Layout<'a> {
    /// So many bytes of the input come first, unchanged but for the pieces.
    kept: u64,
    /// What is written over them and after them: offset in the file, bytes.
    pieces: Vec<(u64, Cow<'a, [u8]>)>,
    /// Size of the output in bytes.
    end: u64,
}

impl<'a> Layout<'a> {
    fn new(input: &'a Object, new: &[NewSection<'a>]) -> Result<Layout<'a>> {
        let mut table = Table::new(input, new)?;
        let kept = table.kept()?;
        let mut layout = Layout { kept, pieces: Vec::new(), end: kept };
        for (section, index) in new.iter().zip(table.written.clone()) {
            layout.place_section(&mut table, section, index)?;
        }
        layout.place_names(&mut table)?;
        layout.place_headers(&table)?;
        if !table.header.is_64 && layout.end > u64::from(u32::MAX) {
            return Err(Error::Unsupported {
                file: input.path().to_owned(),
                offset: 0,
                what: "a 32-bit ELF file cannot grow beyond 4 GiB",
            });
        }
        Ok(layout)
    }

    fn append(&mut self, alignment: u64, bytes: impl Into<Cow<'a, [u8]>>) -> u64 {
        let bytes = bytes.into();
        // An alignment that no file can have is not worth gigabytes of padding.
        let offset = self.end.next_multiple_of(alignment.clamp(1, 1 << 16));
        self.end = offset + bytes.len() as u64;
        self.pieces.push((offset, bytes));
        offset
    }

    fn place_section(&mut self, table: &mut Table<'a>, section: &NewSection<'a>, index: u32) -> Result<()> {
        let old = table.records[index as usize];
        let size = section.bytes.len() as u64;
        let is_new = index >= table.old_count;
        let mut record = SectionRecord { size, ..old };
        record.flags.0 &= !elf::SHF_COMPRESSED.0;
        if !is_new && table.is_loaded(&old) {
            if !has_content(&old) || size != old.size {
                return Err(table.cannot_replace(index, loaded_message(&old, size)));
            }
            self.pieces.push((old.offset, Cow::Borrowed(section.bytes)));
            return Ok(());
        }
        if !has_content(&old) {
            record.kind = elf::SHT_PROGBITS;
        }
        record.alignment = old.alignment.max(section.alignment).max(1);
        let fits = !is_new
            && has_content(&old)
            && size > 0
            && size <= old.size
            && old.offset.saturating_add(size) <= self.kept
            && old.offset.is_multiple_of(record.alignment)
            && !table.shares_bytes(index);
        table.records[index as usize] = record;
        table.records[index as usize].offset = if fits {
            self.pieces.push((old.offset, Cow::Borrowed(section.bytes)));
            self.pieces.push((old.offset + size, vec![0; (old.size - size) as usize].into()));
            old.offset
        } else {
            self.append(record.alignment, section.bytes)
        };
        Ok(())
    }

    fn place_names(&mut self, table: &mut Table<'a>) -> Result<()> {
        let index = table.name_section as usize;
        let old = table.records[index];
        let stays = table.name_section < table.old_count
            && table.names.len() as u64 == old.size
            && old.offset + old.size <= self.kept;
        if !stays {
            if table.name_section < table.old_count && table.is_loaded(&old) {
                let what = "it holds the section names and is part of the memory image".to_owned();
                return Err(table.cannot_replace(table.name_section, what));
            }
            let names = std::mem::take(&mut table.names);
            table.records[index].size = names.len() as u64;
            table.records[index].offset = self.append(1, names);
        }
        Ok(())
    }

    fn place_headers(&mut self, table: &Table<'a>) -> Result<()> {
        let mut records = table.records.clone();
        let reserved = u32::from(elf::SHN_LORESERVE);
        let (count, names) = (records.len() as u32, table.name_section);
        // Numbers that do not fit into the file header go to the null section's.
        let far_count = count >= reserved;
        let far_names = names >= reserved;
        records[0].size = if far_count { count.into() } else { 0 };
        records[0].link = if far_names { names } else { 0 };
        let mut bytes = Vec::new();
        for record in &records {
            encode(record, table.header, &mut bytes);
        }
        let entry_size = (bytes.len() / records.len()) as u16;
        let offset = self.append(if table.header.is_64 { 8 } else { 4 }, bytes);
        let mut table_offset = Vec::new();
        encode_word(offset, table.header, &mut table_offset);
        let numbers = [
            entry_size,
            if far_count { 0 } else { count as u16 },
            if far_names { elf::SHN_XINDEX.0 } else { names as u16 },
        ];
        let numbers: Vec<u8> =
            numbers.into_iter().flat_map(|number| table.header.endian.write_u16(number)).collect();
        // e_shoff; e_shentsize, e_shnum and e_shstrndx.
        let (table_field, number_fields) = if table.header.is_64 { (40, 58) } else { (32, 46) };
        self.pieces.push((table_field, table_offset.into()));
        self.pieces.push((number_fields, numbers.into()));
        Ok(())
    }

    fn write(&self, input: &Object, file: &File) -> io::Result<()> {
        let copied = input.file().map_or(0, |from| copy_range(from, file, self.kept));
        file.write_all_at(&input.bytes()[copied as usize..self.kept as usize], copied)?;
        for (offset, piece) in &self.pieces {
            file.write_all_at(piece, *offset)?;
        }
        file.set_len(self.end)
    }

    /// Into a pipe: pieces cannot be written over what is there already.
    fn write_in_order(&self, input: &Object, file: &mut File) -> io::Result<()> {
        let mut pieces: Vec<_> = self.pieces.iter().filter(|(_, piece)| !piece.is_empty()).collect();
        pieces.sort_by_key(|(offset, _)| *offset);
        let mut position = 0;
        let mut pieces = pieces.into_iter().peekable();
        while position < self.end {
            let next = pieces.peek().map_or(self.end, |(offset, _)| *offset);
            let old = next.min(self.kept).max(position);
            file.write_all(input.bytes().get(position as usize..old as usize).unwrap_or_default())?;
            file.write_all(&vec![0; next.saturating_sub(old) as usize])?;
            position = next;
            if let Some((_, piece)) = pieces.next() {
                file.write_all(piece)?;
                position += piece.len() as u64;
            }
        }
        Ok(())
    }
}

/// Copies the first bytes of a file within the kernel, by reference where the file system can; how many it did.
fn copy_range(from: &File, to: &File, size: u64) -> u64 {
    let (mut read, mut wrote) = (0, 0);
    while wrote < size {
        let most = usize::try_from(size - wrote).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut wrote), most) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    wrote
}

fn loaded_message(old: &SectionRecord, size: u64) -> String {
    if !has_content(old) {
        return "it has no content in this file, which is the debug part of another".to_owned();
    }
    format!(
        "it is part of the memory image and has {} bytes, the new content {size}; nothing after it may move. \
         Write the new content to a file of its own, or link it in anew",
        old.size
    )
}

/// The section header table in the making.
struct Table<'a> {
    input: &'a Object,
    header: &'a Header,
    records: Vec<SectionRecord>,
    /// Sections from here on are new.
    old_count: u32,
    /// For each section to write, its number.
    written: Vec<u32>,
    name_section: u32,
    names: Cow<'a, [u8]>,
    /// Parts of the file that segments refer to, and the tables of the file header: offset and end.
    fixed: Vec<(u64, u64)>,
}

impl<'a> Table<'a> {
    fn new(input: &'a Object, new: &[NewSection<'_>]) -> Result<Table<'a>> {
        let header = input.header();
        let records = input.section_records().to_vec();
        let old_count = records.len() as u32;
        let mut table = Table {
            input,
            header,
            records,
            old_count,
            written: Vec::new(),
            name_section: header.name_section,
            names: Cow::Borrowed(&[]),
            fixed: Vec::new(),
        };
        table.refuse_signed()?;
        table.find_fixed()?;
        table.find_names()?;
        for (position, section) in new.iter().enumerate() {
            if new[..position].iter().any(|other| other.name == section.name) {
                let what = format!("section {} is given twice", section.name);
                return Err(Error::Malformed { file: input.path().to_owned(), offset: 0, what });
            }
            let index = table.find_or_add(section.name);
            table.written.push(index);
        }
        Ok(table)
    }

    /// A module's signature covers the whole file and stands at its end.
    fn refuse_signed(&self) -> Result<()> {
        const MAGIC: &[u8] = b"~Module signature appended~\n";
        if self.input.bytes().ends_with(MAGIC) {
            return Err(Error::Unsupported {
                file: self.input.path().to_owned(),
                offset: (self.input.bytes().len() - MAGIC.len()) as u64,
                what: "the module is signed, and a new section would break the signature; strip it and sign afterwards",
            });
        }
        Ok(())
    }

    fn find_fixed(&mut self) -> Result<()> {
        let header_size = if self.header.is_64 { 64 } else { 52 };
        let entry_size = if self.header.is_64 { 56 } else { 32 };
        let programs = u64::from(self.header.program_count) * entry_size;
        self.fixed.push((0, header_size));
        self.fixed.push((self.header.program_table, self.header.program_table.saturating_add(programs)));
        for segment in self.input.segments()? {
            self.fixed.push((segment.offset, segment.offset.saturating_add(segment.file_size)));
        }
        Ok(())
    }

    /// Takes the names as they are; makes a null section and a place for names in a file without.
    fn find_names(&mut self) -> Result<()> {
        let empty = SectionRecord {
            name_offset: 0,
            name_length: 0,
            kind: elf::SHT_NULL,
            flags: elf::SectionFlags(0),
            address: 0,
            offset: 0,
            size: 0,
            link: 0,
            info: 0,
            alignment: 0,
            entry_size: 0,
        };
        if self.records.is_empty() {
            self.records.push(empty);
        }
        if self.name_section != 0 {
            self.names = Cow::Borrowed(self.input.raw_section_data(SectionIndex(self.name_section))?);
            return Ok(());
        }
        self.names = Cow::Owned(vec![0]);
        self.name_section = self.records.len() as u32;
        let name_offset = self.name_offset(".shstrtab");
        self.records.push(SectionRecord { name_offset, kind: elf::SHT_STRTAB, alignment: 1, ..empty });
        Ok(())
    }

    fn find_or_add(&mut self, name: &str) -> u32 {
        if let Some(section) = self.input.section_by_name(name) {
            return section.index.0;
        }
        let name_offset = self.name_offset(name);
        let null = self.records[0];
        self.records.push(SectionRecord {
            name_offset,
            name_length: name.len() as u32,
            kind: elf::SHT_PROGBITS,
            flags: elf::SectionFlags(0),
            alignment: 1,
            address: 0,
            offset: 0,
            size: 0,
            link: 0,
            info: 0,
            ..null
        });
        self.records.len() as u32 - 1
    }

    /// The offset of a name: of one that is there already, or the end of a longer one; else of a new one.
    fn name_offset(&mut self, name: &str) -> u32 {
        let terminated = [name.as_bytes(), b"\0"].concat();
        if let Some(offset) = memchr::memmem::find(&self.names, &terminated) {
            return offset as u32;
        }
        let offset = self.names.len() as u32;
        self.names.to_mut().extend(terminated);
        offset
    }

    /// Is the section part of what a loader maps, so that it can neither move nor change its size?
    fn is_loaded(&self, record: &SectionRecord) -> bool {
        !self.input.is_relocatable() && record.flags.contains(elf::SHF_ALLOC)
    }

    /// Has a section another in its bytes? Only a broken file has, but it would be broken further.
    fn shares_bytes(&self, index: u32) -> bool {
        let records = &self.records[..self.old_count as usize];
        let (start, end) = range(&records[index as usize]);
        let others = records.iter().enumerate().filter(|(other, _)| *other != index as usize);
        let others = others.map(|(_, record)| range(record)).chain(self.fixed.iter().copied());
        others.into_iter().any(|(other_start, other_end)| other_start < end && start < other_end)
    }

    /// How many bytes of the input must stay: all but the tail of it that is written anew.
    fn kept(&self) -> Result<u64> {
        let size = self.input.bytes().len() as u64;
        let records = &self.records[..self.old_count as usize];
        let mut stay = self.fixed.iter().map(|(_, end)| *end).max().unwrap_or(0);
        let mut free = vec![self.header_table()];
        for (record, index) in records.iter().zip(0u32..) {
            let (start, end) = range(record);
            if end > size {
                // Names what is wrong.
                self.input.raw_section_data(SectionIndex(index))?;
            }
            let rewritten = index == self.name_section || self.written.contains(&index);
            if rewritten && !self.is_loaded(record) && start < end {
                self.check_relocations(index)?;
                free.push((start, end));
            } else {
                stay = stay.max(end);
            }
        }
        free.sort_unstable();
        let mut kept = size;
        for (start, end) in free.into_iter().rev() {
            let gap = self.input.bytes().get(end as usize..kept as usize);
            if start >= stay && gap.is_some_and(|gap| gap.len() < 64 && gap.iter().all(|byte| *byte == 0)) {
                kept = start;
            }
        }
        Ok(kept)
    }

    fn header_table(&self) -> (u64, u64) {
        let entry_size = if self.header.is_64 { 64 } else { 40 };
        let size = u64::from(self.header.section_count) * entry_size;
        (self.header.section_table, self.header.section_table + size)
    }

    /// A section that a linker will relocate cannot take content that is made for the file as it is, unless the
    /// relocations are written anew as well.
    fn check_relocations(&self, index: u32) -> Result<()> {
        let relocated = self.input.is_relocatable()
            && self.records.iter().zip(0u32..).any(|(record, table)| {
                matches!(record.kind, elf::SHT_REL | elf::SHT_RELA)
                    && record.info == index
                    && record.size > 0
                    && !self.written.contains(&table)
            });
        if relocated {
            return Err(
                self.cannot_replace(index, "it has relocations, which the new content has not".to_owned())
            );
        }
        Ok(())
    }

    fn cannot_replace(&self, index: u32, what: String) -> Error {
        let (section, offset) = self.input.section(SectionIndex(index)).map_or_else(
            |_| (String::new(), 0),
            |section| (String::from_utf8_lossy(section.name).into_owned(), section.offset),
        );
        Error::CannotReplace { file: self.input.path().to_owned(), section, offset, what }
    }
}

fn has_content(record: &SectionRecord) -> bool {
    record.kind != elf::SHT_NOBITS && record.kind != elf::SHT_NULL
}

/// The part of the file that a section takes; empty for one without content.
fn range(record: &SectionRecord) -> (u64, u64) {
    if !has_content(record) {
        return (0, 0);
    }
    (record.offset, record.offset.saturating_add(record.size))
}

/// A section header entry: the fields are in the same order in both classes.
fn encode(record: &SectionRecord, header: &Header, bytes: &mut Vec<u8>) {
    let half = |bytes: &mut Vec<u8>, value: u32| bytes.extend(header.endian.write_u32(value));
    half(bytes, record.name_offset);
    half(bytes, record.kind.0);
    for value in [record.flags.0, record.address, record.offset, record.size] {
        encode_word(value, header, bytes);
    }
    half(bytes, record.link);
    half(bytes, record.info);
    for value in [record.alignment, record.entry_size] {
        encode_word(value, header, bytes);
    }
}

/// A number as wide as an address.
fn encode_word(value: u64, header: &Header, bytes: &mut Vec<u8>) {
    if header.is_64 {
        bytes.extend(header.endian.write_u64(value));
    } else {
        bytes.extend(header.endian.write_u32(value as u32));
    }
}
