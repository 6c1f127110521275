//! The module that carries the kernel's variables, under another name, and made of another kernel.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use btfkit_btf::provenance::hexadecimal;

use super::{Case, side_files, variables};
use crate::command;

/// The name that the module has, and another of its length.
const NAMES: [&str; 2] = ["vmlinux_btf_extra", "other_btf_carrier"];

/// Finds each variable in a copy of the dump in which the module has another name; and where what it carries names the
/// build ID of another kernel, only what the kernel's own BTF has.
pub(super) fn check(mut case: Case, folder: &Path, vmlinux: &Path) -> Result<String> {
    let original = std::mem::replace(&mut case.dump, folder.join("carrier.elf"));
    let id = side_files::build_id(vmlinux)?;
    let other = "0".repeat(id.len());
    replace(&original, &case.dump, [&format!("btfkit:build_id={id}"), &format!("btfkit:build_id={other}")])?;
    let questions = ["p/x &saved_command_line", "p/x &per_cpu(runqueues, 1)"].map(str::to_owned);
    let answers = case.session().run(&questions)?;
    ensure!(
        answers.errors.len() == 1 && answers.errors[0].contains("saved_command_line has no symbol"),
        "of another kernel: {:?}",
        answers.errors
    );

    replace(&original, &case.dump, NAMES)?;
    // The kernel keeps the name of the module that was unloaded last.
    let [old, new] = NAMES.map(|name| hexadecimal(name.as_bytes()));
    let objects = case.oracle.variables.values_mut().flat_map(|variables| &mut variables.objects);
    for bytes in objects.filter_map(|object| object.bytes.as_mut()) {
        *bytes = bytes.replace(&old, &new);
    }
    variables::check(&case).map(|found| format!("in {}: {found}", NAMES[1]))
}

/// Writes a copy of a file with a text replaced by another of its length.
fn replace(file: &Path, copy: &Path, [old, new]: [&str; 2]) -> Result<()> {
    let mut sed = Command::new(command::require("sed")?);
    // Bytes, not characters.
    sed.env("LC_ALL", "C").arg(format!("s/{old}/{new}/g")).arg(file).stdout(File::create(copy)?);
    let status = sed.status().context("sed")?;
    let [before, after] = [file, copy].map(|file| file.metadata().map(|data| data.len()));
    ensure!(status.success() && before? == after?, "sed: {status}, or another length");
    Ok(())
}
