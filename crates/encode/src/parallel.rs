//! Two things at once, where there are two threads to do them.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

/// The number of threads that are worth having for so many bytes of DWARF, of those wanted (0 for one for each processor).
/// A small module is scanned in the time that it takes to start a thread and put together what two have found.
pub fn threads(wanted: usize, dwarf: u64) -> usize {
    const SMALL: u64 = 1 << 20;
    match wanted {
        _ if dwarf < SMALL => 1,
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        wanted => wanted,
    }
}

/// Does both, the first on a thread of its own unless only one thread is allowed.
pub fn both<A: Send, B>(threads: usize, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    if threads == 1 {
        // In this order: the first may wait for a thread that has been started before.
        let b = b();
        return (a(), b);
    }
    std::thread::scope(|scope| {
        let a = scope.spawn(elsewhere(a));
        std::thread::yield_now();
        let b = b();
        match a.join() {
            Ok(a) => (a, b),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Begins with `work` on a thread of its own, if there can be one; nobody waits for it.
pub fn begin(work: impl FnOnce() + Send + 'static) {
    if std::thread::Builder::new().spawn(elsewhere(work)).is_ok() {
        std::thread::yield_now();
    }
}

/// `work` for a new thread, on another processor than this one. Once it is started, this thread has to yield.
///
/// Schedulers that keep processors free, as in virtual machines, let a new thread wait on that of its parent until the parent
/// has had its time, 2 to 4 ms, in which a module is done; and bring it back there whenever it wakes. If the parent
/// yields and the thread leaves for good, it runs 0.1 ms later.
pub fn elsewhere<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let here = sched_getcpu();
    move || {
        if let Ok(mut others) = sched_getaffinity(None) {
            others.unset(here);
            if others.count() > 0 {
                let _ = sched_setaffinity(None, &others);
            }
        }
        work()
    }
}

/// What another thread is about to send; `None` when it has ended without.
///
/// It is waited for awake at first: to fall asleep and to be woken takes virtual processors 0.1 ms.
pub fn receive<T>(sent: &Receiver<T>) -> Option<T> {
    const AWAKE: Duration = Duration::from_millis(1);
    let start = Instant::now();
    while start.elapsed() < AWAKE {
        match sent.try_recv() {
            Ok(value) => return Some(value),
            Err(TryRecvError::Disconnected) => return None,
            // It may be on this processor, if there is no other.
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    sent.recv().ok()
}
