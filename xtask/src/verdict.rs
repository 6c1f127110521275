//! Verdicts: each check prints one line and is counted; the run's last line is the count.

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

/// Why a check cannot run on this machine. As an error of a check it means *skipped*, any other error *failed*.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// An [`Unavailable`] as an error, for `return Err(unavailable("no apt"))`.
pub(crate) fn unavailable(reason: impl Into<String>) -> anyhow::Error {
    Unavailable(reason.into()).into()
}

/// The counts of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Runs one check, prints its verdict with what it found and how long it took, and counts it.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<String>) -> bool {
        let start = Instant::now();
        let found = check();
        let passed = found.is_ok();
        println!("{} [{:.1} s]", self.count(name, found), start.elapsed().as_secs_f64());
        passed
    }

    /// Counts a check, or a whole tier, that cannot run here, in one loud line.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        println!("{}", self.count(name, Err(unavailable(reason))));
    }

    /// Counts what a check found; gives the line that says so.
    fn count(&mut self, name: &str, found: anyhow::Result<String>) -> String {
        let (verdict, detail) = match found {
            Ok(detail) => {
                self.passed += 1;
                ("PASSED", detail)
            }
            Err(error) if error.is::<Unavailable>() => {
                self.skipped += 1;
                ("SKIPPED", format!("{error:#}"))
            }
            Err(error) => {
                self.failed += 1;
                ("FAILED", format!("{error:#}"))
            }
        };
        let separator = if detail.is_empty() { "" } else { ": " };
        format!("{verdict} {name}{separator}{}", detail.trim().replace('\n', " "))
    }

    /// Adds the counts of tests that another runner made.
    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The exit code: success unless something failed.
    pub(crate) fn exit_code(self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unavailable_check_is_skipped_and_any_other_error_fails() {
        let mut tally = Tally::default();
        assert_eq!(tally.count("good", Ok("fine".into())), "PASSED good: fine");
        assert_eq!(tally.count("absent", Err(unavailable("no\nkernel"))), "SKIPPED absent: no kernel");
        assert_eq!(tally.count("bad", Err(anyhow::anyhow!("wrong"))), "FAILED bad: wrong");
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn context_around_an_unavailable_check_does_not_make_it_fail() {
        use anyhow::Context;
        let mut tally = Tally::default();
        tally.count("absent", Err(unavailable("no network")).context("fetching a kernel"));
        assert_eq!(tally, Tally { passed: 0, failed: 0, skipped: 1 });
    }
}
