//! `pahole -J`.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::section_writer::{NewSection, put_sections};
use btfkit_encode::{Base, Encoded, Error, Options, Variables, atomic_file};

use super::Encoding;
use super::features::Feature;
use crate::input::Source;
use crate::summary;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The base, and what tells whether an input is the file that it was taken from.
struct BaseFile {
    base: Base,
    build_id: Option<Vec<u8>>,
}

/// Encodes each file.
pub(super) fn run(encoding: &Encoding) -> crate::Outcome {
    let base = encoding.base.as_deref().map(BaseFile::read).transpose()?;
    for input in &encoding.inputs {
        let object = Object::open(input)?;
        let is_own_base = match (&base, &encoding.base) {
            (Some(base), Some(path)) => base.is_of(path, &object),
            _ => false,
        };
        if let (Some(base), Some(path)) = (&base, &encoding.base) {
            crate::encode::check_byte_order(base.base.btf(), path, &object)?;
        }
        if is_own_base && encoding.detached.is_none() {
            let (file, base) = (input.display(), encoding.base.as_deref().unwrap_or(input).display());
            return Err(format!(
                "{file}: {base} is its own base: its variables go into a file of their own, by --btf_encode_detached"
            )
            .into());
        }
        let options = options(encoding, base.as_ref(), is_own_base);
        let companions = Companions::new(vec!["/usr/lib/debug".into()]);
        match btfkit_encode::encode(&object, &options, &companions, &|_, _| {}) {
            Ok(encoded) => {
                write(encoding, &object, &encoded)?;
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

impl BaseFile {
    fn read(path: &Path) -> Result<Self> {
        let source = Source::read(path)?;
        let build_id = source.object.as_ref().and_then(Object::build_id).map(<[u8]>::to_vec);
        Ok(Self { build_id, base: source.open(None)?.btf.into() })
    }

    /// Whether it is the BTF of `object`: the same file, or one with its build id.
    fn is_of(&self, path: &Path, object: &Object) -> bool {
        let same_file = || {
            let (a, b) = (std::fs::metadata(path).ok()?, std::fs::metadata(object.path()).ok()?);
            Some((a.dev(), a.ino()) == (b.dev(), b.ino()))
        };
        (self.build_id.is_some() && self.build_id.as_deref() == object.build_id())
            || same_file().unwrap_or(false)
    }
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
        Variables::PerCpu if only_variables => Variables::All,
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

fn write(encoding: &Encoding, object: &Object, encoded: &Encoded) -> Result<()> {
    if let Some(output) = &encoding.detached {
        atomic_file::atomic_write(output, |file| file.write_all(&encoded.bytes))?;
    } else {
        let section = NewSection { name: ".BTF", bytes: &encoded.bytes, alignment: 8 };
        put_sections(object, &[section], object.path())?;
    }
    Ok(())
}
