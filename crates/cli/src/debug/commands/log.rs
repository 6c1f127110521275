//! `log`.

use std::fmt::Write;

use btfkit_kernel::views::{Caller, Record, log as records};

use crate::debug::Session;

pub(in crate::debug) fn log(session: &Session, text: &str) -> crate::Outcome {
    let mut rows = records(&session.kernel)?;
    if !text.is_empty() {
        let lines: usize = text.parse().map_err(|_| format!("{text} is no number of lines"))?;
        rows.drain(..rows.len().saturating_sub(lines));
    }
    session.answer(&rows, || {
        let mut out = String::new();
        rows.iter().for_each(|record| line(&mut out, record));
        out
    })
}

/// A record as the console shows it, further lines of it below the first.
pub(crate) fn line(out: &mut String, record: &Record) {
    let seconds = record.nanoseconds / 1_000_000_000;
    let micros = record.nanoseconds / 1000 % 1_000_000;
    let caller = match record.caller {
        Some(Caller::Thread(pid)) => format!("[{:>7}]", format!("T{pid}")),
        Some(Caller::Processor(cpu)) => format!("[{:>7}]", format!("C{cpu}")),
        None => String::new(),
    };
    for text in record.text.split('\n') {
        let _ = writeln!(out, "[{seconds:>5}.{micros:06}]{caller} {text}");
    }
}
