//! `btfkit check`: verdicts, and BTF rewritten for old kernels.

use std::path::Path;
use std::process::Command;

use super::{btfkit, kernel, path};

/// A program for BPF with what old kernels do not take.
const PROGRAM: &str = r#"
#define SEC(name) __attribute__((section(name), used))
enum large { SMALL = 1, HUGE = 0x1000000000ULL };
enum negative { MINUS = -1, PLUS = 1 };
struct thing { enum large large; enum negative bits : 3; float ratio; };
int counter;
float ratio = 1.5;
struct thing thing = { 1 };
extern int of_the_kernel(int, struct thing *) __attribute__((section(".ksyms")));
static __attribute__((noinline)) int helper(struct thing *t) { return t->large > 1 ? t->bits : counter; }
__attribute__((noinline)) int global(int x) { return x + counter; }
SEC("tc") int program(void *context) { return helper(&thing) + global(of_the_kernel(1, &thing)); }
char LICENSE[] SEC("license") = "GPL";
"#;

/// The program, compiled, if there is a clang for BPF.
fn object(directory: &Path) -> Option<String> {
    let (input, output) = (directory.join("program.c"), directory.join("program.bpf.o"));
    std::fs::write(&input, PROGRAM).unwrap();
    let options = ["-g", "-O2", "-mcpu=v3", "--target=bpf", "-c", "-o", path(&output), path(&input)];
    match Command::new("clang").args(options).output() {
        Ok(run) if run.status.success() => Some(path(&output).to_owned()),
        _ => {
            println!("SKIPPED check of a BPF object: no clang that compiles for BPF");
            None
        }
    }
}

/// The demo's kernel as raw BTF.
fn raw(directory: &Path) -> String {
    let output = directory.join("kernel.btf");
    btfkit(&["encode", kernel(), "-q", "-o", path(&output)]).fine();
    path(&output).to_owned()
}

#[test]
fn what_is_encoded_is_fine_and_said_so_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = raw(directory.path());
    let text = btfkit(&["check", &file]).fine();
    assert!(
        text.starts_with(&format!("{file}: fine (69 types, profile vmlinux, the newest kernel)\n")),
        "{text}"
    );
    assert!(btfkit(&["check", "-q", &file]).fine().is_empty());
    let json = btfkit(&["check", "--json", &file, &file]).json();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
    assert_eq!((&json[0]["fine"], &json[0]["total"]), (&true.into(), &0.into()));
}

#[test]
fn each_violation_has_place_rule_and_the_kernels_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = raw(directory.path());
    let mut bytes = std::fs::read(&file).unwrap();
    // The first letter of a name that no other name begins with.
    let at = bytes.windows(12).position(|window| window == b"task_struct\0").unwrap();
    bytes[at] = b'7';
    std::fs::write(&file, &bytes).unwrap();
    let run = btfkit(&["check", &file]);
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let text = run.text();
    assert!(text.contains(": refused: "), "{text}");
    assert!(text.contains("STRUCT '7ask_struct': name is missing or no identifier"), "{text}");
    assert!(text.contains("name (btf_name_valid_identifier: \"Invalid name\")"), "{text}");
    let run = btfkit(&["check", "--json", &file]);
    assert_eq!(run.code, Some(1));
    let json: serde_json::Value = serde_json::from_slice(&run.out).unwrap();
    let violation = &json[0]["violations"][0];
    assert_eq!((&violation["rule"], &violation["kind"]), (&"name".into(), &"struct".into()));
    assert_eq!(violation["kernel_log"], serde_json::json!(["Invalid name"]));
    // The offset leads to the record, whose second word has the kind.
    let offset = violation["offset"].as_u64().unwrap() as usize;
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(offset + 4) >> 24 & 0x7f, 4, "the record of a STRUCT");
}

#[test]
fn what_cannot_be_parsed_is_judged_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken.btf");
    for (bytes, rule) in [
        (&b""[..], "header"),
        (b"\x7fEL", "header"),
        (b"hello, this is no BTF at all", "magic"),
        (b"\x9f\xeb\x02\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "version"),
        (b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "strings-present"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let run = btfkit(&["check", "--json", path(&file)]);
        assert_eq!(run.code, Some(1), "{rule}");
        let json: serde_json::Value = serde_json::from_slice(&run.out).unwrap();
        assert_eq!(json[0]["violations"][0]["rule"], rule);
    }
}

#[test]
fn names_of_rules_and_features_in_json_are_those_in_the_text() {
    use btfkit_btf::check::{Feature, Rule};
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
    }
    for feature in Feature::ALL {
        assert_eq!(serde_json::to_value(feature).unwrap(), feature.name());
    }
}

#[test]
fn the_manual_has_every_rule_and_feature() {
    use btfkit_btf::check::{Feature, Rule};
    let manual = include_str!("../../../../docs/check.md");
    for rule in Rule::ALL {
        assert!(manual.contains(&format!("| `{}` |", rule.name())), "docs/check.md lacks {}", rule.name());
    }
    for feature in Feature::ALL {
        let row = format!("| `{}` | {} |", feature.name(), feature.since());
        assert!(manual.contains(&row), "docs/check.md lacks {row}");
    }
    let help = btfkit(&["check", "--help"]).fine();
    for word in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2) {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        assert!(manual.contains(word), "docs/check.md does not have {word}");
    }
}

#[test]
fn an_object_for_bpf_is_judged_as_its_loader_completes_it() {
    let directory = tempfile::tempdir().unwrap();
    let Some(object) = object(directory.path()) else { return };
    let text = btfkit(&["check", &object]).fine();
    assert!(text.contains("profile object, the newest kernel, .BTF.ext too"), "{text}");
    let run = btfkit(&["check", &object, "--profile", "load"]);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("DATASEC '.data': data section is empty"), "{}", run.text());
    let run = btfkit(&["check", &object, "--kernel", "5.10"]);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("not before Linux 5.13: FLOAT"), "{}", run.text());
}

#[test]
fn what_is_rewritten_for_an_old_kernel_passes_and_others_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = vec![raw(directory.path())];
    files.extend(object(directory.path()));
    let bpftool = ["bpftool", "/usr/sbin/bpftool"]
        .into_iter()
        .find(|tool| Command::new(tool).arg("version").output().is_ok());
    if bpftool.is_none() {
        println!("SKIPPED reading of rewritten BTF: no bpftool");
    }
    for file in &files {
        let types = btfkit(&["check", file, "--json"]).json()[0]["types"].as_u64().unwrap();
        for release in ["4.18", "5.0", "5.4", "5.10", "5.15", "6.1", "6.12", "7.2"] {
            let output = directory.path().join("out.btf");
            let arguments = ["check", file, "--kernel", release, "--sanitize", "-o", path(&output), "--json"];
            let json = btfkit(&arguments).json();
            let added = json[0]["sanitized"]["added"].as_u64().unwrap();
            let checked =
                btfkit(&["check", path(&output), "--kernel", release, "--profile", "object"]).fine();
            assert!(checked.contains(&format!("({} types", types + added)), "{file} {release}: {checked}");
            let Some(bpftool) = bpftool else { continue };
            let dump = Command::new(bpftool).args(["btf", "dump", "file", path(&output)]).output().unwrap();
            assert!(dump.status.success(), "{file} {release}: {dump:?}");
            let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
            assert_eq!(dump.lines().filter(|line| line.starts_with('[')).count() as u64, types + added);
            for (kind, since) in [("FLOAT", "5.13"), ("DATASEC", "5.2"), ("FUNC ", "5.0")] {
                let number =
                    |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
                let known = number(release) >= number(since);
                assert!(known || !dump.contains(&format!("] {kind}")), "{kind} in {release}:\n{dump}");
            }
        }
    }
}

#[test]
fn what_cannot_be_said_to_an_old_kernel_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("many.btf"), directory.path().join("out.btf"));
    let mut builder = btfkit_btf::Builder::new(btfkit_btf::ByteOrder::Little);
    let name = builder.string(b"int");
    let int = builder.int(name, 4, btfkit_btf::IntEncoding::signed(32));
    for _ in 0..70_000 {
        builder.pointer(int);
    }
    std::fs::write(&input, builder.finish().unwrap()).unwrap();
    btfkit(&["check", path(&input), "--kernel", "5.5"]).fine();
    let run = btfkit(&["check", path(&input), "--kernel", "5.4", "--sanitize", "-o", path(&output)]);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("not before Linux 5.5: more than 65,535 types"), "{}", run.text());
    assert!(!output.exists());
}

#[test]
fn bad_usage_of_check_is_told_apart_from_bad_input() {
    let file = "no-such-file";
    for arguments in [
        &["check"][..],
        &["check", file, "--kernel", "3.10"],
        &["check", file, "--kernel", "six"],
        &["check", file, "--profile", "strict"],
        &["check", file, "--sanitize", "-o", "out"],
        &["check", file, "--kernel", "6.1", "--sanitize"],
        &["check", file, "-o", "out"],
        &["check", file, file, "--kernel", "6.1", "--sanitize", "-o", "out"],
    ] {
        let run = btfkit(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?} {run:?}");
        assert!(run.out.is_empty() && !run.err.is_empty());
    }
    btfkit(&["check", file]).fails_with(&["no-such-file"]);
    btfkit(&["check", kernel(), "--base", file]).fails_with(&["has no section .BTF"]);
}
