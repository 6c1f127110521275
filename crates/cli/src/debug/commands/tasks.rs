//! `ps`.

use std::fmt::Write;

use btfkit_kernel::views::{Task, tasks_partly};

use crate::debug::Session;

pub(in crate::debug) fn ps(session: &Session, text: &str) -> crate::Outcome {
    let mut threads = false;
    let mut wanted = Vec::new();
    for word in text.split_whitespace() {
        if word == "-t" { threads = true } else { wanted.push(word) }
    }
    let (mut rows, broken_off) = tasks_partly(&session.kernel)?;
    let fits = |task: &Task| {
        let is = |word: &&str| match word.parse::<i32>() {
            Ok(pid) => task.pid == pid || task.tgid == pid,
            Err(_) => task.comm.contains(*word),
        };
        (threads || task.pid == task.tgid) && (wanted.is_empty() || wanted.iter().any(is))
    };
    rows.retain(fits);
    session.answer(&rows, || table(&rows))?;
    broken_off.map_or(Ok(()), |error| Err(format!("tasks are missing: {error}").into()))
}

pub(crate) fn table(rows: &[Task]) -> String {
    let mut out = format!(
        "{HEAD}{:>7} {:>7} {:>3} {:>2} {:>10} {:>9}  {:<16} COMM{HEAD:#}\n",
        "PID",
        "PPID",
        "CPU",
        "ST",
        "VIRT KiB",
        "RSS KiB",
        "TASK",
        HEAD = crate::debug::render::HEAD,
    );
    for task in rows {
        let comm = if task.kernel_thread { format!("[{}]", task.comm) } else { task.comm.clone() };
        let cpu = task.cpu.map(|cpu| cpu.to_string()).unwrap_or_default();
        let _ = writeln!(
            out,
            "{:>7} {:>7} {cpu:>3} {:>2} {:>10} {:>9}  {:016x} {comm}",
            task.pid, task.parent, task.state, task.virtual_kib, task.resident_kib, task.address,
        );
    }
    out
}
