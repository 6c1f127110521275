//! The kernel's source: Debian's package, unpacked, with the patches of `linux/` applied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::folder;
use crate::command;
use crate::fixtures::apt::{Apt, PackageFile, compare_versions};
use crate::fixtures::cache;
use crate::verdict::Unavailable;

/// The patches are for this source; which release of it there is, the archive decides.
const PACKAGE: &str = "linux-source-6.12";

/// An unpacked and patched source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    /// Changes when the package or a patch does.
    pub(crate) key: String,
    /// The package file.
    pub(crate) origin: String,
}

impl Source {
    /// The newest source, from the archive or else from the cache.
    pub(crate) fn fetch() -> Result<Self> {
        let (file, package) = match newest() {
            Ok(newest) => newest,
            Err(error) if error.is::<Unavailable>() => downloaded()?.ok_or(error)?,
            Err(error) => return Err(error),
        };
        let patches = patches()?;
        let mut parts = vec![file.sha256.clone()];
        for patch in &patches {
            parts.push(fs::read_to_string(patch)?);
        }
        let key = cache::key(&parts)?;
        let source = folder()?.join(format!("source-{key}"));
        cache::fill_once(&source, |folder| {
            eprintln!("unpacking {}", file.file_name);
            unpack(&package, folder)?;
            patches.iter().try_for_each(|patch| apply(patch, folder))
        })?;
        Ok(Self { folder: source, key, origin: file.file_name })
    }
}

fn newest() -> Result<(PackageFile, PathBuf)> {
    let apt = Apt::system()?;
    let file = apt.file(PACKAGE).map_err(|error| crate::verdict::unavailable(format!("{error:#}")))?;
    let package = apt.download(&file)?;
    Ok((file, package))
}

fn downloaded() -> Result<Option<(PackageFile, PathBuf)>> {
    let folder = cache::folder("deb")?;
    let names = cache::names(&folder).into_iter().filter(|name| name.starts_with(&format!("{PACKAGE}_")));
    let Some(file_name) = names.max_by(|a, b| compare_versions(a, b)) else { return Ok(None) };
    let package = folder.join(&file_name);
    let file = PackageFile { package: PACKAGE.into(), sha256: cache::sha256(&package)?, file_name };
    Ok(Some((file, package)))
}

/// The files of the series, in order.
pub(crate) fn patches() -> Result<Vec<PathBuf>> {
    let folder = command::repository().join("linux");
    let mut names = cache::names(&folder);
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "patch"));
    names.sort();
    ensure!(!names.is_empty(), "there are no patches in {}", folder.display());
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// The package holds one compressed archive, and that the source.
fn unpack(package: &Path, folder: &Path) -> Result<()> {
    let mut files = Command::new(command::require("dpkg-deb")?)
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let mut outer = Command::new("tar")
        .args(["--extract", "--file=-", "--to-stdout", "--wildcards", "*/linux-source-*.tar.xz"])
        .stdin(files.stdout.take().context("no output of dpkg-deb")?)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run tar")?;
    let inner = Command::new("tar")
        .args(["--extract", "--xz", "--file=-", "--no-same-owner", "--strip-components=1", "--directory"])
        .arg(folder)
        .stdin(outer.stdout.take().context("no output of tar")?)
        .status()
        .context("cannot run tar")?;
    // The first writes on after the second has all it wants, and is told so by a broken pipe.
    let unpacked = outer.wait()?.success() && inner.success();
    files.wait()?;
    ensure!(unpacked && folder.join("Kbuild").is_file(), "cannot unpack {}", package.display());
    Ok(())
}

fn apply(patch: &Path, folder: &Path) -> Result<()> {
    let mut tool = Command::new(command::require("patch")?);
    tool.args(["--strip=1", "--forward", "--silent", "--fuzz=1", "--input"]).arg(patch).current_dir(folder);
    command::output(&mut tool).map(drop).with_context(|| {
        format!("{} does not apply", patch.file_name().unwrap_or_default().to_string_lossy())
    })
}
