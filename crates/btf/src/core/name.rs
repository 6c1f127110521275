//! Flavours: `task_struct___old` is `task_struct` as some kernels have it.

/// A name without its flavour: what stands before the last `___` that has something other than `_` on both sides.
pub fn essential(name: &[u8]) -> &[u8] {
    let flavour = |window: &[u8]| window[0] != b'_' && &window[1..4] == b"___" && window[4] != b'_';
    match name.windows(5).rposition(flavour) {
        Some(at) => &name[..=at],
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::essential;

    #[test]
    fn the_last_three_underscores_between_other_characters_begin_a_flavour() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"task_struct", b"task_struct"),
            (b"task_struct___old", b"task_struct"),
            (b"a___b___c", b"a___b"),
            (b"a____b", b"a____b"),
            (b"___b", b"___b"),
            (b"a___", b"a___"),
            (b"a___b", b"a"),
            (b"", b""),
        ];
        for (name, expected) in cases {
            assert_eq!(essential(name), expected, "{}", String::from_utf8_lossy(name));
        }
    }
}
