//! `btfkit debug`, on the dump that the demo carries: a Linux 6.12 that init crashed through sysrq.

use super::{btfkit, finish, path, program};

/// The dump that the demo carries.
fn dump() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/demo/crash.kdump")
}

fn debug(arguments: &[&str]) -> super::Run {
    btfkit(&[&["debug", dump()], arguments].concat())
}

/// Writes an ELF core of one segment: where the kernel has it mapped, what it begins with, and how many bytes it has in all; the
/// others are zero.
pub(super) fn write_core(file: &std::path::Path, address: u64, content: &[u8], size: u64) {
    const HEADERS: u64 = 64 + 56;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // A core of x86_64, with a program header behind this one.
    bytes.extend([4u16, 62].map(u16::to_le_bytes).concat());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0u64, 64, 0].map(u64::to_le_bytes).concat());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
    // PT_LOAD, at no physical address.
    bytes.extend([1u32, 7].map(u32::to_le_bytes).concat());
    bytes.extend([HEADERS, address, u64::MAX, size, size, 0].map(u64::to_le_bytes).concat());
    bytes.extend_from_slice(content);
    std::fs::write(file, bytes).unwrap();
    std::fs::File::options().write(true).open(file).unwrap().set_len(HEADERS + size).unwrap();
}

/// The value of an expression as text.
#[track_caller]
fn p(expression: &str) -> String {
    debug(&["-e", expression]).fine().trim_end().to_owned()
}

#[test]
fn the_manual_explains_every_option_and_command_of_debug() {
    let manual = include_str!("../../../../docs/debug.md");
    super::assert_explained("debug", manual);
    for line in debug(&["-c", "help"]).fine().lines().take_while(|line| !line.is_empty()) {
        let name = line.trim_start().split([' ', ',']).next().unwrap();
        assert!(manual.contains(&format!("`{name}")), "no {name} in docs/debug.md");
    }
}

#[test]
fn expressions_have_the_values_that_the_kernel_logged() {
    assert_eq!(p("init_uts_ns.name.release"), "\"6.12.117\"");
    assert_eq!(p("init_uts_ns.name.nodename"), "\"crashed\"");
    assert_eq!(p("init_task.comm"), "\"swapper/0\"");
    // "Kernel Offset: 0x… from 0xffffffff81000000", says the kernel when it panics.
    let log = debug(&["-c", "log"]).fine();
    let offset = log.split("Kernel Offset: 0x").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let start = 0xffff_ffff_8100_0000u64.wrapping_add(u64::from_str_radix(offset, 16).unwrap());
    let symbol = debug(&["-c", "sym _text"]).fine();
    assert!(symbol.starts_with(&format!("{start:016x} ")), "{symbol} is not at {start:x}");
    assert!(p("saved_command_line").contains("\"console=ttyS0 panic=0"));
    // "CPU: 0 UID: 0 PID: 1 Comm: init".
    assert_eq!(p("per_cpu(runqueues, 0).curr->comm"), "\"init\"");
    assert_eq!(p("/d per_cpu(runqueues, 0).curr->pid"), "1");
}

#[test]
fn the_operators_are_those_of_c() {
    for (expression, value) in [
        ("1 + 2 * 3 << 1", "14"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("~0", "-1"),
        ("~0u", "4294967295"),
        ("0xffffffff + 1", "0"),
        ("0xffffffffUL + 1", "4294967296"),
        ("-1 < 1u", "0"),
        ("1 ? 2 : 3", "2"),
        ("!5 || 3 && 2", "1"),
        ("(char)65", "65 'A'"),
        ("(unsigned char)-1", "255"),
        ("sizeof(int *) + sizeof(char[3])", "11"),
        ("/x 255", "0xff"),
        ("/x (short)-1", "0xffff"),
        ("/b 5", "0b101"),
        ("'a'", "97"),
    ] {
        assert_eq!(p(expression), value, "{expression}");
    }
}

#[test]
fn pointers_structures_and_lists_are_followed() {
    assert_eq!(p("&init_task == (struct task_struct *)&init_task"), "1");
    assert_eq!(p("&init_task.comm[1] - &init_task.comm[0]"), "1");
    assert_eq!(p("container_of(&init_task.tasks, struct task_struct, tasks) == &init_task"), "1");
    assert_eq!(p("(long)&init_task.tasks - (long)&init_task == offsetof(struct task_struct, tasks)"), "1");
    assert_eq!(p("init_task.tasks.next->prev == &init_task.tasks"), "1");
    let names = p("list(modules, struct module, list).name");
    assert_eq!(names.lines().collect::<Vec<_>>(), ["\"brd\"", "\"loop\""]);
    let tasks = p("list(init_task.tasks, struct task_struct, tasks).{pid, comm}");
    let mut rows = tasks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(rows.next().unwrap(), ["pid", "comm"]);
    assert_eq!(rows.next().unwrap(), ["1", "init"]);
    assert_eq!(rows.next().unwrap(), ["2", "kthreadd"]);
    assert!(p("chain(file_systems, struct file_system_type, next).name").contains("\"proc\""));
    // Each process is in the list of tasks, and in the table of process numbers.
    let listed = debug(&["--json", "-e", "list(init_task.tasks, struct task_struct, tasks).pid"]).json();
    let numbered = debug(&["--json", "-e", "idr(init_pid_ns.idr, struct pid).numbers[0].nr"]).json();
    let numbers = |json: &serde_json::Value| -> std::collections::BTreeSet<String> {
        let values = json["values"].as_array().unwrap();
        values.iter().map(|value| value["value"].as_str().unwrap().to_owned()).collect()
    };
    assert!(numbers(&numbered).is_superset(&numbers(&listed)));
}

#[test]
fn each_view_is_a_table_and_json() {
    let tasks = debug(&["--json", "-c", "ps"]).json();
    let init = tasks.as_array().unwrap().iter().find(|task| task["pid"] == 1).unwrap();
    assert_eq!((init["comm"].as_str(), init["parent"].as_i64()), (Some("init"), Some(0)));
    assert!(debug(&["-c", "ps init"]).fine().contains(" init\n"));
    let modules = debug(&["--json", "-c", "mod"]).json();
    let names: Vec<_> = modules.as_array().unwrap().iter().map(|module| module["name"].clone()).collect();
    assert_eq!(names, ["brd", "loop"]);
    let system = debug(&["--json", "-c", "sys"]).json();
    assert_eq!(
        (system["release"].as_str(), system["panic"].as_str()),
        (Some("6.12.117"), Some("sysrq triggered crash"))
    );
    let log = debug(&["--json", "-c", "log"]).json();
    let first = &log.as_array().unwrap()[0];
    assert!(first["text"].as_str().unwrap().starts_with("Linux version 6.12.117"), "{first}");
    let info = debug(&["-c", "info"]).fine();
    for word in ["kdump-compressed", "6.12.117", "page tables", "symbols", "vmlinux: "] {
        assert!(info.contains(word), "no {word} in {info}");
    }
}

#[test]
fn memory_is_read_by_name_and_by_address() {
    let line = debug(&["-c", "rd -8 init_task.comm 9"]).fine();
    assert!(line.trim_end().ends_with("73 77 61 70 70 65 72 2f 30"), "{line}");
    let address = debug(&["-c", "sym init_task"]).fine();
    let address = address.split(' ').next().unwrap().to_owned();
    assert_eq!(debug(&["-c", &format!("sym {address}")]).fine().split_whitespace().nth(2), Some("init_task"));
    assert!(debug(&["-c", &format!("vtop {address}")]).fine().contains("physical 0x"));
    // The list's head is where its first element points back to.
    let found = debug(&["-c", "search &init_task.tasks"]);
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(debug(&["-c", "ptype struct list_head"]).fine().contains("struct list_head *next;"));
    assert_eq!(debug(&["-c", "whatis init_task.comm"]).fine(), "char [16]\n");
}

#[test]
fn types_are_told_without_reading_memory() {
    for (expression, expected) in [
        ("((struct task_struct *)0)->mm->owner", "struct task_struct *"),
        ("*(int *)0", "int"),
        ("runqueues.curr->comm", "char [16]"),
        ("&init_task - &init_task", "long"),
        ("&init_task + 1", "struct task_struct *"),
        ("init_task.comm[0] + 1", "int"),
        ("1 ? init_task.pid : 0", "pid_t"),
        ("list(jiffies, struct task_struct, tasks)", "struct task_struct"),
        ("struct page", "struct page"),
    ] {
        assert_eq!(debug(&["-c", &format!("whatis {expression}")]).fine(), format!("{expected}\n"));
    }
    assert_eq!(p("sizeof(((struct task_struct *)0)->mm->owner->comm)"), "16");
}

#[test]
fn types_are_told_of_what_has_no_place() {
    use btfkit_btf::{Builder, IntEncoding, Linkage, SectionEntry};
    let dump = btfkit_vmcore::Dump::open(&[dump()]).unwrap();
    let kernel = btfkit_kernel::Kernel::new(dump, btfkit_kernel::Options::default());
    let mut side = Builder::split(kernel.types().unwrap().vmlinux().clone());
    let [int, name, section] = ["int", "nowhere_at_all", ".data"].map(|name| side.string(name.as_bytes()));
    let int = side.int(int, 4, IntEncoding::signed(32));
    let variable = side.variable(name, int, Linkage::Static);
    side.data_section(section, 4, &[SectionEntry { variable, offset: 0, size: 4 }]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("side.btf");
    std::fs::write(&file, side.finish().unwrap()).unwrap();
    let run = |command: &str| debug(&["--btf", path(&file), "-c", command]);
    assert_eq!(run("whatis nowhere_at_all").fine(), "int\n");
    assert_eq!(run("p sizeof(nowhere_at_all)").fine(), "4\n");
    run("p nowhere_at_all").fails_with(&["nowhere_at_all has no symbol"]);
}

#[test]
fn the_last_page_of_the_address_space_is_searched_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core");
    let mut page = [0; 4096];
    page[0xff0..0xff8].copy_from_slice(&0x1234_5678_9abc_def0u64.to_le_bytes());
    write_core(&file, 0xffff_ffff_ffff_f000, &page, 4096);
    for (start, found) in [
        ("ffffffffffffe001", "fffffffffffffff0\n"),
        ("fffffffffffffff0", "fffffffffffffff0\n"),
        ("fffffffffffffff9", ""),
    ] {
        let command = format!("search 123456789abcdef0 {start} ffffffffffffffff");
        assert_eq!(btfkit(&["debug", path(&file), "-c", &command]).fine(), found, "{start}");
    }
}

#[test]
fn structures_are_printed_as_in_crash_and_lines_may_be_expressions() {
    let run = |line: &str| debug(&["-c", line]).fine();
    assert_eq!(run("struct list_head"), run("ptype struct list_head"));
    let address = run("sym init_task");
    let address = address.split(' ').next().unwrap();
    assert_eq!(run(&format!("struct task_struct.comm {address}")), "\"swapper/0\"\n");
    assert_eq!(run("struct task_struct.pid,comm &init_task"), run("p init_task.{pid, comm}"));
    assert_eq!(run("struct list_head &init_task.tasks"), run("p init_task.tasks"));
    assert_eq!(run("init_task.comm"), run("p init_task.comm"));
    assert_eq!((run("1 + 1"), run("/x 255")), ("2\n".into(), "0xff\n".into()));
    assert_eq!(run("struct task_struct.pid,comm"), "pid_t\nchar [16]\n");
    assert_eq!(run("struct task_struct.pid"), "pid_t\n");
    let json = debug(&["--json", "-c", "struct task_struct.pid,comm"]).json();
    assert_eq!(json[1]["type"], "char [16]");
    debug(&["-c", "struct task_struct.pid,nope"]).fails_with(&["has no member nope"]);
    debug(&["-c", "init_task.nope"]).fails_with(&["has no member nope"]);
    debug(&["-c", "struct nope"]).fails_with(&["there is no struct nope"]);
    // Each command has its help.
    for line in run("help").lines().take_while(|line| !line.is_empty()) {
        let name = line.trim_start().split([' ', ',']).next().unwrap();
        assert!(run(&format!("help {name}")).starts_with(name), "{name}");
    }
}

#[test]
fn registers_are_those_of_the_processor_that_is_meant() {
    // The kernel finds its per-CPU variables by GS, and has written down where each processor's are.
    for cpu in [0, 1] {
        let base = p(&format!("/x ((unsigned long *)&__per_cpu_offset)[{cpu}]"));
        assert_eq!(p(&format!("/x $gs_base@{cpu}")), base);
        assert_eq!(p(&format!("/x per_cpu($gs_base, {cpu})")), base);
        let selected = debug(&["-c", &format!("cpu {cpu}"), "-c", "p/x $gs_base"]).fine();
        assert_eq!(selected.lines().last(), Some(&base[..]));
    }
    // Without a word it is the one that panicked: processor 0, says the log.
    assert_eq!(p("$rip == $pc && $pc == $rip@0 && $rip@0 != $rip@1"), "1");
    assert_eq!(debug(&["-c", "whatis $rsp"]).fine(), "unsigned long\n");
    // Its stack is that of the task that it ran.
    let stack = "per_cpu(runqueues, 0).curr->stack";
    assert_eq!(p(&format!("$rsp - (unsigned long){stack} < 16384")), "1");
    assert_eq!(p("((struct pt_regs *)$rsp)->ip == *(unsigned long *)($rsp + 128)"), "1");
    let shown = debug(&["-c", "regs -c 1"]).fine();
    assert!(shown.starts_with("CPU 1  PID 0  swapper/1\n") && shown.contains("stop_this_cpu+"), "{shown}");
    let json = debug(&["--json", "-c", "regs"]).json();
    assert_eq!(
        (json[0]["comm"].as_str(), json[1]["registers"][16]["name"].as_str()),
        (Some("init"), Some("rip"))
    );
    let per_cpu = debug(&["-c", "cpu 1", "-c", "p runqueues.curr->comm"]).fine();
    assert_eq!(per_cpu.lines().last(), Some("\"swapper/1\""));
    for (command, words) in [
        ("p $nope", ["x86_64 has no register $nope"]),
        ("p $rip@7", ["no registers of processor 7, but of 0, 1"]),
        ("p $rip@99999999999999999999", ["99999999999999999999 is no processor's number"]),
        ("regs -c 7", ["no registers of processor 7"]),
        ("regs all", ["regs -c 1"]),
        ("cpu 4711", ["there is no processor 4711"]),
        ("cpu x", ["x is no processor's number"]),
    ] {
        debug(&["-c", command]).fails_with(&words);
    }
    // The same memory without notes.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("without-notes");
    let mut bytes = std::fs::read(dump()).unwrap();
    let mut start = 0;
    while let Some(at) = bytes[start..].windows(8).position(|bytes| bytes == b"CORE\0\0\0\0") {
        bytes[start + at] = b'X';
        start += at;
    }
    std::fs::write(&file, bytes).unwrap();
    let run = btfkit(&["debug", path(&file), "-e", "$rip"]);
    run.fails_with(&["no registers: the dump has no notes of them"]);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (expression, words) in [
        ("init_task.nope", ["struct task_struct has no member nope"]),
        ("nobody", ["nothing is called nobody"]),
        ("1 +", ["at character 4: expected a value"]),
        ("1 / 0", ["division by zero"]),
        ("*(int *)0", ["0x0 is not mapped"]),
        ("runqueues", ["per_cpu(runqueues, 0)"]),
        ("per_cpu(runqueues, 999)", ["there is no processor 999"]),
        ("*(void *)0", ["cast it first"]),
        ("((struct list_head *)&init_task)[0..1000][0..10000]", ["too many"]),
    ] {
        debug(&["-e", expression]).fails_with(&words);
    }
    // A walk that leads nowhere shows how far it came, and why not further.
    let lost = debug(&["-e", "list(jiffies, struct task_struct, tasks).pid"]);
    assert_eq!((lost.code, lost.err.lines().count()), (Some(1), 1), "{lost:?}");
    debug(&["-c", "frobnicate"]).fails_with(&["there is no command frobnicate"]);
    debug(&["-c", "rd"]).fails_with(&["rd wants an address"]);
    btfkit(&["debug", super::kernel(), "-c", "sys"]).fails_with(&["tiny-kernel.elf", "not a core"]);
    btfkit(&["debug", "absent", "-c", "sys"]).fails_with(&["absent"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("side.btf");
    std::fs::write(&file, b"not BTF").unwrap();
    debug(&["--btf", path(&file), "-c", "sys"]).fails_with(&["side"]);
}

#[test]
fn a_script_runs_line_by_line_and_goes_on_after_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "# a comment\n\np 1 + 1\np nobody\np/x 16\n").unwrap();
    let run = debug(&["-x", path(&script)]);
    assert_eq!((run.code, run.text().as_str()), (Some(1), "2\n0x10\n"));
    assert!(run.err.contains("nobody"), "{}", run.err);
    let mut piped = program();
    let script = std::fs::File::open(&script).unwrap();
    let run = finish(piped.args(["debug", dump(), "-x", "-"]).stdin(script));
    assert_eq!(run.text(), "2\n0x10\n");
}

#[test]
fn a_cut_dump_opens_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut");
    let whole = std::fs::read(dump()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let run = btfkit(&["debug", path(&cut), "-c", "info", "-c", "rd ffffffff00000000"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.text().contains("VMCOREINFO"), "{run:?}");
    for length in [0, 100, 5000, 70_000] {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let run = btfkit(&["debug", path(&cut), "-c", "info"]);
        assert!(matches!(run.code, Some(0 | 1)) && run.err.lines().count() <= 1, "{run:?}");
    }
}
