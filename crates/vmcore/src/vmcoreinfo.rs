//! VMCOREINFO: what the kernel writes about itself for those who read its dump, as lines of `KEY=VALUE`.

use crate::{Machine, PhysicalAddress, VirtualAddress};
use std::collections::HashMap;

/// The lines of VMCOREINFO. The kernel has one page for them and drops what does not fit: any key may be missing.
#[derive(Clone, Debug)]
pub struct VmcoreInfo {
    text: String,
    /// By key: where its value is in the text.
    values: HashMap<String, std::ops::Range<usize>>,
    /// Where it was found.
    pub origin: Origin,
}

/// Where VMCOREINFO was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In a note.
    Note,
    /// In the sub-header of a kdump-compressed dump.
    SubHeader,
    /// In the memory itself, at the start of a page.
    Memory(PhysicalAddress),
}

impl VmcoreInfo {
    /// Reads the lines; bytes that are no UTF-8, and what follows a NUL, are left out.
    pub fn parse(bytes: &[u8], origin: Origin) -> Self {
        let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut values = HashMap::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            if let Some((key, value)) = content.split_once('=') {
                let start = at + key.len() + 1;
                values.insert(key.to_owned(), start..start + value.len());
            }
            at += line.len();
        }
        Self { text, values, origin }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.text.get(self.values.get(key)?.clone())
    }

    /// `OSRELEASE`: the kernel's release.
    pub fn release(&self) -> Option<&str> {
        self.get("OSRELEASE")
    }

    /// `PAGESIZE`, in bytes, if it is one that a machine can have.
    pub fn page_size(&self) -> Option<u64> {
        self.get("PAGESIZE")?
            .parse()
            .ok()
            .filter(|size: &u64| size.is_power_of_two() && (4096..=65536).contains(size))
    }

    /// `SYMBOL(name)`: an address.
    pub fn symbol(&self, name: &str) -> Option<VirtualAddress> {
        hexadecimal(self.get(&format!("SYMBOL({name})"))?).map(VirtualAddress)
    }

    /// All `SYMBOL(name)`, in no order.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, VirtualAddress)> {
        self.values.keys().filter_map(|key| {
            let name = key.strip_prefix("SYMBOL(")?.strip_suffix(')')?;
            Some((name, self.symbol(name)?))
        })
    }

    /// `NUMBER(name)`: decimal, signed or not, or hexadecimal with a prefix. Its 64 bits.
    pub fn number(&self, name: &str) -> Option<u64> {
        let text = self.get(&format!("NUMBER({name})"))?.trim();
        if text.starts_with("0x") {
            return hexadecimal(text);
        }
        text.parse::<i128>().ok().map(|number| number as u64)
    }

    /// `SIZE(name)`: the size of a type in bytes.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.get(&format!("SIZE({name})"))?.parse().ok()
    }

    /// `OFFSET(type.member)`, in bytes.
    pub fn offset(&self, member: &str) -> Option<u64> {
        self.get(&format!("OFFSET({member})"))?.parse().ok()
    }

    /// `LENGTH(name)`: the number of elements of an array.
    pub fn length(&self, name: &str) -> Option<u64> {
        self.get(&format!("LENGTH({name})"))?.parse().ok()
    }

    /// `KERNELOFFSET`: how far the kernel was moved at boot, in bytes. Addresses in VMCOREINFO include it.
    pub fn kernel_offset(&self) -> Option<u64> {
        hexadecimal(self.get("KERNELOFFSET")?)
    }

    /// The machine, told by the keys that only its kernel writes.
    pub fn machine(&self) -> Option<Machine> {
        let has = |key: &str| self.values.contains_key(key);
        if has("NUMBER(phys_base)") || has("NUMBER(pgtable_l5_enabled)") || has("SYMBOL(phys_base)") {
            Some(Machine::X86_64)
        } else if has("NUMBER(kimage_voffset)") {
            Some(Machine::Aarch64)
        } else if has("NUMBER(va_kernel_pa_offset)") || has("NUMBER(KERNEL_LINK_ADDR)") {
            Some(Machine::Riscv64)
        } else if has("SYMBOL(lowcore_ptr)") {
            Some(Machine::S390x)
        } else {
            None
        }
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    let text = text.trim();
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_the_kernel_writes_them() {
        let text = b"OSRELEASE=6.12.1\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\nNUMBER(phys_base)=-16777216\n\
            NUMBER(kimage_voffset)=0xffff800080000000\nOFFSET(list_head.next)=0\nKERNELOFFSET=1c000000\nno line\n\
            CRASHTIME=17\0OSRELEASE=other\n";
        let info = VmcoreInfo::parse(text, Origin::Note);
        assert_eq!((info.release(), info.page_size()), (Some("6.12.1"), Some(4096)));
        assert_eq!(info.symbol("_stext"), Some(VirtualAddress(0xffff_ffff_8100_0000)));
        assert_eq!(info.number("phys_base"), Some(0xffff_ffff_ff00_0000));
        assert_eq!(info.number("kimage_voffset"), Some(0xffff_8000_8000_0000));
        assert_eq!((info.offset("list_head.next"), info.kernel_offset()), (Some(0), Some(0x1c00_0000)));
        assert_eq!(
            (info.get("CRASHTIME"), info.get("no line"), info.symbol("absent")),
            (Some("17"), None, None)
        );
    }
}
