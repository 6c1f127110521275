//! Header, sections and strings.

use super::{Findings, Profile, Rule};
use crate::header::Header;
use crate::{Btf, ByteOrder};

/// Size in bytes of the largest blob that can be loaded.
const LOAD_LIMIT: usize = 16 << 20;
/// The largest string offset.
pub(super) const NAME_OFFSET_MAX: u32 = 0xff_ffff;

pub(super) fn check(findings: &mut Findings, data: &[u8], base: Option<&Btf<'_>>) {
    if findings.options.profile == Profile::Load && data.len() > LOAD_LIMIT {
        findings.blob(Rule::BlobSize, format_args!("{} bytes", data.len()));
    }
    let Some(header) = header(findings, data) else { return };
    sections(findings, data, &header);
    let strings = section(data, &header, header.string_offset, header.string_length);
    check_strings(findings, strings, base.is_some());
    if header.type_offset % 4 != 0 {
        findings.blob(Rule::TypesAligned, format_args!("offset {}", header.type_offset));
    }
    if header.type_length == 0 && base.is_none() {
        findings.blob(Rule::TypesPresent, format_args!(""));
    }
}

/// The bytes of a section, as far as there are any.
fn section<'a>(data: &'a [u8], header: &Header, offset: u32, length: u32) -> &'a [u8] {
    header.range("", offset, length, data.len()).map_or(&[], |range| &data[range])
}

fn header(findings: &mut Findings, data: &[u8]) -> Option<Header> {
    let &[a, b, version, flags, ..] = data else {
        findings.blob(Rule::Header, format_args!("{} bytes", data.len()));
        return None;
    };
    let order = match u16::from_le_bytes([a, b]) {
        Header::MAGIC => ByteOrder::Little,
        swapped if swapped.swap_bytes() == Header::MAGIC => ByteOrder::Big,
        magic => {
            findings.blob(Rule::Magic, format_args!("{magic:#06x}"));
            return None;
        }
    };
    if version != 1 {
        findings.blob(Rule::Version, format_args!("{version}"));
        return None;
    }
    if flags != 0 {
        findings.blob(Rule::Flags, format_args!("{flags:#04x}"));
    }
    let Ok(header) = Header::parse(data) else {
        findings.blob(Rule::Header, format_args!("length {}, {} bytes", order.word(data, 1), data.len()));
        return None;
    };
    let known = if findings.is_classic() { Header::CLASSIC } else { Header::WITH_LAYOUT };
    let tail = data[..header.length as usize].get(known as usize..).unwrap_or_default();
    if tail.iter().any(|&byte| byte != 0) {
        findings.blob(Rule::HeaderTail, format_args!("header length {}", header.length));
    }
    Some(header)
}

/// The sections cover all that follows the header, each byte once.
fn sections(findings: &mut Findings, data: &[u8], header: &Header) {
    let mut sections = vec![
        ("type", header.type_offset, header.type_length),
        ("string", header.string_offset, header.string_length),
    ];
    if !findings.is_classic() && header.length >= Header::WITH_LAYOUT {
        check_layout(findings, header);
        sections.push(("layout", header.layout_offset, header.layout_length));
    } else if u64::from(header.string_offset) + u64::from(header.string_length)
        != (data.len() - header.length as usize) as u64
    {
        findings.blob(Rule::StringsLast, format_args!(""));
    }
    // An empty layout section is none at all, wherever it is said to be.
    sections.retain(|&(name, _, length)| name != "layout" || length != 0);
    sections.sort_by_key(|section| (section.1, section.2));
    let end = (data.len() - header.length as usize) as u64;
    let mut covered = 0u64;
    for (name, offset, length) in sections {
        let (start, stop) = (u64::from(offset), u64::from(offset) + u64::from(length));
        let detail = format_args!("{name} section, offset {offset}, {length} bytes");
        if stop > end {
            findings.blob(Rule::SectionInside, detail);
        } else if start > covered {
            findings.blob(Rule::SectionGap, detail);
        } else if start < covered {
            findings.blob(Rule::SectionOverlap, detail);
        }
        covered = covered.max(stop);
    }
    if covered < end {
        findings.blob(Rule::SectionTail, format_args!("{} bytes", end - covered));
    }
}

fn check_layout(findings: &mut Findings, header: &Header) {
    let Header { layout_offset: offset, layout_length: length, .. } = *header;
    if length != 0 && (offset % 4 != 0 || length % 4 != 0) {
        findings.blob(Rule::Layout, format_args!("offset {offset}, {length} bytes"));
    }
}

fn check_strings(findings: &mut Findings, strings: &[u8], split: bool) {
    let (Some(&first), Some(&last)) = (strings.first(), strings.last()) else {
        if !split {
            findings.blob(Rule::StringsPresent, format_args!(""));
        }
        return;
    };
    if strings.len() as u64 - 1 > u64::from(NAME_OFFSET_MAX) {
        findings.blob(Rule::StringsLength, format_args!("{} bytes", strings.len()));
    }
    if last != 0 {
        findings.blob(Rule::StringsEnd, format_args!(""));
    }
    if first != 0 && !split {
        findings.blob(Rule::StringsFirst, format_args!(""));
    }
}
