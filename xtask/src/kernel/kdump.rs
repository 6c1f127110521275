//! Writing memory as kdump does: pages compressed one by one, all zero pages as one.
//!
//! The file is: the header, the sub-header with the notes behind it, two
//! bitmaps (which frames exist, which are in the dump), a descriptor for each page in the dump, the pages.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use btfkit_vmcore::{Dump, Error, Machine, Note, PhysicalAddress};

const PAGE: usize = 4096;
const VERSION: u32 = 6;
/// Pages are compressed by zlib: in the header's status and in each descriptor.
const ZLIB: u32 = 1;
/// Dump level of a dump that has zero pages once and lacks no others.
const WITHOUT_ZERO_PAGES: u32 = 1;
/// Bytes of a page's descriptor: offset, size and flags of the page, and flags of the page frame.
const DESCRIPTOR: usize = 24;
/// Bytes of `struct new_utsname`: six names of up to 64 bytes and a NUL.
pub(super) const UTSNAME: usize = 6 * 65;
/// Bytes of the sub-header that the notes begin behind.
const SUB_HEADER: usize = 104;

/// The memory of a dump of an x86_64 machine below `end`, in bytes, as a kdump-compressed file. `system` is the kernel's
/// `struct new_utsname`; readers take the machine from it, if it is complete.
pub(super) fn compressed(dump: &Dump, system: &[u8], end: u64) -> Result<Vec<u8>> {
    ensure!(dump.machine() == Machine::X86_64, "the dump is of a machine other than x86_64");
    ensure!(system.len() == UTSNAME, "struct new_utsname has {} bytes", system.len());
    let info = dump.vmcoreinfo().context("the dump has no VMCOREINFO")?;
    let frames = usize::try_from(end)? / PAGE;
    let (mut exist, mut dumped) = (vec![0; bitmap_bytes(frames)], vec![0; bitmap_bytes(frames)]);
    let mut pages = Vec::new();
    for frame in 0..frames {
        let mut page = vec![0; PAGE];
        match dump.read_physical(PhysicalAddress((frame * PAGE) as u64), &mut page) {
            Ok(()) => {}
            Err(Error::NoMemory(_)) => continue,
            Err(error) => return Err(error).with_context(|| format!("page frame {frame}")),
        }
        exist[frame / 8] |= 1 << (frame % 8);
        dumped[frame / 8] |= 1 << (frame % 8);
        let is_zero = page.iter().all(|&byte| byte == 0);
        pages.push(if is_zero { None } else { Some(Page::of(page)?) });
    }
    // Readers take a page without a descriptor as excluded, so that each zero page has one, of the same bytes.
    let zero = Page::of(vec![0; PAGE])?;

    let (notes, text) = notes(dump.notes())?;
    let sub_blocks = (SUB_HEADER + notes.len()).div_ceil(PAGE);
    let mut header = vec![0; PAGE];
    put(&mut header, 0, b"KDUMP   ");
    put(&mut header, 8, &VERSION.to_le_bytes());
    put(&mut header, 12, system);
    let blocks = 2 * exist.len() / PAGE;
    let processors = dump.registers().count();
    for (offset, value) in
        [(428, PAGE), (432, sub_blocks), (436, blocks), (440, frames), (444, frames), (460, processors)]
    {
        put(&mut header, offset, &u32::try_from(value)?.to_le_bytes());
    }
    put(&mut header, 424, &ZLIB.to_le_bytes());

    let mut sub_header = vec![0; sub_blocks * PAGE];
    put(&mut sub_header, 0, &info.number("phys_base").unwrap_or_default().to_le_bytes());
    put(&mut sub_header, 8, &WITHOUT_ZERO_PAGES.to_le_bytes());
    let start = PAGE + SUB_HEADER;
    for (offset, value) in [
        (32, start + text.start),
        (40, text.len()),
        (48, start),
        (56, notes.len()),
        (88, frames),
        (96, frames),
    ] {
        put(&mut sub_header, offset, &(value as u64).to_le_bytes());
    }
    put(&mut sub_header, SUB_HEADER, &notes);

    let mut file = [header, sub_header, exist, dumped].concat();
    let first = file.len() + pages.len() * DESCRIPTOR;
    let mut place = first + zero.bytes.len();
    for page in &pages {
        let (at, page) = page.as_ref().map_or((first, &zero), |page| (place, page));
        file.extend((at as u64).to_le_bytes());
        file.extend(u32::try_from(page.bytes.len())?.to_le_bytes());
        file.extend(page.flags.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        place = place.max(at + page.bytes.len());
    }
    std::iter::once(&zero).chain(pages.iter().flatten()).for_each(|page| file.extend(&page.bytes));
    Ok(file)
}

/// Compares a compressed dump with what it was made of: each byte below `end`.
pub(super) fn compare(original: &Dump, compressed: &Dump, end: u64) -> Result<()> {
    let (mut expected, mut found) = (vec![0; PAGE], vec![0; PAGE]);
    for address in (0..end).step_by(PAGE).map(PhysicalAddress) {
        let expectation = original.read_physical(address, &mut expected);
        let same = match (expectation, compressed.read_physical(address, &mut found)) {
            (Ok(()), Ok(())) => expected == found,
            (Err(Error::NoMemory(_)), Err(Error::NoMemory(_))) => true,
            (_, Err(error)) => return Err(error.into()),
            _ => false,
        };
        if !same {
            bail!("the page at {:#x} is another one in the compressed dump", address.0);
        }
    }
    let text = |dump: &Dump| dump.vmcoreinfo().map(|info| info.text().to_owned());
    ensure!(text(original) == text(compressed), "VMCOREINFO of the compressed dump is another one");
    ensure!(original.notes() == compressed.notes(), "the notes of the compressed dump are others");
    Ok(())
}

/// A page as it is stored.
struct Page {
    bytes: Vec<u8>,
    flags: u32,
}

impl Page {
    /// Compresses a page; what does not shrink stays as it is.
    fn of(page: Vec<u8>) -> Result<Self> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&page)?;
        let bytes = encoder.finish()?;
        Ok(if bytes.len() < page.len() {
            Self { bytes, flags: ZLIB }
        } else {
            Self { bytes: page, flags: 0 }
        })
    }
}

/// The notes one after the other, and where among them VMCOREINFO's text is.
fn notes(notes: &[Note]) -> Result<(Vec<u8>, std::ops::Range<usize>)> {
    let mut bytes = Vec::new();
    let mut text = None;
    for note in notes {
        for word in [note.name.len() + 1, note.content.len(), note.kind as usize] {
            bytes.extend(u32::try_from(word)?.to_le_bytes());
        }
        bytes.extend(&note.name);
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        if note.name == b"VMCOREINFO" {
            text = Some(bytes.len()..bytes.len() + note.content.len());
        }
        bytes.extend(&note.content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok((bytes, text.context("no note of the dump is VMCOREINFO")?))
}

/// Bitmaps are whole blocks.
fn bitmap_bytes(frames: usize) -> usize {
    frames.div_ceil(8).next_multiple_of(PAGE)
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF core of two pieces of memory with a hole between them: a page that shrinks, a zero page; a page that does not.
    fn core() -> Vec<u8> {
        let mut noise = 1u32;
        let noise = (0..PAGE).map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        let info =
            b"OSRELEASE=6.12.0\nPAGESIZE=4096\nNUMBER(phys_base)=-4096\nNUMBER(pgtable_l5_enabled)=0\n";
        let registers = Note { name: b"CORE".to_vec(), kind: 1, content: vec![7; 336] };
        let described = Note { name: b"VMCOREINFO".to_vec(), kind: 0, content: info.to_vec() };
        let (notes, _) = notes(&[registers, described]).unwrap();
        let mut file = vec![0; PAGE];
        put(&mut file, 0, b"\x7fELF\x02\x01\x01");
        for (offset, half) in [(16, 4u16), (18, 62), (52, 64), (54, 56), (56, 3)] {
            put(&mut file, offset, &half.to_le_bytes());
        }
        put(&mut file, 32, &64u64.to_le_bytes());
        let segments = [(4u32, 512, 0, notes.len()), (1, PAGE, 0, 2 * PAGE), (1, 3 * PAGE, 4 * PAGE, PAGE)];
        for (index, (kind, offset, physical, size)) in segments.into_iter().enumerate() {
            let at = 64 + index * 56;
            put(&mut file, at, &kind.to_le_bytes());
            for (field, value) in [(8, offset), (24, physical), (32, size), (40, size)] {
                put(&mut file, at + field, &(value as u64).to_le_bytes());
            }
        }
        put(&mut file, 512, &notes);
        file.extend([5; PAGE]);
        file.extend([0; PAGE]);
        file.extend(noise);
        file
    }

    /// `struct new_utsname`.
    fn system() -> Vec<u8> {
        let mut system = vec![0; UTSNAME];
        for (field, name) in ["Linux", "node", "6.12.0", "#1 SMP", "x86_64", "(none)"].iter().enumerate() {
            put(&mut system, field * 65, name.as_bytes());
        }
        system
    }

    #[test]
    fn a_compressed_dump_has_what_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let (elf, kdump) = (folder.path().join("elf"), folder.path().join("kdump"));
        std::fs::write(&elf, core()).unwrap();
        let original = Dump::open(&[&elf]).unwrap();
        let end = 6 * PAGE as u64;
        let bytes = compressed(&original, &system(), end).unwrap();
        std::fs::write(&kdump, &bytes).unwrap();
        let dump = Dump::open(&[&kdump]).unwrap();
        compare(&original, &dump, end).unwrap();
        assert_eq!((dump.dump_level(), dump.machine()), (Some(1), Machine::X86_64));
        assert_eq!(dump.registers().count(), 1);
        assert_eq!(dump.vmcoreinfo().unwrap().release(), Some("6.12.0"));
        let mut page = vec![0; PAGE];
        dump.read_physical(PhysicalAddress(PAGE as u64), &mut page).unwrap();
        assert_eq!(page, [0; PAGE]);
        // One page as it is, one compressed to nearly nothing.
        assert!(bytes.len() > 5 * PAGE && bytes.len() < 6 * PAGE, "{}", bytes.len());
    }

    #[test]
    fn a_page_that_differs_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("elf"), core()).unwrap();
        let original = Dump::open(&[path("elf")]).unwrap();
        let end = 6 * PAGE as u64;
        let mut bytes = compressed(&original, &system(), end).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path("kdump"), &bytes).unwrap();
        let error = compare(&original, &Dump::open(&[path("kdump")]).unwrap(), end).unwrap_err();
        assert!(error.to_string().contains("0x4000"), "{error}");
    }
}
