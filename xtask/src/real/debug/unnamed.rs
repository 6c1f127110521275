//! A kernel whose kallsyms names functions alone: what is found of its data all the same.

use anyhow::{Context, Result, bail, ensure};

use super::Case;
use super::gaps::{Copy, Said, debug};
use super::session::Session;

/// Variables that are found without a symbol have drgn's addresses and types; what is not found says why.
pub(super) fn variables(case: &Case) -> Result<String> {
    let known: Vec<_> = case
        .oracle
        .variables
        .iter()
        .filter(|(_, theirs)| theirs.objects.len() == 1 && theirs.symbols == 1)
        .filter(|(name, _)| btfkit_kernel::declared_names().any(|declared| declared == name.as_str()))
        .collect();
    let lines: Vec<String> =
        known.iter().flat_map(|(name, _)| [format!("p/x &{name}"), format!("p/x sizeof({name})")]).collect();
    // No side file: nothing but the dump.
    let answers = Session::new(&case.btfkit, std::slice::from_ref(&case.dump), None).run(&lines)?;
    let mut found = Vec::new();
    for (name, theirs) in &known {
        let theirs = &theirs.objects[0];
        let Some(address) = answers.address(&format!("&{name}")) else { continue };
        ensure!(address == theirs.address, "{name} is at {address:#x}, drgn has {:#x}", theirs.address);
        let size = answers.address(&format!("sizeof({name})"));
        ensure!(size == theirs.size, "{name} has {size:x?} bytes, drgn has {:x?}", theirs.size);
        found.push(name.as_str());
    }
    ensure!(found.len() >= 18, "only {} of {} are found: {}", found.len(), known.len(), found.join(" "));
    let silent = answers.errors.iter().find(|error| !error.contains("kallsyms names"));
    if let Some(error) = silent {
        bail!("what is missing does not say why: {error}");
    }
    Ok(format!("{} of {} have drgn's addresses and sizes; the others say why not", found.len(), known.len()))
}

/// With a side file, sections whose beginning is known have all their variables.
pub(super) fn by_sections(case: &Case) -> Result<String> {
    let known: Vec<_> = case.oracle.variables.iter().filter(|(_, it)| it.objects.len() == 1).collect();
    let lines: Vec<String> = known.iter().map(|(name, _)| format!("p/x &{name}")).collect();
    let answers = case.session().run(&lines)?;
    let mut found = 0;
    for (name, theirs) in &known {
        let Some(address) = answers.address(&format!("&{name}")) else { continue };
        // The hypervisor has variables under names of its own, which may be the kernel's.
        let is_there = address == theirs.objects[0].address || theirs.labels.contains(&address);
        ensure!(is_there, "{name} is at {address:#x}, drgn has {:#x}", theirs.objects[0].address);
        found += 1;
    }
    ensure!(found > 5000, "only {found} of {} variables are found", known.len());
    Ok(format!("{found} of {} have drgn's addresses", known.len()))
}

/// Random walks that begin at an address end at drgn's numbers.
pub(super) fn paths(case: &Case) -> Result<String> {
    let mut asked = Vec::new();
    for path in &case.oracle.paths {
        let end = path.expression.find(['.', '-', '[']).unwrap_or(path.expression.len());
        let (name, rest) = path.expression.split_at(end);
        let Some([object]) = case.oracle.variables.get(name).map(|theirs| &theirs.objects[..]) else {
            continue;
        };
        let structure = object.pointer.as_deref().and_then(|pointer| pointer.strip_suffix(" *"));
        let Some(structure) = structure.filter(|it| it.starts_with("struct ") && !it.contains('<')) else {
            continue;
        };
        asked.push((format!("(*({structure} *){:#x}){rest}", object.address), &path.value));
    }
    let lines: Vec<String> = asked.iter().map(|(expression, _)| format!("p/d {expression}")).collect();
    let answers = Session::new(&case.btfkit, std::slice::from_ref(&case.dump), None).run(&lines)?;
    for (expression, theirs) in &asked {
        let ours = answers.value(expression);
        ensure!(
            ours == Some(theirs.as_str()),
            "{expression} is {}, drgn has {theirs}; {}",
            ours.unwrap_or("not there"),
            answers.errors.first().map_or("", String::as_str)
        );
    }
    ensure!(asked.len() > 200, "only {} paths begin at a structure", asked.len());
    Ok(format!("{} paths", asked.len()))
}

/// BTF that is not in the kernel, cannot be found, or is not in the dump: three answers.
pub(super) fn no_types(case: &Case) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let copy = Copy::of_segment(&case.dump, folder.path(), "without-types")?;
    let file = [copy.path.clone()];
    let ask = || debug(&case.btfkit, &file, &["-c", "info", "-e", "init_task.pid", "-c", "log 1"]);
    let address = copy.kernel.type_sources().next().and_then(|source| source.address);
    let btf = copy.physical(address.context("no types")?)?;
    let sound = ask()?;
    let last = sound.out.lines().last().context("no log")?.to_owned();
    ensure!(sound.line("types")?.contains("found in the kernel's image"), "{}", sound.out);
    let expect = |said: &Said, words: &str| {
        ensure!(said.line("types")?.contains(words), "{words:?} is not in {}", said.out);
        said.must_say(&last)?;
        said.must_complain(words)
    };
    expect(&copy.with(&[(btf, vec![0; 64])], ask)?, "no BTF was found in the kernel's image")?;
    copy.set_segments(&[btf + 4096])?;
    expect(&ask()?, "the kernel's BTF: ")?;
    ensure!(ask()?.line("types")?.contains("excluded"), "an excluded page is not told");
    copy.set_segments(&[btf])?;
    expect(&ask()?, "pages of it that are not in the dump: ")?;
    Ok("not found, excluded in the middle, excluded at its start".into())
}

/// `info` and `sys` say what there is not, and why.
pub(super) fn what_is_missing(case: &Case) -> Result<String> {
    let lines = ["info", "sys"].map(str::to_owned);
    let answers = Session::new(&case.btfkit, std::slice::from_ref(&case.dump), None).run(&lines)?;
    let [info, sys] = &answers.others[..] else { bail!("{} answers", answers.others.len()) };
    let info = info.as_array().context("info is no array")?;
    let said = info.iter().find(|finding| finding.get("what").is_some_and(|what| what == "data symbols"));
    let said = said.context("info says nothing of data symbols")?;
    ensure!(said.get("missing").is_some_and(serde_json::Value::is_string), "{said}");
    let missing = sys.get("missing").and_then(|missing| missing.as_array()).context("sys says nothing")?;
    ensure!(!missing.is_empty(), "sys says that nothing is missing");
    Ok(format!("sys lacks {}", missing.iter().filter_map(|it| it.as_str()).collect::<Vec<_>>().join(", ")))
}
