//! A side file's module under DKMS: added, built with the kernel's packaged headers, installed, and removed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use super::Subject;
use super::loading::{self, Carrier};
use crate::command;
use crate::fixtures::apt::Apt;
use crate::fixtures::headers::Headers;
use crate::kernel::section;

/// The name that `extra-module` gives.
const NAME: &str = "vmlinux_btf_extra";
/// What DKMS ends with when a module is not for a kernel.
const EXCLUDED: i32 = 77;

/// Makes a module of the kernel's variables, takes it through DKMS in trees of its own, and has the kernel load what DKMS
/// installed.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    if !command::is_root() {
        return Err(crate::verdict::unavailable("only root may install with DKMS"));
    }
    if command::locate("dkms").is_none() {
        Apt::system()?.install(&["dkms"])?;
    }
    let headers = Headers::fetch(subject.kernel)?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let (side, sources, base) = (at("side.btf"), at("sources"), subject.kernel.vmlinux.as_os_str());
    let options = [OsStr::new("--only-vars"), OsStr::new("--base"), base];
    subject.encoder.encode(&subject.kernel.vmlinux, &side, &options)?;
    let mut write = Command::new(subject.encoder.program());
    write.arg("extra-module").arg(&side).arg("--base").arg(base).args(["--kernel", &headers.release]);
    command::output(write.arg("-o").arg(&sources))?;

    let dkms = Dkms::new(folder.path(), &headers, &sources)?;
    dkms.run("add", &[sources.as_os_str()])?;
    dkms.run("build", &dkms.for_release(&headers.release))?;
    let other = dkms.output("build", &dkms.for_release("6.12.0-other"))?;
    ensure!(other.status.code() == Some(EXCLUDED), "it is built for another kernel: {}", said(&other));
    let install =
        [&dkms.for_release(&headers.release)[..], &[OsStr::new("--force"), OsStr::new("--no-depmod")]];
    dkms.run("install", &install.concat())?;
    let status = dkms.run("status", &[])?;
    let expected = format!("{}, {}, {}: installed", dkms.package, headers.release, std::env::consts::ARCH);
    ensure!(status.contains(&expected), "the status is {status:?}");
    let module = dkms.installed(&headers.release)?;
    ensure!(section(&module, ".BTF")? == fs::read(&side)?, "the module has other BTF than the side file");
    let copy = at(&format!("{NAME}.ko"));
    fs::copy(&module, &copy)?;
    dkms.run("remove", &[dkms.package.as_ref(), OsStr::new("--all")])?;
    let left = dkms.run("status", &[])?;
    ensure!(!left.contains(NAME) && !module.exists(), "it is not removed: {left}");

    let carrier = Carrier { module: copy, btf: side };
    let loaded = loading::check(subject.encoder.program(), subject.kernel, &[], &[carrier])?;
    Ok(format!("{} {}; {loaded}", dkms.version()?, dkms.package))
}

/// DKMS with trees in a folder.
struct Dkms<'h> {
    program: PathBuf,
    folder: PathBuf,
    headers: &'h Headers,
    /// `NAME/VERSION`.
    package: String,
}

impl<'h> Dkms<'h> {
    fn new(folder: &Path, headers: &'h Headers, sources: &Path) -> Result<Self> {
        for tree in ["dkms", "src", "modules"] {
            fs::create_dir_all(folder.join(tree))?;
        }
        // There is no link `build`, by which it would find the program that signs, and make a key for this machine.
        fs::create_dir(folder.join("modules").join(&headers.release))?;
        let settings = fs::read_to_string(sources.join("dkms.conf"))?;
        let version = settings.lines().find_map(|line| line.strip_prefix("PACKAGE_VERSION="));
        let version = version.context("dkms.conf has no version")?.trim_matches('"');
        let package = format!("{NAME}/{version}");
        Ok(Self { program: command::require("dkms")?, folder: folder.into(), headers, package })
    }

    fn for_release<'a>(&'a self, release: &'a str) -> [&'a OsStr; 3] {
        [self.package.as_ref(), "-k".as_ref(), release.as_ref()]
    }

    fn output(&self, action: &str, arguments: &[&OsStr]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(action).args(arguments).env("LC_ALL", "C").env_remove("MAKEFLAGS");
        for (option, tree) in [("dkmstree", "dkms"), ("sourcetree", "src"), ("installtree", "modules")] {
            command.arg(format!("--{option}")).arg(self.folder.join(tree));
        }
        if action == "build" || action == "install" {
            command.arg("--kernelsourcedir").arg(self.headers.build_folder());
        }
        command.output().context("cannot run dkms")
    }

    /// Runs an action that must end well, and warn about nothing.
    fn run(&self, action: &str, arguments: &[&OsStr]) -> Result<String> {
        let output = self.output(action, arguments)?;
        let text = said(&output);
        ensure!(output.status.success(), "dkms {action} ended with {}: {text} {}", output.status, self.log());
        let is_complaint = |line: &&str| {
            ["warning", "deprecated", "error"].iter().any(|word| line.to_lowercase().contains(word))
        };
        // DKMS asks for the compiler of a vmlinux that the headers have for its BTF alone.
        match text.lines().filter(|line| !line.starts_with("readelf: ")).find(is_complaint) {
            Some(complaint) => bail!("dkms {action}: {complaint}"),
            None => Ok(text),
        }
    }

    /// The end of the build's log, if there is one.
    fn log(&self) -> String {
        let log = self.folder.join("dkms").join(&self.package).join("build/make.log");
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(6)..].join(" | ")
    }

    /// The module where DKMS put it, unpacked if it is compressed.
    fn installed(&self, release: &str) -> Result<PathBuf> {
        let tree = self.folder.join("modules").join(release);
        let find = command::text(Command::new("find").arg(tree).args(["-name", &format!("{NAME}.ko*")]))?;
        let file = PathBuf::from(find.lines().next().context("dkms installed no module")?);
        ensure!(
            file.extension().is_some_and(|extension| extension == "ko"),
            "{} is compressed",
            file.display()
        );
        Ok(file)
    }

    fn version(&self) -> Result<String> {
        Ok(command::text(Command::new(&self.program).arg("--version"))?.trim().to_owned())
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
