//! Modules loaded by the kernel that they were built for: its verifier looks at each one's BTF on the base it belongs to.
//!
//! The kernel is Debian's, as it is shipped, in a guest. Its modules drive devices that the guest has not, and would end with
//! ENODEV; so their entries and exits are cut off (the relocations of `struct module` that hold their addresses), and each
//! stays loaded, with what the kernel made of its BTF in `/sys/kernel/btf`. No code of a module runs, so that it does not
//! matter that the ids in `.BTF_ids` are those of the BTF that was replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection};

use crate::command;
use crate::fixtures::Kernel;
use crate::fixtures::image::{Image, module_name};
use crate::machine::root::{Root, data};
use crate::machine::{Boot, Machine, hardware};

/// Cuts off what runs when a module is loaded and unloaded.
const CUT: [&str; 1] = ["--remove-section=.rela.gnu.linkonce.this_module"];
/// Where a damaged copy of a module's BTF is damaged: the kind of its first type.
const DAMAGE: usize = 24 + 7;

/// A module with the BTF that its kernel is to show.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) module: PathBuf,
    pub(crate) btf: PathBuf,
}

/// Encodes the modules on the BTF of their kernel, puts the results into them, and has the kernel load them all, and `others`,
/// whose BTF is in them. What they need beside each other is loaded as it is packaged. Gives what the kernel said.
pub(crate) fn check(
    btfkit: &Path,
    kernel: &Kernel,
    modules: &[PathBuf],
    others: &[Carrier],
) -> Result<String> {
    let image = Image::fetch(kernel)?;
    let folder = tempfile::tempdir()?;
    let encoded = folder.path().join("btf");
    fs::create_dir(&encoded)?;
    if !modules.is_empty() {
        let mut encode = Command::new(btfkit);
        encode.args(["encode", "--quiet", "--base"]).arg(&kernel.vmlinux).arg("--output-dir").arg(&encoded);
        command::output(encode.args(modules))?;
    }
    let init = fs::read_to_string(data().join("load"))?;
    let root = Root::new(&folder.path().join("root"), &init)?;
    fs::create_dir(root.path("btf"))?;

    let mut own = BTreeMap::new();
    for module in modules {
        let name = module_name(module);
        let btf = encoded.join(module.file_name().context("a module has a name")?).with_extension("btf");
        put(&root, module, &name, &btf)?;
        root.install(&btf, &format!("btf/{name}.btf"))?;
        own.insert(name, module.clone());
    }
    for other in others {
        let name = module_name(&other.module);
        root.install(&other.module, &format!("modules/{name}.ko"))?;
        root.install(&other.btf, &format!("btf/{name}.btf"))?;
        own.insert(name, other.module.clone());
    }
    let damaged = own.keys().next().context("there are no modules")?.clone();
    damage(&root, &own[&damaged])?;
    let order = Order::of(&own, &image, &root, folder.path())?;
    let mut list = String::new();
    for name in &order.names {
        // What it needs is loaded by now, and it is not.
        if *name == damaged {
            list += &format!("{name} damaged\n");
        }
        list += &format!("{name} {}\n", if own.contains_key(name) { "own" } else { "packaged" });
    }
    fs::write(root.path("list"), list)?;
    let initrd = folder.path().join("initrd");
    root.pack(&initrd)?;
    // The unpacked file system and the loaded modules both take memory.
    let memory = 384 + 4 * u32::try_from(fs::metadata(&initrd)?.len() >> 20)?;
    let machine = Machine::boot(&Boot {
        image: &image.kernel(),
        initrd: &initrd,
        hardware: &hardware::PC,
        memory_mib: memory,
        parameters: "panic=-1",
        port: None,
        awaited: "guest: done",
    })?;
    let packaged = order.names.len() - own.len();
    judge(&machine.transcript(), own.len(), packaged).map(|found| format!("{}: {found}", image.release))
}

/// Puts a copy of a module whose BTF is damaged into the file system: the kernel has the name from the module itself.
fn damage(root: &Root, module: &Path) -> Result<()> {
    let name = module_name(module);
    let file = root.path("damaged");
    let mut bytes = fs::read(root.path(&format!("btf/{name}.btf")))?;
    *bytes.get_mut(DAMAGE).context("a BTF has types")? = 0x1f;
    fs::write(&file, bytes)?;
    put(root, module, "damaged", &file)
}

/// Installs a module with another BTF than it has, and with nothing to run.
fn put(root: &Root, module: &Path, name: &str, btf: &Path) -> Result<()> {
    let add = format!("--add-section=.BTF={}", btf.display());
    root.install_module(module, name, &["--remove-section=.BTF", &add, CUT[0]])
}

/// The modules with all that they need, in an order in which they can be loaded.
#[derive(Debug, Default)]
struct Order {
    names: Vec<String>,
    seen: BTreeSet<String>,
}

impl Order {
    /// Installs what the modules need and is not among them.
    fn of(own: &BTreeMap<String, PathBuf>, image: &Image, root: &Root, folder: &Path) -> Result<Self> {
        let mut order = Self::default();
        let needs = |name: &str| -> Result<Vec<String>> {
            if let Some(file) = own.get(name) {
                return needed(file);
            }
            let file = folder.join("packaged.ko");
            image.unpack_module(name, &file)?;
            root.install_module(&file, name, &CUT)?;
            needed(&file)
        };
        for name in own.keys() {
            order.add(name, &needs)?;
        }
        Ok(order)
    }

    fn add(&mut self, name: &str, needs: &dyn Fn(&str) -> Result<Vec<String>>) -> Result<()> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        for other in needs(name)? {
            self.add(&other, needs)?;
        }
        self.names.push(name.to_owned());
        Ok(())
    }
}

/// The names of the modules that a module needs: `depends=a,b` in its section `.modinfo`.
fn needed(module: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(module)?;
    let file = object::File::parse(&bytes[..]).with_context(|| module.display().to_string())?;
    let section = file.section_by_name(".modinfo").context("a module has a section .modinfo")?;
    let fields = section.data()?.split(|&byte| byte == 0);
    let depends = fields.filter_map(|field| field.strip_prefix(b"depends=")).next().unwrap_or_default();
    let names = String::from_utf8_lossy(depends).replace('-', "_");
    Ok(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Holds the kernel to what it is to say: it shows the BTF of all modules, and complains about the damaged one alone.
fn judge(transcript: &str, own: usize, packaged: usize) -> Result<String> {
    let said = |what: &str| {
        let start = format!("guest: {what} ");
        transcript.lines().filter_map(|line| line.strip_prefix(start.as_str()).map(str::to_owned)).collect()
    };
    let failures: Vec<String> = said("FAIL");
    if let Some(first) = failures.first() {
        bail!("{} of the modules: {first}", failures.len());
    }
    let refused: Vec<String> = said("refused");
    let refused = refused.first().filter(|why| why.contains("BTF")).context("damaged BTF is not refused")?;
    let log: Vec<String> = said("log");
    // The verifier's own log is not in the kernel's.
    let complaints: Vec<_> = log.iter().filter(|line| *line != refused).collect();
    ensure!(complaints.is_empty(), "the kernel says {complaints:?}");
    let expected = format!("shown {own} packaged {packaged}");
    ensure!(transcript.contains(&expected), "not all are loaded: expected {expected}");
    let refused = refused.split_once("] ").map_or(refused.as_str(), |(_, text)| text);
    Ok(format!(
        "{own} modules loaded with our BTF, the same in sysfs ({packaged} others, which they need); damaged: {refused}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "guest: kernel 6.12\nguest: refused [1.5] failed to validate module [a] BTF: -22\n\
                        guest: shown 3 packaged 1\nguest: log [1.5] failed to validate module [a] BTF: -22\nguest: done\n";

    #[test]
    fn a_complaint_about_another_module_than_the_damaged_one_is_a_failure() {
        assert!(judge(GOOD, 3, 1).unwrap().contains("failed to validate"));
        assert!(judge(GOOD, 4, 1).is_err());
        let other = GOOD.replace("guest: done", "guest: log [2.0] failed to validate module [b] BTF: -22");
        assert!(judge(&other, 3, 1).unwrap_err().to_string().contains("[b]"));
        let silent = GOOD.replace("guest: refused", "guest: x");
        assert!(judge(&silent, 3, 1).is_err());
        let failed = GOOD.replace("guest: done", "guest: FAIL c has other BTF");
        assert!(judge(&failed, 3, 1).unwrap_err().to_string().contains('c'));
    }

    #[test]
    fn what_a_module_needs_comes_before_it() {
        let needs = |name: &str| {
            Ok(match name {
                "a" => vec!["b".to_owned(), "c".to_owned()],
                "b" => vec!["c".to_owned()],
                _ => Vec::new(),
            })
        };
        let mut order = Order::default();
        order.add("a", &needs).unwrap();
        order.add("c", &needs).unwrap();
        assert_eq!(order.names, ["c", "b", "a"]);
    }
}
