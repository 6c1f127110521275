//! Relocations of a section `.BTF` whose types got other places.
//!
//! In a relocatable BPF object the offsets of variables in their DATASECs are relocated: `.rel.BTF` says where in `.BTF`
//! they stand. When the types change places, those places follow, and the bytes there go back to what they were before
//! relocation: a linker adds to them.

use btfkit_btf::{Btf, Type, TypeId};

use crate::object::{Error, Object, Result};

/// A section, such as the relocations of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The tables of relocations of the section called `section`, as they are.
pub fn tables(object: &Object, section: &str) -> Result<Vec<Section>> {
    let mut tables = Vec::new();
    for name in [format!(".rel{section}"), format!(".rela{section}")] {
        if let Some(found) = object.section_by_name(&name).filter(|_| object.is_relocatable()) {
            tables.push(Section { name, bytes: object.raw_section_data(found.index)?.to_vec() });
        }
    }
    Ok(tables)
}

/// What becomes of the relocations of `.BTF`, now that `old`, as read from `object`, was rewritten to `new`. `ids` has the
/// new id of each type of `old`. In `new` the relocated fields get the bytes that they have in the file.
///
/// # Errors
/// `new` is no BTF that has these types, or a relocation is of something else than a type.
pub fn follow(object: &Object, old: &Btf<'_>, new: &mut [u8], ids: &[TypeId]) -> Result<Vec<Section>> {
    let mut tables = tables(object, ".BTF")?;
    let Some(section) = object.section_by_name(".BTF").filter(|_| !tables.is_empty()) else {
        return Ok(tables);
    };
    let raw = object.raw_section_data(section.index)?;
    let wrong =
        |what: String| Error::Malformed { file: object.path().to_owned(), offset: section.offset, what };
    let copy = new.to_vec();
    let view = match old.base() {
        Some(base) => Btf::parse_split(copy, base.clone()),
        None => Btf::parse(copy),
    };
    let view = view.map_err(|error| wrong(error.to_string()))?;
    // Where the record of each type starts in the section.
    let start = |btf: &Btf<'_>, ty: Type<'_>| ty.record().as_ptr().addr() - btf.bytes().as_ptr().addr();
    let starts: Vec<usize> = old.types().map(|ty| start(old, ty)).collect();
    let place = |offset: usize| {
        let index = starts.partition_point(|&start| start <= offset).checked_sub(1)?;
        let ty = old.get(TypeId(old.first_id().0 + index as u32)).ok()?;
        let within = offset - starts[index];
        let new = view.get(*ids.get(index)?).ok()?;
        let fits = within + 4 <= ty.record().len() && ty.record().len() == new.record().len();
        (fits && new.id() >= view.first_id()).then(|| start(&view, new) + within)
    };
    let width = if object.is_64() { 8 } else { 4 };
    for table in &mut tables {
        let addends = table.name.starts_with(".rela");
        let entry = if addends { 3 * width } else { 2 * width };
        for record in table.bytes.chunks_exact_mut(entry) {
            let field = &mut record[..width];
            let offset = read(field, object.is_big_endian()) as usize;
            let moved = place(offset).filter(|moved| moved + 4 <= new.len() && offset + 4 <= raw.len());
            let moved = moved.ok_or_else(|| {
                wrong(format!("a relocation at offset {offset} of .BTF is in no type of it"))
            })?;
            new[moved..moved + 4].copy_from_slice(&raw[offset..offset + 4]);
            write(field, moved as u64, object.is_big_endian());
        }
    }
    Ok(tables)
}

fn read(field: &[u8], big: bool) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if big { field.iter().fold(0, add) } else { field.iter().rev().fold(0, add) }
}

fn write(field: &mut [u8], value: u64, big: bool) {
    let bytes = value.to_be_bytes();
    let bytes = &bytes[8 - field.len()..];
    for (index, byte) in bytes.iter().enumerate() {
        let at = if big { index } else { field.len() - 1 - index };
        field[at] = *byte;
    }
}
