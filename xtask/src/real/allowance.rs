//! Allowances: what may differ or be missing, by name pattern, each with its reason. They live in `xtask/data/`.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::command;

/// Reads a data file of the repository.
pub(crate) fn read<T: DeserializeOwned>(file: &str) -> Result<T> {
    let path = command::repository().join("xtask/data").join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    toml::from_str(&text).with_context(|| format!("{file} is not what it should be"))
}

/// A set of names by pattern, where `*` stands for any characters; an empty one is every name.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, name))
    }
}

/// Does the pattern match the whole text?
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(end)
}

/// What has used an allowance up to now, and how much of it there is.
#[derive(Debug, Default)]
pub(crate) struct Use {
    pub(crate) count: usize,
    pub(crate) at_most: Option<usize>,
}

impl Use {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.at_most.is_some_and(|most| self.count > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in
            [("*", ""), ("a", "a"), ("__k*", "__ksymtab"), ("*_x*z", "a_x_yz"), ("a*b*c", "abbc")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("a*", "ba"), ("a*b*c", "acb"), ("ab*ba", "aba")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_is_every_name() {
        assert!(Names::default().contains("anything"));
        assert!(!Names(vec!["one".into()]).contains("other"));
    }
}
