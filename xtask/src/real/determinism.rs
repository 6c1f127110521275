//! The same facts give the same bytes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Subject;
use crate::command;

/// Encodes again with one thread, with two, and from another working folder.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let expected = fs::read(&subject.btf)?;
    let output = subject.folder.join("again.btf");
    let vmlinux = &subject.kernel.vmlinux;
    for threads in ["1", "2"] {
        subject.encoder.encode(vmlinux, &output, &[OsStr::new("-j"), OsStr::new(threads)])?;
        ensure!(fs::read(&output)? == expected, "-j {threads} gives other bytes");
    }
    let folder = vmlinux.parent().context("vmlinux lies in a folder")?;
    let name = vmlinux.file_name().context("vmlinux has a name")?;
    command::output(subject.encoder.command(Path::new(name), &output, &[]).current_dir(folder))?;
    ensure!(fs::read(&output)? == expected, "another working folder gives other bytes");
    Ok("-j 1, -j 2 and another working folder".into())
}
