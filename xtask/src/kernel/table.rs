//! What variables cost, where they are: the table of the proposal of 2022, with pahole's figures beside ours.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::Mode;
use super::build::{Built, Programs};
use crate::command;
use crate::fixtures::{KERNELS, Pahole};

/// What the kernel's build asks for without variables.
const FEATURES: &str =
    "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs";

/// At most so much more may `lean` cost than no variables, on Debian's kernel.
const LEAN: f64 = 0.16;

/// The compressors, by the names of their programs.
const COMPRESSORS: [(&str, &[&str]); 3] = [("gzip", &["-9"]), ("xz", &["-9"]), ("zstd", &["-19", "-q"])];

/// Where variables are, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Disabled,
    BuiltIn(Which),
    InModule(Which),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Lean,
}

/// One BTF and what it shrinks to.
#[derive(Debug, Clone)]
struct Row {
    place: Place,
    bytes: u64,
    /// By each of the compressors that there are.
    compressed: Vec<Option<u64>>,
}

/// The rows of one kernel as one encoder makes it.
#[derive(Debug)]
struct Rows {
    encoder: String,
    rows: Vec<Row>,
}

impl Place {
    const OURS: [Self; 5] = [
        Self::Disabled,
        Self::BuiltIn(Which::All),
        Self::InModule(Which::All),
        Self::BuiltIn(Which::Lean),
        Self::InModule(Which::Lean),
    ];
    /// pahole has no lean.
    const THEIRS: [Self; 3] = [Self::Disabled, Self::BuiltIn(Which::All), Self::InModule(Which::All)];

    fn describe(self) -> String {
        let which = |which| match which {
            Which::All => "all",
            Which::Lean => "lean",
        };
        match self {
            Self::Disabled => "disabled".to_owned(),
            Self::BuiltIn(w) => format!("{}, built in", which(w)),
            Self::InModule(w) => format!("{}, the module alone", which(w)),
        }
    }

    fn file(self) -> String {
        self.describe().replace([',', ' '], "-") + ".btf"
    }

    fn features(self) -> String {
        match self {
            Self::Disabled => FEATURES.to_owned(),
            Self::BuiltIn(Which::All) | Self::InModule(Which::All) => format!("{FEATURES},global_var"),
            Self::BuiltIn(Which::Lean) | Self::InModule(Which::Lean) => format!("{FEATURES},global_var_lean"),
        }
    }
}

/// The tables of both kernels as Markdown, for docs/kernel.md.
pub(crate) fn tables(built: &Built, programs: &Programs) -> Result<String> {
    let debian = KERNELS[0].fetch()?;
    let pahole = Pahole::fetch()?;
    let version = pahole.version()?;
    let theirs = || pahole.command();
    let ours = || Command::new(&programs.pahole);
    let kernels = [
        (format!("The small kernel ({})", built.origin), built.vmlinux(Mode::Disabled)),
        (format!("Debian's 6.12 cloud kernel ({})", debian.origin), debian.vmlinux),
    ];
    let mut text = String::new();
    for (name, vmlinux) in &kernels {
        let folder = tempfile::tempdir()?;
        let ours = measure("btfkit", &ours, &Place::OURS, vmlinux, &folder.path().join("btfkit"))?;
        let theirs = measure(
            &format!("pahole {}", version.trim_start_matches('v')),
            &theirs,
            &Place::THEIRS,
            vmlinux,
            &folder.path().join("pahole"),
        )?;
        text += &render(name, &[ours, theirs]);
    }
    Ok(text)
}

/// What lean costs on Debian's kernel.
pub(crate) fn lean_is_cheap(programs: &Programs) -> Result<String> {
    let vmlinux = KERNELS[0].fetch()?.vmlinux;
    let folder = tempfile::tempdir()?;
    let ours = || Command::new(&programs.pahole);
    let bytes = |place| encode(&ours, place, &vmlinux, folder.path());
    let (disabled, lean) = (bytes(Place::Disabled)?, bytes(Place::BuiltIn(Which::Lean))?);
    let more = lean as f64 / disabled as f64 - 1.0;
    ensure!(more <= LEAN, "lean costs {:.1} % ({disabled} to {lean} bytes)", more * 100.0);
    Ok(format!("{:+.1} % ({disabled} to {lean} bytes) on {}", more * 100.0, KERNELS[0].label))
}

fn measure(
    encoder: &str,
    program: &dyn Fn() -> Command,
    places: &[Place],
    vmlinux: &Path,
    folder: &Path,
) -> Result<Rows> {
    fs::create_dir(folder)?;
    let mut rows = Vec::new();
    for place in places {
        let bytes = encode(program, *place, vmlinux, folder)?;
        let file = folder.join(place.file());
        let compressed = COMPRESSORS.iter().map(|(program, level)| compressed(&file, program, level));
        rows.push(Row { place: *place, bytes, compressed: compressed.collect::<Result<_>>()? });
    }
    Ok(Rows { encoder: encoder.to_owned(), rows })
}

/// Encodes as the kernel's build does; gives the size of what came out.
fn encode(program: &dyn Fn() -> Command, place: Place, vmlinux: &Path, folder: &Path) -> Result<u64> {
    let output = folder.join(place.file());
    let mut command = program();
    command.args(["-J", "-j", "--lang_exclude=rust"]).arg(format!("--btf_features={}", place.features()));
    let input = match place {
        // The encoder takes the file for its own base when it has a BTF, as in the kernel's build.
        Place::InModule(_) => {
            let based = with_btf(vmlinux, &folder.join(Place::Disabled.file()), folder)?;
            command.arg("--btf_base").arg(&based);
            based
        }
        _ => vmlinux.to_path_buf(),
    };
    command.arg(format!("--btf_encode_detached={}", output.display())).arg(&input);
    command::output(&mut command)?;
    Ok(fs::metadata(&output).context("the encoder left no BTF")?.len())
}

/// A copy of `vmlinux` that carries this BTF.
fn with_btf(vmlinux: &Path, btf: &Path, folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("vmlinux");
    if !copy.is_file() {
        let mut objcopy = Command::new(command::require("objcopy")?);
        objcopy.arg("--remove-section=.BTF").arg(format!("--add-section=.BTF={}", btf.display()));
        command::output(objcopy.arg(vmlinux).arg(&copy))?;
    }
    Ok(copy)
}

/// The size of a file after a compressor; none if it is not on this machine.
fn compressed(file: &Path, program: &str, level: &[&str]) -> Result<Option<u64>> {
    let Some(program) = command::locate(program) else { return Ok(None) };
    let output = Command::new(program).args(level).arg("-c").arg(file).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "cannot compress {}", file.display());
    Ok(Some(output.stdout.len() as u64))
}

fn render(name: &str, encoders: &[Rows]) -> String {
    let mut text = format!("{name}:\n\n| variables | encoder | bytes | over disabled |");
    for (compressor, _) in COMPRESSORS {
        text += &format!(" {compressor} |");
    }
    text += "\n|---|---|--:|--:|--:|--:|--:|\n";
    for place in Place::OURS {
        for Rows { encoder, rows } in encoders {
            let Some(row) = rows.iter().find(|row| row.place == place) else { continue };
            let disabled = rows.iter().find(|row| row.place == Place::Disabled).map_or(0, |row| row.bytes);
            let over = match place {
                Place::Disabled => String::new(),
                Place::BuiltIn(_) => percent(row.bytes.saturating_sub(disabled), disabled),
                Place::InModule(_) => percent(row.bytes, disabled),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "| {} | {encoder} | {} | {over} |", place.describe(), row.bytes);
            for bytes in &row.compressed {
                let _ = write!(text, " {} |", bytes.map_or("–".to_owned(), |bytes| bytes.to_string()));
            }
            text.push('\n');
        }
    }
    text + "\n"
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:+.1} %", part as f64 / whole as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_and_what_is_built_in_are_compared_with_no_variables() {
        let row =
            |place, bytes| Row { place, bytes, compressed: vec![Some(bytes / 4), None, Some(bytes / 8)] };
        let rows = vec![
            row(Place::Disabled, 1000),
            row(Place::BuiltIn(Which::All), 1350),
            row(Place::InModule(Which::All), 349),
        ];
        let table = render("K", &[Rows { encoder: "btfkit".into(), rows }]);
        assert!(table.contains("| disabled | btfkit | 1000 |  | 250 | – | 125 |"), "{table}");
        assert!(table.contains("| all, built in | btfkit | 1350 | +35.0 % | 337 | – | 168 |"), "{table}");
        assert!(
            table.contains("| all, the module alone | btfkit | 349 | +34.9 % | 87 | – | 43 |"),
            "{table}"
        );
    }
}
