//! What is rewritten for old kernels: every kernel since takes it, the running one included.

use btfkit_btf::check::{Feature, Options, Profile, Version, check_with};
use btfkit_btf::sanitize::sanitize;
use btfkit_btf::{Btf, Kind, TypeId};

use crate::draft::*;
use crate::{describe, every_kind, kernel, running_kernel};

/// Each release that learnt something, and the one before.
fn releases() -> Vec<Version> {
    let mut releases = vec![Version::OLDEST, Version::NEWEST];
    for feature in Feature::ALL {
        let since = feature.since();
        releases.extend([since, before(since)]);
    }
    releases.retain(|version| *version >= Version::OLDEST);
    releases.sort();
    releases.dedup();
    releases
}

/// The release before one: 4.20 comes before 5.0.
fn before(release: Version) -> Version {
    match release.minor {
        0 => Version::new(release.major - 1, 20, 0),
        minor => Version::new(release.major, minor - 1, 0),
    }
}

/// A blob with everything that some kernel does not take.
pub(crate) fn everything() -> Draft {
    let mut d = every_kind();
    let long = "l".repeat(200);
    let (byte, wide) = (d.int("char", 1, 8), d.int("__int128", 16, 128));
    let names = [d.name("a"), d.name("x.y"), d.name(&long)];
    let e64 = d.record(&long, info(ENUM64, 3, true), 8, &[names[0], 1, 2, names[1], 3, 4, names[2], 5, 6]);
    let e64_small = d.record("", info(ENUM64, 1, false), 4, &[names[0], 7, 0]);
    let small = d.record("small", info(ENUM, 1, true), 1, &[names[0], 1]);
    let large = d.record("large", info(ENUM, 1, false), 8, &[names[0], 1]);
    d.structure(
        "flags",
        true,
        32,
        &[("w", wide, 0), ("e", e64, 5 << 24 | 128), ("f", e64_small, 3 << 24 | 192)],
    );
    d.structure("enums", false, 24, &[("s", small, 0), ("l", large, 64), ("e", e64, 128)]);
    d.structure("old", true, 16, &[("b", byte, 3 << 24 | 1), ("c", 1, 3 << 24 | 32), ("d", 1, 64)]);
    d.record("union_to_come", info(FWD, 0, true), 0, &[]);
    let tag = d.record("attribute", info(TYPE_TAG, 0, true), 1, &[]);
    let tag = d.record("user", info(TYPE_TAG, 0, false), tag, &[]);
    let pointer = d.reference(PTR, "", tag);
    let t = d.reference(TYPEDEF, "dotted.name", pointer);
    d.reference(TYPEDEF, &long, t);
    let proto = d.proto(e64, &[("p.q", t), ("r", large), ("", 0)]);
    let function = d.record("f.isra.0", info(FUNC, 1, false), proto, &[]);
    d.record("note", info(DECL_TAG, 0, true), function, &[1]);
    let (v, w) = (d.variable("count.1", pointer), d.variable("w2", wide));
    d.section("?.struct_ops / 1", 64, &[[v, 0, 8], [w, 16, 16]]);
    d.section(".empty", 16, &[]);
    d
}

#[test]
fn what_is_rewritten_for_a_kernel_passes_its_rules_and_the_running_kernel() {
    let running = running_kernel();
    let whole = everything().finish();
    let btf = Btf::parse(&whole).unwrap();
    for version in releases() {
        let done = sanitize(&btf, version).unwrap();
        for profile in [Profile::Vmlinux, Profile::Load] {
            let report = check_with(&done.bytes, None, &Options { kernel: version, ..Options::new(profile) });
            assert!(report.is_clean(), "{version} {profile:?}: {}", describe(&report));
        }
        let now = Btf::parse(&done.bytes).unwrap();
        assert_eq!(now.type_count(), btf.type_count() + done.added, "{version}");
        assert!(now.string_section().starts_with(btf.string_section()), "{version}");
        if running.is_some() {
            assert!(kernel::load(&done.bytes).is_ok(), "{version}: {}", kernel::log(&done.bytes));
        }
    }
}

#[test]
fn each_feature_is_refused_before_its_release_and_rewritten_alone() {
    let whole = everything().finish();
    let btf = Btf::parse(&whole).unwrap();
    // Not in this blob: what takes more than a screenful of types, or no loaded blob can have.
    let absent = [Feature::ManyTypes, Feature::Layout, Feature::WideCounts, Feature::InlineKinds];
    for &feature in Feature::ALL.iter().filter(|feature| !absent.contains(feature)) {
        let (since, before) = (feature.since(), before(feature.since()));
        let refused = |kernel, profile| {
            let report = check_with(&whole, None, &Options { kernel, ..Options::new(profile) });
            report.violations.iter().any(|violation| violation.feature == Some(feature))
        };
        // The resolver's mode matters to loaded blobs alone, and only where the section is stored first.
        if feature != Feature::SectionModes {
            assert!(refused(before, Profile::Vmlinux), "{feature:?} before {since}");
            let done = sanitize(&btf, before).unwrap();
            assert!(
                done.changes.iter().any(|change| change.feature == feature && change.count > 0),
                "{feature:?}"
            );
        }
        assert!(!refused(since, Profile::Load), "{feature:?} since {since}");
    }
}

#[test]
fn a_section_ahead_of_its_variables_is_refused_by_kernels_that_lose_their_way() {
    let mut d = Draft::with_int();
    d.section(".data", 32, &[[3, 0, 8], [5, 8, 4]]);
    d.variable("p", 4);
    d.reference(PTR, "", 1);
    d.variable("t", 6);
    d.reference(TYPEDEF, "number", 1);
    let data = d.finish();
    let verdict = |kernel| check_with(&data, None, &Options { kernel, ..Options::new(Profile::Load) });
    assert!(verdict(Version::new(6, 3, 0)).is_clean());
    let report = verdict(Version::new(6, 2, 0));
    assert_eq!(report.violations[0].feature, Some(Feature::SectionModes), "{}", describe(&report));
    assert_eq!((report.violations[0].element, &*report.violations[0].element_name), (Some(1), "t"));
    if running_kernel().is_some() {
        assert!(kernel::load(&data).is_ok());
    }
}

#[test]
fn a_blob_for_the_newest_kernel_stays_as_it_is() {
    let whole = everything().finish();
    let btf = Btf::parse(&whole).unwrap();
    let done = sanitize(&btf, Version::NEWEST).unwrap();
    assert!(done.bytes == whole && done.changes.is_empty() && done.added == 0);
}

#[test]
fn meanings_survive_as_far_as_an_old_kernel_can_hold_them() {
    let whole = everything().finish();
    let btf = Btf::parse(&whole).unwrap();
    let id = |name: &str, kind| btf.find(name.as_bytes(), kind).unwrap().id();

    // ENUM64: a union of the same size with its enumerators' names.
    let e64 = id(&"l".repeat(200), Kind::Enum64);
    let done = sanitize(&btf, Version::new(5, 19, 0)).unwrap();
    let now = Btf::parse(&done.bytes).unwrap();
    let union = now.get(e64).unwrap();
    assert_eq!((union.kind(), union.size(), union.name().len()), (Kind::Union, Some(8), 128));
    let members: Vec<_> = union.members().map(|member| union.string(member.name).to_vec()).collect();
    assert_eq!(members[..2], [b"a".to_vec(), b"x_y".to_vec()]);
    assert!(union.members().all(|member| member.bit_offset == 0 && now.size_of(member.type_id) == Ok(1)));
    // Bits of it are bits of an integer of its size.
    let flags = now.find(b"flags", Kind::Struct).unwrap();
    let bits = flags.members().nth(1).unwrap();
    assert_eq!((bits.bit_offset, bits.bitfield_size), (128, 5));
    assert_eq!(now.size_of(bits.type_id), Ok(8));
    assert_eq!(now.get(bits.type_id).unwrap().kind(), Kind::Int);

    // Sections: a structure with its variables' names at their offsets.
    let section = id("?.struct_ops / 1", Kind::DataSec);
    let done = sanitize(&btf, Version::new(5, 1, 0)).unwrap();
    let now = Btf::parse(&done.bytes).unwrap();
    let structure = now.get(section).unwrap();
    assert_eq!((structure.kind(), structure.size()), (Kind::Struct, Some(64)));
    assert_eq!(structure.name(), b"__struct_ops___1");
    let members: Vec<_> = structure
        .members()
        .map(|member| (structure.string(member.name).to_vec(), member.bit_offset))
        .collect();
    assert_eq!(members, [(b"count_1".to_vec(), 0), (b"w2".to_vec(), 128)]);

    // Bit-fields: integers of so many bits, in no flagged structure.
    let old = id("old", Kind::Struct);
    let done = sanitize(&btf, Version::new(4, 20, 0)).unwrap();
    let now = Btf::parse(&done.bytes).unwrap();
    let structure = now.get(old).unwrap();
    assert!(!structure.kind_flag());
    let fields: Vec<_> = structure
        .members()
        .map(|member| {
            let int = now.skip_modifiers(member.type_id).unwrap().int_encoding().unwrap();
            (member.bit_offset, int.bits)
        })
        .collect();
    assert_eq!(fields, [(1, 3), (32, 3), (64, 32)]);
    let function = now.get(id("f.isra.0", Kind::Func)).unwrap();
    assert_eq!((function.kind(), function.name()), (Kind::Typedef, &b"f_isra_0"[..]));
    assert_eq!(now.skip_modifiers(function.id()).unwrap().kind(), Kind::Enum);
    // Sizes of all that had one are the same.
    for ty in btf.types().filter(|ty| !matches!(ty.kind(), Kind::Var | Kind::DataSec)) {
        if let Ok(size) = btf.size_of(ty.id()) {
            assert_eq!(now.size_of(ty.id()), Ok(size), "{ty:?}");
        }
    }
    assert_eq!(now.get(TypeId(1)).unwrap().name(), b"int");
}

#[test]
fn the_running_kernels_types_are_fit_for_every_kernel_that_has_room() {
    let (Some(_), Ok(bytes)) = (running_kernel(), std::fs::read("/sys/kernel/btf/vmlinux")) else {
        eprintln!("SKIPPED sanitized vmlinux: it is not here, or cannot be loaded");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    for version in releases().into_iter().filter(|version| version.takes(Feature::ManyTypes)) {
        let done = sanitize(&btf, version).unwrap();
        let report =
            check_with(&done.bytes, None, &Options { kernel: version, ..Options::new(Profile::Vmlinux) });
        assert!(report.is_clean(), "{version}: {}", describe(&report));
        assert_eq!(Btf::parse(&done.bytes).unwrap().type_count(), btf.type_count() + done.added);
    }
}
