//! The content of a record as bytes, to order by: the same for the same type in every run and every link order.

use crate::names::{Name, Names};
use crate::record::{Kind, RecordId, RecordTable};

/// Types within types are followed this far; what is the same up to there is taken for equal in order.
const DEEPEST: u32 = 12;

/// The content of a record. Meant for ties, which are rare: nothing is remembered.
pub fn content(table: &RecordTable, names: &Names<'_>, record: RecordId) -> Vec<u8> {
    let mut out = Vec::new();
    put(table, names, record, 0, &mut out);
    out
}

fn put(table: &RecordTable, names: &Names<'_>, id: RecordId, depth: u32, out: &mut Vec<u8>) {
    let record = table.get(id);
    out.extend([record.kind as u8, record.detail]);
    if depth > DEEPEST || out.len() > 1 << 16 {
        return;
    }
    let name = |word: u32, out: &mut Vec<u8>| {
        out.extend(names.bytes(Name(word)));
        out.push(0);
    };
    let number = |word: u32, out: &mut Vec<u8>| out.extend(word.to_be_bytes());
    let words = record.words;
    match record.kind {
        Kind::Void => {}
        Kind::Named => name(words[0], out),
        Kind::Int | Kind::Float => {
            name(words[0], out);
            words[1..].iter().for_each(|&word| number(word, out));
        }
        Kind::Pointer | Kind::Const | Kind::Volatile | Kind::Restrict => {
            put(table, names, RecordId(words[0]), depth + 1, out);
        }
        Kind::Typedef | Kind::TypeTag => {
            name(words[0], out);
            put(table, names, RecordId(words[1]), depth + 1, out);
        }
        Kind::Array => {
            number(words[1], out);
            put(table, names, RecordId(words[0]), depth + 1, out);
        }
        Kind::Struct | Kind::Union => {
            name(words[0], out);
            number(words[1], out);
            for member in words[2..].chunks_exact(4) {
                name(member[0], out);
                number(member[2], out);
                number(member[3], out);
                put(table, names, RecordId(member[1]), depth + 1, out);
            }
        }
        Kind::Enum => {
            name(words[0], out);
            number(words[1], out);
            for enumerator in words[2..].chunks_exact(3) {
                name(enumerator[0], out);
                number(enumerator[1], out);
                number(enumerator[2], out);
            }
        }
        Kind::Function => {
            put(table, names, RecordId(words[0]), depth + 1, out);
            for parameter in words[1..].chunks_exact(2) {
                name(parameter[0], out);
                put(table, names, RecordId(parameter[1]), depth + 1, out);
            }
        }
    }
}
