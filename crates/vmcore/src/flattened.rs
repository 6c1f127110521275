//! makedumpfile's flattened form: a dump as a stream of {offset, size, bytes}, for targets that cannot seek.
//!
//! It begins with `makedumpfile`, filled up with NULs to 16 bytes, then type and version, both 1, big-endian 64 bits
//! each; the records begin at 4096, big-endian 64-bit offset and size first. An offset of -1 ends the stream. Where
//! records overlap, the later one counts: headers are written again when their content is known.

use crate::extents::{Extent, Extents};
use crate::file::DumpFile;
use crate::{ByteOrder, Result};

const SIGNATURE: &[u8; 16] = b"makedumpfile\0\0\0\0";
const HEADER: u64 = 4096;
/// More pieces than this are no dump: a piece has at least a few descriptors of pages.
const MOST_PIECES: usize = 1 << 22;

/// Where the content of a flattened file is in the stream; `None` if it is not flattened. A stream that breaks off counts
/// as far as it goes.
pub(crate) fn extents(file: &DumpFile) -> Result<Option<Extents>> {
    let mut header = [0; 32];
    if file.read_at(0, &mut header)? < 32 || &header[..16] != SIGNATURE {
        return Ok(None);
    }
    let (kind, version) = (ByteOrder::Big.u64(&header, 16), ByteOrder::Big.u64(&header, 24));
    if (kind, version) != (1, 1) {
        return Err(file.malformed(16, format!("flattened form of type {kind}, version {version}")));
    }
    let mut records: Vec<Extent> = Vec::new();
    let mut at = HEADER;
    let mut record = [0; 16];
    while file.read_at(at, &mut record)? == 16 {
        let (start, length) = (ByteOrder::Big.u64(&record, 0), ByteOrder::Big.u64(&record, 8));
        if start == u64::MAX {
            break;
        }
        let end = start.checked_add(length).filter(|&end| i64::try_from(end).is_ok());
        if end.is_none() || length == 0 || records.len() == MOST_PIECES {
            return Err(file.malformed(at, "a record of the flattened form is impossible"));
        }
        records.push(Extent { start, length, place: at + 16 });
        at = match (at + 16).checked_add(length) {
            Some(next) => next,
            None => break,
        };
    }
    Ok(Some(Extents::new(records)))
}

/// Reads content through `read`, which reads the stream. Bytes that no record gave are zero.
pub(crate) fn read_at(
    extents: &Extents,
    offset: u64,
    buffer: &mut [u8],
    read: impl Fn(u64, &mut [u8]) -> Result<usize>,
) -> Result<usize> {
    let length = extents.end().saturating_sub(offset).min(buffer.len() as u64) as usize;
    let mut done = 0;
    while done < length {
        let (address, rest) = (offset + done as u64, (length - done) as u64);
        match extents.find(address) {
            Some((place, available)) => {
                let part = available.min(rest) as usize;
                let got = read(place, &mut buffer[done..done + part])?;
                done += got;
                if got < part {
                    break;
                }
            }
            None => {
                let next = extents.next_start(address).unwrap_or(u64::MAX);
                let part = (next - address).min(rest) as usize;
                buffer[done..done + part].fill(0);
                done += part;
            }
        }
    }
    Ok(done)
}
