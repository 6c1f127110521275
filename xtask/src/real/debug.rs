//! The debugger on dumps of real kernels, held against drgn with DWARF on the same memory.

mod answers;
mod capture;
mod carrier;
mod damage;
mod declarations;
mod gaps;
mod lists;
mod modules;
mod oracle;
mod registers;
mod search;
mod session;
mod side_files;
mod speed;
mod spelling;
mod unnamed;
mod variables;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use btfkit_btf::{Btf, Kind};

use super::encoder::Encoder;
use crate::command;
use crate::fixtures::{Dumps, Kernel, KernelPackage, OTHER_KERNELS, cache, small_kernels};
use crate::verdict::{Tally, unavailable};
use oracle::{Oracle, Request};
use session::Session;

/// The kernel whose kallsyms has no data.
const NAMES_FUNCTIONS_ALONE: &str = "6.1-arm64";
/// How many random paths of members are walked.
const PATHS: usize = 1000;

/// A dump with all that the checks need.
struct Case {
    /// The program under test.
    btfkit: PathBuf,
    dump: PathBuf,
    side_file: Option<PathBuf>,
    oracle: Oracle,
    /// Side files of modules that are loaded.
    modules: Vec<PathBuf>,
}

impl Case {
    fn new(
        btfkit: &Path,
        dump: PathBuf,
        vmlinux: &Path,
        names: &Names,
        side_file: Option<PathBuf>,
        loaded: &[PathBuf],
    ) -> Result<Self> {
        let request = Request {
            variables: names.all.clone(),
            path_names: names.debuggers.clone(),
            paths: PATHS,
            seed: 1,
            lists: lists::requests(),
        };
        let oracle = Oracle::ask(&dump, vmlinux, loaded, &request)?;
        Ok(Self { btfkit: btfkit.to_path_buf(), dump, side_file, oracle, modules: Vec::new() })
    }

    /// The debugger on this dump.
    fn session(&self) -> Session {
        Session::new(&self.btfkit, std::slice::from_ref(&self.dump), self.side_file.as_deref())
    }
}

/// Names of variables.
struct Names {
    all: Vec<String>,
    /// Those that are not made by macros in thousands, so that random choices find something else, too.
    debuggers: Vec<String>,
}

impl Names {
    /// The names of all variables of these BTFs; those of the second are split on the first.
    fn of(base: &Path, split: Option<&Path>) -> Result<Self> {
        let base = std::sync::Arc::new(Btf::parse(fs::read(base)?)?);
        let mut all = names(&base);
        if let Some(split) = split {
            all.extend(names(&Btf::parse_split(fs::read(split)?, base.clone())?));
        }
        all.sort();
        all.dedup();
        const MADE: [&str; 8] = [
            "__SCK__",
            "__tracepoint_",
            "event_",
            "security_hook_",
            "__bpf_trace",
            "__syscall_meta",
            "trace_event_",
            "__",
        ];
        let is_made = |name: &&String| MADE.iter().any(|start| name.starts_with(start));
        let debuggers = all.iter().filter(|name| !is_made(name)).cloned().collect();
        Ok(Self { all, debuggers })
    }
}

fn names(btf: &Btf<'_>) -> Vec<String> {
    btf.types().filter(|ty| ty.kind() == Kind::Var).map(|ty| ty.name_str().into_owned()).collect()
}

/// Copies the section .BTF out of an ELF file of any machine.
fn btf_of(elf: &Path, to: &Path) -> Result<()> {
    Ok(fs::write(to, crate::compare::source::read(elf)?)?)
}

/// The dumps of a Debian kernel, with drgn's answers: all variables have types, through a side file.
fn prepare(kernel: &Kernel, dumps: &Dumps, encoder: &Encoder, folder: &Path) -> Result<(Case, usize)> {
    let at = |name: &str| folder.join(format!("{}-{name}", kernel.label));
    let (base, side) = (at("own.btf"), at("side.btf"));
    btf_of(&kernel.vmlinux, &base)?;
    let options = [OsStr::new("--only-vars"), OsStr::new("--base"), base.as_os_str()];
    encoder.encode(&kernel.vmlinux, &side, &options)?;
    let names = Names::of(&base, Some(&side))?;
    let loaded = &kernel.loaded;
    let mut case = Case::new(encoder.program(), dumps.elf(), &kernel.vmlinux, &names, Some(side), loaded)?;
    case.modules = modules::side_files(encoder, loaded, &base, folder)?;
    Ok((case, names.all.len()))
}

/// All checks on the dumps of a Debian kernel, if there are any of it.
pub(super) fn check(tally: &mut Tally, kernel: &Kernel, encoder: &Encoder, folder: &Path) {
    let label = kernel.label;
    let Some(dumps) = Dumps::of(kernel) else { return };
    let mut found = None;
    tally.check(&format!("{label}: dumps, and drgn's answers"), || {
        let dumps = dumps?;
        let (case, names) = prepare(kernel, &dumps, encoder, folder)?;
        found = Some((dumps, case));
        Ok(format!("{names} names of variables"))
    });
    let Some((dumps, case)) = found else { return };
    let mut run = |name: &str, check: &dyn Fn() -> Result<String>| {
        tally.check(&format!("{label}: debug: {name}"), check);
    };
    if label == NAMES_FUNCTIONS_ALONE {
        run("variables without symbols", &|| unnamed::variables(&case));
        run("variables without symbols, in known sections", &|| unnamed::by_sections(&case));
        run("paths of members, by address", &|| unnamed::paths(&case));
        run("ps, mod and log", &|| answers::views(&case));
        run("no types", &|| unnamed::no_types(&case));
        run("what is missing", &|| unnamed::what_is_missing(&case));
        return;
    }
    run("variables", &|| variables::check(&case));
    run("paths of members", &|| answers::paths(&case));
    run("lists and trees", &|| lists::check(&case));
    run("ps, mod and log", &|| answers::views(&case));
    run("registers", &|| registers::check(&case));
    run("built-in declarations", &|| declarations::check(&case));
    run("containers", &|| answers::containers(&case, &dumps.containers()));
    if kernel.of.is_some() {
        return;
    }
    // The packages of other machines are taken without their modules, and their memory does not begin at address 0.
    run("variables of modules", &|| modules::check(&case));
    run("search", &|| search::check(&case, &dumps.raw()));
    run("side files of others", &|| side_files::check(&case, &kernel.vmlinux));
    run("what is missing", &|| gaps::check(&case, &dumps));
    run("damaged dumps", &|| damage::check(&case, &dumps));
    if label == crate::fixtures::KERNELS[0].label {
        run("kdump", &|| capture::check(&case.btfkit, kernel));
        run("speed and memory of the first answer", &|| speed::check(&case.btfkit));
    }
}

/// The checks on dumps of other machines: of the one that this tier always has, or of all others.
pub(super) fn check_others(
    tally: &mut Tally,
    which: impl Fn(&KernelPackage) -> bool,
    encoder: &Encoder,
    folder: &Path,
) {
    for package in OTHER_KERNELS.iter().filter(|package| which(package)) {
        match package.fetch() {
            Ok(kernel) => check(tally, &kernel, encoder, folder),
            Err(error) => {
                tally.check(&format!("dumps of {}", package.label), || Err(error));
            }
        }
    }
}

/// The small kernel that `cargo xtask kernel --dumps` builds: its BTF is made before the last link, so that offsets in
/// sections are off; with variables in vmlinux (y), in a module (m), and in a side file (n).
pub(super) fn check_small_kernels(tally: &mut Tally, btfkit: &Path, folder: &Path) {
    for mode in ["y", "m", "n"] {
        tally.check(&format!("small 6.12, mode {mode}: debug"), || small(mode, btfkit, folder));
    }
}

fn small(mode: &str, btfkit: &Path, folder: &Path) -> Result<String> {
    let result = small_kernels()?.ok_or_else(|| {
        unavailable("there are no dumps of the small kernel: cargo xtask kernel --dumps makes them")
    })?;
    let vmlinux = result.join(mode).join("vmlinux");
    let dump = result.join("dumps").join(format!("{mode}.elf"));
    ensure!(vmlinux.is_file() && dump.is_file(), "{} is incomplete", result.display());
    let at = |name: &str| folder.join(format!("small-{mode}-{name}"));
    let (base, side, all) = (at("own.btf"), at("side.btf"), at("all.btf"));
    btf_of(&vmlinux, &base)?;
    let encode = |options: &[&OsStr], output: &Path| {
        let mut encode = std::process::Command::new(btfkit);
        command::output(encode.arg("encode").arg(&vmlinux).args(options).arg("-o").arg(output)).map(drop)
    };
    encode(&[OsStr::new("--only-vars"), OsStr::new("--base"), base.as_os_str()], &side)?;
    encode(&[], &all)?;
    let names = Names::of(&all, None)?;
    let side_file = (mode == "n").then_some(side);
    let modules = result.join(mode).join("modules");
    let loaded: Vec<PathBuf> = cache::names(&modules).iter().map(|name| modules.join(name)).collect();
    let mut case = Case::new(btfkit, dump, &vmlinux, &names, side_file, &loaded)?;
    // In mode y the modules' own BTF has their variables.
    if mode != "y" {
        case.modules = modules::side_files(&Encoder::new(btfkit.into()), &loaded, &base, folder)?;
    }
    let mut verdicts = vec![
        variables::check(&case).context("variables")?,
        modules::check(&case).context("variables of modules")?,
        answers::paths(&case).context("paths of members")?,
        lists::check(&case).context("lists")?,
        answers::views(&case).context("ps, mod and log")?,
        registers::check(&case).context("registers")?,
    ];
    if mode == "m" {
        verdicts.push(carrier::check(case, folder, &vmlinux).context("under another name")?);
    }
    Ok(verdicts.join("; "))
}
