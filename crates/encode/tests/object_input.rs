//! The ELF reader against readelf, objcopy and ld, on what compilers write.

mod toolchain;

use std::path::Path;

use btfkit_encode::object::{Object, SectionIndex, SymbolSection, elf};
use toolchain::{PrintedSection, PrintedSymbol, TARGETS};

fn sections(object: &Object) -> Vec<PrintedSection> {
    object
        .sections()
        .map(|section| PrintedSection {
            index: section.index.0,
            name: String::from_utf8_lossy(section.name).into_owned(),
            address: section.address,
            offset: section.offset,
            size: section.size,
            entry_size: section.entry_size,
            link: section.link,
            info: section.info,
            alignment: section.alignment,
        })
        .collect()
}

fn symbols(object: &Object) -> Vec<PrintedSymbol> {
    let names: Vec<_> = object.sections().map(|section| section.name).collect();
    object
        .symbols()
        .unwrap()
        .iter()
        .map(|symbol| {
            let section = match symbol.section {
                SymbolSection::Undefined => "UND".to_owned(),
                SymbolSection::Absolute => "ABS".to_owned(),
                SymbolSection::Common => "COM".to_owned(),
                SymbolSection::Index(SectionIndex(index)) => index.to_string(),
            };
            let mut name = symbol.name();
            if let (elf::STT_SECTION, b"", SymbolSection::Index(index)) = (symbol.kind, name, symbol.section)
            {
                name = names[index.0 as usize];
            }
            PrintedSymbol {
                value: symbol.value,
                size: symbol.size,
                kind: match symbol.kind {
                    elf::STT_NOTYPE => "NOTYPE",
                    elf::STT_OBJECT => "OBJECT",
                    elf::STT_FUNC => "FUNC",
                    elf::STT_SECTION => "SECTION",
                    elf::STT_FILE => "FILE",
                    elf::STT_TLS => "TLS",
                    _ => "?",
                }
                .to_owned(),
                binding: match symbol.binding {
                    elf::STB_LOCAL => "LOCAL",
                    elf::STB_GLOBAL => "GLOBAL",
                    elf::STB_WEAK => "WEAK",
                    _ => "?",
                }
                .to_owned(),
                visibility: match symbol.visibility {
                    elf::STV_DEFAULT => "DEFAULT",
                    elf::STV_HIDDEN => "HIDDEN",
                    _ => "?",
                }
                .to_owned(),
                section,
                name: String::from_utf8_lossy(name).into_owned(),
            }
        })
        .collect()
}

/// Every debug section as readelf relocates it; how many had relocations.
fn compare_relocated(file: &Path) -> usize {
    let object = Object::open(file).unwrap();
    let debug: Vec<u32> = object
        .sections()
        .filter(|section| section.name.starts_with(b".debug_") && section.size != 0)
        .map(|section| section.index.0)
        .collect();
    let dumped = toolchain::dumped_sections(file, "-R", &debug);
    let mut relocated = 0;
    for index in debug {
        let content = object.section_content(SectionIndex(index)).unwrap();
        let name = String::from_utf8_lossy(object.section(SectionIndex(index)).unwrap().name).into_owned();
        assert_eq!(content.bytes, dumped[&index], "{} {name}", file.display());
        assert_eq!(
            (content.counts.unknown, content.counts.out_of_bounds),
            (0, 0),
            "{} {name}",
            file.display()
        );
        relocated += usize::from(content.counts.applied > 0);
    }
    relocated
}

#[test]
fn sections_and_symbols_are_those_that_readelf_prints() {
    if !toolchain::have("clang") || !toolchain::have("readelf") {
        return;
    }
    let directory = toolchain::directory();
    for target in TARGETS {
        let file = toolchain::compile_for(target, directory.path(), &[]);
        let object = Object::open(&file).unwrap();
        assert!(object.is_relocatable());
        assert_eq!(sections(&object), toolchain::printed_sections(&file), "{target}");
        assert_eq!(symbols(&object), toolchain::printed_symbols(&file), "{target}");
    }
}

#[test]
fn debug_sections_of_every_machine_are_relocated_as_readelf_does_it() {
    if !toolchain::have("clang") || !toolchain::have("readelf") {
        return;
    }
    let directory = toolchain::directory();
    for target in TARGETS {
        for options in [&["-gdwarf-5"][..], &["-gdwarf-4"], &["-gdwarf-5", "-ffunction-sections"]] {
            let file = toolchain::compile_for(target, directory.path(), options);
            assert!(compare_relocated(&file) >= 2, "{target} {options:?}");
        }
    }
}

#[test]
fn gcc_objects_and_partial_links_are_relocated_as_readelf_does_it() {
    if !toolchain::have("gcc") || !toolchain::have("readelf") || !toolchain::have("ld") {
        return;
    }
    let directory = toolchain::directory();
    // readelf does not know thread-local relocations.
    let source = toolchain::SOURCE.replace("__thread", "");
    for options in [&["-g"][..], &["-g", "-gdwarf-4", "-O2"], &["-g", "-O2", "-fdebug-types-section"]] {
        let one = toolchain::compile(&source, "one.o", directory.path(), &[options, &["-c"]].concat());
        let other = source.replace("use(", "use_too(").replace("early", "late").replace("counter", "sum_of");
        let two = toolchain::compile(&other, "two.o", directory.path(), &[options, &["-c"]].concat());
        let both = directory.path().join("both.o");
        toolchain::run(
            "ld",
            &["-r", toolchain::path(&one), toolchain::path(&two), "-o", toolchain::path(&both)],
        );
        for file in [one, two, both] {
            assert!(compare_relocated(&file) >= 3, "{options:?}");
        }
    }
}

#[test]
fn a_foreign_linker_and_objcopy_make_files_that_read_alike() {
    let tools = ["clang", "readelf", "aarch64-linux-gnu-ld", "aarch64-linux-gnu-objcopy"];
    if !tools.into_iter().all(toolchain::have) {
        return;
    }
    let directory = toolchain::directory();
    for (target, emulation) in [("aarch64", "aarch64linux"), ("aarch64_be", "aarch64linuxb")] {
        let object = toolchain::compile_for(target, directory.path(), &["-gdwarf-5"]);
        let linked = directory.path().join("linked.o");
        let packed = directory.path().join("packed.o");
        toolchain::run(
            "aarch64-linux-gnu-ld",
            &["-r", "-m", emulation, toolchain::path(&object), "-o", toolchain::path(&linked)],
        );
        assert!(compare_relocated(&linked) >= 2, "{target}");
        toolchain::run(
            "aarch64-linux-gnu-objcopy",
            &["--compress-debug-sections=zlib", toolchain::path(&linked), toolchain::path(&packed)],
        );
        let (linked, packed) = (Object::open(&linked).unwrap(), Object::open(&packed).unwrap());
        for section in linked.sections().filter(|section| section.debug_name().is_some()) {
            let other = packed.section_by_name(section.name).unwrap();
            assert_eq!(
                packed.section_data(other.index).unwrap(),
                linked.section_data(section.index).unwrap(),
                "{target} {}",
                section.name.escape_ascii()
            );
        }
    }
}

#[test]
fn objects_may_be_shared_between_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Object>();
}

#[test]
fn a_relocated_address_knows_its_section() {
    if !toolchain::have("gcc") {
        return;
    }
    let directory = toolchain::directory();
    let file = toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-O1", "-c"]);
    let object = Object::open(&file).unwrap();
    let content = object.section_content(object.debug_section("info").unwrap().index).unwrap();
    let mut names: Vec<&[u8]> = content
        .targets
        .iter()
        .filter_map(|target| {
            assert_eq!(content.targets.get(target.offset), Some(target));
            match target.section {
                SymbolSection::Index(index) => Some(object.section(index).unwrap().name),
                _ => None,
            }
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in [&b".init.text"[..], b".text", b".bss"] {
        assert!(names.contains(&name), "{}", name.escape_ascii());
    }
    assert!(!names.iter().any(|name| name.starts_with(b".debug")));
    assert_eq!(content.targets.get(0), None);
}

#[test]
fn the_relocations_that_a_linked_file_keeps_are_not_applied_again() {
    if !toolchain::have("gcc") || !toolchain::have("readelf") {
        return;
    }
    let directory = toolchain::directory();
    let source = format!(
        "{} int other(struct item *i) {{ return i->small; }} int main(void) {{ return use(1); }}",
        toolchain::SOURCE
    );
    let file = toolchain::compile(&source, "program", directory.path(), &["-g", "-Wl,--emit-relocs"]);
    let object = Object::open(&file).unwrap();
    assert!(object.section_by_name(".rela.debug_info").is_some());
    let info = object.debug_section("info").unwrap().index;
    let content = object.section_content(info).unwrap();
    assert_eq!(content.bytes, toolchain::dumped_sections(&file, "-x", &[info.0])[&info.0]);
    assert!(content.targets.is_empty());
}

#[test]
fn compressed_debug_sections_are_those_of_the_uncompressed_file() {
    if !toolchain::have("gcc") || !toolchain::have("objcopy") || !toolchain::have("clang") {
        return;
    }
    let directory = toolchain::directory();
    let mut plain = vec![toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-c"])];
    // Repeated names make sections that are worth compressing.
    let long: String =
        (0..400).map(|i| format!("struct long_name_{i} {{ int member_{i}; }} variable_{i};\n")).collect();
    plain.push(toolchain::compile(&long, "long.o", directory.path(), &["-g", "-c"]));
    plain.push(toolchain::compile_for("s390x", directory.path(), &[]));
    plain.push(toolchain::compile_for("powerpc", directory.path(), &[]));
    let native = 2;
    for (number, plain) in plain.iter().enumerate() {
        for format in ["zlib", "zlib-gabi", "zlib-gnu", "zstd"] {
            // llvm-objcopy knows foreign machines, but fewer formats.
            let program = if number < native { "objcopy" } else { "llvm-objcopy" };
            if !toolchain::have(program) || number >= native && format != "zlib" {
                continue;
            }
            let packed = directory.path().join("packed.o");
            let option = format!("--compress-debug-sections={format}");
            toolchain::run(program, &[&option, toolchain::path(plain), toolchain::path(&packed)]);
            let (plain, packed) = (Object::open(plain).unwrap(), Object::open(&packed).unwrap());
            assert!(packed.sections().any(|section| section.is_compressed()), "{format} {number}");
            for name in ["info", "abbrev", "line", "str", "line_str", "aranges"] {
                let Some(section) = plain.debug_section(name) else { continue };
                let bytes = plain.section_data(section.index).unwrap();
                let section = packed.debug_section(name).unwrap();
                assert_eq!(packed.section_data(section.index).unwrap(), bytes, "{format} {name} {number}");
            }
        }
    }
}

#[test]
fn identity_notes_and_links_are_found() {
    if !toolchain::have("gcc") || !toolchain::have("objcopy") {
        return;
    }
    let directory = toolchain::directory();
    let id = "-Wl,--build-id=0x0123456789abcdef0011223344556677";
    let file = toolchain::compile("int main(void) { return 0; }", "program", directory.path(), &["-g", id]);
    let expected =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
    let object = Object::open(&file).unwrap();
    assert_eq!(object.build_id(), Some(&expected[..]));
    assert_eq!((object.address_size(), object.is_big_endian(), object.machine()), (8, false, elf::EM_X86_64));
    assert_eq!((object.debug_link(), object.link_time_optimised()), (None, None));

    let stripped = directory.path().join("stripped");
    let debug = directory.path().join("program.debug");
    toolchain::run("objcopy", &["--only-keep-debug", toolchain::path(&file), toolchain::path(&debug)]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    toolchain::run("objcopy", &["--strip-debug", &link, toolchain::path(&file), toolchain::path(&stripped)]);
    let object = Object::open(&stripped).unwrap();
    assert_eq!(object.debug_link().unwrap().name, b"program.debug");
    // .text of the debug file has no content: reading it is no error.
    let debug = Object::open(&debug).unwrap();
    let text = debug.section_by_name(".text").unwrap();
    assert!(!text.has_content());
    assert!(debug.section_data(text.index).unwrap().is_empty());

    let note = r#"__asm__(".section .note.Linux,\"a\",@note; .long 6, 4, 0x101; .asciz \"Linux\"; .balign 4; .long 1");"#;
    let file = toolchain::compile(note, "note.o", directory.path(), &["-c"]);
    assert_eq!(Object::open(&file).unwrap().link_time_optimised(), Some(true));
}
