//! Side files: BTF of variables that the user gives beside the dump. One that was made for another kernel would name other
//! types by its ids and be wrong without a sign of it: it is refused.
//!
//! A side file says of which kernel or module it was made ([`Provenance`]). The build ID decides, where both sides have one; else
//! the checksum of the BTF that it was made on. One that says nothing is judged by what it refers to.

use std::sync::{Arc, OnceLock};

use btfkit_btf::check::{self, Profile};
use btfkit_btf::provenance::{Checksum, Provenance, hexadecimal};
use btfkit_btf::{Btf, fit};
use btfkit_vmcore::{Memory, VirtualAddress};

use crate::error::{Error, Result};
use crate::symbols::{Symbols, modules};
use crate::types::TypeSource;

/// Longest section of notes that is believed, in bytes: kernels have a few hundred.
const LONGEST_NOTES: u64 = 64 << 10;

/// Opens a side file on the kernel's own BTF.
pub(crate) fn open(
    name: &str,
    bytes: &[u8],
    base: &Arc<Btf<'static>>,
    memory: &Memory,
    symbols: Option<&Symbols>,
) -> Result<TypeSource> {
    let wrong = |reason: String| Error::WrongSideFile { file: name.to_owned(), reason };
    let told = Provenance::of(bytes);
    let loaded_modules = symbols.and_then(|symbols| symbols.find("modules"));
    let known = match &told.module {
        // It cannot be told what is loaded.
        Some(_) if loaded_modules.is_none() => None,
        Some(module) => {
            let loaded =
                loaded_modules.and_then(|head| modules::build_id(memory, head.address, base, module));
            loaded.ok_or_else(|| {
                wrong(format!("was made of module {module}, which is not loaded in the dump"))
            })?
        }
        None => build_id(memory, symbols),
    };
    if let (Some(id), Some(known)) = (&told.build_id, &known)
        && id != known
    {
        let of = told.module.as_ref().map_or_else(|| "a kernel".to_owned(), |module| format!("a {module}"));
        return Err(wrong(format!("was made of {of} with build ID {id}; the dump's has {known}")));
    }
    // A module's types stand on the kernel's, whatever its own build ID is.
    if let Some(made_on) = told.base {
        let own = Checksum::of_btf(base.bytes());
        if made_on != own {
            return Err(wrong(format!(
                "was made on a base whose cksum is {} {}; that of the BTF in the dump is {} {}",
                made_on.crc, made_on.length, own.crc, own.length
            )));
        }
    }
    let report = check::check(bytes, Some(base), Profile::Vmlinux);
    if let Some(first) = report.violations.first() {
        return Err(wrong(format!("was not made for this kernel, or is damaged: {first}")));
    }
    let btf = Btf::parse_split(bytes.to_vec(), base.clone());
    let btf = btf.map_err(|error| Error::Btf { of: name.into(), error })?;
    if let Some(misfit) = fit::misfit(&btf) {
        return Err(wrong(format!("was not made for this kernel: {misfit}")));
    }
    Ok(TypeSource {
        name: name.into(),
        address: None,
        btf: Arc::new(btf),
        module: told.module,
        placement: OnceLock::new(),
    })
}

/// The kernel's build ID in hexadecimal: as VMCOREINFO has it (since Linux 5.9), or the kernel's own notes.
pub(crate) fn build_id(memory: &Memory, symbols: Option<&Symbols>) -> Option<String> {
    let told = memory.dump().vmcoreinfo().and_then(|info| info.get("BUILD-ID"));
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        return Some(told.to_ascii_lowercase());
    }
    let symbols = symbols?;
    let place = |name| symbols.find(name).map(|symbol| symbol.address.0);
    let (start, stop) = (place("__start_notes")?, place("__stop_notes")?);
    let length = stop.checked_sub(start).filter(|&length| length <= LONGEST_NOTES)?;
    let bytes = memory.bytes(VirtualAddress(start), length as usize).ok()?;
    let notes = btfkit_vmcore::Note::parse(&bytes, memory.byte_order());
    let found = notes.iter().find(|note| note.name == b"GNU" && note.kind == modules::NT_GNU_BUILD_ID)?;
    Some(hexadecimal(&found.content))
}
