//! Files that are either written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use crate::object::{Error, Result};

/// Writes a file by way of a temporary one in the same directory, which takes its name when it is complete: whatever
/// happens in between (a full disk, a signal), the old file stays as it was. An existing file's permissions are
/// kept, and where possible its owner; a symbolic link is followed.
///
/// What is no regular file (`/dev/stdout`, a pipe, a device) is written straight.
pub fn atomic_write(path: impl AsRef<Path>, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    atomic_write_like(path.as_ref(), None, |file, _| write(file))
}

/// How the file that is being written came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// New and empty: it can be written in any order.
    Temporary,
    /// A pipe, a device or what standard output is: from first byte to last, beginning where it stands.
    Straight,
}

/// As [`atomic_write`]; a file that was not there before gets the permissions of `model`.
pub(crate) fn atomic_write_like(
    path: &Path,
    model: Option<&Path>,
    write: impl FnOnce(&mut File, Target) -> io::Result<()>,
) -> Result<()> {
    let failed = |source| Error::io(path, "write", source);
    if let Some(descriptor) = standard_stream(path) {
        let mut file = File::from(descriptor.map_err(failed)?);
        return write(&mut file, Target::Straight).map_err(failed);
    }
    // What does not exist yet has no canonical path; a link that leads nowhere is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let present = fs::metadata(&target).ok();
    if present.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let mut file = OpenOptions::new().write(true).open(&target).map_err(failed)?;
        return write(&mut file, Target::Straight).map_err(failed);
    }
    let (temporary, mut file) = Temporary::create(&target).map_err(failed)?;
    if let Some(model) = present.as_ref().or(model.and_then(|model| fs::metadata(model).ok()).as_ref()) {
        if present.is_some() {
            // Not for everyone to do; the file is complete without.
            let _ = fchown(&file, Some(model.uid()), Some(model.gid()));
        }
        file.set_permissions(model.permissions()).map_err(failed)?;
    }
    write(&mut file, Target::Temporary).map_err(failed)?;
    drop(file);
    temporary.rename(&target).map_err(failed)
}

/// The process's own output, where a path names it. It may be a file that the shell appends to: opening it anew would
/// begin at its start, and a new file in its place would be one that the shell does not see.
fn standard_stream(path: &Path) -> Option<io::Result<OwnedFd>> {
    match path.to_str()? {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(io::stdout().as_fd().try_clone_to_owned()),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(io::stderr().as_fd().try_clone_to_owned()),
        _ => None,
    }
}

/// A file that is removed unless it gets its name.
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    /// Creates a file that was not there, beside `target`.
    fn create(target: &Path) -> io::Result<(Temporary, File)> {
        target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut attempt = 0u32;
        loop {
            let path = target.with_file_name(format!(".btfkit-{}-{attempt}.tmp", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Temporary { path, kept: false }, file)),
                // Left behind by a process of the same number, or another thread's.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entries(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        atomic_write(&path, |file| file.write_all(b"old")).unwrap();
        let error = atomic_write(&path, |file| {
            file.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(error.unwrap_err().to_string().contains("cannot write"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let panicked = std::panic::catch_unwind(|| atomic_write(&path, |_| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(entries(directory.path()), ["file"]);
    }

    #[test]
    fn permissions_stay_and_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let link = directory.path().join("link");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        atomic_write(&link, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn devices_and_pipes_are_written_straight() {
        atomic_write("/dev/null", |file| file.write_all(b"bytes")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut text = String::new();
                File::open(path).unwrap().read_to_string(&mut text).unwrap();
                text
            }
        });
        atomic_write(&path, |file| file.write_all(b"through")).unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert_eq!(entries(directory.path()), ["pipe"]);
    }
}
