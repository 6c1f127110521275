//! Variables of loaded modules: each by `module:name`, with the types that a side file of the module gives.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Case;
use super::variables::{Counts, questions};
use crate::real::encoder::Encoder;

/// Names that macros make for the linker alone: docs/variables-left-out.md.
const LEFT_OUT: [&str; 3] = ["__UNIQUE_ID", "__tpstrtab_", "__BTF_ID__"];

/// Side files of modules, on the kernel's own BTF: `NAME.side.btf`.
pub(super) fn side_files(
    encoder: &Encoder,
    modules: &[PathBuf],
    base: &Path,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    let encode = |module: &PathBuf| {
        let name = module.file_stem().context("a module without a name")?;
        let side = folder.join(name).with_extension("side.btf");
        encoder.encode(
            module,
            &side,
            &[OsStr::new("--only-vars"), OsStr::new("--base"), base.as_os_str()],
        )?;
        Ok(side)
    };
    modules.iter().map(encode).collect()
}

pub(super) fn check(case: &Case) -> Result<String> {
    let all: Vec<(String, &super::oracle::Variables)> = case
        .oracle
        .module_variables
        .iter()
        .flat_map(|(module, variables)| {
            let wanted =
                variables.iter().filter(|(name, _)| !LEFT_OUT.iter().any(|start| name.starts_with(start)));
            wanted.map(move |(name, variables)| (format!("{module}:{name}"), variables))
        })
        .collect();
    let lines: Vec<String> = all.iter().flat_map(|(name, theirs)| questions(name, theirs)).collect();
    let answers = case.session().with(&case.modules).run(&lines)?;
    let mut counts = Counts::default();
    for (name, theirs) in &all {
        counts.compare(name, theirs, &case.oracle, &answers);
    }
    ensure!(
        counts.differences.is_empty(),
        "{} of {} variables differ: {}",
        counts.differences.len(),
        counts.compared,
        counts.differences[..counts.differences.len().min(8)].join("; ")
    );
    let modules = case.oracle.module_variables.len();
    ensure!(modules > 2, "drgn knows {modules} modules");
    ensure!(counts.typed > 30, "{} variables are too few", counts.typed);
    Ok(format!(
        "{} of {modules} modules have drgn's addresses and sizes, {} its types, {} its bytes",
        counts.compared, counts.typed, counts.bytes
    ))
}
