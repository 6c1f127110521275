//! `cargo xtask fuzz-smoke`: the same broken inputs on every run, for a stable compiler and a minute's time.
//!
//! The seeds are those of `fuzz/`, which looks deeper but needs a nightly compiler, or `RUSTC_BOOTSTRAP=1`.

mod mutation;
mod seeds;
mod target;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command;
use mutation::Cases;
use target::{TARGETS, Target};

/// How long one input may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is worth a line: a thousand times what the intact seeds take.
const SLOW: Duration = Duration::from_secs(1);
/// How much address space the whole run may take.
const MEMORY: u64 = 4 << 30;
/// How many failing cases are described.
const SHOWN: usize = 5;

/// Feed broken copies of small inputs to the parsers and the encoder: none may panic, hang or eat memory.
///
/// Each seed in fuzz/seeds is truncated at 1,000 places, and 10,000 copies get a few random bytes, in objects mostly in
/// their debug information. The same cases on every run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only seeds whose path contains this.
    #[arg(long, default_value = "")]
    seed: String,
    /// Write one case of the one seed to a file instead of running all.
    #[arg(long, value_name = "N", requires = "output")]
    case: Option<usize>,
    /// Write those seeds anew that are built here and by no compiler, and run nothing.
    #[arg(long, conflicts_with = "case")]
    write_seeds: bool,
    /// Where to write that case.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A seed file with what it is fed to.
#[derive(Debug)]
struct Seed {
    target: &'static Target,
    path: PathBuf,
    bytes: Vec<u8>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.write_seeds {
        for (name, bytes) in seeds::all() {
            let path = command::repository().join("fuzz/seeds").join(name);
            fs::create_dir_all(path.parent().context("a folder of seeds")?)?;
            fs::write(path, bytes)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut seeds = seeds()?;
    seeds.retain(|seed| seed.path.to_string_lossy().contains(&arguments.seed));
    if let (Some(case), Some(output)) = (arguments.case, &arguments.output) {
        let seed = seeds.first().context("no such seed")?;
        fs::write(output, Cases::of(&seed.bytes).get(case))?;
        return Ok(ExitCode::SUCCESS);
    }
    limit_memory()?;
    std::panic::set_hook(Box::new(|_| {}));
    let mut cases = 0;
    for seed in &seeds {
        cases += seed.run()?;
    }
    let kept = replay(&arguments.seed)?;
    println!("{cases} broken inputs made of {} seeds, {kept} that a fuzzer found", seeds.len());
    Ok(ExitCode::SUCCESS)
}

/// All seeds, in the order of targets and paths.
fn seeds() -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for target in TARGETS {
        for folder in target.folders {
            let folder = command::repository().join("fuzz/seeds").join(folder);
            let mut paths: Vec<PathBuf> =
                fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
            paths.sort();
            for path in paths {
                seeds.push(Seed { target, bytes: fs::read(&path)?, path });
            }
        }
    }
    Ok(seeds)
}

/// Feeds once more what a fuzzer found worth keeping, `fuzz/kept/TARGET`; returns how many there were.
fn replay(filter: &str) -> Result<usize> {
    let mut count = 0;
    for target in TARGETS {
        let folder = command::repository().join("fuzz/kept").join(target.name);
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if !path.to_string_lossy().contains(filter) {
                continue;
            }
            let bytes = fs::read(&path)?;
            if let Err(panic) = catch_unwind(|| (target.run)(&bytes)) {
                bail!("{} panics target {}: {}", path.display(), target.name, message(&*panic));
            }
            count += 1;
        }
    }
    Ok(count)
}

fn limit_memory() -> Result<()> {
    let limit = libc::rlimit { rlim_cur: MEMORY, rlim_max: MEMORY };
    // SAFETY: the structure is valid and only read.
    if unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) } != 0 {
        bail!("setrlimit: {}", std::io::Error::last_os_error());
    }
    Ok(())
}

impl Seed {
    /// Runs every case of this seed on all cores; returns how many there were.
    fn run(&self) -> Result<usize> {
        if !catch_unwind(|| (self.target.run)(&self.bytes)).is_ok_and(|accepted| accepted) {
            bail!("the unbroken {} is refused", self.name());
        }
        let run = Run {
            cases: Cases::of(&self.bytes),
            next: AtomicUsize::new(0),
            panics: Mutex::default(),
            slowest: Mutex::default(),
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let clocks: Vec<Mutex<Option<(usize, Instant)>>> = (0..threads).map(|_| Mutex::default()).collect();
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                clocks.iter().map(|clock| scope.spawn(|| run.work(self.target, clock))).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                std::thread::sleep(Duration::from_millis(5));
                clocks.iter().for_each(|clock| self.check_clock(clock));
            }
        });
        let panics = run.panics.into_inner().unwrap_or_default();
        if !panics.is_empty() {
            let shown: Vec<_> =
                panics.iter().take(SHOWN).map(|(case, why)| format!("case {case}: {why}")).collect();
            bail!(
                "{} of {} cases of {} panic: {}",
                panics.len(),
                run.cases.len(),
                self.name(),
                shown.join("; ")
            );
        }
        let (time, case) = run.slowest.into_inner().unwrap_or_default();
        if time > SLOW {
            eprintln!("case {case} of {} takes {:.1} s", self.name(), time.as_secs_f64());
        }
        Ok(run.cases.len())
    }

    /// A hanging thread cannot be stopped: the process ends with it.
    fn check_clock(&self, clock: &Mutex<Option<(usize, Instant)>>) {
        let started = clock.lock().ok().and_then(|clock| *clock);
        if let Some((case, start)) = started.filter(|(_, start)| start.elapsed() > PATIENCE) {
            eprintln!("error: case {case} of {} runs for {} s", self.name(), start.elapsed().as_secs());
            std::process::exit(1);
        }
    }

    fn name(&self) -> String {
        let folder = self.path.parent().and_then(Path::parent).unwrap_or(&self.path);
        let path = self.path.strip_prefix(folder).unwrap_or(&self.path);
        format!("{} in target {}", path.display(), self.target.name)
    }
}

/// The state that the threads of one seed share.
#[derive(Debug)]
struct Run<'s> {
    cases: Cases<'s>,
    next: AtomicUsize,
    panics: Mutex<Vec<(usize, String)>>,
    slowest: Mutex<(Duration, usize)>,
}

impl Run<'_> {
    fn work(&self, target: &Target, clock: &Mutex<Option<(usize, Instant)>>) {
        loop {
            let case = self.next.fetch_add(1, Ordering::Relaxed);
            if case >= self.cases.len() {
                break;
            }
            let input = self.cases.get(case);
            let start = Instant::now();
            set(clock, Some((case, start)));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                self.panics
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((case, message(&*panic)));
            }
            set(clock, None);
            let mut slowest = self.slowest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *slowest = (*slowest).max((start.elapsed(), case));
        }
    }
}

fn set(clock: &Mutex<Option<(usize, Instant)>>, value: Option<(usize, Instant)>) {
    *clock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = value;
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
