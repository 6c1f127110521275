//! Compressed sections: `SHF_COMPRESSED` with zlib or zstd (gABI, "Section Compression"), and the older `.zdebug_*`.

use std::io::Read;

use ::object::elf::{ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::StreamingDecoder;

use super::header::Header;

/// Deflate cannot do better than this: a length/distance pair of at least 2 bits yields at most 258 bytes.
const DEFLATE_RATIO: u64 = 1032;

/// Zstandard's run-length blocks make 128 KiB of 4 bytes. Debug sections compress to a third or a tenth; what claims
/// more than this is taken for an attack.
const ZSTD_RATIO: u64 = 4096;

/// A Zstandard frame may ask for at least this much window, whatever it decompresses to (RFC 8878, section 3.1.1.1.2).
const ZSTD_WINDOW: u64 = 8 << 20;

/// Decompresses the content of an `SHF_COMPRESSED` section: a compression header, then the stream.
pub(crate) fn decompress_section(header: &Header, content: &[u8]) -> Result<Vec<u8>, String> {
    let (size, start) = if header.is_64 {
        (header.u64_at(content, 8), 24)
    } else {
        (header.u32_at(content, 4).map(u64::from), 12)
    };
    let kind = header.u32_at(content, 0);
    let (Some(kind), Some(size), Some(stream)) = (kind, size, content.get(start..)) else {
        return Err("its compression header is cut off".to_owned());
    };
    if kind == ELFCOMPRESS_ZLIB.0 {
        inflate(stream, size)
    } else if kind == ELFCOMPRESS_ZSTD.0 {
        unzstd(stream, size)
    } else {
        Err(format!("compression type {kind} is not known"))
    }
}

/// Decompresses the content of a `.zdebug_*` section: "ZLIB", the size as a big-endian 64-bit number, the stream.
/// Returns `None` if the content is not of that form: then it is not compressed.
pub(crate) fn decompress_gnu(content: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let (size, stream) = content.strip_prefix(b"ZLIB")?.split_first_chunk::<8>()?;
    Some(inflate(stream, u64::from_be_bytes(*size)))
}

fn bounded(size: u64, stream: &[u8], ratio: u64) -> Result<usize, String> {
    let most = (stream.len() as u64).saturating_mul(ratio);
    match usize::try_from(size) {
        Ok(bytes) if size <= most => Ok(bytes),
        _ => Err(format!("{} bytes cannot hold the {size} that it declares", stream.len())),
    }
}

fn inflate(stream: &[u8], size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; bounded(size, stream, DEFLATE_RATIO)?];
    let mut decoder = Decompress::new(true);
    while decoder.total_out() < size {
        let (read, wrote) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(&stream[read as usize..], &mut bytes[wrote as usize..], FlushDecompress::Finish)
            .map_err(|error| format!("its zlib stream is damaged ({error})"))?;
        let stuck = decoder.total_in() == read && decoder.total_out() == wrote;
        if decoder.total_out() < size && (stuck || status == Status::StreamEnd) {
            return Err(format!("it ends after {} of {size} bytes", decoder.total_out()));
        }
    }
    Ok(bytes)
}

fn unzstd(mut stream: &[u8], size: u64) -> Result<Vec<u8>, String> {
    let declared = bounded(size, stream, ZSTD_RATIO)?;
    let damaged = |error: &dyn std::fmt::Display| format!("its zstd stream is damaged ({error})");
    // Grown as it is filled: what is declared is not yet to be trusted with memory.
    let mut bytes = Vec::with_capacity(declared.min(stream.len().saturating_mul(16)));
    while bytes.len() < declared {
        let window = size.max(ZSTD_WINDOW);
        let frame = StreamingDecoder::new_with_max_window_size(&mut stream, window)
            .map_err(|error| damaged(&error))?;
        let before = bytes.len();
        frame.take(size - before as u64).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if bytes.len() == before {
            return Err(format!("it ends after {before} of {size} bytes"));
        }
    }
    Ok(bytes)
}
