//! A machine under software emulation, with a serial port that is read and a monitor that takes dumps.

pub(crate) mod hardware;
mod monitor;
pub(crate) mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::command;
use hardware::Hardware;
use monitor::Monitor;

/// How long a guest may take to say what is waited for, and the monitor to answer. Alone on two processors a guest takes
/// 10 seconds.
const PATIENCE: Duration = Duration::from_secs(200);
/// How often booting is tried: the emulator now and then breaks an atomic instruction of a kernel with `-cpu max`.
const TRIES: usize = 3;

/// What each init says first: a guest that has said it has booted, and gets no other try.
pub(crate) const BOOTED: &str = "guest: kernel";

/// What a machine is booted with, and how far.
#[derive(Debug)]
pub(crate) struct Boot<'a> {
    pub(crate) image: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) hardware: &'a Hardware,
    pub(crate) memory_mib: u32,
    /// More parameters of the kernel.
    pub(crate) parameters: &'a str,
    /// A file for what the guest writes to its `/dev/vport0p1`.
    pub(crate) port: Option<&'a Path>,
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
    /// Boots a kernel and waits for a line of its serial port.
    pub(crate) fn boot(boot: &Boot) -> Result<Self> {
        let mut tries = 0;
        loop {
            let mut machine = Self::start(boot)?;
            tries += 1;
            match machine.wait_for(boot.awaited) {
                Ok(()) => return Ok(machine),
                Err(_) if tries < TRIES && !machine.transcript().contains(BOOTED) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn start(boot: &Boot) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let hardware = boot.hardware;
        let mut emulator = Command::new(command::require(hardware.emulator)?);
        emulator.args(["-accel", "tcg,thread=multi", "-m", &boot.memory_mib.to_string()]);
        emulator.args(hardware.options);
        emulator.arg("-kernel").arg(boot.image).arg("-initrd").arg(boot.initrd);
        emulator.arg("-append").arg(format!("console={} quiet {}", hardware.console, boot.parameters));
        emulator.args(["-display", "none", "-no-reboot", "-nic", "none"]);
        emulator.args(["-serial", &format!("file:{}", at("serial"))]);
        emulator.args(["-monitor", &format!("unix:{},server,nowait", at("monitor"))]);
        if let Some(port) = boot.port {
            emulator.args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port"]);
            emulator.args(["-chardev", &format!("file,id=port,path={}", port.display())]);
        }
        let errors = fs::File::create(at("errors"))?;
        let process = emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        Ok(Self { process: process.with_context(|| format!("cannot run {}", hardware.emulator))?, folder })
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
                // It may have said it as its last word.
                ensure!(self.has_said(line), "the machine ended with {status}: {}", self.last_words());
                break;
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

    /// Stops the guest and writes its memory as ELF.
    pub(crate) fn dump_elf(&self, file: &Path) -> Result<()> {
        self.dump("dump-guest-memory", file)
    }

    /// Stops the guest and writes its memory compressed by zlib, flattened, as the emulator does for kdump's readers.
    pub(crate) fn dump_compressed(&self, file: &Path) -> Result<()> {
        self.dump("dump-guest-memory -z", file)
    }

    /// Stops the guest and writes the first `bytes` of its memory as they are.
    pub(crate) fn dump_raw(&self, file: &Path, bytes: u64) -> Result<()> {
        self.dump(&format!("pmemsave 0 {bytes:#x}"), file)
    }

    /// Dumps to a file that takes its name when it is complete.
    fn dump(&self, command: &str, file: &Path) -> Result<()> {
        let mut monitor = Monitor::connect(&self.folder.path().join("monitor"), PATIENCE)?;
        monitor.tell("stop")?;
        let unfinished = PathBuf::from(format!("{}.unfinished", file.display()));
        let said = monitor.tell(&format!("{command} \"{}\"", unfinished.display()))?;
        ensure!(unfinished.is_file(), "{command}: {}", said.trim());
        fs::rename(&unfinished, file).with_context(|| format!("cannot finish {}", file.display()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
