//! What a side file says of the kernel or module that it was made of.
//!
//! BTF has no room for it but in names, so it is in declaration tags, on the first variable: readers that do not know them
//! show them as tags, and every rewriting keeps them. Ids and offsets of names count from the end of a base, and mean nothing on
//! another one; the text of the tags is found without a base.
//!
//! | tag | what it says |
//! |---|---|
//! | `btfkit:build_id=7f76f39f…` | the build ID (`NT_GNU_BUILD_ID`) of the file with the DWARF |
//! | `btfkit:module=veth` | that file is this module, not the kernel |
//! | `btfkit:base=2886410987,4687582` | the base: what `cksum` prints of it, a CRC and the number of bytes |
//!
//! The first two say where the variables come from, and stay whatever becomes of the BTF. The third is of what ids and offsets
//! stand on: [`crate::distill`] and [`crate::relocate`], which put it on another base, say that one.

use std::fmt::Write;

use crate::{Btf, Header};

const BUILD_ID: &[u8] = b"btfkit:build_id=";
const MODULE: &[u8] = b"btfkit:module=";
const BASE: &[u8] = b"btfkit:base=";

/// What a side file was made of. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The build ID of the file with the DWARF, in hexadecimal.
    pub build_id: Option<String>,
    /// The module that the file is.
    pub module: Option<String>,
    /// The BTF that the side file is split on.
    pub base: Option<Checksum>,
}

/// What `cksum` (POSIX) prints of a BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// A CRC of the bytes and of their number.
    pub crc: u32,
    /// The number of bytes.
    pub length: u64,
}

impl Provenance {
    /// The texts of the tags.
    pub fn tags(&self) -> Vec<Vec<u8>> {
        let base = self.base.map(Checksum::text);
        [(BUILD_ID, &self.build_id), (MODULE, &self.module), (BASE, &base)]
            .into_iter()
            .filter_map(|(key, value)| Some([key, value.as_deref()?.as_bytes()].concat()))
            .collect()
    }

    /// What a BTF says, whatever base it is on. Where several were merged that say different things, it says nothing of that.
    pub fn of(btf: &[u8]) -> Self {
        let mut found = Self::default();
        let Ok(header) = Header::parse(btf) else { return found };
        let strings = header.range("strings", header.string_offset, header.string_length, btf.len());
        let Some(strings) = strings.ok().and_then(|range| btf.get(range)) else { return found };
        let only = |key: &[u8]| {
            let mut values = strings.split(|&byte| byte == 0).filter_map(|string| string.strip_prefix(key));
            let first = values.next()?;
            values.all(|other| other == first).then(|| std::str::from_utf8(first).ok())?
        };
        found.build_id = only(BUILD_ID).map(str::to_owned);
        found.module = only(MODULE).map(str::to_owned);
        found.base = only(BASE).and_then(|base| {
            let (crc, length) = base.split_once(',')?;
            Some(Checksum { crc: crc.parse().ok()?, length: length.parse().ok()? })
        });
        found
    }
}

/// Whether the text of a tag says what a BTF is split on.
pub(crate) fn names_base(tag: &[u8]) -> bool {
    tag.starts_with(BASE)
}

/// The text of the tag of a BTF that is split on `base`.
pub(crate) fn base_tag(base: &Btf<'_>) -> Vec<u8> {
    [BASE, Checksum::of_btf(base.bytes()).text().as_bytes()].concat()
}

/// A build ID in hexadecimal, as `file` and VMCOREINFO write it.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Checksum {
    fn text(self) -> String {
        format!("{},{}", self.crc, self.length)
    }

    /// That of a BTF: from its header to the end of its last section. What an ELF section has behind that does not count.
    pub fn of_btf(btf: &[u8]) -> Self {
        let end = Header::parse(btf).ok().and_then(|header| usize::try_from(header.end()).ok());
        Self::of(&btf[..end.unwrap_or(btf.len()).min(btf.len())])
    }

    /// That of any bytes: a CRC of them and, after them, of their number, least significant byte first.
    pub fn of(bytes: &[u8]) -> Self {
        let mut length = bytes.len();
        let mut crc = bytes.iter().fold(0, |crc, byte| step(crc, *byte));
        while length > 0 {
            crc = step(crc, (length & 0xff) as u8);
            length >>= 8;
        }
        Self { crc: !crc, length: bytes.len() as u64 }
    }
}

fn step(crc: u32, byte: u8) -> u32 {
    (crc << 8) ^ TABLE[(crc >> 24) as usize ^ usize::from(byte)]
}

/// By the byte that is shifted out.
const TABLE: [u32; 256] = {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, ByteOrder, IntEncoding, Linkage};
    use std::sync::Arc;

    #[test]
    fn the_checksum_is_that_of_posix() {
        // What cksum prints for no input, and for these nine characters.
        assert_eq!(Checksum::of(b"").crc, 4_294_967_295);
        assert_eq!(Checksum::of(b"123456789"), Checksum { crc: 930_766_865, length: 9 });
    }

    #[test]
    fn what_is_written_is_read_also_without_its_base() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let mut builder = Builder::new(order);
            let name = builder.string(b"int");
            let int = builder.int(name, 4, IntEncoding::signed(32));
            let base = builder.finish().unwrap();
            let checksum = Checksum::of_btf(&base);
            assert_eq!(Checksum::of_btf(&[&base[..], &[0; 7]].concat()), checksum, "padding");
            let mut builder = Builder::split(Arc::new(Btf::parse(base).unwrap()));
            let name = builder.string(b"jiffies");
            let variable = builder.variable(name, int, Linkage::Global);
            let said = Provenance {
                build_id: Some(hexadecimal(&[0x0a, 0xff])),
                module: Some("veth".into()),
                base: Some(checksum),
            };
            for tag in said.tags() {
                let tag = builder.string(&tag);
                builder.decl_tag(tag, variable, -1);
            }
            let side = builder.finish().unwrap();
            assert_eq!(said.build_id.as_deref(), Some("0aff"));
            assert_eq!(Provenance::of(&side), said);
            assert_eq!(Provenance::of(&side[..20]), Provenance::default());
        }
    }
}
