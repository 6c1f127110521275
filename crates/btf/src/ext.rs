//! `.BTF.ext`: what a BPF object says of its instructions, in terms of its BTF.
//!
//! Three tables, each split by the ELF section whose instructions it describes: which function starts where, which line
//! of source an instruction comes from, and what is relocated to the running kernel's types (CO-RE). The layout is that
//! of `struct btf_ext_header` and `struct btf_ext_info_sec` in the BTF documentation of the kernel.
//!
//! Tables name types by id and strings by offset: [`Ext::rewrite`] follows when a BTF gets another order.

use crate::{ByteOrder, Error, Header, StringOffset, TypeId, error::Result};
use std::ops::Range;

/// A view of a `.BTF.ext` section.
#[derive(Clone, Copy, Debug)]
pub struct Ext<'a> {
    data: &'a [u8],
    order: ByteOrder,
    tables: [Table; 3],
}

/// Where a table lies in the section, and how large its records are, in bytes. An absent table is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    start: usize,
    end: usize,
    record: usize,
}

/// Words of the records that are type ids and string offsets: by table, first word and count.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    smallest: usize,
    types: Words,
    strings: Words,
}

/// First word and number of words.
type Words = (usize, usize);

const SHAPES: [Shape; 3] = [
    Shape { name: "func_info", smallest: 8, types: (1, 1), strings: (0, 0) },
    Shape { name: "line_info", smallest: 16, types: (0, 0), strings: (1, 2) },
    Shape { name: "core_relo", smallest: 16, types: (1, 1), strings: (2, 1) },
];

/// Length in bytes of the header without the fields of the CO-RE table.
const CLASSIC: usize = 24;

/// Where a function starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FunctionInfo {
    /// Its first instruction, in bytes from the start of the ELF section.
    pub instruction: u32,
    /// The FUNC.
    pub type_id: TypeId,
}

/// Which line an instruction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LineInfo {
    /// The instruction, in bytes from the start of the ELF section.
    pub instruction: u32,
    /// Name of the source file.
    pub file: StringOffset,
    /// The line's text.
    pub text: StringOffset,
    /// The line's number.
    pub line: u32,
    /// The column; 0 if it is not known.
    pub column: u16,
}

/// What is to be replaced when the object meets a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Relocation {
    /// The instruction, in bytes from the start of the ELF section.
    pub instruction: u32,
    /// The type that access starts from.
    pub type_id: TypeId,
    /// The way from there, as indices with colons between: `0:1:2`.
    pub access: StringOffset,
    /// What is wanted of the place that it leads to.
    pub kind: RelocationKind,
}

/// What a CO-RE relocation asks for (`enum bpf_core_relo_kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RelocationKind {
    /// Offset of a field in bytes.
    FieldByteOffset,
    /// Size of a field in bytes.
    FieldByteSize,
    /// Whether there is such a field.
    FieldExists,
    /// Whether a field is signed.
    FieldSigned,
    /// Left shift to get a bit-field out.
    FieldLeftShift,
    /// Right shift to get a bit-field out.
    FieldRightShift,
    /// Id of the type in the object's own BTF.
    TypeIdLocal,
    /// Id of the type in the kernel's BTF.
    TypeIdTarget,
    /// Whether there is such a type.
    TypeExists,
    /// Size of the type in bytes.
    TypeSize,
    /// Whether there is such an enumerator.
    EnumeratorExists,
    /// The enumerator's value.
    EnumeratorValue,
    /// Whether the kernel's type is like this one all the way down.
    TypeMatches,
    /// Newer than this library.
    Unknown(u32),
}

impl RelocationKind {
    /// The kind with this number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::FieldByteOffset,
            1 => Self::FieldByteSize,
            2 => Self::FieldExists,
            3 => Self::FieldSigned,
            4 => Self::FieldLeftShift,
            5 => Self::FieldRightShift,
            6 => Self::TypeIdLocal,
            7 => Self::TypeIdTarget,
            8 => Self::TypeExists,
            9 => Self::TypeSize,
            10 => Self::EnumeratorExists,
            11 => Self::EnumeratorValue,
            12 => Self::TypeMatches,
            other => Self::Unknown(other),
        }
    }
}

/// The records about one ELF section.
#[derive(Clone, Debug)]
pub struct Section<T> {
    /// The ELF section's name.
    pub name: StringOffset,
    /// The records, in the order they stand.
    pub records: Vec<T>,
}

impl<'a> Ext<'a> {
    /// Opens a section's bytes. Records larger than known here are read as far as they are known.
    ///
    /// # Errors
    /// The header is not that of a `.BTF.ext`; or a table, a part or a record lies outside, records are too small, or
    /// tables overlap.
    pub fn parse(data: &'a [u8]) -> Result<Self> {
        let truncated = |needed| Error::HeaderTruncated { needed, have: data.len() };
        let &[a, b, version, ..] = data else { return Err(truncated(CLASSIC)) };
        let order = match u16::from_le_bytes([a, b]) {
            Header::MAGIC => ByteOrder::Little,
            swapped if swapped.swap_bytes() == Header::MAGIC => ByteOrder::Big,
            _ => return Err(Error::Magic([a, b])),
        };
        if version != 1 {
            return Err(Error::Version(version));
        }
        if data.len() < 8 {
            return Err(truncated(CLASSIC));
        }
        let length = order.word(data, 1) as usize;
        if length < CLASSIC {
            return Err(Error::HeaderLength(length as u32));
        }
        if data.len() < length {
            return Err(truncated(length));
        }
        let mut ext = Self { data, order, tables: [Table::default(); 3] };
        for (index, shape) in SHAPES.iter().enumerate() {
            // {offset, length} of each table follow the header's first two words.
            if (2 + 2 * index + 2) * 4 > length {
                break;
            }
            let (offset, size) = (order.word(data, 2 + 2 * index), order.word(data, 3 + 2 * index));
            let outside = Error::ExtOutside { table: shape.name, offset };
            let start = length + offset as usize;
            let end = start.saturating_add(size as usize);
            if size == 0 {
                continue;
            }
            if end > data.len() || size < 4 {
                return Err(outside);
            }
            let record = order.word(&data[start..end], 0) as usize;
            if record < shape.smallest || !record.is_multiple_of(4) {
                return Err(Error::ExtRecordSize { table: shape.name, size: record as u32 });
            }
            ext.tables[index] = Table { start: start + 4, end, record };
            for part in ext.parts(index) {
                part.ok_or_else(|| outside.clone())?;
            }
        }
        // Where two tables share bytes, giving one new numbers would break the other.
        let mut used: Vec<(usize, usize, &str)> = ext
            .tables
            .iter()
            .zip(SHAPES)
            .filter(|(table, _)| table.end > 0)
            .map(|(table, shape)| (table.start - 4, table.end, shape.name))
            .collect();
        used.sort_unstable();
        match used.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            Some(pair) => Err(Error::ExtOverlap { table: pair[1].2 }),
            None => Ok(ext),
        }
    }

    /// Order of the bytes of all numbers.
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Where functions start.
    pub fn functions(&self) -> impl Iterator<Item = Section<FunctionInfo>> {
        self.sections(0, |word| FunctionInfo { instruction: word(0), type_id: TypeId(word(1)) })
    }

    /// Which lines instructions come from.
    pub fn lines(&self) -> impl Iterator<Item = Section<LineInfo>> {
        self.sections(1, |word| LineInfo {
            instruction: word(0),
            file: StringOffset(word(1)),
            text: StringOffset(word(2)),
            line: word(3) >> 10,
            column: (word(3) & 0x3ff) as u16,
        })
    }

    /// What is relocated to the kernel's types.
    pub fn relocations(&self) -> impl Iterator<Item = Section<Relocation>> {
        self.sections(2, |word| Relocation {
            instruction: word(0),
            type_id: TypeId(word(1)),
            access: StringOffset(word(2)),
            kind: RelocationKind::from_number(word(3)),
        })
    }

    /// The same section for a BTF whose types and strings got other numbers.
    pub fn rewrite(
        &self,
        mut type_id: impl FnMut(TypeId) -> TypeId,
        mut string: impl FnMut(StringOffset) -> StringOffset,
    ) -> Vec<u8> {
        let mut bytes = self.data.to_vec();
        let mut put = |at: usize, word: u32| bytes[at..at + 4].copy_from_slice(&self.order.bytes(word));
        for (index, shape) in SHAPES.iter().enumerate() {
            let record = self.tables[index].record;
            for part in self.parts(index).flatten() {
                let name = part.start - 8;
                put(name, string(StringOffset(self.word(name))).0);
                for start in part.step_by(record) {
                    for at in (shape.types.0..shape.types.0 + shape.types.1).map(|word| start + word * 4) {
                        put(at, type_id(TypeId(self.word(at))).0);
                    }
                    for at in
                        (shape.strings.0..shape.strings.0 + shape.strings.1).map(|word| start + word * 4)
                    {
                        put(at, string(StringOffset(self.word(at))).0);
                    }
                }
            }
        }
        bytes
    }

    fn word(&self, at: usize) -> u32 {
        self.order.word(&self.data[at..], 0)
    }

    /// Where the records of each part of a table lie; the eight bytes before them are {section's name, number of
    /// records}. `None`, and no more, where a part does not fit.
    fn parts(&self, index: usize) -> impl Iterator<Item = Option<Range<usize>>> {
        let table = self.tables[index];
        let mut at = table.start;
        let mut broken = false;
        std::iter::from_fn(move || {
            if at >= table.end || broken {
                return None;
            }
            let part = (table.end - at >= 8).then(|| {
                let start = at + 8;
                let length = (self.word(at + 4) as usize).checked_mul(table.record)?;
                let end = start.checked_add(length).filter(|&end| end <= table.end && length > 0)?;
                Some(start..end)
            });
            let part = part.flatten();
            match &part {
                Some(range) => at = range.end,
                None => broken = true,
            }
            Some(part)
        })
    }

    fn sections<T>(
        &self,
        index: usize,
        read: impl Fn(&dyn Fn(usize) -> u32) -> T,
    ) -> impl Iterator<Item = Section<T>> {
        let record = self.tables[index].record;
        self.parts(index).flatten().map(move |part| {
            let name = StringOffset(self.word(part.start - 8));
            let records = part.step_by(record.max(4)).map(|start| read(&|word| self.word(start + word * 4)));
            Section { name, records: records.collect() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of one part of each table, about an ELF section called 1, in either byte order.
    fn section(order: ByteOrder) -> Vec<u8> {
        let tables: [&[u32]; 3] = [
            &[8, 1, 2, 0, 10, 64, 11],
            &[16, 1, 1, 0, 20, 30, 7 << 10 | 5],
            // A record one word longer than known.
            &[20, 1, 1, 8, 12, 40, 1, 99],
        ];
        let mut header = vec![32];
        let mut body = Vec::new();
        for table in tables {
            header.extend([body.len() as u32 * 4, table.len() as u32 * 4]);
            body.extend_from_slice(table);
        }
        let magic = match order {
            ByteOrder::Little => Header::MAGIC.to_le_bytes(),
            ByteOrder::Big => Header::MAGIC.to_be_bytes(),
        };
        let mut bytes = vec![magic[0], magic[1], 1, 0];
        bytes.extend(header.into_iter().chain(body).flat_map(|word| order.bytes(word)));
        bytes
    }

    #[test]
    fn each_table_is_read_in_either_byte_order() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let bytes = section(order);
            let ext = Ext::parse(&bytes).unwrap();
            let functions: Vec<_> = ext.functions().flat_map(|section| section.records).collect();
            assert_eq!(functions[1], FunctionInfo { instruction: 64, type_id: TypeId(11) });
            let line = ext.lines().next().unwrap().records[0];
            assert_eq!(
                (line.file, line.text, line.line, line.column),
                (StringOffset(20), StringOffset(30), 7, 5)
            );
            let relocation = ext.relocations().next().unwrap();
            assert_eq!(relocation.name, StringOffset(1));
            assert_eq!(relocation.records[0].kind, RelocationKind::FieldByteSize);
        }
    }

    #[test]
    fn rewriting_follows_types_and_strings_and_leaves_the_rest() {
        let bytes = section(ByteOrder::Little);
        let ext = Ext::parse(&bytes).unwrap();
        assert_eq!(ext.rewrite(|id| id, |string| string), bytes);
        let moved = ext.rewrite(|id| TypeId(id.0 + 100), |string| StringOffset(string.0 + 1000));
        let moved = Ext::parse(&moved).unwrap();
        assert_eq!(moved.functions().next().unwrap().name, StringOffset(1001));
        assert_eq!(moved.functions().next().unwrap().records[0].type_id, TypeId(110));
        assert_eq!(moved.lines().next().unwrap().records[0].text, StringOffset(1030));
        let relocation = moved.relocations().next().unwrap().records[0];
        assert_eq!((relocation.type_id, relocation.access), (TypeId(112), StringOffset(1040)));
    }

    #[test]
    fn tables_that_share_bytes_are_refused() {
        let mut bytes = section(ByteOrder::Little);
        // line_info where func_info is, and one that begins with its last word.
        for offset in [0, 24] {
            bytes[16..20].copy_from_slice(&u32::to_le_bytes(offset));
            bytes[20..24].copy_from_slice(&u32::to_le_bytes(28));
            bytes[32 + offset as usize] = 16;
            assert!(Ext::parse(&bytes).is_err());
        }
        bytes[16..24].copy_from_slice(&[0; 8]);
        bytes[24..28].copy_from_slice(&u32::to_le_bytes(0));
        bytes[28..32].copy_from_slice(&u32::to_le_bytes(28));
        bytes[8..16].copy_from_slice(&[0, 0, 0, 0, 28, 0, 0, 0]);
        bytes[32] = 16;
        bytes[40..44].copy_from_slice(&u32::to_le_bytes(1));
        assert!(matches!(Ext::parse(&bytes), Err(Error::ExtOverlap { .. })));
    }

    #[test]
    fn broken_sections_are_refused_without_a_panic() {
        let bytes = section(ByteOrder::Little);
        for length in 0..bytes.len() {
            assert!(Ext::parse(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = bytes.clone();
                broken[at] = value;
                if let Ok(ext) = Ext::parse(&broken) {
                    let _ = (ext.functions().count(), ext.lines().count(), ext.relocations().count());
                    let _ = ext.rewrite(|id| id, |string| string);
                }
            }
        }
    }
}
