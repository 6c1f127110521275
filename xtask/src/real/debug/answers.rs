//! Paths of members, the first views, and the same answers from every container.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use super::Case;
use super::oracle::{Record, Task};
use super::session::Session;
use crate::fixtures::Container;

/// Random walks over members, elements and pointers end at the same numbers.
pub(super) fn paths(case: &Case) -> Result<String> {
    let paths = &case.oracle.paths;
    ensure!(paths.len() >= super::PATHS * 9 / 10, "the oracle has only {} paths", paths.len());
    let lines: Vec<String> = paths.iter().map(|path| format!("p/d {}", path.expression)).collect();
    let answers = case.session().run(&lines)?;
    for path in paths {
        let ours = answers.value(&path.expression);
        ensure!(
            ours == Some(path.value.as_str()),
            "{} is {}, drgn has {}; {}",
            path.expression,
            ours.unwrap_or("not there"),
            path.value,
            answers.errors.first().map_or("", String::as_str)
        );
    }
    let pointers = paths.iter().filter(|path| path.expression.contains("->")).count();
    Ok(format!("{} paths, {pointers} of them through pointers", paths.len()))
}

/// What is compared of a module.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Module {
    name: String,
    base: u64,
}

/// `ps -t`, `mod` and `log`.
pub(super) fn views(case: &Case) -> Result<String> {
    let answers = case.session().run(&["ps -t", "mod", "log"].map(str::to_owned))?;
    let [tasks, modules, log] = &answers.others[..] else {
        bail!("ps, mod and log have {} answers: {}", answers.others.len(), answers.errors.join("; "));
    };
    let mut ours: Vec<Task> = serde_json::from_value(tasks.clone()).context("ps")?;
    // drgn counts the tasks that have a number.
    ours.retain(|task| task.pid != 0);
    let mut theirs = case.oracle.tasks.clone();
    ours.sort();
    theirs.sort();
    if let Some((ours, theirs)) = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs) {
        bail!("ps has {ours:?}, drgn {theirs:?}");
    }
    ensure!(ours.len() == theirs.len(), "ps has {} tasks, drgn {}", ours.len(), theirs.len());
    let ours: Vec<Module> = serde_json::from_value(modules.clone()).context("mod")?;
    let theirs: Vec<Module> =
        case.oracle.modules.iter().map(|it| Module { name: it.name.clone(), base: it.base }).collect();
    ensure!(ours == theirs, "mod has {ours:?}, drgn {theirs:?}");
    let records: Vec<Record> = serde_json::from_value(log.clone()).context("log")?;
    let differs = records.iter().zip(&case.oracle.log).find(|(ours, theirs)| ours != theirs);
    if let Some((ours, theirs)) = differs {
        bail!("log has {ours:?}, drgn {theirs:?}");
    }
    ensure!(
        records.len() == case.oracle.log.len(),
        "log has {} records, drgn {}",
        records.len(),
        case.oracle.log.len()
    );
    Ok(format!("{} tasks, {} modules, {} records", case.oracle.tasks.len(), ours.len(), records.len()))
}

/// Bytes of variables, and the tasks, are the same from each container.
pub(super) fn containers(case: &Case, containers: &[Container]) -> Result<String> {
    let objects = case.oracle.variables.values().flat_map(|variables| &variables.objects);
    let known = objects.filter_map(|object| Some((object.address, object.bytes.as_ref()?)));
    let sample: Vec<(u64, &String)> = known.filter(|(_, bytes)| !bytes.is_empty()).step_by(13).collect();
    let mut lines = vec!["ps -t".to_owned(), "log".to_owned()];
    lines.extend(sample.iter().map(|(address, bytes)| format!("rd -8 {address:#x} {}", bytes.len() / 2)));
    let mut expected: Option<Vec<Json>> = None;
    let mut fewest = usize::MAX;
    let mut slowest = (std::time::Duration::ZERO, "");
    for container in containers {
        let answers = Session::new(&case.btfkit, &container.files, None).run(&lines)?;
        let name = container.name;
        ensure!(answers.others.len() == 2, "{name}: {}", answers.errors.join("; "));
        let expected = expected.get_or_insert_with(|| answers.others.clone());
        ensure!(expected[1] == answers.others[1], "{name}: another log");
        if container.is_filtered {
            // makedumpfile takes pages with tasks for unused ones where it does not know the kernel's newest flags of pages.
            let empty = Vec::new();
            let tasks = |answer: &'_ [Json]| answer[0].as_array().cloned().unwrap_or_else(|| empty.clone());
            let (all, ours) = (tasks(expected), tasks(&answers.others));
            ensure!(ours.iter().all(|task| all.contains(task)), "{name}: other tasks");
            let is_told = answers.errors.iter().any(|error| error.contains("tasks are missing"));
            ensure!(ours.len() == all.len() || is_told, "{name}: tasks are missing, and it says nothing");
            ensure!(
                ours.len() * 2 > all.len(),
                "{name}: {} of {} tasks: {:?}",
                ours.len(),
                all.len(),
                answers.errors
            );
            fewest = fewest.min(ours.len());
        } else {
            ensure!(expected[0] == answers.others[0], "{name}: other tasks");
        }
        for (address, bytes) in &sample {
            let Some(ours) = answers.bytes(*address) else {
                // makedumpfile leaves pages of zeros out of ELF cores, where nothing tells them from other excluded ones.
                let may_be_left_out = container.is_filtered && name.starts_with("ELF");
                let is_zero = bytes.bytes().all(|digit| digit == b'0');
                ensure!(may_be_left_out && is_zero, "{name}: {address:#x} cannot be read");
                continue;
            };
            let is_same = ours.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == **bytes;
            ensure!(is_same, "{name}: other bytes at {address:#x}");
        }
        slowest = slowest.max((answers.took, name));
    }
    ensure!(containers.len() >= 2, "only {} containers", containers.len());
    let filtered = containers.iter().filter(|container| container.is_filtered).count();
    let fewest = if filtered > 0 { format!(" (at least {fewest} tasks)") } else { String::new() };
    Ok(format!(
        "{} containers, {filtered} of them filtered{fewest}, give {} variables' bytes; the slowest is {}, {:.1} s",
        containers.len(),
        sample.len(),
        slowest.1,
        slowest.0.as_secs_f64()
    ))
}
