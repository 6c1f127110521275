//! A kernel as users name it where several are wanted: a BTF file, or a directory that has its modules', too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelFiles {
    /// The file or directory as given.
    pub(crate) path: PathBuf,
    /// The kernel's BTF.
    pub(crate) kernel: PathBuf,
    /// Those of its modules, by path.
    pub(crate) modules: Vec<PathBuf>,
}

impl KernelFiles {
    /// Looks what is at a path. In a directory, the kernel is called vmlinux (vmlinux.btf, vmlinux-6.1.0), and modules are
    /// all other files there and in its directory "modules" (in sysfs, those without an ending; else .ko and .btf).
    pub(crate) fn find(path: &Path) -> Result<Self, String> {
        if !path.is_dir() {
            return Ok(Self { path: path.to_path_buf(), kernel: path.to_path_buf(), modules: Vec::new() });
        }
        let mut files = list(path)?;
        let is_kernel = |file: &PathBuf| name_of(file).is_some_and(|name| name.starts_with("vmlinux"));
        let kernel = files.iter().find(|file| is_kernel(file)).cloned();
        let kernel = kernel.ok_or_else(|| format!("{}: has no vmlinux in it", path.display()))?;
        let further = path.join("modules");
        if further.is_dir() {
            files.extend(list(&further)?);
        }
        let in_sysfs = path.starts_with("/sys");
        let is_module = |file: &PathBuf| {
            let ending = file.extension().and_then(OsStr::to_str);
            !is_kernel(file)
                && (ending.is_some_and(|ending| ["ko", "btf"].contains(&ending))
                    || (in_sysfs && ending.is_none()))
        };
        let modules = files.into_iter().filter(is_module).collect();
        Ok(Self { path: path.to_path_buf(), kernel, modules })
    }

    /// What to call it: its file's name without ending; the directory's, when the file is just a vmlinux; the release,
    /// when it is the running one.
    pub(crate) fn name(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        if path.starts_with("/sys/kernel/btf") {
            let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            if !release.trim().is_empty() {
                return release.trim().to_owned();
            }
        }
        let name = name_of(&path).unwrap_or("kernel");
        let name = name.strip_suffix(".btf").unwrap_or(name);
        match path.parent().and_then(name_of) {
            Some(directory) if name == "vmlinux" => directory.to_owned(),
            _ => name.to_owned(),
        }
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The files in a directory, by name.
fn list(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: cannot list: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_kernel_with_its_modules() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("6.1");
        std::fs::create_dir_all(folder.join("modules")).unwrap();
        for file in ["vmlinux", "notes.txt", "b.btf", "modules/a.ko"] {
            std::fs::write(folder.join(file), b"").unwrap();
        }
        let files = KernelFiles::find(&folder).unwrap();
        assert_eq!(files.kernel, folder.join("vmlinux"));
        assert_eq!(files.modules, [folder.join("b.btf"), folder.join("modules/a.ko")]);
        assert_eq!(files.name(), "6.1");
        assert_eq!(KernelFiles::find(&folder.join("vmlinux")).unwrap().name(), "6.1");
        assert_eq!(KernelFiles::find(&folder.join("b.btf")).unwrap().name(), "b");
        assert!(KernelFiles::find(directory.path()).unwrap_err().contains("no vmlinux"));
    }
}
