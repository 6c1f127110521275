//! drgn with DWARF.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::command;

/// What it is asked; xtask/data/debug_oracle.py explains.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    pub(super) variables: Vec<String>,
    pub(super) path_names: Vec<String>,
    pub(super) paths: usize,
    pub(super) seed: u32,
    /// Our expression, and Python for the same.
    pub(super) lists: BTreeMap<&'static str, &'static str>,
}

/// What it answers.
#[derive(Debug, Deserialize)]
pub(super) struct Oracle {
    /// First address of the kernel's text, and the one behind its image.
    pub(super) image: [u64; 2],
    pub(super) variables: BTreeMap<String, Variables>,
    pub(super) paths: Vec<MemberPath>,
    pub(super) lists: BTreeMap<String, Vec<u64>>,
    pub(super) tasks: Vec<Task>,
    pub(super) modules: Vec<Module>,
    pub(super) log: Vec<Record>,
    pub(super) registers: Vec<Processor>,
    /// By module and name, those of the modules whose files were given.
    pub(super) module_variables: BTreeMap<String, BTreeMap<String, Variables>>,
}

/// The registers of a processor.
#[derive(Debug, Deserialize)]
pub(super) struct Processor {
    pub(super) cpu: u64,
    pub(super) registers: BTreeMap<String, u64>,
}

/// All variables of a name.
#[derive(Debug, Deserialize)]
pub(super) struct Variables {
    pub(super) objects: Vec<Variable>,
    /// How many data symbols the kernel's file has of this name.
    pub(super) symbols: usize,
    /// Addresses of symbols of this name that are made in assembler.
    pub(super) labels: Vec<u64>,
}

/// A variable, or a symbol that DWARF gives no type.
#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    pub(super) address: u64,
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) per_cpu: bool,
    /// Whether kallsyms has no name for what is there.
    #[serde(default)]
    pub(super) left_out: bool,
    /// Of a pointer to it.
    #[serde(rename = "type")]
    pub(super) pointer: Option<String>,
    /// In hexadecimal; its first kilobyte.
    pub(super) bytes: Option<String>,
}

/// A path of members, and the number at its end.
#[derive(Debug, Deserialize)]
pub(super) struct MemberPath {
    pub(super) expression: String,
    pub(super) value: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(super) struct Task {
    pub(super) pid: i64,
    pub(super) tgid: i64,
    pub(super) address: u64,
    pub(super) comm: String,
    pub(super) parent: i64,
    pub(super) cpu: Option<u64>,
    pub(super) state: String,
    pub(super) kernel_thread: bool,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) base: u64,
    /// Of its `struct module`.
    pub(super) address: u64,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    pub(super) nanoseconds: u64,
    pub(super) level: u8,
    pub(super) facility: u8,
    pub(super) text: String,
}

impl Oracle {
    /// Whether a module may have something at an address: near one, and not in the kernel's image.
    pub(super) fn is_near_module(&self, address: u64) -> bool {
        const NEAR: u64 = 64 << 20;
        let [start, end] = self.image;
        let is_near = |module: &Module| module.base.abs_diff(address) < NEAR;
        !(start..end).contains(&address) && self.modules.iter().any(is_near)
    }

    pub(super) fn ask(dump: &Path, vmlinux: &Path, modules: &[PathBuf], request: &Request) -> Result<Self> {
        let mut python = command::python()?;
        python.arg(command::repository().join("xtask/data/debug_oracle.py"));
        python
            .arg(dump)
            .arg(vmlinux)
            .args(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = python.spawn().context("cannot run python3")?;
        let mut input = child.stdin.take().context("no input of python3")?;
        let request = serde_json::to_vec(request)?;
        let writer = std::thread::spawn(move || input.write_all(&request));
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "drgn: {}", errors.lines().last().unwrap_or("no word"));
        writer.join().map_err(|_| anyhow::anyhow!("the request was not sent"))??;
        let oracle: Self = serde_json::from_slice(&output.stdout).context("drgn's answer")?;
        // An oracle that knows nothing would agree with everything.
        ensure!(oracle.tasks.len() > 20 && oracle.log.len() > 50, "drgn has found hardly anything");
        Ok(oracle)
    }
}
