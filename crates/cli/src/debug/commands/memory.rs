//! `rd`, `vtop`, `search`: memory as it is.

use std::fmt::Write;

use btfkit_vmcore::{Memory, VirtualAddress};

use crate::debug::Session;

/// Units that one command prints, at most.
const MOST: u64 = 1 << 20;
/// Places that `search` prints, at most.
const MOST_FOUND: usize = 1_000_000;

pub(in crate::debug) fn rd(session: &Session, text: &str) -> crate::Outcome {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let mut bits = 64;
    if let Some(width) = words.first().and_then(|word| word.strip_prefix('-')) {
        bits = match width {
            "8" => 8,
            "16" => 16,
            "32" => 32,
            "64" => 64,
            other => return Err(format!("there is no width -{other}: -8, -16, -32 and -64 are").into()),
        };
        words.remove(0);
    }
    let count = match &words[..] {
        [_] => 1,
        [_, count] => count.parse().map_err(|_| format!("{count} is no number of units"))?,
        _ => return Err("rd wants an address: rd jiffies 4".into()),
    };
    let start = super::address(session, words[0])?;
    let (memory, size) = (session.kernel.memory(), bits / 8);
    let per_line = 16 / size;
    if count > MOST {
        return Err(format!("rd prints {MOST} units at most, not {count}").into());
    }
    let mut line = String::new();
    let mut rows = Vec::new();
    let mut failure = None;
    for index in 0..count {
        let place = VirtualAddress(start.0.wrapping_add(index * size));
        let mut bytes = [0; 8];
        if let Err(error) = memory.read(place, &mut bytes[..size as usize]) {
            failure = Some(error);
            break;
        }
        let order = memory.byte_order();
        let number = match size {
            1 => u64::from(bytes[0]),
            2 => u64::from(order.u16(&bytes, 0)),
            4 => u64::from(order.u32(&bytes, 0)),
            _ => order.u64(&bytes, 0),
        };
        if session.json {
            rows.push(format!("{number:#x}"));
            continue;
        }
        if index % per_line == 0 {
            put_line(session, &mut line)?;
            let _ = write!(line, "{:016x}: ", place.0);
        }
        let _ = write!(line, " {number:0width$x}", width = size as usize * 2);
        if size == 8
            && let Some((symbol, offset, _)) = session.kernel.symbol_at(VirtualAddress(number))
        {
            let _ = write!(line, " <{}+{offset:#x}>", symbol.name);
        }
    }
    put_line(session, &mut line)?;
    if !rows.is_empty() {
        session.answer(&serde_json::json!({"address": start.to_string(), "units": rows}), String::new)?;
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Prints a line, if there is one.
fn put_line(session: &Session, line: &mut String) -> crate::Outcome {
    if line.is_empty() {
        return Ok(());
    }
    line.push('\n');
    session.put(&std::mem::take(line))
}

pub(in crate::debug) fn vtop(session: &Session, text: &str) -> crate::Outcome {
    let address = super::address(session, text)?;
    let mapping = session.kernel.memory().translate(address)?;
    let physical = mapping.physical.0 + (address.0 - mapping.start.0);
    let row = serde_json::json!({
        "virtual": address.to_string(), "physical": format!("{physical:#x}"), "page_size": mapping.size,
    });
    session.answer(&row, || {
        format!(
            "virtual {:#x}, physical {physical:#x}, in a page of {} KiB\n",
            address.0,
            mapping.size / 1024
        )
    })
}

/// Looks through the kernel's image, or from one address to another, at each aligned place.
pub(in crate::debug) fn search(session: &Session, text: &str) -> crate::Outcome {
    let words: Vec<&str> = text.split_whitespace().collect();
    let symbol = |name: &str| {
        let found = session.kernel.symbols()?.find(name).map(|symbol| symbol.address);
        found.ok_or_else(|| Box::<dyn std::error::Error>::from(format!("the kernel has no symbol {name}")))
    };
    let (wanted, start, end) = match &words[..] {
        [wanted] => (wanted, symbol("_stext")?, symbol("_end")?),
        [wanted, start, end] => (wanted, super::address(session, start)?, super::address(session, end)?),
        _ => return Err("search wants a number: search 0xdead4ead00000000".into()),
    };
    let wanted = super::address(session, wanted)?.0;
    let memory = session.kernel.memory();
    let mut found = Vec::new();
    for piece in memory.mapped(start.0..end.0) {
        let mut at = piece.start;
        while at < piece.end {
            memory.check_interrupt()?;
            let page = at..piece.end.min((at | 0xfff).saturating_add(1));
            for place in places_of(wanted, page.clone(), memory) {
                if found.len() == MOST_FOUND {
                    return Err(format!("it stands in more than {MOST_FOUND} places: search a part").into());
                }
                if !session.json {
                    session.put(&place_line(session, place))?;
                    session.show()?;
                }
                found.push(place);
            }
            at = page.end;
        }
    }
    memory.check_interrupt()?;
    let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
    session.answer(&rows, String::new)
}

/// Where a number stands in a page, or a part of it; what cannot be read holds nothing.
fn places_of(wanted: u64, part: std::ops::Range<u64>, memory: &Memory) -> Vec<VirtualAddress> {
    let order = memory.byte_order();
    let Some(start) = part.start.checked_next_multiple_of(8) else { return Vec::new() };
    let mut bytes = [0; 4096];
    let bytes = &mut bytes[..(part.end.saturating_sub(start) / 8 * 8) as usize];
    if memory.read(VirtualAddress(start), bytes).is_err() {
        return Vec::new();
    }
    let words = (0..bytes.len()).step_by(8).filter(|&index| order.u64(bytes, index) == wanted);
    words.map(|index| VirtualAddress(start + index as u64)).collect()
}

fn place_line(session: &Session, place: VirtualAddress) -> String {
    match session.kernel.symbol_at(place) {
        Some((symbol, offset, _)) => format!("{:016x} {}+{offset:#x}\n", place.0, symbol.name),
        None => format!("{:016x}\n", place.0),
    }
}
