//! What the section writer makes, as readelf, objcopy, ld and the system see it.

mod toolchain;

use std::fmt::Write;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfkit_encode::object::{Object, Section, SymbolSection, elf};
use btfkit_encode::section_writer::{NewSection, put_sections, with_sections};
use toolchain::{TARGETS, path, run};

fn btf(bytes: &[u8]) -> NewSection<'_> {
    NewSection { name: ".BTF", bytes, alignment: 8 }
}

fn base(bytes: &[u8]) -> NewSection<'_> {
    NewSection { name: ".BTF.base", bytes, alignment: 4 }
}

/// Bytes in which no piece is like another.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_le_bytes()).take(size).collect()
}

/// Puts sections and checks that nothing else has changed: every old section has its number, its header and its
/// bytes; what is loaded has its offset too; readelf and the reader agree and have nothing to complain about.
fn put_and_check(input: &Path, sections: &[NewSection<'_>], output: &Path) {
    let object = Object::open(input).unwrap();
    let before = fs::read(input).unwrap();
    let old = Object::from_bytes(input, before).unwrap();
    put_sections(&object, sections, output).unwrap();
    drop(object);

    let new = Object::open(output).unwrap();
    for option in ["-h", "-S", "-l", "-n"] {
        toolchain::readelf(option, output);
    }
    assert_eq!(toolchain::printed_symbols(output), {
        let copy = output.with_extension("before");
        fs::write(&copy, old.bytes()).unwrap();
        let symbols = toolchain::printed_symbols(&copy);
        fs::remove_file(copy).unwrap();
        symbols
    });
    assert_eq!(old.segments().unwrap(), new.segments().unwrap());
    for section in old.sections() {
        let after = new.section(section.index).unwrap();
        if sections.iter().any(|new| new.name.as_bytes() == section.name) {
            continue;
        }
        let is_names = section.kind == elf::SHT_STRTAB && section.offset != after.offset;
        let old_bytes = old.raw_section_data(section.index).unwrap();
        let new_bytes = new.raw_section_data(section.index).unwrap();
        if is_names {
            assert!(new_bytes.starts_with(old_bytes));
            assert_eq!(Section { offset: section.offset, size: section.size, ..after }, section);
        } else if section.index.0 != 0 {
            assert_eq!(after, section, "{}", input.display());
            assert_eq!(new_bytes, old_bytes, "{}", section.name.escape_ascii());
        }
    }
    for section in sections {
        let written = new.section_by_name(section.name).unwrap();
        assert_eq!(new.section_data(written.index).unwrap(), section.bytes);
        assert!(written.is_allocated() || written.offset.is_multiple_of(section.alignment));
        let dumped = toolchain::dumped_sections(output, "-x", &[written.index.0]);
        assert_eq!(dumped[&written.index.0], section.bytes);
    }
}

fn have_all() -> bool {
    ["gcc", "clang", "readelf", "objcopy", "ld"].into_iter().all(toolchain::have)
}

#[test]
fn sections_are_added_to_objects_of_every_machine() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let (first, second) = (content(4321), content(777));
    for target in TARGETS {
        let input = toolchain::compile_for(target, directory.path(), &[]);
        let output = directory.path().join("out.o");
        put_and_check(&input, &[btf(&first), base(&second)], &output);
        let object = Object::open(&output).unwrap();
        assert_eq!(object.sections().len(), Object::open(&input).unwrap().sections().len() + 2);
        let section = object.section_by_name(".BTF").unwrap();
        assert_eq!(
            (section.kind, section.flags, section.address),
            (elf::SHT_PROGBITS, elf::SectionFlags(0), 0)
        );
        drop(object);
        fs::remove_file(&output).unwrap();
    }
}

#[test]
fn writing_again_in_place_does_not_add_up() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let file = toolchain::compile(toolchain::SOURCE, "module.ko", directory.path(), &["-g", "-c"]);
    let start = fs::metadata(&file).unwrap().len();
    let (small, large) = (content(3000), content(9000));
    put_and_check(&file, &[btf(&small), base(&small)], &file);
    let once = fs::read(&file).unwrap();
    assert!((once.len() as u64) < start + 6000 + 300);
    put_and_check(&file, &[btf(&small), base(&small)], &file);
    assert_eq!(fs::read(&file).unwrap(), once);
    for bytes in [&large, &small, &large, &small] {
        put_and_check(&file, &[btf(bytes), base(&small)], &file);
        let size = fs::metadata(&file).unwrap().len();
        assert!(size <= once.len() as u64 + (bytes.len() - small.len()) as u64 + 16, "{size}");
    }
    assert_eq!(fs::read(&file).unwrap(), once);
    // One of the two alone.
    for _ in 0..3 {
        put_and_check(&file, &[btf(&content(2999))], &file);
        put_and_check(&file, &[base(&content(2998))], &file);
    }
    assert_eq!(fs::metadata(&file).unwrap().len(), once.len() as u64);
}

#[test]
fn a_section_in_the_middle_is_replaced_where_it_is_if_it_fits() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let source = format!(
        "{}__asm__(\".section .BTF,\\\"\\\",@progbits; .p2align 3; .fill 4000,1,7; .text\");",
        toolchain::SOURCE
    );
    let input = toolchain::compile(&source, "object.o", directory.path(), &["-g", "-c"]);
    let output = directory.path().join("out.o");
    put_and_check(&input, &[btf(&content(100))], &output);
    assert_eq!(fs::metadata(&input).unwrap().len(), fs::metadata(&output).unwrap().len());
    put_and_check(&input, &[btf(&content(5000))], &output);
    assert!(fs::metadata(&output).unwrap().len() < fs::metadata(&input).unwrap().len() + 5100);
}

#[test]
fn a_program_with_a_new_section_still_runs_and_links() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let source = "#include <stdio.h>\nint main(void) { return printf(\"works\") - 5; }";
    for options in [&["-g"][..], &["-g", "-no-pie"], &["-s"], &["-static"]] {
        let program = toolchain::compile(source, "program", directory.path(), options);
        put_and_check(&program, &[btf(&content(123_457))], &program);
        assert_eq!(run(path(&program), &[]), "works");
        // Other tools can go on from there.
        let dump = directory.path().join("dump");
        let option = format!("--dump-section=.BTF={}", dump.display());
        let copy = directory.path().join("copy");
        run("objcopy", &[&option, path(&program), path(&copy)]);
        assert_eq!(fs::read(dump).unwrap(), content(123_457));
        run("strip", &[path(&program)]);
        assert_eq!(run(path(&program), &[]), "works");
    }
    let object = toolchain::compile(source, "part.o", directory.path(), &["-g", "-c"]);
    put_and_check(&object, &[btf(&content(1000))], &object);
    let program = directory.path().join("linked");
    run("gcc", &[path(&object), "-o", path(&program)]);
    assert_eq!(run(path(&program), &[]), "works");
    let linked = Object::open(&program).unwrap();
    assert_eq!(linked.section_data(linked.section_by_name(".BTF").unwrap().index).unwrap(), content(1000));
}

#[test]
fn a_loaded_section_takes_only_content_of_its_size() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let source = "__asm__(\".section .BTF,\\\"a\\\"; .fill 64,1,7; .text\"); int main(void) { return 0; }";
    let program = toolchain::compile(source, "program", directory.path(), &[]);
    put_and_check(&program, &[btf(&content(64))], &program);
    assert_eq!(run(path(&program), &[]), "");
    let before = fs::read(&program).unwrap();
    let object = Object::open(&program).unwrap();
    for size in [63, 65] {
        let error = put_sections(&object, &[btf(&content(size))], &program).unwrap_err().to_string();
        assert!(error.contains("64 bytes") && error.contains(".BTF at offset 0x"), "{error}");
    }
    assert_eq!(fs::read(&program).unwrap(), before);
    // In an object it is not loaded yet.
    let object = toolchain::compile(source, "object.o", directory.path(), &["-c"]);
    put_and_check(&object, &[btf(&content(65))], &object);
}

/// An object of so many sections, each with a symbol.
fn many_sections(directory: &Path, count: u32) -> PathBuf {
    let mut source = String::new();
    for i in 0..count {
        writeln!(
            source,
            ".section .data.s{i},\"aw\"\n.globl v{i}\n.type v{i},@object\n.size v{i},4\nv{i}: .long {i}"
        )
        .unwrap();
    }
    let file = directory.join("many.s");
    fs::write(&file, source).unwrap();
    let object = directory.join("many.o");
    run("as", &[path(&file), "-o", path(&object)]);
    object
}

#[test]
fn files_of_more_sections_than_sixteen_bits_count() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    // What the assembler adds: the null section, .text, .data, .bss, .symtab, .strtab, .shstrtab and, past the
    // limit, .symtab_shndx.
    for (count, sections) in [(0xff00 - 9, 0xfefe), (0xff00 - 8, 0xfeff), (65_600, 65_608)] {
        let input = many_sections(directory.path(), count);
        let object = Object::open(&input).unwrap();
        assert_eq!(object.sections().len(), sections);
        let symbols = object.symbols().unwrap();
        let last =
            symbols.iter().find(|symbol| symbol.name() == format!("v{}", count - 1).as_bytes()).unwrap();
        let SymbolSection::Index(index) = last.section else { panic!("{last:?}") };
        assert_eq!(object.section(index).unwrap().name, format!(".data.s{}", count - 1).as_bytes());
        assert_eq!(object.section_data(index).unwrap(), &(count - 1).to_le_bytes()[..]);

        let output = directory.path().join("out.o");
        put_and_check(&input, &[btf(&content(500)), base(&content(50))], &output);
        assert_eq!(Object::open(&output).unwrap().sections().len(), sections + 2);
        put_and_check(&output, &[btf(&content(600)), base(&content(50))], &output);
        let linked = directory.path().join("linked");
        run("ld", &["-r", path(&output), "-o", path(&linked)]);
    }
}

#[test]
fn a_file_without_section_headers_gets_some() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let program =
        toolchain::compile("int main(void) { return 0; }", "program", directory.path(), &["-g", "-static"]);
    let mut bytes = fs::read(&program).unwrap();
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    fs::write(&program, bytes).unwrap();
    assert_eq!(Object::open(&program).unwrap().sections().len(), 0);
    assert!(Object::open(&program).unwrap().build_id().is_some());
    put_and_check(&program, &[btf(&content(10))], &program);
    assert_eq!(run(path(&program), &[]), "");
    assert_eq!(Object::open(&program).unwrap().sections().len(), 3);
}

#[test]
fn a_pipe_gets_the_same_bytes_as_a_file() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let input = toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-c"]);
    let output = directory.path().join("out.o");
    let bytes = content(4000);
    put_and_check(&input, &[btf(&bytes)], &output);
    let expected = fs::read(&output).unwrap();
    let again = content(3000);
    for (object, bytes) in [(&input, &bytes), (&output, &again)] {
        let object = Object::open(object).unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        put_sections(&object, &[btf(bytes)], &pipe).unwrap();
        let read = reader.join().unwrap();
        assert!(read == with_sections(&object, &[btf(bytes)]).unwrap());
        assert_eq!(read == expected, bytes.len() == 4000);
        fs::remove_file(pipe).unwrap();
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let object = toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-c"]);
    let mut signed = fs::read(&object).unwrap();
    signed.extend(b"signature~Module signature appended~\n");
    let signed = Object::from_bytes("signed.ko", signed).unwrap();
    let refuse = |object: &Object, sections: &[NewSection<'_>], reason: &str| {
        let error = with_sections(object, sections).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refuse(&signed, &[btf(b"x")], "signed");
    let object = Object::open(&object).unwrap();
    refuse(&object, &[btf(b"x"), btf(b"y")], "twice");
    let info = NewSection { name: ".debug_info", bytes: b"x", alignment: 1 };
    refuse(&object, &[info], "relocations");
}

#[test]
fn permissions_are_those_of_the_input() {
    use std::os::unix::fs::PermissionsExt;
    if !have_all() {
        return;
    }
    let directory = toolchain::directory();
    let input = toolchain::compile("int main(void) { return 0; }", "program", directory.path(), &[]);
    fs::set_permissions(&input, fs::Permissions::from_mode(0o751)).unwrap();
    let output = directory.path().join("out");
    put_and_check(&input, &[btf(&content(10))], &output);
    assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o751);
}

#[test]
fn standard_output_is_written_where_it_stands() {
    if !have_all() {
        return;
    }
    // The test runs itself with its output going to a file, after something else.
    if let Ok(input) = std::env::var("BTFKIT_TEST_STANDARD_OUTPUT") {
        put_sections(&Object::open(input).unwrap(), &[btf(b"content")], "/dev/stdout").unwrap();
        return;
    }
    let directory = toolchain::directory();
    let input = toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-c"]);
    let output = directory.path().join("output");
    fs::write(&output, "before").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "standard_output_is_written_where_it_stands", "--nocapture"]);
    command.env("BTFKIT_TEST_STANDARD_OUTPUT", &input);
    let appended = fs::OpenOptions::new().append(true).open(&output).unwrap();
    assert!(command.stdout(appended).status().unwrap().success());
    let written = fs::read(&output).unwrap();
    let expected = with_sections(&Object::open(&input).unwrap(), &[btf(b"content")]).unwrap();
    assert!(written.starts_with(b"before"));
    assert!(written.windows(expected.len()).any(|window| window == expected));
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_file_whole() {
    if !have_all() {
        return;
    }
    // The test runs itself under a limit of file size that kills it half-way.
    if let Ok(file) = std::env::var("BTFKIT_TEST_KILLED") {
        put_sections(&Object::open(&file).unwrap(), &[btf(&content(1 << 20))], &file).unwrap();
        return;
    }
    let directory = toolchain::directory();
    let file = toolchain::compile(toolchain::SOURCE, "object.o", directory.path(), &["-g", "-c"]);
    let before = fs::read(&file).unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -c 0; ulimit -f 64; exec \"$0\" --exact a_writer_that_is_killed_leaves_the_old_file_whole",
    ]);
    command.arg(std::env::current_exe().unwrap()).env("BTFKIT_TEST_KILLED", &file);
    // The system's answer to a file that grows beyond the limit is a signal.
    assert!(command.output().unwrap().status.signal().is_some());
    assert_eq!(fs::read(&file).unwrap(), before);
}
