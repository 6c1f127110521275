//! Modules, encoded as split BTF on their kernel's.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Subject, have, readers};

/// Encodes the kernel's modules on its BTF and shows each to our own rules, to bpftool and to libbpf.
///
/// The running kernel cannot be asked: user space has no way to name a base when it loads BTF.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let mut encoded = Vec::new();
    for module in &subject.kernel.modules {
        let name = module.file_name().context("a module has a name")?;
        let output = subject.folder.join(name).with_extension("btf");
        encode(subject, module, &output).with_context(|| name.to_string_lossy().into_owned())?;
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
