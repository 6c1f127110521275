//! What can be seen of the kernels without booting them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use btfkit_btf::{Btf, Kind};
use object::{Object, ObjectSection, ObjectSymbol};

use super::build::{Built, Failure};
use super::{EXTRA, FOREIGN, Mode};

/// How much more variables may take apart from vmlinux than in it, or less: a thousandth.
const APART: f64 = 0.001;

/// The kernels that came out, by size.
pub(crate) fn sizes(built: &Built) -> Result<String> {
    let mut sizes = Vec::new();
    for mode in Mode::ALL {
        let bytes = section(&built.vmlinux(mode), ".BTF")?.len();
        sizes.push(format!("{} {bytes}", mode.letter()));
    }
    let module = section(&built.module(Mode::Module, EXTRA), ".BTF")?.len();
    let took = built.took.map_or("from the cache".to_owned(), |seconds| format!("in {seconds:.0} s"));
    Ok(format!("{} {took}; .BTF of vmlinux: {}; of {EXTRA}: {module} bytes", built.origin, sizes.join(", ")))
}

/// The build's last reader of BTF found what it looked for: all but what this configuration has not.
pub(crate) fn resolved_ids(built: &Built) -> Result<String> {
    let mut absent = BTreeSet::new();
    for mode in Mode::ALL {
        let log = fs::read_to_string(built.mode(mode).join("build.log"))?;
        let strings = section(&built.vmlinux(mode), ".debug_str")?;
        let strings: HashSet<&[u8]> = strings.split(|byte| *byte == 0).collect();
        for line in log.lines().filter(|line| is_complaint(line)) {
            let name = line.strip_prefix("WARN: resolve_btfids: unresolved symbol ");
            let name = name.with_context(|| format!("{}: {line}", mode.letter()))?;
            let known = strings.contains(name.trim().as_bytes());
            ensure!(!known, "{}: {name} is in the DWARF, and resolve_btfids did not find it", mode.letter());
            absent.insert(name.trim().to_owned());
        }
    }
    Ok(format!("content; {} names are looked for and are in no DWARF of this configuration", absent.len()))
}

/// Is this line of a build's log a message of `resolve_btfids`? That is also the name of a folder.
fn is_complaint(line: &str) -> bool {
    line.contains("resolve_btfids:") || line.starts_with("FAILED")
}

/// Two links of the same types, for different values of the option, give the same bytes.
pub(crate) fn reproducible(built: &Built) -> Result<String> {
    let of = |mode| section(&built.vmlinux(mode), ".BTF");
    ensure!(of(Mode::Module)? == of(Mode::Disabled)?, "two links give different BTF of vmlinux");
    let names = built.module_names(Mode::Disabled)?;
    for name in &names {
        let of = |mode| section(&built.module(mode, name), ".BTF");
        ensure!(of(Mode::Module)? == of(Mode::Disabled)?, "two links give different BTF of {name}");
    }
    Ok(format!("two links give the same BTF of vmlinux and {} modules", names.len()))
}

/// The module holds what it is for, and nothing twice.
pub(crate) fn extra_module(built: &Built) -> Result<String> {
    let base = Arc::new(Btf::parse(section(&built.vmlinux(Mode::Module), ".BTF")?)?);
    let extra = section(&built.module(Mode::Module, EXTRA), ".BTF")?;
    let bytes = extra.len();
    let extra = Btf::parse_split(extra, Arc::clone(&base))?;
    let of_kind = |btf: &Btf<'_>, kind| btf.types().filter(|entry| entry.kind() == kind).count();
    let in_base: HashSet<_> = base.types().map(|entry| (entry.kind(), entry.name().to_vec())).collect();
    for entry in extra.types() {
        match entry.kind() {
            Kind::Var | Kind::DataSec => {}
            Kind::Func | Kind::FuncProto => bail!("the module has functions: {}", entry.name_str()),
            kind => {
                let twice = !entry.name().is_empty() && in_base.contains(&(kind, entry.name().to_vec()));
                ensure!(!twice, "{kind:?} {} is in vmlinux's BTF, too", entry.name_str());
            }
        }
    }
    let all = Btf::parse(section(&built.vmlinux(Mode::Builtin), ".BTF")?)?;
    let (here, there) = (of_kind(&base, Kind::Var) + of_kind(&extra, Kind::Var), of_kind(&all, Kind::Var));
    ensure!(here == there, "{here} variables apart, {there} built in");
    let apart = (base.bytes().len() + bytes) as f64;
    let ratio = apart / all.bytes().len() as f64 - 1.0;
    ensure!(ratio.abs() < APART, "apart they take {:+.3} % of what they take built in", ratio * 100.0);
    let exact = exact_places(&built.vmlinux(Mode::Module), &extra)?;
    let (variables, sections) = (of_kind(&extra, Kind::Var), of_kind(&extra, Kind::DataSec));
    let others = extra.types().len() - variables - sections;
    Ok(format!(
        "{variables} VAR, {sections} DATASEC, {others} types of their own in {bytes} bytes; {:+.3} % beside built in; \
         {exact} places are those of the symbols",
        ratio * 100.0
    ))
}

/// Holds the places that a BTF gives to variables against the symbols of the final vmlinux; gives how many they are.
/// A variable may have no symbol of its name: the compiler renames statics of the same name.
fn exact_places(vmlinux: &Path, btf: &Btf<'_>) -> Result<usize> {
    let file = fs::read(vmlinux)?;
    let elf = object::File::parse(&file[..])?;
    let mut symbols: HashMap<&[u8], Vec<u64>> = HashMap::new();
    for symbol in elf.symbols() {
        symbols.entry(symbol.name_bytes()?).or_default().push(symbol.address());
    }
    let mut exact = 0;
    for section in btf.types().filter(|entry| entry.kind() == Kind::DataSec) {
        let name = section.name_str();
        let start =
            elf.section_by_name(&name).with_context(|| format!("vmlinux has no section {name}"))?.address();
        for entry in section.section_entries() {
            let variable = btf.get(entry.variable)?;
            let Some(addresses) = symbols.get(variable.name()) else { continue };
            let address = start + u64::from(entry.offset);
            ensure!(
                addresses.contains(&address),
                "{} is not at {name}+{:#x}",
                variable.name_str(),
                entry.offset
            );
            exact += 1;
        }
    }
    Ok(exact)
}

/// The module for other kernels is one, and the kernels it is to be loaded into differ.
pub(crate) fn foreign_module(built: &Built) -> Result<String> {
    let file = built.outside(&format!("{FOREIGN}.ko"));
    let (split, distilled) = (section(&file, ".BTF")?.len(), section(&file, ".BTF.base")?.len());
    let of = |mode| section(&built.vmlinux(mode), ".BTF");
    ensure!(of(Mode::Builtin)? != of(Mode::Disabled)?, "the kernels' BTF does not differ");
    Ok(format!("{split} bytes on a distilled base of {distilled}; built for n, y has another BTF"))
}

/// A build whose encoder failed says which file it was about and why, and ends there.
pub(crate) fn failures(built: &Built) -> Result<String> {
    let mut messages = Vec::new();
    for failure in Failure::ALL {
        let log = fs::read_to_string(built.failure(failure))?;
        let words: &[&str] = match failure {
            Failure::FullDisk => &[".tmp_vmlinux1", "File too large"],
            Failure::DamagedModule => &["foreign.ko", "DWARF could not be read"],
        };
        let message = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        let message = message.with_context(|| {
            let lines: Vec<&str> = log.lines().collect();
            format!(
                "{}: no line names {words:?}: {}",
                failure.name(),
                lines[lines.len().saturating_sub(6)..].join(" | ")
            )
        })?;
        messages.push(format!("{}: {}", failure.name(), without_folders(message)));
    }
    let log = fs::read_to_string(built.failure(Failure::FullDisk))?;
    ensure!(
        log.contains("Failed to generate BTF for vmlinux"),
        "the link does not end at the encoder's failure"
    );
    ensure!(!log.contains("LD      vmlinux\n"), "vmlinux is linked after the encoder's failure");
    Ok(messages.join("; "))
}

/// Paths cut to their file names.
fn without_folders(line: &str) -> String {
    line.split(' ').map(|word| word.rsplit('/').next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// The content of a section of an ELF file.
pub(crate) fn section(file: &Path, name: &str) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", file.display());
    let opened = fs::File::open(file).with_context(cannot)?;
    // SAFETY: the map is only read, and the files in the cache are complete.
    let map = unsafe { memmap2::Mmap::map(&opened) }.with_context(cannot)?;
    let elf = object::File::parse(&map[..]).with_context(cannot)?;
    let section = elf.section_by_name(name);
    let section = section.with_context(|| format!("{} has no section {name}", file.display()))?;
    Ok(section.uncompressed_data().with_context(cannot)?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_resolve_btfids_says_is_told_from_what_is_done_in_its_folder() {
        assert!(is_complaint("WARN: resolve_btfids: unresolved symbol bpf_x"));
        assert!(is_complaint("FAILED: load BTF from vmlinux: No data available"));
        assert!(!is_complaint("  LD      tools/bpf/resolve_btfids/resolve_btfids-in.o"));
        assert!(!is_complaint("ln -sf ../fixdep tools/bpf/resolve_btfids/libbpf/staticobjs//"));
    }

    #[test]
    fn a_message_is_shown_without_folders() {
        assert_eq!(without_folders("error: /a/b.ko: no /c/d left"), "error: b.ko: no d left");
    }
}
