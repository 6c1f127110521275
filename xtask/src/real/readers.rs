//! Readers of BTF: bpftool, libbpf, and our own rules.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use btfkit_btf::Btf;
use btfkit_btf::check::{Profile, check};

use crate::command;

/// Dumps a raw BTF with bpftool, every type; returns how many there were.
pub(crate) fn bpftool_dump(bpftool: &Path, btf: &Path, base: Option<&Path>) -> Result<usize> {
    let mut dump = Command::new(bpftool);
    if let Some(base) = base {
        dump.arg("-B").arg(base);
    }
    let text = command::text(dump.args(["btf", "dump", "file"]).arg(btf).args(["format", "raw"]))?;
    // Each type is a line that begins with its id; members and the like are indented.
    let types = text.lines().filter(|line| line.starts_with('[')).count();
    ensure!(types > 0, "bpftool shows no types");
    Ok(types)
}

/// A small program that opens BTF files with the system's libbpf.
#[derive(Debug)]
pub(crate) struct Libbpf {
    program: PathBuf,
}

impl Libbpf {
    pub(crate) fn compile(folder: &Path) -> Result<Self> {
        let program = folder.join("libbpf_open");
        let source = command::repository().join("xtask/data/libbpf_open.c");
        let mut compiler = Command::new(command::require("cc")?);
        command::output(compiler.arg("-o").arg(&program).arg(source).arg("-lbpf"))?;
        Ok(Self { program })
    }

    /// Opens a BTF, and others on top of it.
    pub(crate) fn open(&self, btf: &Path, splits: &[PathBuf]) -> Result<()> {
        let counts = command::text(Command::new(&self.program).arg("-b").arg(btf).args(splits))?;
        let opened =
            counts.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|types| *types > 1).count();
        if opened != 1 + splits.len() {
            bail!("libbpf opened {opened} of {} files", 1 + splits.len());
        }
        Ok(())
    }
}

/// Checks a raw BTF by the rules that a kernel applies to its own and its modules'.
pub(crate) fn rules(btf: &[u8], base: Option<&Arc<Btf<'_>>>) -> Result<()> {
    let report = check(btf, base, Profile::Vmlinux);
    if let Some(violation) = report.violations.first() {
        bail!("{} violations of the kernel's rules, the first: {violation}", report.total);
    }
    Ok(())
}
