//! The kernels: linked with variables built in, in a module and without, and what is built beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::source::Source;
use super::tree::{self, Tree, last_lines};
use super::{CARRIER, FOREIGN, Mode, data, folder};
use crate::command;
use crate::fixtures::cache;

/// How many results stay in the cache.
const KEPT: usize = 2;

/// Everything that one encoder has made of one source.
#[derive(Debug)]
pub(crate) struct Built {
    folder: PathBuf,
    /// The package file that the source came from.
    pub(crate) origin: String,
    /// Seconds that it took, if it was not in the cache.
    pub(crate) took: Option<f64>,
}

/// The encoder under its two names.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) btfkit: PathBuf,
    pub(crate) pahole: PathBuf,
}

impl Programs {
    /// Copies the program to where builds find it, whatever becomes of the original.
    pub(crate) fn install(program: &Path) -> Result<Self> {
        let folder = folder()?.join(format!("encoder-{}", cache::key(&[cache::sha256(program)?])?));
        let programs = Self { btfkit: folder.join("btfkit"), pahole: folder.join("pahole") };
        cache::fill_once(&folder, |folder| {
            fs::copy(program, folder.join("btfkit"))?;
            Ok(std::os::unix::fs::symlink("btfkit", folder.join("pahole"))?)
        })?;
        let version = command::text(Command::new(&programs.pahole).arg("--version"))
            .context("the program does not take pahole's place")?;
        ensure!(version.starts_with('v'), "as pahole, the program says it is version {version:?}");
        Ok(programs)
    }
}

impl Built {
    pub(crate) fn mode(&self, mode: Mode) -> PathBuf {
        self.folder.join(mode.letter())
    }

    pub(crate) fn vmlinux(&self, mode: Mode) -> PathBuf {
        self.mode(mode).join("vmlinux")
    }

    pub(crate) fn image(&self, mode: Mode) -> PathBuf {
        self.mode(mode).join("bzImage")
    }

    /// The module of this name in this kernel.
    pub(crate) fn module(&self, mode: Mode, name: &str) -> PathBuf {
        self.mode(mode).join("modules").join(format!("{name}.ko"))
    }

    /// What was built against the kernel without variables, outside its tree.
    pub(crate) fn outside(&self, file: &str) -> PathBuf {
        self.folder.join("outside").join(file)
    }

    /// The log of a build that had to fail.
    pub(crate) fn failure(&self, failure: Failure) -> PathBuf {
        self.folder.join("failures").join(failure.name())
    }

    /// Where dumps of the kernels are.
    pub(crate) fn dumps(&self) -> PathBuf {
        self.folder.join("dumps")
    }

    /// The names of a kernel's modules, in an order in which they can be loaded; `vmlinux_btf_extra` is not listed.
    pub(crate) fn module_names(&self, mode: Mode) -> Result<Vec<String>> {
        let list = fs::read_to_string(self.mode(mode).join("modules.order"))?;
        Ok(list.lines().filter(|name| *name != super::EXTRA).map(str::to_owned).collect())
    }
}

/// A build that cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The encoder has no room for what it writes.
    FullDisk,
    /// A module whose DWARF is damaged.
    DamagedModule,
}

impl Failure {
    pub(crate) const ALL: [Self; 2] = [Self::FullDisk, Self::DamagedModule];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FullDisk => "full-disk",
            Self::DamagedModule => "damaged-module",
        }
    }
}

/// Builds what is not in the cache.
pub(crate) fn build(source: &Source, programs: &Programs) -> Result<Built> {
    let parts = [tree::key(source)?, cache::sha256(&programs.btfkit)?, foreign_source()?];
    let result = folder()?.join(format!("result-{}", cache::key(&parts)?));
    let mut took = None;
    if !result.is_dir() {
        let start = std::time::Instant::now();
        // Whoever waited here finds the result of the process that he waited for.
        let tree = Tree::open(source, &programs.pahole)?;
        cache::fill_once(&result, |output| fill(&tree, programs, output))?;
        took = Some(start.elapsed().as_secs_f64());
    }
    drop_older(&result)?;
    name_latest(&result)?;
    Ok(Built { folder: result, origin: source.origin.clone(), took })
}

fn fill(tree: &Tree, programs: &Programs, output: &Path) -> Result<()> {
    for mode in Mode::ALL {
        eprintln!("building the small kernel, variables: {}", mode.describe());
        let folder = output.join(mode.letter());
        tree.link(mode, &folder).with_context(|| format!("variables {}", mode.describe()))?;
    }
    // The tree is that of the last mode now: the kernel without variables.
    outside(tree, programs, output).context("out-of-tree modules")?;
    failures(tree, programs, output).context("builds that have to fail")
}

fn foreign_source() -> Result<String> {
    Ok(fs::read_to_string(data().join("foreign/foreign.c"))?)
}

/// Modules built outside the tree: one for other kernels, against the whole tree, and one that carries a side file,
/// against headers alone.
fn outside(tree: &Tree, programs: &Programs, output: &Path) -> Result<()> {
    let folder = output.join("outside");
    fs::create_dir(&folder)?;
    let work = tempfile::tempdir()?;
    let module = copy_foreign(work.path())?;
    let built = tree.logged(
        &programs.pahole,
        &[&format!("M={}", module.display()), "modules"],
        &folder.join("foreign.log"),
    )?;
    ensure!(built, "{}", last_lines(&folder.join("foreign.log"))?);
    fs::copy(module.join("foreign.ko"), folder.join(format!("{FOREIGN}.ko")))?;

    let headers = work.path().join("headers");
    let script = format!("+$(srctree)/scripts/package/install-extmod-build {}", headers.display());
    tree.run(&["run-command", &format!("KBUILD_RUN_COMMAND={script}")])?;
    ensure!(!headers.join("vmlinux").exists(), "headers come without vmlinux");
    let (vmlinux, side) = (tree.objects.join("vmlinux"), folder.join(format!("{CARRIER}.btf")));
    let mut encode = Command::new(&programs.btfkit);
    encode.arg("encode").arg(&vmlinux).args(["--only-vars", "--quiet", "--base"]).arg(&vmlinux);
    command::output(encode.arg("-o").arg(&side))?;
    let carrier = work.path().join("carrier");
    let mut sources = Command::new(&programs.btfkit);
    sources.arg("extra-module").arg(&side).arg("--base").arg(&vmlinux).arg("-o").arg(&carrier);
    command::output(sources.args(["--name", CARRIER, "--kernel", "6.12"]))?;
    let mut make = Command::new(command::require("make")?);
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").arg("-C").arg(&carrier);
    let log = command::output(make.arg(format!("KDIR={}", headers.display())))?;
    let warnings = String::from_utf8_lossy(&log.stderr).into_owned();
    ensure!(!warnings.contains("arning"), "the carrier is built with warnings: {warnings}");
    fs::copy(carrier.join(format!("{CARRIER}.ko")), folder.join(format!("{CARRIER}.ko")))?;
    Ok(())
}

/// The sources of the module for other kernels, where its build may leave things.
fn copy_foreign(work: &Path) -> Result<PathBuf> {
    let module = work.join(FOREIGN);
    fs::create_dir(&module)?;
    for file in ["foreign.c", "Kbuild"] {
        fs::copy(data().join("foreign").join(file), module.join(file))?;
    }
    Ok(module)
}

/// Builds that have to fail; what they print is kept to be judged.
fn failures(tree: &Tree, programs: &Programs, output: &Path) -> Result<()> {
    let folder = output.join("failures");
    fs::create_dir(&folder)?;
    let work = tempfile::tempdir()?;
    let module = copy_foreign(work.path())?;
    let arguments = [&format!("M={}", module.display()), "modules"];
    let log = folder.join(Failure::DamagedModule.name());
    let damaging = work.path().join("damaging");
    write_script(&damaging, &damaging_encoder(&programs.pahole))?;
    if tree.logged(&damaging, &arguments, &log)? {
        bail!("a module with damaged DWARF made no failure");
    }
    ensure!(!module.join("foreign.ko").exists(), "a module is left whose BTF could not be made");
    // Only now: without vmlinux, modules get no BTF.
    let cramped = work.path().join("pahole");
    write_script(&cramped, &cramped_encoder(&programs.pahole))?;
    fs::remove_file(tree.objects.join("vmlinux"))?;
    let log = folder.join(Failure::FullDisk.name());
    if tree.logged(&cramped, &["vmlinux"], &log)? {
        bail!("an encoder that could not write made no failure");
    }
    Ok(())
}

/// An encoder whose files cannot grow over a megabyte: as on a full disk.
fn cramped_encoder(pahole: &Path) -> String {
    format!(
        "#!/bin/sh\ntrap '' XFSZ\ncase \" $* \" in *' -J '*) ulimit -f 2048 ;; esac\nexec {} \"$@\"\n",
        pahole.display()
    )
}

/// An encoder that gets a module whose abbreviations, by which its DWARF is to be read, end too early.
fn damaging_encoder(pahole: &Path) -> String {
    format!(
        "#!/bin/sh\nfor last; do :; done\ncase \" $* \" in *' -J '*)\n\
         \tobjcopy --dump-section .debug_abbrev=\"$last.cut\" \"$last\" && truncate -s 10 \"$last.cut\" &&\n\
         \tobjcopy --update-section .debug_abbrev=\"$last.cut\" \"$last\" ;;\n\
         esac\nexec {} \"$@\"\n",
        pahole.display()
    )
}

fn write_script(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// Gives the result a name that does not change, for whoever wants the newest kernels and dumps.
fn name_latest(result: &Path) -> Result<()> {
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(folder()?)?;
    let link = unfinished.path().join("latest");
    std::os::unix::fs::symlink(result.file_name().context("a result has a name")?, &link)?;
    Ok(fs::rename(link, folder()?.join("latest"))?)
}

/// Removes what a newer source, tree, encoder or result has superseded.
fn drop_older(result: &Path) -> Result<()> {
    let folder = folder()?;
    for prefix in ["result-", "source-", "tree-", "encoder-"] {
        let mut entries: Vec<_> = cache::names(&folder)
            .into_iter()
            .filter(|name| name.starts_with(prefix))
            .map(|name| folder.join(name))
            .filter(|path| path.is_dir() && path != result)
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        entries.sort();
        let kept = if prefix == "result-" { KEPT - 1 } else { KEPT };
        for (_, path) in entries.iter().rev().skip(kept) {
            fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
