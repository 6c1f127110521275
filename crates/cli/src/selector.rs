//! Types as users name them on a command line.

use btfkit_btf::{Btf, Kind, Type, TypeId};

/// Types with a name or an id: `task_struct`, `struct task_struct`, `FUNC vfs_read`, `42`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Id(TypeId),
    Name { kinds: Option<&'static [Kind]>, name: String },
}

/// Words that may stand before a name, and what they restrict it to.
const WORDS: [(&str, &[Kind]); 8] = [
    ("struct", &[Kind::Struct, Kind::Fwd]),
    ("union", &[Kind::Union, Kind::Fwd]),
    ("enum", &[Kind::Enum, Kind::Enum64]),
    ("typedef", &[Kind::Typedef]),
    ("func", &[Kind::Func]),
    ("var", &[Kind::Var]),
    ("datasec", &[Kind::DataSec]),
    ("fwd", &[Kind::Fwd]),
];

/// For clap: any text is a selector.
pub(crate) fn parse(text: &str) -> Result<Selector, std::convert::Infallible> {
    let text = text.trim();
    if let Ok(id) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(Selector::Id(TypeId(id)));
    }
    let word = text.split_once(char::is_whitespace).and_then(|(word, name)| {
        let kinds = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word))?.1;
        Some(Selector::Name { kinds: Some(kinds), name: name.trim().to_owned() })
    });
    Ok(word.unwrap_or_else(|| Selector::Name { kinds: None, name: text.to_owned() }))
}

impl Selector {
    /// The types that this names, those of the base included; an error when there are none.
    pub(crate) fn find<'b>(&self, btf: &'b Btf<'_>) -> Result<Vec<Type<'b>>, String> {
        let found: Vec<Type<'b>> = match self {
            Self::Id(id) => btf.get(*id).into_iter().collect(),
            Self::Name { kinds, name } => btf
                .named(name.as_bytes())
                .filter(|ty| kinds.is_none_or(|kinds| kinds.contains(&ty.kind())))
                .collect(),
        };
        if found.is_empty() { Err(format!("there is no {self}")) } else { Ok(found) }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "type {id}"),
            Self::Name { kinds: None, name } => write!(f, "type named {name}"),
            Self::Name { kinds: Some(kinds), name } => {
                let word = WORDS.iter().find(|(_, known)| known == kinds).map_or("type", |(word, _)| word);
                write!(f, "{word} {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_words_and_numbers_are_told_apart() {
        let name = |kinds, name: &str| Selector::Name { kinds, name: name.to_owned() };
        assert_eq!(parse("42").unwrap(), Selector::Id(TypeId(42)));
        assert_eq!(parse("[7]").unwrap(), Selector::Id(TypeId(7)));
        assert_eq!(parse("task_struct").unwrap(), name(None, "task_struct"));
        assert_eq!(parse("struct  file").unwrap(), name(Some(&[Kind::Struct, Kind::Fwd]), "file"));
        assert_eq!(parse("unsigned int").unwrap(), name(None, "unsigned int"));
        assert_eq!(parse("struct file").unwrap().to_string(), "struct file");
    }
}
