//! Loaded modules.

use super::{Result, member, number, text};
use crate::expression::Partly;
use crate::value::Value;
use crate::{Kernel, Shape, expression};

/// A module.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Where its code begins.
    pub base: u64,
    /// Its size in bytes: code and data, without what was freed after it was loaded.
    pub size: u64,
    /// How many use it.
    pub references: i64,
    /// The modules that use it.
    pub used_by: Vec<String>,
    /// Letters for what is special about it (`P`, `O`, `E`, …), as the kernel's log shows them.
    pub taints: String,
    /// `live`, `coming`, `going` or `unformed`.
    pub state: String,
    /// Address of its `struct module`.
    pub address: u64,
}

/// The modules, the last loaded first. Those that are not formed yet are left out, and those that cannot be read.
///
/// # Errors
/// The list of modules or their type is missing.
pub fn modules(kernel: &Kernel) -> Result<Vec<Module>> {
    Ok(modules_partly(kernel)?.0)
}

/// The same, and why modules are missing, if some are.
///
/// # Errors
/// As [`modules`].
pub fn modules_partly(kernel: &Kernel) -> Result<Partly<Vec<Module>>> {
    let (all, mut broken_off) = expression::evaluate_partly(kernel, "list(modules, struct module, list)")?;
    let mut modules = Vec::new();
    for module in &all {
        // MODULE_STATE_UNFORMED: what is in it is not set up yet.
        let read = number(kernel, module, "state").and_then(|state| match state {
            3 => Ok(None),
            _ => read(kernel, module, state).map(Some),
        });
        match read {
            Ok(module) => modules.extend(module),
            Err(error) => broken_off = broken_off.or(Some(error)),
        }
    }
    Ok((modules, broken_off))
}

fn read(kernel: &Kernel, module: &Value, state: i128) -> Result<Module> {
    let (base, size) = place(kernel, module)?;
    // The kernel itself holds one reference (MODULE_REF_BASE).
    let references = number(kernel, module, "refcnt.counter").map_or(0, |count| count - 1);
    Ok(Module {
        name: text(kernel, module, "name")?,
        base,
        size,
        references: references as i64,
        used_by: used_by(kernel, module).unwrap_or_default(),
        taints: taints(number(kernel, module, "taints").unwrap_or(0) as u64),
        state: ["live", "coming", "going"].get(state as usize).copied().unwrap_or("unformed").into(),
        address: module.address().unwrap_or_default().0,
    })
}

/// Where its code is, and the size of what stays. `mem[]` since Linux 6.4 (0 text, 1 data, 2 rodata, 3 rodata after
/// initialisation, then what is freed), before that `core_layout`, with its data apart on some machines.
fn place(kernel: &Kernel, module: &Value) -> Result<(u64, u64)> {
    if let Ok(memory) = member(kernel, module, "mem") {
        let mut size = 0u64;
        let count = match memory.ctype.shape() {
            Shape::Array(_, count) => count.min(4),
            _ => 0,
        };
        for index in 0..count {
            let part = memory.element(kernel.memory(), i128::from(index))?;
            size = size.saturating_add(number(kernel, &part, "size")? as u64);
        }
        let text = memory.element(kernel.memory(), 0)?;
        return Ok((number(kernel, &text, "base")? as u64, size));
    }
    let size = |layout: &str| number(kernel, module, &format!("{layout}.size")).unwrap_or(0) as u64;
    let base = number(kernel, module, "core_layout.base")? as u64;
    Ok((base, size("core_layout").saturating_add(size("data_layout"))))
}

/// `source_list` chains `struct module_use`, whose `source` is the user.
fn used_by(kernel: &Kernel, module: &Value) -> Result<Vec<String>> {
    let head = member(kernel, module, "source_list")?.address().unwrap_or_default();
    let walk = format!("list((struct list_head *){:#x}, struct module_use, source_list)", head.0);
    let users = expression::evaluate(kernel, &walk)?;
    users.iter().map(|user| text(kernel, user, "source.name")).collect()
}

/// `TAINT_*` (`include/linux/panic.h`), by bit.
pub(super) fn taints(bits: u64) -> String {
    const LETTERS: &str = "PFSRMBUDAWCIOELKXTNJ";
    LETTERS.chars().enumerate().filter(|(bit, _)| bits >> bit & 1 != 0).map(|(_, letter)| letter).collect()
}
