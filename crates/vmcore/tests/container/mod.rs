//! Dumps made of a few pages, in each container.

#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

pub const PAGE: usize = 4096;

/// VMCOREINFO that is enough to be recognised.
pub const INFO: &str = "OSRELEASE=6.12.0-test\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n\
    SYMBOL(swapper_pg_dir)=ffffffff80003000\nNUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n";

/// A machine's memory: what each page frame is.
#[derive(Clone)]
pub enum Frame {
    /// No memory.
    Hole,
    /// Memory that was left out of the dump.
    Excluded,
    Page(Vec<u8>),
}

/// Eight frames: pages, holes and excluded ones; frame 3 is the topmost page table of the kernel, 7 holds VMCOREINFO if
/// `with_info`.
pub fn machine(with_info: bool) -> Vec<Frame> {
    let text: Vec<u8> = (0..PAGE).map(|index| (index / 7 % 251) as u8).collect();
    let mut noise = 12345u32;
    let noise = (0..PAGE).map(|_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    });
    let table = |entries: &[(usize, u64)]| {
        let mut page = vec![0; PAGE];
        for &(index, entry) in entries {
            page[index * 8..index * 8 + 8].copy_from_slice(&entry.to_le_bytes());
        }
        Frame::Page(page)
    };
    let mut info = INFO.as_bytes().to_vec();
    info.resize(PAGE, 0);
    vec![
        Frame::Page(vec![0; PAGE]),
        Frame::Page(noise.collect()),
        Frame::Excluded,
        // ffffffff80000000: 511, 510, then a table of pages in frame 6.
        table(&[(511, 0x4063)]),
        table(&[(510, 0x5063)]),
        table(&[(0, 0x6063)]),
        table(&[(0, 0x1063), (1, 0x2063), (2, 0x10063), (3, 0x3063), (7, 0x7063)]),
        if with_info { Frame::Page(info) } else { Frame::Page(text) },
        Frame::Hole,
        Frame::Hole,
    ]
}

pub fn page(frames: &[Frame], number: usize) -> Vec<u8> {
    match &frames[number] {
        Frame::Page(page) => page.clone(),
        _ => panic!("frame {number} is no page"),
    }
}

/// Runs of frames that are alike: first, count, whether they are in the dump.
fn runs(frames: &[Frame]) -> Vec<(usize, usize, bool)> {
    let mut runs: Vec<(usize, usize, bool)> = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        let present = match frame {
            Frame::Hole => continue,
            Frame::Excluded => false,
            Frame::Page(_) => true,
        };
        match runs.last_mut() {
            Some((first, count, same)) if *first + *count == number && *same == present => *count += 1,
            _ => runs.push((number, 1, present)),
        }
    }
    runs
}

pub fn note(name: &str, kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [name.len() as u32 + 1, content.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    for part in [[name.as_bytes(), b"\0"].concat().as_slice(), content] {
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// An ELF core; `many` gives it so many empty segments before the others that 16 bits cannot count them.
pub fn elf(frames: &[Frame], notes: &[u8], many: bool) -> Vec<u8> {
    let runs = runs(frames);
    let fillers = if many { 66_000 } else { 0 };
    let count = runs.len() + 1 + fillers;
    let headers = 64 + 64;
    let mut body = Vec::new();
    let start = headers + count * 56;
    let mut table = Vec::new();
    let mut header = |kind: u32, offset: usize, physical: usize, file: usize, memory: usize| {
        table.extend(kind.to_le_bytes());
        table.extend(7u32.to_le_bytes());
        for field in [offset, 0, physical, file, memory, 0] {
            table.extend((field as u64).to_le_bytes());
        }
    };
    header(4, start, 0, notes.len(), 0);
    body.extend_from_slice(notes);
    for _ in 0..fillers {
        header(1, 0, 0, 0, 0);
    }
    for (first, count, present) in runs {
        let bytes = if present { count * PAGE } else { 0 };
        header(1, start + body.len(), first * PAGE, bytes, count * PAGE);
        for frame in &frames[first..first + count] {
            if let Frame::Page(page) = frame {
                body.extend_from_slice(page);
            }
        }
    }
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [4u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for long in [0u64, headers as u64, 64] {
        file.extend(long.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64, 56, if many { 0xffff } else { count as u16 }, 64, 1, 0] {
        file.extend(half.to_le_bytes());
    }
    // Section header 0.
    let mut section = vec![0; 64];
    section[44..48].copy_from_slice(&(count as u32).to_le_bytes());
    file.extend(section);
    file.extend(table);
    file.extend(body);
    file
}

/// How pages are compressed: the flag in their descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None = 0,
    Zlib = 1,
    Lzo = 2,
    Snappy = 4,
    Zstd = 0x20,
}

impl Compression {
    pub const ALL: [Self; 5] = [Self::None, Self::Zlib, Self::Lzo, Self::Snappy, Self::Zstd];

    fn compress(self, page: &[u8]) -> Vec<u8> {
        match self {
            Self::None => page.to_vec(),
            Self::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(page).unwrap();
                encoder.finish().unwrap()
            }
            Self::Lzo => lzokay_native::compress(page).unwrap(),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(page).unwrap(),
            Self::Zstd => {
                ruzstd::encoding::compress_to_vec(page, ruzstd::encoding::CompressionLevel::Fastest)
            }
        }
    }
}

/// A kdump-compressed dump, version 6, of the frames in `part` (all of them, or a file of a split set).
pub fn kdump(
    frames: &[Frame],
    notes: &[u8],
    compression: Compression,
    part: Option<std::ops::Range<usize>>,
) -> Vec<u8> {
    let put = |bytes: &mut Vec<u8>, offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    let mut header = vec![0; PAGE];
    put(&mut header, 0, b"KDUMP   ");
    put(&mut header, 8, &6u32.to_le_bytes());
    put(&mut header, 12 + 4 * 65, b"x86_64");
    put(&mut header, 424, &(compression as u32).to_le_bytes());
    for (offset, value) in [(428, PAGE as u32), (432, 2), (436, 2), (440, frames.len() as u32)] {
        put(&mut header, offset, &value.to_le_bytes());
    }
    // The sub-header takes two blocks; what it refers to is in the second.
    let mut sub = vec![0; PAGE];
    let info = INFO.as_bytes();
    if !notes.is_empty() {
        put(&mut sub, 32, &(2 * PAGE as u64).to_le_bytes());
        put(&mut sub, 40, &(info.len() as u64).to_le_bytes());
        put(&mut sub, 48, &(2 * PAGE as u64 + 1024).to_le_bytes());
        put(&mut sub, 56, &(notes.len() as u64).to_le_bytes());
    }
    if let Some(part) = &part {
        put(&mut sub, 12, &1u32.to_le_bytes());
        put(&mut sub, 80, &(part.start as u64).to_le_bytes());
        put(&mut sub, 88, &(part.end as u64).to_le_bytes());
    }
    put(&mut sub, 96, &(frames.len() as u64).to_le_bytes());
    let mut extra = vec![0; PAGE];
    if !notes.is_empty() {
        put(&mut extra, 0, info);
        put(&mut extra, 1024, notes);
    }
    let bitmap = |wanted: fn(&Frame) -> bool| {
        let mut bits = vec![0; PAGE];
        for (number, _) in frames.iter().enumerate().filter(|(_, frame)| wanted(frame)) {
            bits[number / 8] |= 1 << (number % 8);
        }
        bits
    };
    let exist = bitmap(|frame| !matches!(frame, Frame::Hole));
    let dumped = bitmap(|frame| matches!(frame, Frame::Page(_)));
    let mut file = [header, sub, extra, exist, dumped].concat();
    let owned = part.unwrap_or(0..frames.len());
    let pages: Vec<Vec<u8>> = frames[owned]
        .iter()
        .filter_map(
            |frame| if let Frame::Page(page) = frame { Some(compression.compress(page)) } else { None },
        )
        .collect();
    let mut place = file.len() + pages.len() * 24;
    for page in &pages {
        // What does not shrink is stored as it is, without a flag.
        let flag = if page.len() >= PAGE { 0 } else { compression as u32 };
        let length = page.len().min(PAGE);
        file.extend((place as u64).to_le_bytes());
        file.extend((length as u32).to_le_bytes());
        file.extend(flag.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        place += length;
    }
    let originals = frames.iter().filter(|frame| matches!(frame, Frame::Page(_)));
    let mut originals =
        originals.clone().map(|frame| if let Frame::Page(page) = frame { page } else { panic!() });
    let all: Vec<&Vec<u8>> = originals.by_ref().collect();
    for page in &pages {
        if page.len() >= PAGE && compression != Compression::None {
            let original = all.iter().find(|original| compression.compress(original) == *page).unwrap();
            file.extend_from_slice(original);
        } else {
            file.extend_from_slice(page);
        }
    }
    file
}

/// The same content in makedumpfile's flattened form: in pieces of `piece` bytes, the first one written last.
pub fn flattened(content: &[u8], piece: usize) -> Vec<u8> {
    let mut file = b"makedumpfile\0\0\0\0".to_vec();
    file.extend(1u64.to_be_bytes());
    file.extend(1u64.to_be_bytes());
    file.resize(4096, 0);
    let mut record = |offset: usize, bytes: &[u8]| {
        file.extend((offset as u64).to_be_bytes());
        file.extend((bytes.len() as u64).to_be_bytes());
        file.extend_from_slice(bytes);
    };
    // A header that is not complete yet, and is written again at the end.
    record(0, &vec![0xee; piece.min(content.len())]);
    for (index, bytes) in content.chunks(piece).enumerate().skip(1) {
        record(index * piece, bytes);
    }
    record(0, &content[..piece.min(content.len())]);
    file.extend(u64::MAX.to_be_bytes());
    file.extend(u64::MAX.to_be_bytes());
    file
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
