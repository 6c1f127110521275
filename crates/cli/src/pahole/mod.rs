//! The program as a kernel's build calls it: by the name `pahole`, with pahole's options.
//!
//! docs/pahole.md lists each option. What pahole does wrong is done right here, as long as no build depends on it.

mod encode;
mod features;
mod options;
mod parse;
mod printer;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use gimli::constants::DwLang;

use crate::language;
use features::{Feature, Features};
use options::{Arity, OPTIONS, Verdict};
use parse::CommandLine;

/// What kernels' build scripts read, and know the options of.
const VERSION: &str = "v1.31";
const NUMERIC_VERSION: &str = "131";
/// GNU argp's, for a command line that cannot be understood.
const USAGE_ERROR: u8 = 64;

/// Whether the program was called by pahole's name: `pahole`, `pahole-1.31`, ….
pub(crate) fn is_called(program: Option<&std::ffi::OsStr>) -> bool {
    let name = program.map(std::path::Path::new).and_then(std::path::Path::file_name);
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"pahole"))
}

/// Runs pahole with the words of a command line: `pahole …`, or `btfkit pahole …`.
pub(crate) fn run(mut words: std::env::ArgsOs) -> ExitCode {
    if !is_called(words.next().as_deref()) {
        words.next();
    }
    let mut arguments = Vec::new();
    for word in words {
        match word.into_string() {
            Ok(word) => arguments.push(word),
            Err(word) => return usage_error(&format!("{}: not UTF-8", word.display())),
        }
    }
    let line = match parse::parse(&arguments) {
        Ok(line) => line,
        Err(error) => return usage_error(&error),
    };
    let outcome = match Wish::of(&line) {
        Ok(Wish::Print(text)) => crate::print(&text),
        Ok(Wish::Encode(encoding)) => encode::run(&encoding),
        Ok(Wish::ShowTypes) => printer::run(&line),
        Err(Wrong::Usage(error)) => return usage_error(&error),
        Err(Wrong::Value(error)) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if crate::is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) if error.is::<crate::No>() => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("pahole: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage_error(error: &str) -> ExitCode {
    anstream::eprintln!("pahole: {error}\nTry 'pahole --help' for the options.");
    ExitCode::from(USAGE_ERROR)
}

/// What an encode is to do.
#[derive(Debug, Default)]
struct Encoding {
    /// The files.
    inputs: Vec<PathBuf>,
    /// Write raw BTF here instead of `.BTF` into the file.
    detached: Option<PathBuf>,
    base: Option<PathBuf>,
    features: Features,
    languages: Vec<DwLang>,
    excluded_languages: Vec<DwLang>,
    excluded_units: Vec<Vec<u8>>,
    collapsed_prefix: Option<Vec<u8>>,
    /// 0 for as many as there are processors.
    threads: usize,
    verbose: bool,
}

/// What a command line asks for.
#[derive(Debug)]
enum Wish {
    Print(String),
    Encode(Box<Encoding>),
    ShowTypes,
}

/// Why it cannot be had.
#[derive(Debug)]
enum Wrong {
    /// Exit code 64.
    Usage(String),
    /// Exit code 1.
    Value(String),
}

impl Wish {
    fn of(line: &CommandLine) -> Result<Self, Wrong> {
        let mut encoding =
            Encoding { inputs: line.operands.iter().map(PathBuf::from).collect(), ..Encoding::default() };
        let mut encode = false;
        let mut languages_named = false;
        for (entry, value) in &line.options {
            let value = value.as_deref().unwrap_or_default();
            let features = &mut encoding.features;
            match entry.name {
                "version" | "devel_version" => return Ok(Self::Print(format!("{VERSION}\n"))),
                "numeric_version" => return Ok(Self::Print(format!("{NUMERIC_VERSION}\n"))),
                "supported_btf_features" => return Ok(Self::Print(features::supported() + "\n")),
                "help" => return Ok(Self::Print(help())),
                "usage" => return Ok(Self::Print(format!("{USAGE}\n"))),
                "btf_encode" => encode = true,
                "btf_encode_detached" => (encode, encoding.detached) = (true, Some(value.into())),
                "btf_base" => encoding.base = Some(value.into()),
                "jobs" => encoding.threads = threads(value)?,
                "btf_features" => {
                    for unknown in features.add_list(value).iter().filter(|_| encoding.verbose) {
                        anstream::eprintln!("pahole: feature {unknown} is not known, and ignored");
                    }
                }
                "btf_features_strict" => {
                    let unknown = features.add_list(value);
                    if !unknown.is_empty() {
                        let (unknown, known) = (unknown.join(","), features::supported());
                        return Err(Wrong::Value(format!(
                            "--btf_features_strict: {unknown}: not known; known are {known}"
                        )));
                    }
                }
                "btf_gen_floats" => features.set(Feature::Float, true),
                "btf_gen_all" => features.set_all(),
                "btf_attributes" => features.set(Feature::Attributes, true),
                "skip_encoding_btf_vars" => features.set(Feature::Var, false),
                "skip_encoding_btf_decl_tag" => features.set(Feature::DeclTag, false),
                "skip_encoding_btf_type_tag" => features.set(Feature::TypeTag, false),
                "skip_encoding_btf_enum64" => features.set(Feature::Enum64, false),
                "skip_encoding_btf_inconsistent_proto" => features.set(Feature::ConsistentFunc, true),
                "lang" => {
                    languages_named = true;
                    encoding.languages.extend(languages("--lang", value)?);
                }
                "lang_exclude" => {
                    languages_named = true;
                    encoding.excluded_languages.extend(languages("--lang_exclude", value)?);
                }
                "cu_exclude" => encoding.excluded_units.push(value.into()),
                "kabi_prefix" => encoding.collapsed_prefix = Some(value.into()).filter(|_| !value.is_empty()),
                "format_path" if encode && !value.split(',').any(|format| format == "dwarf") => {
                    return Err(Wrong::Value(format!(
                        "--format_path={value}: BTF is encoded from dwarf alone"
                    )));
                }
                "verbose" => encoding.verbose = true,
                name if entry.verdict == Verdict::Refused => {
                    return Err(Wrong::Usage(format!("--{name}: {}", entry.remark)));
                }
                _ => {}
            }
        }
        if !encode {
            return Ok(Self::ShowTypes);
        }
        if !languages_named && let Ok(list) = std::env::var("PAHOLE_LANG_EXCLUDE") {
            encoding.excluded_languages = languages("PAHOLE_LANG_EXCLUDE", &list)?;
        }
        match (&encoding.inputs[..], &encoding.detached) {
            ([], _) => Err(Wrong::Usage("no file to encode".to_owned())),
            ([_, _, ..], Some(_)) => {
                Err(Wrong::Usage("--btf_encode_detached: is for one file at a time".to_owned()))
            }
            _ => Ok(Self::Encode(Box::new(encoding))),
        }
    }
}

fn languages(option: &str, list: &str) -> Result<Vec<DwLang>, Wrong> {
    let mut languages = Vec::new();
    for name in list.split(',').filter(|name| !name.trim().is_empty()) {
        let numbers =
            language::parse(name).map_err(|error| Wrong::Value(format!("{option}: {name}: {error}")))?;
        languages.extend(numbers);
    }
    Ok(languages)
}

/// `-j` alone is as many threads as processors; pahole takes 0 for one.
fn threads(value: &str) -> Result<usize, Wrong> {
    match value {
        "" => Ok(0),
        _ => {
            let number = value.parse::<usize>();
            let number = number.map_err(|_| Wrong::Usage(format!("--jobs={value}: not a number")))?;
            Ok(number.max(1))
        }
    }
}

const USAGE: &str = "Usage: pahole [OPTION...] [FILE...]";

/// The options by what becomes of them; the manual says more.
fn help() -> String {
    let mut text =
        format!("{USAGE}\nThe program btfkit in pahole's place: docs/pahole.md says what differs.\n\n");
    for entry in OPTIONS {
        let letter = entry.letter.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let argument = match entry.arity {
            Arity::None => String::new(),
            Arity::Required(name) => format!("={name}"),
            Arity::Optional(name) => format!("[={name}]"),
        };
        let name = format!("{}{argument}", entry.name);
        let refused = if entry.verdict == Verdict::Refused { "refused: " } else { "" };
        let _ = writeln!(text, "  {letter}--{name:<44} {refused}{}", entry.remark);
    }
    text.push_str("\nfeatures of --btf_features, and '+' or 'default' for those marked *, and 'all':\n");
    for (_, name, default, remark) in features::FEATURES {
        let mark = if default { '*' } else { ' ' };
        let _ = writeln!(text, "  {mark} {name:<20} {remark}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_the_table_of_options_and_the_table_of_features() {
        let manual = include_str!("../../../../docs/pahole.md");
        for entry in OPTIONS {
            let letter = entry.letter.map_or(String::new(), |letter| format!("`-{letter}`, "));
            let argument = match entry.arity {
                Arity::None => String::new(),
                Arity::Required(name) => format!("={name}"),
                Arity::Optional(name) => format!("[={name}]"),
            };
            let (name, word, remark) = (entry.name, entry.verdict.word(), entry.remark);
            let row = format!("| {letter}`--{name}{argument}` | {word} | {remark} |\n");
            assert!(manual.contains(&row), "docs/pahole.md has no row\n{row}");
        }
        for (_, name, default, remark) in features::FEATURES {
            let default = if default { "yes" } else { "" };
            let row = format!("| `{name}` | {default} | {remark} |\n");
            assert!(manual.contains(&row), "docs/pahole.md has no row\n{row}");
        }
        let rows = manual.lines().filter(|line| line.starts_with("| `-")).count();
        assert_eq!(rows, OPTIONS.len(), "docs/pahole.md has rows of options that are not there");
    }

    #[test]
    fn names_and_letters_of_options_are_unique() {
        for (index, entry) in OPTIONS.iter().enumerate() {
            for other in &OPTIONS[..index] {
                assert_ne!(entry.name, other.name);
                assert!(entry.letter.is_none() || entry.letter != other.letter, "{}", entry.name);
            }
        }
    }
}
