//! The emulator's monitor: a prompt, a command, what it prints, a prompt.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PROMPT: &[u8] = b"(qemu) ";

/// A connection to the monitor.
#[derive(Debug)]
pub(super) struct Monitor {
    stream: UnixStream,
}

impl Monitor {
    /// Connects to the monitor's socket; it is to answer each command within `patience`.
    pub(super) fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("cannot reach the emulator's monitor")?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut monitor = Self { stream };
        monitor.read_to_prompt()?;
        Ok(monitor)
    }

    /// Gives a command; what the monitor prints up to its next prompt comes back.
    pub(super) fn tell(&mut self, command: &str) -> Result<String> {
        self.stream.write_all(format!("{command}\n").as_bytes())?;
        self.read_to_prompt()
    }

    fn read_to_prompt(&mut self) -> Result<String> {
        let (mut said, mut piece) = (Vec::new(), [0; 4096]);
        while !said.ends_with(PROMPT) {
            match self.stream.read(&mut piece).context("the emulator's monitor does not answer")? {
                0 => bail!("the emulator's monitor hung up"),
                length => said.extend(&piece[..length]),
            }
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}
