//! Two things at once, where there are two threads to do them.

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
        let a = scope.spawn(a);
        let b = b();
        match a.join() {
            Ok(a) => (a, b),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
