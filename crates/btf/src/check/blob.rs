//! Header, sections and strings.

use super::{Feature, Findings, Profile, Rule};
use crate::header::Header;
use crate::{Btf, ByteOrder};

/// Size in bytes of the largest blob that can be loaded.
const LOAD_LIMIT: usize = 16 << 20;
/// The largest string offset.
pub(super) const NAME_OFFSET_MAX: u32 = 0xff_ffff;
/// The largest string offset of kernels that do not take [`Feature::ManyTypes`].
pub(super) const OLD_NAME_OFFSET_MAX: u32 = 0xffff;
/// Where the header tells where a section is, in bytes from its start.
const TYPE_FIELD: usize = 8;
const STRING_FIELD: usize = 16;
const LAYOUT_FIELD: usize = 24;

pub(super) fn check(findings: &mut Findings, data: &[u8], base: Option<&Btf<'_>>) {
    if findings.options.profile != Profile::Vmlinux && data.len() > LOAD_LIMIT {
        findings.blob(Rule::BlobSize, None, format_args!("{} bytes", data.len()));
    }
    let Some(header) = header(findings, data) else { return };
    sections(findings, data, &header);
    let strings = section(data, &header, header.string_offset, header.string_length);
    check_strings(findings, strings, base.is_some());
    if header.type_offset % 4 != 0 {
        findings.blob(Rule::TypesAligned, Some(TYPE_FIELD), format_args!("offset {}", header.type_offset));
    }
    if header.type_length == 0 && base.is_none() {
        findings.blob(Rule::TypesPresent, Some(TYPE_FIELD), format_args!(""));
    }
}

/// The bytes of a section, as far as there are any.
fn section<'a>(data: &'a [u8], header: &Header, offset: u32, length: u32) -> &'a [u8] {
    header.range("", offset, length, data.len()).map_or(&[], |range| &data[range])
}

fn header(findings: &mut Findings, data: &[u8]) -> Option<Header> {
    let &[a, b, version, flags, ..] = data else {
        findings.blob(Rule::Header, Some(0), format_args!("{} bytes", data.len()));
        return None;
    };
    let order = match u16::from_le_bytes([a, b]) {
        Header::MAGIC => ByteOrder::Little,
        swapped if swapped.swap_bytes() == Header::MAGIC => ByteOrder::Big,
        magic => {
            findings.blob(Rule::Magic, Some(0), format_args!("{magic:#06x}"));
            return None;
        }
    };
    if version != 1 {
        findings.blob(Rule::Version, Some(2), format_args!("{version}"));
        return None;
    }
    if flags != 0 {
        findings.blob(Rule::Flags, Some(3), format_args!("{flags:#04x}"));
    }
    let Ok(header) = Header::parse(data) else {
        let detail = format_args!("length {}, {} bytes", order.word(data, 1), data.len());
        findings.blob(Rule::Header, Some(4), detail);
        return None;
    };
    let takes_layout = findings.takes(Feature::Layout);
    let known = if takes_layout { Header::WITH_LAYOUT } else { Header::CLASSIC } as usize;
    let tail = data[..header.length as usize].get(known..).unwrap_or_default();
    if let Some(at) = tail.iter().position(|&byte| byte != 0) {
        let feature = (!takes_layout && header.layout_length != 0).then_some(Feature::Layout);
        let detail = format_args!("header length {}", header.length);
        findings.blob_since(feature, Rule::HeaderTail, Some(known + at), detail);
    }
    Some(header)
}

/// The sections cover all that follows the header, each byte once.
fn sections(findings: &mut Findings, data: &[u8], header: &Header) {
    let mut sections = vec![
        ("type", header.type_offset, header.type_length, TYPE_FIELD),
        ("string", header.string_offset, header.string_length, STRING_FIELD),
    ];
    if findings.takes(Feature::Layout) && header.length >= Header::WITH_LAYOUT {
        check_layout(findings, header);
        sections.push(("layout", header.layout_offset, header.layout_length, LAYOUT_FIELD));
    } else if u64::from(header.string_offset) + u64::from(header.string_length)
        != (data.len() - header.length as usize) as u64
    {
        findings.blob(Rule::StringsLast, Some(STRING_FIELD), format_args!(""));
    }
    // An empty layout section is none at all, wherever it is said to be.
    sections.retain(|&(name, _, length, _)| name != "layout" || length != 0);
    sections.sort_by_key(|section| (section.1, section.2));
    let end = (data.len() - header.length as usize) as u64;
    let mut covered = 0u64;
    for (name, offset, length, field) in sections {
        let (start, stop) = (u64::from(offset), u64::from(offset) + u64::from(length));
        let detail = format_args!("{name} section, offset {offset}, {length} bytes");
        if stop > end {
            findings.blob(Rule::SectionInside, Some(field), detail);
        } else if start > covered {
            findings.blob(Rule::SectionGap, Some(field), detail);
        } else if start < covered {
            findings.blob(Rule::SectionOverlap, Some(field), detail);
        }
        covered = covered.max(stop);
    }
    if covered < end {
        let at = header.length as usize + covered as usize;
        findings.blob(Rule::SectionTail, Some(at), format_args!("{} bytes", end - covered));
    }
}

fn check_layout(findings: &mut Findings, header: &Header) {
    let Header { layout_offset: offset, layout_length: length, .. } = *header;
    if length != 0 && (offset % 4 != 0 || length % 4 != 0) {
        findings.blob(Rule::Layout, Some(LAYOUT_FIELD), format_args!("offset {offset}, {length} bytes"));
    }
}

fn check_strings(findings: &mut Findings, strings: &[u8], split: bool) {
    let (Some(&first), Some(&last)) = (strings.first(), strings.last()) else {
        if !split {
            findings.blob(Rule::StringsPresent, Some(STRING_FIELD), format_args!(""));
        }
        return;
    };
    let many = findings.takes(Feature::ManyTypes);
    if strings.len() as u64 - 1 > u64::from(if many { NAME_OFFSET_MAX } else { OLD_NAME_OFFSET_MAX }) {
        let feature = (strings.len() as u64 - 1 <= u64::from(NAME_OFFSET_MAX)).then_some(Feature::ManyTypes);
        let detail = format_args!("{} bytes", strings.len());
        findings.blob_since(feature, Rule::StringsLength, Some(STRING_FIELD), detail);
    }
    if last != 0 {
        findings.blob(Rule::StringsEnd, Some(STRING_FIELD), format_args!(""));
    }
    if first != 0 && !split {
        findings.blob(Rule::StringsFirst, Some(STRING_FIELD), format_args!(""));
    }
}
