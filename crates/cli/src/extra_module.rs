//! `btfkit extra-module`: the sources of a kernel module that carries a side file's BTF.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfkit_btf::check::{self, Profile, Version};
use btfkit_btf::provenance::{Checksum, Provenance};
use btfkit_btf::sanitize::sanitize;
use btfkit_btf::{Btf, Kind};
use btfkit_encode::atomic_file::atomic_write;
use btfkit_encode::object::Object;
use clap::Args;
use serde::Serialize;

/// Where the running kernel shows its BTF.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// The longest name that the kernel has room for in `struct module`, on 64 bits.
const LONGEST_NAME: usize = 55;

/// Write the sources of a kernel module that carries a side file's BTF
///
/// For kernels that cannot be rebuilt: the module is built with the kernel's headers alone, and while it is loaded
/// the kernel shows the side file as /sys/kernel/btf/NAME and has it in its memory, and so in its crash dumps.
/// The side file is checked against its base first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    btfkit encode vmlinux --only-vars --base /sys/kernel/btf/vmlinux -o vars.btf\n  \
    btfkit extra-module vars.btf -o vmlinux_btf_extra && make -C vmlinux_btf_extra load\n  \
    btfkit extra-module vars.btf --base vmlinux.btf --kernel 6.12.117+deb12-cloud-amd64 -o extra")]
pub(crate) struct Arguments {
    /// Side file, as `btfkit encode --only-vars` writes it
    #[arg(value_name = "SIDEFILE")]
    side_file: PathBuf,

    /// Write the sources into this directory, which is made, or is empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// BTF of the kernel that the side file is for (raw BTF, or an ELF file with a section .BTF)
    #[arg(long, value_name = "FILE", default_value = RUNNING)]
    base: PathBuf,

    /// Release of that kernel, as `uname -r` prints it [default: the running kernel's, if --base is]
    #[arg(long, value_name = "RELEASE", value_parser = parse_release)]
    kernel: Option<String>,

    /// Name of the module
    #[arg(long, value_name = "NAME", default_value = "vmlinux_btf_extra", value_parser = parse_name)]
    name: String,

    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// What the texts of the module are filled with.
#[derive(Debug, Serialize)]
struct Module {
    name: String,
    /// The release of the kernel that it is for.
    kernel: String,
    /// POSIX `cksum` of the kernel's BTF.
    base_checksum: u32,
    /// Bytes of the kernel's BTF.
    base_bytes: usize,
    /// Bytes of the side file.
    bytes: usize,
    /// POSIX `cksum` of the side file.
    checksum: u32,
    variables: usize,
    files: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let kernel = release(arguments)?;
    let base = read_btf(&arguments.base)?;
    let given = read_btf(&arguments.side_file)?;
    let variables = count_variables(arguments, &base, &given)?;
    let side = as_kernel_takes_it(given, &base, &kernel)?;
    let mut module = Module {
        name: arguments.name.clone(),
        kernel,
        base_checksum: Checksum::of(&base).crc,
        base_bytes: base.len(),
        bytes: side.len(),
        checksum: Checksum::of(&side).crc,
        variables,
        files: Vec::new(),
    };
    make_empty_directory(&arguments.output)?;
    for (file, content) in module.texts() {
        write(&mut module, &arguments.output, &file, content.as_bytes())?;
    }
    let carried = format!("{}.btf", module.name);
    write(&mut module, &arguments.output, &carried, &side)?;
    report(arguments, &module)
}

fn write(module: &mut Module, directory: &Path, file: &str, content: &[u8]) -> crate::Outcome {
    atomic_write(directory.join(file), |output| output.write_all(content))?;
    module.files.push(file.to_owned());
    Ok(())
}

fn report(arguments: &Arguments, module: &Module) -> crate::Outcome {
    if arguments.json {
        return crate::print(&(serde_json::to_string_pretty(module)? + "\n"));
    }
    let directory = arguments.output.display();
    crate::print(&format!(
        "{directory}: module {} for {}, {} variables in {} bytes\n\
         To build and load it: make -C {directory} load\n",
        module.name, module.kernel, module.variables, module.bytes
    ))
}

/// The kernel's release: the one given, or that of the running kernel if it is that kernel's BTF.
fn release(arguments: &Arguments) -> Result<String, Box<dyn std::error::Error>> {
    if let Some(kernel) = &arguments.kernel {
        return Ok(kernel.clone());
    }
    if arguments.base != Path::new(RUNNING) {
        let base = arguments.base.display();
        return Err(format!("{base}: of which kernel is it? Name the release with --kernel").into());
    }
    let file = "/proc/sys/kernel/osrelease";
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(parse_release(text.trim())?)
}

/// The BTF in a file: raw, or the section .BTF of an ELF file.
fn read_btf(path: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let name = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| name(&error))?;
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(bytes);
    }
    let object = Object::from_bytes(path, bytes)?;
    let section = object.section_by_name(".BTF").ok_or_else(|| name(&"has no section .BTF"))?;
    Ok(object.section_data(section.index)?.into_owned())
}

/// The side file without what the kernel of this release does not know (before 5.16 the tags that say what it was made of), for
/// which the kernel would refuse all of it.
fn as_kernel_takes_it(
    side: Vec<u8>,
    base: &[u8],
    kernel: &str,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let Ok(version) = kernel.parse::<Version>() else { return Ok(side) };
    let sanitized = sanitize(&Btf::parse_split(&side[..], Arc::new(Btf::parse(base)?))?, version)?;
    Ok(if sanitized.changes.is_empty() { side } else { sanitized.bytes })
}

/// Makes sure that the kernel would take the side file on this base, and that there is something in it.
fn count_variables(
    arguments: &Arguments,
    base: &[u8],
    side: &[u8],
) -> Result<usize, Box<dyn std::error::Error>> {
    let (base_name, side_name) = (arguments.base.display(), arguments.side_file.display());
    let base = Arc::new(Btf::parse(base).map_err(|error| format!("{base_name}: {error}"))?);
    if base.type_count() == 0 || !check::check(base.bytes(), None, Profile::Vmlinux).is_clean() {
        return Err(format!("{base_name}: is not the BTF of a kernel").into());
    }
    if check::check(side, None, Profile::Vmlinux).is_clean() {
        return Err(format!("{side_name}: stands on no base; make it by `encode --only-vars`").into());
    }
    let provenance = Provenance::of(side);
    if let Some(module) = provenance.module {
        return Err(format!(
            "{side_name}: was made of module {module}; only the kernel's own variables can be carried (give it to `btfkit debug` as it is)"
        )
        .into());
    }
    let own = Checksum::of_btf(base.bytes());
    if let Some(told) = provenance.base.filter(|told| *told != own) {
        return Err(format!(
            "{side_name}: made for another kernel? The base that it was made on has the cksum {} {}, {base_name} {} {}",
            told.crc, told.length, own.crc, own.length
        )
        .into());
    }
    let report = check::check(side, Some(&base), Profile::Vmlinux);
    if let Some(first) = report.violations.first() {
        let others = report.total - 1;
        return Err(format!(
            "{side_name}: does not fit {base_name} ({first}; {others} more): made for another kernel?"
        )
        .into());
    }
    let side = Btf::parse_split(side, base).map_err(|error| format!("{side_name}: {error}"))?;
    match side.types().filter(|entry| entry.kind() == Kind::Var).count() {
        0 => Err(format!("{side_name}: has no variables").into()),
        variables => Ok(variables),
    }
}

fn make_empty_directory(path: &Path) -> crate::Outcome {
    let name = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path).map_err(name)?;
    if fs::read_dir(path).map_err(name)?.next().is_some() {
        return Err(format!("{}: is not empty; give a new directory", path.display()).into());
    }
    Ok(())
}

fn parse_name(name: &str) -> Result<String, String> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(letters) {
        return Err(format!("a module's name has 1 to {LONGEST_NAME} letters, digits and underscores"));
    }
    Ok(name.to_owned())
}

fn parse_release(release: &str) -> Result<String, String> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-~:".contains(&byte);
    if release.is_empty() || release.len() > 64 || !release.bytes().all(letters) {
        return Err("a release is what `uname -r` prints".to_owned());
    }
    Ok(release.to_owned())
}

impl Module {
    /// The text files, by name.
    fn texts(&self) -> [(String, String); 5] {
        let texts = [
            ("Makefile", include_str!("extra_module/Makefile.in")),
            ("Kbuild", include_str!("extra_module/Kbuild.in")),
            ("dkms.conf", include_str!("extra_module/dkms.conf.in")),
            ("README", include_str!("extra_module/README.in")),
        ];
        let [makefile, kbuild, dkms, readme] = texts.map(|(file, text)| (file.to_owned(), self.fill(text)));
        let source = self.fill(include_str!("extra_module/module.c.in"));
        [makefile, kbuild, dkms, readme, (format!("{}.c", self.name), source)]
    }

    /// The module's version, which says what it stands on and what it carries. DKMS tells side files apart by it.
    fn version(&self) -> String {
        format!("{}.{}", self.base_checksum, self.checksum)
    }

    fn fill(&self, text: &str) -> String {
        let pattern: String = self.kernel.chars().map(escaped).collect();
        text.replace("@NAME@", &self.name)
            .replace("@KERNEL@", &self.kernel)
            .replace("@KERNEL_PATTERN@", &pattern)
            .replace("@CKSUM@", &format!("{} {}", self.base_checksum, self.base_bytes))
            .replace("@VERSION@", &self.version())
            .replace("@VARIABLES@", &self.variables.to_string())
    }
}

/// A character of a release as a regular expression matches it.
fn escaped(character: char) -> String {
    if ".+".contains(character) { format!("[{character}]") } else { character.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_releases_hold_nothing_that_a_makefile_would_read() {
        for name in ["", "a-b", "a b", "a$(x)", "a/b", &"a".repeat(56)] {
            assert!(parse_name(name).is_err(), "{name}");
        }
        assert!(parse_name("vmlinux_btf_extra").is_ok() && parse_name(&"a".repeat(55)).is_ok());
        for release in ["", "6.1 x", "6.1$x", "6.1/..", "6.1\"", "6.1#"] {
            assert!(parse_release(release).is_err(), "{release}");
        }
        assert!(parse_release("6.12.117+deb12-cloud-amd64").is_ok());
    }

    #[test]
    fn no_placeholder_is_left() {
        let module = Module {
            name: "extra".into(),
            kernel: "6.12.1+x-amd64".into(),
            base_checksum: 1,
            base_bytes: 2,
            bytes: 3,
            checksum: 5,
            variables: 4,
            files: Vec::new(),
        };
        for (file, text) in module.texts() {
            let placeholder =
                |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            assert!(!text.split('@').any(placeholder), "{file}: {text}");
        }
        assert!(module.texts()[2].1.contains("\"^6[.]12[.]1[+]x-amd64$\""));
    }
}
