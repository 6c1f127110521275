//! `sym`: names to addresses, and back.

use crate::debug::Session;

pub(in crate::debug) fn sym(session: &Session, text: &str) -> crate::Outcome {
    if text.is_empty() {
        return Err("sym wants a name or an address: sym jiffies".into());
    }
    let symbols = session.kernel.symbols()?;
    let mut found: Vec<_> = symbols.named(text).map(|symbol| (symbol, 0)).collect();
    if found.is_empty() {
        let address = super::address(session, text)?;
        found.extend(session.kernel.symbol_at(address));
    }
    if found.is_empty() {
        return Err(format!("{text} is in no symbol of the kernel's image").into());
    }
    let rows: Vec<_> = found
        .iter()
        .map(|(symbol, offset)| {
            serde_json::json!({
                "name": symbol.name, "address": symbol.address.to_string(), "kind": symbol.kind, "offset": offset,
            })
        })
        .collect();
    session.answer(&rows, || {
        let line = |(symbol, offset): &(btfkit_kernel::Symbol<'_>, u64)| {
            let behind = if *offset == 0 { String::new() } else { format!("+{offset:#x}") };
            format!("{:016x} {} {}{behind}\n", symbol.address.0, symbol.kind, symbol.name)
        };
        found.iter().map(line).collect()
    })
}
