//! Where answers go: to standard output, or at the prompt, once they are longer than the screen, through a pager.
//!
//! What fits on the screen is held back until the command ends or the screen is full; a command that looks for something shows
//! it before, and a pager gets that once more, so that it has everything. A pager that is left before it has read everything
//! breaks the pipe, which ends the command. On a terminal without a size nothing is held back.

use std::cell::RefCell;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use anstream::{AutoStream, ColorChoice};
use btfkit_kernel::Kernel;

/// Bytes that are written at once, before it is asked whether more are wanted.
const PIECE: usize = 4096;

/// Where answers go.
#[derive(Debug)]
pub(super) struct Output {
    /// What is run as pager, if anything is.
    pager: RefCell<Option<Pager>>,
    state: RefCell<State>,
}

#[derive(Debug)]
enum State {
    /// This much is not with a pager, and so many bytes of it are on the screen already.
    Held(String, usize),
    /// A pager reads.
    Paged(Child, ChildStdin),
    /// The pager was left.
    Left,
}

impl Default for State {
    fn default() -> Self {
        Self::Held(String::new(), 0)
    }
}

/// A pager.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pager {
    Less,
    /// A shell's command.
    Given(String),
}

impl Pager {
    /// By `BTFKIT_PAGER`, or `PAGER`. An empty one, or `cat`, is none.
    fn of_environment() -> Option<Self> {
        let given = ["BTFKIT_PAGER", "PAGER"].iter().find_map(std::env::var_os);
        match given.map(|given| given.to_string_lossy().trim().to_owned()) {
            None => Some(Self::Less),
            Some(given) if given.is_empty() || given == "cat" => None,
            Some(given) => Some(Self::Given(given)),
        }
    }

    fn run(&self) -> std::io::Result<(Child, ChildStdin)> {
        let mut command = match self {
            Self::Less => {
                let mut less = Command::new("less");
                less.arg("-FRX");
                less
            }
            Self::Given(given) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(given);
                shell
            }
        };
        // So that less shows colours, and ends by itself what it is given too early.
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", "FRX");
        }
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or(ErrorKind::BrokenPipe)?;
        Ok((child, input))
    }
}

impl Output {
    /// Standard output as it is.
    pub(super) fn straight() -> Self {
        Self { pager: RefCell::new(None), state: RefCell::default() }
    }

    /// Through a pager, where a person sits at both ends.
    pub(super) fn paged() -> Self {
        let output = Self::straight();
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            output.pager.replace(Pager::of_environment());
        }
        output
    }

    /// Takes text.
    ///
    /// # Errors
    /// It cannot be written; the pager was left, which is a broken pipe; or an interrupt is wanted.
    pub(super) fn put(&self, kernel: &Kernel, text: &str) -> crate::Outcome {
        kernel.memory().check_interrupt()?;
        let Some(pager) = self.pager.borrow().clone() else { return write(kernel, text) };
        let mut state = self.state.borrow_mut();
        if let State::Held(held, shown) = &mut *state {
            held.push_str(text);
            let fills = terminal_size::terminal_size()
                .map(|(width, height)| fills_screen(held, usize::from(width.0), usize::from(height.0)));
            if fills == Some(false) {
                return Ok(());
            }
            let (text, shown) = (std::mem::take(held), std::mem::take(shown));
            if fills.is_none() {
                return write(kernel, &text[shown..]);
            }
            match pager.run() {
                Ok((child, input)) => *state = State::Paged(child, input),
                // There is none on this machine.
                Err(_) => {
                    self.pager.replace(None);
                    return write(kernel, &text[shown..]);
                }
            }
            return feed(&mut state, &text);
        }
        feed(&mut state, text)
    }

    /// Shows now what is held back.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn show(&self) -> crate::Outcome {
        if let State::Held(held, shown) = &mut *self.state.borrow_mut() {
            let new = &held[*shown..];
            *shown = held.len();
            if !new.is_empty() {
                crate::print(new)?;
            }
        }
        Ok(())
    }

    /// Shows what was held back, also of a command that was interrupted, or waits until the pager is left.
    ///
    /// # Errors
    /// It cannot be written, or the pager cannot be run.
    pub(super) fn finish(&self) -> crate::Outcome {
        // A screenful at most.
        self.show()?;
        match self.state.take() {
            State::Held(..) | State::Left => Ok(()),
            State::Paged(mut child, input) => {
                drop(input);
                let code = child.wait()?.code();
                // What shells give where there is no such program.
                if matches!(code, Some(126 | 127)) {
                    self.pager.replace(None);
                    return Err("the pager cannot be run; from now on there is none".into());
                }
                Ok(())
            }
        }
    }
}

/// Gives text to the pager.
fn feed(state: &mut State, text: &str) -> crate::Outcome {
    let State::Paged(child, input) = state else {
        return Err(std::io::Error::from(ErrorKind::BrokenPipe).into());
    };
    let colours = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let plain = if colours { None } else { Some(anstream::adapter::strip_str(text).to_string()) };
    let written = input.write_all(plain.as_deref().unwrap_or(text).as_bytes());
    if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        let code = child.wait()?.code();
        if !matches!(code, Some(126 | 127)) {
            *state = State::Left;
        }
    }
    Ok(written?)
}

/// Writes to standard output, piece by piece: a terminal may be slow, and who sits there may have seen enough.
fn write(kernel: &Kernel, text: &str) -> crate::Outcome {
    let mut rest = text;
    while !rest.is_empty() {
        kernel.memory().check_interrupt()?;
        // Whole lines, so that no sequence of colours is cut.
        let end = rest.as_bytes().iter().skip(PIECE).position(|&byte| byte == b'\n');
        let (piece, behind) = rest.split_at(end.map_or(rest.len(), |end| PIECE + end + 1));
        crate::print(piece)?;
        rest = behind;
    }
    Ok(())
}

/// Whether text takes more lines than a terminal of so many characters and lines has, the prompt's own among them.
fn fills_screen(text: &str, width: usize, height: usize) -> bool {
    let rows = |line: &str| {
        let line = anstream::adapter::strip_str(line).to_string();
        line.chars().count().div_ceil(width.max(1)).max(1)
    };
    let mut taken = 1;
    text.lines().any(|line| {
        taken += rows(line);
        taken > height
    })
}

#[cfg(test)]
mod tests {
    use super::fills_screen;

    #[test]
    fn a_screen_is_full_when_the_prompt_has_no_line_left() {
        assert!(!fills_screen("a\nb\n", 80, 3));
        assert!(fills_screen("a\nb\nc\n", 80, 3));
        // Lines that are broken take more, and colours nothing.
        assert!(fills_screen("12345678901\nb\n", 10, 3));
        assert!(!fills_screen("\x1b[1m1234567890\x1b[0m\nb\n", 10, 3));
    }
}
