//! What identifies a file, and its companions: notes, `.gnu_debuglink`, `.gnu_debugaltlink`.

use super::header::Header;

/// `NT_GNU_BUILD_ID`: bytes that differ for any two links.
pub(crate) const GNU_BUILD_ID: (&[u8], u32) = (b"GNU", 3);

/// `LINUX_ELFNOTE_LTO_INFO` of the kernel's include/linux/elfnote-lto.h: was the kernel built with link-time
/// optimisation?
pub(crate) const LINUX_LTO_INFO: (&[u8], u32) = (b"Linux", 0x101);

/// The name of a separate debug file, with the checksum of its content (`.gnu_debuglink`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebugLink<'a> {
    /// A file name without directories.
    pub name: &'a [u8],
    /// CRC-32 (ISO-HDLC, as zlib's) of the whole debug file.
    pub crc: u32,
}

/// The file with the parts that several debug files share, as dwz makes it (`.gnu_debugaltlink`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlternateLink<'a> {
    /// A path, absolute or relative to the directory of the file that has the link.
    pub path: &'a [u8],
    /// The build id of the alternate file.
    pub build_id: &'a [u8],
}

/// Finds the content of a note by owner and type. `alignment` is that of the section or segment: notes are aligned
/// to 4 bytes, except in those few that say 8.
pub(crate) fn find_note<'a>(
    header: &Header,
    notes: &'a [u8],
    alignment: u64,
    (owner, kind): (&[u8], u32),
) -> Option<&'a [u8]> {
    let align = |size: usize| size.checked_next_multiple_of(if alignment == 8 { 8 } else { 4 });
    let mut position = 0usize;
    loop {
        let name_size = header.u32_at(notes, position)? as usize;
        let content_size = header.u32_at(notes, position + 4)? as usize;
        let note_kind = header.u32_at(notes, position + 8)?;
        let name_start = position + 12;
        let name = notes.get(name_start..name_start.checked_add(name_size)?)?;
        let content_start = align(name_start.checked_add(name_size)?)?;
        let content_end = content_start.checked_add(content_size)?;
        let content = notes.get(content_start..content_end)?;
        if note_kind == kind && name.strip_suffix(b"\0").unwrap_or(name) == owner {
            return Some(content);
        }
        position = align(content_end)?;
    }
}

/// Reads `.gnu_debuglink`: the name, NUL, padding to 4 bytes, the checksum in the file's byte order.
pub(crate) fn debug_link<'a>(header: &Header, content: &'a [u8]) -> Option<DebugLink<'a>> {
    let length = memchr::memchr(0, content)?;
    let crc = header.u32_at(content, (length + 1).next_multiple_of(4))?;
    let name = &content[..length];
    (!name.is_empty() && !name.contains(&b'/')).then_some(DebugLink { name, crc })
}

/// Reads `.gnu_debugaltlink`: the path, NUL, the build id.
pub(crate) fn alternate_link(content: &[u8]) -> Option<AlternateLink<'_>> {
    let length = memchr::memchr(0, content)?;
    let (path, build_id) = (&content[..length], &content[length + 1..]);
    (!path.is_empty() && !build_id.is_empty()).then_some(AlternateLink { path, build_id })
}

/// Reads `.debug_sup` (DWARF 5, 7.3.6): version, whether this file is the one that others share, its name, and a
/// checksum that both files have. The link of a file that shares; the name is empty in the shared file itself.
pub(crate) fn supplementary_link<'a>(
    header: &Header,
    content: &'a [u8],
) -> Option<(bool, AlternateLink<'a>)> {
    let order = header.endian == ::object::Endianness::Big;
    let version = content.first_chunk::<2>()?;
    let version = if order { u16::from_be_bytes(*version) } else { u16::from_le_bytes(*version) };
    let is_shared = *content.get(2)? != 0;
    let rest = content.get(3..).filter(|_| version == 5)?;
    let length = memchr::memchr(0, rest)?;
    let (path, rest) = (&rest[..length], &rest[length + 1..]);
    let (&size, checksum) = rest.split_first()?;
    // A checksum of 128 bytes and more would need a longer length.
    let build_id = checksum.get(..usize::from(size)).filter(|_| (1..128).contains(&size))?;
    Some((is_shared, AlternateLink { path, build_id }))
}
