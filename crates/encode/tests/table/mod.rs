//! Tests as tables: a row is a source, the commands that compile it, and what its BTF must and must not say.
#![allow(dead_code, unreachable_pub)] // each test file uses a part of it

pub mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_btf::check::{self, Profile};
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Encoded, Options, encode};

/// A row.
pub struct Row {
    /// What it shows: a sentence.
    pub name: &'static str,
    /// One file, or several that start with a line `//// name`.
    pub source: &'static str,
    /// How each file is compiled: program and flags. All of them must give what is expected. A `?` before the program:
    /// the row is skipped if it cannot do it.
    pub with: &'static [&'static str],
    /// How the objects are linked, if they are: program and flags, and shell commands after `&&` (`$out` is the file).
    pub link: &'static str,
    /// Options of the encoder.
    pub options: fn() -> Options,
    /// Lines of [`text::lines`] that must be there; after `!` parts of lines that must not; after `2× ` lines
    /// that must be there twice.
    pub expect: &'static [&'static str],
}

impl Row {
    pub const PLAIN: Row =
        Row { name: "", source: "", with: &[], link: "", options: Options::default, expect: &[] };
}

/// Runs all rows, or those whose name contains `$ROW`; all failures are shown.
pub fn run(rows: &[Row]) {
    let wanted = std::env::var("ROW").unwrap_or_default();
    let mut failures = Vec::new();
    for row in rows.iter().filter(|row| row.name.contains(&wanted)) {
        for with in row.with {
            let directory = tempfile::tempdir().unwrap();
            let Some(built) = build(row.source, with, row.link, directory.path()) else { continue };
            if let Err(what) = examine(row, &built) {
                failures.push(format!("{} [{with}]: {what}", row.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n\n"));
}

fn examine(row: &Row, built: &Path) -> Result<(), String> {
    let encoded = encode_file(built, &(row.options)())?;
    if !encoded.report.damage.is_empty() {
        return Err(format!("damage in an intact file: {:?}", encoded.report.damage));
    }
    let lines = lines_of(&encoded, None);
    let mut wrong = Vec::new();
    for expected in row.expect {
        let met = match expected.strip_prefix('!') {
            Some(part) => !lines.iter().any(|line| line.contains(part)),
            None => {
                let (count, expected) =
                    expected.strip_prefix("2× ").map_or((1, *expected), |expected| (2, expected));
                lines.iter().filter(|line| *line == expected).count() == count
            }
        };
        if !met {
            wrong.push(*expected);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("not met:\n    {}\n  in:\n    {}", wrong.join("\n    "), lines.join("\n    ")))
}

/// The BTF as text. Panics if a kernel would refuse it, in either profile.
pub fn lines_of(encoded: &Encoded, base: Option<&Arc<Btf<'static>>>) -> Vec<String> {
    for profile in [Profile::Vmlinux, Profile::Load] {
        let report = check::check(&encoded.bytes, base, profile);
        assert!(report.is_clean(), "{profile:?}: {}", report.violations[0]);
    }
    let btf = match base {
        Some(base) => Btf::parse_split(encoded.bytes.clone(), Arc::clone(base)).unwrap(),
        None => Btf::parse(encoded.bytes.clone()).unwrap(),
    };
    text::lines(&btf)
}

/// Encodes a file, with companions found as for a user.
pub fn encode_file(path: &Path, options: &Options) -> Result<Encoded, String> {
    let object = Object::open(path).map_err(|error| error.to_string())?;
    let companions = Companions::new(Vec::new());
    encode(&object, options, &companions, &|_, _| {}).map_err(|error| error.to_string())
}

/// Builds what a row says; `None` if a program is missing, which a line on stderr tells.
pub fn build(source: &str, with: &str, link: &str, directory: &Path) -> Option<PathBuf> {
    let (with, optional) = match with.strip_prefix('?') {
        Some(rest) => (rest, true),
        None => (with, false),
    };
    let mut objects = Vec::new();
    for (name, text) in files(source, with) {
        let file = directory.join(&name);
        std::fs::write(&file, text).unwrap();
        if file.extension().is_some_and(|extension| extension == "h" || extension == "ld") {
            continue;
        }
        let object = file.with_extension("o");
        let rust = with.starts_with("rustc");
        let compile = if rust { "--emit=obj --crate-type=lib" } else { "-w -c" };
        let command = format!("{with} {compile} {name} -o {}", object.file_name()?.to_str()?);
        if !shell(&command, directory, optional) {
            return None;
        }
        objects.push(object.file_name()?.to_str()?.to_owned());
    }
    if link.is_empty() {
        return Some(directory.join(objects.first()?));
    }
    let (link, optional) = link.strip_prefix('?').map_or((link, optional), |rest| (rest, true));
    let (program, rest) =
        link.split_once(" && ").map_or((link, String::new()), |(a, b)| (a, format!(" && {b}")));
    let command = format!("out=built; {program} {} -o $out{rest}", objects.join(" "));
    shell(&command, directory, optional).then(|| directory.join("built"))
}

fn files(source: &str, with: &str) -> Vec<(String, String)> {
    if !source.trim_start().starts_with("////") {
        let extension = match with.split_whitespace().next() {
            Some("g++" | "clang++") => "cc",
            Some("rustc") => "rs",
            _ => "c",
        };
        return vec![(format!("unit.{extension}"), source.to_owned())];
    }
    source
        .split("////")
        .skip(1)
        .map(|part| {
            let (name, text) = part.split_once('\n').unwrap();
            (name.trim().to_owned(), text.to_owned())
        })
        .collect()
}

/// Runs a command line in a directory; false if its program is missing.
pub fn shell(command: &str, directory: &Path, optional: bool) -> bool {
    let program = command.split(' ').find(|word| !word.contains('=')).unwrap_or_default();
    let output =
        Command::new("timeout").args(["30", "sh", "-ec", command]).current_dir(directory).output().unwrap();
    if output.status.success() {
        return true;
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(127) || optional {
        let why = complaint.lines().next().unwrap_or_default();
        // Not by eprintln, which tests that pass keep to themselves.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} cannot do it here: {why}");
        return false;
    }
    panic!("{command}: {complaint}");
}
