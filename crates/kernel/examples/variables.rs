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
    let types = kernel.types()?;
    eprintln!("{symbols} symbols in {after_symbols:?}, types after {:?}:", start.elapsed());
    for source in types.sources() {
        eprintln!("  {:<24} {:>7} types", source.name, source.btf.type_count());
    }
    for line in std::io::stdin().lock().lines() {
        let name = line?;
        for variable in kernel.variables(&name)? {
            let btf = &types.sources()[variable.source].btf;
            let text = btfkit_btf::declaration::declare(btf, variable.type_id, &name);
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
