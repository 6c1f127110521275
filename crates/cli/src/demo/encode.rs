//! Encoding `demo/tiny-kernel.elf`, which `demo/build` makes from three units that hold the shapes that real kernels have.

use std::fmt::Write;
use std::time::Instant;

use btfkit_btf::check::{Profile, Rule, check};
use btfkit_btf::{Btf, Kind, Linkage, SectionEntry, Type};
use btfkit_encode::object::Object;
use btfkit_encode::object::companion::Companions;
use btfkit_encode::{Encoded, Options, Variables};

use btfkit_btf::declaration::declare;

use super::{FAINT, HEAD};

const KERNEL: &[u8] = include_bytes!("../../demo/tiny-kernel.elf");
const NAME: &str = "tiny-kernel.elf";

/// What is worth knowing about the variables of the tiny kernel.
const REMARKS: [(&str, &str); 9] = [
    ("banner", "declared banner[], completed later"),
    ("command_line", "freed after boot: not in lean"),
    ("default_ops", "weak and strong: one variable"),
    ("font_8x8", "flexible array: 4 bytes by type"),
    ("init_top_pgt", "assembler's, typed by C"),
    ("jiffies", "linker's alias of jiffies_64"),
    ("run_queues", "per-CPU"),
    ("slots", "struct slot of devices.c"),
    ("switches.0", "inside schedule()"),
];

/// The first half: DWARF in, BTF out.
pub(super) fn show(out: &mut String) -> crate::Outcome {
    let object = Object::from_bytes(NAME, KERNEL.to_vec())?;
    let start = Instant::now();
    let all = encode(
        &object,
        &Options { variables: Variables::All, function_statics: true, ..Options::default() },
    )?;
    let seconds = start.elapsed().as_secs_f64();
    let btf = Btf::parse(all.bytes.as_slice())?;
    input(out, &object, &all)?;
    sizes(out, &object, &all, seconds)?;
    variables(out, &btf);
    left_out(out, &object)?;
    verdict(out, &all.bytes);
    Ok(())
}

fn encode(object: &Object, options: &Options) -> btfkit_encode::Result<Encoded> {
    let options = Options { threads: 1, ..options.clone() };
    btfkit_encode::encode(object, &options, &Companions::new(Vec::new()), &|_, _| ())
}

fn input(out: &mut String, object: &Object, encoded: &Encoded) -> crate::Outcome {
    let debug = object.sections().filter(|section| section.name.starts_with(b".debug_"));
    let dwarf: u64 = debug.map(|section| section.size).sum();
    let symbols = object.symbols()?.iter().count();
    writeln!(
        out,
        "{HEAD}in{HEAD:#}    {NAME} (sched.c, devices.c, entry.S): {dwarf} bytes of DWARF in {} units, {symbols} symbols",
        encoded.report.units
    )?;
    Ok(())
}

fn sizes(out: &mut String, object: &Object, all: &Encoded, seconds: f64) -> crate::Outcome {
    let bytes =
        |variables| -> Result<Encoded, _> { encode(object, &Options { variables, ..Options::default() }) };
    let (none, lean) = (bytes(Variables::None)?, bytes(Variables::Lean)?);
    writeln!(out, "{HEAD}out{HEAD:#}   in {:.1} ms", seconds * 1e3)?;
    for (what, encoded) in
        [("types and functions", &none), ("--vars lean", &lean), ("--vars all --function-statics", all)]
    {
        let variables: usize = encoded.report.variables.iter().map(|section| section.variables).sum();
        writeln!(out, "      {what:<30} {:>5} bytes   {variables:>2} variables", encoded.bytes.len())?;
    }
    out.push('\n');
    Ok(())
}

/// The variables by place, those without one last.
fn variables(out: &mut String, btf: &Btf<'_>) {
    let _ = writeln!(out, "{HEAD}variables at         bytes{HEAD:#}");
    let sections: Vec<(Type<'_>, SectionEntry)> = btf
        .types()
        .filter(|ty| ty.kind() == Kind::DataSec)
        .flat_map(|section| section.section_entries().map(move |entry| (section, entry)))
        .collect();
    for (section, entry) in &sections {
        let Ok(variable) = btf.get(entry.variable) else { continue };
        let place = format!("{}+{:#x}", section.name_str(), entry.offset);
        variable_line(out, btf, variable, &place, &entry.size.to_string());
    }
    let placed = |ty: &Type<'_>| sections.iter().any(|(_, entry)| entry.variable == ty.id());
    for variable in btf.types().filter(|ty| ty.kind() == Kind::Var && !placed(ty)) {
        variable_line(out, btf, variable, "", "");
    }
    out.push('\n');
}

fn variable_line(out: &mut String, btf: &Btf<'_>, variable: Type<'_>, place: &str, size: &str) {
    let linkage = if variable.linkage() == Some(Linkage::Static) { "static " } else { "" };
    let text = format!("{linkage}{};", declaration(btf, variable));
    let name = variable.name_str();
    let remark = REMARKS.iter().find(|(known, _)| *known == name).map_or("", |(_, remark)| remark);
    let line = format!("  {place:<18} {size:>5}  {text:<36}");
    let _ = if remark.is_empty() {
        writeln!(out, "{}", line.trim_end())
    } else {
        writeln!(out, "{line} {FAINT}{remark}{FAINT:#}")
    };
}

fn declaration(btf: &Btf<'_>, ty: Type<'_>) -> String {
    declare(btf, ty.type_id().unwrap_or_default(), &ty.name_str())
}

fn left_out(out: &mut String, object: &Object) -> crate::Outcome {
    for name in ["charge", "reset"] {
        let options = Options { explain: Some(name.to_owned()), ..Options::default() };
        for line in encode(object, &options)?.report.explanations.iter().take(1) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn verdict(out: &mut String, bytes: &[u8]) {
    let broken: u64 =
        [Profile::Vmlinux, Profile::Load].iter().map(|&profile| check(bytes, None, profile).total).sum();
    let rules = Rule::ALL.iter().filter(|rule| !rule.is_of_ext()).count();
    let _ = if broken == 0 {
        writeln!(out, "  all {rules} rules of the kernel's verifier hold\n")
    } else {
        writeln!(out, "  {broken} breaches of the kernel's verifier's {rules} rules\n")
    };
}
