//! Rules of each record by itself.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    use Rule::*;
    vec![
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
    ]
}
