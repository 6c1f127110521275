//! An initial file system: busybox, an init, and what else a guest needs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::command;

/// What guests are made of.
pub(crate) fn data() -> PathBuf {
    command::repository().join("xtask/data/guest")
}

/// A folder that becomes an initial file system.
#[derive(Debug)]
pub(crate) struct Root {
    folder: PathBuf,
}

impl Root {
    /// A new file system in this folder, with this machine's busybox and its shell, and `init` as its first process.
    pub(crate) fn new(folder: &Path, init: &str) -> Result<Self> {
        Self::with_busybox(&command::require("busybox")?, folder, init)
    }

    /// The same with a busybox of another machine.
    pub(crate) fn with_busybox(busybox: &Path, folder: &Path, init: &str) -> Result<Self> {
        for name in ["bin", "proc", "sys", "dev", "tmp", "modules"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let root = Self { folder: folder.to_path_buf() };
        root.install(busybox, "bin/busybox")?;
        symlink("busybox", folder.join("bin/sh"))?;
        fs::write(folder.join("init"), init)?;
        fs::set_permissions(folder.join("init"), fs::Permissions::from_mode(0o755))?;
        Ok(root)
    }

    /// The place of a file in it on this machine.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Copies a file of this machine into it.
    pub(crate) fn install(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.path(to);
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    }

    /// Copies a program of this machine with the shared libraries that it asks for.
    pub(crate) fn install_program(&self, program: &Path) -> Result<()> {
        let name = program.file_name().context("a program has a name")?;
        self.install(program, &format!("bin/{}", name.to_string_lossy()))?;
        for library in libraries(program)? {
            self.install(&library, library.to_string_lossy().trim_start_matches('/'))?;
        }
        Ok(())
    }

    /// Copies a module without its debug information as `modules/NAME.ko`; `more` are further options of objcopy.
    pub(crate) fn install_module(&self, file: &Path, name: &str, more: &[&str]) -> Result<()> {
        let mut strip = Command::new(command::require("objcopy")?);
        strip.arg("--strip-debug").args(more).arg(file).arg(self.path(&format!("modules/{name}.ko")));
        command::output(&mut strip).map(drop).with_context(|| format!("cannot copy {}", file.display()))
    }

    /// Packs it as the kernel unpacks it.
    pub(crate) fn pack(&self, file: &Path) -> Result<()> {
        command::require("cpio")?;
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "set -e; find . | cpio -o -H newc --quiet -R 0:0 >\"$0.cpio\"; gzip -1 -c \"$0.cpio\" >\"$0\"; rm \"$0.cpio\"",
        ]);
        shell.arg(file).current_dir(&self.folder).stdin(Stdio::null());
        command::output(&mut shell).map(drop)
    }
}

/// The shared libraries of a program, its loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let list = command::text(Command::new("ldd").arg(program))?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(list.lines().filter_map(path).collect())
}
