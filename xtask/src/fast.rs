//! The fast tier: what needs nothing but the repository, cargo and a C compiler.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, run as run_command, text};
use crate::verdict::Tally;

pub(crate) fn run(tally: &mut Tally) {
    tally.check("formatting", || cargo_step(&["fmt", "--all", "--check"], &[]));
    tally.check("lints", || {
        cargo_step(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])
    });
    tally.check("documentation", || {
        cargo_step(&["doc", "--quiet", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
    });
    let mut tests = Tally::default();
    tally.check("workspace tests", || workspace_tests(&mut tests));
    tally.add(tests);
    tally.check("broken inputs", broken_inputs);
}

/// In a process of its own: what ends that process, or takes its memory, does not end this one.
fn broken_inputs() -> Result<String> {
    Ok(text(Command::new("/proc/self/exe").arg("fuzz-smoke"))?.trim().to_owned())
}

fn cargo_step(arguments: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    run_command(cargo().args(arguments).envs(environment.iter().copied()))?;
    Ok(String::new())
}

/// Runs every unit and integration test, shows what the runner says, and counts each test.
fn workspace_tests(tests: &mut Tally) -> Result<String> {
    let mut child = cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let output = child.stdout.take().context("no output of cargo test")?;
    let mut skipped = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        count(tests, &mut skipped, &line);
        if worth_showing(&line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    Ok(String::new())
}

/// Counts one line of a test runner's output.
///
/// A test that cannot do its work here prints a line that begins with `SKIPPED`: it did not pass. With
/// `--show-output` such lines come before the result of their test binary.
fn count(tests: &mut Tally, skipped: &mut usize, line: &str) {
    if line.starts_with("SKIPPED ") || line.starts_with("SKIPPED:") {
        *skipped += 1;
    } else if let Some(result) = line.strip_prefix("test result: ") {
        let mut result = parse_result(result);
        let said_so = std::mem::take(skipped).min(result.passed);
        result.passed -= said_so;
        result.skipped += said_so;
        tests.add(result);
    }
}

/// Reads `ok. 12 passed; 0 failed; 1 ignored; …`.
fn parse_result(result: &str) -> Tally {
    let number = |word: &str| {
        let before = result.split(word).next().unwrap_or_default();
        before.split_whitespace().next_back().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    Tally { passed: number(" passed"), failed: number(" failed"), skipped: number(" ignored") }
}

/// Leaves out what only says that all is well.
fn worth_showing(line: &str) -> bool {
    let is_test_name = line.starts_with("    ") && (!line.trim().contains(' ') || line.contains(" - (line "));
    let noise = ["", "successes:", "running 0 tests"].contains(&line.trim()) || line.ends_with(" ... ok");
    !noise && !is_test_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_test_runner_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let mut tally = Tally::default();
        count(&mut tally, &mut 0, line);
        assert_eq!(tally, Tally { passed: 12, failed: 3, skipped: 1 });
    }

    #[test]
    fn a_test_that_says_skipped_is_counted_so() {
        let mut tally = Tally::default();
        let mut skipped = 0;
        count(&mut tally, &mut skipped, "SKIPPED kernel verifier: not root");
        count(
            &mut tally,
            &mut skipped,
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(tally, Tally { passed: 1, failed: 0, skipped: 1 });
    }
}
