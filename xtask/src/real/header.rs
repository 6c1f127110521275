//! C headers of whole kernels: compilers take them, and every size and offset is what BTF says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use btfkit_btf::dump::c::{Options, header};
use btfkit_btf::{Btf, Kind};

use super::{Subject, have};
use crate::command;

/// A program that reads a task's fields wherever the running kernel has them.
const PROGRAM: &str = r#"
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
char LICENSE[] SEC("license") = "GPL";
int last;
SEC("kprobe/do_exit")
int BPF_KPROBE(exiting, long code)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    last = BPF_CORE_READ(task, real_parent, tgid) + BPF_CORE_READ(task, mm, pgd, pgd) + (int)code;
    if (bpf_core_field_exists(task->__state))
        last += BPF_CORE_READ(task, __state);
    return 0;
}
SEC("tp_btf/sched_switch")
int BPF_PROG(switching, bool preempt, struct task_struct *before, struct task_struct *after)
{
    last = before->pid + after->files->fdt->max_fds + preempt;
    return 0;
}
"#;

/// Compiles the header of the kernel's encoded BTF with every variable and assertion, a BPF program against it, and the
/// headers of the kernel's own BTF and of its modules.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    command::require("gcc")?;
    command::require("clang")?;
    let base = Arc::new(Btf::parse(fs::read(&subject.btf)?)?);
    let folder = subject.folder;
    let (definitions, assertions) = compile(&base, folder, true).context("the encoded BTF")?;
    program(folder)?;
    // The kernel's own BTF, as pahole made it.
    let own = folder.join("vmlinux.h");
    let mut dump = Command::new(subject.encoder.program());
    dump.arg("dump").arg(&subject.kernel.vmlinux).args(["--format", "c", "--assert", "-o"]).arg(&own);
    command::output(&mut dump)?;
    compilers(&own).context("the kernel's own BTF")?;
    let own_assertions = fs::read_to_string(&own)?.matches("_Static_assert(").count();
    let mut modules = 0;
    for module in subject.kernel.modules.iter().take(8) {
        let name = module.file_name().context("a module has a name")?;
        let path = folder.join(name).with_extension("header.btf");
        subject.encoder.encode(module, &path, &["--base".as_ref(), subject.btf.as_os_str()])?;
        let split = Btf::parse_split(fs::read(&path)?, Arc::clone(&base))?;
        compile(&split, folder, true).with_context(|| name.to_string_lossy().into_owned())?;
        modules += 1;
    }
    let ratio = speed(subject)?;
    Ok(format!(
        "{definitions} definitions, {assertions} assertions hold with gcc, clang and clang for BPF, {own_assertions} of \
         the kernel's own BTF, those of {modules} modules; a BPF program compiles; bpftool takes {ratio:.1} times as long"
    ))
}

/// Makes a header and compiles it three times; the numbers of its definitions and assertions.
fn compile(btf: &Btf<'_>, folder: &Path, variables: bool) -> Result<(usize, usize)> {
    let options = Options { assertions: true, variables, ..Options::default() };
    let made = header(btf, None, &options)?;
    let named = [Kind::Struct, Kind::Union, Kind::Enum, Kind::Enum64, Kind::Typedef];
    let wanted = btf.types().filter(|ty| named.contains(&ty.kind()) && !ty.name().is_empty()).count();
    ensure!(made.definitions + 1 >= wanted, "{} of {wanted} types are defined", made.definitions);
    ensure!(made.left_out == 0, "{} members are left out", made.left_out);
    let file = folder.join("vmlinux.h");
    fs::write(&file, &made.text)?;
    compilers(&file)?;
    Ok((made.definitions, made.assertions))
}

/// Shows a header to gcc, clang, and clang for BPF.
fn compilers(header: &Path) -> Result<()> {
    for (compiler, target) in [("gcc", None), ("clang", None), ("clang", Some("--target=bpf"))] {
        let mut command = Command::new(compiler);
        command.args(["-std=gnu11", "-Werror", "-fsyntax-only", "-x", "c"]).args(target).arg(header);
        command::output(&mut command)?;
    }
    Ok(())
}

/// Compiles a BPF program with the header in `folder` in place of bpftool's.
fn program(folder: &Path) -> Result<()> {
    if !Path::new("/usr/include/bpf/bpf_core_read.h").exists() {
        return Err(crate::verdict::unavailable("libbpf's headers are not installed"));
    }
    let source = folder.join("program.bpf.c");
    fs::write(&source, PROGRAM)?;
    let mut clang = Command::new("clang");
    clang.arg("-I").arg(folder).args(["--target=bpf", "-D__TARGET_ARCH_x86", "-O2", "-g", "-Werror", "-c"]);
    command::output(clang.arg(&source).arg("-o").arg(folder.join("program.bpf.o")))?;
    Ok(())
}

/// How many times as long bpftool takes for its header of the same file, in turns.
fn speed(subject: &Subject<'_>) -> Result<f64> {
    let bpftool = have(&subject.peers.bpftool)?;
    let seconds = |command: &mut Command| -> Result<f64> {
        let begun = Instant::now();
        let file = fs::File::create(subject.folder.join("timed.h"))?;
        ensure!(command.stdout(file).status()?.success(), "{command:?} failed");
        Ok(begun.elapsed().as_secs_f64())
    };
    let mut ratios = Vec::new();
    for _ in 0..7 {
        let peer = seconds(
            Command::new(bpftool).args(["btf", "dump", "file"]).arg(&subject.btf).args(["format", "c"]),
        )?;
        let own = seconds(
            Command::new(subject.encoder.program()).arg("dump").arg(&subject.btf).args(["--format", "c"]),
        )?;
        ratios.push(peer / own);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[ratios.len() / 2])
}
