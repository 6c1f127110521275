//! `btfkit minimize`: of kernels' BTF only what some BPF objects need.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfkit_btf::core::Target;
use btfkit_btf::minimize::{Needs, Object, Report, minimize};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_encode::object::elf::EM_BPF;
use clap::Args;

use crate::input::{Input, Source};
use crate::kernel_files::KernelFiles;

/// Keep of kernels' BTF only what BPF objects need to be relocated to them
///
/// For kernels without BTF of their own, a tool can carry BTF files. Minimised, they hold the types, members and
/// enumerators that the tool's objects ask for, and nothing else: some kilobytes for a kernel.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit minimize -o small.btf --btf vmlinux.btf probe.bpf.o\n  \
    btfkit minimize probe.bpf.o tracer.bpf.o -o small/ --btf kernels/*.btf\n  \
    btfkit minimize driver-probe.bpf.o -o small.btf --btf /sys/kernel/btf")]
pub(crate) struct Arguments {
    /// BPF objects
    #[arg(value_name = "OBJ")]
    objects: Vec<PathBuf>,

    /// Kernels: BTF files (raw, or ELF files with a section .BTF), or directories of a vmlinux and its modules. BPF
    /// objects among them count as OBJ
    #[arg(long, value_name = "KERNEL", num_args = 1.., required = true)]
    btf: Vec<PathBuf>,

    /// Write here: a file for one kernel, a directory with a file NAME.btf for each of several
    #[arg(short, long, value_name = "FILE|DIR")]
    output: PathBuf,

    /// Keep only what relocations ask for, not what __ksym, struct_ops and attaching programs name
    #[arg(long)]
    relocations_only: bool,

    /// Threads [default: one for each processor]
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// What became of a kernel's BTF.
#[derive(Debug, serde::Serialize)]
struct Summary {
    /// The kernel, as given.
    kernel: String,
    /// The file written.
    output: String,
    /// Bytes before, modules included.
    bytes_before: usize,
    /// Bytes after.
    bytes: usize,
    #[serde(flatten)]
    report: Report,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let (objects, kernels) = tell_apart(arguments)?;
    let objects: Vec<Input> = objects.iter().map(|path| Input::open(path, None)).collect::<Result<_, _>>()?;
    let needs = objects.iter().map(|object| needs(arguments, object)).collect::<Result<Vec<_>, _>>()?;
    if needs.iter().all(Needs::is_empty) {
        return Err("the objects ask nothing of a kernel's types: there is nothing to keep".into());
    }
    let outputs = outputs(&arguments.output, &kernels)?;
    let summaries = in_parallel(arguments.jobs, kernels.len(), |index| {
        one_kernel(&kernels[index], &outputs[index], &needs).map_err(|error| error.to_string())
    });
    let summaries = summaries.into_iter().collect::<Result<Vec<_>, _>>()?;
    if arguments.quiet {
        return Ok(());
    }
    let text =
        if arguments.json { serde_json::to_string_pretty(&summaries)? + "\n" } else { render(&summaries) };
    crate::print(&text)
}

/// The objects and the kernels. `--btf` takes all words up to the next option, objects among them.
fn tell_apart(arguments: &Arguments) -> Result<(Vec<PathBuf>, Vec<KernelFiles>), Box<dyn std::error::Error>> {
    let mut objects = arguments.objects.clone();
    let mut kernels = Vec::new();
    for path in &arguments.btf {
        if is_bpf_object(path) {
            objects.push(path.clone());
        } else {
            kernels.push(KernelFiles::find(path)?);
        }
    }
    match (objects.is_empty(), kernels.is_empty()) {
        (true, _) => Err("there is no BPF object: name those that the BTF is for".into()),
        (_, true) => Err("there is no kernel: --btf names BPF objects only".into()),
        _ => Ok((objects, kernels)),
    }
}

/// Whether a file is ELF for the machine BPF, by the first bytes of it.
fn is_bpf_object(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| std::io::Read::read_to_end(&mut std::io::Read::take(file, 20), &mut start));
    if read.is_err() || !start.starts_with(b"\x7fELF") || start.len() < 20 {
        return false;
    }
    let machine = if start[5] == 2 {
        u16::from_be_bytes([start[18], start[19]])
    } else {
        u16::from_le_bytes([start[18], start[19]])
    };
    machine == EM_BPF.0
}

fn needs<'o>(arguments: &Arguments, input: &'o Input) -> Result<Needs<'o>, Box<dyn std::error::Error>> {
    let elf = input.source.object.as_ref();
    let object = Object {
        btf: &input.btf,
        ext: input.source.ext.as_deref(),
        sections: elf.into_iter().flat_map(|elf| elf.sections().map(|section| section.name)).collect(),
    };
    let needs = if arguments.relocations_only { Needs::of_relocations(&object) } else { Needs::of(&object) };
    needs.map_err(|error| format!("{}: {error}", input.name()).into())
}

/// Where each kernel's BTF goes.
fn outputs(output: &Path, kernels: &[KernelFiles]) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    if kernels.len() == 1 && !output.is_dir() && !output.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Ok(vec![output.to_path_buf()]);
    }
    let paths: Vec<PathBuf> =
        kernels.iter().map(|kernel| output.join(format!("{}.btf", kernel.name()))).collect();
    let mut sorted = paths.clone();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let path = twice[0].display();
        return Err(format!(
            "{path}: two kernels would be written there: give their files names of their own"
        )
        .into());
    }
    std::fs::create_dir_all(output)
        .map_err(|error| format!("{}: cannot create: {error}", output.display()))?;
    Ok(paths)
}

fn one_kernel(
    files: &KernelFiles,
    output: &Path,
    needs: &[Needs<'_>],
) -> Result<Summary, Box<dyn std::error::Error>> {
    let kernel = Input::open(&files.kernel, None)?;
    let mut modules = Vec::new();
    for path in &files.modules {
        let source = Source::read(path)?;
        // One that stands on a distilled base of its own could be anything.
        if source.distilled_base.is_none() {
            modules.push(source.open(Some(kernel.btf.clone()))?);
        }
    }
    let failed = |error: btfkit_btf::Error| format!("{}: {error}", kernel.name());
    let target = Target::new(&kernel.btf, modules.iter().map(|module| &*module.btf)).map_err(failed)?;
    let minimized = minimize(&target, needs).map_err(failed)?;
    atomic_write(output, |file| file.write_all(&minimized.bytes))?;
    Ok(Summary {
        kernel: files.path.display().to_string(),
        output: output.display().to_string(),
        bytes_before: target.btfs().iter().map(|btf| btf.bytes().len()).sum(),
        bytes: minimized.bytes.len(),
        report: minimized.report,
    })
}

/// Does `count` pieces of work on some threads; the results stand in the order of the pieces.
fn in_parallel<T: Send>(jobs: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if jobs == 0 { processors() } else { jobs }.clamp(1, count.max(1));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = work(index);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn render(summaries: &[Summary]) -> String {
    let width = summaries.iter().map(|summary| summary.kernel.len()).max().unwrap_or(0).max(6);
    let mut text =
        format!("{HEAD}{:<width$} {:>10} {:>9} {:>7}  found{HEAD:#}\n", "kernel", "before", "after", "types");
    for summary in summaries {
        let report = &summary.report;
        let _ = writeln!(
            text,
            "{:<width$} {:>10} {:>9} {:>7}  {} of {}",
            summary.kernel, summary.bytes_before, summary.bytes, report.types, report.answered, report.asked
        );
        for missing in report.missing.iter().take(10) {
            let _ = writeln!(text, "{:<width$}   without {missing}", "");
        }
        if report.missing.len() > 10 {
            let _ = writeln!(
                text,
                "{:<width$}   … and {} more (--json lists all)",
                "",
                report.missing.len() - 10
            );
        }
    }
    text
}

const HEAD: anstyle::Style = anstyle::Style::new().bold();
