//! What the guest runs, and what it has to say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};
use tempfile::TempDir;

use super::build::Built;
use super::{CARRIER, EXTRA, FIRMWARE, FOREIGN, Mode, data};
use crate::machine::root::Root;
use crate::machine::{Boot, hardware};
use crate::{command, dist};

/// The programs of the guest, compiled.
#[derive(Debug)]
pub(crate) struct Guest {
    folder: TempDir,
}

/// An initial file system, and the verdicts that the guest owes.
#[derive(Debug)]
pub(crate) struct Initrd {
    pub(crate) file: PathBuf,
    expected: Vec<String>,
}

impl Guest {
    /// Compiles the guest's programs: statically, there are no libraries in the guest.
    pub(crate) fn compile() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let compiler = command::require("gcc")?;
        let c = |name: &str, libraries: &[&str]| {
            let mut compile = Command::new(&compiler);
            compile.args(["-Wall", "-Wextra", "-Werror", "-O2", "-static", "-o"]).arg(at(name));
            command::output(compile.arg(data().join(format!("{name}.c"))).args(libraries)).map(drop)
        };
        c("load-btf", &[])?;
        c("trace", &["-lbpf", "-lelf", "-lz"])?;
        dist::stripped(&at("btfkit"))?;
        for program in ["percpu", "global"] {
            let mut compile = Command::new(command::require("clang")?);
            compile.args(["-Wall", "-Werror", "-g", "-O2", "-target", "bpf", "-D__TARGET_ARCH_x86"]);
            // Where Debian has the headers of the machine; the compiler's own target has none.
            compile.arg(format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH));
            compile.arg("-c").arg(data().join(format!("{program}.bpf.c"))).arg("-o");
            command::output(compile.arg(at(&format!("{program}.o"))))?;
        }
        Ok(Self { folder })
    }

    /// The initial file system for a kernel.
    pub(crate) fn initrd(&self, built: &Built, mode: Mode) -> Result<Initrd> {
        let folder = self.folder.path().join(format!("root-{}", mode.letter()));
        let root = Root::new(&folder, &fs::read_to_string(data().join("init"))?)?;
        for program in ["load-btf", "trace", "btfkit"] {
            root.install(&self.folder.path().join(program), &format!("bin/{program}"))?;
        }
        for program in ["percpu.o", "global.o"] {
            root.install(&self.folder.path().join(program), program)?;
        }
        root.install_program(&crate::fixtures::bpftool()?)?;
        let tasks = tasks(built, mode)?;
        for task in &tasks {
            let Some((name, file)) = task.module(built, mode) else { continue };
            root.install_module(&file, &name, &[])?;
            if matches!(task, Task::Carrier) {
                root.install(&built.outside(&format!("{CARRIER}.btf")), "carrier.btf")?;
            }
        }
        let lines: String = tasks.iter().map(|task| task.line() + "\n").collect();
        fs::write(root.path("expect"), lines)?;
        let file = self.folder.path().join(format!("initrd-{}.gz", mode.letter()));
        root.pack(&file)?;
        Ok(Initrd { file, expected: expected(&tasks) })
    }
}

/// What the guest is to do between its first check and its last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    /// Load a module and look at its BTF.
    Module(String),
    /// Load `vmlinux_btf_extra`, use a variable of it, and unload it.
    Extra,
    /// Use a variable of vmlinux's BTF.
    Builtin,
    /// Load the module that carries a side file, compare what the kernel shows, and unload it.
    Carrier,
    /// Debug the running kernel with the program as one static file.
    Live,
    /// Read a variable of a module that is a parameter, too.
    Parameter { module: &'static str, name: &'static str },
}

fn tasks(built: &Built, mode: Mode) -> Result<Vec<Task>> {
    let mut tasks: Vec<_> = built.module_names(mode)?.into_iter().map(Task::Module).collect();
    ensure!(tasks.len() >= 5, "the kernel has {} modules only", tasks.len());
    tasks.push(Task::Module(FOREIGN.to_owned()));
    match mode {
        Mode::Builtin => tasks.push(Task::Builtin),
        Mode::Module => tasks.push(Task::Extra),
        Mode::Disabled => tasks.push(Task::Carrier),
    }
    tasks.push(Task::Live);
    if mode == Mode::Builtin {
        tasks.push(Task::Parameter { module: "brd", name: "rd_nr" });
    }
    Ok(tasks)
}

impl Task {
    fn line(&self) -> String {
        match self {
            Self::Module(name) => format!("module {name}"),
            Self::Extra => "extra".to_owned(),
            Self::Builtin => "builtin".to_owned(),
            Self::Carrier => format!("carrier {CARRIER}"),
            Self::Live => "live".to_owned(),
            Self::Parameter { module, name } => format!("parameter {module} {name}"),
        }
    }

    /// The name and the file of the module that the task loads.
    fn module(&self, built: &Built, mode: Mode) -> Option<(String, PathBuf)> {
        match self {
            Self::Module(name) if name == FOREIGN => {
                Some((name.clone(), built.outside(&format!("{FOREIGN}.ko"))))
            }
            Self::Module(name) => Some((name.clone(), built.module(mode, name))),
            Self::Extra => Some((EXTRA.to_owned(), built.module(mode, EXTRA))),
            Self::Carrier => Some((CARRIER.to_owned(), built.outside(&format!("{CARRIER}.ko")))),
            Self::Builtin | Self::Live | Self::Parameter { .. } => None,
        }
    }

    /// The names of the verdicts, as `init` prints them.
    fn verdicts(&self) -> Vec<String> {
        let shown = |name: &str| vec![format!("bpftool {name}"), format!("verifier {name}")];
        let loaded = |name: &str| [vec![format!("insmod {name}")], shown(name)].concat();
        let gone = |name: &str| vec![format!("rmmod {name}"), format!("{name} is gone")];
        let typed = || vec!["typed ksym of a global variable".to_owned()];
        match self {
            Self::Module(name) => loaded(name),
            Self::Extra => [loaded(EXTRA), typed(), gone(EXTRA)].concat(),
            Self::Builtin => typed(),
            Self::Carrier => [loaded(CARRIER), vec!["carried bytes".to_owned()], gone(CARRIER)].concat(),
            Self::Live => {
                ["names", "modules", "processes", "addresses"].map(|what| format!("kcore {what}")).to_vec()
            }
            Self::Parameter { .. } => vec!["kcore parameter of a module".to_owned()],
        }
    }
}

fn expected(tasks: &[Task]) -> Vec<String> {
    let first = ["bpftool vmlinux", "verifier vmlinux"].map(str::to_owned).into_iter();
    let last = std::iter::once("fentry and typed per-CPU ksym".to_owned());
    first.chain(tasks.iter().flat_map(Task::verdicts)).chain(last).collect()
}

impl Initrd {
    /// How a kernel is booted with it.
    pub(crate) fn boot<'a>(&'a self, image: &'a Path, awaited: &'a str) -> Boot<'a> {
        Boot {
            image,
            initrd: &self.file,
            hardware: &hardware::PC,
            memory_mib: 256,
            parameters: FIRMWARE,
            port: None,
            awaited,
        }
    }

    /// Holds the guest to what it owes: each verdict, in order, and each of them good. Gives its key lines.
    pub(crate) fn judge(&self, transcript: &str) -> Result<String> {
        let mut verdicts = Vec::new();
        let mut details = Vec::new();
        for line in transcript.lines() {
            if let Some(failure) = line.strip_prefix("guest: FAIL ") {
                bail!("{failure}");
            }
            if let Some((name, detail)) =
                line.strip_prefix("guest: PASS ").and_then(|rest| rest.split_once(": "))
            {
                verdicts.push(name.to_owned());
                details.push((name.to_owned(), detail.to_owned()));
            }
        }
        if verdicts != self.expected {
            let missing: Vec<_> = self.expected.iter().filter(|name| !verdicts.contains(name)).collect();
            bail!(
                "the guest owes {} verdicts and gave {}; missing: {missing:?}",
                self.expected.len(),
                verdicts.len()
            );
        }
        let shown = |name: &&(String, String)| KEY_VERDICTS.iter().any(|key| name.0.starts_with(key));
        let shown: Vec<_> =
            details.iter().filter(shown).map(|(name, detail)| format!("{name}: {detail}")).collect();
        Ok(format!("{} verdicts; {}", verdicts.len(), shown.join("; ")))
    }
}

/// What is worth showing of a good run.
const KEY_VERDICTS: [&str; 7] = [
    "bpftool vmlinux",
    "verifier vmlinux_btf_extra",
    "typed ksym",
    "fentry",
    "carried bytes",
    "kcore names",
    "kcore processes",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn initrd(tasks: &[Task]) -> Initrd {
        Initrd { file: PathBuf::new(), expected: expected(tasks) }
    }

    #[test]
    fn a_verdict_that_is_missing_or_bad_is_a_failure() {
        let good = "noise\nguest: PASS bpftool vmlinux: 9 types\nguest: PASS verifier vmlinux: 1 bytes accepted\n\
                    guest: PASS typed ksym of a global variable: x\nguest: PASS fentry and typed per-CPU ksym: 1\n";
        let initrd = initrd(&[Task::Builtin]);
        assert!(initrd.judge(good).unwrap().starts_with("4 verdicts; bpftool vmlinux: 9 types"));
        assert!(
            initrd
                .judge(&good.replace("PASS fentry", "FAIL fentry"))
                .unwrap_err()
                .to_string()
                .contains("fentry")
        );
        let error = initrd.judge(good.split_once("guest: PASS typed").unwrap().0).unwrap_err().to_string();
        assert!(error.contains("typed ksym") && error.contains("fentry"), "{error}");
    }

    #[test]
    fn init_knows_each_task_and_prints_each_verdict() {
        let init = fs::read_to_string(data().join("init")).unwrap();
        let parameter = Task::Parameter { module: "$name", name: "$more" };
        for task in [
            Task::Module("$name".into()),
            Task::Extra,
            Task::Builtin,
            Task::Carrier,
            Task::Live,
            parameter.clone(),
        ] {
            let what = task.line().split(' ').next().unwrap().to_owned();
            assert!(init.contains(&format!("\t{what})")), "{what}");
        }
        for name in Task::Extra
            .verdicts()
            .iter()
            .chain(&Task::Builtin.verdicts())
            .chain(&Task::Live.verdicts())
            .chain(&parameter.verdicts())
            .filter(|name| !name.contains("ver"))
        {
            assert!(name.starts_with("bpftool") || init.contains(&format!("verdict \"{name}\"")), "{name}");
        }
    }
}
