//! Modules, encoded as split BTF on their kernel's.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use btfkit_btf::{Btf, Kind};

use super::module_peer::{self, PeerBase};
use super::{Subject, have, kernel_verifier, loading, readers};
use crate::command::{self, is_root};

/// Encodes the kernel's modules on its BTF, all in one run, and shows each to our own rules, to bpftool and to libbpf; and,
/// as root, to the running kernel. User space cannot name a base when it loads BTF, so that one gets base and module as
/// one blob. A module alone comes out as it does among the others.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let base = Arc::new(Btf::parse(fs::read(&subject.btf)?)?);
    let folder = subject.folder.join("modules");
    let mut together = Command::new(subject.encoder.program());
    together.args(["encode", "--quiet", "--lang-exclude", "rust", "--base"]).arg(&subject.btf);
    command::output(together.arg("--output-dir").arg(&folder).args(&subject.kernel.modules))?;
    let mut encoded = Vec::new();
    for (number, module) in subject.kernel.modules.iter().enumerate() {
        let name = module.file_name().context("a module has a name")?;
        let output = folder.join(name).with_extension("btf");
        let checked = look_at(subject, &output, &base).and_then(|()| match number % ALONE {
            0 => alone(subject, module, &output),
            _ => Ok(()),
        });
        checked.with_context(|| name.to_string_lossy().into_owned())?;
        encoded.push(output);
    }
    have(&subject.peers.libbpf)?.open(&subject.btf, &encoded)?;
    let kernel = if is_root() {
        for output in &encoded {
            let module = Btf::parse_split(fs::read(output)?, Arc::clone(&base))?;
            kernel_verifier::load(&joined(&base, &module)).with_context(|| output.display().to_string())?;
        }
        ", and the running kernel's verifier together with their base"
    } else {
        "; the running kernel was not asked, only root may"
    };
    Ok(format!("{} modules pass the rules, bpftool and libbpf{kernel}", encoded.len()))
}

/// Has the kernel that the modules were built for load them.
pub(crate) fn in_their_kernel(subject: &Subject<'_>) -> Result<String> {
    loading::check(subject.encoder.program(), subject.kernel, &subject.kernel.modules, &[])
}

/// Compares the modules with pahole's, on the kernel's BTF as it is shipped.
pub(crate) fn as_pahole(subject: &Subject<'_>) -> Result<String> {
    beside_pahole(subject, PeerBase { file: &subject.kernel.vmlinux, older: true }, subject.listing)
}

/// The same on the kernel's BTF as it is encoded today.
pub(crate) fn as_pahole_today(subject: &Subject<'_>) -> Result<String> {
    beside_pahole(subject, PeerBase { file: &subject.btf, older: false }, None)
}

fn beside_pahole(subject: &Subject<'_>, base: PeerBase<'_>, listing: Option<&Path>) -> Result<String> {
    let pahole = have(&subject.peers.pahole)?;
    module_peer::check(subject.encoder.program(), pahole, &subject.kernel.modules, base, listing)
}

/// One of so many modules is encoded once more, alone.
const ALONE: usize = 10;

/// Our rules, bpftool, and what only sections tell: variables are in sections that are loaded.
fn look_at(subject: &Subject<'_>, output: &Path, base: &Arc<Btf<'static>>) -> Result<()> {
    let bytes = fs::read(output)?;
    readers::rules(&bytes, Some(base))?;
    let module = Btf::parse_split(bytes, Arc::clone(base))?;
    for section in module.types().filter(|ty| ty.kind() == Kind::DataSec) {
        let name = String::from_utf8_lossy(section.name()).into_owned();
        ensure!(!name.starts_with(".debug"), "variables in {name}");
    }
    readers::bpftool_dump(have(&subject.peers.bpftool)?, output, Some(&subject.btf)).map(drop)
}

fn alone(subject: &Subject<'_>, module: &Path, together: &Path) -> Result<()> {
    let output = subject.folder.join("alone.btf");
    subject.encoder.encode(module, &output, &[OsStr::new("--base"), subject.btf.as_os_str()])?;
    ensure!(fs::read(output)? == fs::read(together)?, "alone it is encoded to something else");
    Ok(())
}

/// A split BTF and its base as one blob: ids and string offsets of the one go on where those of the other end, so that
/// the sections need only stand behind each other.
pub(super) fn joined(base: &Btf<'_>, split: &Btf<'_>) -> Vec<u8> {
    let types = base.type_section().len() + split.type_section().len();
    let strings = base.string_section().len() + split.string_section().len();
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes();
    let mut blob = Vec::with_capacity(24 + types + strings);
    blob.extend(0xeb9f_u16.to_ne_bytes());
    blob.extend([1, 0]); // version, flags
    for number in [24, 0, types, types, strings] {
        blob.extend(word(number));
    }
    for section in [base.type_section(), split.type_section(), base.string_section(), split.string_section()]
    {
        blob.extend(section);
    }
    blob
}
