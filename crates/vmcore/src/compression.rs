//! Compressed pages.

use std::io::Read;

use crate::lzo;

/// How a page's bytes are stored: the flags of its descriptor.
pub(crate) const ZLIB: u32 = 0x1;
pub(crate) const LZO: u32 = 0x2;
pub(crate) const SNAPPY: u32 = 0x4;
pub(crate) const ZSTD: u32 = 0x20;

/// Decompresses a page of exactly `page.len()` bytes; says what is wrong otherwise.
pub(crate) fn decompress(flags: u32, stored: &[u8], page: &mut [u8]) -> Result<(), &'static str> {
    let length = match flags & (ZLIB | LZO | SNAPPY | ZSTD) {
        0 => {
            let length = stored.len().min(page.len());
            page[..length].copy_from_slice(&stored[..length]);
            length
        }
        ZLIB => {
            let mut decoder = flate2::Decompress::new(true);
            let status = decoder.decompress(stored, page, flate2::FlushDecompress::Finish);
            status.map_err(|_| "its zlib stream is broken")?;
            decoder.total_out() as usize
        }
        LZO => lzo::decompress(stored, page)?,
        SNAPPY => {
            if snap::raw::decompress_len(stored).is_ok_and(|length| length > page.len()) {
                return Err("its snappy stream is longer than a page");
            }
            snap::raw::Decoder::new().decompress(stored, page).map_err(|_| "its snappy stream is broken")?
        }
        ZSTD => {
            let mut decoder =
                ruzstd::decoding::StreamingDecoder::new(stored).map_err(|_| "its zstd stream is broken")?;
            let mut length = 0;
            while length < page.len() {
                match decoder.read(&mut page[length..]) {
                    Ok(0) => break,
                    Ok(read) => length += read,
                    Err(_) => return Err("its zstd stream is broken"),
                }
            }
            length
        }
        _ => return Err("its descriptor names several compressions"),
    };
    if length == page.len() { Ok(()) } else { Err("it is shorter than a page") }
}
