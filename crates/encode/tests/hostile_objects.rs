//! Broken files: nothing panics, loops, or takes memory out of proportion.

mod toolchain;

use btfkit_encode::object::companion::Companions;
use btfkit_encode::object::package::Package;
use btfkit_encode::object::{Object, SectionIndex};
use btfkit_encode::section_writer::{NewSection, with_sections};

/// Asks for everything that there is.
fn exercise(bytes: Vec<u8>) -> usize {
    let size = bytes.len();
    let object = match Object::from_bytes("/nonexistent/broken", bytes) {
        Ok(object) => object,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return 0;
        }
    };
    let mut reached = 0;
    for section in object.sections() {
        reached += section.name.len();
        if let Ok(content) = object.section_content(section.index) {
            assert!(content.bytes.len() <= size * 4096);
            for target in content.targets.iter() {
                reached += usize::from(content.targets.get(target.offset).is_some());
            }
        }
    }
    assert!(object.section(SectionIndex(u32::MAX)).is_err());
    if let Ok(symbols) = object.symbols() {
        reached += symbols.iter().map(|symbol| symbol.name().len()).sum::<usize>();
    }
    let _ = (object.build_id(), object.link_time_optimised(), object.segments());
    let companions = Companions::new(vec!["/nonexistent".into()]);
    let _ = (companions.debug_file(&object), companions.alternate_file(&object));
    if let Ok(package) = Package::new(&object) {
        let _ = (package.unit(1), package.counts());
    }
    let sections = [
        NewSection { name: ".BTF", bytes: &[1; 100], alignment: 8 },
        NewSection { name: ".comment", bytes: &[2; 3], alignment: 1 },
    ];
    for sections in [&sections[..], &sections[..1], &sections[1..]] {
        if let Ok(written) = with_sections(&object, sections) {
            assert!(written.len() <= size * 2 + 0x20000);
        }
    }
    reached
}

/// Files of several kinds, small.
fn files() -> Vec<Vec<u8>> {
    let directory = toolchain::directory();
    let mut files = Vec::new();
    for target in ["x86_64", "powerpc", "riscv64", "mips64el"] {
        files.push(std::fs::read(toolchain::compile_for(target, directory.path(), &[])).unwrap());
    }
    for format in ["zlib", "zlib-gnu", "zstd"] {
        let long: String =
            (0..40).map(|i| format!("struct long_name_{i} {{ int member_{i}; }} variable_{i};\n")).collect();
        let object = toolchain::compile(&long, "long.o", directory.path(), &["-g", "-c"]);
        let packed = directory.path().join("packed.o");
        let option = format!("--compress-debug-sections={format}");
        toolchain::run("objcopy", &[&option, toolchain::path(&object), toolchain::path(&packed)]);
        files.push(std::fs::read(packed).unwrap());
    }
    let program = toolchain::compile("int main(void) { return 0; }", "program", directory.path(), &["-g"]);
    files.push(std::fs::read(program).unwrap());
    files
}

fn have_all() -> bool {
    ["gcc", "clang", "objcopy"].into_iter().all(toolchain::have)
}

/// A sequence of numbers that is the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn truncated_files_are_errors() {
    if !have_all() {
        return;
    }
    for bytes in files() {
        assert!(exercise(bytes.clone()) > 0);
        for cut in 0..1000 {
            exercise(bytes[..bytes.len() * cut / 1000].to_vec());
        }
    }
}

#[test]
fn flipped_bytes_are_survived() {
    if !have_all() {
        return;
    }
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for bytes in files() {
        let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
        for round in 0..1500 {
            let mut broken = bytes.clone();
            for _ in 0..1 + numbers.next(8) {
                // The header and the tables at the end are where a change reaches far.
                let position = match round % 3 {
                    0 => numbers.next(64),
                    1 => table.min(bytes.len() - 1) + numbers.next(bytes.len().saturating_sub(table).max(1)),
                    _ => numbers.next(bytes.len()),
                };
                let position = position.min(bytes.len() - 1);
                broken[position] = match numbers.next(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => broken[position] ^ (1 << numbers.next(8)),
                    _ => numbers.next(256) as u8,
                };
            }
            exercise(broken);
        }
    }
}

#[test]
fn files_that_are_not_for_us_say_what_they_are() {
    let error = |bytes: &[u8]| Object::from_bytes("input", bytes.to_vec()).unwrap_err().to_string();
    assert_eq!(error(b""), "input: not an ELF file");
    assert_eq!(error(b"#!/bin/sh\nexit 0\n"), "input: not an ELF file");
    let mut core = [0; 64];
    core[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    assert_eq!(
        error(&core),
        "input: ELF type is none of relocatable, executable and shared object (at offset 0x10)"
    );
    core[16] = 4;
    assert!(error(&core).starts_with("input: a core dump; "));
    assert!(
        error(&core[..40]).contains("ELF header at offset 0x0 needs 0x40 bytes, but the file ends at 0x28")
    );
    let missing = Object::open("/nonexistent").unwrap_err().to_string();
    assert!(missing.starts_with("/nonexistent: cannot open: "), "{missing}");
}
