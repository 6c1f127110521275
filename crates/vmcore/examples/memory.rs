//! Reads a dump's memory: `memory FILE… <ADDRESSES`, a line `ADDRESS LENGTH` each, hexadecimal; prints the bytes, or why
//! there are none. With a `p` before the address it is a physical one.

use std::io::BufRead;

use btfkit_vmcore::{Dump, Memory, PhysicalAddress, VirtualAddress};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let memory = Memory::new(Dump::open(&files)?);
    let dump = memory.dump();
    eprintln!("{:?}, {}, {} processors' registers", dump.format(), dump.machine(), dump.registers().count());
    if let Some(info) = dump.vmcoreinfo() {
        eprintln!("{} by {:?}", info.release().unwrap_or("?"), info.origin);
    }
    match memory.page_tables() {
        Ok(tables) => eprintln!("page tables of {} levels at {}", tables.levels(), tables.root()),
        Err(error) => eprintln!("{error}"),
    }
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((address, length)) = line.split_once(' ') else { continue };
        let number =
            |text: &str| u64::from_str_radix(text.trim_start_matches('p').trim_start_matches("0x"), 16);
        let (at, length) = (number(address)?, number(length)?);
        let bytes = if address.starts_with('p') {
            let mut bytes = vec![0; length as usize];
            dump.read_physical(PhysicalAddress(at), &mut bytes).map(|()| bytes)
        } else {
            memory.bytes(VirtualAddress(at), length as usize)
        };
        match bytes {
            Ok(bytes) => println!("{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
