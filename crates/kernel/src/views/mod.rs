//! What people ask a dump first. Each view is a function from a [`Kernel`] to plain structs and nothing
//! else, so that tables, JSON and Python show the same.

mod inventory;
mod log;
mod modules;
mod registers;
mod system;
mod tasks;

pub use inventory::{Finding, inventory};
pub use log::{Caller, Record, log};
pub use modules::{Module, modules, modules_partly};
pub use registers::{Processor, Register, registers};
pub use system::{System, system};
pub use tasks::{Task, tasks, tasks_partly};

use crate::expression::ExpressionError;
use crate::value::Value;
use crate::{Kernel, expression};

/// Shorthand for results of views.
pub type Result<T, E = ExpressionError> = std::result::Result<T, E>;

/// The one value of an expression.
fn value(kernel: &Kernel, text: &str) -> Result<Value> {
    let mut values = expression::evaluate(kernel, text)?;
    values.pop().ok_or_else(|| ExpressionError::Unknown(text.to_owned()))
}

/// The number that a path of members leads to: `signal.nr_threads`. Pointers on the way are followed.
fn number(kernel: &Kernel, of: &Value, path: &str) -> Result<i128> {
    Ok(member(kernel, of, path)?.to_number(kernel.memory())?)
}

/// The value that a path of members leads to. Pointers on the way are followed.
fn member(kernel: &Kernel, of: &Value, path: &str) -> Result<Value> {
    let mut value = of.clone();
    for name in path.split('.') {
        if matches!(value.ctype.shape(), crate::Shape::Pointer(_)) {
            value = value.target(kernel.memory())?;
        }
        value = value.member(name)?;
    }
    Ok(value)
}

/// The characters of an array.
fn text(kernel: &Kernel, of: &Value, path: &str) -> Result<String> {
    let array = member(kernel, of, path)?;
    let (Some(address), Some(size)) = (array.address(), array.ctype.size()) else { return Ok(String::new()) };
    let bytes = kernel.memory().c_string(address, size as usize)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
