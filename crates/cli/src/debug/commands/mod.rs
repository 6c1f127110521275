//! What each command does.

pub(crate) mod info;
pub(crate) mod log;
pub(super) mod memory;
pub(super) mod print;
pub(super) mod registers;
pub(super) mod symbols;
pub(super) mod system;
pub(crate) mod tasks;

use btfkit_kernel::expression;
use btfkit_vmcore::VirtualAddress;

use super::Session;

/// An address: a number, or an expression that gives one.
fn address(session: &Session, text: &str) -> Result<VirtualAddress, Box<dyn std::error::Error>> {
    if let Ok(number) = u64::from_str_radix(text.trim_start_matches("0x"), 16) {
        return Ok(VirtualAddress(number));
    }
    let values = expression::evaluate(session.scope(), text)?;
    let [value] = &values[..] else { return Err("one address is wanted here".into()) };
    // A symbol or a variable stands for where it is.
    match (value.address(), value.to_number(session.kernel.memory())) {
        (Some(address), _) if !matches!(value.ctype.shape(), btfkit_kernel::Shape::Pointer(_)) => Ok(address),
        (_, Ok(number)) => Ok(VirtualAddress(number as u64)),
        (_, Err(error)) => Err(error.into()),
    }
}
