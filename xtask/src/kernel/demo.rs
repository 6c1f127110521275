//! `cargo xtask demo-dump`: the dump that the program carries for its demo.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_kernel::expression::evaluate;
use btfkit_kernel::{Kernel, Options, Value};
use btfkit_vmcore::Dump;

use super::build::{self, Programs};
use super::source::Source;
use super::{FIRMWARE, Mode, data, install_needed, kdump};
use crate::machine::root::Root;
use crate::machine::{Boot, Machine, hardware};
use crate::{bench, command};

/// Crash the small kernel that has its variables in its BTF, and keep its memory as the dump of the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The btfkit to build the kernel with [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
    /// Where to write the dump [default: crates/cli/demo/crash.kdump].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What the guest loads before it crashes.
const MODULES: [&str; 2] = ["loop", "brd"];
/// The least that the kernel boots with: what is in memory is in the program.
const MEMORY_MIB: u32 = 48;
/// How long the dump may be, in bytes: it is part of the program and of its source.
const LONGEST: usize = 12_000_000;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    install_needed()?;
    let program = arguments.btfkit.clone().map_or_else(bench::release_build, Ok)?;
    let built = build::build(&Source::fetch()?, &Programs::install(&program)?)?;
    let folder = tempfile::tempdir()?;
    let (elf, initrd) = (folder.path().join("elf"), folder.path().join("initrd"));
    let root = Root::new(&folder.path().join("root"), &fs::read_to_string(data().join("crash"))?)?;
    for name in MODULES {
        root.install_module(&built.module(Mode::Builtin, name), name, &[])?;
    }
    root.pack(&initrd)?;
    let machine = Machine::boot(&Boot {
        image: &built.image(Mode::Builtin),
        initrd: &initrd,
        hardware: &hardware::PC,
        memory_mib: MEMORY_MIB,
        parameters: &format!("panic=0 {FIRMWARE}"),
        port: None,
        awaited: "---[ end Kernel panic - not syncing: sysrq triggered crash",
    })?;
    machine.dump_elf(&elf)?;
    drop(machine);

    let kernel = Kernel::new(Dump::open(&[&elf])?, Options::default());
    let system = system(&kernel)?;
    let original = kernel.memory().dump();
    let end = u64::from(MEMORY_MIB) << 20;
    let bytes = kdump::compressed(original, &system, end)?;
    ensure!(bytes.len() <= LONGEST, "the dump takes {} bytes; at most {LONGEST} will do", bytes.len());
    let compressed = folder.path().join("kdump");
    fs::write(&compressed, &bytes)?;
    kdump::compare(original, &Dump::open(&[&compressed])?, end)?;
    let default = || command::repository().join("crates/cli/demo/crash.kdump");
    let output = arguments.output.clone().unwrap_or_else(default);
    atomic_write(&output, |file| std::io::Write::write_all(file, &bytes))?;
    println!("{}: {} bytes of {MEMORY_MIB} MiB", output.display(), bytes.len());
    Ok(ExitCode::SUCCESS)
}

/// The kernel's names for itself: `struct new_utsname`.
fn system(kernel: &Kernel) -> Result<Vec<u8>> {
    let name = evaluate(kernel, "init_uts_ns.name")?;
    let address = name.first().and_then(Value::address).context("init_uts_ns has no address")?;
    Ok(kernel.memory().bytes(address, kdump::UTSNAME)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_loads_what_it_is_given_and_says_that_it_is_up() {
        let init = fs::read_to_string(data().join("crash")).unwrap();
        for name in MODULES {
            assert!(init.contains(&format!("insmod /modules/{name}.ko")), "{name}");
        }
        assert!(init.contains(crate::machine::BOOTED));
    }
}
