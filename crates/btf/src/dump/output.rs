//! Text on its way to a writer.

use std::io::{self, Write};

/// Text is handed on in pieces of about this many bytes.
const PIECE: usize = 1 << 16;

/// Text that is being written: what is small is collected, so that the writer sees pieces of some size, and no more than
/// one piece is held, however long a type's text is.
pub struct Output<'w> {
    buffer: Vec<u8>,
    to: &'w mut dyn Write,
}

impl<'w> Output<'w> {
    /// Text for this writer.
    pub fn new(to: &'w mut dyn Write) -> Self {
        Self { buffer: Vec::with_capacity(2 * PIECE), to }
    }

    /// Hands on what is left. Text that is dropped without this is lost in part.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> io::Result<()> {
        self.to.write_all(&self.buffer)
    }

    /// Hands on a piece if there is one.
    #[inline]
    pub(super) fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= PIECE {
            self.to.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.buffer.push(byte);
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("held", &self.buffer.len()).finish_non_exhaustive()
    }
}
