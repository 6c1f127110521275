//! A line for each type and one for each member, as `bpftool btf dump file FILE format raw` prints them:
//!
//! ```text
//! [7] STRUCT 'point' size=8 vlen=2
//!         'x' type_id=3 bits_offset=0
//!         'y' type_id=3 bits_offset=32
//! ```

use super::Output;
use super::text::{self, number, signed};
use crate::{Kind, StringOffset, Type, TypeId};
use std::io;

/// Writes the lines of a type. Names are written as they are stored, byte by byte, up to 4096 of them.
///
/// # Errors
/// The writer's.
pub fn write(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    let kind = ty.kind();
    out.push(b'[');
    number(out, ty.id().0);
    out.bytes(b"] ");
    kind_name(out, kind);
    out.push(b' ');
    quote(out, text::string(ty, ty.name_offset()));
    match kind {
        Kind::Void => {}
        Kind::Int => {
            let encoding = ty.int_encoding().unwrap_or_default();
            field(out, " size=", ty.raw_size());
            field(out, " bits_offset=", encoding.offset);
            field(out, " nr_bits=", encoding.bits);
            word(out, " encoding=", text::int_encoding(ty));
        }
        Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::Typedef | Kind::TypeTag => {
            field(out, " type_id=", ty.raw_type_id().0);
        }
        Kind::Array => {
            let array = ty.array().unwrap_or_default();
            field(out, " type_id=", array.element.0);
            field(out, " index_type_id=", array.index.0);
            field(out, " nr_elems=", array.count);
        }
        Kind::Struct | Kind::Union => aggregate(out, ty)?,
        Kind::Enum | Kind::Enum64 => enumeration(out, ty)?,
        Kind::Fwd => word(out, " fwd_kind=", text::forward_kind(ty)),
        Kind::Func => {
            field(out, " type_id=", ty.raw_type_id().0);
            word(out, " linkage=", text::linkage(ty));
        }
        Kind::FuncProto => {
            field(out, " ret_type_id=", ty.raw_type_id().0);
            field(out, " vlen=", ty.vlen());
            for parameter in ty.params() {
                named(out, ty, parameter.name)?;
                field(out, " type_id=", parameter.type_id.0);
            }
        }
        Kind::Var => {
            field(out, " type_id=", ty.raw_type_id().0);
            word(out, ", linkage=", text::linkage(ty));
        }
        Kind::DataSec => section(out, ty)?,
        Kind::Float => field(out, " size=", ty.raw_size()),
        Kind::DeclTag => {
            field(out, " type_id=", ty.raw_type_id().0);
            out.bytes(b" component_idx=");
            signed(out, ty.component_index().unwrap_or_default().into());
        }
        Kind::LocParam | Kind::LocProto | Kind::LocSec => location(out, ty)?,
        Kind::Unknown(number) => unknown(out, ty, number)?,
    }
    out.push(b'\n');
    out.pass_on()
}

fn aggregate(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    field(out, " size=", ty.raw_size());
    field(out, " vlen=", ty.vlen());
    for member in ty.members() {
        named(out, ty, member.name)?;
        field(out, " type_id=", member.type_id.0);
        field(out, " bits_offset=", member.bit_offset);
        if member.bitfield_size != 0 {
            field(out, " bitfield_size=", member.bitfield_size);
        }
    }
    Ok(())
}

fn enumeration(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    word(out, " encoding=", text::enum_encoding(ty));
    field(out, " size=", ty.raw_size());
    field(out, " vlen=", ty.vlen());
    let suffix: &[u8] = match (ty.kind(), ty.kind_flag()) {
        (Kind::Enum, _) => b"",
        (_, true) => b"LL",
        (_, false) => b"ULL",
    };
    for enumerator in ty.enumerators() {
        named(out, ty, enumerator.name)?;
        out.bytes(b" val=");
        signed(out, enumerator.value);
        out.bytes(suffix);
    }
    Ok(())
}

fn section(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    field(out, " size=", ty.raw_size());
    field(out, " vlen=", ty.vlen());
    for entry in ty.section_entries() {
        indent(out)?;
        field(out, "type_id=", entry.variable.0);
        field(out, " offset=", entry.offset);
        field(out, " size=", entry.size);
        what(out, ty, entry.variable);
    }
    Ok(())
}

/// Kinds of Linux 7.4, which bpftool 7.1 does not know: where the parameters of inlined functions live.
fn location(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    if ty.kind() == Kind::LocParam {
        field(out, " size=", ty.raw_size());
        out.bytes(b" flags=0x");
        text::hexadecimal(out, ty.word(3));
    }
    field(out, " vlen=", ty.vlen());
    for element in elements(ty) {
        let at = |index| ty.word(element + index);
        indent(out)?;
        match ty.kind() {
            Kind::LocParam => field(out, "val=", at(0)),
            Kind::LocProto => field(out, "type_id=", at(0)),
            _ => {
                field(out, "type_id=", at(0));
                field(out, " loc_proto_type_id=", at(1));
                field(out, " offset=", at(2));
                what(out, ty, TypeId(at(0)));
            }
        }
    }
    Ok(())
}

/// A kind of which only the layout section tells how long its records are: words without meaning.
fn unknown(out: &mut Output<'_>, ty: Type<'_>, number: u8) -> io::Result<()> {
    field(out, " size_or_type_id=", ty.word(2));
    field(out, " vlen=", ty.vlen());
    field(out, " kind_flag=", u8::from(ty.kind_flag()));
    let layout = ty.owner().kind_layout(number);
    let (info, element) = layout
        .map_or((0, 0), |layout| (usize::from(layout.info_size) / 4, usize::from(layout.element_size) / 4));
    let mut words = ty.words().skip(3);
    if info > 0 {
        out.bytes(b" info=");
        row(out, words.by_ref().take(info));
    }
    if element > 0 {
        for _ in 0..ty.vlen() {
            indent(out)?;
            row(out, words.by_ref().take(element));
        }
    }
    Ok(())
}

/// Words in hexadecimal, with spaces between.
fn row(out: &mut Output<'_>, words: impl Iterator<Item = u32>) {
    for (index, word) in words.enumerate() {
        out.bytes(if index == 0 { b"0x" } else { b" 0x" });
        text::hexadecimal(out, word);
    }
}

/// Where the elements of a known kind start, in words from the start of the record.
fn elements(ty: Type<'_>) -> impl Iterator<Item = usize> {
    let (info, element) =
        ty.kind().shape().map_or((0, 0), |shape| (usize::from(shape.info), usize::from(shape.element)));
    (0..ty.vlen() as usize).map(move |index| 3 + info + index * element)
}

/// Kind and name of a type that a line refers to, if there is one.
fn what(out: &mut Output<'_>, ty: Type<'_>, id: TypeId) {
    let Ok(target) = ty.owner().get(id) else { return };
    out.bytes(b" (");
    match target.kind() {
        // What bpftool calls it here.
        Kind::Void => out.bytes(b"UNKNOWN"),
        kind => kind_name(out, kind),
    }
    out.push(b' ');
    quote(out, text::string(target, target.name_offset()));
    out.push(b')');
}

#[inline]
fn kind_name(out: &mut Output<'_>, kind: Kind) {
    match kind {
        Kind::Unknown(unknown) => field(out, "KIND_", unknown),
        known => out.bytes(known.text().as_bytes()),
    }
}

/// Begins the line of a member.
#[inline]
fn named(out: &mut Output<'_>, ty: Type<'_>, name: StringOffset) -> io::Result<()> {
    indent(out)?;
    quote(out, text::string(ty, name));
    Ok(())
}

#[inline]
fn indent(out: &mut Output<'_>) -> io::Result<()> {
    out.pass_on()?;
    out.bytes(b"\n\t");
    Ok(())
}

#[inline]
fn quote(out: &mut Output<'_>, name: &[u8]) {
    out.push(b'\'');
    out.bytes(name);
    out.push(b'\'');
}

#[inline]
fn field(out: &mut Output<'_>, name: &str, value: impl Into<u64>) {
    out.bytes(name.as_bytes());
    number(out, value);
}

#[inline]
fn word(out: &mut Output<'_>, name: &str, value: &str) {
    out.bytes(name.as_bytes());
    out.bytes(value.as_bytes());
}
