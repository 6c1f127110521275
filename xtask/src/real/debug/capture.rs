//! kdump from end to end: a guest crashes, its capture kernel debugs `/proc/vmcore` with the program as one static file, and
//! what makedumpfile saves there is debugged here.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::fixtures::Kernel;
use crate::fixtures::apt::Apt;
use crate::fixtures::image::Image;
use crate::machine::root::{Root, data};
use crate::machine::{Boot, Machine, hardware};
use crate::{command, dist};

/// In the order of loading; the last is the first in the kernel's list.
const MODULES: [&str; 2] = ["dummy", "veth"];
/// What the crash says.
const PANIC: &str = "Kernel panic - not syncing: sysrq triggered crash";
const LAST_WORDS: &str = "last words before the crash";

pub(super) fn check(btfkit: &Path, kernel: &Kernel) -> Result<String> {
    if command::locate("kexec").is_none() {
        Apt::system()?.install(&["kexec-tools"])?;
    }
    let image = Image::fetch(kernel)?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let init = |name: &str| fs::read_to_string(data().join(name));

    let capture = Root::new(&at("capture"), &init("capture")?)?;
    dist::stripped(&capture.path("bin/btfkit"))?;
    capture.install_program(&command::require("makedumpfile")?)?;
    capture.pack(&at("capture-initrd"))?;

    let root = Root::new(&at("root"), &init("kdump")?)?;
    root.install_program(&command::require("kexec")?)?;
    fs::write(root.path("kexec"), "--kexec-file-syscall")?;
    root.install(&image.kernel(), "crash/vmlinuz")?;
    root.install(&at("capture-initrd"), "crash/initrd")?;
    for (position, name) in MODULES.iter().enumerate() {
        image.unpack_module(name, &root.path(&format!("modules/{position}-{name}.ko")))?;
    }
    root.pack(&at("initrd"))?;
    let machine = Machine::boot(&Boot {
        image: &image.kernel(),
        initrd: &at("initrd"),
        hardware: &hardware::PC,
        memory_mib: 768,
        parameters: "panic=-1 crashkernel=256M",
        port: Some(&at("dump")),
        awaited: "capture: done",
    })?;
    let transcript = machine.transcript();
    let guest = Said { transcript: &transcript, who: "guest" };
    ensure!(!transcript.contains(": FAIL "), "the guest says {}", failures(&transcript));
    hold(&guest, &image.release, &Said { transcript: &transcript, who: "capture" })
        .context("in the capture kernel")?;

    let mut saved = String::new();
    for (what, option, question) in [
        ("release", "-e", "init_uts_ns.name.release"),
        ("version", "-e", "init_uts_ns.name.version"),
        ("node", "-e", "init_uts_ns.name.nodename"),
        ("address", "-c", "sym init_task"),
        ("module", "-e", "list(modules, struct module, list).name"),
        ("process", "-c", "ps"),
        ("log", "-c", "log"),
    ] {
        let mut debug = Command::new(btfkit);
        let text = command::text(debug.arg("debug").arg(at("dump")).args([option, question]))?;
        text.lines().for_each(|line| saved += &format!("here: {what} {line}\n"));
    }
    hold(&guest, &image.release, &Said { transcript: &saved, who: "here" }).context("in the saved dump")?;
    let size = fs::metadata(at("dump"))?.len();
    Ok(format!(
        "{}: /proc/vmcore in the capture kernel, and {size} bytes that makedumpfile saved there",
        image.release
    ))
}

fn failures(transcript: &str) -> String {
    transcript.lines().filter(|line| line.contains(": FAIL ")).collect::<Vec<_>>().join(" | ")
}

/// Lines that begin with `WHO: WHAT `.
struct Said<'t> {
    transcript: &'t str,
    who: &'t str,
}

impl<'t> Said<'t> {
    fn lines(&self, what: &str) -> Vec<&'t str> {
        let start = format!("{}: {what} ", self.who);
        self.transcript.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
    }

    fn one(&self, what: &str) -> Result<&'t str> {
        self.lines(what).first().copied().with_context(|| format!("{} says no {what}", self.who))
    }
}

/// Holds what the debugger found against what the guest said before it crashed.
fn hold(guest: &Said<'_>, release: &str, found: &Said<'_>) -> Result<()> {
    let quoted = |text: &str| format!("\"{text}\"");
    for (what, expected) in [("release", release), ("version", guest.one("version")?), ("node", "crashed")] {
        let value = found.one(what)?;
        ensure!(value == quoted(expected), "{what} is {value}, and was {expected}");
    }
    let address = found.one("address")?;
    ensure!(address.starts_with(guest.one("address")?), "init_task is at {address}");
    let modules: Vec<String> = guest.one("modules")?.split_whitespace().map(quoted).collect();
    ensure!(
        found.lines("module") == modules,
        "modules are {:?}, and were {modules:?}",
        found.lines("module")
    );
    let (process, parent) = guest.one("process")?.split_once(' ').context("two numbers")?;
    let is_known = |row: &&str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        words.first() == Some(&process) && words.get(1) == Some(&parent) && words.last() == Some(&"sleep")
    };
    ensure!(found.lines("process").iter().any(is_known), "there is no process {process}");
    let log = found.lines("log");
    let place = |text: &str| {
        log.iter().position(|line| line.contains(text)).with_context(|| format!("the log has no {text:?}"))
    };
    ensure!(place(LAST_WORDS)? < place(PANIC)?, "the log is out of order");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: &str =
        "guest: version #1 SMP\nguest: process 7 1\nguest: modules veth dummy \nguest: address ffff80\n";

    #[test]
    fn what_is_found_must_be_what_was() {
        let good = format!(
            "x: release \"6.12\"\nx: version \"#1 SMP\"\nx: node \"crashed\"\nx: address ffff80 D init_task\n\
             x: module \"veth\"\nx: module \"dummy\"\nx: process   7  1  0 S sleep\nx: log [1] {LAST_WORDS}\nx: log [2] {PANIC}\n"
        );
        let judge = |text: &str| {
            hold(&Said { transcript: GUEST, who: "guest" }, "6.12", &Said { transcript: text, who: "x" })
        };
        judge(&good).unwrap();
        for (a, b) in [("#1", "#2"), ("veth", "loop"), (" 7 ", " 8 "), (PANIC, "calm"), ("ffff80", "ffff81")]
        {
            assert!(judge(&good.replace(a, b)).is_err(), "{a}");
        }
    }
}
