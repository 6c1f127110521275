//! Rules of the blob: its header and sections.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    use Rule::*;
    vec![
        case(BlobSize, |bad| {
            types(|d| d.strings.resize(if bad { (16 << 20) - 39 } else { (16 << 20) - 40 }, 0))
        }),
        case(Header, |bad| bytes(|b| poke(b, 4, if bad { 1000 } else { 24 }))),
        along(Header, &[], |bad| bytes(|b| b.truncate(if bad { 3 } else { b.len() }))),
        along(HeaderTail, &[StringsLast, SectionTail], |bad| {
            bytes(|b| {
                poke(b, 4, 28);
                b.splice(24..24, [0, 0, 0, u8::from(bad)]);
            })
        }),
        case(Magic, |bad| bytes(|b| b[0] = if bad { 0x9e } else { b[0] })),
        case(Version, |bad| bytes(|b| b[2] = 1 + u8::from(bad))),
        case(Flags, |bad| bytes(|b| b[3] = u8::from(bad))),
        along(SectionInside, &[StringsLast, StringsPresent, Name, NameOffset], |bad| {
            bytes(|b| poke(b, 20, if bad { 6 } else { 5 }))
        }),
        along(SectionGap, &[], |bad| {
            bytes(|b| {
                if bad {
                    b.splice(40..40, [0; 4]);
                    poke(b, 16, 20);
                }
            })
        }),
        along(SectionOverlap, &[StringsLast, SectionTail, StringsFirst, NameOffset], |bad| {
            bytes(|b| {
                if bad {
                    poke(b, 16, 12);
                    poke(b, 20, 9);
                    poke(b, 36, 0x20 << 8);
                    poke(b, 24, 0);
                }
            })
        }),
        along(SectionTail, &[StringsLast], |bad| bytes(|b| b.resize(b.len() + usize::from(bad), 0))),
        along(StringsLast, &[], |bad| {
            // The strings first, then the types.
            bytes(|b| {
                if bad {
                    b.splice(24..24, *b"\0int\0\0\0\0");
                    b.truncate(24 + 8 + 16);
                    poke(b, 8, 8);
                    poke(b, 16, 0);
                    poke(b, 20, 8);
                }
            })
        }),
        along(StringsPresent, &[NameOffset], |bad| {
            bytes(|b| {
                if bad {
                    b.truncate(40);
                    poke(b, 20, 0);
                }
            })
        }),
        case(StringsFirst, |bad| bytes(|b| b[40] = if bad { b'x' } else { 0 })),
        case(StringsEnd, |bad| {
            bytes(|b| {
                if bad {
                    b.pop();
                    poke(b, 20, 4);
                }
            })
        }),
        along(TypesAligned, &[SectionGap], |bad| {
            bytes(|b| {
                if bad {
                    b.insert(24, 0);
                    poke(b, 8, 1);
                    poke(b, 16, 17);
                }
            })
        }),
        case(TypesPresent, |bad| {
            bytes(|b| {
                if bad {
                    b.drain(24..40);
                    poke(b, 12, 0);
                    poke(b, 16, 0);
                }
            })
        }),
    ]
}
