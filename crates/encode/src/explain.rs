//! Why a function or a variable is in the output, or not.

use crate::functions::Verdict;
use crate::names::Name;
use crate::output::Facts;

/// Lines for a person about everything of this name.
pub fn explain(wanted: &[u8], facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    // A static of a function has a number behind its name: `count.12` is what the source calls `count`.
    let is = |name: Name| {
        let rest = facts.names.bytes(name).strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || (rest[0] == b'.' && !wanted.is_empty()))
    };
    let text = |name: Name| String::from_utf8_lossy(facts.names.bytes(name)).into_owned();
    for choice in facts.choices {
        let (base, symbols) = facts.symbols.group(choice.key);
        if !is(base) && !is(choice.name) {
            continue;
        }
        let verdict = if choice.verdict == Verdict::Kept { "in" } else { "left out" };
        lines.push(format!("function {}: {verdict}: {}", text(choice.name), choice.verdict.reason()));
        for symbol in symbols {
            lines.push(format!("  symbol {} at {:#x}", text(symbol.name), symbol.value));
        }
        let described = facts.collected.functions.iter().filter(|state| state.key == choice.key).count();
        lines.push(format!("  {described} entries in DWARF"));
        if facts.kfuncs.iter().any(|kfunc| kfunc.name == facts.names.bytes(base)) {
            lines.push("  listed as a kfunc".to_owned());
        }
    }
    for variable in facts.selection.variables.iter().filter(|variable| is(variable.name)) {
        let place = variable.place.and_then(|place| Some((place, facts.data.section(place.section)?)));
        lines.push(match place {
            Some((place, section)) => format!(
                "variable {}: in: {}+{:#x}, {} bytes",
                text(variable.name),
                String::from_utf8_lossy(&section.name),
                place.offset,
                variable.size
            ),
            None => format!(
                "variable {}: in, without a place: another name for a place that is taken, or a label",
                text(variable.name)
            ),
        });
    }
    for (name, reason) in facts.selection.left_out.iter().filter(|(name, _)| is(*name)) {
        lines.push(format!("variable {}: left out: {}", text(*name), reason.reason()));
    }
    if lines.is_empty() {
        lines.push(format!(
            "{}: neither a function symbol that DWARF describes nor a variable",
            String::from_utf8_lossy(wanted)
        ));
    }
    lines
}
