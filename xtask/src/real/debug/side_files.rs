//! Side files that were made for something else: refused, with what shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Case;
use crate::command;

/// The build ID that readelf finds in an ELF file.
pub(super) fn build_id(file: &Path) -> Result<String> {
    let notes = command::text(Command::new(command::require("readelf")?).arg("-n").arg(file))?;
    let id = notes.split("Build ID: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(id.with_context(|| format!("{} has no build ID", file.display()))?.to_owned())
}

/// What the debugger says of a side file: nothing, or one line.
fn open(case: &Case, side: &Path) -> Result<Option<String>> {
    let mut debug = Command::new(&case.btfkit);
    debug.arg("debug").arg(&case.dump).arg("--btf").arg(side).args(["-e", "init_task.pid"]);
    let output = debug.output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(errors.lines().count() == usize::from(!output.status.success()), "{errors}");
    Ok((!output.status.success()).then_some(errors))
}

pub(super) fn check(case: &Case, vmlinux: &Path) -> Result<String> {
    let side = case.side_file.clone().context("there is no side file")?;
    let module = case.modules.first().cloned().context("there is no side file of a module")?;
    let folder = tempfile::tempdir()?;
    let id = build_id(vmlinux)?;
    // The same but for a digit: of the kernel's build ID, of the module's, of the base's checksum, a letter of a name.
    let altered = |file: &Path, key: &str, is_first: bool| -> Result<(PathBuf, String)> {
        let mut bytes = fs::read(file)?;
        let key = key.as_bytes();
        let at =
            bytes.windows(key.len()).position(|part| part == key).context("the side file does not say it")?;
        let start = at + key.len();
        let end = start + bytes[start..].iter().position(|&byte| byte == 0).context("no end")?;
        let digit = if is_first { start } else { end - 1 };
        bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
        let path = folder.path().join("altered.btf");
        fs::write(&path, &bytes)?;
        Ok((path, String::from_utf8_lossy(&bytes[start..end]).into_owned()))
    };
    let mut told = 0;
    let mut refused = |(file, value): (PathBuf, String), words: &[&str]| -> Result<()> {
        let said = open(case, &file)?.with_context(|| format!("one of {value} was taken"))?;
        for word in words.iter().chain([&&value[..]]) {
            ensure!(said.contains(*word), "no {word:?} in {said}");
        }
        told += 1;
        Ok(())
    };
    for (side, whose) in [(&side, "a kernel"), (&module, "a dummy")] {
        ensure!(open(case, side)?.is_none(), "{} is refused", side.display());
        let other = altered(side, "btfkit:build_id=", false)?;
        // What readelf says of the kernel is what the dump has; modules keep theirs since Linux 5.14.
        let known = if whose == "a kernel" { &id[..] } else { "the dump's has" };
        refused(other, &["made of", whose, "with build ID", known])?;
    }
    let (file, value) = altered(&side, "btfkit:base=", true)?;
    refused((file, value.replace(',', " ")), &["was made on a base whose cksum is"])?;
    refused(altered(&module, "btfkit:module=", false)?, &["is not loaded in the dump"])?;
    Ok(format!("{told} refused; the kernel's build ID is {id}"))
}
