//! Child processes: run, captured, or measured.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::verdict::unavailable;

/// The repository's root folder.
pub(crate) fn repository() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// The cargo that runs this program, in the repository's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository());
    command
}

/// The path of a program, also of one for administrators that a user's `PATH` leaves out.
pub(crate) fn locate(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Like [`locate`]; a missing program makes the check that asks for it skipped.
pub(crate) fn require(program: &str) -> Result<PathBuf> {
    locate(program).ok_or_else(|| unavailable(format!("there is no {program} on this machine")))
}

/// Python that can import drgn.
pub(crate) fn python() -> Result<Command> {
    let mut python = Command::new(require("python3")?);
    python.env("PYTHONPATH", crate::fixtures::drgn()?).env("DRGN_DISABLE_PLUGINS", "*");
    Ok(python)
}

/// Is this process run by root?
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Runs a command to its end with its output captured; an unsuccessful end is an error that quotes its last words.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", describe(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", describe(command), output.status, last_words(&output));
    }
    Ok(output)
}

/// The standard output of a command as text.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&output(command)?.stdout).into_owned())
}

/// Runs a command that speaks for itself on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", describe(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(())
}

fn last_words(output: &Output) -> String {
    let stream = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(stream);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

/// A command's program and arguments, paths cut to their file names and apt's settings left out.
pub(crate) fn describe(command: &Command) -> String {
    let is_setting =
        |word: &&OsStr| word.to_str().is_some_and(|word| word.starts_with("-o") && word.contains("::"));
    let words =
        std::iter::once(command.get_program()).chain(command.get_args().filter(|word| !is_setting(word)));
    let short = |word: &OsStr| match Path::new(word).file_name() {
        Some(name) if Path::new(word).is_absolute() => name.to_string_lossy().into_owned(),
        _ => word.to_string_lossy().into_owned(),
    };
    words.map(short).collect::<Vec<_>>().join(" ")
}

/// What one run of a process cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time of the process and its threads.
    pub(crate) cpu: Duration,
    /// Peak resident memory in bytes.
    pub(crate) peak: u64,
}

/// Runs a command and measures it with what `wait4` says of that process alone.
///
/// A child begins with its parent's peak (`exec` keeps it), so the caller itself must be small.
pub(crate) fn measure(command: &mut Command) -> Result<Cost> {
    let (status, cost) = cost(command)?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(cost)
}

/// The same, however it ends. Processes that it waited for count, too.
pub(crate) fn cost(command: &mut Command) -> Result<(ExitStatus, Cost)> {
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", describe(command)))?;
    let process = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of this plain C structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the process is our own unwaited child, and both pointers are to live values of the right type.
    let waited = unsafe { libc::wait4(process, &raw mut status, 0, &raw mut usage) };
    let wall = start.elapsed();
    if waited != process {
        return Err(std::io::Error::last_os_error()).context("wait4");
    }
    let peak = u64::try_from(usage.ru_maxrss)? * 1024;
    let cost = Cost { wall, cpu: duration(usage.ru_utime) + duration(usage.ru_stime), peak };
    Ok((ExitStatus::from_raw(status), cost))
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let microseconds = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_process_is_charged_for_its_own_memory_and_time() {
        let cost = measure(Command::new("sleep").arg("0.05")).unwrap();
        assert!(cost.wall >= Duration::from_millis(50));
        assert!(cost.cpu < cost.wall);
        assert!(cost.peak > 100 << 10);
    }

    #[test]
    fn a_failing_command_is_quoted_with_its_last_words() {
        let error = output(Command::new("sh").args(["-c", "echo first; echo why >&2; exit 3"])).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("exit status: 3") && message.contains("why"), "{message}");
        assert!(measure(&mut Command::new("false")).is_err());
    }

    #[test]
    fn a_described_command_names_no_folders_or_settings() {
        assert_eq!(describe(Command::new("/usr/bin/tar").args(["-C", "/tmp/x", "-x"])), "tar -C x -x");
        assert_eq!(
            describe(Command::new("apt-get").args(["-oDir::Cache=/tmp/x", "update"])),
            "apt-get update"
        );
    }
}
