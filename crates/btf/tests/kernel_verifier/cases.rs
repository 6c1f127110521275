//! For each rule a blob that breaks it, and a twin that keeps it.

use crate::draft::*;
use btfkit_btf::check::Rule;

/// Makes a blob that breaks the rule when told to, else its twin.
pub(crate) type Make = fn(bad: bool) -> Vec<u8>;

/// A rule, what else the blob cannot help breaking, and the blobs.
pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) along: &'static [Rule],
    pub(crate) make: Make,
}

const fn case(rule: Rule, make: Make) -> Case {
    Case { rule, along: &[], make }
}

const fn along(rule: Rule, along: &'static [Rule], make: Make) -> Case {
    Case { rule, along, make }
}

/// A blob with an `int`, and what is added to it.
fn types(add: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::with_int();
    add(&mut draft);
    draft.finish()
}

/// A blob with an `int`, and what is done to its bytes.
fn bytes(patch: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Draft::with_int().finish();
    patch(&mut bytes);
    bytes
}

/// A blob with a chain of `length` `const`s that ends at `int`.
fn constants(length: u32, forward: bool) -> Vec<u8> {
    types(|d| {
        for i in 0..length {
            let next = if i + 1 == length { 1 } else { i + 3 };
            let before = if i == 0 { 1 } else { i + 1 };
            d.reference(CONST, "", if forward { next } else { before });
        }
    })
}

/// A blob with a single type of this name.
fn named(kind: u32, name: &str, third: u32) -> Vec<u8> {
    types(|d| {
        d.record(name, info(kind, 0, false), third, &[]);
    })
}

/// A data section of 16 bytes with two variables of 4.
fn two_variables(size: u32, first: [u32; 2], second: [u32; 2]) -> Vec<u8> {
    types(|d| {
        let (a, b) = (d.variable("a", 1), d.variable("b", 1));
        d.section(".data", size, &[[a, first[0], first[1]], [b, second[0], second[1]]]);
    })
}

/// A structure with one member of the type that `add` makes.
fn member_of(flag: bool, size: u32, word: u32, add: impl FnOnce(&mut Draft) -> u32) -> Vec<u8> {
    types(|d| {
        let ty = add(d);
        d.structure("s", flag, size, &[("m", ty, word)]);
    })
}

/// All cases, in the order of the rules.
pub(crate) fn all() -> Vec<Case> {
    use Rule::*;
    vec![
        // The blob.
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
        // Each record.
        case(Record, |bad| types(|d| d.types.truncate(if bad { 3 } else { 4 }))),
        along(Info, &[NoElements], |bad| types(|d| d.types[1] |= u32::from(bad) << 16)),
        case(KnownKind, |bad| {
            types(|d| {
                if bad {
                    d.record("", info(20, 0, false), 0, &[0]);
                }
            })
        }),
        case(KnownKind, |bad| {
            types(|d| {
                if bad {
                    d.record("", info(0, 0, false), 0, &[]);
                }
            })
        }),
        case(TypeCount, |bad| {
            types(|d| {
                for _ in 1..if bad { 0xf_ffff } else { 0xf_fffe } {
                    d.words(&[0, info(CONST, 0, false), 1]);
                }
            })
        }),
        case(NameOffset, |bad| types(|d| d.types[0] = if bad { 5 } else { 4 })),
        case(NameOffset, |bad| {
            types(|d| {
                let at = if bad { 100 } else { 0 };
                let name = d.name("s");
                d.words(&[name, info(STRUCT, 1, false), 4, at, 1, 0]);
            })
        }),
        case(NoName, |bad| named(PTR, if bad { "p" } else { "" }, 1)),
        case(NoName, |bad| named(CONST, if bad { "p" } else { "" }, 1)),
        case(NoName, |bad| {
            types(|d| {
                d.record(if bad { "a" } else { "" }, info(ARRAY, 0, false), 0, &[1, 1, 2]);
            })
        }),
        case(NoName, |bad| named(FUNC_PROTO, if bad { "p" } else { "" }, 1)),
        case(Name, |bad| named(FWD, if bad { "" } else { "f" }, 0)),
        case(Name, |bad| named(TYPEDEF, if bad { "" } else { "t" }, 1)),
        case(Name, |bad| named(TYPEDEF, if bad { "a b" } else { "a.b" }, 1)),
        case(Name, |bad| named(TYPEDEF, if bad { "1a" } else { ".1a" }, 1)),
        case(Name, |bad| named(STRUCT, if bad { "1a" } else { "" }, 1)),
        case(Name, |bad| named(ENUM, if bad { "e-" } else { "_e" }, 4)),
        case(Name, |bad| named(STRUCT, &"n".repeat(if bad { 513 } else { 512 }), 1)),
        case(Name, |bad| {
            types(|d| {
                let name = if bad { d.strings.len() as u32 - 1 } else { 0 };
                d.words(&[name, info(STRUCT, 0, false), 0]);
            })
        }),
        case(SectionName, |bad| named(DATASEC, if bad { "" } else { "9 lives" }, 4)),
        case(SectionName, |bad| named(DATASEC, if bad { "\x7f" } else { "~" }, 4)),
        case(SectionName, |bad| named(DATASEC, &"n".repeat(if bad { 513 } else { 512 }), 4)),
        case(TagValue, |bad| named(TYPE_TAG, if bad { "" } else { "any text\x01" }, 1)),
        case(TagValue, |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[]);
                d.record(if bad { "" } else { "any text" }, info(DECL_TAG, 0, false), s, &[u32::MAX]);
            })
        }),
        case(NoElements, |bad| types(|d| d.types[1] |= u32::from(bad))),
        case(NoElements, |bad| {
            types(|d| {
                d.record("", info(PTR, u32::from(bad), false), 1, &[]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("f", info(FLOAT, u32::from(bad), false), 4, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("", info(CONST, 0, bad), 1, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.record("f", info(FUNC, 0, bad), proto, &[]);
            })
        }),
        // The same for every other kind that has none.
        case(NoName, |bad| named(9, if bad { "v" } else { "" }, 1)),
        case(NoName, |bad| named(11, if bad { "r" } else { "" }, 1)),
        case(Name, |bad| named(UNION, if bad { "u u" } else { "u_u" }, 1)),
        case(Name, |bad| named(ENUM64, if bad { "e/" } else { "e" }, 8)),
        case(Name, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.record(if bad { "" } else { "f.isra.0" }, info(FUNC, 0, false), proto, &[]);
            })
        }),
        case(Name, |bad| {
            types(|d| {
                d.variable(if bad { "v v" } else { "v.1" }, 1);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("", info(ARRAY, u32::from(bad), false), 0, &[1, 1, 2]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("f", info(FWD, u32::from(bad), false), 0, &[]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("t", info(TYPEDEF, u32::from(bad), false), 1, &[]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("v", info(VAR, u32::from(bad), false), 1, &[0]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                d.record("t", info(TYPE_TAG, u32::from(bad), false), 1, &[]);
            })
        }),
        case(NoElements, |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[]);
                d.record("t", info(DECL_TAG, u32::from(bad), false), s, &[u32::MAX]);
            })
        }),
        case(NoKindFlag, |bad| types(|d| d.types[1] |= u32::from(bad) << 31)),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("", info(PTR, 0, bad), 1, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("", info(ARRAY, 0, bad), 0, &[1, 1, 2]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("t", info(TYPEDEF, 0, bad), 1, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("", info(FUNC_PROTO, 0, bad), 0, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("v", info(VAR, 0, bad), 1, &[0]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record(".data", info(DATASEC, 0, bad), 4, &[]);
            })
        }),
        case(NoKindFlag, |bad| {
            types(|d| {
                d.record("f", info(FLOAT, 0, bad), 4, &[]);
            })
        }),
        along(TypeNumber, &[EntryVariable], |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.section(".data", 4, &[[if bad { 0 } else { v }, 0, 4]]);
            })
        }),
        along(TypeNumber, &[ArrayIndex], |bad| {
            types(|d| {
                d.record("", info(ARRAY, 0, false), 0, &[1, u32::from(!bad), 2]);
            })
        }),
        case(NoSize, |bad| {
            types(|d| {
                d.record("", info(ARRAY, 0, false), u32::from(bad), &[1, 1, 2]);
            })
        }),
        case(NoSize, |bad| named(FWD, "f", u32::from(bad))),
        along(TypeNumber, &[Target], |bad| {
            types(|d| {
                d.reference(PTR, "", if bad { 0x10_0000 } else { 1 });
            })
        }),
        along(TypeNumber, &[ArrayElement], |bad| {
            types(|d| {
                d.record("", info(ARRAY, 0, false), 0, &[u32::from(!bad), 1, 2]);
            })
        }),
        along(TypeNumber, &[VariableType], |bad| {
            types(|d| {
                d.variable("v", u32::from(!bad));
            })
        }),
        along(TypeNumber, &[MemberType], |bad| member_of(false, 4, 0, |_| u32::from(!bad))),
        case(IntBits, |bad| types(|d| d.types[3] |= u32::from(bad) << 28)),
        case(IntWidth, |bad| {
            types(|d| {
                d.int("i", 16, if bad { 129 } else { 128 });
            })
        }),
        case(IntSize, |bad| {
            types(|d| {
                d.int("i", 4, if bad { 33 } else { 32 });
            })
        }),
        case(IntEncoding, |bad| types(|d| d.types[3] |= if bad { 3 } else { 2 } << 24)),
        case(IntEncoding, |bad| types(|d| d.types[3] |= if bad { 8 } else { 4 } << 24)),
        case(MemberName, |bad| {
            types(|d| {
                d.structure("s", false, 4, &[(if bad { "m m" } else { "" }, 1, 0)]);
            })
        }),
        case(UnionMember, |bad| {
            types(|d| {
                let m = d.name("m");
                d.record("u", info(UNION, 1, false), 8, &[m, 1, if bad { 8 } else { 0 }]);
            })
        }),
        case(MemberOrder, |bad| {
            types(|d| {
                d.structure("s", false, 8, &[("a", 1, 32), ("b", 1, if bad { 0 } else { 32 })]);
            })
        }),
        along(MemberStart, &[MemberEnd], |bad| member_of(false, 8, if bad { 72 } else { 32 }, |_| 1)),
        case(EnumSize, |bad| named(ENUM, "e", if bad { 3 } else { 2 })),
        case(EnumSize, |bad| named(ENUM, "e", if bad { 16 } else { 8 })),
        case(EnumSize, |bad| named(ENUM64, "e", if bad { 0 } else { 1 })),
        case(EnumeratorName, |bad| {
            types(|d| {
                let name = d.name(if bad { "" } else { "E" });
                d.record("e", info(ENUM, 1, false), 4, &[name, 0]);
            })
        }),
        case(EnumeratorName, |bad| {
            types(|d| {
                let name = d.name(if bad { "E+" } else { "E" });
                d.record("e", info(ENUM64, 1, false), 4, &[name, 0, 0]);
            })
        }),
        case(FloatSize, |bad| named(FLOAT, "f", if bad { 10 } else { 12 })),
        case(FunctionLinkage, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.record("f", info(FUNC, if bad { 2 } else { 1 }, false), proto, &[]);
            })
        }),
        case(VariableLinkage, |bad| {
            types(|d| {
                d.record("v", info(VAR, 0, false), 1, &[if bad { 2 } else { 0 }]);
            })
        }),
        case(SectionSize, |bad| named(DATASEC, ".data", u32::from(!bad))),
        case(EntryOffset, |bad| two_variables(16, [0, 4], [if bad { 0 } else { 4 }, 4])),
        case(EntryOffset, |bad| two_variables(16, [0, 4], [if bad { 16 } else { 12 }, 4])),
        along(EntrySize, &[EntryShort], |bad| two_variables(16, [0, if bad { 0 } else { 4 }], [8, 4])),
        case(EntrySize, |bad| {
            types(|d| {
                let a = d.variable("a", 1);
                d.section(".data", 16, &[[a, 0, if bad { 17 } else { 16 }]]);
            })
        }),
        case(EntryEnd, |bad| two_variables(16, [0, 4], [12, if bad { 5 } else { 4 }])),
        along(Component, &[TagComponent], |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[]);
                d.record("t", info(DECL_TAG, 0, false), s, &[if bad { -2i32 as u32 } else { u32::MAX }]);
            })
        }),
        // Chains.
        case(TagOrder, |bad| {
            types(|d| {
                let (first, second) = if bad { ("", "t") } else { ("t", "") };
                let target = d.record(second, info(if bad { TYPE_TAG } else { CONST }, 0, false), 1, &[]);
                d.record(first, info(if bad { CONST } else { TYPE_TAG }, 0, false), target, &[]);
            })
        }),
        along(ChainLength, &[Depth], |bad| constants(if bad { 33 } else { 32 }, true)),
        case(Depth, |bad| {
            types(|d| {
                for i in 0..if bad { 33 } else { 32 } {
                    let last = i + 1 == if bad { 33 } else { 32 };
                    d.structure("s", false, 4, &[("m", if last { 1 } else { i + 3 }, 0)]);
                }
            })
        }),
        along(Depth, &[ChainLength], |bad| constants(40, bad)),
        case(Loop, |bad| member_of(false, 4, 0, |_| if bad { 2 } else { 1 })),
        case(Loop, |bad| {
            types(|d| {
                d.reference(PTR, "", 3);
                d.reference(PTR, "", if bad { 2 } else { 1 });
            })
        }),
        along(Loop, &[ChainLength], |bad| {
            types(|d| {
                d.reference(TYPEDEF, "t", 3);
                d.reference(CONST, "", if bad { 2 } else { 1 });
            })
        }),
        case(Loop, |bad| {
            types(|d| {
                // A structure with a pointer to itself is fine, one that contains itself through a typedef is not.
                d.reference(TYPEDEF, "t", 3);
                d.structure("s", false, 8, &[("m", if bad { 2 } else { 4 }, 0)]);
                d.reference(PTR, "", 2);
            })
        }),
        case(Target, |bad| {
            types(|d| {
                d.reference(PTR, "", if bad { 9 } else { 0 });
            })
        }),
        along(Target, &[ChainTarget], |bad| {
            types(|d| {
                d.reference(CONST, "", if bad { 9 } else { 0 });
            })
        }),
        case(Target, |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.reference(PTR, "", if bad { v } else { 1 });
            })
        }),
        // A function can be pointed to, which no compiler does, if it was resolved before: it counts as its prototype.
        case(Target, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                if bad {
                    d.reference(PTR, "", proto + 2);
                }
                let f = d.record("f", info(FUNC, 0, false), proto, &[]);
                d.reference(PTR, "", f);
            })
        }),
        case(ArrayIndex, |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[]);
                d.record("", info(ARRAY, 0, false), 0, &[1, if bad { s } else { 1 }, 2]);
            })
        }),
        case(ArrayIndex, |bad| {
            types(|d| {
                let odd = d.int("odd", 4, if bad { 31 } else { 8 });
                d.record("", info(ARRAY, 0, false), 0, &[1, odd, 2]);
            })
        }),
        case(ArrayElement, |bad| {
            types(|d| {
                let fwd = d.reference(FWD, "f", 0);
                d.record("", info(ARRAY, 0, false), 0, &[if bad { fwd } else { 1 }, 1, 2]);
            })
        }),
        case(ArrayElement, |bad| {
            types(|d| {
                let odd = d.int("odd", 4, if bad { 31 } else { 16 });
                d.record("", info(ARRAY, 0, false), 0, &[odd, 1, 2]);
            })
        }),
        case(ArrayElement, |bad| {
            types(|d| {
                let constant = d.reference(CONST, "", u32::from(!bad));
                d.record("", info(ARRAY, 0, false), 0, &[constant, 1, 2]);
            })
        }),
        case(ArraySize, |bad| {
            types(|d| {
                d.record("", info(ARRAY, 0, false), 0, &[1, 1, if bad { 1 << 30 } else { (1 << 30) - 1 }]);
            })
        }),
        case(MemberType, |bad| {
            types(|d| {
                let fwd = d.reference(FWD, "f", 0);
                d.structure("s", false, 4, &[("m", if bad { fwd } else { 1 }, 0)]);
            })
        }),
        case(MemberType, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                let t = d.reference(TYPEDEF, "t", if bad { proto } else { 1 });
                d.structure("s", false, 4, &[("m", t, 0)]);
            })
        }),
        case(MemberAlign, |bad| member_of(false, 16, if bad { 4 } else { 8 }, |d| d.reference(PTR, "", 1))),
        case(MemberAlign, |bad| member_of(true, 8, if bad { 4 } else { 8 }, |_| 1)),
        case(MemberAlign, |bad| {
            member_of(false, 16, if bad { 4 } else { 8 }, |d| {
                d.record("", info(ARRAY, 0, false), 0, &[1, 1, 2])
            })
        }),
        case(MemberAlign, |bad| {
            member_of(false, 16, if bad { 4 } else { 8 }, |d| d.record("e", info(ENUM, 0, false), 4, &[]))
        }),
        case(MemberAlign, |bad| {
            member_of(false, 16, if bad { 32 } else { 64 }, |d| d.record("f", info(FLOAT, 0, false), 8, &[]))
        }),
        case(MemberEnd, |bad| member_of(false, if bad { 3 } else { 4 }, 0, |_| 1)),
        case(MemberEnd, |bad| member_of(false, if bad { 4 } else { 5 }, 3, |_| 1)),
        case(MemberEnd, |bad| member_of(false, if bad { 7 } else { 8 }, 0, |d| d.reference(PTR, "", 1))),
        case(MemberEnd, |bad| {
            member_of(false, if bad { 7 } else { 8 }, 0, |d| {
                d.record("", info(ARRAY, 0, false), 0, &[1, 1, 2])
            })
        }),
        case(MemberEnd, |bad| {
            member_of(false, if bad { 7 } else { 8 }, 0, |d| d.record("f", info(FLOAT, 0, false), 8, &[]))
        }),
        case(MemberEnd, |bad| {
            member_of(false, if bad { 3 } else { 4 }, 0, |d| d.structure("inner", false, 4, &[]))
        }),
        // An enumeration of one byte counts as four where there are bit-fields.
        case(MemberEnd, |bad| member_of(bad, 1, 0, |d| d.record("e", info(ENUM, 0, false), 1, &[]))),
        case(MemberEnd, |bad| member_of(true, 1, if bad { 9 << 24 } else { 8 << 24 }, |_| 1)),
        case(BitfieldSize, |bad| member_of(true, 8, if bad { 33 << 24 } else { 32 << 24 }, |_| 1)),
        case(BitfieldSize, |bad| {
            member_of(true, 8, if bad { 33 << 24 } else { 32 << 24 }, |d| {
                d.record("e", info(ENUM64, 0, false), 8, &[])
            })
        }),
        case(BitfieldSize, |bad| {
            member_of(true, 8, if bad { 1 << 24 } else { 0 }, |d| d.reference(PTR, "", 1))
        }),
        case(BitfieldType, |bad| member_of(bad, 8, 0, |d| d.int("odd", 4, 31))),
        case(BitfieldSpan, |bad| member_of(false, 32, u32::from(bad), |d| d.int("wide", 16, 128))),
        along(FunctionProto, &[], |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.record("f", info(FUNC, 0, false), if bad { 1 } else { proto }, &[]);
            })
        }),
        case(ParamNamed, |bad| {
            types(|d| {
                let proto = d.proto(0, &[(if bad { "" } else { "p" }, 1), ("", 0)]);
                d.record("f", info(FUNC, 0, false), proto, &[]);
            })
        }),
        case(ReturnType, |bad| {
            types(|d| {
                let constant = d.reference(CONST, "", u32::from(!bad));
                d.proto(constant, &[]);
            })
        }),
        case(ReturnType, |bad| {
            types(|d| {
                d.proto(if bad { 9 } else { 0 }, &[]);
            })
        }),
        case(ParamType, |bad| {
            types(|d| {
                d.proto(0, &[("", if bad { 0 } else { 1 }), ("", 1)]);
            })
        }),
        case(ParamType, |bad| {
            types(|d| {
                let fwd = d.reference(FWD, "f", 0);
                let pointer = d.reference(PTR, "", fwd);
                d.proto(0, &[("p", if bad { fwd } else { pointer })]);
            })
        }),
        case(ParamName, |bad| {
            types(|d| {
                d.proto(0, &[(if bad { "p q" } else { "p" }, 1)]);
            })
        }),
        case(ParamName, |bad| {
            types(|d| {
                d.proto(0, &[(if bad { "dots" } else { "" }, 0)]);
            })
        }),
        case(VariableType, |bad| {
            types(|d| {
                let fwd = d.reference(FWD, "f", 0);
                d.variable("v", if bad { fwd } else { 1 });
            })
        }),
        case(EntryVariable, |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.section(".data", 4, &[[if bad { 1 } else { v }, 0, 4]]);
            })
        }),
        case(EntryShort, |bad| two_variables(16, [0, if bad { 3 } else { 4 }], [8, 4])),
        // What may refer, but not be referred to: neither behind modifiers, nor as member, element or parameter.
        case(Target, |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.reference(TYPEDEF, "t", if bad { v } else { 1 });
            })
        }),
        case(ArrayElement, |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.record("", info(ARRAY, 0, false), 0, &[if bad { v } else { 1 }, 1, 2]);
            })
        }),
        case(MemberType, |bad| {
            types(|d| {
                let s = d.section(".data", 4, &[]);
                d.structure("s", false, 4, &[("m", if bad { s } else { 1 }, 0)]);
            })
        }),
        case(MemberType, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                let f = d.record("f", info(FUNC, 0, false), proto, &[]);
                d.structure("s", false, 4, &[("m", if bad { f } else { 1 }, 0)]);
            })
        }),
        case(ParamType, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.proto(0, &[("p", if bad { proto } else { 1 })]);
            })
        }),
        case(ReturnType, |bad| {
            types(|d| {
                let fwd = d.reference(FWD, "f", 0);
                d.proto(if bad { fwd } else { 1 }, &[]);
            })
        }),
        case(VariableType, |bad| {
            types(|d| {
                let proto = d.proto(0, &[]);
                d.variable("v", if bad { proto } else { 1 });
            })
        }),
        case(TagTarget, |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[]);
                d.record("t", info(DECL_TAG, 0, true), if bad { 1 } else { s }, &[u32::MAX]);
            })
        }),
        case(TagComponent, |bad| {
            types(|d| {
                let s = d.structure("s", false, 4, &[("m", 1, 0)]);
                d.record("t", info(DECL_TAG, 0, false), s, &[u32::from(bad)]);
            })
        }),
        case(TagComponent, |bad| {
            types(|d| {
                let v = d.variable("v", 1);
                d.record("t", info(DECL_TAG, 0, false), v, &[if bad { 0 } else { u32::MAX }]);
            })
        }),
        case(TagComponent, |bad| {
            types(|d| {
                let proto = d.proto(0, &[("p", 1)]);
                let f = d.record("f", info(FUNC, 0, false), proto, &[]);
                d.record("t", info(DECL_TAG, 0, false), f, &[u32::from(bad)]);
            })
        }),
    ]
}
