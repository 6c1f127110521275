//! Symbol tables as `scripts/kallsyms.c` of the kernel lays them out.

/// Where `_stext` is.
const TEXT: u64 = 0xffff_ffff_8000_0000;

/// How addresses are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 64 bits each.
    Absolute,
    /// Unsigned, from a base.
    Relative,
    /// What is negative counts down from below the base.
    RelativePerCpu,
    /// From the place of the entry.
    InPlace,
}

/// An input of the target: a kernel of `count` symbols, and whether VMCOREINFO says where they are. Addresses stand before the
/// names, as up to Linux 6.3, or behind them if they count from their own places.
pub(super) fn seed(count: u32, encoding: Encoding, is_named: bool) -> Vec<u8> {
    // Code at the start, so that nothing lies at the very beginning.
    let mut image = vec![0x90; 64];
    let width = if encoding == Encoding::Absolute { 8 } else { 4 };
    let room = (count as usize * width).next_multiple_of(8);
    let mut addresses = image.len();
    let mut base = addresses + room;
    let has_base = matches!(encoding, Encoding::Relative | Encoding::RelativePerCpu);
    if encoding != Encoding::InPlace {
        image.resize(addresses + room + if has_base { 8 } else { 0 }, 0);
    }
    let counted = put(&mut image, &u64::from(count).to_le_bytes());
    let names: Vec<u8> = (0..count).flat_map(name).collect();
    let names = put(&mut image, &names);
    // A marker for each 256 names, which nobody reads here.
    put(&mut image, &vec![0; count.div_ceil(256) as usize * 4]);
    let tokens: Vec<Vec<u8>> = (0..=255).map(token).collect();
    let ends = tokens.iter().scan(0u16, |end, token| {
        let start = *end;
        *end += token.len() as u16;
        Some(start)
    });
    let index: Vec<u8> = ends.flat_map(u16::to_le_bytes).collect();
    let tokens = put(&mut image, &tokens.concat());
    let index = put(&mut image, &index);
    if encoding == Encoding::InPlace {
        addresses = put(&mut image, &vec![0; room]);
        base = 0;
    }
    for number in 0..count as usize {
        let (at, address) = (addresses + number * width, TEXT + number as u64 * 16);
        let value = match encoding {
            Encoding::Absolute => address,
            Encoding::Relative => address - TEXT,
            Encoding::RelativePerCpu => (TEXT - 1).wrapping_sub(address),
            Encoding::InPlace => address.wrapping_sub(TEXT + at as u64),
        };
        image[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    if has_base {
        image[base..base + 8].copy_from_slice(&TEXT.to_le_bytes());
    }
    let flags =
        usize::from(is_named) | usize::from(encoding == Encoding::Absolute) << 1 | usize::from(has_base) << 2;
    let places = [counted, names, tokens, index, addresses, base, 0].map(|place| place / 8);
    let numbers = std::iter::once(flags).chain(places).flat_map(|number| (number as u16).to_le_bytes());
    numbers.chain(image).collect()
}

/// Appends a table at a multiple of 8 bytes, and gives its place.
fn put(image: &mut Vec<u8>, table: &[u8]) -> usize {
    let place = image.len();
    image.extend_from_slice(table);
    image.resize(image.len().next_multiple_of(8), 0);
    place
}

/// The length of a name, and the name in tokens: its kind comes first.
fn name(number: u32) -> Vec<u8> {
    let text =
        if number == 0 { b"T_stext".to_vec() } else { [b"tf", number.to_string().as_bytes()].concat() };
    [&[text.len() as u8], &text[..]].concat()
}

/// What a byte of a name stands for, and a NUL: characters for themselves, other bytes for two.
fn token(byte: u8) -> Vec<u8> {
    let letter = |number: u8| b'a' + number % 26;
    match byte {
        b' '..=b'~' => vec![byte, 0],
        _ => vec![letter(byte), letter(byte / 26), 0],
    }
}
