//! `pahole -J`.

use std::io::Write;

use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Error, Options, Variables, atomic_file};

use super::Encoding;
use super::features::Feature;
use crate::base::{BaseFile, Sections};
use crate::summary;

/// Encodes each file.
pub(super) fn run(encoding: &Encoding) -> crate::Outcome {
    let base = encoding.base.as_deref().map(BaseFile::open).transpose()?;
    if let Some(base) = &base {
        base.begin(encoding.threads);
    }
    for input in &encoding.inputs {
        let object = Object::open(input)?;
        let is_own_base = base.as_ref().is_some_and(|base| base.is_of(&object));
        if encoding.detached.is_none() {
            crate::encode::refuse_packed(&object)?;
            if is_own_base {
                let file = input.display();
                return Err(format!(
                    "{file}: is its own base: its variables go into a file of their own, by --btf_encode_detached"
                )
                .into());
            }
        }
        let options = options(encoding, base.as_ref(), is_own_base);
        let companions = Companions::new(vec!["/usr/lib/debug".into()]);
        match btfkit_encode::encode(&object, &options, &companions, &|_, _| {}) {
            Ok(encoded) => {
                write(encoding, base.as_ref(), &object, encoded.bytes)?;
                if encoding.verbose {
                    crate::print(&summary::render(&encoded.report))?;
                }
            }
            Err(error) if base.is_some() && is_empty(&error) => {
                anstream::eprintln!("pahole: {error}; left as it is");
            }
            Err(error) => return Err(crate::encode::named(input, error)),
        }
    }
    Ok(())
}

/// Whether there was nothing to encode, which is no failure for a module: kernels' builds hand over those written in
/// assembler or Rust alone, too, and expect them back as they were.
fn is_empty(error: &Error) -> bool {
    matches!(error, Error::NoDebugInfo { .. } | Error::NothingToEncode { damaged: 0, .. })
}

fn options(encoding: &Encoding, base: Option<&BaseFile>, only_variables: bool) -> Options {
    let features = &encoding.features;
    let variables = match features.variables() {
        // A side file is asked for in order to have them.
        Variables::PerCpu | Variables::None if only_variables => Variables::All,
        variables => variables,
    };
    Options {
        variables,
        only_variables,
        true_signatures: features.has(Feature::TrueSignature),
        base: base.map(|file| file.base.clone()),
        languages: encoding.languages.clone(),
        excluded_languages: encoding.excluded_languages.clone(),
        excluded_units: encoding.excluded_units.clone(),
        collapsed_prefix: encoding.collapsed_prefix.clone(),
        features: features.encoder(),
        threads: encoding.threads,
        layout: features.has(Feature::Layout) && base.is_none(),
        ..Options::default()
    }
}

fn write(encoding: &Encoding, base: Option<&BaseFile>, object: &Object, bytes: Vec<u8>) -> crate::Outcome {
    if let Some(output) = &encoding.detached {
        return Ok(atomic_file::atomic_write(output, |file| file.write_all(&bytes))?);
    }
    let sections = match base {
        Some(base) if encoding.features.has(Feature::DistilledBase) => base.distill(bytes),
        _ => Ok(Sections { btf: bytes, base: None }),
    };
    let file = object.path().display();
    sections.map_err(|error| format!("{file}: distilled base: {error}"))?.put_into(object)
}
