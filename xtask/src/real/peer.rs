//! Content beside the peer's: whatever pahole encodes is there, and means the same.

use std::fs;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::allowance::{self, Names, Use};
use super::{Subject, have};
use crate::command;
use crate::compare::census::{Census, Class, Options};
use crate::compare::difference::{Difference, Differences, Side};
use crate::compare::source::Source;

/// Differences that are known and explained in docs/differences.md.
#[derive(Debug, Deserialize)]
struct Explained {
    #[serde(default, rename = "difference")]
    all: Vec<Explanation>,
}

/// One class of differences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explanation {
    /// A class of `cargo xtask compare`.
    class: String,
    side: ExplainedSide,
    /// Patterns of the names; none: every name.
    #[serde(default)]
    names: Names,
    /// Pattern of pahole's text.
    pahole: Option<String>,
    /// Pattern of btfkit's text.
    btfkit: Option<String>,
    /// How many there may be in one kernel; none: any number.
    at_most: Option<usize>,
    /// Whether it is there only on a base that an older encoder made.
    #[serde(default)]
    older_base: bool,
    /// The heading in docs/differences.md.
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExplainedSide {
    OnlyPahole,
    OnlyBtfkit,
    Different,
}

impl Explanation {
    fn covers(&self, difference: &Difference) -> bool {
        let side = match difference.side {
            Side::OnlyA => ExplainedSide::OnlyPahole,
            Side::OnlyB => ExplainedSide::OnlyBtfkit,
            Side::Different => ExplainedSide::Different,
        };
        let text = |pattern: &Option<String>, text: &Option<String>| match pattern {
            Some(pattern) => text.as_ref().is_some_and(|text| allowance::matches(pattern, text)),
            None => true,
        };
        self.side == side
            && self.class == difference.class.to_string()
            && self.names.contains(&difference.name)
            && text(&self.pahole, &difference.a)
            && text(&self.btfkit, &difference.b)
    }
}

pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let theirs = subject.folder.join("pahole.btf");
    command::output(&mut have(&subject.peers.pahole)?.encode(&subject.kernel.vmlinux, &theirs))?;
    let options = Options { function_linkage: false };
    let census = |file| Ok::<_, anyhow::Error>(Census::of(Source::open(file, None)?.btf(), options));
    let (a, b) = (census(&theirs)?, census(&subject.btf)?);
    no_new_duplicates(&a, &b)?;
    let summary = explain("differences.toml", false, &Differences::between(&a, &b).all)?;
    let (theirs, ours) = (fs::metadata(&theirs)?.len(), fs::metadata(&subject.btf)?.len());
    Ok(format!("{summary}; {ours} bytes, pahole {theirs}"))
}

/// Holds differences (pahole's first) against those that a data file of the repository lists. Those of an older base count
/// only with `older_base`.
///
/// # Errors
/// One is not listed, or there are more than the list allows.
pub(super) fn explain(list: &str, older_base: bool, differences: &[Difference]) -> Result<String> {
    let mut explained: Explained = allowance::read(list)?;
    explained.all.retain(|explanation| older_base || !explanation.older_base);
    judge(&explained, differences)
}

pub(super) fn no_new_duplicates(pahole: &Census, btfkit: &Census) -> Result<()> {
    for class in btfkit.classes.keys() {
        let (theirs, ours) = (pahole.duplicates(*class), btfkit.duplicates(*class));
        if ours > theirs {
            bail!("{ours} repeated definitions of class {class}, pahole has {theirs}");
        }
    }
    Ok(())
}

/// Assigns each difference to the first explanation that covers it; one that is left over, or too many, is an error.
fn judge(explained: &Explained, differences: &[Difference]) -> Result<String> {
    let explanations = &explained.all;
    let mut uses: Vec<Use> = explanations.iter().map(|e| Use { count: 0, at_most: e.at_most }).collect();
    let mut unexplained = Vec::new();
    for difference in differences {
        match explanations.iter().position(|explanation| explanation.covers(difference)) {
            Some(index) => uses[index].count += 1,
            None => unexplained.push(difference),
        }
    }
    if !unexplained.is_empty() {
        bail!("{} unexplained: {}", unexplained.len(), examples(&unexplained));
    }
    let used = explanations.iter().zip(&uses).filter(|(_, used)| used.count > 0);
    if let Some((explanation, used)) = used.clone().find(|(_, used)| used.is_exceeded()) {
        bail!("{} differences are too many for {:?}", used.count, explanation.why);
    }
    let counts: Vec<String> =
        used.map(|(explanation, used)| format!("{} {}", used.count, explanation.why)).collect();
    Ok(if counts.is_empty() { "no difference".into() } else { counts.join(", ") })
}

/// One example per class and side, with how many there are.
fn examples(differences: &[&Difference]) -> String {
    let mut kinds: Vec<(Class, Side)> = differences.iter().map(|d| (d.class, d.side)).collect();
    kinds.sort();
    kinds.dedup();
    let example = |(class, side)| {
        let alike: Vec<_> = differences.iter().filter(|d| (d.class, d.side) == (class, side)).collect();
        let side = match side {
            Side::OnlyA => "only in pahole's",
            Side::OnlyB => "only in btfkit's",
            Side::Different => "different",
        };
        format!("{} of class {class} {side}, as {}", alike.len(), alike[0].name)
    };
    kinds.into_iter().map(example).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(name: &str) -> Difference {
        let text = Some(".data+0x0 size 4: int static".to_owned());
        Difference { class: Class::Variable, side: Side::OnlyA, name: name.into(), a: text, b: None }
    }

    fn explained(entry: &str) -> Explained {
        let start = "[[difference]]\nclass = 'variable'\nside = 'only_pahole'\nwhy = 'aliases'\n";
        toml::from_str(&format!("{start}{entry}")).unwrap()
    }

    #[test]
    fn the_list_of_explained_differences_can_be_read() {
        let explained: Explained = allowance::read("differences.toml").unwrap();
        assert!(explained.all.iter().all(|explanation| !explanation.why.is_empty()));
    }

    #[test]
    fn an_unexplained_difference_fails_and_names_an_example() {
        let error =
            judge(&explained("names = ['alias_*']"), &[missing("alias_1"), missing("lost")]).unwrap_err();
        assert_eq!(error.to_string(), "1 unexplained: 1 of class variable only in pahole's, as lost");
    }

    #[test]
    fn explained_differences_are_counted_up_to_a_limit() {
        let differences = [missing("alias_1"), missing("alias_2")];
        assert_eq!(judge(&explained("names = ['alias_*']\nat_most = 2"), &differences).unwrap(), "2 aliases");
        assert!(judge(&explained("at_most = 1"), &differences).is_err());
        assert!(judge(&explained("pahole = '.data+*'"), &differences).is_ok());
        assert!(judge(&explained("pahole = '.bss+*'"), &differences).is_err());
        assert_eq!(judge(&explained(""), &[]).unwrap(), "no difference");
    }
}
