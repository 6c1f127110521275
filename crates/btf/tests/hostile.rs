//! No input makes this crate panic, hang, or take memory out of proportion.

use btfkit_btf::check::{Options, Profile, Rule, Version, check, check_with};
use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, Error, IntEncoding, Kind, Linkage, Member, Param,
    SectionEntry, StringOffset, Type, TypeId, order,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Some types of many kinds, referring forth and back.
fn fill(mut b: Builder<'_>) -> Builder<'_> {
    let names = ["alpha", "beta", "gamma", "a_name_much_longer_than_sixteen_bytes", ".data"];
    let [alpha, beta, gamma, long, data] = names.map(|name| b.string(name.as_bytes()));
    let int = b.int(alpha, 4, IntEncoding::signed(32));
    let pointer = b.pointer(TypeId(int.0 + 3));
    let array = b.array(Array { element: pointer, index: int, count: 3 });
    let members = [
        Member { name: alpha, type_id: int, bit_offset: 0, bitfield_size: 3 },
        Member { name: beta, type_id: array, bit_offset: 64, bitfield_size: 0 },
    ];
    let node = b.aggregate(Kind::Struct, beta, 32, &members).unwrap();
    b.aggregate(
        Kind::Union,
        StringOffset::EMPTY,
        32,
        &[Member { name: beta, type_id: array, ..Member::default() }],
    )
    .unwrap();
    b.enumeration(gamma, 4, true, &[Enumerator { name: long, value: -1 }]).unwrap();
    b.enumeration64(gamma, 8, false, &[Enumerator { name: long, value: 1 << 40 }]).unwrap();
    let constant = b.modifier(Kind::Const, node).unwrap();
    let typedef = b.typedef(long, constant);
    let proto =
        b.function_proto(typedef, &[Param { name: alpha, type_id: pointer }, Param::default()]).unwrap();
    let function = b.function(gamma, proto, Linkage::Global);
    let variable = b.variable(beta, typedef, Linkage::Static);
    b.data_section(data, 64, &[SectionEntry { variable, offset: 0, size: 32 }]).unwrap();
    b.decl_tag(long, function, 0);
    let tag = b.type_tag(alpha, int);
    b.pointer(tag);
    b.float(alpha, 8);
    b.forward(gamma, false);
    b
}

/// The last kernel before the layout section and wide counts.
const CLASSIC: Version = Version::new(7, 0, 0);

/// Asks for everything there is to ask.
fn use_all(data: &[u8], base: Option<&Arc<Btf<'_>>>) {
    for profile in [Profile::Vmlinux, Profile::Load, Profile::Object] {
        for kernel in [Version::OLDEST, Version::new(5, 10, 0), CLASSIC, Version::NEWEST] {
            let options = Options { kernel, limit: 3, ..Options::new(profile) };
            let report = check_with(data, base, &options);
            report.violations.iter().for_each(|violation| drop(violation.to_string()));
        }
    }
    let parsed = match base {
        Some(base) => Btf::parse_split(data, base.clone()),
        None => Btf::parse(data),
    };
    let btf = match parsed {
        Ok(btf) => btf,
        Err(error) => return drop(error.to_string()),
    };
    for ty in btf.types() {
        let mut sum = 0u32;
        ty.for_each_reference(|id| sum ^= id.0);
        ty.members().for_each(|member| sum ^= ty.string(member.name).len() as u32);
        ty.enumerators().for_each(|each| sum ^= each.value as u32);
        ty.params().for_each(|param| sum ^= param.type_id.0);
        ty.section_entries().for_each(|entry| sum ^= entry.offset);
        let _ = (sum, btf.size_of(ty.id()), btf.skip_modifiers(ty.id()).map(Type::name_str));
        let _ = (ty.array(), ty.int_encoding(), ty.linkage(), ty.component_index(), ty.size(), ty.type_id());
        let _ = (btf.named(ty.name()).count(), format!("{ty:?}"), ty.words().len());
    }
    assert!(Builder::from_btf(&btf).finish().is_ok());
    let by_name = order::by_name(&btf);
    let leaves_first = order::leaves_first(&btf);
    for found in [by_name, leaves_first].into_iter().flatten() {
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(btf.types().map(Type::id)));
        let _ = order::permute(&btf, &found);
        let _ = order::permute(&btf, &found[..found.len() / 2]);
    }
}

#[test]
fn random_damage_never_panics() {
    let mut random = Random(11);
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let whole = fill(Builder::new(order)).finish().unwrap();
        let with_layout = fill(Builder::new(order).with_layout()).finish().unwrap();
        let base = Arc::new(Btf::parse(whole.clone()).unwrap());
        let split = fill(Builder::split(base.clone())).finish().unwrap();
        for (whole, base) in [(whole, None), (with_layout, None), (split, Some(&base))] {
            for _ in 0..3000 {
                let mut data = whole.clone();
                for _ in 0..1 + random.below(4) {
                    let at = random.below(data.len());
                    match random.below(6) {
                        0 => data[at] = random.below(256) as u8,
                        1 => data[at] ^= 1 << random.below(8),
                        2 => data.truncate(at.max(1)),
                        3 => drop(data.splice(at..at, [0; 4])),
                        4 => data[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                        _ => {
                            let at = at / 4 * 4;
                            let word = random.below(40) as u32;
                            if let Some(place) = data.get_mut(at..at + 4) {
                                place.copy_from_slice(&match order {
                                    ByteOrder::Little => word.to_le_bytes(),
                                    ByteOrder::Big => word.to_be_bytes(),
                                });
                            }
                        }
                    }
                }
                use_all(&data, base);
            }
        }
    }
}

#[test]
fn every_length_of_a_cut_blob_is_refused_without_panic() {
    let whole = fill(Builder::new(ByteOrder::NATIVE)).finish().unwrap();
    for length in 0..whole.len() {
        use_all(&whole[..length], None);
        assert!(Btf::parse(&whole[..length]).is_err());
        assert!(!check(&whole[..length], None, Profile::Vmlinux).is_clean());
    }
}

/// Generous for a debug build on a slow machine, and far below what anything quadratic takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn names_that_overlap_are_sorted_or_refused_in_time() {
    // Each name is the tail of the one before: 1.8 GB if they were written out.
    let count = 60_000u32;
    let mut builder = Builder::new(ByteOrder::NATIVE);
    let name = builder.string(&vec![b'a'; count as usize]);
    for i in 0..count {
        builder.forward(StringOffset(name.0 + i), false);
    }
    let data = builder.finish().unwrap();
    let start = Instant::now();
    let btf = Btf::parse(&data).unwrap();
    assert!(matches!(order::by_name(&btf), Ok(_) | Err(Error::NamesOverlap)));
    let ids: Vec<_> = btf.types().map(Type::id).collect();
    assert_eq!(order::permute(&btf, &ids), Err(Error::NamesOverlap));
    assert!(check(&data, None, Profile::Load).breaks(Rule::Name));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn chains_and_rings_of_many_types_are_followed_in_time() {
    let count = 200_000u32;
    let start = Instant::now();
    for (what, step) in [("forward", 1i64), ("ring of two", 0), ("far", 77_777)] {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let name = builder.string(b"node");
        for i in 0..count {
            let next = if step == 0 { i ^ 1 } else { (i64::from(i) + step) as u32 % count };
            let target = TypeId(1 + next);
            match i % 4 {
                0 => builder.pointer(target),
                1 => builder.typedef(name, target),
                2 => builder.modifier(Kind::Const, target).unwrap(),
                _ => {
                    let member = Member { name, type_id: target, ..Member::default() };
                    builder.aggregate(Kind::Struct, StringOffset::EMPTY, 8, &[member]).unwrap()
                }
            };
        }
        let data = builder.finish().unwrap();
        let btf = Btf::parse(&data).unwrap();
        assert_eq!(order::by_name(&btf).unwrap().len(), count as usize, "{what}");
        assert_eq!(order::leaves_first(&btf).unwrap().len(), count as usize, "{what}");
        // Rings through pointers are fine, those without are not.
        assert_eq!(check(&data, None, Profile::Load).is_clean(), what != "ring of two", "{what}");
        assert!(btf.size_of(TypeId(3)).is_err() || btf.skip_modifiers(TypeId(3)).is_ok(), "{what}");
    }
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn the_limit_bounds_what_is_described_and_all_is_counted() {
    let mut builder = Builder::new(ByteOrder::NATIVE);
    for _ in 0..5000 {
        builder.forward(StringOffset::EMPTY, false);
    }
    let data = builder.finish().unwrap();
    let report = check(&data, None, Profile::Vmlinux);
    assert_eq!((report.violations.len(), report.total), (1000, 5000));
    assert_eq!(
        report.violations[0].to_string(),
        "type [1] FWD: name is missing or no identifier (string offset 0)"
    );
}

#[test]
fn a_layout_section_and_wide_counts_are_for_new_kernels_only() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let verdict = |data: &[u8], kernel| {
            check_with(data, None, &Options { kernel, ..Options::new(Profile::Vmlinux) })
        };
        let data = fill(Builder::new(order).with_layout()).finish().unwrap();
        assert!(verdict(&data, Version::NEWEST).is_clean(), "{:?}", verdict(&data, Version::NEWEST));
        assert!(verdict(&data, CLASSIC).breaks(Rule::HeaderTail));
        let mut odd = data.clone();
        // One entry less in the layout section, one byte at a time.
        let at = 28;
        for (cut, rule) in [(2u8, Rule::Layout), (4, Rule::SectionGap)] {
            let low = if order == ByteOrder::Little { at } else { at + 3 };
            odd[low] = data[low] - cut;
            assert!(verdict(&odd, Version::NEWEST).breaks(rule));
        }
        let mut wide = Builder::new(order).with_wide_vlen();
        let name = wide.string(b"E");
        wide.enumeration(name, 4, false, &vec![Enumerator { name, value: 0 }; 0x1_0001]).unwrap();
        let data = wide.finish().unwrap();
        assert!(verdict(&data, Version::NEWEST).is_clean());
        assert!(verdict(&data, CLASSIC).breaks(Rule::Info));
    }
}

#[test]
fn a_kind_that_only_a_layout_section_knows_is_rewritten_with_it() {
    let mut data = fill(Builder::new(ByteOrder::Little).with_layout()).finish().unwrap();
    // The first record, an INT, becomes one of a kind that is told to be as long.
    let layout = 32 + u32::from_le_bytes(data[24..28].try_into().unwrap()) as usize;
    data.splice(layout..layout, [4, 0, 0, 0].repeat(8));
    for field in [16, 28] {
        let old = u32::from_le_bytes(data[field..field + 4].try_into().unwrap());
        data[field..field + 4].copy_from_slice(&(old + 32).to_le_bytes());
    }
    let end = layout + 32 + 4 * 23;
    data.copy_within(layout + 32..end, layout);
    data[end - 32..end].copy_from_slice(&[4, 0, 0, 0].repeat(8));
    data[32 + 7] = 25;
    let btf = Btf::parse(&data).unwrap();
    assert_eq!(btf.get(TypeId(1)).unwrap().kind(), Kind::Unknown(25));
    let done = btfkit_btf::sanitize::sanitize(&btf, Version::new(6, 1, 0)).unwrap();
    let now = Btf::parse(&done.bytes).unwrap();
    assert_eq!(now.get(TypeId(1)).unwrap().kind(), Kind::Int);
    assert_eq!(now.type_count(), btf.type_count() + done.added);
}

#[test]
fn a_split_blob_is_checked_on_its_base() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let base = fill(Builder::new(order)).finish().unwrap();
        for profile in [Profile::Vmlinux, Profile::Load] {
            let report = check(&base, None, profile);
            assert!(report.is_clean(), "{report:?}");
        }
        let base = Arc::new(Btf::parse(base).unwrap());
        let split = fill(Builder::split(base.clone())).finish().unwrap();
        let mut more = Builder::split(base.clone());
        let (name, other) = (more.string(b"alpha"), more.string(b"other"));
        more.typedef(name, TypeId(9));
        let variable = more.variable(other, TypeId(3), Linkage::Static);
        more.data_section(other, 24, &[SectionEntry { variable, offset: 0, size: 24 }]).unwrap();
        let more = more.finish().unwrap();
        let empty = Builder::split(base.clone()).finish().unwrap();
        for profile in [Profile::Vmlinux, Profile::Load] {
            for data in [&split, &more, &empty] {
                let report = check(data, Some(&base), profile);
                assert!(report.is_clean(), "{report:?}");
            }
        }
        assert!(!check(&more, None, Profile::Vmlinux).is_clean());
    }
}
