//! The real tier: Debian kernels, encoded and held against independent readers and the peer.
//!
//! Each check is a function that returns what it found, or an error: a failure, or the reason why it cannot run here.

mod allowance;
mod debug;
mod determinism;
mod distill;
mod dkms;
mod dump;
mod encoder;
mod front;
mod header;
mod kernel_verifier;
mod layout;
pub(crate) mod loading;
mod minimize;
mod module_peer;
mod modules;
mod peer;
mod readers;
mod rewrite;
mod speed;
mod symbols;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::bench;
use crate::fixtures::{Kernel, KernelPackage, OTHER_KERNELS, Pahole, fetch_all};
use crate::verdict::{Tally, Unavailable, unavailable};
use encoder::Encoder;
use readers::Libbpf;

/// What the checks of all kernels share.
#[derive(Debug)]
struct Peers {
    pahole: Result<Pahole>,
    bpftool: Result<PathBuf>,
    libbpf: Result<Libbpf>,
}

impl Peers {
    fn fetch(folder: &Path) -> Self {
        Self {
            pahole: Pahole::fetch(),
            bpftool: crate::fixtures::bpftool(),
            libbpf: crate::fixtures::libbpf().and_then(|()| Libbpf::compile(folder)),
        }
    }
}

/// A kernel that has been encoded.
#[derive(Debug)]
struct Subject<'r> {
    kernel: &'r Kernel,
    encoder: &'r Encoder,
    peers: &'r Peers,
    /// A folder for outputs.
    folder: &'r Path,
    /// The raw BTF that the checks are about.
    btf: PathBuf,
    /// Where to list how its modules differ from pahole's.
    listing: Option<&'r Path>,
}

/// A check: what it found, or why it failed or cannot run.
type Check = fn(&Subject<'_>) -> Result<String>;

pub(crate) fn run(tally: &mut Tally, btfkit: Option<&Path>) {
    let kernels = fetch_all();
    if let Some(reason) = none_available(&kernels) {
        return tally.skip("real tier", &reason);
    }
    let Some((encoder, folder)) = prepare(tally, "real tier", btfkit) else { return };
    let peers = Peers::fetch(folder.path());
    crate::kernel::check_and_dump(tally, encoder.program());
    for (package, kernel) in kernels {
        match kernel {
            Ok(kernel) => {
                check_kernel(tally, &kernel, &encoder, &peers, folder.path());
                debug::check(tally, &kernel, &encoder, folder.path());
            }
            Err(error) => {
                tally.check(&format!("real tier: {}", package.label), || Err(error));
            }
        }
    }
    let [old, new] = ["6.1-cloud", "6.12-cloud"].map(|label| folder.path().join(label).join("vmlinux.btf"));
    if old.exists() && new.exists() {
        tally.check("6.1-cloud and 6.12-cloud: diff", || rewrite::compare(encoder.program(), &old, &new));
    } else {
        tally.skip("6.1-cloud and 6.12-cloud: diff", "one of the two kernels is not there");
    }
    debug::check_small_kernels(tally, encoder.program(), folder.path());
    debug::check_others(tally, is_of_every_run, &encoder, folder.path());
    println!("NOT RUN dumps of {}: only with --tier machines", others_by_name());
}

/// The btfkit to test, and a folder for its output; `what` is skipped without them.
fn prepare(tally: &mut Tally, what: &str, btfkit: Option<&Path>) -> Option<(Encoder, TempDir)> {
    let mut encoder = None;
    tally.check("release build", || {
        encoder =
            Some(Encoder::new(btfkit.map_or_else(bench::release_build, |path| Ok(path.to_path_buf()))?));
        Ok(String::new())
    });
    let prepared = encoder.zip(tempfile::tempdir().ok());
    if prepared.is_none() {
        tally.skip(what, "there is no btfkit to test, or no room for its output");
    }
    prepared
}

/// The kernel of another machine whose dump is part of every run.
fn is_of_every_run(package: &KernelPackage) -> bool {
    package.label == "6.12-arm64"
}

/// Those that are not.
fn others_by_name() -> String {
    let others = OTHER_KERNELS.iter().filter(|package| !is_of_every_run(package));
    others.map(|package| package.label).collect::<Vec<_>>().join(", ")
}

/// The checks on dumps alone; with `all_machines`, on those of other machines alone.
pub(crate) fn run_debug(tally: &mut Tally, btfkit: Option<&Path>, all_machines: bool) {
    let Some((encoder, folder)) = prepare(tally, "dumps", btfkit) else { return };
    if all_machines {
        return debug::check_others(tally, |_| true, &encoder, folder.path());
    }
    debug::check_small_kernels(tally, encoder.program(), folder.path());
    for (package, kernel) in fetch_all() {
        match kernel {
            Ok(kernel) => debug::check(tally, &kernel, &encoder, folder.path()),
            Err(error) => {
                tally.check(&format!("dumps of {}", package.label), || Err(error));
            }
        }
    }
    debug::check_others(tally, is_of_every_run, &encoder, folder.path());
    println!("NOT RUN dumps of {}: only with --tier machines", others_by_name());
}

/// Everything that is checked of modules, on all of a kernel's.
pub(crate) fn run_modules(
    tally: &mut Tally,
    kernel: &Kernel,
    btfkit: &Path,
    listing: Option<&Path>,
) -> Result<()> {
    let (encoder, folder) = (Encoder::new(btfkit.to_path_buf()), tempfile::tempdir()?);
    let peers = Peers::fetch(folder.path());
    let btf = folder.path().join("vmlinux.btf");
    encoder.encode(&kernel.vmlinux, &btf, &[])?;
    let subject = Subject { kernel, encoder: &encoder, peers: &peers, folder: folder.path(), btf, listing };
    for (name, check) in OF_MODULES.into_iter().chain(OF_ALL_MODULES) {
        tally.check(&format!("{}: {name}", kernel.label), || check(&subject));
    }
    Ok(())
}

/// What is checked of a kernel's modules, be it all or some.
const OF_MODULES: [(&str, Check); 2] =
    [("modules", modules::check), ("modules in their kernel", modules::in_their_kernel)];

/// What is checked only of all of them.
const OF_ALL_MODULES: [(&str, Check); 2] = [
    ("modules as pahole's", modules::as_pahole),
    ("modules as pahole's on a base of today", modules::as_pahole_today),
];

/// Why no kernel can be had at all, if so.
fn none_available<K>(kernels: &[(K, Result<Kernel>)]) -> Option<String> {
    let mut reasons = kernels.iter().map(|(_, kernel)| match kernel {
        Err(error) if error.is::<Unavailable>() => Some(format!("{error:#}")),
        _ => None,
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

fn check_kernel(tally: &mut Tally, kernel: &Kernel, encoder: &Encoder, peers: &Peers, folder: &Path) {
    let label = kernel.label;
    let folder = folder.join(label);
    let btf = folder.join("vmlinux.btf");
    let encoded = tally.check(&format!("{label}: encode"), || {
        fs::create_dir(&folder)?;
        encoder.encode(&kernel.vmlinux, &btf, &[])?;
        Ok(format!("{} to {} bytes", kernel.describe(), fs::metadata(&btf)?.len()))
    });
    if !encoded {
        return;
    }
    let subject = Subject { kernel, encoder, peers, folder: &folder, btf, listing: None };
    let mut check = |name: &str, check: Check| {
        tally.check(&format!("{label}: {name}"), || check(&subject));
    };
    check("kernel verifier", in_kernel);
    check("our own rules", by_our_rules);
    check("bpftool", in_bpftool);
    check("libbpf", in_libbpf);
    check("dumps as bpftool's", dump::check);
    check("every byte accounted for", dump::check_size);
    check("types and functions as pahole's", peer::check);
    check("structures as pahole shows them", layout::check);
    check("same bytes for any thread count and folder", determinism::check);
    check("C header", header::check);
    check("every data symbol has a variable", symbols::check);
    check("variables out and in again", rewrite::split);
    check("other orders, and copies", rewrite::orders_and_copies);
    check("every function static has a variable", symbols::check_function_statics);
    if label == crate::fixtures::KERNELS[0].label {
        check("features as pahole's", front::check);
    }
    check("minimised BTF serves libbpf as the full one", minimize::check);
    if !kernel.modules.is_empty() {
        OF_MODULES.into_iter().for_each(|(name, of_modules)| check(name, of_modules));
        check("side file under DKMS", dkms::check);
        check("modules on a distilled base", distill::check);
        check("modules merged as libbpf merges them", rewrite::modules);
    }
    if label == crate::fixtures::KERNELS[0].label {
        check("speed and memory", speed::check);
        check("deduplication beside libbpf's", rewrite::dedup_speed);
    }
}

/// A peer that cannot be had makes the check that wants it skipped; one that could not be made, failed.
pub(crate) fn have<T>(peer: &Result<T>) -> Result<&T> {
    peer.as_ref().map_err(|error| match error.downcast_ref() {
        Some(Unavailable(reason)) => unavailable(reason),
        None => anyhow::anyhow!("{error:#}"),
    })
}

fn in_kernel(subject: &Subject<'_>) -> Result<String> {
    kernel_verifier::load(&fs::read(&subject.btf)?)?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("the running kernel's release")?;
    Ok(format!("accepted by the running {}", release.trim()))
}

/// For when the running kernel cannot be asked; where it can, the two must agree.
fn by_our_rules(subject: &Subject<'_>) -> Result<String> {
    readers::rules(&fs::read(&subject.btf)?, None)?;
    Ok("accepted".into())
}

fn in_bpftool(subject: &Subject<'_>) -> Result<String> {
    let types = readers::bpftool_dump(have(&subject.peers.bpftool)?, &subject.btf, None)?;
    Ok(format!("{types} types dumped"))
}

fn in_libbpf(subject: &Subject<'_>) -> Result<String> {
    have(&subject.peers.libbpf)?.open(&subject.btf, &[])?;
    Ok("opened".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_without_any_kernel_is_skipped_as_a_whole() {
        let absent = || ((), Err(unavailable("no apt")));
        let broken = || ((), Err(anyhow::anyhow!("wrong hash")));
        assert_eq!(none_available(&[absent(), absent()]).unwrap(), "no apt");
        assert_eq!(none_available(&[absent(), broken()]), None);
        assert_eq!(none_available(&[broken(), absent()]), None);
    }

    #[test]
    fn an_absent_peer_skips_and_a_broken_one_fails() {
        assert!(have(&Err::<(), _>(unavailable("no apt"))).unwrap_err().is::<Unavailable>());
        assert!(!have(&Err::<(), _>(anyhow::anyhow!("does not compile"))).unwrap_err().is::<Unavailable>());
    }
}
