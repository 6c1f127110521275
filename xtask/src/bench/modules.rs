//! The modules of a kernel: the peer in a process for each, as kernels' builds run it, and btfkit once for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{in_turns, median, release_build};
use crate::command::{self, Cost};
use crate::fixtures::{KERNELS, Pahole};

/// Encode a kernel's modules on its BTF with pahole, a process for each of a sample, and with btfkit, all in one.
///
/// Then one module of middle size with each, in turns. The base is the section .BTF of the vmlinux.
#[derive(Debug, clap::Args)]
pub(crate) struct Modules {
    /// The vmlinux with BTF [default: Debian's 6.12 cloud kernel].
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// A folder with modules [default: those of the fixtures].
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// How many modules the peer encodes; its time for all is worked out from them.
    #[arg(long, value_name = "COUNT", default_value_t = 60)]
    sample: usize,
    /// How many counted runs with one module.
    #[arg(short = 'n', long, value_name = "RUNS", default_value_t = 9)]
    runs: usize,
    /// The btfkit to run [default: a release build of this repository].
    #[arg(long, value_name = "PATH")]
    btfkit: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// What was measured, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) peer: String,
    pub(crate) modules: usize,
    pub(crate) sample: usize,
    /// The peer's wall and CPU time for the sample.
    pub(crate) pahole_sample: [f64; 2],
    /// btfkit's for all modules.
    pub(crate) btfkit_all: [f64; 2],
    /// One module: its name, the peer's wall and CPU time, btfkit's.
    pub(crate) one: String,
    pub(crate) pahole_one: [f64; 2],
    pub(crate) btfkit_one: [f64; 2],
}

impl Modules {
    pub(super) fn run(&self) -> Result<()> {
        let figures = self.measure()?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            print!("{}", figures.table());
        }
        Ok(())
    }

    fn measure(&self) -> Result<Figures> {
        let (kernel, mut modules) = self.inputs()?;
        ensure!(!modules.is_empty(), "there are no modules");
        modules.sort_by_cached_key(|module| fs::metadata(module).map_or(0, |metadata| metadata.len()));
        let sample = spread(&modules, self.sample.max(1));
        let middle = &modules[modules.len() / 2];
        let btfkit = self.btfkit.clone().map_or_else(release_build, Ok)?;
        let pahole = Pahole::fetch()?;
        let folder = tempfile::tempdir()?;
        let output = folder.path().join("pahole.btf");
        let mut pahole_sample = [0.0; 2];
        for module in &sample {
            add(&mut pahole_sample, command::measure(&mut theirs(&pahole, &kernel, module, &output))?);
        }
        let mut all = Command::new(&btfkit);
        all.args(["encode", "--quiet", "--vars", "percpu", "--base"]).arg(&kernel);
        all.arg("--output-dir").arg(folder.path().join("all")).args(&modules);
        let mut btfkit_all = [0.0; 2];
        add(&mut btfkit_all, command::measure(&mut all)?);
        let ours = folder.path().join("btfkit.btf");
        let mut alone = Command::new(&btfkit);
        alone
            .args(["encode", "--quiet", "--vars", "percpu", "--base"])
            .arg(&kernel)
            .arg(middle)
            .arg("-o")
            .arg(ours);
        let [pahole_one, btfkit_one] =
            in_turns(&mut [theirs(&pahole, &kernel, middle, &output), alone], self.runs)?
                .map(|costs| medians(&costs));
        Ok(Figures {
            peer: format!("pahole {}", pahole.version()?),
            modules: modules.len(),
            sample: sample.len(),
            pahole_sample,
            btfkit_all,
            one: middle.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            pahole_one,
            btfkit_one,
        })
    }

    fn inputs(&self) -> Result<(PathBuf, Vec<PathBuf>)> {
        if let (Some(kernel), Some(folder)) = (&self.kernel, &self.modules) {
            return Ok((kernel.clone(), modules_in(folder)?));
        }
        let fixture = KERNELS[0].fetch()?;
        let modules = self.modules.as_deref().map_or(Ok(fixture.modules), modules_in)?;
        Ok((self.kernel.clone().unwrap_or(fixture.vmlinux), modules))
    }
}

/// The modules in a folder, sorted by name.
pub(crate) fn modules_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ko") {
            modules.push(path);
        }
    }
    modules.sort();
    Ok(modules)
}

/// So many of them, evenly spread over their order, from the middle of each stretch.
fn spread(modules: &[PathBuf], count: usize) -> Vec<&PathBuf> {
    let count = count.min(modules.len());
    (0..count).map(|index| &modules[(2 * index + 1) * modules.len() / (2 * count)]).collect()
}

/// The peer as a kernel's build runs it.
fn theirs(pahole: &Pahole, kernel: &Path, module: &Path, output: &Path) -> Command {
    let mut command = pahole.command();
    command.args(["-J", "-j2", "--btf_features=default", "--lang_exclude=rust", "--btf_base"]).arg(kernel);
    command.arg(format!("--btf_encode_detached={}", output.display())).arg(module);
    command
}

fn add(sum: &mut [f64; 2], cost: Cost) {
    sum[0] += cost.wall.as_secs_f64();
    sum[1] += cost.cpu.as_secs_f64();
}

fn medians(costs: &[Cost]) -> [f64; 2] {
    [
        median(costs.iter().map(|cost| cost.wall.as_secs_f64()).collect()),
        median(costs.iter().map(|cost| cost.cpu.as_secs_f64()).collect()),
    ]
}

impl Figures {
    /// How many times less (wall, CPU) btfkit takes for all modules.
    pub(crate) fn ratios_of_all(&self) -> [f64; 2] {
        let scale = self.modules as f64 / self.sample as f64;
        [0, 1].map(|which| self.pahole_sample[which] * scale / self.btfkit_all[which])
    }

    /// How many times less it takes for one.
    pub(crate) fn ratios_of_one(&self) -> [f64; 2] {
        [0, 1].map(|which| self.pahole_one[which] / self.btfkit_one[which])
    }

    fn table(&self) -> String {
        let scale = self.modules as f64 / self.sample as f64;
        let (all, one) = (self.ratios_of_all(), self.ratios_of_one());
        let line = |name: &str, peer: f64, ours: f64, ratio: f64| {
            format!("{name:<34} {peer:>12.3} {ours:>12.3} {:>10}\n", format!("1/{ratio:.2}"))
        };
        let mut table = format!("{:<34} {:>12} {:>12} {:>10}\n", "seconds", self.peer, "btfkit", "ratio");
        let count = self.modules;
        table += &line(
            &format!("{count} modules, wall"),
            self.pahole_sample[0] * scale,
            self.btfkit_all[0],
            all[0],
        );
        table += &line(
            &format!("{count} modules, CPU"),
            self.pahole_sample[1] * scale,
            self.btfkit_all[1],
            all[1],
        );
        table += &line(&format!("{} alone, wall", self.one), self.pahole_one[0], self.btfkit_one[0], one[0]);
        table += &line(&format!("{} alone, CPU", self.one), self.pahole_one[1], self.btfkit_one[1], one[1]);
        table + &format!("pahole's time for all is that for {} of them, times {scale:.1}\n", self.sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly() {
        let modules: Vec<PathBuf> = (0..10).map(|number| PathBuf::from(number.to_string())).collect();
        let names =
            |count| spread(&modules, count).iter().map(|path| path.display().to_string()).collect::<String>();
        assert_eq!(names(1), "5");
        assert_eq!(names(2), "27");
        assert_eq!(names(99), "0123456789");
    }

    #[test]
    fn the_peers_time_is_scaled_to_all_modules() {
        let figures = Figures {
            peer: "pahole v1.32".into(),
            modules: 100,
            sample: 10,
            pahole_sample: [2.0, 1.0],
            btfkit_all: [1.0, 2.0],
            one: "dummy.ko".into(),
            pahole_one: [0.2, 0.1],
            btfkit_one: [0.05, 0.05],
        };
        assert_eq!(figures.ratios_of_all(), [20.0, 5.0]);
        assert_eq!(figures.ratios_of_one(), [4.0, 2.0]);
        let table = figures.table();
        assert!(
            table.contains("100 modules, wall                        20.000        1.000    1/20.00"),
            "{table}"
        );
    }
}
