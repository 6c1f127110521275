//! Command lines as GNU argp reads them: long options by any prefix that is enough, options after file names, letters
//! together, arguments behind `=` or in the next word, `--` as the end of options.

use super::options::{Arity, Entry, OPTIONS};

/// A command line taken apart.
#[derive(Debug, Default)]
pub(super) struct CommandLine {
    /// Options in the order in which they stand, each with its argument.
    pub(super) options: Vec<(&'static Entry, Option<String>)>,
    /// The rest: names of files and types.
    pub(super) operands: Vec<String>,
}

/// Takes `words` apart (the program's name is not among them). The error is one line, without the program's name.
pub(super) fn parse(words: &[String]) -> Result<CommandLine, String> {
    let mut line = CommandLine::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            line.operands.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let entry = by_name(name)?;
            let value = match (entry.arity, value) {
                (Arity::None, Some(_)) => {
                    return Err(format!("option '--{}' doesn't allow an argument", entry.name));
                }
                (Arity::Required(_), None) => Some(
                    words
                        .next()
                        .cloned()
                        .ok_or_else(|| format!("option '--{}' requires an argument", entry.name))?,
                ),
                (_, value) => value,
            };
            line.options.push((entry, value));
        } else if word.len() > 1 && word.starts_with('-') {
            letters(&word[1..], &mut words, &mut line)?;
        } else {
            line.operands.push(word.clone());
        }
    }
    Ok(line)
}

/// Options by letter: `-JV`, `-j4`, `-C name`.
fn letters<'a>(
    cluster: &str,
    words: &mut impl Iterator<Item = &'a String>,
    line: &mut CommandLine,
) -> Result<(), String> {
    let mut letters = cluster.chars();
    while let Some(letter) = letters.next() {
        let entry = OPTIONS
            .iter()
            .find(|entry| entry.letter == Some(letter))
            .ok_or_else(|| format!("invalid option -- '{letter}'"))?;
        if entry.arity == Arity::None {
            line.options.push((entry, None));
            continue;
        }
        let glued = Some(letters.as_str().to_owned()).filter(|rest| !rest.is_empty());
        let value = match entry.arity {
            Arity::Required(_) if glued.is_none() => Some(
                words.next().cloned().ok_or_else(|| format!("option requires an argument -- '{letter}'"))?,
            ),
            _ => glued,
        };
        line.options.push((entry, value));
        break;
    }
    Ok(())
}

/// The option of that name, or the only one whose name starts so.
fn by_name(name: &str) -> Result<&'static Entry, String> {
    if let Some(exact) = OPTIONS.iter().find(|entry| entry.name == name) {
        return Ok(exact);
    }
    let candidates: Vec<&Entry> =
        OPTIONS.iter().filter(|entry| !name.is_empty() && entry.name.starts_with(name)).collect();
    match candidates[..] {
        [] => Err(format!("unrecognized option '--{name}'")),
        [only] => Ok(only),
        _ => {
            let names: Vec<String> = candidates.iter().map(|entry| format!("'--{}'", entry.name)).collect();
            Err(format!("option '--{name}' is ambiguous: it may be {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options by name, each with its argument.
    type Options = Vec<(&'static str, Option<String>)>;

    fn parsed(line: &str) -> Result<(Options, Vec<String>), String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let line = parse(&words)?;
        Ok((line.options.into_iter().map(|(entry, value)| (entry.name, value)).collect(), line.operands))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn options_stand_in_any_order_and_form() {
        let (options, operands) =
            parsed("-JVj4 vmlinux --btf_base=base --lang_ex rust --btf_encode_d out -F dwarf -- -J").unwrap();
        let expected = [
            ("btf_encode", None),
            ("verbose", None),
            ("jobs", some("4")),
            ("btf_base", some("base")),
            ("lang_exclude", some("rust")),
            ("btf_encode_detached", some("out")),
            ("format_path", some("dwarf")),
        ];
        assert_eq!(options, expected);
        assert_eq!(operands, ["vmlinux", "-J"]);
    }

    #[test]
    fn an_optional_argument_is_glued_or_not_there() {
        assert_eq!(parsed("-j 4").unwrap(), (vec![("jobs", None)], vec!["4".to_owned()]));
        assert_eq!(parsed("--jobs 4").unwrap().1, ["4"]);
        assert_eq!(parsed("--jobs=4").unwrap().0, [("jobs", some("4"))]);
        assert_eq!(parsed("--jobs=").unwrap().0, [("jobs", some(""))]);
    }

    #[test]
    fn a_whole_name_wins_over_longer_ones_that_start_so() {
        assert_eq!(parsed("--lang c").unwrap().0, [("lang", some("c"))]);
        assert_eq!(parsed("--btf_encode -").unwrap(), (vec![("btf_encode", None)], vec!["-".to_owned()]));
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (line, message) in [
            ("--nonsense", "unrecognized option '--nonsense'"),
            ("--=x", "unrecognized option '--'"),
            ("--btf_en=x", "option '--btf_en' is ambiguous"),
            ("--btf_base", "option '--btf_base' requires an argument"),
            ("--version=3", "option '--version' doesn't allow an argument"),
            ("-JC", "option requires an argument -- 'C'"),
            ("-Jö", "invalid option -- 'ö'"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.starts_with(message), "{line}: {error}");
        }
    }
}
