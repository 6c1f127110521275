//! A dump: opened by its bytes, whatever its name, and read by physical address.

use std::borrow::Cow;
use std::path::Path;

use crate::elf::{self, ElfCore, Segment};
use crate::file::DumpFile;
use crate::kdump::{self, Kdump};
use crate::note::{Note, PrStatus};
use crate::raw::RawImage;
use crate::{ByteOrder, Error, Machine, Origin, PhysicalAddress, Result, VirtualAddress, VmcoreInfo};

/// A memory dump of a Linux machine, or a running one's memory.
#[derive(Debug)]
pub struct Dump {
    image: Image,
    notes: Vec<Note>,
    vmcoreinfo: Option<VmcoreInfo>,
    machine: Machine,
}

#[derive(Debug)]
enum Image {
    Elf(ElfCore),
    Kdump(Kdump),
    Raw(RawImage),
}

/// What kind of dump it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Format {
    /// The container.
    pub kind: FormatKind,
    /// Whether it is in makedumpfile's flattened form.
    pub flattened: bool,
    /// Number of files.
    pub files: usize,
    /// Why not all of it may be there.
    pub incomplete: Option<&'static str>,
}

/// The container of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatKind {
    /// An ELF core.
    Elf,
    /// kdump-compressed.
    Kdump,
    /// `/proc/kcore`: the running kernel.
    Kcore,
    /// Physical memory byte by byte.
    Raw,
}

/// What a page that holds VMCOREINFO begins with.
const FIRST_KEY: &[u8] = b"OSRELEASE=";

impl Dump {
    /// Opens a dump: one file, or all files of a split set in any order. `/proc/kcore` is the running kernel.
    ///
    /// Where no note holds VMCOREINFO, it is searched for in memory, which takes a look at each page of the dump.
    ///
    /// # Errors
    /// A file cannot be read, is no dump, is damaged where nothing can be read without, or does not go with the others.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        Self::of_files(paths.iter().map(|path| DumpFile::open(path.as_ref())).collect::<Result<Vec<_>>>()?)
    }

    /// Opens a dump that is in memory already, as one that is part of the program; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Dump::open`].
    pub fn from_bytes(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        Self::of_files(vec![DumpFile::from_bytes(name, bytes.into())?])
    }

    fn of_files(files: Vec<DumpFile>) -> Result<Self> {
        let mut starts = Vec::new();
        for file in &files {
            let mut start = [0; 8];
            file.read_at(0, &mut start)?;
            starts.push(start);
        }
        let first = starts.first().copied().unwrap_or_default();
        if kdump::is_kdump(&first) {
            if let Some(other) = starts.iter().position(|start| !kdump::is_kdump(start)) {
                return Err(not_one_set(&files[other], "it is not kdump-compressed"));
            }
            return Self::kdump(Kdump::open(files)?);
        }
        if let Some(other) = files.get(1) {
            return Err(not_one_set(other, "only kdump-compressed dumps come in several files"));
        }
        let Some(file) = files.into_iter().next() else {
            return Err(Error::NotADump { path: "".into(), reason: "no file is given".into() });
        };
        if elf::is_elf(&first) { Self::elf(ElfCore::open(file)?) } else { Self::raw(RawImage::new(file)) }
    }

    fn elf(core: ElfCore) -> Result<Self> {
        let mut dump = Self {
            machine: core.machine,
            notes: core.notes.clone(),
            vmcoreinfo: None,
            image: Image::Elf(core),
        };
        dump.vmcoreinfo = dump.vmcoreinfo_in_notes();
        if dump.vmcoreinfo.is_none() && dump.format().kind == FormatKind::Elf {
            dump.vmcoreinfo = dump.search_vmcoreinfo();
        }
        Ok(dump)
    }

    fn kdump(kdump: Kdump) -> Result<Self> {
        let notes = kdump.notes().unwrap_or_default();
        let sub_header = kdump.vmcoreinfo().unwrap_or_default();
        let machine = kdump.machine();
        let mut dump =
            Self { machine: Machine::Other(0), notes, vmcoreinfo: None, image: Image::Kdump(kdump) };
        dump.vmcoreinfo = sub_header
            .map(|bytes| VmcoreInfo::parse(&bytes, Origin::SubHeader))
            .or_else(|| dump.vmcoreinfo_in_notes())
            .or_else(|| dump.search_vmcoreinfo());
        dump.machine = machine.or_else(|| dump.vmcoreinfo.as_ref()?.machine()).unwrap_or(Machine::Other(0));
        Ok(dump)
    }

    fn raw(image: RawImage) -> Result<Self> {
        let mut dump = Self {
            machine: Machine::Other(0),
            notes: Vec::new(),
            vmcoreinfo: None,
            image: Image::Raw(image),
        };
        dump.vmcoreinfo = dump.search_vmcoreinfo();
        let Image::Raw(image) = &dump.image else { return Ok(dump) };
        // Any file could be raw memory: only the kernel's own words tell.
        let Some(info) = &dump.vmcoreinfo else {
            return Err(image.file().not_a_dump(
                "it is neither an ELF core nor kdump-compressed, and no page of it begins with VMCOREINFO",
            ));
        };
        dump.machine = info.machine().unwrap_or(Machine::Other(0));
        Ok(dump)
    }

    fn vmcoreinfo_in_notes(&self) -> Option<VmcoreInfo> {
        let note = self.notes.iter().find(|note| note.name == b"VMCOREINFO" && !note.content.is_empty())?;
        Some(VmcoreInfo::parse(&note.content, Origin::Note))
    }

    /// The kernel keeps VMCOREINFO in a page of its own.
    fn search_vmcoreinfo(&self) -> Option<VmcoreInfo> {
        let step = match &self.image {
            Image::Kdump(kdump) => kdump.page_size(),
            _ => 4096,
        };
        let ranges: Box<dyn Iterator<Item = std::ops::Range<u64>> + '_> = match &self.image {
            Image::Elf(core) => Box::new(core.ranges()),
            Image::Kdump(kdump) => Box::new(kdump.ranges()),
            Image::Raw(image) => Box::new(std::iter::once(0..image.file().length())),
        };
        // No more pages than the file has room for, whatever its headers claim: a page takes itself, or a descriptor.
        let mut left = match &self.image {
            Image::Elf(core) => core.file().stored_length() / 4096,
            Image::Kdump(kdump) => kdump.stored_length() / 24,
            Image::Raw(image) => image.file().stored_length() / 4096,
        } + 1;
        let mut start = vec![0; FIRST_KEY.len()];
        for range in ranges {
            let mut at = range.start.next_multiple_of(step);
            while at < range.end {
                left = left.checked_sub(1)?;
                let address = PhysicalAddress(at);
                if self.read_physical(address, &mut start).is_ok() && start == FIRST_KEY {
                    let mut page = vec![0; 4096];
                    if self.read_physical(address, &mut page).is_ok() {
                        let info = VmcoreInfo::parse(&page, Origin::Memory(address));
                        if info.page_size().is_some() && info.symbol("_stext").is_some() {
                            return Some(info);
                        }
                    }
                }
                at = at.checked_add(step)?;
            }
        }
        None
    }

    /// What kind of dump it is.
    pub fn format(&self) -> Format {
        match &self.image {
            Image::Elf(core) => Format {
                kind: if core.file().is_live() { FormatKind::Kcore } else { FormatKind::Elf },
                flattened: core.file().is_flattened(),
                files: 1,
                incomplete: core
                    .segments
                    .iter()
                    .any(|segment| segment.offset.saturating_add(segment.file_size) > core.file().length())
                    .then_some("the file ends before its last segment does"),
            },
            Image::Kdump(kdump) => Format {
                kind: FormatKind::Kdump,
                flattened: kdump.is_flattened(),
                files: kdump.files(),
                incomplete: if kdump.lacks_parts() {
                    Some("files of the split set are missing")
                } else {
                    kdump.is_incomplete().then_some("makedumpfile could not write all of it")
                },
            },
            Image::Raw(image) => Format {
                kind: FormatKind::Raw,
                flattened: image.file().is_flattened(),
                files: 1,
                incomplete: None,
            },
        }
    }

    /// Whether this is the running kernel, whose memory changes while it is read.
    pub fn is_live(&self) -> bool {
        self.format().kind == FormatKind::Kcore
    }

    /// The machine that was dumped.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Order of the bytes of its numbers.
    pub fn byte_order(&self) -> ByteOrder {
        match &self.image {
            Image::Elf(core) => core.order,
            Image::Kdump(kdump) => kdump.order(),
            Image::Raw(_) if self.machine == Machine::S390x => ByteOrder::Big,
            Image::Raw(_) => ByteOrder::Little,
        }
    }

    /// What the dumper wrote beside the memory.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Registers of the processors, in the order of the notes.
    pub fn registers(&self) -> impl Iterator<Item = PrStatus> {
        self.notes.iter().filter_map(|note| note.prstatus(self.machine, self.byte_order()))
    }

    /// What the kernel says of itself.
    pub fn vmcoreinfo(&self) -> Option<&VmcoreInfo> {
        self.vmcoreinfo.as_ref()
    }

    /// The pieces of memory in an ELF core; none in other dumps.
    pub fn segments(&self) -> &[Segment] {
        match &self.image {
            Image::Elf(core) => &core.segments,
            _ => &[],
        }
    }

    /// makedumpfile's dump level, where the dump tells it: which kinds of pages were left out.
    pub fn dump_level(&self) -> Option<i32> {
        match &self.image {
            Image::Kdump(kdump) => Some(kdump.dump_level()),
            _ => None,
        }
    }

    /// What the kernel's image is shifted by in physical memory, where the container tells it.
    pub(crate) fn phys_base(&self) -> Option<u64> {
        match &self.image {
            Image::Kdump(kdump) => Some(kdump.phys_base()).filter(|&base| base != 0),
            _ => None,
        }
    }

    /// Reads the machine's memory.
    ///
    /// # Errors
    /// The first byte that cannot be read, and why: [`Error::NoMemory`], [`Error::Excluded`], [`Error::BeyondFile`] or
    /// [`Error::DamagedPage`]; or the file cannot be read.
    pub fn read_physical(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<()> {
        match &self.image {
            Image::Elf(core) => core.read_physical(address, buffer),
            Image::Kdump(kdump) => kdump.read_physical(address, buffer),
            Image::Raw(image) => image.read_physical(address, buffer),
        }
    }

    /// Whether the container itself maps the kernel's addresses: an ELF core that the kernel wrote, or the live one.
    pub(crate) fn has_virtual_addresses(&self) -> bool {
        matches!(&self.image, Image::Elf(core) if core.has_virtual_addresses())
    }

    /// The end of the segment that `address` is in, or of the gap between two, and whether it is a segment.
    pub(crate) fn segment_piece(&self, address: VirtualAddress) -> (u64, bool) {
        match &self.image {
            Image::Elf(core) => core.mapped_piece(address),
            _ => (u64::MAX, false),
        }
    }

    /// Reads by the addresses of the container's segments.
    pub(crate) fn read_segments(&self, address: VirtualAddress, buffer: &mut [u8]) -> Result<()> {
        match &self.image {
            Image::Elf(core) => core.read_virtual(address, buffer),
            _ => Err(Error::NotMapped(address)),
        }
    }
}

fn not_one_set(file: &DumpFile, reason: &str) -> Error {
    Error::NotOneSet { path: file.path().into(), reason: reason.into() }
}
