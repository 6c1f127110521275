//! `btfkit diff`: two versions of a small interface, compiled, encoded and compared.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{btfkit, compile, path};

/// Everything that differs between the two versions, and nothing else: kind and name, what changed, and whom that breaks
/// (`c` a BPF program, `m` a module).
const CHANGES: &str = "
    struct came: added
    struct gone: removed cm
    struct bits: member_resized a 3 5 m
    struct group: size 4 8 m
    struct group: member_resized both 32 64 m
    struct group: member_added q 32
    struct hole: member_added fresh 32
    struct holder: size 4 8 m
    struct holder: member_resized i 32 64 m
    struct inner: size 4 8 m
    struct inner: member_added y 32
    struct lost: member_removed b 32 cm
    struct order: member_moved a 0 32 m
    struct order: member_moved b 32 0 m
    struct packed: member_retyped `unsigned int flag` `unsigned int flag : 1` cm
    struct pointed: size 4 8 m
    struct pointed: member_retyped `int old` `long int old` m
    struct rename: member_renamed before after c
    struct retype: member_retyped `int *p` `long int *p` cm
    struct spelled: member_retyped `unsigned int v` `u32 v` spelling
    struct unnamed: size 4 8 m
    struct unnamed: member_resized in 32 64 m
    struct unnamed: member_added in.y 32
    struct wrapped: member_added a_flags 0
    union either: size 4 8 m
    union either: member_added l 0
    enum : enumerator_revalued LIMIT 8 16 cm
    enum : enumerator_removed OLD_FLAG 1 cm
    enum : enumerator_added NEW_FLAG 1
    enum colour: enumerator_revalued GREEN 1 5 cm
    enum colour: enumerator_removed BLUE 2 cm
    enum colour: enumerator_added ALPHA 9
    enum wide: size 4 8 m
    enum wide: enumerator_revalued WIDE_B 2147483647 9223372036854775807 cm
    typedef handle: retargeted `unsigned int` `long unsigned int` m
    typedef pair: size 4 8 m
    typedef pair: member_added b 32
    function added_function: added
    function removed_function: removed cm
    function parameter_added: parameter_added 1 `long int b` cm
    function parameter_removed: parameter_removed 0 `int a` cm
    function parameter_renamed: parameter_renamed b renamed
    function parameter_retyped: parameter_retyped `long int b` `int b` cm
    function parameters_moved: parameter_moved cm
    function return_retyped: return_retyped `int` `long int` cm
    variable came_variable: added
    variable gone_variable: removed cm
    variable moved_variable: variable_retyped `int moved_variable` `const int moved_variable` spelling
    variable moved_variable: section_changed .data .rodata
    variable resized_variable: variable_resized 4 8 m
    variable retyped_variable: variable_retyped `int retyped_variable` `long int retyped_variable` m
";

/// The two versions as BTF.
fn versions(directory: &Path) -> [PathBuf; 2] {
    [("v1", include_str!("versions/v1.c")), ("v2", include_str!("versions/v2.c"))].map(|(name, source)| {
        let object = compile(directory, name, source, &["-g", "-O1", "-fno-inline", "-fno-common", "-c"]);
        let btf = directory.join(name).with_extension("btf");
        btfkit(&["encode", path(&object), "-o", path(&btf), "-q"]).fine();
        btf
    })
}

/// The differences of a JSON document, a line for each.
fn lines(document: &Value) -> Vec<String> {
    let all = ["types", "functions", "variables"].map(|list| document[list].as_array().unwrap());
    let mut lines = Vec::new();
    for difference in all.into_iter().flatten() {
        let name = format!("{} {}: ", text(&difference["subject"]), text(&difference["name"]));
        if difference["status"] != "changed" {
            lines.push(name + &text(&difference["status"]) + &whom(&difference["breaks"]));
            continue;
        }
        for change in difference["changes"].as_array().unwrap() {
            lines.push(format!("{name}{}", facts(change)));
        }
    }
    lines
}

fn facts(change: &Value) -> String {
    let what = text(&change["what"]);
    let quoted = |key: &str| format!("`{}`", text(&change[key]));
    let facts = match &*what {
        "size" | "variable_resized" | "section_changed" | "member_renamed" | "parameter_renamed" => {
            vec![text(&change["before"]), text(&change["after"])]
        }
        "member_added" | "member_removed" => vec![text(&change["name"]), text(&change["bit_offset"])],
        "member_moved" | "enumerator_revalued" => {
            ["name", "before", "after"].map(|key| text(&change[key])).to_vec()
        }
        "member_resized" => ["name", "bits_before", "bits_after"].map(|key| text(&change[key])).to_vec(),
        "enumerator_added" | "enumerator_removed" => vec![text(&change["name"]), text(&change["value"])],
        "parameter_added" | "parameter_removed" => vec![text(&change["index"]), quoted("declaration")],
        "parameter_moved" => Vec::new(),
        _ => vec![quoted("before"), quoted("after")],
    };
    let spelling = if change["spelling"] == true { " spelling" } else { "" };
    let space = if facts.is_empty() { "" } else { " " };
    format!("{what}{space}{}{spelling}{}", facts.join(" "), whom(&change["breaks"]))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn whom(breaks: &Value) -> String {
    let letters =
        [("core", "c"), ("module", "m")].map(|(key, letter)| if breaks[key] == true { letter } else { "" });
    let letters = letters.concat();
    if letters.is_empty() { letters } else { format!(" {letters}") }
}

fn expected(keep: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = CHANGES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && keep(line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn every_change_between_two_versions_is_found_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let [v1, v2] = versions(directory.path());
    let run = btfkit(&["diff", path(&v1), path(&v2), "--json"]);
    let document = run.json();
    assert_eq!(sorted(lines(&document)), expected(|_| true));
    assert_eq!(document["summary"]["types"], serde_json::json!({ "added": 1, "removed": 1, "changed": 20 }));
}

#[test]
fn what_breaks_programs_and_modules_is_told_by_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let [v1, v2] = versions(directory.path());
    for (option, letter) in [("--abi=core", "c"), ("--abi=module", "m"), ("--abi", "")] {
        let run = btfkit(&["diff", path(&v1), path(&v2), option, "--json"]);
        assert_eq!((run.code, &*run.err), (Some(1), ""), "{run:?}");
        let found = sorted(lines(&serde_json::from_slice(&run.out).unwrap()));
        let breaks = |line: &str| {
            let last = line.rsplit(' ').next().unwrap();
            ["c", "m", "cm"].contains(&last) && last.contains(letter)
        };
        assert_eq!(found, expected(breaks), "{option}");
    }
    let same = btfkit(&["diff", path(&v1), path(&v1), "--abi", "--exit-code"]).fine();
    assert_eq!(
        same,
        "types: 0 added, 0 removed, 0 changed; functions: 0 added, 0 removed, 0 changed; \
         variables: 0 added, 0 removed, 0 changed; 0 break BPF programs, 0 break modules\n"
    );
    assert_eq!(btfkit(&["diff", path(&v1), path(&v2), "--exit-code"]).code, Some(1));
}

#[test]
fn differences_read_as_c_in_groups() {
    let directory = tempfile::tempdir().unwrap();
    let [v1, v2] = versions(directory.path());
    let names = ["struct hole", "struct order", "parameter_retyped", "gone_variable", "enum colour"];
    let text = btfkit(&[&["diff", path(&v1), path(&v2)], &names[..]].concat()).fine();
    assert_eq!(
        text,
        "types\n\
         ~ struct hole\n    \
             + int fresh;  at 4, 4 bytes\n\
         ~ struct order\n    \
             ~ b: moved from 4 to 0\n    \
             ~ a: moved from 0 to 4\n\
         ~ enum colour\n    \
             ~ GREEN: 1 → 5\n    \
             - BLUE = 2\n    \
             + ALPHA = 9\n\
         \n\
         functions\n\
         ~ parameter_retyped()\n    \
             ~ parameter 2: long int b → int b\n\
         \n\
         variables\n\
         - struct gone *gone_variable\n\
         \n\
         types: 0 added, 0 removed, 3 changed; functions: 0 added, 0 removed, 1 changed; \
         variables: 0 added, 1 removed, 0 changed\n"
    );
    let functions = btfkit(&["diff", path(&v1), path(&v2), "--kinds", "functions", "--summary"]).fine();
    assert!(functions.starts_with("types: 0 added, 0 removed, 0 changed; functions: 1 added, 1 removed, 6"));
    btfkit(&["diff", path(&v1), path(&v2), "nowhere"]).fails_with(&["nowhere", "neither"]);
    btfkit(&["diff", path(&v1), path(&v2), "42"]).fails_with(&["42", "by name"]);
}

#[test]
fn ids_order_and_the_compilers_spelling_make_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let [v1, _] = versions(directory.path());
    let leaves = directory.path().join("leaves.btf");
    btfkit(&["sort", path(&v1), "--by", "leaves", "-o", path(&leaves)]).fine();
    let document = btfkit(&["diff", path(&v1), path(&leaves), "--json"]).json();
    assert_eq!(lines(&document), [""; 0]);
    // clang says `unsigned long` where gcc says `long unsigned int`.
    let source = directory.path().join("v1.c");
    let object = directory.path().join("clang.o");
    let clang = std::process::Command::new("clang")
        .args(["-g", "-O1", "-fno-inline", "-fno-common", "-c", "-o", path(&object), path(&source)])
        .status();
    if !clang.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED ids_order_and_the_compilers_spelling_make_no_difference: no clang");
        return;
    }
    let document = btfkit(&["encode", path(&object), "-o", path(&leaves), "--json"]).json();
    assert!(document["types"].as_u64() > Some(20));
    let document = btfkit(&["diff", path(&v1), path(&leaves), "--json"]).json();
    let differences = lines(&document);
    assert!(
        !differences.iter().any(|line| line.contains("retyped") || line.contains("size")),
        "{differences:#?}"
    );
}
