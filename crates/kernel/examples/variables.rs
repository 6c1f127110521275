//! Where a dump's variables are: `variables DUMP [SIDE-FILE] <NAMES`, a line for each variable of each name.

use std::io::BufRead;

use btfkit_kernel::{Address, Kernel, Options};
use btfkit_vmcore::Dump;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = std::env::args().skip(1);
    let dump = Dump::open(&[files.next().ok_or("which dump?")?])?;
    let mut options = Options::default();
    for file in files {
        options.side_files.push((file.clone(), std::fs::read(file)?));
    }
    let start = std::time::Instant::now();
    let kernel = Kernel::new(dump, options);
    let symbols = kernel.symbols()?.len();
    let after_symbols = start.elapsed();
    kernel.types()?;
    eprintln!("{symbols} symbols in {after_symbols:?}, types after {:?}:", start.elapsed());
    for source in kernel.type_sources() {
        eprintln!("  {:<24} {:>7} types", source.name, source.btf.type_count());
    }
    for line in std::io::stdin().lock().lines() {
        let name = line?;
        for variable in kernel.variables(&name) {
            let text = variable.ctype.declare(&name);
            let (place, address) = match variable.address {
                Some(Address::Global(address)) => ("", address.0),
                Some(Address::PerCpu(address)) => ("per-CPU ", address.0),
                None => ("nowhere ", 0),
            };
            println!("{name}\t{place}{address:x}\t{}\t{text}", variable.size.unwrap_or(0));
        }
    }
    Ok(())
}
