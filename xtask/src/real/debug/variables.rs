//! Every variable: address, size, type as printed, bytes.

use std::collections::HashSet;

use anyhow::{Result, ensure};

use super::Case;
use super::oracle::{Oracle, Variable, Variables};
use super::session::Answers;
use super::spelling::{normal, without_lengths};

/// The processor whose per-CPU variables the oracle looks at.
const CPU: u32 = 1;

/// The n-th variable of a name, as one writes it.
fn written(name: &str, number: usize, is_per_cpu: bool) -> String {
    let name = if number > 1 { format!("{name}#{number}") } else { name.to_owned() };
    if is_per_cpu { format!("per_cpu({name}, {CPU})") } else { name }
}

fn is_per_cpu(variables: &Variables) -> bool {
    variables.objects.iter().any(|object| object.per_cpu)
}

/// Asks for one variable more than there are, which must not be there.
pub(super) fn questions(name: &str, theirs: &Variables) -> Vec<String> {
    let mut lines = Vec::new();
    for number in 1..=theirs.objects.len() + 1 {
        let written = written(name, number, is_per_cpu(theirs));
        lines.push(format!("p/x &{written}"));
        lines.push(format!("p/x sizeof({written})"));
    }
    let read = |object: &Variable| {
        let length = object.bytes.as_ref().filter(|bytes| !bytes.is_empty())?.len() / 2;
        Some(format!("rd -8 {:#x} {length}", object.address))
    };
    lines.extend(theirs.objects.iter().filter_map(read));
    lines
}

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) compared: usize,
    of_ambiguous_names: usize,
    ambiguous_names: usize,
    pub(super) typed: usize,
    pub(super) bytes: usize,
    pub(super) differences: Vec<String>,
}

pub(super) fn check(case: &Case) -> Result<String> {
    let lines: Vec<String> =
        case.oracle.variables.iter().flat_map(|(name, theirs)| questions(name, theirs)).collect();
    let answers = case.session().run(&lines)?;
    let mut counts = Counts::default();
    for (name, theirs) in &case.oracle.variables {
        counts.compare(name, theirs, &case.oracle, &answers);
    }
    let Counts { compared, of_ambiguous_names, ambiguous_names, typed, bytes, differences } = counts;
    ensure!(
        differences.is_empty(),
        "{} of {compared} variables differ: {}",
        differences.len(),
        differences[..differences.len().min(8)].join("; ")
    );
    ensure!(typed > 5000 && ambiguous_names > 50, "{typed} variables are too few");
    Ok(format!(
        "{compared} have drgn's addresses and sizes, {typed} its types, {bytes} its bytes; {of_ambiguous_names} of them share \
         {ambiguous_names} names; {:.1} s",
        answers.took.as_secs_f64()
    ))
}

impl Counts {
    pub(super) fn compare(&mut self, name: &str, theirs: &Variables, oracle: &Oracle, answers: &Answers) {
        // What neither has an address for.
        if theirs.objects.is_empty() {
            return;
        }
        let mut differ = |what: String| self.differences.push(format!("{name}: {what}"));
        let mut seen = HashSet::new();
        let per_cpu = is_per_cpu(theirs);
        for number in 1..=theirs.objects.len() + 1 {
            let written = written(name, number, per_cpu);
            let pointer = format!("&{written}");
            let Some(address) = answers.address(&pointer) else { continue };
            if !seen.insert(address) {
                differ(format!("{pointer} is {address:#x} once more"));
            }
            let Some(object) = theirs.objects.iter().find(|object| object.address == address) else {
                // A module's variable of the same name, or one that C declares and assembler defines.
                if !oracle.is_near_module(address) && !theirs.labels.contains(&address) {
                    differ(format!("drgn has none at {address:#x}"));
                }
                seen.remove(&address);
                continue;
            };
            let size = answers.address(&format!("sizeof({written})"));
            if object.size.is_some() && size.unwrap_or(0) != object.size.unwrap_or(0) {
                differ(format!("{size:?} bytes, drgn has {:?}", object.size));
            }
            if let Some(theirs) = &object.pointer {
                let ours = answers.ctype(&pointer).unwrap_or_default();
                let is_same = match object.size {
                    Some(_) => normal(ours) == normal(theirs),
                    None => without_lengths(ours) == without_lengths(theirs),
                };
                if !is_same {
                    differ(format!("a pointer to it is {ours}, drgn has {theirs}"));
                }
                self.typed += 1;
            }
            let bytes = object.bytes.as_ref().filter(|bytes| !bytes.is_empty());
            if let (Some(theirs), Some(ours)) = (bytes, answers.bytes(address)) {
                let ours: String = ours.iter().map(|byte| format!("{byte:02x}")).collect();
                if !ours.starts_with(theirs) && !theirs.starts_with(&ours) {
                    differ("other bytes".into());
                }
                self.bytes += 1;
            }
            self.compared += 1;
            if theirs.symbols > 1 {
                self.of_ambiguous_names += 1;
            }
        }
        // What has no symbol, or no bytes, is nowhere.
        let has_place = |object: &&Variable| !object.left_out && object.size != Some(0);
        let wanted = theirs.objects.iter().filter(has_place).count();
        if seen.len() < wanted {
            differ(format!("{} of {wanted} are reached", seen.len()));
        }
        self.ambiguous_names += usize::from(theirs.symbols > 1);
    }
}
