//! The machine and its kernel at a glance.

use super::{Result, log, number, text, value};
use crate::Kernel;

/// What a dump says of its machine. What cannot be told is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct System {
    /// Release of the kernel: `uname -r`.
    pub release: Option<String>,
    /// Its version: `uname -v`.
    pub version: Option<String>,
    /// The machine: `uname -m`.
    pub machine: Option<String>,
    /// The host's name.
    pub node: Option<String>,
    /// Processors that are online.
    pub processors: Option<u64>,
    /// Seconds since boot.
    pub uptime_seconds: Option<u64>,
    /// Memory that the kernel manages, in KiB.
    pub memory_kib: Option<u64>,
    /// Tasks.
    pub tasks: Option<usize>,
    /// Letters of what taints the kernel.
    pub taints: Option<String>,
    /// When it crashed, in seconds since 1970.
    pub crash_time: Option<u64>,
    /// Why it panicked, in its own words.
    pub panic: Option<String>,
    /// What every kernel has, and could not be read: of `version`, `node`, `processors`, `uptime`, `memory`, `tasks`, `taints`.
    pub missing: Vec<&'static str>,
    /// Why, if one reason is behind all of it.
    pub why_missing: Option<String>,
}

/// All that the dump tells of its machine.
pub fn system(kernel: &Kernel) -> System {
    let memory = kernel.memory();
    let info = memory.dump().vmcoreinfo();
    let names = value(kernel, "init_uts_ns").ok();
    let name = |member: &str| text(kernel, names.as_ref()?, &format!("name.{member}")).ok();
    let records = log(kernel).unwrap_or_default();
    let page = info.and_then(btfkit_vmcore::VmcoreInfo::page_size).unwrap_or(4096);
    let pages = value(kernel, "_totalram_pages").and_then(|pages| number(kernel, &pages, "counter"));
    let mut system = System {
        release: name("release").or_else(|| Some(info?.release()?.to_owned())),
        version: name("version"),
        machine: name("machine").or_else(|| Some(memory.dump().machine().to_string())),
        node: name("nodename"),
        processors: processors(kernel).ok(),
        uptime_seconds: uptime(kernel).ok().or_else(|| Some(records.last()?.nanoseconds / 1_000_000_000)),
        memory_kib: pages.ok().and_then(|pages| u64::try_from(pages).ok()?.checked_mul(page / 1024)),
        tasks: super::tasks(kernel).ok().map(|tasks| tasks.len()),
        taints: value(kernel, "tainted_mask")
            .and_then(|mask| Ok(mask.to_number(memory)?))
            .ok()
            .map(|mask| super::modules::taints(mask as u64)),
        crash_time: info.and_then(|info| info.get("CRASHTIME")?.trim().parse().ok()),
        panic: records.iter().rev().find_map(|record| {
            // The last line of a panic has these words, too, but not first.
            let reason = record.text.strip_prefix("Kernel panic - not syncing: ")?;
            Some(reason.lines().next().unwrap_or(reason).to_owned())
        }),
        ..System::default()
    };
    system.missing = missing(&system);
    system.why_missing = if system.missing.is_empty() { None } else { why_missing(kernel) };
    system
}

fn missing(system: &System) -> Vec<&'static str> {
    let fields = [
        ("version", system.version.is_none()),
        ("node", system.node.is_none()),
        ("processors", system.processors.is_none()),
        ("uptime", system.uptime_seconds.is_none()),
        ("memory", system.memory_kib.is_none()),
        ("tasks", system.tasks.is_none()),
        ("taints", system.taints.is_none()),
    ];
    fields.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name).collect()
}

fn why_missing(kernel: &Kernel) -> Option<String> {
    match (kernel.symbols(), kernel.types()) {
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
        (Ok(symbols), _) if !symbols.name_data() => Some("kallsyms names functions alone".into()),
        _ => None,
    }
}

fn processors(kernel: &Kernel) -> Result<u64> {
    let mask = value(kernel, "__cpu_online_mask")?.member("bits")?;
    let bytes = mask.bytes(kernel.memory())?;
    Ok(bytes.iter().map(|byte| u64::from(byte.count_ones())).sum())
}

/// The clock that only goes on: seconds since boot.
fn uptime(kernel: &Kernel) -> Result<u64> {
    let clock = value(kernel, "tk_core.timekeeper")?;
    Ok(number(kernel, &clock, "ktime_sec")? as u64)
}
