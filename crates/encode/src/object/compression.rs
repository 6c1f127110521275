//! Compressed sections: `SHF_COMPRESSED` with zlib or zstd (gABI, "Section Compression"), and the older `.zdebug_*`; and
//! files compressed as a whole, as distributions install modules.

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

/// What a file compressed as a whole may become, as a multiple of its size. Modules compress to a fifth or a tenth.
const FILE_RATIO: u64 = 256;

/// Memory for the dictionary of an xz stream, in KiB: what its largest preset (-9) needs, and some.
const XZ_MEMORY: u32 = 80 << 10;

/// Decompresses a file that is gzip, xz or zstd as a whole, by its first bytes; `None` if it is none of them.
pub(crate) fn unpack_file(content: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let window = (content.len() as u64).saturating_mul(FILE_RATIO).max(ZSTD_WINDOW);
    Some(match content {
        [0x1f, 0x8b, ..] => read_all("gzip", content, flate2::read::MultiGzDecoder::new(content)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            read_all("xz", content, lzma_rust2::XzReader::new_mem_limit(content, true, XZ_MEMORY))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match StreamingDecoder::new_with_max_window_size(content, window) {
            Ok(decoder) => read_all("zstd", content, decoder),
            Err(error) => Err(format!("its zstd stream is damaged ({error})")),
        },
        _ => return None,
    })
}

fn read_all(format: &str, content: &[u8], stream: impl Read) -> Result<Vec<u8>, String> {
    let most = (content.len() as u64).saturating_mul(FILE_RATIO);
    let mut bytes = Vec::with_capacity(content.len().saturating_mul(4));
    stream
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("its {format} stream is damaged ({error})"))?;
    if bytes.len() as u64 > most {
        return Err(format!("its {format} stream becomes more than {FILE_RATIO} times as much"));
    }
    Ok(bytes)
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn packed(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let directory = tempfile::tempdir().ok()?;
        let file = directory.path().join("file");
        std::fs::write(&file, bytes).ok()?;
        let input = std::fs::File::open(file).ok()?;
        Some(Command::new(program).args(["-c", "-q"]).stdin(input).output().ok()?.stdout)
    }

    #[test]
    fn files_that_others_packed_come_out_as_they_went_in() {
        let bytes: Vec<u8> =
            (0..300_000u32).flat_map(|i| (i / 7).wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for program in ["gzip", "xz", "zstd"] {
            let Some(packed) = packed(program, &bytes) else {
                println!("SKIPPED files_that_others_packed_come_out_as_they_went_in: no {program}");
                continue;
            };
            assert!(unpack_file(&packed).unwrap().unwrap() == bytes, "{program}");
            let cut = unpack_file(&packed[..packed.len() / 2]).unwrap();
            assert!(cut.unwrap_err().contains("damaged"), "{program}");
        }
        assert!(unpack_file(b"\x7fELF").is_none());
        assert!(unpack_file(b"").is_none());
    }

    #[test]
    fn a_file_that_becomes_too_much_is_refused() {
        let Some(packed) = packed("gzip", &vec![0; 4 << 20]) else {
            println!("SKIPPED a_file_that_becomes_too_much_is_refused: no gzip");
            return;
        };
        assert!(unpack_file(&packed).unwrap().unwrap_err().contains("more than 256 times"));
    }
}
