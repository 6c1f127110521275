//! Deduplicates BTF files, all taken together and each as often as told, and prints what it took.
//!
//! `deduplicate COPIES FILE... [-o OUTPUT]`

use btfkit_btf::{Btf, dedup, merge::merge};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let output = match args.iter().position(|arg| arg == "-o") {
        Some(at) => args.drain(at..).nth(1),
        None => None,
    };
    let [copies, files @ ..] = &args[..] else {
        return Err("usage: deduplicate COPIES FILE... [-o OUTPUT]".into());
    };
    let files: Vec<Vec<u8>> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let btfs: Vec<Btf<'_>> = files.iter().map(|file| Btf::parse(&file[..])).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let all: Vec<&Btf<'_>> = (0..copies.parse()?).flat_map(|_| &btfs).collect();
    let bytes = merge(&all, false, |_, _| Vec::new())?.builder.finish()?;
    println!("merge       {:?}, {} MB", start.elapsed(), bytes.len() >> 20);
    let start = Instant::now();
    let btf = Btf::parse(bytes)?;
    println!("open        {:?}, {} types", start.elapsed(), btf.type_count());
    // Makes the peak counted from here on.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = resident();
    let start = Instant::now();
    let deduplication = dedup::deduplicate(&btf)?;
    println!("deduplicate {:?}, peak {} -> {} MB", start.elapsed(), before >> 10, resident() >> 10);
    let again = (0..9).map(|_| {
        let start = Instant::now();
        dedup::deduplicate(&btf).map(|_| start.elapsed())
    });
    println!("  best of 9 {:?}", again.collect::<Result<Vec<_>, _>>()?.iter().min());
    let start = Instant::now();
    let rewritten = deduplication.rewrite(&btf)?.builder.finish()?;
    println!("rewrite     {:?}, {} bytes", start.elapsed(), rewritten.len());
    let report = &deduplication.report;
    println!(
        "{} -> {} types; {} forward declarations resolved, {} left; {} ambiguous names",
        report.types_in,
        report.types_out,
        report.forwards_resolved,
        report.forwards_left,
        report.ambiguous.len()
    );
    for each in &report.ambiguous {
        println!("  {} {}: {:?}", each.kind, btf.str(each.name)?, each.variants);
    }
    if let Some(output) = output {
        std::fs::write(output, rewritten)?;
    }
    Ok(())
}

/// Peak resident memory so far in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
