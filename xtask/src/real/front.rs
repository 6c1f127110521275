//! The pahole front: what features switch on and off is what they do in pahole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use btfkit_btf::{Btf, Kind};

use super::{Subject, have, kernel_verifier, readers};
use crate::command;

/// Lists of features, and the older options that say the same.
const LINES: [&[&str]; 3] = [
    &["--btf_features=var,decl_tag,consistent_func"],
    &[
        "--btf_features=encode_force,float,enum64,type_tag,consistent_func,decl_tag_kfuncs",
        "--btf_features=attributes",
    ],
    &["--skip_encoding_btf_enum64", "--skip_encoding_btf_inconsistent_proto", "--btf_gen_floats"],
];

/// The kinds that features decide about.
const KINDS: [Kind; 5] = [Kind::Float, Kind::Enum64, Kind::TypeTag, Kind::DeclTag, Kind::DataSec];

/// Encodes the kernel as each line says, with both programs, and compares how many there are of the kinds that the lines
/// are about. The kernel must take what we write.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let pahole = have(&subject.peers.pahole)?;
    let mut found = Vec::new();
    for line in LINES {
        let (theirs, ours) = (subject.folder.join("front.pahole"), subject.folder.join("front.btfkit"));
        command::output(pahole.command().args(arguments(line, &subject.kernel.vmlinux, &theirs)))?;
        let mut program = Command::new(subject.encoder.program());
        command::output(program.arg("pahole").args(arguments(line, &subject.kernel.vmlinux, &ours)))?;
        let (theirs, ours) = (counts(&theirs)?, counts(&ours)?);
        ensure!(theirs.0 == ours.0, "{}: pahole has {:?}, btfkit {:?}", line.join(" "), theirs.0, ours.0);
        // A label in the section is a variable without a place here, and none in pahole.
        let variables = (theirs.1 == 0) == (ours.1 == 0) && theirs.1 <= ours.1;
        ensure!(variables, "{}: pahole has {} variables, btfkit {}", line.join(" "), theirs.1, ours.1);
        found.push(format!("{:?} and {} VAR", ours.0, ours.1));
    }
    side_file(subject)?;
    Ok(format!("{} ways: {}; and a side file", LINES.len(), found.join(", ")))
}

fn arguments(line: &[&str], input: &Path, output: &Path) -> Vec<std::ffi::OsString> {
    let mut words: Vec<std::ffi::OsString> =
        ["-J", "-j2", "--lang_exclude=rust"].iter().chain(line).map(Into::into).collect();
    words.push(format!("--btf_encode_detached={}", output.display()).into());
    words.push(input.into());
    words
}

/// How many there are of each kind, and of variables.
fn counts(file: &Path) -> Result<(BTreeMap<String, usize>, usize)> {
    let btf = Btf::parse(fs::read(file)?).with_context(|| file.display().to_string())?;
    let count = |kind| btf.types().filter(|ty| ty.kind() == kind).count();
    let kinds = KINDS.iter().map(|&kind| (kind.to_string(), count(kind))).filter(|(_, count)| *count > 0);
    Ok((kinds.collect(), count(Kind::Var)))
}

/// vmlinux on itself: variables and nothing that it has already.
fn side_file(subject: &Subject<'_>) -> Result<()> {
    let vmlinux = &subject.kernel.vmlinux;
    let output = subject.folder.join("front.side");
    let mut program = Command::new(subject.encoder.program());
    let base = [OsStr::new("--btf_base"), vmlinux.as_os_str()];
    program.arg("pahole").args(base).args(arguments(
        &["--btf_features=default,global_var"],
        vmlinux,
        &output,
    ));
    command::output(&mut program)?;
    let bytes = {
        let file =
            object::read::elf::ElfFile64::<object::Endianness, _>::parse(&*fs::read(vmlinux)?).map(|file| {
                object::ObjectSection::data(&object::Object::section_by_name(&file, ".BTF")?)
                    .map(<[u8]>::to_vec)
                    .ok()
            });
        file?.context("vmlinux has no .BTF")?
    };
    let base = Arc::new(Btf::parse(bytes)?);
    let side = fs::read(&output)?;
    readers::rules(&side, Some(&base))?;
    let side = Btf::parse_split(side, Arc::clone(&base))?;
    let sections: Vec<String> = side
        .types()
        .filter(|ty| ty.kind() == Kind::DataSec)
        .map(|ty| String::from_utf8_lossy(ty.name()).into_owned())
        .collect();
    ensure!(sections.len() > 3, "a side file with few sections: {sections:?}");
    ensure!(side.types().all(|ty| ty.kind() != Kind::Func), "a side file has functions");
    if command::is_root() {
        kernel_verifier::load(&super::modules::joined(&base, &side)).context("the side file")?;
    }
    Ok(())
}
