//! `btfkit check`: a kernel's verdict without the kernel.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_btf::check::{self, Feature, Options, Report, Rule, Version, Violation};
use btfkit_btf::sanitize::{Change, Sanitized, sanitize};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_encode::object::elf;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::input::{Input, Source};

/// Say what a kernel would say to BTF: every rule of its verifier that is broken, and where
///
/// Checks what cannot even be parsed. Exit code 1 when a kernel would refuse it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit check vmlinux\n  \
    btfkit check nf_tables.ko --base vmlinux --kernel 6.1\n  \
    btfkit check prog.bpf.o --kernel 5.10\n  \
    btfkit check prog.bpf.o --kernel 5.10 --sanitize -o prog-5.10.btf\n  \
    btfkit check /sys/kernel/btf/* --json")]
pub(crate) struct Arguments {
    /// Raw BTF, ELF files with a section .BTF, files in /sys/kernel/btf, or "-" for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The BTF that the files are split on
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// How the kernel reads it; by default as object for BPF objects, else as vmlinux
    #[arg(long, value_enum, value_name = "HOW")]
    profile: Option<Profile>,

    /// The kernel to ask, as in 6.1, 5.10.186 or "running"; the newest if not given
    #[arg(long, value_parser = kernel, value_name = "RELEASE")]
    kernel: Option<Version>,

    /// Rewrite it for that kernel, as loaders do: all ids stay. Raw BTF goes to --output
    #[arg(long, requires = "kernel", requires = "output")]
    sanitize: bool,

    /// Where to write what was rewritten ("-" for standard output; the report then goes to standard error)
    #[arg(short, long, requires = "sanitize", value_name = "FILE")]
    output: Option<PathBuf>,

    /// How many violations to describe for each file; all are counted
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,

    /// Print the verdicts as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing: the exit code tells
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// How a kernel reads BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// As its own, or a module's
    Vmlinux,
    /// As loaded from user space, as it is
    Load,
    /// As loaded from user space, after a loader has filled in what compilers leave open
    Object,
}

impl From<Profile> for check::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Vmlinux => Self::Vmlinux,
            Profile::Load => Self::Load,
            Profile::Object => Self::Object,
        }
    }
}

/// Reads a release, or takes the running kernel's.
fn kernel(text: &str) -> Result<Version, String> {
    if text != "running" {
        return text.parse().map_err(|error: check::NoVersion| error.to_string());
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|error| error.to_string())?;
    release.trim().parse().map_err(|error| format!("{}: {error}", release.trim()))
}

/// The verdict on one file.
#[derive(Debug, Serialize)]
struct Verdict {
    file: String,
    /// Whether a kernel would take it.
    fine: bool,
    profile: check::Profile,
    /// `None`: the newest.
    kernel: Option<Version>,
    types: Option<u32>,
    total: u64,
    violations: Vec<Fault>,
    /// Of `.BTF.ext`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ext: Option<ExtVerdict>,
    /// Violations if it were loaded from user space, where nobody said how it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sanitized: Option<Rewritten>,
}

#[derive(Debug, Serialize)]
struct ExtVerdict {
    fine: bool,
    total: u64,
    violations: Vec<Fault>,
}

/// A violation with all that is known of its rule.
#[derive(Debug, Serialize)]
struct Fault {
    #[serde(flatten)]
    violation: Violation,
    message: &'static str,
    kernel_log: &'static [&'static str],
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

/// What a newer kernel takes.
#[derive(Debug, Serialize)]
struct Since {
    what: &'static str,
    kernel: Version,
    updates: &'static [Version],
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct Rewritten {
    bytes: usize,
    /// Types added at the end.
    added: u32,
    changes: Vec<Change>,
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        let rule = violation.rule;
        let since = violation.feature.map(|feature| Since {
            what: feature.what(),
            kernel: feature.since(),
            updates: feature.updates(),
            source: feature.source(),
        });
        Self {
            violation,
            message: rule.message(),
            kernel_log: rule.kernel_log(),
            source: rule.source(),
            since,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    if arguments.sanitize && arguments.files.len() > 1 {
        let kind = clap::error::ErrorKind::TooManyValues;
        let usage =
            "--sanitize takes one FILE\n\nUsage: btfkit check FILE --kernel RELEASE --sanitize -o FILE\n";
        clap::Error::raw(kind, usage).exit();
    }
    let mut verdicts = Vec::new();
    for file in &arguments.files {
        let verdict = if arguments.sanitize { rewrite(arguments, file)? } else { judge(arguments, file)? };
        if !arguments.json {
            say(arguments, &render(&verdict))?;
        }
        verdicts.push(verdict);
    }
    if arguments.json {
        say(arguments, &(serde_json::to_string_pretty(&verdicts)? + "\n"))?;
    }
    if verdicts.iter().all(|verdict| verdict.fine) { Ok(()) } else { Err(crate::No.into()) }
}

/// Prints the report where BTF does not go.
fn say(arguments: &Arguments, text: &str) -> crate::Outcome {
    if arguments.quiet {
        return Ok(());
    }
    if arguments.output.as_deref() == Some(Path::new("-")) {
        // A report that nobody can read is no reason to fail.
        let _ = anstream::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    crate::print(text)
}

impl Arguments {
    fn options(&self, source: &Source) -> Options {
        let is_object = source.object.as_ref().is_some_and(|object| object.machine() == elf::EM_BPF);
        let usual = if is_object { Profile::Object } else { Profile::Vmlinux };
        Options {
            kernel: self.kernel.unwrap_or(Version::NEWEST),
            limit: self.limit,
            ..Options::new(self.profile.unwrap_or(usual).into())
        }
    }
}

/// Checks what a file has of BTF.
fn judge(arguments: &Arguments, file: &Path) -> Result<Verdict, Box<dyn std::error::Error>> {
    let source = Source::read(file)?;
    let base = source.base(arguments.base.as_deref())?;
    let options = arguments.options(&source);
    let report = check::check_with(source.btf, base.as_ref(), &options);
    let mut verdict = verdict(arguments, &source, source.btf, base.as_ref(), &options, report);
    // Whoever did not say how it is read may mean the other way.
    let may_be_loaded = base.is_none() && source.object.is_none() && !file.starts_with("/sys");
    if arguments.profile.is_none() && may_be_loaded && verdict.fine {
        let options = Options { profile: check::Profile::Load, limit: 0, ..options };
        let report = check::check_with(source.btf, None, &options);
        verdict.load_total = Some(report.total);
    }
    Ok(verdict)
}

/// Rewrites a file's BTF for the kernel asked for; writes it if that kernel takes it then.
fn rewrite(arguments: &Arguments, file: &Path) -> Result<Verdict, Box<dyn std::error::Error>> {
    let Input { source, btf } = Input::open(file, arguments.base.as_deref())?;
    let options = arguments.options(&source);
    let done = sanitize(&btf, options.kernel).map_err(|error| format!("{}: {error}", source.name))?;
    let Sanitized { bytes, changes, added } = done;
    let report = check::check_with(&bytes, btf.base(), &options);
    let mut verdict = verdict(arguments, &source, &bytes, btf.base(), &options, report);
    if let (true, Some(output)) = (verdict.fine, &arguments.output) {
        if output == Path::new("-") {
            crate::put(&bytes)?;
        } else {
            atomic_write(output, |file| file.write_all(&bytes))?;
        }
        verdict.sanitized = Some(Rewritten { bytes: bytes.len(), added, changes });
    }
    Ok(verdict)
}

fn verdict(
    arguments: &Arguments,
    source: &Source,
    bytes: &[u8],
    base: Option<&Arc<Btf<'static>>>,
    options: &Options,
    report: Report,
) -> Verdict {
    let btf = match base {
        Some(base) => Btf::parse_split(bytes, base.clone()),
        None => Btf::parse(bytes),
    };
    let btf = btf.ok();
    // Before there were functions, nobody read it.
    let ext = source.ext.as_deref().filter(|_| options.kernel.takes(Feature::Functions));
    let ext = ext.zip(btf.as_ref()).map(|(ext, btf)| {
        let report = check::check_ext(ext, btf, options);
        ExtVerdict { fine: report.is_clean(), total: report.total, violations: faults(report) }
    });
    Verdict {
        file: source.name.clone(),
        fine: report.is_clean() && ext.as_ref().is_none_or(|ext| ext.fine),
        profile: options.profile,
        kernel: arguments.kernel,
        types: btf.map(|btf| btf.type_count()),
        total: report.total,
        violations: faults(report),
        ext,
        load_total: None,
        sanitized: None,
    }
}

fn faults(report: Report) -> Vec<Fault> {
    report.violations.into_iter().map(Fault::from).collect()
}

const FINE: anstyle::Style = anstyle::AnsiColor::Green.on_default().bold();
const REFUSED: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
const FAINT: anstyle::Style = anstyle::Style::new().dimmed();

/// The verdict as a person reads it.
fn render(verdict: &Verdict) -> String {
    let mut out = String::new();
    let kernel =
        verdict.kernel.map_or_else(|| "the newest kernel".to_owned(), |kernel| format!("Linux {kernel}"));
    let profile = match verdict.profile {
        check::Profile::Vmlinux => "vmlinux",
        check::Profile::Load => "load",
        check::Profile::Object => "object",
    };
    let file = &verdict.file;
    let total = verdict.total + verdict.ext.as_ref().map_or(0, |ext| ext.total);
    if verdict.fine {
        let types =
            verdict.types.map_or_else(String::new, |types| format!("{}, ", counted(types.into(), "type")));
        let ext = if verdict.ext.is_some() { ", .BTF.ext too" } else { "" };
        let _ = writeln!(out, "{file}: {FINE}fine{FINE:#} ({types}profile {profile}, {kernel}{ext})");
    } else {
        let violations = counted(total, "violation");
        let _ =
            writeln!(out, "{file}: {REFUSED}refused{REFUSED:#}: {violations} (profile {profile}, {kernel})");
    }
    verdict.violations.iter().for_each(|fault| describe(&mut out, fault, ""));
    if let Some(ext) = &verdict.ext {
        ext.violations.iter().for_each(|fault| describe(&mut out, fault, ".BTF.ext "));
    }
    let shown = verdict.violations.len() + verdict.ext.as_ref().map_or(0, |ext| ext.violations.len());
    if total > shown as u64 {
        let _ = writeln!(out, "  … and {} more (--limit)", total - shown as u64);
    }
    if verdict.violations.iter().any(|fault| fault.violation.rule == Rule::StringsFirst) {
        let _ = writeln!(out, "  if this is split BTF, give the BTF that it is split on with --base");
    }
    if let Some(total) = verdict.load_total.filter(|&total| total > 0) {
        let violations = counted(total, "violation");
        let _ = writeln!(
            out,
            "  loaded from user space as it is, it would be refused: {violations} (--profile load)"
        );
    }
    if let Some(rewritten) = &verdict.sanitized {
        let changes = if rewritten.changes.is_empty() { ", nothing had to be changed" } else { "" };
        let _ = writeln!(out, "  written: {} bytes{changes}", rewritten.bytes);
        for Change { feature, count } in &rewritten.changes {
            let _ = writeln!(out, "  {count:>8}  {} (since {})", feature.what(), feature.since());
        }
        if rewritten.added > 0 {
            let _ = writeln!(out, "  {:>8}  integers added at the end", rewritten.added);
        }
    }
    out
}

fn describe(out: &mut String, fault: &Fault, place: &str) {
    let violation = &fault.violation;
    let offset = violation.offset.map_or_else(String::new, |offset| format!("{place}0x{offset:x}: "));
    let place = if offset.is_empty() { place } else { "" };
    let _ = writeln!(out, "  {place}{offset}{violation}");
    let says = match fault.kernel_log {
        [] => String::new(),
        messages => format!(": \"{}\"", messages.join("\" or \"")),
    };
    let commit = violation.feature.map_or_else(String::new, |feature| format!("; {}", feature.source()));
    let _ = writeln!(out, "      {FAINT}{} ({}{says}{commit}){FAINT:#}", violation.rule.name(), fault.source);
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
