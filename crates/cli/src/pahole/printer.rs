//! pahole without `-J`: structures, printed. `btfkit layout` does it.

use std::path::{Path, PathBuf};

use super::parse::CommandLine;
use crate::layout::{self, Request, View};
use crate::selector::{self, Selector};

/// Prints the types that the command line asks for.
pub(super) fn run(line: &CommandLine) -> crate::Outcome {
    layout::run_with(&request(line)?)
}

fn request(line: &CommandLine) -> Result<Request, String> {
    let mut request = Request { first_of_name: true, ..Request::default() };
    let (mut steps, mut separator) = (false, '\t');
    for (entry, value) in &line.options {
        let value = value.as_deref().unwrap_or_default();
        let number = || value.parse::<u64>().map_err(|_| format!("--{}={value}: not a number", entry.name));
        match entry.name {
            "class_name" => request.names.extend(value.split(',').map(type_name)),
            "btf_base" => request.base = Some(PathBuf::from(value)),
            "expand_types" => request.style.expand = true,
            "hex" => request.style.hex = true,
            "cacheline_size" => request.style.cacheline = number()?.max(1),
            "sizes" => request.view = View::Sizes { separator },
            "nr_members" => request.view = View::Members { separator },
            "packable" => request.view = View::Packable { separator },
            "reorganize" => request.view = View::Reorganized { steps },
            "show_reorg_steps" => steps = true,
            "contains" => request.view = View::Containing(type_name(value)),
            "find_pointers_to" => request.view = View::PointersTo(type_name(value)),
            "separator" => separator = value.chars().next().unwrap_or('\t'),
            "structs" => request.filter.structs = true,
            "unions" => request.filter.unions = true,
            "holes" => request.filter.holes = number()? as u32,
            "bit_holes" => request.filter.bit_holes = number()? as u32,
            "hole_size_ge" => request.filter.hole_size = number()?,
            "padding_ge" => request.filter.padding = number()?,
            "packed" => request.filter.packed = true,
            "prefix_filter" => request.filter.prefix = Some(value.to_owned()),
            "exclude" => request.filter.exclude_prefix = Some(value.to_owned()),
            "with_flexible_array" => request.filter.flexible_array = true,
            "with_embedded_flexible_array" => request.filter.embedded_flexible_array = true,
            "sort" => request.filter.sort = true,
            // BTF has one meaning for each name here, and nothing of where a type is declared.
            "first_obj_only" | "skip_missing" | "quiet" => {}
            // Options of encoding are no concern of these.
            _ => {}
        }
    }
    // These stand before or behind what they belong to.
    match &mut request.view {
        View::Sizes { separator: own }
        | View::Members { separator: own }
        | View::Packable { separator: own } => {
            *own = separator;
        }
        View::Reorganized { steps: own } => *own = steps,
        _ => {}
    }
    files(line, &mut request)?;
    Ok(request)
}

/// An operand is a file, or, when there is no such file, a type of the running kernel.
fn files(line: &CommandLine, request: &mut Request) -> Result<(), String> {
    for operand in &line.operands {
        if Path::new(operand).exists() || operand == "-" {
            if request.file.replace(PathBuf::from(operand)).is_some() {
                return Err(format!("{operand}: types of one file are printed at a time"));
            }
        } else if request.names.is_empty() && !operand.contains('/') {
            request.names.push(type_name(operand));
        } else {
            return Err(format!("{operand}: no such file"));
        }
    }
    Ok(())
}

fn type_name(text: &str) -> Selector {
    selector::parse(text).unwrap_or_else(|never| match never {})
}
