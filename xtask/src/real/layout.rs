//! Structures as pahole shows them, and better orders as the C compiler lays them out.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use btfkit_btf::Btf;
use btfkit_btf::structure::{Field, Structure, Structures};

use super::{Subject, have};
use crate::command;

/// Options of both programs, and what they are to the reader of a failure.
const VIEWS: [(&[&str], &str); 6] = [
    (&[], "all structures"),
    (&["-E"], "all expanded"),
    (&["--hex"], "all in hexadecimal"),
    (&["-c", "32"], "all with cache lines of 32 bytes"),
    (&["-s"], "table of sizes"),
    (&["-n"], "table of members"),
];

/// So many modules are shown too.
const MODULES: usize = 5;

/// So many structures are compiled in their better order.
const COMPILED: usize = 200;

/// Of a named struct that pahole has met off its alignment it says from then on, wherever it is expanded, that it is
/// packed: docs/layout.md#differences. In expanded text this attribute does not count.
const PACKED: &str = " __attribute__((__packed__))";

/// The texts are the same, byte for byte, of the BTF that the kernel came with.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let pahole = have(&subject.peers.pahole)?;
    let vmlinux = &subject.kernel.vmlinux;
    let mut structures = 0;
    for (options, what) in VIEWS {
        let theirs = command::text(pahole.command().args(["-F", "btf"]).args(options).arg(vmlinux))?;
        let ours = show(subject, vmlinux, options)?;
        let same = if options == ["-E"] {
            let (theirs, ours) = (theirs.replace(PACKED, ""), ours.replace(PACKED, ""));
            same(&theirs, &ours)
        } else {
            same(&theirs, &ours)
        };
        same.with_context(|| what.to_owned())?;
        structures = structures.max(ours.lines().filter(|line| line.starts_with('}')).count());
    }
    let modules = &subject.kernel.modules[..subject.kernel.modules.len().min(MODULES)];
    for module in modules {
        let base = format!("--btf_base={}", vmlinux.display());
        let theirs = command::text(pahole.command().args(["-F", "btf"]).arg(base).arg(module))?;
        let ours = show(subject, module, &[OsStr::new("--base"), vmlinux.as_os_str()])?;
        same(&theirs, &ours).with_context(|| module.display().to_string())?;
    }
    let compiled = better_orders(subject)?;
    Ok(format!(
        "{structures} structures in {} views, {} modules: the same bytes; {compiled} better orders compiled",
        VIEWS.len(),
        modules.len()
    ))
}

fn show(subject: &Subject<'_>, file: &Path, options: &[impl AsRef<OsStr>]) -> Result<String> {
    command::text(Command::new(subject.encoder.program()).arg("layout").args(options).arg("--file").arg(file))
}

/// Whether two texts are equal; else where they part.
fn same(theirs: &str, ours: &str) -> Result<()> {
    for (number, (theirs, ours)) in theirs.lines().zip(ours.lines()).enumerate() {
        ensure!(theirs == ours, "line {}: pahole prints {theirs:?}, we {ours:?}", number + 1);
    }
    let (theirs, ours) = (theirs.lines().count(), ours.lines().count());
    ensure!(theirs == ours, "pahole prints {theirs} lines, we {ours}");
    Ok(())
}

/// Compiles structures in their better order, each member as bytes of its size and alignment.
fn better_orders(subject: &Subject<'_>) -> Result<usize> {
    let file = fs::read(&subject.btf)?;
    let btf = Btf::parse(file)?;
    let mut structures = Structures::new(&btf);
    let mut source = String::new();
    let mut compiled = 0;
    for ty in btf.types() {
        let Some(better) = structures.get(ty.id()).and_then(Structure::repack) else { continue };
        let alignment = better.structure.required_alignment.max(1);
        writeln!(source, "struct s{compiled} {{")?;
        let mut asserts = String::new();
        for (index, field) in better.structure.fields.iter().enumerate() {
            writeln!(source, "  {};", member(field, index))?;
            if !field.is_bitfield() {
                let offset = field.offset;
                writeln!(
                    asserts,
                    "_Static_assert(__builtin_offsetof(struct s{compiled}, m{index}) == {offset}, \"\");"
                )?;
            }
        }
        let size = better.structure.size;
        writeln!(source, "}} __attribute__((aligned({alignment})));")?;
        writeln!(
            source,
            "{asserts}_Static_assert(sizeof(struct s{compiled}) == {size}, \"{}\");",
            ty.name_str()
        )?;
        compiled += 1;
        if compiled == COMPILED {
            break;
        }
    }
    ensure!(compiled >= COMPILED / 2, "only {compiled} structures have a better order");
    let file = subject.folder.join("better.c");
    fs::write(&file, source)?;
    let mut compiler = Command::new(command::require("cc")?);
    command::output(compiler.args(["-fsyntax-only", "-w"]).arg(&file))?;
    Ok(compiled)
}

fn member(field: &Field, index: usize) -> String {
    let (size, alignment) = (field.size, field.required_alignment.max(1));
    let unit = match size {
        1 => "unsigned char",
        2 => "unsigned short",
        4 => "unsigned int",
        _ => "unsigned long",
    };
    if field.is_bitfield() {
        format!("{unit} m{index}:{}", field.bit_size)
    } else {
        format!("char m{index}[{size}] __attribute__((aligned({alignment})))")
    }
}
