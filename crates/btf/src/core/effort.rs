//! [`Effort`]: how much work questions may make.

use crate::{Error, error::Result};

/// What is left of the work that some questions may make, in members, enumerators and types looked at. A real question
/// takes some hundreds; broken types can make it any number.
#[derive(Clone, Debug)]
pub struct Effort {
    left: u64,
}

impl Effort {
    /// Enough for so many questions of real objects, and not much longer than their number for broken ones.
    pub fn for_questions(count: usize) -> Self {
        Self::new((1 << 22) + 4096 * count as u64)
    }

    /// So many steps.
    pub fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Takes some steps off.
    pub(crate) fn spend(&mut self, steps: u32) -> Result<()> {
        self.left = self.left.checked_sub(u64::from(steps)).ok_or(Error::TooLaborious)?;
        Ok(())
    }
}
