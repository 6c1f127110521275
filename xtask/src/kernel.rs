//! `cargo xtask kernel`: a small kernel built with btfkit as its encoder, booted, and examined from within.

mod build;
pub(crate) mod demo;
mod examine;
mod guest;
mod kdump;
mod source;
mod table;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::bench;
use crate::command;
use crate::fixtures::apt::Apt;
use crate::fixtures::cache;
use crate::machine::Machine;
use crate::machine::root::data;
use crate::real::have;
use crate::verdict::Tally;
use build::{Built, Programs};
pub(crate) use examine::section;
use guest::Guest;
use source::Source;

/// What the build, the guest and its programs need beyond a compiler: a file that shows it is there, and its package.
const NEEDED: [(&str, &str); 17] = [
    ("make", "make"),
    ("patch", "patch"),
    ("gcc", "gcc"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("cpio", "cpio"),
    ("xz", "xz-utils"),
    ("clang", "clang"),
    ("bpftool", "bpftool"),
    ("busybox", "busybox-static"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("/usr/include/libelf.h", "libelf-dev"),
    ("/usr/include/zlib.h", "zlib1g-dev"),
    ("/usr/include/openssl/ssl.h", "libssl-dev"),
    ("/usr/include/bpf/libbpf.h", "libbpf-dev"),
    ("/usr/include/linux/bpf.h", "linux-libc-dev"),
];

/// The firmware's configuration device, which the small kernel, without ACPI, does not find by itself: the dump's VMCOREINFO
/// passes through it.
const FIRMWARE: &str = "qemu_fw_cfg.ioport=12@0x510:0:1:4";

/// The module with the variables of vmlinux.
const EXTRA: &str = "vmlinux_btf_extra";
/// The module that is built on one kernel and loaded into others.
const FOREIGN: &str = "foreign";
/// The module that carries a side file.
const CARRIER: &str = "btf_carrier";

/// Build a small kernel with variables in vmlinux's BTF, in a module and without, boot each and look at its BTF from within.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The btfkit to build with [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
    /// Also write dumps of the booted guests, for tests of the debugger.
    #[arg(long)]
    dumps: bool,
    /// Also print what variables cost, ours beside pahole's, as the tables of docs/kernel.md.
    #[arg(long)]
    sizes: bool,
}

/// The value of `CONFIG_DEBUG_INFO_BTF_VARS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Builtin,
    Module,
    Disabled,
}

impl Mode {
    /// In the order of building: what is built outside the tree stands on the last.
    const ALL: [Self; 3] = [Self::Builtin, Self::Module, Self::Disabled];

    fn letter(self) -> &'static str {
        match self {
            Self::Builtin => "y",
            Self::Module => "m",
            Self::Disabled => "n",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Builtin => "built in",
            Self::Module => "in a module",
            Self::Disabled => "disabled",
        }
    }

    fn configuration(self) -> String {
        format!("CONFIG_DEBUG_INFO_BTF_VARS={}\n", self.letter())
    }
}

/// The part of the cache for kernels of our own.
fn folder() -> Result<PathBuf> {
    cache::folder("kernel-build")
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let program = arguments.btfkit.clone().map_or_else(bench::release_build, Ok)?;
    if let Some((built, programs)) = check(&mut tally, &program) {
        if arguments.dumps {
            dump_all(&mut tally, &built);
        }
        if arguments.sizes {
            println!("{}", table::tables(&built, &programs)?);
        }
    }
    println!("{tally}");
    Ok(tally.exit_code())
}

/// Builds the kernels, looks at them, and boots each. Gives what was built.
fn check(tally: &mut Tally, program: &Path) -> Option<(Built, Programs)> {
    let mut outcome = None;
    tally.check("kernel build", || {
        install_needed()?;
        let programs = Programs::install(program)?;
        let built = build::build(&Source::fetch()?, &programs)?;
        let sizes = examine::sizes(&built)?;
        outcome = Some((built, programs));
        Ok(sizes)
    });
    let (built, programs) = outcome?;
    let mut check = |name: &str, check: &dyn Fn() -> Result<String>| {
        tally.check(&format!("kernel build: {name}"), check);
    };
    check("resolve_btfids", &|| examine::resolved_ids(&built));
    check("same bytes of two links", &|| examine::reproducible(&built));
    check(EXTRA, &|| examine::extra_module(&built));
    check("lean", &|| table::lean_is_cheap(&programs));
    check("module on a distilled base", &|| examine::foreign_module(&built));
    check("failing encodes", &|| examine::failures(&built));
    let guest = Guest::compile();
    for mode in Mode::ALL {
        check(&format!("guest, variables {}", mode.describe()), &|| {
            let initrd = have(&guest)?.initrd(&built, mode)?;
            let machine = Machine::boot(&initrd.boot(&built.image(mode), "guest: done"))?;
            initrd.judge(&machine.transcript())
        });
    }
    Some((built, programs))
}

/// The same, and dumps of the booted guests, on which the debugger is tested.
pub(crate) fn check_and_dump(tally: &mut Tally, program: &Path) {
    if let Some((built, _)) = check(tally, program) {
        dump_all(tally, &built);
    }
}

fn dump_all(tally: &mut Tally, built: &Built) {
    for mode in Mode::ALL {
        tally.check(&format!("kernel build: dump, variables {}", mode.describe()), || dump(built, mode));
    }
}

/// A dump of the idle guest in both of the emulator's forms, and beside it what the guest says of itself.
fn dump(built: &Built, mode: Mode) -> Result<String> {
    let folder = built.dumps();
    fs::create_dir_all(&folder)?;
    let file = |extension: &str| folder.join(format!("{}.{extension}", mode.letter()));
    if !file("txt").is_file() {
        let guest = Guest::compile()?;
        let initrd = guest.initrd(built, mode)?;
        let machine = Machine::boot(&initrd.boot(&built.image(mode), "guest: idle"))?;
        initrd.judge(&machine.transcript())?;
        machine.dump_elf(&file("elf"))?;
        machine.dump_compressed(&file("kdump"))?;
        fs::write(file("txt"), machine.transcript())?;
    }
    let size = |extension: &str| fs::metadata(file(extension)).map(|data| data.len());
    Ok(format!("{}: {} bytes, compressed {}", file("elf").display(), size("elf")?, size("kdump")?))
}

/// Installs what is missing; without root or apt, the checks that need it are skipped.
fn install_needed() -> Result<()> {
    let is_there = |(what, _): &&(&str, &str)| match what.starts_with('/') {
        true => Path::new(what).exists(),
        false => command::locate(what).is_some(),
    };
    let missing: Vec<_> =
        NEEDED.iter().filter(|needed| !is_there(needed)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Apt::system()?.install(&missing).context("a kernel's build")
}
