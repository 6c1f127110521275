//! One JSON object for each type, with the keys of `bpftool -j btf dump file FILE`, and what that leaves out:
//!
//! - the document begins with `byte_order`, `pointer_size` and `first_id` (the id of the first own type);
//! - a variable has its `section`, and its `offset` and `size` there;
//! - an entry of a section has the `name` of its variable;
//! - a tag that is a real `__attribute__` has `attribute`.
//!
//! It is always JSON: control characters, quotes and backslashes in names are escaped, bytes that are not UTF-8 become
//! U+FFFD. And enumerators of 32 bits without sign are that; bpftool 7.1 gives those from 0x80000000 on as 64-bit
//! numbers with the sign filled in.

use super::Output;
use super::text::{self, number, signed};
use crate::{Btf, Kind, SectionEntry, StringOffset, Type, TypeId};
use hashbrown::HashMap;
use std::io;

/// A JSON document being written: [`begin`](Self::begin), [`write`](Self::write) for each type, [`end`](Self::end).
#[derive(Debug)]
pub struct Document<'b> {
    btf: &'b Btf<'b>,
    /// Where variables lie: the first place that a section gives them.
    places: HashMap<TypeId, (Type<'b>, SectionEntry)>,
    empty: bool,
}

impl<'b> Document<'b> {
    /// A document of types of `btf` and its bases.
    pub fn new(btf: &'b Btf<'b>) -> Self {
        let mut places = HashMap::new();
        let mut level = Some(btf);
        while let Some(btf) = level {
            for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
                for entry in section.section_entries() {
                    places.entry(entry.variable).or_insert((section, entry));
                }
            }
            level = btf.base().map(|base| &**base);
        }
        Self { btf, places, empty: true }
    }

    /// Writes what stands before the types.
    pub fn begin(&self, out: &mut Output<'_>) {
        let order = match self.btf.byte_order() {
            crate::ByteOrder::Little => "little",
            crate::ByteOrder::Big => "big",
        };
        out.push(b'{');
        word(out, "\"byte_order\":", order);
        field(out, ",\"pointer_size\":", self.btf.pointer_size());
        field(out, ",\"first_id\":", self.btf.first_id().0);
        out.bytes(b",\"types\":[");
    }

    /// Writes a type, on a line of its own. Of a name at most 4096 bytes are written.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&mut self, out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
        out.bytes(if self.empty { b"\n" } else { b",\n" });
        self.empty = false;
        object(out, ty, |id| self.places.get(&id).copied())?;
        out.pass_on()
    }

    /// Writes what stands after the types.
    pub fn end(&self, out: &mut Output<'_>) {
        out.bytes(if self.empty { b"]}\n" } else { b"\n]}\n" });
    }
}

fn object<'b>(
    out: &mut Output<'_>,
    ty: Type<'_>,
    place: impl Fn(TypeId) -> Option<(Type<'b>, SectionEntry)>,
) -> io::Result<()> {
    let kind = ty.kind();
    field(out, "{\"id\":", ty.id().0);
    out.bytes(b",\"kind\":\"");
    match kind {
        Kind::Unknown(unknown) => field(out, "KIND_", unknown),
        known => out.bytes(known.text().as_bytes()),
    }
    out.bytes(b"\",\"name\":");
    string(out, text::string(ty, ty.name_offset()));
    match kind {
        Kind::Void => {}
        Kind::Int => {
            let encoding = ty.int_encoding().unwrap_or_default();
            field(out, ",\"size\":", ty.raw_size());
            field(out, ",\"bits_offset\":", encoding.offset);
            field(out, ",\"nr_bits\":", encoding.bits);
            word(out, ",\"encoding\":", text::int_encoding(ty));
        }
        Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::Typedef | Kind::TypeTag => {
            field(out, ",\"type_id\":", ty.raw_type_id().0);
        }
        Kind::Array => {
            let array = ty.array().unwrap_or_default();
            field(out, ",\"type_id\":", array.element.0);
            field(out, ",\"index_type_id\":", array.index.0);
            field(out, ",\"nr_elems\":", array.count);
        }
        Kind::Struct | Kind::Union => aggregate(out, ty)?,
        Kind::Enum | Kind::Enum64 => enumeration(out, ty)?,
        Kind::Fwd => word(out, ",\"fwd_kind\":", text::forward_kind(ty)),
        Kind::Func => {
            field(out, ",\"type_id\":", ty.raw_type_id().0);
            word(out, ",\"linkage\":", text::linkage(ty));
        }
        Kind::FuncProto => {
            field(out, ",\"ret_type_id\":", ty.raw_type_id().0);
            field(out, ",\"vlen\":", ty.vlen());
            list(out, ",\"params\":", ty.params(), |out, parameter| {
                named(out, ty, parameter.name);
                field(out, ",\"type_id\":", parameter.type_id.0);
                out.push(b'}');
            })?;
        }
        Kind::Var => {
            field(out, ",\"type_id\":", ty.raw_type_id().0);
            word(out, ",\"linkage\":", text::linkage(ty));
            if let Some((section, entry)) = place(ty.id()) {
                out.bytes(b",\"section\":");
                string(out, text::string(section, section.name_offset()));
                field(out, ",\"offset\":", entry.offset);
                field(out, ",\"size\":", entry.size);
            }
        }
        Kind::DataSec => section(out, ty)?,
        Kind::Float => field(out, ",\"size\":", ty.raw_size()),
        Kind::DeclTag => {
            field(out, ",\"type_id\":", ty.raw_type_id().0);
            out.bytes(b",\"component_idx\":");
            signed(out, ty.component_index().unwrap_or_default().into());
        }
        Kind::LocParam | Kind::LocProto | Kind::LocSec => location(out, ty)?,
        Kind::Unknown(number) => unknown(out, ty, number)?,
    }
    if matches!(kind, Kind::DeclTag | Kind::TypeTag) && ty.kind_flag() {
        out.bytes(b",\"attribute\":true");
    }
    out.push(b'}');
    Ok(())
}

fn aggregate(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    field(out, ",\"size\":", ty.raw_size());
    field(out, ",\"vlen\":", ty.vlen());
    list(out, ",\"members\":", ty.members(), |out, member| {
        named(out, ty, member.name);
        field(out, ",\"type_id\":", member.type_id.0);
        field(out, ",\"bits_offset\":", member.bit_offset);
        if member.bitfield_size != 0 {
            field(out, ",\"bitfield_size\":", member.bitfield_size);
        }
        out.push(b'}');
    })
}

fn enumeration(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    word(out, ",\"encoding\":", text::enum_encoding(ty));
    field(out, ",\"size\":", ty.raw_size());
    field(out, ",\"vlen\":", ty.vlen());
    list(out, ",\"values\":", ty.enumerators(), |out, enumerator| {
        named(out, ty, enumerator.name);
        out.bytes(b",\"val\":");
        signed(out, enumerator.value);
        out.push(b'}');
    })
}

fn section(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    field(out, ",\"size\":", ty.raw_size());
    field(out, ",\"vlen\":", ty.vlen());
    list(out, ",\"vars\":", ty.section_entries(), |out, entry| {
        field(out, "{\"type_id\":", entry.variable.0);
        field(out, ",\"offset\":", entry.offset);
        field(out, ",\"size\":", entry.size);
        name_of(out, ty, entry.variable);
        out.push(b'}');
    })
}

/// Kinds of Linux 7.4, which bpftool 7.1 does not know: where the parameters of inlined functions live.
fn location(out: &mut Output<'_>, ty: Type<'_>) -> io::Result<()> {
    if ty.kind() == Kind::LocParam {
        field(out, ",\"size\":", ty.raw_size());
        field(out, ",\"flags\":", ty.word(3));
    }
    field(out, ",\"vlen\":", ty.vlen());
    let words = |start: usize, step: usize| (0..ty.vlen() as usize).map(move |index| start + index * step);
    match ty.kind() {
        Kind::LocParam => list(out, ",\"values\":", words(4, 1), |out, at| number(out, ty.word(at))),
        Kind::LocProto => list(out, ",\"params\":", words(3, 1), |out, at| {
            field(out, "{\"type_id\":", ty.word(at));
            out.push(b'}');
        }),
        _ => list(out, ",\"locs\":", words(3, 3), |out, at| {
            field(out, "{\"type_id\":", ty.word(at));
            field(out, ",\"loc_proto_type_id\":", ty.word(at + 1));
            field(out, ",\"offset\":", ty.word(at + 2));
            name_of(out, ty, TypeId(ty.word(at)));
            out.push(b'}');
        }),
    }
}

/// A kind of which only the layout section tells how long its records are: words without meaning.
fn unknown(out: &mut Output<'_>, ty: Type<'_>, kind: u8) -> io::Result<()> {
    field(out, ",\"size_or_type_id\":", ty.word(2));
    field(out, ",\"vlen\":", ty.vlen());
    out.bytes(if ty.kind_flag() { b",\"kind_flag\":true" } else { b",\"kind_flag\":false" });
    let layout = ty.owner().kind_layout(kind);
    let (info, element) = layout
        .map_or((0, 0), |layout| (usize::from(layout.info_size) / 4, usize::from(layout.element_size) / 4));
    out.bytes(b",\"info\":");
    row(out, ty, 3..3 + info);
    let rows = if element > 0 { ty.vlen() as usize } else { 0 };
    list(out, ",\"elements\":", 0..rows, |out, index| {
        let start = 3 + info + index * element;
        row(out, ty, start..start + element);
    })
}

/// A few words of a record.
fn row(out: &mut Output<'_>, ty: Type<'_>, words: std::ops::Range<usize>) {
    out.push(b'[');
    for (index, at) in words.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        number(out, ty.word(at));
    }
    out.push(b']');
}

/// The name of a type that an object refers to, if there is one.
fn name_of(out: &mut Output<'_>, ty: Type<'_>, id: TypeId) {
    if let Ok(target) = ty.owner().get(id) {
        out.bytes(b",\"name\":");
        string(out, text::string(target, target.name_offset()));
    }
}

/// Begins an object that has a name.
#[inline]
fn named(out: &mut Output<'_>, ty: Type<'_>, name: StringOffset) {
    out.bytes(b"{\"name\":");
    string(out, text::string(ty, name));
}

/// An array.
#[inline]
fn list<T>(
    out: &mut Output<'_>,
    name: &str,
    values: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Output<'_>, T),
) -> io::Result<()> {
    out.bytes(name.as_bytes());
    out.push(b'[');
    for (index, value) in values.enumerate() {
        out.pass_on()?;
        if index > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
    Ok(())
}

#[inline]
fn field(out: &mut Output<'_>, name: &str, value: impl Into<u64>) {
    out.bytes(name.as_bytes());
    number(out, value);
}

/// A string that needs no escapes.
#[inline]
fn word(out: &mut Output<'_>, name: &str, value: &str) {
    out.bytes(name.as_bytes());
    out.push(b'"');
    out.bytes(value.as_bytes());
    out.push(b'"');
}

fn string(out: &mut Output<'_>, value: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
    out.push(b'"');
    if value.iter().all(plain) {
        out.bytes(value);
    } else {
        escaped(out, &String::from_utf8_lossy(value));
    }
    out.push(b'"');
}

#[cold]
fn escaped(out: &mut Output<'_>, value: &str) {
    for character in value.chars() {
        match character {
            '"' | '\\' => out.bytes(&[b'\\', character as u8]),
            '\n' => out.bytes(b"\\n"),
            '\t' => out.bytes(b"\\t"),
            '\0'..='\x1f' | '\x7f' => {
                out.bytes(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.bytes(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
