//! `sys`, `mod`.

use std::fmt::Write;

use btfkit_kernel::views;

use crate::debug::{Session, render};

pub(in crate::debug) fn system(session: &Session, _: &str) -> crate::Outcome {
    let system = views::system(&session.kernel);
    session.answer(&system, || {
        let mut out = String::new();
        let mut row = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = writeln!(out, "{HEAD}{name:>10}{HEAD:#}  {value}", HEAD = render::HEAD);
            }
        };
        row("release", system.release.clone());
        row("version", system.version.clone());
        row("machine", system.machine.clone());
        row("node", system.node.clone());
        row("CPUs", system.processors.map(|count| count.to_string()));
        row("uptime", system.uptime_seconds.map(duration));
        row("memory", system.memory_kib.map(|kib| format!("{} MiB", kib / 1024)));
        row("tasks", system.tasks.map(|count| count.to_string()));
        row("tainted", system.taints.clone());
        row("crashed", system.crash_time.map(|time| format!("{time} seconds after 1970")));
        row("panic", system.panic.clone());
        let why = system.why_missing.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        row("missing", Some(system.missing.join(", ")).filter(|it| !it.is_empty()).map(|it| it + &why));
        out
    })
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let clock = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if days == 0 { clock } else { format!("{days} days, {clock}") }
}

pub(in crate::debug) fn modules(session: &Session, _: &str) -> crate::Outcome {
    let (rows, broken_off) = views::modules_partly(&session.kernel)?;
    session.answer(&rows, || {
        let mut out = format!(
            "{HEAD}{:<28} {:<18} {:>9} {:>4}  USED BY{HEAD:#}\n",
            "MODULE",
            "BASE",
            "SIZE",
            "REFS",
            HEAD = render::HEAD,
        );
        for module in &rows {
            let taints =
                if module.taints.is_empty() { String::new() } else { format!(" ({})", module.taints) };
            let state = if module.state == "live" { String::new() } else { format!(" {}", module.state) };
            let name = format!("{}{taints}{state}", module.name);
            let line = format!(
                "{name:<28} {:#018x} {:>9} {:>4}  {}",
                module.base,
                module.size,
                module.references,
                module.used_by.join(" "),
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    })?;
    broken_off.map_or(Ok(()), |error| Err(format!("modules are missing: {error}").into()))
}
