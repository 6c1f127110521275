//! `sym`: names to addresses, and back.

use crate::debug::Session;

pub(in crate::debug) fn sym(session: &Session, text: &str) -> crate::Outcome {
    if text.is_empty() {
        return Err("sym wants a name or an address: sym jiffies".into());
    }
    let named = session.kernel.symbols_named(text);
    let mut found: Vec<_> = named.map(|(symbol, module)| (symbol, 0, module)).collect();
    if found.is_empty() {
        session.kernel.symbols()?;
        let address = super::address(session, text)?;
        found.extend(session.kernel.symbol_at(address));
    }
    if found.is_empty() {
        return Err(format!("{text} is in no symbol of the kernel or a module").into());
    }
    let rows: Vec<_> = found
        .iter()
        .map(|(symbol, offset, module)| {
            serde_json::json!({
                "name": symbol.name, "address": symbol.address.to_string(), "kind": symbol.kind, "offset": offset,
                "module": module,
            })
        })
        .collect();
    session.answer(&rows, || {
        let line = |(symbol, offset, module): &(btfkit_kernel::Symbol<'_>, u64, Option<&str>)| {
            let behind = if *offset == 0 { String::new() } else { format!("+{offset:#x}") };
            let module = module.map_or_else(String::new, |module| format!(" [{module}]"));
            format!("{:016x} {} {}{behind}{module}\n", symbol.address.0, symbol.kind, symbol.name)
        };
        found.iter().map(line).collect()
    })
}
