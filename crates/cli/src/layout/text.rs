//! Structures as pahole shows them.

mod declaration;

use std::collections::HashSet;
use std::fmt::Write;

use btfkit_btf::structure::{Field, Sharing, Structure, Structures};
use btfkit_btf::{Btf, Kind, Type, TypeId};

use super::trailer;
use super::type_name::{TypeNames, keyword};

/// Structures inside each other are expanded so deep at most.
const DEEPEST: usize = 64;

/// Members are indented so far at most.
const MOST_TABS: usize = 16;

/// Bytes that one type is written in at most.
const LARGEST: usize = 1 << 24;

/// Names of enumerators are padded to this at most.
const WIDEST: usize = 512;

const PACKED: &str = " __attribute__((__packed__))";

/// How structures are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Show the members of named structures too.
    pub(crate) expand: bool,
    /// Offsets and sizes in hexadecimal.
    pub(crate) hex: bool,
    /// Bytes of a cache line.
    pub(crate) cacheline: u64,
}

impl Default for Style {
    fn default() -> Self {
        Self { expand: false, hex: false, cacheline: 64 }
    }
}

/// Writes structures.
#[derive(Debug)]
pub(super) struct Text<'b, 's> {
    pub(super) out: String,
    pub(super) style: Style,
    structures: &'s mut Structures<'b>,
    names: TypeNames<'b>,
    /// The cache line of the member written last.
    cacheline: u64,
    /// Whether notes were written since the last member.
    noted: bool,
    /// Structures without gaps that were met off their natural alignment: packed, whatever their members say.
    off: HashSet<TypeId>,
    /// Where to stop writing a type.
    limit: usize,
}

/// Where and how wide a body is written.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Tabs before a member.
    indent: usize,
    /// Columns of the type; narrower the deeper.
    type_width: i32,
    /// Columns of the name.
    name_width: i32,
    /// Bytes from the start of the outermost structure to this.
    base: u64,
    /// Whether this is the member of a union: pahole does not look for flexible arrays there.
    in_union: bool,
    /// Whether this is a union.
    union: bool,
    /// Whether what is inside counts from its own start: so it does behind pointers.
    relative: bool,
    /// The structure is no member by itself but pointed to or an array's element: its attributes come later.
    late: bool,
    /// Whether the totals follow the members.
    totals: bool,
}

impl Frame {
    const TYPE: i32 = 26;
    const NAME: i32 = 22;

    fn inside(self, base: u64) -> Self {
        let base = if self.relative { 0 } else { base };
        let (indent, type_width) = (self.indent + 1, self.type_width - 8);
        Self { indent, type_width, base, late: false, totals: false, ..self }
    }

    /// Of what a pointer points to: narrower again.
    fn inside_pointer(self) -> Self {
        Self { type_width: self.type_width - 8, base: 0, relative: true, late: true, ..self }
    }

    /// Columns from the start of the type to the comment.
    fn width(self) -> i32 {
        self.type_width + 1 + self.name_width
    }
}

impl<'b, 's> Text<'b, 's> {
    pub(super) fn new(structures: &'s mut Structures<'b>, style: Style) -> Self {
        let names = TypeNames { btf: structures.btf() };
        Self {
            out: String::new(),
            style,
            structures,
            names,
            cacheline: 0,
            noted: false,
            off: HashSet::new(),
            limit: 0,
        }
    }

    pub(super) fn btf(&self) -> &'b Btf<'b> {
        self.names.btf
    }

    /// The frame of a type that is in no other.
    fn outermost(&self, ty: Type<'_>) -> Frame {
        let wide = if self.style.expand { 32 } else { 0 };
        let narrow = if ty.kind() == Kind::Union && !self.style.expand { 2 } else { 0 };
        Frame {
            indent: 1,
            type_width: Frame::TYPE,
            name_width: Frame::NAME + wide - narrow,
            base: 0,
            in_union: false,
            union: false,
            relative: false,
            late: false,
            totals: ty.kind() == Kind::Struct,
        }
    }

    /// Writes a type as a whole: a structure or union with its totals, an enumeration, a typedef.
    pub(super) fn write(&mut self, ty: Type<'b>) {
        (self.cacheline, self.limit) = (0, self.out.len() + LARGEST);
        let frame = self.outermost(ty);
        match ty.kind() {
            Kind::Struct | Kind::Union => {
                self.body(ty, frame);
            }
            Kind::Enum | Kind::Enum64 => self.enumeration(ty, 0),
            Kind::Typedef => {
                self.typedef(ty, frame);
            }
            _ => self.names.write(&mut self.out, ty.id()),
        }
        self.out.push_str(";\n");
    }

    /// Writes a structure as if it lay in memory as `structure` says, without the semicolon behind it.
    pub(super) fn write_as(&mut self, ty: Type<'b>, structure: &Structure) {
        (self.cacheline, self.limit) = (0, self.out.len() + LARGEST);
        self.body_of(ty, structure, self.outermost(ty));
    }

    /// How a type lies in memory.
    pub(super) fn structure(&mut self, ty: Type<'b>) -> Option<&Structure> {
        self.structures.get(ty.id())
    }

    fn typedef(&mut self, ty: Type<'b>, frame: Frame) {
        let target = ty.type_id().unwrap_or_default();
        self.out.push_str("typedef ");
        if let Some(proto) = self.names.function_pointer(target) {
            self.names.write(&mut self.out, proto.type_id().unwrap_or_default());
            let _ = write!(self.out, " (*{})", ty.name_str());
            return self.names.parameters(&mut self.out, proto);
        }
        match self.btf().get(target) {
            Ok(inner) if inner.kind().is_aggregate() && inner.name().is_empty() => {
                let frame = Frame { type_width: frame.type_width - 8, totals: true, ..frame };
                self.body(inner, frame);
                let _ = write!(self.out, " {}", ty.name_str());
            }
            Ok(inner) if inner.kind().is_enum() && inner.name().is_empty() => {
                self.enumeration(inner, 0);
                let _ = write!(self.out, " {}", ty.name_str());
            }
            Ok(proto) if proto.kind() == Kind::FuncProto => {
                self.names.write(&mut self.out, proto.type_id().unwrap_or_default());
                let _ = write!(self.out, " ({})", ty.name_str());
                self.names.parameters(&mut self.out, proto);
            }
            _ => {
                self.names.write(&mut self.out, target);
                let _ = write!(self.out, " {}", ty.name_str());
            }
        }
    }

    fn enumeration(&mut self, ty: Type<'b>, indent: usize) {
        self.out.push_str("enum ");
        if !ty.name().is_empty() {
            self.out.push_str(&ty.name_str());
            self.out.push(' ');
        }
        self.out.push_str("{\n");
        let width = ty.enumerators().map(|each| ty.string(each.name).len()).max().unwrap_or(0).min(WIDEST);
        for enumerator in ty.enumerators() {
            self.tabs(indent + 1);
            let name = String::from_utf8_lossy(ty.string(enumerator.name));
            let value = enumerator.value;
            let _ = match value {
                0 => writeln!(self.out, "{name:width$} = 0,"),
                _ if self.style.hex => writeln!(self.out, "{name:width$} = {:#x},", value as u64),
                _ => writeln!(self.out, "{name:width$} = {value},"),
            };
        }
        self.tabs(indent);
        self.out.push('}');
        // Compilers give an enumeration the size of an int unless it is packed.
        if ty.size().is_some_and(|size| size < 4) {
            self.out.push_str(PACKED);
        }
    }

    /// Writes a structure or union from its keyword to its closing brace and attributes. Gives the columns of
    /// the attributes that count as such, and the attributes that come late.
    fn body(&mut self, ty: Type<'b>, frame: Frame) -> (i32, String) {
        let structure = self.structures.share(ty.id()).unwrap_or_default();
        self.body_of(ty, &structure, frame)
    }

    fn body_of(&mut self, ty: Type<'b>, structure: &Structure, frame: Frame) -> (i32, String) {
        self.out.push_str(keyword(ty));
        if !ty.name().is_empty() {
            self.out.push_str(&ty.name_str());
            self.out.push(' ');
        }
        self.out.push_str("{\n");
        self.noted = false;
        let frame = Frame { union: structure.union, ..frame };
        self.note_off(structure);
        self.gap(structure.leading_hole, structure.leading_bit_hole, frame);
        for index in 0..structure.fields.len() {
            if self.out.len() > self.limit || frame.indent >= DEEPEST {
                self.tabs(frame.indent);
                self.out.push_str("/* and more: too much or too deep to show */\n");
                break;
            }
            let cacheline = self.cacheline;
            self.member(ty, structure, index, frame);
            if structure.union {
                // Each member of a union starts over.
                self.cacheline = cacheline;
            }
        }
        if frame.totals {
            let inner = self.structures.inner(structure);
            trailer::write(&mut self.out, structure, &inner, frame.base, frame.indent, self.style.cacheline);
        }
        self.noted = false;
        self.tabs(frame.indent - 1);
        self.out.push('}');
        let mut attributes = String::new();
        let empty = structure.fields.is_empty() && frame.indent > 1;
        let packed = structure.packed || self.off.contains(&ty.id());
        if packed && !empty {
            attributes.push_str(PACKED);
        } else if structure.alignment > 0 && !empty {
            let _ = write!(attributes, " __attribute__((__aligned__({})))", structure.alignment);
        }
        if frame.late && !packed {
            return (0, attributes);
        }
        self.out.push_str(&attributes);
        (if packed { columns(&attributes) } else { 0 }, String::new())
    }

    /// Remembers the members that are structures without a name off their natural alignment.
    fn note_off(&mut self, structure: &Structure) {
        for field in &structure.fields {
            let tight =
                |inside: &Structure| inside.holes == 0 && inside.bit_holes == 0 && inside.padding == 0;
            if !field.offset.is_multiple_of(field.natural_alignment)
                && self.structures.inside(field).is_some_and(tight)
                && self.btf().get(field.inside).is_ok_and(|ty| ty.name().is_empty())
            {
                self.off.insert(field.inside);
            }
        }
    }

    fn member(&mut self, ty: Type<'b>, structure: &Structure, index: usize, frame: Frame) {
        let field = &structure.fields[index];
        let before =
            index.checked_sub(1).map(|before| &structure.fields[before]).filter(|_| !structure.union);
        if let Some(before) = before {
            self.notes_between(before, field, frame);
        }
        self.close_notes();
        self.boundary(field, frame);
        self.tabs(frame.indent);
        let name = String::from_utf8_lossy(ty.string(field.name));
        let last = index > 0 && index + 1 == structure.fields.len();
        let flexible = last && !structure.union && !frame.in_union;
        self.declaration(field, &name, flexible, frame);
        self.notes_behind(structure, field, frame);
    }

    /// A line where a cache line begins since the last member.
    fn boundary(&mut self, field: &Field, frame: Frame) {
        let offset = frame.base.saturating_add(field.offset);
        let size = self.style.cacheline;
        let cacheline = offset / size;
        if cacheline > self.cacheline {
            self.tabs(frame.indent);
            let _ = write!(self.out, "/* --- cacheline {cacheline} boundary ({} bytes)", cacheline * size);
            match offset % size {
                0 => {}
                1 => self.out.push_str(" was 1 byte ago"),
                bytes => {
                    let _ = write!(self.out, " was {bytes} bytes ago");
                }
            }
            self.out.push_str(" --- */\n");
            self.cacheline = cacheline;
        }
    }

    /// Notes stand between blank lines.
    fn open_notes(&mut self) {
        if !self.noted {
            self.out.push('\n');
        }
        self.noted = true;
    }

    fn close_notes(&mut self) {
        if self.noted {
            self.out.push('\n');
        }
        self.noted = false;
    }

    fn note(&mut self, frame: Frame, text: std::fmt::Arguments<'_>) {
        self.tabs(frame.indent);
        let _ = writeln!(self.out, "/* {text} */");
    }

    /// What is remarkable between two members.
    fn notes_between(&mut self, before: &Field, field: &Field, frame: Frame) {
        if field.is_bitfield() && before.bit_hole > 0 {
            if field.offset == before.offset {
                self.unnamed(field, before.bit_hole, frame);
            } else {
                self.out.push('\n');
                self.note(frame, format_args!("Force alignment to the next boundary:"));
                self.unnamed(field, 0, frame);
            }
        }
        let others = match field.sharing {
            Sharing::None => return,
            Sharing::Previous => "previous",
            Sharing::Next => "next",
        };
        self.open_notes();
        self.note(frame, format_args!("Bitfield combined with {others} fields"));
    }

    fn unnamed(&mut self, field: &Field, bits: u64, frame: Frame) {
        self.tabs(frame.indent);
        let mut id = field.type_id;
        if self.style.expand {
            id = self.typedef_chain(id);
        }
        let start = self.out.len();
        self.names.write(&mut self.out, id);
        self.pad(start, frame.type_width);
        let _ = writeln!(self.out, " :{bits};");
    }

    /// What is remarkable behind a member.
    fn notes_behind(&mut self, structure: &Structure, field: &Field, frame: Frame) {
        if structure.union {
            return;
        }
        if let Some(last) = self.structures.inside(field).and_then(trailer::last_struct) {
            self.open_notes();
            self.note(frame, format_args!("XXX last struct has {last}"));
        }
        self.gap(field.hole, field.bit_hole, frame);
    }

    fn gap(&mut self, bytes: u64, bits: u64, frame: Frame) {
        for (gap, unit) in [(bits, "bit"), (bytes, "byte")] {
            let plural = if gap == 1 { "" } else { "s" };
            if gap > 0 {
                self.open_notes();
                self.note(frame, format_args!("XXX {gap} {unit}{plural} hole, try to pack"));
            }
        }
    }

    /// Fills a column. Deep inside, pahole's widths go below zero and count from there again.
    fn pad(&mut self, start: usize, width: i32) {
        let written = columns(&self.out[start..]);
        self.spaces(width.abs() - written);
    }

    fn spaces(&mut self, count: i32) {
        self.out.extend(std::iter::repeat_n(' ', usize::try_from(count).unwrap_or(0)));
    }

    fn tabs(&mut self, count: usize) {
        for _ in 0..count.min(MOST_TABS) {
            self.out.push('\t');
        }
    }
}

fn columns(text: &str) -> i32 {
    text.chars().count() as i32
}
