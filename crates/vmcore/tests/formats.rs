//! Each container gives the same memory, and the same reasons where there is none.

mod container;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use btfkit_vmcore::{Dump, Error, FormatKind, Memory, Origin, PhysicalAddress, VirtualAddress};
use container::*;

const KERNEL: u64 = 0xffff_ffff_8000_0000;

fn physical(dump: &Dump, address: usize, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    dump.read_physical(PhysicalAddress(address as u64), &mut bytes).map(|()| bytes)
}

/// What holds of every dump of [`machine`].
fn check(dump: Dump, frames: &[Frame], label: &str) {
    for number in [0, 1, 3, 7] {
        assert_eq!(physical(&dump, number * PAGE, PAGE), Ok(page(frames, number)), "{label} {number}");
    }
    assert_eq!(physical(&dump, PAGE + 100, 24).unwrap(), page(frames, 1)[100..124], "{label}");
    assert_eq!(physical(&dump, 2 * PAGE, 8), Err(Error::Excluded(PhysicalAddress(0x2000))), "{label}");
    assert!(
        matches!(physical(&dump, PAGE + 4090, 8), Err(Error::Excluded(_))),
        "{label}: a read into an excluded page"
    );
    assert_eq!(physical(&dump, 9 * PAGE, 8), Err(Error::NoMemory(PhysicalAddress(0x9000))), "{label}");
    assert!(matches!(physical(&dump, usize::MAX - 7, 16), Err(Error::NoMemory(_))), "{label}");
    assert_eq!(dump.vmcoreinfo().and_then(|info| info.release()), Some("6.12.0-test"), "{label}");

    let memory = Memory::new(dump);
    let virtual_page = |number: u64, length| memory.bytes(VirtualAddress(KERNEL + number * 4096), length);
    assert_eq!(virtual_page(0, PAGE), Ok(page(frames, 1)), "{label}");
    assert_eq!(virtual_page(1, 8), Err(Error::Excluded(PhysicalAddress(0x2000))), "{label}");
    assert_eq!(virtual_page(2, 8), Err(Error::NoMemory(PhysicalAddress(0x10000))), "{label}");
    assert_eq!(virtual_page(4, 8), Err(Error::NotMapped(VirtualAddress(KERNEL + 0x4000))), "{label}");
    assert_eq!(memory.c_string(VirtualAddress(KERNEL + 0x3000), 100), Ok(Vec::new()), "{label}");
    let mapped: Vec<_> = memory.mapped(0..u64::MAX).map(|piece| piece.start..piece.end).collect();
    let entries = [0, 1, 2, 3, 7].map(|number| KERNEL + number * 4096);
    assert_eq!(mapped, entries.map(|start| start..start + 4096), "{label}: what page tables map");
    let part = memory.mapped(KERNEL + 0x1ff8..KERNEL + 0x2010).collect::<Vec<_>>();
    assert_eq!(part, [KERNEL + 0x1ff8..KERNEL + 0x2000, KERNEL + 0x2000..KERNEL + 0x2010], "{label}");
    let huge = memory.bytes(VirtualAddress(KERNEL), 1 << 60);
    assert!(matches!(huge, Err(error) if error.is_about_memory()), "{label}: an absurd length");
}

fn notes() -> Vec<u8> {
    let mut prstatus = vec![0; 336];
    prstatus[32..36].copy_from_slice(&77u32.to_le_bytes());
    prstatus[112 + 16 * 8..112 + 17 * 8].copy_from_slice(&0xffff_ffff_8100_1234u64.to_le_bytes());
    [note("CORE", 1, &prstatus), note("VMCOREINFO", 0, INFO.as_bytes())].concat()
}

#[test]
fn elf_cores_with_few_and_with_very_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(false);
    for many in [false, true] {
        let path = write(folder.path(), "elf", &elf(&frames, &notes(), many));
        let dump = Dump::open(&[&path]).unwrap();
        assert_eq!(dump.format().kind, FormatKind::Elf);
        let registers: Vec<_> = dump.registers().collect();
        assert_eq!((registers[0].pid, registers[0].registers[16]), (77, 0xffff_ffff_8100_1234));
        check(dump, &frames, &format!("ELF, many: {many}"));
    }
}

#[test]
fn nothing_is_read_while_an_interrupt_is_wanted() {
    let flag = Arc::new(AtomicBool::new(false));
    let dump = Dump::from_bytes("elf", elf(&machine(false), &notes(), false)).unwrap();
    let memory = Memory::new(dump).interrupted_by(flag.clone());
    let read = || memory.u64(VirtualAddress(KERNEL));
    let pieces = || memory.mapped(0..u64::MAX).count();
    assert_eq!((read().is_ok(), pieces()), (true, 5));
    flag.store(true, Ordering::Relaxed);
    assert_eq!((read(), pieces()), (Err(Error::Interrupted), 0));
    flag.store(false, Ordering::Relaxed);
    assert!(read().is_ok());
}

#[test]
fn kdump_compressed_in_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(false);
    for compression in Compression::ALL {
        let path = write(folder.path(), "kdump", &kdump(&frames, &notes(), compression, None));
        let dump = Dump::open(&[&path]).unwrap();
        assert_eq!(dump.format().kind, FormatKind::Kdump);
        assert_eq!(dump.vmcoreinfo().unwrap().origin, Origin::SubHeader);
        assert_eq!(dump.registers().count(), 1);
        check(dump, &frames, &format!("{compression:?}"));
    }
}

#[test]
fn flattened_files_of_either_container() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(false);
    let contents = [elf(&frames, &notes(), false), kdump(&frames, &notes(), Compression::Zlib, None)];
    for (content, piece) in contents.iter().flat_map(|content| [(content, 100), (content, 4096)]) {
        let path = write(folder.path(), "flat", &flattened(content, piece));
        let dump = Dump::open(&[&path]).unwrap();
        assert!(dump.format().flattened);
        check(dump, &frames, &format!("flattened in pieces of {piece}"));
    }
}

#[test]
fn split_sets_in_any_order_and_with_a_part_missing() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(false);
    let paths: Vec<_> = [0..2, 2..5, 5..frames.len()]
        .into_iter()
        .enumerate()
        .map(|(index, part)| {
            let bytes = kdump(&frames, &notes(), Compression::Snappy, Some(part));
            write(folder.path(), &format!("part{index}"), &bytes)
        })
        .collect();
    let dump = Dump::open(&[&paths[2], &paths[0], &paths[1]]).unwrap();
    assert_eq!((dump.format().files, dump.format().incomplete), (3, None));
    check(dump, &frames, "split");
    let dump = Dump::open(&paths[..2]).unwrap();
    assert!(dump.format().incomplete.is_some());
    assert_eq!(physical(&dump, 7 * PAGE, 8), Err(Error::BeyondFile(PhysicalAddress(0x7000))));
    assert_eq!(physical(&dump, 0, PAGE), Ok(page(&frames, 0)));
    assert!(matches!(Dump::open(&[&paths[0], &paths[0]]), Err(Error::NotOneSet { .. })));
}

#[test]
fn vmcoreinfo_is_found_in_memory_when_no_note_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(true);
    let raw: Vec<u8> = frames[..8]
        .iter()
        .flat_map(|frame| if let Frame::Page(page) = frame { page.clone() } else { vec![0; PAGE] })
        .collect();
    let files = [
        ("elf", elf(&frames, &[], false)),
        ("kdump", kdump(&frames, &[], Compression::Lzo, None)),
        ("raw", raw),
    ];
    for (name, bytes) in files {
        let path = write(folder.path(), name, &bytes);
        let dump = Dump::open(&[&path]).unwrap();
        assert_eq!(dump.vmcoreinfo().unwrap().origin, Origin::Memory(PhysicalAddress(0x7000)), "{name}");
        let memory = Memory::new(dump);
        assert_eq!(memory.bytes(VirtualAddress(KERNEL), PAGE), Ok(page(&frames, 1)), "{name}");
    }
}

#[test]
fn a_file_that_breaks_off_says_so_where_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(false);
    let contents = [elf(&frames, &notes(), false), kdump(&frames, &notes(), Compression::None, None)];
    for content in contents {
        let path = write(folder.path(), "cut", &content[..content.len() - 600]);
        let dump = Dump::open(&[&path]).unwrap();
        assert_eq!(physical(&dump, 0, PAGE), Ok(page(&frames, 0)));
        assert!(matches!(physical(&dump, 7 * PAGE, PAGE), Err(Error::BeyondFile(_))));
    }
}

#[test]
fn files_that_are_no_dumps_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = elf(&machine(false), &notes(), false);
    program[16] = 2;
    for (name, bytes) in [("empty", Vec::new()), ("text", b"hello\n".repeat(5000)), ("program", program)] {
        let path = write(folder.path(), name, &bytes);
        let error = Dump::open(&[&path]).unwrap_err();
        assert!(matches!(error, Error::NotADump { .. }), "{error}");
        assert!(!error.to_string().contains('\n') && error.to_string().contains(name), "{error}");
    }
    assert!(matches!(Dump::open(&[folder.path().join("absent")]), Err(Error::Io { .. })));
    assert!(matches!(Dump::open(&[folder.path()]), Err(Error::NotADump { .. })));
}

/// Every byte of the headers set to hostile values, and every length: nothing panics, hangs or takes memory.
#[test]
fn damaged_dumps_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let frames = machine(true);
    let contents = [
        elf(&frames, &notes(), false),
        kdump(&frames, &notes(), Compression::Zlib, None),
        kdump(&frames, &notes(), Compression::Zstd, Some(2..8)),
        flattened(&kdump(&frames, &notes(), Compression::Lzo, None), 700),
    ];
    for (kind, content) in contents.into_iter().enumerate() {
        let ask = |bytes: &[u8]| {
            let path = write(folder.path(), "damaged", bytes);
            let Ok(dump) = Dump::open(&[&path]) else { return };
            for frame in 0..10 {
                let _ = physical(&dump, frame * PAGE, 64);
            }
            let _ = (physical(&dump, usize::MAX & !0xfff, 8), dump.format(), dump.registers().count());
            let memory = Memory::new(dump);
            let _ =
                (memory.u64(VirtualAddress(KERNEL)), memory.c_string(VirtualAddress(KERNEL + 0x7000), 5000));
        };
        for length in (0..content.len()).step_by(content.len() / 30) {
            ask(&content[..length]);
        }
        // Where the structure is: the first blocks, and the descriptors behind the bitmaps.
        let places = (0..464)
            .chain(4096..4112 + 1000)
            .chain(5 * PAGE..5 * PAGE + 200)
            .chain(16..content.len())
            .skip(1)
            .step_by(3)
            .take(500);
        for (index, at) in places.enumerate().filter(|(_, at)| *at < content.len()) {
            let mut broken = content.clone();
            broken[at] = [0xff, 0x00, 0x7f, 0x80, broken[at] ^ 1][(index + kind) % 5];
            ask(&broken);
            if at % 4 == 0 && at + 8 <= broken.len() {
                broken[at..at + 8].fill(0xff);
                ask(&broken);
            }
        }
    }
}
