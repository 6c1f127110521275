//! The built-in declarations: each is what DWARF has, where the kernel has the variable.

use anyhow::{Result, ensure};

use super::Case;
use super::session::Session;
use super::spelling::{normal, without_lengths};

pub(super) fn check(case: &Case) -> Result<String> {
    let names: Vec<&str> = btfkit_kernel::declared_names().collect();
    let written = |name: &str| {
        let is_per_cpu =
            case.oracle.variables.get(name).is_some_and(|theirs| theirs.objects.iter().any(|it| it.per_cpu));
        if is_per_cpu { format!("&per_cpu({name}, 1)") } else { format!("&{name}") }
    };
    let lines: Vec<String> = names.iter().map(|name| format!("p/x {}", written(name))).collect();
    // Without a side file only declarations have types.
    let answers = Session::new(&case.btfkit, std::slice::from_ref(&case.dump), None).run(&lines)?;
    let (mut compared, mut differences) = (0, Vec::new());
    for name in &names {
        let theirs = case.oracle.variables.get(*name).and_then(|theirs| theirs.objects.first());
        let (Some(theirs), Some(ours)) = (theirs, answers.ctype(&written(name))) else { continue };
        // A symbol whose type this kernel does not have.
        if ours == "void *" {
            continue;
        }
        let Some(pointer) = &theirs.pointer else { continue };
        // A declaration need not know how long this kernel's array is.
        let is_same = if theirs.size.is_none() || ours.contains('[') {
            without_lengths(&unqualified(ours)) == without_lengths(&unqualified(pointer))
        } else {
            unqualified(ours) == unqualified(pointer)
        };
        if !is_same {
            differences.push(format!("a pointer to {name} is declared as {ours}, DWARF has {pointer}"));
        }
        let address = answers.address(&written(name));
        ensure!(address == Some(theirs.address), "{name} is at {address:x?}, drgn has {:#x}", theirs.address);
        compared += 1;
    }
    ensure!(differences.is_empty(), "{}", differences.join("; "));
    ensure!(compared >= 110, "only {compared} of {} are in this kernel", names.len());
    Ok(format!("{compared} of {} are in this kernel, with DWARF's types", names.len()))
}

/// Declarations leave out `const` and `volatile`, and have one integer of 64 bits only.
fn unqualified(text: &str) -> String {
    let text = text.replace("const ", "").replace("volatile ", "").replace("__read_mostly ", "");
    normal(&text).replace("long long", "long")
}
