//! `btfkit dump` beside bpftool, and `btfkit size` beside the file's.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Subject, have};
use crate::command;

/// How many modules are compared.
const MODULES: usize = 20;
/// Where the running kernel shows its BTF.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// Raw and JSON dumps of the kernel's own BTF, of what we made of it, of the running kernel's, and of modules on their
/// base: the first byte for byte, the second value by value.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let peers = Peers { btfkit: subject.encoder.program(), bpftool: have(&subject.peers.bpftool)? };
    let vmlinux = &subject.kernel.vmlinux;
    let mut inputs: Vec<(&Path, Option<&Path>)> = vec![(&subject.btf, None), (vmlinux, None)];
    if Path::new(RUNNING).exists() {
        inputs.push((Path::new(RUNNING), None));
    }
    inputs.extend(
        subject.kernel.modules.iter().take(MODULES).map(|module| (module.as_path(), Some(vmlinux.as_path()))),
    );
    let (mut types, mut time) = (0, (Duration::ZERO, Duration::ZERO));
    for &(file, base) in &inputs {
        let both = || {
            let spent = peers.compare_raw(file, base)?;
            Ok::<_, anyhow::Error>((peers.compare_json(file, base)?, spent))
        };
        let (count, (theirs, ours)) = both().with_context(|| file.display().to_string())?;
        types += count;
        time = (time.0 + theirs, time.1 + ours);
    }
    Ok(format!(
        "{} files with {types} types are shown as by bpftool; raw in {:.2} s, bpftool's in {:.2} s",
        inputs.len(),
        time.1.as_secs_f64(),
        time.0.as_secs_f64()
    ))
}

struct Peers<'p> {
    btfkit: &'p Path,
    bpftool: &'p Path,
}

impl Peers<'_> {
    /// How long bpftool and btfkit took.
    fn compare_raw(&self, file: &Path, base: Option<&Path>) -> Result<(Duration, Duration)> {
        let start = Instant::now();
        let theirs = command::output(&mut self.bpftool(&[], file, base))?.stdout;
        let middle = Instant::now();
        let ours = command::output(&mut self.btfkit("raw", file, base))?.stdout;
        let end = Instant::now();
        if ours != theirs {
            let (ours, theirs) = (String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
            let (ours, theirs) = ours
                .lines()
                .zip(theirs.lines())
                .find(|(ours, theirs)| ours != theirs)
                .context("one dump is longer than the other")?;
            anyhow::bail!("bpftool prints {theirs:?}, btfkit {ours:?}");
        }
        Ok((middle - start, end - middle))
    }

    /// How many types both have.
    fn compare_json(&self, file: &Path, base: Option<&Path>) -> Result<usize> {
        let theirs = types(&command::output(&mut self.bpftool(&["-j"], file, base))?.stdout)?;
        let ours = types(&command::output(&mut self.btfkit("json", file, base))?.stdout)?;
        ensure!(ours.len() == theirs.len(), "{} types, bpftool has {}", ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            ensure!(covers(ours, theirs), "bpftool has {theirs}, btfkit {ours}");
        }
        Ok(ours.len())
    }

    fn bpftool(&self, options: &[&str], file: &Path, base: Option<&Path>) -> Command {
        let mut command = Command::new(self.bpftool);
        command.args(options);
        if let Some(base) = base {
            command.arg("-B").arg(base);
        }
        command.args(["btf", "dump", "file"]).arg(file);
        command
    }

    fn btfkit(&self, format: &str, file: &Path, base: Option<&Path>) -> Command {
        let mut command = Command::new(self.btfkit);
        command.arg("dump").arg(file).args(["--format", format]);
        if let Some(base) = base {
            command.arg("--base").arg(base);
        }
        command
    }
}

fn types(json: &[u8]) -> Result<Vec<Value>> {
    let mut document: Value = serde_json::from_slice(json).context("this is no JSON")?;
    match document["types"].take() {
        Value::Array(types) => Ok(types),
        other => anyhow::bail!("types are {other}"),
    }
}

/// Keys that btfkit writes and bpftool does not.
const OURS: [&str; 5] = ["section", "offset", "size", "name", "attribute"];

/// Whether `ours` has all that `theirs` has, and nothing else but [`OURS`].
fn covers(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let unsigned = theirs.get("encoding").is_some_and(|encoding| encoding == "UNSIGNED");
            theirs.iter().all(|(key, theirs)| {
                ours.get(key).is_some_and(|ours| match key.as_str() {
                    "values" if unsigned => same_unsigned_values(ours, theirs),
                    _ => covers(ours, theirs),
                })
            }) && ours.keys().all(|key| theirs.contains_key(key) || OURS.contains(&key.as_str()))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| covers(ours, theirs))
        }
        _ => ours == theirs,
    }
}

/// bpftool 7.1 widens enumerators of 32 bits without sign as if they had one.
fn same_unsigned_values(ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else { return false };
    let widened = |value: u64| i64::from(value as u32 as i32) as u64;
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            let values = (ours["val"].as_u64(), theirs["val"].as_u64());
            let (Some(value), Some(their_value)) = values else { return false };
            ours["name"] == theirs["name"]
                && (value == their_value || u32::try_from(value).is_ok() && widened(value) == their_value)
        })
}

/// The parts of a BTF make up the whole, by the header's account.
pub(crate) fn check_size(subject: &Subject<'_>) -> Result<String> {
    let mut command = Command::new(subject.encoder.program());
    command.args(["size", "--json", "--base"]).arg(&subject.kernel.vmlinux);
    command.arg(&subject.btf).arg(&subject.kernel.vmlinux).args(&subject.kernel.modules);
    let start = Instant::now();
    let json: Value = serde_json::from_slice(&command::output(&mut command)?.stdout)?;
    let spent = start.elapsed();
    let files = json["files"].as_array().context("files")?;
    ensure!(files.len() == 2 + subject.kernel.modules.len(), "{} files", files.len());
    let number = |value: &Value| value.as_u64().with_context(|| format!("{value} is no number"));
    let sum = |list: &Value| -> Result<u64> {
        list.as_array().context("a list")?.iter().map(|part| number(&part["bytes"])).sum()
    };
    let mut bytes = 0;
    for file in files {
        let mut parts = sum(&file["types"])? + sum(&file["strings"])?;
        for part in ["header", "layout", "unused"] {
            parts += number(&file[part])?;
        }
        let total = number(&file["total"])?;
        ensure!(parts == total, "{}: {parts} bytes of {total} are accounted for", file["file"]);
        bytes += total;
    }
    let raw = std::fs::metadata(&subject.btf)?.len();
    ensure!(number(&files[0]["total"])? == raw, "the file has {raw} bytes");
    Ok(format!("{bytes} bytes of {} files accounted for in {:.2} s", files.len(), spent.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_bpftool_leaves_out_may_be_there_and_nothing_else() {
        let theirs = json!({"id": 1, "kind": "VAR", "name": "x"});
        assert!(covers(&json!({"id": 1, "kind": "VAR", "name": "x", "section": ".data"}), &theirs));
        assert!(!covers(&json!({"id": 1, "kind": "VAR", "name": "x", "colour": "red"}), &theirs));
        assert!(!covers(&json!({"id": 1, "kind": "VAR"}), &theirs));
        assert!(!covers(&json!({"id": 2, "kind": "VAR", "name": "x"}), &theirs));
        assert!(!covers(&json!([1]), &json!([1, 2])));
    }

    #[test]
    fn only_a_widened_enumerator_is_excused() {
        let with =
            |encoding: &str, val: Value| json!({"encoding": encoding, "values": [{"name": "A", "val": val}]});
        let wide = json!(0xffff_ffff_8000_0000_u64);
        assert!(covers(&with("UNSIGNED", json!(0x8000_0000_u32)), &with("UNSIGNED", wide.clone())));
        assert!(covers(&with("UNSIGNED", json!(5)), &with("UNSIGNED", json!(5))));
        assert!(!covers(&with("UNSIGNED", json!(5)), &with("UNSIGNED", json!(6))));
        assert!(!covers(&with("UNSIGNED", json!(0x4000_0000)), &with("UNSIGNED", wide.clone())));
        assert!(!covers(&with("SIGNED", json!(0x8000_0000_u32)), &with("SIGNED", wide)));
    }
}
