//! The object tree: one for all values of the option, linked anew for each and by each encoder.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::source::Source;
use super::{Mode, data, folder};
use crate::command;
use crate::fixtures::cache;

/// What would differ between two builds of the same.
const REPRODUCIBLE: [(&str, &str); 5] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 2026"),
    ("KBUILD_BUILD_USER", "btfkit"),
    ("KBUILD_BUILD_HOST", "btfkit"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("LC_ALL", "C"),
];

/// The compiled kernel. As long as it lives, no other process works in it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) objects: PathBuf,
    source: PathBuf,
    configuration: String,
    /// The encoder, under the name by which the build calls it.
    encoder: PathBuf,
    _lock: File,
}

/// The key of the tree: of what its objects are made. The encoder works at links only and is none of it.
pub(crate) fn key(source: &Source) -> Result<String> {
    let compiler = command::text(Command::new(command::require("gcc")?).arg("--version"))?;
    cache::key(&[source.key.clone(), configuration()?, compiler])
}

/// The options of the small kernel that differ from `tinyconfig`'s.
fn configuration() -> Result<String> {
    fs::read_to_string(data().join("kernel.config")).context("cannot read kernel.config")
}

impl Tree {
    /// Opens the tree, empty or not; waits while another process works in it.
    pub(crate) fn open(source: &Source, encoder: &Path) -> Result<Self> {
        let objects = folder()?.join(format!("tree-{}", key(source)?));
        fs::create_dir_all(&objects)?;
        let lock = File::create(objects.with_extension("lock"))?;
        // SAFETY: the descriptor is open as long as `lock` lives.
        ensure!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } == 0, "cannot lock the object tree");
        Ok(Self {
            objects,
            source: source.folder.clone(),
            configuration: configuration()?,
            encoder: encoder.to_path_buf(),
            _lock: lock,
        })
    }

    /// `make` with arguments, on as many processors as there are, but after everyone else.
    ///
    /// Every make in the tree is given the encoder: without, kbuild finds none and turns BTF off for good.
    pub(crate) fn make(&self, encoder: &Path) -> Result<Command> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut make = Command::new("nice");
        make.args(["-n", "19"]).arg(command::require("make")?).arg(format!("-j{jobs}"));
        make.arg("-C").arg(&self.objects).arg(format!("PAHOLE={}", encoder.display()));
        // What cargo or an outer make leave in the environment is not for kbuild.
        make.envs(REPRODUCIBLE).env_remove("MAKEFLAGS").env_remove("MFLAGS").stdin(Stdio::null());
        Ok(make)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        command::output(self.make(&self.encoder)?.args(arguments)).map(drop)
    }

    /// Makes what `arguments` say with its output in `log`; tells whether make ended well.
    pub(crate) fn logged(&self, encoder: &Path, arguments: &[&str], log: &Path) -> Result<bool> {
        let file = File::create(log)?;
        let mut make = self.make(encoder)?;
        make.args(arguments).stdout(file.try_clone()?).stderr(file);
        Ok(make.status().context("cannot run make")?.success())
    }

    /// Links the kernel for a value of the option, compiling what is not compiled yet, and copies what came out.
    pub(crate) fn link(&self, mode: Mode, output: &Path) -> Result<()> {
        self.configure(mode)?;
        self.forget_links()?;
        fs::create_dir_all(output.join("modules"))?;
        let log = output.join("build.log");
        if !self.logged(&self.encoder, &[], &log)? {
            bail!("the build failed: {}", last_lines(&log)?);
        }
        for file in ["vmlinux", "System.map", ".config", "arch/x86/boot/bzImage"] {
            let name = Path::new(file).file_name().context("a file has a name")?;
            let name = name.to_string_lossy();
            fs::copy(self.objects.join(file), output.join(name.trim_start_matches('.')))
                .with_context(|| format!("the build left no {file}"))?;
        }
        let mut order = String::new();
        for module in self.modules()? {
            let name = module.file_name().context("a module has a name")?;
            fs::copy(&module, output.join("modules").join(name))
                .with_context(|| format!("the build left no {}", module.display()))?;
            order += &format!("{}\n", Path::new(name).with_extension("").display());
        }
        fs::write(output.join("modules.order"), order)?;
        Ok(())
    }

    /// The modules in the order of their dependences, as kbuild lists them.
    fn modules(&self) -> Result<Vec<PathBuf>> {
        let order = fs::read_to_string(self.objects.join("modules.order")).context("no modules.order")?;
        Ok(order.lines().map(|line| self.objects.join(line).with_extension("ko")).collect())
    }

    fn configure(&self, mode: Mode) -> Result<()> {
        if !self.objects.join("Makefile").is_file() {
            let mut make = self.make(&self.encoder)?;
            // The last -C counts for a path that is absolute.
            make.arg("-C").arg(&self.source).arg(format!("O={}", self.objects.display()));
            command::output(make.arg("tinyconfig"))?;
        } else {
            self.run(&["tinyconfig"])?;
        }
        let wanted = format!("{}{}", self.configuration, mode.configuration());
        let file = self.objects.join(".config");
        let tiny = fs::read_to_string(&file)?;
        fs::write(&file, merged(&tiny, &wanted))?;
        self.run(&["olddefconfig"])?;
        let missing = missing_options(&fs::read_to_string(&file)?, &wanted);
        ensure!(missing.is_empty(), "the configuration did not take {}", missing.join(", "));
        Ok(())
    }

    /// Removes what an encoder has had a part in, so that this one does it all.
    fn forget_links(&self) -> Result<()> {
        let modules = self.modules().unwrap_or_default();
        for file in modules.into_iter().chain([self.objects.join("vmlinux")]) {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| file.display().to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A configuration with options in place of its own of the same names.
fn merged(base: &str, options: &str) -> String {
    let names: Vec<&str> = options.lines().filter_map(name_of).collect();
    let kept = base.lines().filter(|line| name_of(line).is_none_or(|name| !names.contains(&name)));
    kept.chain(options.lines()).map(|line| format!("{line}\n")).collect()
}

/// The option that a line sets, or says to be not set.
fn name_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("# ").unwrap_or(line);
    line.starts_with("CONFIG_").then(|| line.split(['=', ' ']).next()).flatten()
}

/// The options that `configuration` has otherwise.
fn missing_options(configuration: &str, options: &str) -> Vec<String> {
    let has = |line: &str| configuration.lines().any(|present| present == line);
    let as_wanted = |line: &&str| match line.strip_suffix("=n") {
        Some(name) => !configuration.lines().any(|line| line.starts_with(&format!("{name}="))),
        None => has(line),
    };
    let options = options.lines().filter(|line| line.starts_with("CONFIG_"));
    options.filter(|line| !as_wanted(line)).map(str::to_owned).collect()
}

/// The end of a log, in one line.
pub(crate) fn last_lines(log: &Path) -> Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(8)..].join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_replace_those_of_the_same_name() {
        let base = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=y\n";
        assert_eq!(merged(base, "CONFIG_A=m\nCONFIG_B=y\n"), "CONFIG_AB=y\nCONFIG_A=m\nCONFIG_B=y\n");
    }

    #[test]
    fn an_option_that_kconfig_dropped_is_told() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=m\n";
        let configuration = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n";
        assert_eq!(missing_options(configuration, wanted), ["CONFIG_C=n", "CONFIG_D=m"]);
    }
}
