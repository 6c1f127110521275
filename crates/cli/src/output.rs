//! Where a rewritten BTF goes: a raw file, standard output, or the ELF file that it came from, with its `.BTF.ext`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use btfkit_btf::follow::follow;
use btfkit_btf::{Btf, TypeId};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_encode::moved_relocations::{self, Section};
use btfkit_encode::object::Object;
use btfkit_encode::section_writer::{NewSection, put_sections, with_sections};
use clap::Args;

use crate::input::Input;

/// Where the result of rewriting one file goes.
#[derive(Debug, Args)]
pub(crate) struct Destination {
    /// Write the result to this file ("-" for standard output): raw BTF for raw BTF, an ELF file for an ELF file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the BTF in the input itself
    #[arg(long, conflicts_with = "output")]
    in_place: bool,

    /// Write raw BTF also where the input is an ELF file
    #[arg(long, requires = "output")]
    raw: bool,

    /// Write what became of each id to this file: a line with the old and the new one for each type
    #[arg(long, value_name = "FILE")]
    id_map: Option<PathBuf>,
}

impl Destination {
    /// Whether there is one.
    pub(crate) fn is_given(&self) -> bool {
        self.output.is_some() || self.in_place
    }

    /// Writes `btf`, which `input` was rewritten to; `ids` has the new id of each of its own types. Gives the bytes that the
    /// BTF takes, wherever it went: it may have got strings of the `.BTF.ext`.
    pub(crate) fn write(
        &self,
        input: &Input,
        btf: Vec<u8>,
        ids: &[TypeId],
    ) -> Result<usize, Box<dyn std::error::Error>> {
        if let Some(path) = &self.id_map {
            write_id_map(path, &input.btf, ids)?;
        }
        let Some(object) = input.source.object.as_ref().filter(|_| !self.raw) else {
            let in_place = self.in_place.then(|| input_path(input)).transpose()?;
            if let Some(path) = self.output.as_deref().or(in_place.as_deref()) {
                write_raw(path, &btf)?;
            }
            return Ok(btf.len());
        };
        let (btf, others) = sections(input, object, btf, ids)?;
        let target = if self.in_place { Some(object.path()) } else { self.output.as_deref() };
        let Some(target) = target else { return Ok(btf.len()) };
        refuse_ids_elsewhere(input, object, ids)?;
        let section = |name, bytes| NewSection { name, bytes, alignment: 4 };
        let mut sections = vec![section(".BTF", &btf[..])];
        sections.extend(others.iter().map(|other| section(&other.name, &other.bytes)));
        if target == Path::new("-") {
            crate::put(&with_sections(object, &sections)?)?;
        } else {
            put_sections(object, &sections, target)?;
        }
        Ok(btf.len())
    }

    /// Prints what is to be said: to standard error where standard output has the result.
    pub(crate) fn say(&self, text: &str) -> crate::Outcome {
        say(self.output.as_deref(), text)
    }
}

/// Writes bytes to a file, or to standard output.
pub(crate) fn write_raw(path: &Path, bytes: &[u8]) -> crate::Outcome {
    if path == Path::new("-") {
        return crate::put(bytes);
    }
    atomic_write(path, |file| file.write_all(bytes))?;
    Ok(())
}

/// Prints to standard output, or to standard error where `output` is standard output.
pub(crate) fn say(output: Option<&Path>, text: &str) -> crate::Outcome {
    if output == Some(Path::new("-")) {
        // A summary that nobody can read is no reason to fail.
        let _ = anstream::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    crate::print(text)
}

/// The section `.BTF`, and all that goes with it: `.BTF.ext`, and the relocations of both.
fn sections(
    input: &Input,
    object: &Object,
    btf: Vec<u8>,
    ids: &[TypeId],
) -> Result<(Vec<u8>, Vec<Section>), Box<dyn std::error::Error>> {
    let mut others = Vec::new();
    let mut btf = btf;
    if let Some(section) = object.section_by_name(".BTF.ext") {
        // As it is in the file: a linker adds to what it relocates.
        let ext = object.raw_section_data(section.index)?;
        let followed = follow(ext, &input.btf, btf, ids);
        let followed = followed.map_err(|error| format!("{}: .BTF.ext: {error}", input.name()))?;
        btf = followed.btf;
        others.push(Section { name: ".BTF.ext".to_owned(), bytes: followed.ext });
        others.extend(moved_relocations::tables(object, ".BTF.ext")?);
    }
    others.extend(moved_relocations::follow(object, &input.btf, &mut btf, ids)?);
    Ok((btf, others))
}

fn write_id_map(path: &Path, btf: &Btf<'_>, ids: &[TypeId]) -> crate::Outcome {
    let mut text = String::with_capacity(ids.len() * 14);
    for (old, new) in (btf.first_id().0..).zip(ids) {
        let _ = writeln!(text, "{old} {}", new.0);
    }
    write_raw(path, text.as_bytes())
}

/// Where the input is, if it is a file.
fn input_path(input: &Input) -> Result<PathBuf, String> {
    match input.name() {
        "standard input" => Err("standard input has no place to write to: use -o".to_owned()),
        name => Ok(PathBuf::from(name)),
    }
}

/// A linked kernel or module lists types by id in `.BTF_ids`, where nothing tells which numbers are ids.
fn refuse_ids_elsewhere(input: &Input, object: &Object, ids: &[TypeId]) -> Result<(), String> {
    let unchanged = (input.btf.first_id().0..).zip(ids).all(|(old, new)| old == new.0);
    let Some(section) = object.section_by_name(".BTF_ids").filter(|_| !unchanged) else { return Ok(()) };
    let listed = object.section_data(section.index).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0));
    if listed {
        return Err(format!(
            "{}: its section .BTF_ids lists types by their ids, which would no longer be right; --raw -o FILE writes \
             the BTF alone",
            input.name()
        ));
    }
    Ok(())
}
