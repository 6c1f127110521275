//! A machine under software emulation, with a serial port that is read and a monitor that takes dumps.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::command;

/// How long a guest may take to say what is waited for. Alone on two processors it takes 10 seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// The firmware's configuration device, which the kernel finds by itself only with ACPI: the dump's VMCOREINFO passes
/// through it.
const FIRMWARE: &str = "qemu_fw_cfg.ioport=12@0x510:0:1:4";

/// The emulator now and then breaks an atomic instruction early in boot; the first of these says that boot is over.
pub(super) const BOOTED: &str = "guest: kernel";

/// What a machine is booted with, and how far.
#[derive(Debug)]
pub(crate) struct Boot<'a> {
    pub(crate) image: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) memory_mib: u32,
    /// More parameters of the kernel, each with a space after it.
    pub(crate) parameters: &'a str,
    /// What a line of the serial port has when the guest is where it is wanted.
    pub(crate) awaited: &'a str,
}

/// A running machine; it ends with this value.
#[derive(Debug)]
pub(crate) struct Machine {
    process: Child,
    folder: TempDir,
}

impl Machine {
    /// Boots a kernel and waits for a line of its serial port. A panic before the guest's first word gets a second try.
    pub(crate) fn boot(boot: &Boot) -> Result<Self> {
        let mut machine = Self::start(boot)?;
        match machine.wait_for(boot.awaited) {
            Ok(()) => Ok(machine),
            Err(error) if machine.transcript().contains(BOOTED) => Err(error),
            Err(_) => {
                machine = Self::start(boot)?;
                machine.wait_for(boot.awaited)?;
                Ok(machine)
            }
        }
    }

    fn start(boot: &Boot) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut emulator = Command::new(command::require("qemu-system-x86_64")?);
        emulator.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2,sockets=2", "-m"]);
        emulator.arg(boot.memory_mib.to_string());
        emulator.arg("-kernel").arg(boot.image).arg("-initrd").arg(boot.initrd);
        emulator.arg("-append").arg(format!("console=ttyS0 {}quiet {FIRMWARE}", boot.parameters));
        emulator.args(["-display", "none", "-no-reboot", "-nic", "none", "-device", "vmcoreinfo"]);
        emulator.arg("-serial").arg(format!("file:{}", folder.path().join("serial").display()));
        let monitor = folder.path().join("monitor");
        emulator.arg("-monitor").arg(format!("unix:{},server,nowait", monitor.display()));
        let errors = fs::File::create(folder.path().join("errors"))?;
        let process = emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        Ok(Self { process: process.context("cannot run qemu-system-x86_64")?, folder })
    }

    /// Everything that the guest has printed.
    pub(crate) fn transcript(&self) -> String {
        let bytes = fs::read(self.folder.path().join("serial")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    fn has_said(&self, line: &str) -> bool {
        self.transcript().lines().any(|said| said.contains(line))
    }

    fn wait_for(&mut self, line: &str) -> Result<()> {
        let start = Instant::now();
        while !self.has_said(line) {
            if let Some(status) = self.process.try_wait()? {
                bail!("the machine ended with {status}: {}", self.last_words());
            }
            ensure!(start.elapsed() < PATIENCE, "no {line:?} in {PATIENCE:?}: {}", self.last_words());
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let errors = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        let text = self.transcript() + &errors;
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(12)..].join(" | ")
    }

    /// Stops the guest and writes its memory in both forms that the emulator has: ELF, and compressed as by kdump.
    pub(crate) fn dump(&self, elf: &Path, compressed: &Path) -> Result<()> {
        self.dump_elf(elf)?;
        self.monitor()?.dump("dump-guest-memory -z", compressed)
    }

    /// Stops the guest and writes its memory as ELF.
    pub(crate) fn dump_elf(&self, elf: &Path) -> Result<()> {
        let mut monitor = self.monitor()?;
        monitor.tell("stop")?;
        monitor.dump("dump-guest-memory", elf)
    }

    fn monitor(&self) -> Result<Monitor> {
        Monitor::connect(&self.folder.path().join("monitor"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The emulator's monitor: a prompt, a command, what it prints, a prompt.
#[derive(Debug)]
struct Monitor {
    stream: UnixStream,
}

impl Monitor {
    const PROMPT: &[u8] = b"(qemu) ";

    fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("cannot reach the emulator's monitor")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Self { stream };
        monitor.read_to_prompt()?;
        Ok(monitor)
    }

    fn tell(&mut self, command: &str) -> Result<String> {
        self.stream.write_all(format!("{command}\n").as_bytes())?;
        self.read_to_prompt()
    }

    fn read_to_prompt(&mut self) -> Result<String> {
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        while !said.ends_with(Self::PROMPT) {
            match self.stream.read(&mut piece)? {
                0 => bail!("the emulator's monitor hung up"),
                length => said.extend(&piece[..length]),
            }
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Dumps to a file that takes its name when it is complete.
    fn dump(&mut self, command: &str, file: &Path) -> Result<()> {
        let unfinished = PathBuf::from(format!("{}.unfinished", file.display()));
        let said = self.tell(&format!("{command} {}", unfinished.display()))?;
        ensure!(unfinished.is_file(), "{command}: {}", said.trim());
        fs::rename(&unfinished, file).with_context(|| format!("cannot finish {}", file.display()))
    }
}
