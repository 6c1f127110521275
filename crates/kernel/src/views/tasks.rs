//! Tasks: every process, and every thread of it.

use std::collections::HashSet;

use super::{Result, member, number, text, value};
use crate::expression::{self, Partly};
use crate::value::Value;
use crate::{Kernel, Shape};

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Task {
    /// The thread's number.
    pub pid: i32,
    /// The process's number: that of its first thread.
    pub tgid: i32,
    /// The number of the process that gets its exit status.
    pub parent: i32,
    /// Its name.
    pub comm: String,
    /// As `ps` says it: R, S, D, T, t, X, Z, P, I.
    pub state: String,
    /// The processor that it runs on, or ran on last.
    pub cpu: Option<i64>,
    /// Its memory's size in KiB; 0 for threads of the kernel.
    pub virtual_kib: u64,
    /// How much of it is in memory, in KiB.
    pub resident_kib: u64,
    /// Whether it has no memory of its own: a thread of the kernel.
    pub kernel_thread: bool,
    /// Address of its `struct task_struct`.
    pub address: u64,
}

/// Every thread: that of process 0 for processor 0, then the others in the order in which they were made. Those that cannot be
/// read are left out.
///
/// # Errors
/// `init_task` or the types of tasks are missing.
pub fn tasks(kernel: &Kernel) -> Result<Vec<Task>> {
    Ok(tasks_partly(kernel)?.0)
}

/// The same, and why tasks are missing, if some are. Where the list of tasks breaks off, those behind the break are found by
/// their numbers.
///
/// # Errors
/// As [`tasks`].
pub fn tasks_partly(kernel: &Kernel) -> Result<Partly<Vec<Task>>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let init = value(kernel, "init_task")?;
    let (leaders, mut broken_off) =
        expression::evaluate_partly(kernel, "list(init_task.tasks, struct task_struct, tasks)")?;
    let mut all: Vec<Value> =
        std::iter::once(init).chain(leaders).flat_map(|leader| threads(kernel, &leader)).collect();
    if broken_off.is_some() {
        all.extend(numbered(kernel));
    }
    for thread in all {
        if thread.address().is_some_and(|address| seen.insert(address)) {
            match task(kernel, &thread) {
                Ok(task) => found.push(task),
                Err(error) => broken_off = broken_off.or(Some(error)),
            }
        }
    }
    Ok((found, broken_off))
}

/// The threads of all numbers.
fn numbered(kernel: &Kernel) -> Vec<Value> {
    let pids = expression::evaluate_partly(kernel, "idr(init_pid_ns.idr, struct pid)");
    let pids = pids.map(|(pids, _)| pids).unwrap_or_default();
    let thread = |pid: &Value| {
        let first =
            number(kernel, &member(kernel, pid, "tasks").ok()?.element(kernel.memory(), 0).ok()?, "first");
        let first = first.ok().filter(|first| *first != 0)?;
        let text = format!("*container_of({first:#x}, struct task_struct, pid_links[0])");
        value(kernel, &text).ok()
    };
    pids.iter().filter_map(thread).collect()
}

/// The threads of a process, its first one first.
fn threads(kernel: &Kernel, leader: &Value) -> Vec<Value> {
    let mut all = vec![leader.clone()];
    let head = member(kernel, leader, "signal.thread_head").ok().and_then(|head| head.address());
    if let Some(head) = head {
        let text = format!("list((struct list_head *){:#x}, struct task_struct, thread_node)", head.0);
        all.extend(expression::evaluate(kernel, &text).unwrap_or_default());
    }
    all
}

fn task(kernel: &Kernel, task: &Value) -> Result<Task> {
    let get = |path: &str| number(kernel, task, path);
    let either = |new: &str, old: &str| get(new).or_else(|_| get(old));
    let memory = member(kernel, task, "mm")?;
    let has_memory = memory.to_number(kernel.memory())? != 0;
    let page =
        kernel.memory().dump().vmcoreinfo().and_then(btfkit_vmcore::VmcoreInfo::page_size).unwrap_or(4096);
    let kib = |pages: i128| u64::try_from(pages).unwrap_or(0).saturating_mul(page / 1024);
    let total = if has_memory { number(kernel, &memory, "total_vm").unwrap_or(0) } else { 0 };
    Ok(Task {
        pid: get("pid")? as i32,
        tgid: get("tgid")? as i32,
        parent: get("real_parent.tgid").unwrap_or(0) as i32,
        comm: text(kernel, task, "comm")?,
        state: state(either("__state", "state")? as u64, get("exit_state")? as u64),
        cpu: either("thread_info.cpu", "cpu").ok().map(|cpu| cpu as i64),
        virtual_kib: kib(total),
        resident_kib: if has_memory { kib(resident(kernel, &memory).unwrap_or(0)) } else { 0 },
        kernel_thread: !has_memory,
        address: task.address().unwrap_or_default().0,
    })
}

/// Pages of files, of anonymous memory and of shared memory: `MM_FILEPAGES`, `MM_ANONPAGES` and `MM_SHMEMPAGES`.
fn resident(kernel: &Kernel, memory: &Value) -> Result<i128> {
    let counters = member(kernel, memory, "rss_stat")?;
    // An array of percpu counters since Linux 6.2, before that a struct with an array of atomic ones.
    let array = if matches!(counters.ctype.shape(), Shape::Aggregate(..)) {
        counters.member("count")?
    } else {
        counters
    };
    let mut pages = 0;
    for index in [0, 1, 3] {
        let counter = array.element(kernel.memory(), index)?;
        let part = number(kernel, &counter, "count").or_else(|_| number(kernel, &counter, "counter"))?;
        // A counter of several processors may be below zero for a while.
        pages += part.max(0);
    }
    Ok(pages)
}

/// The bits of `__state` and `exit_state` (`include/linux/sched.h`); they are macros, and have not changed since 4.14.
fn state(state: u64, exit: u64) -> String {
    const IDLE: u64 = 0x402;
    let letters = [(0x1, 'S'), (0x2, 'D'), (0x4, 'T'), (0x8, 't'), (0x10, 'X'), (0x20, 'Z'), (0x40, 'P')];
    if state & IDLE == IDLE {
        return "I".into();
    }
    let bits = (state | exit) & 0x7f;
    let letter = letters.iter().rev().find(|(bit, _)| bits & bit != 0).map_or('R', |(_, letter)| *letter);
    letter.to_string()
}
