//! Modules beside the peer's: each encoded by pahole and by btfkit on the BTF of the kernel as it is shipped, which an older
//! pahole made, and on one that was made today.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use btfkit_btf::Btf;
use serde::Serialize;

use super::peer;
use crate::command;
use crate::compare::census::{Census, Options};
use crate::compare::difference::{Difference, Differences};
use crate::compare::source::Source;
use crate::fixtures::Pahole;
use crate::fixtures::image::module_name;

/// What is found in all modules together.
#[derive(Debug, Default)]
struct Found {
    differences: Vec<InModule>,
    /// Classes of which a module has more definitions twice than with pahole.
    repeated: Vec<String>,
    /// How many modules have none.
    equal: usize,
    /// Types, by pahole and by btfkit.
    types: [usize; 2],
    /// Bytes, likewise.
    bytes: [u64; 2],
    errors: Vec<anyhow::Error>,
}

/// pahole calls all functions static.
const OPTIONS: Options = Options { function_linkage: false };

/// A difference, pahole's text first.
#[derive(Debug, Serialize)]
struct InModule {
    module: String,
    /// Whether the kernel's own BTF has a definition of this text.
    in_base: bool,
    #[serde(flatten)]
    difference: Difference,
}

/// The BTF that modules are encoded on, raw or in an ELF file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerBase<'p> {
    pub(crate) file: &'p Path,
    /// Made by an older encoder, it describes some types otherwise than both programs do.
    pub(crate) older: bool,
}

/// Encodes the modules with both programs, and holds what differs against what is explained. All that
/// differs is listed in `listing`, as JSON.
pub(crate) fn check(
    btfkit: &Path,
    pahole: &Pahole,
    modules: &[PathBuf],
    on: PeerBase<'_>,
    listing: Option<&Path>,
) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut encode = Command::new(btfkit);
    encode.args(["encode", "--quiet", "--lang-exclude", "rust", "--base"]).arg(on.file);
    command::output(encode.arg("--output-dir").arg(folder.path()).args(modules))?;
    let base = Arc::new(Source::open(on.file, None)?.into_btf());
    let in_base = Census::of(&base, OPTIONS);
    let (found, next) = (Mutex::new(Found::default()), Mutex::new(modules.iter()));
    let work = || {
        loop {
            let Some(module) = next.lock().ok().and_then(|mut next| next.next()) else { return };
            let compared = compare(pahole, on.file, module, folder.path(), &base, &in_base)
                .with_context(|| module.display().to_string());
            let Ok(mut found) = found.lock() else { return };
            match compared {
                Ok(one) => found.add(one),
                Err(error) => found.errors.push(error),
            }
        }
    };
    std::thread::scope(|scope| {
        (0..std::thread::available_parallelism().map_or(1, usize::from)).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut found = found.into_inner().unwrap_or_default();
    if let Some(error) = found.errors.pop() {
        return Err(error);
    }
    found.differences.sort_by(|a, b| a.module.cmp(&b.module));
    if let Some(file) = listing {
        fs::write(file, serde_json::to_string_pretty(&found.differences)?)?;
    }
    ensure!(found.repeated.is_empty(), "{}", found.repeated.join(", "));
    let differences: Vec<Difference> = found.differences.into_iter().map(|one| one.difference).collect();
    let summary = peer::explain("module-differences.toml", on.older, &differences)?;
    let ([their_types, our_types], [their_bytes, our_bytes]) = (found.types, found.bytes);
    Ok(format!(
        "{} of {} modules the same; {summary}; {our_types} types in {our_bytes} bytes, pahole {their_types} in {their_bytes}",
        found.equal,
        modules.len(),
    ))
}

fn compare(
    pahole: &Pahole,
    base_file: &Path,
    module: &Path,
    folder: &Path,
    base: &Arc<Btf<'static>>,
    in_base: &Census,
) -> Result<Found> {
    let ours = folder.join(module.file_name().context("a module has a name")?).with_extension("btf");
    let theirs = ours.with_extension("pahole");
    command::output(&mut pahole.encode_module(module, base_file, &theirs))?;
    let open = |file: &Path| Ok::<_, anyhow::Error>(Btf::parse_split(fs::read(file)?, Arc::clone(base))?);
    let (a, b) = (open(&theirs)?, open(&ours)?);
    let (in_a, in_b) = (Census::of(&a, OPTIONS), Census::of(&b, OPTIONS));
    let name = module_name(module);
    let repeated = peer::no_new_duplicates(&in_a, &in_b).err().map(|error| format!("{name}: {error}"));
    let differences = Differences::between(&in_a, &in_b).all;
    Ok(Found {
        equal: usize::from(differences.is_empty()),
        differences: differences
            .into_iter()
            .map(|difference| InModule {
                module: name.clone(),
                in_base: in_base.has(&difference),
                difference,
            })
            .collect(),
        repeated: repeated.into_iter().collect(),
        types: [a.types().len(), b.types().len()],
        bytes: [a.bytes().len() as u64, b.bytes().len() as u64],
        errors: Vec::new(),
    })
}

impl Found {
    fn add(&mut self, other: Self) {
        self.differences.extend(other.differences);
        self.repeated.extend(other.repeated);
        self.equal += other.equal;
        for which in [0, 1] {
            self.types[which] += other.types[which];
            self.bytes[which] += other.bytes[which];
        }
    }
}
