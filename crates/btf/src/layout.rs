//! The layout section: how long the records of each kind are, so that a reader can step over kinds it does not know.

use crate::Kind;

/// Shape of one kind's record as a layout section tells it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KindLayout {
    /// Bytes after the common twelve, once.
    pub info_size: u8,
    /// Bytes per element (per unit of vlen).
    pub element_size: u8,
    /// Flags; none are defined.
    pub flags: u16,
}

/// Size in bytes of one entry of a layout section.
pub(crate) const ENTRY_SIZE: usize = 4;

/// The entry of `kind` in a layout section's bytes.
pub(crate) fn entry(section: &[u8], order: crate::ByteOrder, kind: u8) -> Option<KindLayout> {
    let &[info_size, element_size, a, b] = section.get(usize::from(kind) * ENTRY_SIZE..)?.first_chunk()?;
    let flags = match order {
        crate::ByteOrder::Little => u16::from_le_bytes([a, b]),
        crate::ByteOrder::Big => u16::from_be_bytes([a, b]),
    };
    Some(KindLayout { info_size, element_size, flags })
}

/// A layout section that describes every kind up to [`Kind::MAX`].
pub(crate) fn section() -> Vec<u8> {
    (0..=Kind::MAX)
        .filter_map(|kind| Kind::from_number(kind).shape())
        .flat_map(|shape| [shape.info * 4, shape.element * 4, 0, 0])
        .collect()
}

/// By the seven bits of a kind: the size in bytes of a record without elements, 0 for kinds that are not known here, and
/// that of an element.
pub(crate) const KNOWN_SIZES: [(u8, u8); 128] = {
    let mut sizes = [(0, 0); 128];
    let mut number = 1;
    while number <= Kind::MAX {
        if let Some(shape) = Kind::from_number(number).shape() {
            sizes[number as usize] = (12 + shape.info * 4, shape.element * 4);
        }
        number += 1;
    }
    sizes
};

/// Size in bytes of a record; `None` when the kind is unknown and `layout` does not tell.
#[inline]
pub(crate) fn record_size(
    kind: Kind,
    vlen: u32,
    layout: impl FnOnce(u8) -> Option<KindLayout>,
) -> Option<u64> {
    let (info, element) = match kind.shape() {
        Some(shape) => (shape.info * 4, shape.element * 4),
        None => {
            let layout = layout(kind.number())?;
            if layout.info_size % 4 != 0 || layout.element_size % 4 != 0 {
                return None;
            }
            (layout.info_size, layout.element_size)
        }
    };
    Some(12 + u64::from(info) + u64::from(vlen) * u64::from(element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ByteOrder;

    #[test]
    fn the_section_tells_the_size_of_every_kind_known_here() {
        let section = section();
        for order in [ByteOrder::Little, ByteOrder::Big] {
            for kind in (0..=Kind::MAX).map(Kind::from_number) {
                let told =
                    record_size(Kind::Unknown(kind.number()), 3, |number| entry(&section, order, number));
                assert_eq!(told, record_size(kind, 3, |_| None), "{kind}");
            }
            assert_eq!(entry(&section, order, Kind::MAX + 1), None);
        }
    }

    #[test]
    fn sizes_that_are_no_whole_words_tell_nothing() {
        let odd = KindLayout { info_size: 4, element_size: 6, flags: 0 };
        assert_eq!(record_size(Kind::Unknown(99), 0, |_| Some(odd)), None);
        let even = KindLayout { info_size: 4, element_size: 8, flags: 0 };
        assert_eq!(record_size(Kind::Unknown(99), 0xff_ffff, |_| Some(even)), Some(16 + 8 * 0xff_ffff));
    }
}
