//! Modules, encoded as split BTF on their kernel's.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use btfkit_btf::Btf;

use super::{Subject, have, readers};

/// Encodes the kernel's modules on its BTF and shows each to our own rules, to bpftool and to libbpf.
///
/// The running kernel cannot be asked: user space has no way to name a base when it loads BTF.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let base = Arc::new(Btf::parse(fs::read(&subject.btf)?)?);
    let mut encoded = Vec::new();
    for module in &subject.kernel.modules {
        let name = module.file_name().context("a module has a name")?;
        let output = subject.folder.join(name).with_extension("btf");
        let checked =
            encode(subject, module, &output).and_then(|()| readers::rules(&fs::read(&output)?, Some(&base)));
        checked.with_context(|| name.to_string_lossy().into_owned())?;
        encoded.push(output);
    }
    have(&subject.peers.libbpf)?.open(&subject.btf, &encoded)?;
    Ok(format!("{} modules pass the rules, bpftool and libbpf", encoded.len()))
}

fn encode(subject: &Subject<'_>, module: &Path, output: &Path) -> Result<()> {
    subject.encoder.encode(module, output, &[OsStr::new("--base"), subject.btf.as_os_str()])?;
    readers::bpftool_dump(have(&subject.peers.bpftool)?, output, Some(&subject.btf))?;
    Ok(())
}
