//! What `encode` writes and prints.

use std::fs;
use std::sync::Arc;

use btfkit_btf::{Btf, Kind};

use super::{btfkit, compile, finish, kernel, path, program};

fn variables(report: &serde_json::Value) -> u64 {
    report["variables"].as_array().unwrap().iter().map(|section| section["variables"].as_u64().unwrap()).sum()
}

#[test]
fn the_output_is_btf_to_a_file_or_to_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.btf");
    let summary = btfkit(&["encode", kernel(), "-o", path(&output)]).fine();
    assert!(summary.contains("10 variables, 6 functions"), "{summary}");
    let written = fs::read(&output).unwrap();
    let btf = Btf::parse(written.clone()).unwrap();
    assert!(btf.find(b"task_struct", Kind::Struct).is_some());
    assert!(btf.find(b"jiffies", Kind::Var).is_some());

    let piped = btfkit(&["encode", kernel(), "-o", "-"]);
    assert_eq!(piped.code, Some(0));
    assert_eq!(piped.out, written);
    assert!(piped.err.contains("10 variables"), "the summary goes elsewhere: {}", piped.err);
    let with_json = btfkit(&["encode", kernel(), "-o", "-", "--json"]);
    assert_eq!(with_json.out, written);
}

#[test]
fn without_an_output_only_the_summary_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let run = finish(program().args(["encode", kernel()]).current_dir(directory.path()));
    assert!(run.fine().contains("functions left out"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn quiet_prints_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.btf");
    assert_eq!(btfkit(&["encode", kernel(), "-q", "-o", path(&output)]).fine(), "");
    assert!(output.exists());
}

#[test]
fn the_summary_as_json_has_the_keys_that_the_manual_lists() {
    let report = btfkit(&["encode", kernel(), "--json", "--explain", "jiffies"]).json();
    let mut keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "ambiguous",
        "bytes",
        "damage",
        "entries",
        "explanations",
        "functions",
        "functions_left_out",
        "kinds",
        "missing_files",
        "phases",
        "string_bytes",
        "types",
        "units",
        "units_left_out",
        "variables",
        "variables_left_out",
    ];
    assert_eq!(keys, expected);
    let manual = include_str!("../../../../docs/encode.md");
    assert!(expected.iter().all(|key| manual.contains(&format!("`{key}`"))));
    assert_eq!(report["functions"], 6);
    assert_eq!(report["kinds"]["DATASEC"], 5);
    assert_eq!(report["ambiguous"][0]["name"], "slot");
    assert_eq!(report["ambiguous"][0]["meanings"], 2);
    assert!(report["explanations"][0].as_str().unwrap().starts_with("variable jiffies: in"));
    assert!(report["phases"].as_array().unwrap().iter().all(|phase| phase["seconds"].is_f64()));
}

#[test]
fn vars_chooses_the_variables() {
    for (which, count) in [("none", 0), ("percpu", 1), ("lean", 9), ("all", 10)] {
        let report = btfkit(&["encode", kernel(), "--json", "--vars", which]).json();
        assert_eq!(variables(&report), count, "{which}");
    }
    let report = btfkit(&["encode", kernel(), "--json", "--function-statics"]).json();
    assert_eq!(variables(&report), 11);
    let report = btfkit(&["encode", kernel(), "--json", "--no-functions"]).json();
    assert_eq!(report["functions"], 0);
}

#[test]
fn explain_says_why_something_is_in_or_not() {
    for (name, expected) in [
        ("switch_to", "function switch_to: in: kept"),
        ("delay", "function delay: in: kept"),
        ("reset", "function reset: left out: functions of this name have different prototypes"),
        ("charge", "function charge: left out: the compiler reordered the parameters"),
        (
            "_start",
            "function _start: left out: written in assembler, and no C declaration gives its prototype",
        ),
        ("font_8x8", "variable font_8x8: in: .rodata+0x30, 20 bytes"),
        ("default_ops", "variable default_ops: in: .rodata+0x50, 16 bytes"),
        ("jiffies", "variable jiffies: in, without a place"),
        ("switches", "variable switches.0: left out: inside a function; see --function-statics"),
        ("nothing", "nothing: neither a function symbol that DWARF describes nor a variable"),
    ] {
        let text = btfkit(&["encode", kernel(), "--explain", name]).fine();
        assert!(text.starts_with(expected), "{text}");
    }
    let lean = btfkit(&["encode", kernel(), "--vars", "lean", "--explain", "command_line"]).fine();
    assert_eq!(lean, "variable command_line: left out: lean: its section is freed after boot\n");
}

#[test]
fn time_adds_the_phases() {
    let text = btfkit(&["encode", kernel(), "--time"]).fine();
    for phase in ["open", "scan", "settle", "select", "emit", "check", "write", "total"] {
        assert!(text.contains(&format!("\n  {phase} ")), "no {phase} in {text}");
    }
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_names_of_directories() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy with spaces.elf");
    fs::copy(kernel(), &copy).unwrap();
    let first = btfkit(&["encode", kernel(), "-o", "-", "-j", "1"]).out;
    for jobs in ["1", "2", "7"] {
        assert_eq!(btfkit(&["encode", path(&copy), "-o", "-", "-j", jobs]).out, first);
    }
}

#[test]
fn a_side_file_holds_variables_and_stands_on_its_base() {
    let directory = tempfile::tempdir().unwrap();
    let (base, side) = (directory.path().join("base.btf"), directory.path().join("side.btf"));
    btfkit(&["encode", kernel(), "--vars", "none", "-o", path(&base)]).fine();
    btfkit(&["encode", kernel(), "--only-vars", "--base", path(&base), "-o", path(&side)]).fine();
    let base = Arc::new(Btf::parse(fs::read(&base).unwrap()).unwrap());
    let side = Btf::parse_split(fs::read(&side).unwrap(), base).unwrap();
    let kinds = |kind| side.types().filter(|ty| ty.kind() == kind).count();
    assert_eq!((kinds(Kind::Var), kinds(Kind::DataSec), kinds(Kind::Func)), (10, 5, 0));
    assert_eq!(kinds(Kind::Struct), 0, "all types are the base's");
}

#[test]
fn the_base_may_be_an_elf_file_with_btf() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("kernel.elf");
    fs::copy(kernel(), &base).unwrap();
    btfkit(&["encode", path(&base), "--in-place"]).fine();
    let module = compile(
        directory.path(),
        "module.o",
        "struct list_head { struct list_head *next, *prev; }; struct list_head mine; struct new_one { int x; } other;",
        &["-g", "-c"],
    );
    let report = btfkit(&["encode", path(&module), "--base", path(&base), "--json"]).json();
    assert_eq!(report["kinds"]["STRUCT"], 1, "list_head is the base's: {report}");
    assert_eq!(variables(&report), 2);
}

#[test]
fn languages_choose_units() {
    let report = btfkit(&["encode", kernel(), "--lang", "c11,c99,c17", "--json"]).json();
    assert_eq!((&report["units"], &report["units_left_out"]), (&2.into(), &1.into()));
    let report = btfkit(&["encode", kernel(), "--lang-exclude", "ASM", "--json"]).json();
    assert_eq!(report["units"], 2);
}

#[test]
fn a_shell_can_append_the_output_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("both");
    fs::write(&output, "before").unwrap();
    let file = fs::OpenOptions::new().append(true).open(&output).unwrap();
    let run = finish(program().args(["encode", kernel(), "-q", "-o", "/dev/stdout"]).stdout(file));
    drop(run);
    assert!(fs::read(&output).unwrap().starts_with(b"before"));
}
