//! Minimised BTF serves libbpf as the full one does, and holds what bpftool keeps.

mod random_probe;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use btfkit_btf::check::{self, Profile};
use btfkit_btf::core::essential;
use btfkit_btf::{Btf, TypeId};
use btfkit_encode::object::Object;

use super::{Subject, have, kernel_verifier};
use crate::command::{self, is_root};
use crate::verdict::unavailable;

/// How a line begins that says what a kernel has no answer to.
const WITHOUT: &str = "without ";

const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// Seeds of programs that ask at random, the same on every run. The first that clang can compile is taken.
const SEEDS: std::ops::Range<u64> = 7..12;

/// `enum bpf_core_relo_kind`.
const TYPE_EXISTS: u32 = 8;
const TYPE_MATCHES: u32 = 12;

/// Objects are relocated to a kernel's full BTF and to what btfkit keeps of it: libbpf says the same of each relocation. One
/// asks all that CO-RE can ask, another a thousand things picked at random among the types of the kernel. The running
/// kernel is asked by both, too. Where bpftool can be asked, the same fields are kept.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let libbpf = Libbpf::compile(subject)?;
    let probes = [Probe::compile(subject, "core_probe", 7)?, Probe::at_random(subject)?];
    let mut kernels = vec![subject.btf.clone()];
    if Path::new(RUNNING).exists() {
        kernels.push(PathBuf::from(RUNNING));
    }
    let mut findings = Vec::new();
    for kernel in &kernels {
        for probe in &probes {
            let context = || format!("{} for {}", kernel.display(), probe.plain.display());
            findings.push(one(subject, &libbpf, probe, kernel).with_context(context)?);
        }
    }
    Ok(findings.join("; "))
}

fn one(subject: &Subject<'_>, libbpf: &Libbpf, probe: &Probe, kernel: &Path) -> Result<String> {
    let (ours, theirs) = (subject.folder.join("minimized.btf"), subject.folder.join("bpftool.btf"));
    let minimize = |object: &Path| -> Result<(Vec<u8>, String)> {
        let mut minimize = Command::new(subject.encoder.program());
        minimize.arg("minimize").arg("--json").arg(object).arg("-o").arg(&ours).arg("--btf").arg(kernel);
        let summary = command::text(&mut minimize)?;
        Ok((fs::read(&ours)?, summary))
    };

    let mut peer = Command::new(have(&subject.peers.bpftool)?);
    command::output(peer.args(["gen", "min_core_btf"]).arg(kernel).arg(&theirs).arg(&probe.plain))?;
    same_fields(&fs::read(&theirs)?, &minimize(&probe.plain)?.0)?;

    let (bytes, summary) = minimize(&probe.matching)?;
    let report = check::check(&bytes, None, Profile::Load);
    if let Some(first) = report.violations.first() {
        bail!("{} violations of the kernel's rules, the first: {first}", report.total);
    }
    kernel_verifier::load(&bytes)?;
    let mut full = libbpf.relocate(&probe.matching, kernel)?;
    let minimized = libbpf.relocate(&probe.matching, &ours)?;
    if let Some((full, minimized)) = full.iter().zip(&minimized).find(|(full, minimized)| full != minimized) {
        bail!("libbpf says '{full}' of the full BTF and '{minimized}' of the minimised one");
    }
    ensure!(full.len() == minimized.len(), "libbpf relocated {} and {}", full.len(), minimized.len());
    same_verdicts(&full, &summary)?;
    let without = full.len();
    full.retain(|line| !line.starts_with(WITHOUT));
    Ok(format!(
        "{} relocations, {} in vain, the same in {} bytes as in {}",
        full.len(),
        without - full.len(),
        bytes.len(),
        fs::metadata(kernel)?.len()
    ))
}

/// What libbpf finds no answer to are the questions that btfkit calls missing.
fn same_verdicts(said: &[String], summary: &str) -> Result<()> {
    // libbpf adds where a field is in the object, and the values of its enumerators.
    let asked = |line: &str| line.split([' ', '(']).take(2).collect::<Vec<_>>().join(" ");
    let theirs: BTreeSet<String> =
        said.iter().filter_map(|line| line.strip_prefix(WITHOUT)).map(asked).collect();
    let summary: serde_json::Value = serde_json::from_str(summary)?;
    let missing = summary[0]["missing"].as_array().context("a summary says what is missing")?;
    let ours: BTreeSet<String> = missing.iter().filter_map(|each| each.as_str()).map(asked).collect();
    let difference: Vec<_> = theirs.symmetric_difference(&ours).collect();
    ensure!(difference.is_empty(), "libbpf judges otherwise: {difference:?}");
    Ok(())
}

/// The structures and unions with names are those that bpftool keeps, of the same sizes, with the same members in the
/// same places. (bpftool keeps all enumerators where one is asked for. Of several types that answer a question, it keeps
/// the first: those are types whose names have flavours in the kernel itself, and left out here.)
fn same_fields(theirs: &[u8], ours: &[u8]) -> Result<()> {
    let fields = |bytes: &[u8]| -> Result<BTreeSet<String>> {
        let btf = Btf::parse(bytes.to_vec())?;
        let mut all = BTreeSet::new();
        for ty in btf.types().filter(|ty| ty.kind().is_aggregate() && !ty.name().is_empty()) {
            if essential(ty.name()) != ty.name() {
                continue;
            }
            let name = format!("{} {} of {} bytes", ty.kind(), ty.name_str(), ty.size().unwrap_or(0));
            all.extend(ty.members().map(|member| {
                let member_name = String::from_utf8_lossy(ty.string(member.name)).into_owned();
                format!("{name}, {member_name} at {}:{}", member.bit_offset, member.bitfield_size)
            }));
            all.insert(name);
        }
        Ok(all)
    };
    let (theirs, ours) = (fields(theirs)?, fields(ours)?);
    let difference: Vec<_> = theirs.symmetric_difference(&ours).collect();
    ensure!(difference.is_empty(), "bpftool keeps other fields: {difference:?}");
    Ok(())
}

/// A small program that relocates an object with the system's libbpf.
struct Libbpf {
    program: PathBuf,
}

impl Libbpf {
    fn compile(subject: &Subject<'_>) -> Result<Self> {
        have(&subject.peers.libbpf)?;
        if !is_root() {
            return Err(unavailable("libbpf relocates for root only"));
        }
        let program = subject.folder.join("libbpf_relocate");
        let source = command::repository().join("xtask/data/libbpf_relocate.c");
        let mut compiler = Command::new(command::require("cc")?);
        command::output(compiler.arg("-o").arg(&program).arg(source).arg("-lbpf"))?;
        Ok(Self { program })
    }

    /// What libbpf says of each relocation. The number of a kernel's type is another in a minimised BTF: it is cut off.
    fn relocate(&self, object: &Path, btf: &Path) -> Result<Vec<String>> {
        let text = command::text(Command::new(&self.program).arg(object).arg(btf))?;
        let lines = text.lines().map(|line| match line.rsplit_once(" -> ") {
            Some((before, id)) if line.contains("'ids'") && id != "0" => format!("{before} -> an id"),
            _ => line.to_owned(),
        });
        Ok(lines.collect())
    }
}

/// The object that asks, as compiled and with questions whether types match.
struct Probe {
    plain: PathBuf,
    matching: PathBuf,
}

impl Probe {
    /// A program of the repository, with so many types named `…matches`.
    fn compile(subject: &Subject<'_>, name: &str, matches: usize) -> Result<Self> {
        let source = command::repository().join(format!("xtask/data/{name}.bpf.c"));
        let this = Self::from_source(subject, name, &source)?;
        let turned = ask_for_matches(&this.matching, |name, _| name.ends_with(b"matches"))?;
        ensure!(turned == matches, "{turned} questions were turned, not {matches}");
        Ok(this)
    }

    /// A program that asks a thousand things at random. Of types, each other one has to match.
    fn at_random(subject: &Subject<'_>) -> Result<Self> {
        let mut dump = Command::new(have(&subject.peers.bpftool)?);
        dump.args(["btf", "dump", "file"]).arg(&subject.btf).args(["format", "c"]);
        fs::write(subject.folder.join("vmlinux.h"), command::text(&mut dump)?)?;
        let source = subject.folder.join("random_probe.bpf.c");
        let kernel = Btf::parse(fs::read(&subject.btf)?)?;
        // Some of what is right C makes clang 14 crash.
        let mut compiled = SEEDS.map(|seed| {
            fs::write(&source, random_probe::source(&kernel, seed))?;
            Self::from_source(subject, "random_probe", &source)
        });
        let this = compiled.find_map(Result::ok).context("clang compiles none of the random programs")?;
        ask_for_matches(&this.matching, |_, index| index % 2 == 0)?;
        Ok(this)
    }

    fn from_source(subject: &Subject<'_>, name: &str, source: &Path) -> Result<Self> {
        let file = |ending: &str| subject.folder.join(format!("{name}.{ending}"));
        let (plain, matching) = (file("bpf.o"), file("matching.bpf.o"));
        let mut clang = Command::new(command::require("clang")?);
        clang.args(["-target", "bpf", "-g", "-O2", "-mcpu=v3", "-w", "-c", "-o"]).arg(&plain).arg(source);
        clang.arg("-I").arg(subject.folder);
        clang.arg(format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH));
        command::output(&mut clang)?;
        fs::copy(&plain, &matching)?;
        Ok(Self { plain, matching })
    }
}

/// Turns questions whether a type exists into whether it matches, as the compiler may be too old to ask that: those that
/// `wanted` picks by the type's name and the question's number. Tells how many.
fn ask_for_matches(path: &Path, wanted: impl Fn(&[u8], usize) -> bool) -> Result<usize> {
    let object = Object::from_bytes(path, fs::read(path)?)?;
    let section = |name: &str| -> Result<Vec<u8>> {
        let section = object.section_by_name(name).with_context(|| format!("clang made no {name}"))?;
        Ok(object.section_data(section.index)?.into_owned())
    };
    let btf = Btf::parse(section(".BTF")?)?;
    let mut ext = section(".BTF.ext")?;
    let word = |ext: &[u8], at: usize| u32::from_le_bytes([ext[at], ext[at + 1], ext[at + 2], ext[at + 3]]);
    // The header's fields 6 and 7 are offset and length of the table, from the header's end.
    let start = (word(&ext, 4) + word(&ext, 24)) as usize;
    let end = start + word(&ext, 28) as usize;
    let record = word(&ext, start) as usize;
    let mut at = start + 4;
    let (mut turned, mut questions) = (0, 0);
    while at < end {
        let count = word(&ext, at + 4) as usize;
        at += 8;
        for relocation in (at..at + count * record).step_by(record) {
            let name = btf.get(TypeId(word(&ext, relocation + 4)))?.name();
            if word(&ext, relocation + 12) != TYPE_EXISTS {
                continue;
            }
            questions += 1;
            if wanted(name, questions) {
                ext[relocation + 12..relocation + 16].copy_from_slice(&TYPE_MATCHES.to_le_bytes());
                turned += 1;
            }
        }
        at += count * record;
    }
    // In place: the section's relocations are for its other words.
    let place = object.section_by_name(".BTF.ext").map_or(0, |section| section.offset) as usize;
    let mut file = object.bytes().to_vec();
    file[place..place + ext.len()].copy_from_slice(&ext);
    fs::write(path, file)?;
    Ok(turned)
}
