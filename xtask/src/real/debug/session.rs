//! A run of `btfkit debug` with many questions at once.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

/// No run may take longer.
const PATIENCE: &str = "60";

/// A debugger on a dump.
pub(super) struct Session {
    btfkit: PathBuf,
    files: Vec<PathBuf>,
    side_files: Vec<PathBuf>,
}

/// What it said.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Values by expression.
    values: HashMap<String, Vec<Json>>,
    /// Bytes by address.
    memory: HashMap<u64, Vec<u8>>,
    /// Documents that are neither.
    pub(super) others: Vec<Json>,
    /// Lines of errors, in their order.
    pub(super) errors: Vec<String>,
    pub(super) took: Duration,
}

impl Session {
    pub(super) fn new(btfkit: &Path, files: &[PathBuf], side_file: Option<&Path>) -> Self {
        let side_files = side_file.into_iter().map(Into::into).collect();
        Self { btfkit: btfkit.into(), files: files.to_vec(), side_files }
    }

    /// The same with more side files.
    pub(super) fn with(mut self, side_files: &[PathBuf]) -> Self {
        self.side_files.extend_from_slice(side_files);
        self
    }

    /// Runs commands, a line each. What cannot be answered is no failure of the run: it is in `errors`.
    pub(super) fn run(&self, lines: &[String]) -> Result<Answers> {
        let mut script = tempfile::NamedTempFile::new()?;
        script.write_all(lines.join("\n").as_bytes())?;
        // Memory is limited so that a broken dump that wants it all is found out; the program maps little.
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--as={}", 4u64 << 30))
            .args(["timeout", "--signal=KILL", PATIENCE])
            .arg(&self.btfkit);
        command.arg("debug").args(&self.files).arg("--json").arg("-x").arg(script.path());
        for side_file in &self.side_files {
            command.arg("--btf").arg(side_file);
        }
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).output().context("cannot run btfkit")?;
        let took = start.elapsed();
        ensure!(output.status.code() != Some(137), "btfkit debug took more than {PATIENCE} s");
        let errors: Vec<String> =
            String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
        ensure!(
            matches!(output.status.code(), Some(0 | 1)),
            "btfkit debug ended with {}: {}",
            output.status,
            errors.last().map_or("", String::as_str)
        );
        let mut answers = Answers { errors, took, ..Answers::default() };
        for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            answers.add(serde_json::from_slice(line).context("btfkit debug printed no JSON")?);
        }
        Ok(answers)
    }
}

impl Answers {
    fn add(&mut self, document: Json) {
        let text = |key: &str| document.get(key).and_then(Json::as_str);
        if let (Some(expression), Some(values)) =
            (text("expression"), document.get("values").and_then(Json::as_array))
        {
            self.values.insert(expression.to_owned(), values.clone());
        } else if let (Some(address), Some(units)) =
            (text("address").and_then(hexadecimal), document.get("units").and_then(Json::as_array))
        {
            let bytes = units.iter().filter_map(|unit| u8::try_from(hexadecimal(unit.as_str()?)?).ok());
            self.memory.insert(address, bytes.collect());
        } else {
            self.others.push(document);
        }
    }

    /// The values of an expression that was printed.
    pub(super) fn values(&self, expression: &str) -> Option<&[Json]> {
        self.values.get(expression).map(Vec::as_slice)
    }

    /// The one value of an expression, as text.
    pub(super) fn value(&self, expression: &str) -> Option<&str> {
        self.values(expression)?.first()?.get("value")?.as_str()
    }

    /// The one value of an expression as an address.
    pub(super) fn address(&self, expression: &str) -> Option<u64> {
        hexadecimal(self.value(expression)?)
    }

    /// The type of the value of an expression.
    pub(super) fn ctype(&self, expression: &str) -> Option<&str> {
        self.values(expression)?.first()?.get("type")?.as_str()
    }

    /// Bytes that `rd -8` printed.
    pub(super) fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.memory.get(&address).map(Vec::as_slice)
    }
}

/// `0x2a`, and what may follow behind a space.
pub(super) fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.split_whitespace().next()?.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok()
}
