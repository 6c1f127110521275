//! Dumps that lack something: what still works, and what the user is told.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use btfkit_kernel::{Kernel, Options};
use btfkit_vmcore::{Dump, Machine, Origin, VirtualAddress};

use super::Case;
use crate::fixtures::Dumps;

/// Where memory begins in the file, in bytes.
const MEMORY: u64 = 4096;
const PAGE: u64 = 4096;

/// A copy of a guest's memory, as an ELF core without notes, that can be changed: memory, segments, length.
pub(super) struct Copy {
    file: File,
    pub(super) path: PathBuf,
    /// Physical address of its first byte.
    first: u64,
    size: u64,
    /// What is in it, as it was.
    pub(super) kernel: Kernel,
}

impl Copy {
    /// A copy of raw memory from address 0 on. `name` is that of the file in `folder`.
    pub(super) fn of(raw: &Path, folder: &Path, name: &str) -> Result<Self> {
        Self::of_part(raw, 0..fs::metadata(raw)?.len(), 0, &folder.join(name))
    }

    /// A copy of the largest segment of an ELF core.
    pub(super) fn of_segment(elf: &Path, folder: &Path, name: &str) -> Result<Self> {
        let dump = Dump::open(&[elf])?;
        let largest = dump.segments().iter().max_by_key(|segment| segment.file_size);
        let largest = largest.context("a dump without memory")?;
        let first = largest.physical.context("a segment without a physical address")?.0;
        Self::of_part(elf, largest.offset..largest.offset + largest.file_size, first, &folder.join(name))
    }

    fn of_part(from: &Path, part: std::ops::Range<u64>, first: u64, path: &Path) -> Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all(&[0; MEMORY as usize])?;
        let mut source = File::open(from)?;
        source.seek(SeekFrom::Start(part.start))?;
        let size = std::io::copy(&mut source.take(part.end - part.start), &mut file)?;
        let kernel = Kernel::new(Dump::open(&[from])?, Options::default());
        let copy = Self { file, path: path.to_path_buf(), first, size, kernel };
        copy.set_segments(&[])?;
        Ok(copy)
    }

    /// Writes headers under which these physical pages are excluded from the dump.
    pub(super) fn set_segments(&self, excluded: &[u64]) -> Result<()> {
        let page_of = |address: &u64| (address & !(PAGE - 1)) - self.first;
        let mut excluded: Vec<u64> = excluded.iter().map(page_of).collect();
        excluded.sort_unstable();
        excluded.dedup();
        let mut programs = Vec::new();
        let mut at = 0;
        let mut program = |from: u64, to: u64, stored: u64| {
            if to > from {
                programs.push([1 | 7 << 32, MEMORY + from, 0, self.first + from, stored, to - from, 0]);
            }
        };
        for page in excluded {
            program(at, page, page - at);
            program(page, page + PAGE, 0);
            at = page + PAGE;
        }
        program(at, self.size, self.size - at);
        let mut header = vec![0; MEMORY as usize];
        header[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
        let machine = if self.kernel.memory().dump().machine() == Machine::Aarch64 { 183 } else { 62 };
        header[16..24].copy_from_slice(&[4, 0, machine, 0, 1, 0, 0, 0]);
        header[32..40].copy_from_slice(&64u64.to_le_bytes());
        header[52..64].copy_from_slice(&[64, 0, 56, 0, u8::try_from(programs.len())?, 0, 64, 0, 0, 0, 0, 0]);
        for (entry, program) in header[64..].chunks_exact_mut(56).zip(&programs) {
            for (word, number) in entry.chunks_exact_mut(8).zip(program) {
                word.copy_from_slice(&number.to_le_bytes());
            }
        }
        Ok(self.file.write_all_at(&header, 0)?)
    }

    pub(super) fn write_headers(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all_at(bytes, 0)?)
    }

    pub(super) fn physical(&self, address: VirtualAddress) -> Result<u64> {
        let mapping = self.kernel.memory().translate(address)?;
        Ok(mapping.physical.0 + (address.0 - mapping.start.0))
    }

    pub(super) fn symbol(&self, name: &str) -> Result<VirtualAddress> {
        let found = self.kernel.symbols()?.find(name);
        Ok(found.with_context(|| format!("the kernel has no symbol {name}"))?.address)
    }

    /// Physical address of a symbol.
    pub(super) fn place(&self, symbol: &str) -> Result<u64> {
        self.physical(self.symbol(symbol)?)
    }

    pub(super) fn read(&self, physical: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, MEMORY + physical - self.first)?;
        Ok(bytes)
    }

    pub(super) fn write(&self, physical: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all_at(bytes, MEMORY + physical - self.first)?)
    }

    /// Changes memory, runs, and puts back what was there.
    pub(super) fn with<T>(&self, changes: &[(u64, Vec<u8>)], run: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = changes
            .iter()
            .map(|(at, bytes)| Ok((*at, self.read(*at, bytes.len())?)))
            .collect::<Result<Vec<_>>>()?;
        for (at, bytes) in changes {
            self.write(*at, bytes)?;
        }
        let found = run();
        for (at, bytes) in before.iter().rev() {
            self.write(*at, bytes)?;
        }
        found
    }
}

/// What a user reads.
pub(super) struct Said {
    pub(super) out: String,
    errors: Vec<String>,
}

pub(super) fn debug(btfkit: &Path, files: &[PathBuf], arguments: &[&str]) -> Result<Said> {
    let mut debug = Command::new("timeout");
    debug.args(["--signal=KILL", "20"]).arg(btfkit).arg("debug").args(files).args(arguments);
    let output = debug.stdin(Stdio::null()).output()?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?} ended with {}", output.status);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let errors: Vec<String> = text(&output.stderr).lines().map(str::to_owned).collect();
    for error in &errors {
        ensure!(error.starts_with("error: ") && error.len() < 250, "not an error line: {error}");
    }
    ensure!(
        errors.is_empty() == output.status.success(),
        "exit {} with {} errors",
        output.status,
        errors.len()
    );
    Ok(Said { out: text(&output.stdout), errors })
}

impl Said {
    /// The line of `info` about a part.
    pub(super) fn line(&self, what: &str) -> Result<&str> {
        let line = self.out.lines().find(|line| line.trim_start().starts_with(what));
        line.with_context(|| format!("info says nothing of {what}: {}", self.out))
    }

    pub(super) fn must_say(&self, part: &str) -> Result<()> {
        ensure!(self.out.contains(part), "{part:?} is not in {:?}, errors {:?}", self.out, self.errors);
        Ok(())
    }

    pub(super) fn must_complain(&self, part: &str) -> Result<()> {
        let is_there = self.errors.iter().any(|error| error.contains(part));
        ensure!(is_there, "no error says {part:?}: {:?}, and {:?}", self.errors, self.out);
        Ok(())
    }
}

pub(super) fn check(case: &Case, dumps: &Dumps) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let copy = Copy::of(&dumps.raw(), folder.path(), "gaps")?;
    let file = [copy.path.clone()];
    let debug = |arguments: &[&str]| debug(&case.btfkit, &file, arguments);
    let release = "init_uts_ns.name.release";
    let complete = debug(&["-c", "info", "-e", release, "-c", "log 1"])?;
    let answer = complete.out.lines().find(|line| line.starts_with('"')).context("no release")?.to_owned();
    let last = complete.out.lines().last().context("no log")?.to_owned();
    let mut shown = Vec::new();
    let mut gap = |name: &str, check: &dyn Fn() -> Result<()>| -> Result<()> {
        shown.push(name.to_owned());
        check().with_context(|| name.to_owned())
    };

    let Some(Origin::Memory(info)) = copy.kernel.memory().dump().vmcoreinfo().map(|info| info.origin) else {
        anyhow::bail!("VMCOREINFO is not in memory");
    };
    let page = copy.read(info.0, PAGE as usize)?;
    let text = String::from_utf8_lossy(&page).into_owned();
    let without_kallsyms = text.replace("SYMBOL(kallsyms_", "SYMBOL(kallsymz_").into_bytes();

    gap("no note: VMCOREINFO from memory", &|| {
        ensure!(complete.line("VMCOREINFO")?.contains("in memory at"), "{}", complete.out);
        complete.must_say(&format!(
            "{:?}",
            text.lines().next().and_then(|line| line.split_once('=')).map_or("", |line| line.1)
        ))
    })?;
    gap("no keys for kallsyms: found by a scan", &|| {
        let said =
            copy.with(&[(info.0, without_kallsyms.clone())], || debug(&["-c", "info", "-e", release]))?;
        ensure!(said.line("symbols")? == complete.line("symbols")?, "{}", said.out);
        said.must_say(&answer)
    })?;
    // Its tokens are what the scan looks for.
    let tokens =
        copy.kernel.memory().dump().vmcoreinfo().and_then(|info| info.symbol("kallsyms_token_table"));
    let tokens = copy.physical(tokens.context("no tokens")?)?;
    let without_symbols = || vec![(info.0, without_kallsyms.clone()), (tokens, vec![0xff; 4096])];
    let btf = copy.place("__start_BTF")?;
    gap("no kallsyms: types from the image, and variables that they give away", &|| {
        let arguments = ["-c", "info", "-e", release, "-c", "log 1", "-c", "ps", "-c", "sym jiffies_64"];
        let said = copy.with(&without_symbols(), || debug(&arguments))?;
        ensure!(said.line("symbols")?.contains("no symbols: "), "{}", said.out);
        ensure!(said.line("types")?.contains("found in the kernel's image"), "{}", said.out);
        said.must_say(&last)?;
        said.must_say(&answer)?;
        for task in case.oracle.tasks.iter().filter(|task| task.pid == task.tgid) {
            said.must_say(&format!("{:016x}", task.address))?;
        }
        said.must_complain("no symbols: ")
    })?;
    gap("neither kallsyms nor BTF", &|| {
        let changes = [without_symbols(), vec![(btf, vec![0; 64])]].concat();
        let said = copy.with(&changes, || debug(&["-c", "info", "-e", "init_task", "-c", "log 1"]))?;
        ensure!(said.line("types")?.contains("no symbols: "), "{}", said.out);
        said.must_say(&last)?;
        said.must_complain("no symbols: ")
    })?;
    gap("no VMCOREINFO", &|| {
        let said =
            copy.with(&[(info.0, vec![0; PAGE as usize])], || debug(&["-c", "info", "-e", release]))?;
        ensure!(said.line("VMCOREINFO")?.contains("not found"), "{}", said.out);
        said.must_complain("VMCOREINFO")
    })?;
    gap("BTF that is broken", &|| {
        let said = copy.with(&[(btf, vec![0; 64])], || {
            debug(&["-c", "info", "-e", release, "-c", "log 1", "-c", "sym jiffies_64"])
        })?;
        ensure!(said.line("types")?.contains("types of vmlinux: "), "{}", said.out);
        said.must_say(&last)?;
        said.must_say("jiffies_64")?;
        said.must_complain("types of vmlinux: ")
    })?;
    gap("BTF that was excluded", &|| {
        copy.set_segments(&[btf + PAGE])?;
        let said = debug(&["-c", "info", "-e", release, "-c", "rd jiffies_64"]);
        copy.set_segments(&[])?;
        let said = said?;
        ensure!(said.line("types")?.contains("excluded"), "{}", said.out);
        said.must_complain("the kernel's BTF: ")
    })?;
    gap("no variables", &|| {
        let said =
            debug(&["-c", "info", "-e", "dentry_cache", "-e", "tcp_prot", "-e", "nothing_of_this_name"])?;
        said.line("variables")?;
        said.must_say("tcp_prot at ")?;
        said.must_complain("nothing is called nothing_of_this_name")
    })?;
    gap("a file that was cut", &|| truncated(case, &copy, &answer))?;
    gap("a module whose memory is gone", &|| lost_module(case, &copy))?;
    if let Some(filtered) =
        dumps.containers().into_iter().find(|container| container.name.starts_with("LZO, dump"))
    {
        gap("excluded pages", &|| excluded(case, &copy, &filtered.files))?;
    }
    Ok(shown.join(", "))
}

/// Most of the memory is there, but not its end.
fn truncated(case: &Case, copy: &Copy, answer: &str) -> Result<()> {
    let file = [copy.path.clone()];
    let release = "init_uts_ns.name.release";
    for (cut, is_answered) in [(copy.size * 99 / 100, true), (copy.place("__start_BTF")? + 100_000, false)] {
        let end = copy.read(cut, (copy.size - cut) as usize)?;
        copy.file.set_len(MEMORY + cut)?;
        let said = debug(&case.btfkit, &file, &["-c", "info", "-e", release]);
        copy.write(cut, &end)?;
        let said = said?;
        ensure!(
            said.line("all of it")?.contains("the file ends before its last segment does"),
            "{}",
            said.out
        );
        if is_answered {
            said.must_say(answer)?;
        } else {
            said.must_complain("beyond the end of the file")?;
        }
    }
    Ok(())
}

fn lost_module(case: &Case, copy: &Copy) -> Result<()> {
    let Some(module) = case.oracle.modules.iter().find(|module| module.name == "dummy") else {
        return Ok(());
    };
    let file = [copy.path.clone()];
    copy.set_segments(&[copy.physical(VirtualAddress(module.address))?])?;
    let said = debug(&case.btfkit, &file, &["-c", "mod", "-c", "info", "-e", "init_task.pid"]);
    copy.set_segments(&[])?;
    let said = said?;
    // What comes before it in the list is there, and everything that is no module's.
    said.must_say("veth")?;
    said.must_complain("excluded")?;
    ensure!(said.out.lines().next() == Some("0"), "{}", said.out);
    Ok(())
}

fn excluded(case: &Case, copy: &Copy, files: &[PathBuf]) -> Result<()> {
    let base = copy.kernel.memory().u64(copy.symbol("page_offset_base")?)?;
    let lines: Vec<String> =
        (0..1000).map(|page| format!("rd {:#x}", base + copy.size / 2 + page * PAGE * 16)).collect();
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script");
    fs::write(&script, lines.join("\n"))?;
    let script = script.display().to_string();
    let said = debug(&case.btfkit, files, &["-x", &script])?;
    let count = said.errors.iter().filter(|error| error.contains("excluded")).count();
    ensure!(
        count > 100 && count == said.errors.len(),
        "{count} of {} errors: {:?}",
        said.errors.len(),
        said.errors.first()
    );
    Ok(())
}
