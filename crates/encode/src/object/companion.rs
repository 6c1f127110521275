//! Where the debug information is when it is not in the file: a separate debug file, found by build id or by link;
//! the file of shared parts that dwz made; split units (`.dwo`) and packages of them (`.dwp`).
//!
//! A candidate counts when it is shown to belong: by build id where both files have one, else by checksum. What was
//! looked at, and why it would not do, is kept for the message.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::{DebugLink, Object};

/// Where to look for companions of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companions {
    roots: Vec<PathBuf>,
}

/// What a search has found, and where it has looked.
#[derive(Debug, Default)]
pub struct Search {
    /// The file, if there is one that belongs.
    pub found: Option<Object>,
    /// The candidates that would not do, in the order of the search.
    pub rejected: Vec<Rejected>,
}

/// A candidate that would not do.
#[derive(Debug)]
pub struct Rejected {
    /// Its path.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: Reason,
}

/// Why a candidate would not do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// There is no such file.
    Missing,
    /// It is the file that the search is for.
    Itself,
    /// It cannot be read, or is not ELF.
    Unreadable(Error),
    /// Its build id is another.
    OtherBuildId,
    /// Its checksum is not the one in the link.
    OtherChecksum,
    /// It has no build id, nor a checksum to go by.
    NoIdentity,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing => write!(f, "not there"),
            Reason::Itself => write!(f, "the same file"),
            Reason::Unreadable(error) => write!(f, "{error}"),
            Reason::OtherBuildId => write!(f, "belongs to another build (its build id differs)"),
            Reason::OtherChecksum => write!(f, "belongs to another build (its checksum differs)"),
            Reason::NoIdentity => write!(f, "nothing shows that it belongs (it has no build id)"),
        }
    }
}

impl Default for Companions {
    /// Looks under `/usr/lib/debug`.
    fn default() -> Companions {
        Companions::new(vec![PathBuf::from("/usr/lib/debug")])
    }
}

/// What a candidate must show.
enum Proof<'a> {
    /// A build id, or the checksum of a link where the file has no build id to compare.
    Debug { build_id: Option<&'a [u8]>, link: Option<DebugLink<'a>> },
    /// This build id.
    BuildId(&'a [u8]),
    /// Nothing here: the ids of its units show it.
    Units,
}

impl Companions {
    /// Looks under these directories, each laid out as `/usr/lib/debug` is, and beside the files themselves.
    pub fn new(roots: Vec<PathBuf>) -> Companions {
        Companions { roots }
    }

    /// The separate debug file: by build id under the roots (`.build-id/xx/yyyy.debug`), then by the name in
    /// `.gnu_debuglink` beside the file, in `.debug/` there, and under the roots with the file's directory.
    pub fn debug_file(&self, object: &Object) -> Search {
        let (build_id, link) = (object.build_id(), object.debug_link());
        let mut candidates = Vec::new();
        if let Some(id) = build_id {
            candidates.extend(self.by_build_id(id));
        }
        if let Some(link) = link {
            let name = OsStr::from_bytes(link.name);
            for directory in directories(object) {
                candidates.push(directory.join(name));
                candidates.push(directory.join(".debug").join(name));
                let inside = directory.strip_prefix("/").unwrap_or(&directory).to_owned();
                candidates.extend(self.roots.iter().map(|root| root.join(&inside).join(name)));
            }
        }
        search(object, candidates, &Proof::Debug { build_id, link })
    }

    /// The file that `.gnu_debugaltlink` of a debug file names, relative to that file; then by its build id under
    /// the roots.
    pub fn alternate_file(&self, object: &Object) -> Search {
        let Some(link) = object.alternate_link() else { return Search::default() };
        let path = Path::new(OsStr::from_bytes(link.path));
        // Debug files are often reached by a symbolic link; the path is relative to the place of the file itself.
        let mut candidates: Vec<PathBuf> =
            directories(object).iter().rev().map(|directory| directory.join(path)).collect();
        candidates.extend(self.by_build_id(link.build_id));
        search(object, candidates, &Proof::BuildId(link.build_id))
    }

    /// The split unit of a skeleton unit, by its `DW_AT_comp_dir` and `DW_AT_dwo_name`; failing that, by its name
    /// beside the file. The caller compares the unit's id.
    pub fn split_unit(&self, object: &Object, compilation_directory: &[u8], name: &[u8]) -> Search {
        let name = Path::new(OsStr::from_bytes(name));
        let compiled_in = Path::new(OsStr::from_bytes(compilation_directory));
        let mut candidates = vec![compiled_in.join(name)];
        for directory in directories(object) {
            candidates.push(directory.join(name));
            candidates.extend(name.file_name().map(|file| directory.join(file)));
        }
        search(object, candidates, &Proof::Units)
    }

    /// The package of a file's split units: `FILE.dwp` beside it. The caller compares the units' ids.
    pub fn package_file(&self, object: &Object) -> Search {
        let mut candidates = Vec::new();
        for path in paths(object) {
            let mut beside = path.clone().into_os_string();
            beside.push(".dwp");
            candidates.push(PathBuf::from(beside));
            if path.extension() == Some(OsStr::new("debug")) {
                candidates.push(path.with_extension("dwp"));
            }
        }
        search(object, candidates, &Proof::Units)
    }

    fn by_build_id(&self, id: &[u8]) -> Vec<PathBuf> {
        let Some((first, rest)) = id.split_first() else { return Vec::new() };
        let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let relative = format!(".build-id/{first:02x}/{hex}.debug");
        self.roots.iter().map(|root| root.join(&relative)).collect()
    }
}

/// The file's path as it was given, and with symbolic links resolved.
fn paths(object: &Object) -> Vec<PathBuf> {
    let given = object.path().to_owned();
    match given.canonicalize() {
        Ok(real) if real != given => vec![given, real],
        _ => vec![given],
    }
}

/// The directories of [`paths`].
fn directories(object: &Object) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> =
        paths(object).iter().filter_map(|path| Some(path.parent()?.to_owned())).collect();
    directories.dedup();
    directories
}

fn search(object: &Object, candidates: Vec<PathBuf>, proof: &Proof<'_>) -> Search {
    let mut search = Search::default();
    for (position, path) in candidates.iter().enumerate() {
        if candidates[..position].contains(path) {
            continue;
        }
        match examine(object, path, proof) {
            Ok(found) => {
                search.found = Some(found);
                break;
            }
            Err(reason) => search.rejected.push(Rejected { path: path.clone(), reason }),
        }
    }
    search
}

fn examine(object: &Object, path: &Path, proof: &Proof<'_>) -> Result<Object, Reason> {
    // Only files: opening a pipe that a link happens to name would wait forever.
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file).ok_or(Reason::Missing)?;
    let own = object.path().metadata().ok().map(|own| (own.dev(), own.ino()));
    if own == Some((metadata.dev(), metadata.ino())) {
        return Err(Reason::Itself);
    }
    let candidate = Object::open(path).map_err(Reason::Unreadable)?;
    match *proof {
        Proof::Units => {}
        Proof::BuildId(id) if candidate.is_alternate(id) => {}
        Proof::BuildId(id) => check_build_id(&candidate, id)?,
        Proof::Debug { build_id: Some(id), .. } if candidate.build_id().is_some() => {
            check_build_id(&candidate, id)?;
        }
        Proof::Debug { link: Some(link), .. } => {
            if checksum(candidate.bytes()) != link.crc {
                return Err(Reason::OtherChecksum);
            }
        }
        Proof::Debug { link: None, .. } => return Err(Reason::NoIdentity),
    }
    Ok(candidate)
}

fn check_build_id(candidate: &Object, id: &[u8]) -> Result<(), Reason> {
    match candidate.build_id() {
        Some(present) if present == id => Ok(()),
        Some(_) => Err(Reason::OtherBuildId),
        None => Err(Reason::NoIdentity),
    }
}

/// The checksum that `.gnu_debuglink` uses: CRC-32 as zlib computes it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
