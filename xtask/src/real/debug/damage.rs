//! Damaged dumps: no panic, no hang, no memory out of proportion.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Case;
use super::gaps::Copy;
use crate::command;
use crate::fixtures::Dumps;

/// Changes of each part.
const ROUNDS: u64 = 8;
const LONGEST: Duration = Duration::from_secs(10);
/// In bytes, of what is allocated, touched or not; the system enforces it.
const MOST_MEMORY: u64 = 300 << 20;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }

    /// Changes a few bytes, or many, or fills a stretch with one of the values that break things.
    fn damage(&mut self, bytes: &mut [u8]) {
        let length = bytes.len() as u64;
        match self.below(4) {
            0 => {
                for _ in 0..1 + length / 64 {
                    bytes[self.below(length) as usize] = self.below(256) as u8;
                }
            }
            1 => {
                let at = self.below(length) as usize;
                let value = [0, 0xff, 0x7f, 0x80][self.below(4) as usize];
                let end = (at + 1 + self.below(64) as usize).min(bytes.len());
                bytes[at..end].fill(value);
            }
            _ => {
                for _ in 0..=self.below(4) {
                    bytes[self.below(length) as usize] ^= 1 << self.below(8);
                }
            }
        }
    }
}

/// The worst that was seen.
#[derive(Default)]
struct Worst {
    runs: usize,
    time: Duration,
}

impl Worst {
    fn run(&mut self, case: &Case, files: &[PathBuf], what: &str) -> Result<()> {
        let mut debug = Command::new(command::require("prlimit")?);
        debug
            .arg(format!("--data={MOST_MEMORY}"))
            .args(["timeout", "--signal=KILL", "20"])
            .arg(&case.btfkit)
            .arg("debug")
            .args(files);
        debug.args(["-c", "info", "-e", "init_uts_ns.name.release", "-c", "ps -t", "-c", "mod", "-c", "log"]);
        debug.args([
            "-e",
            "list(super_blocks, struct super_block, s_list).{s_id, s_root}",
            "-e",
            "modules",
            "-e",
            "*init_task.mm",
        ]);
        let (status, cost) = command::cost(&mut debug)?;
        if !matches!(status.code(), Some(0 | 1)) {
            // For whoever looks into it.
            let kept = std::env::temp_dir().join("btfkit-damaged");
            fs::copy(&files[0], &kept)?;
            anyhow::bail!("{what}: it ended with {status}; the dump is {}", kept.display());
        }
        ensure!(cost.wall < LONGEST, "{what}: it took {:?}", cost.wall);
        self.runs += 1;
        self.time = self.time.max(cost.wall);
        Ok(())
    }
}

pub(super) fn check(case: &Case, dumps: &Dumps) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let copy = Copy::of(&dumps.raw(), folder.path(), "damaged")?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut worst = Worst::default();
    for (what, place, length) in parts(&copy)? {
        let whole = copy.read(place, length)?;
        for round in 0..ROUNDS {
            let mut bytes = whole.clone();
            random.damage(&mut bytes);
            copy.with(&[(place, bytes)], || {
                worst.run(case, std::slice::from_ref(&copy.path), &format!("{what}, round {round}"))
            })?;
        }
    }
    let headers = fs::read(&copy.path).map(|bytes| bytes[..512].to_vec())?;
    for round in 0..ROUNDS {
        let mut bytes = headers.clone();
        random.damage(&mut bytes);
        copy.write_headers(&bytes)?;
        worst.run(case, std::slice::from_ref(&copy.path), &format!("ELF headers, round {round}"))?;
    }
    drop(copy);
    for container in dumps.containers() {
        if let ("LZO, dump level 31" | "LZO, flattened" | "zlib, flattened, from QEMU", [file]) =
            (container.name, &container.files[..])
        {
            compressed(
                case,
                file,
                container.name,
                &folder.path().join("compressed"),
                &mut random,
                &mut worst,
            )?;
        }
    }
    Ok(format!(
        "{} damaged dumps; at most {:.1} s, none beyond {} MB",
        worst.runs,
        worst.time.as_secs_f64(),
        MOST_MEMORY >> 20
    ))
}

/// Parts of memory that the debugger follows: physical address and length.
fn parts(copy: &Copy) -> Result<Vec<(&'static str, u64, usize)>> {
    let info = copy.kernel.memory().dump().vmcoreinfo().context("no VMCOREINFO")?;
    let named = |key: &str| copy.physical(info.symbol(key).with_context(|| format!("no {key}"))?);
    let page = match info.origin {
        btfkit_vmcore::Origin::Memory(address) => address.0,
        _ => anyhow::bail!("VMCOREINFO is not in memory"),
    };
    let pages = copy.kernel.memory().page_tables()?.root().0;
    let first_module = copy.kernel.memory().pointer(copy.symbol("modules")?)?;
    let first_btf = copy.kernel.memory().pointer(copy.symbol("btf_modules")?)?;
    let mut parts = vec![
        ("VMCOREINFO", page, 3000),
        ("kallsyms' number", named("kallsyms_num_syms")?, 4),
        ("kallsyms' names", named("kallsyms_names")?, 4096),
        ("kallsyms' tokens", named("kallsyms_token_table")?, 900),
        ("kallsyms' index of tokens", named("kallsyms_token_index")?, 512),
        ("kallsyms' offsets", named("kallsyms_offsets")?, 4096),
        ("the header of BTF", copy.place("__start_BTF")?, 24),
        ("types of BTF", copy.place("__start_BTF")? + 24, 1 << 20),
        ("page tables", pages, 4096),
        ("the list of modules", copy.place("modules")?, 16),
        ("the list of BTFs", copy.place("btf_modules")?, 16),
        ("the first task", copy.place("init_task")?, 4096),
        ("the log", named("prb")?, 8),
        ("the log's ring", copy.physical(copy.kernel.memory().pointer(copy.symbol("prb")?)?)?, 88),
    ];
    if first_module != copy.symbol("modules")? {
        parts.push(("a module", copy.physical(first_module)?, 512));
        parts.push(("a module's BTF", copy.physical(first_btf)?, 32));
    }
    Ok(parts)
}

/// Headers, bitmaps and descriptors of a compressed dump, and its length.
fn compressed(
    case: &Case,
    file: &PathBuf,
    name: &str,
    copy: &PathBuf,
    random: &mut Random,
    worst: &mut Worst,
) -> Result<()> {
    let whole = fs::read(file)?;
    for round in 0..ROUNDS * 2 {
        let mut bytes = whole.clone();
        // What is not a page comes first: header, sub-header, bitmaps, descriptors.
        let end = [512, 8192, 64 << 10, 1 << 20][round as usize % 4];
        random.damage(&mut bytes[..end]);
        if round % 4 == 3 {
            bytes.truncate(random.below(whole.len() as u64) as usize);
        }
        fs::write(copy, &bytes)?;
        worst.run(case, std::slice::from_ref(copy), &format!("{name}, round {round}"))?;
    }
    Ok(())
}
