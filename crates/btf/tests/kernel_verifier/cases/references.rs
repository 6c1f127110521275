//! Rules of what records refer to: chains, sizes, and which kinds may stand where.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    use Rule::*;
    vec![
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
