//! Ctrl-C: ends the program while it opens a dump or answers a command line, and a command alone at the prompt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// What shells give a program that SIGINT ended: 128 and the signal's number.
const EXIT_CODE: i32 = 128 + SIGINT;

/// What happens when SIGINT comes.
#[derive(Debug)]
pub(super) struct Interrupt {
    wanted: Arc<AtomicBool>,
    ends_program: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on SIGINT ends the program with exit code 130.
    pub(super) fn new() -> std::io::Result<Self> {
        let interrupt = Self { wanted: Arc::default(), ends_program: Arc::new(AtomicBool::new(true)) };
        flag::register_conditional_shutdown(SIGINT, EXIT_CODE, interrupt.ends_program.clone())?;
        flag::register(SIGINT, interrupt.wanted.clone())?;
        Ok(interrupt)
    }

    /// From now on it sets [`Interrupt::flag`] instead.
    pub(super) fn ends_commands(&self) {
        self.ends_program.store(false, Ordering::Relaxed);
    }

    /// Set while a command is wanted to end.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.wanted.clone()
    }

    /// Whether the command is wanted to end; forgotten with the answer.
    pub(super) fn take(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }
}
