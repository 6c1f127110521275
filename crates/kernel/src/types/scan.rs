//! The kernel's own BTF where no symbol says where it is: found in the kernel's image by its header.
//!
//! It counts if it is in the dump's byte order, its sections follow one another without a gap, every record keeps the rules
//! that the kernel's verifier holds it to, and it has the structures that every kernel has: an image may hold the BTF of BPF
//! programs, too.

use std::ops::ControlFlow;

use btfkit_btf::check::{self, Profile};
use btfkit_btf::{Btf, Header};
use btfkit_vmcore::{ByteOrder, Error as MemoryError, Memory, VirtualAddress};

use super::{LARGEST, member_offset};
use crate::image::Image;

/// Longest header that is believed, in bytes: 32 are known.
const LONGEST_HEADER: usize = 256;
/// Bytes between sections, at most.
const MOST_PADDING: u64 = 8;
/// What is read of all that looks like BTF, in bytes.
const MOST_READ: u64 = 4 * LARGEST;

/// What a scan has met.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Where the kernel's BTF is, and itself.
    pub(super) btf: Option<(VirtualAddress, Btf<'static>)>,
    /// What follows a header, and cannot be read.
    pub(super) unreadable: Option<MemoryError>,
    /// Pages of the image that are not in the dump.
    pub(super) missing_pages: usize,
}

pub(super) fn find(memory: &Memory, image: &Image) -> Met {
    let mut met = Met::default();
    let mut left = MOST_READ;
    let (start, order) = match memory.byte_order() {
        ByteOrder::Little => ([0x9f, 0xeb, 1, 0], btfkit_btf::ByteOrder::Little),
        ByteOrder::Big => ([0xeb, 0x9f, 1, 0], btfkit_btf::ByteOrder::Big),
    };
    let magic = memchr::memmem::Finder::new(&start);
    met.missing_pages = image.look_through(memory, LONGEST_HEADER, |address, piece| {
        for at in magic.find_iter(piece) {
            let header = Header::parse(&piece[at..]).ok().filter(|header| header.order == order);
            let Some(length) = header.and_then(|header| length(&header)) else { continue };
            // However small, a look at it takes time.
            let Some(rest) = left.checked_sub(length.max(4096)) else { return ControlFlow::Break(()) };
            left = rest;
            let place = VirtualAddress(address + at as u64);
            match memory.bytes(place, length as usize) {
                Ok(bytes) => met.btf = kernels_own(bytes).map(|btf| (place, btf)),
                Err(error) => met.unreadable = Some(error),
            }
            if met.btf.is_some() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    met
}

/// The length of all in bytes, if the sections follow one another: what they take together is where the last one ends, but for
/// what aligns them.
fn length(header: &Header) -> Option<u64> {
    let together: u64 = header.sections().iter().map(|(_, length)| u64::from(*length)).sum();
    let length = header.end();
    let is_sound = header.length as usize <= LONGEST_HEADER
        && header.type_length > 0
        && header.string_length > 0
        && (together..=together + MOST_PADDING).contains(&(length - u64::from(header.length)));
    (is_sound && length <= LARGEST).then_some(length)
}

fn kernels_own(bytes: Vec<u8>) -> Option<Btf<'static>> {
    if !check::check(&bytes, None, Profile::Vmlinux).is_clean() {
        return None;
    }
    let btf = Btf::parse(bytes).ok()?;
    let has = |name, member| member_offset(&btf, name, member).is_some();
    (has("task_struct", "tasks") && has("module", "list")).then_some(btf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use btfkit_btf::{Builder, IntEncoding};

    #[test]
    fn what_follows_a_header_counts_only_without_gaps() {
        for order in [btfkit_btf::ByteOrder::Little, btfkit_btf::ByteOrder::Big] {
            let mut builder = Builder::new(order);
            let int = builder.string(b"int");
            builder.int(int, 4, IntEncoding::signed(32));
            let bytes = builder.finish().unwrap();
            let header = Header::parse(&bytes).unwrap();
            assert_eq!(length(&header), Some(bytes.len() as u64));
            let wrong = [
                Header { string_offset: header.string_offset + 64, ..header },
                Header { string_offset: 0, type_length: 4, ..header },
                Header { string_length: 0, ..header },
                Header { type_length: 0, ..header },
                Header { length: 4096, ..header },
                Header { string_length: u32::MAX, ..header },
            ];
            for header in wrong {
                assert_eq!(length(&header), None, "{header:?}");
            }
            // Sound, but of no kernel.
            assert!(kernels_own(bytes).is_none());
        }
    }
}
