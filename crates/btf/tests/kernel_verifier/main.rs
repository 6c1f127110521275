//! `check` and the running kernel give the same verdicts.
//!
//! Needs the right to load BTF (root, or CAP_BPF); without it the tests say so and pass.

mod cases;
mod draft;
mod kernel;
mod mutants;
mod sanitized;

use btfkit_btf::check::{Options, Profile, Report, Rule, Version, check_with};
use btfkit_btf::{Btf, Builder, order};
use draft::*;

/// The running kernel's release; `None` when it cannot be asked.
fn running_kernel() -> Option<Version> {
    if let Err(error) = kernel::load(&Draft::with_int().finish()) {
        // No right to, or no such call; anything else is a verdict on a sound blob.
        assert!(matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)), "{error}");
        eprintln!("SKIPPED: this kernel does not let us load BTF ({error}); run as root to compare verdicts");
        return None;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel tells its release");
    Some(release.trim().parse().expect("a release that has BTF"))
}

/// Taken for the running one where it cannot be asked.
const USUAL: Version = Version::new(6, 18, 0);

fn verdict(data: &[u8], kernel: Version) -> Report {
    check_with(data, None, &Options { kernel, ..Options::new(Profile::Load) })
}

fn describe(report: &Report) -> String {
    report.violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_rule_is_broken_and_kept_as_the_kernel_sees_it() {
    let running = running_kernel();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (number, case) in cases::all().into_iter().enumerate() {
        for bad in [true, false] {
            let data = (case.make)(bad);
            let report = verdict(&data, running.unwrap_or(USUAL));
            let title = format!("#{number} {} {}", case.rule.name(), if bad { "broken" } else { "kept" });
            let stray =
                report.violations.iter().any(|v| v.rule != case.rule && !case.along.contains(&v.rule));
            if report.breaks(case.rule) != bad || stray || bad == report.is_clean() {
                wrong.push(format!("{title}: we say [{}]", describe(&report)));
            }
            if running.is_some() && !(bad && LET_PASS.contains(&case.rule)) {
                compared += 1;
                let taken = kernel::load(&data).is_ok();
                let log = if bad || !taken { kernel::log(&data) } else { String::new() };
                if taken == bad {
                    wrong.push(format!("{title}: the kernel says {log}"));
                }
                let rules = || std::iter::once(&case.rule).chain(case.along);
                let known = |rule: &Rule| rule.kernel_log().iter().any(|message| log.contains(message));
                if bad && !rules().any(|rule| known(rule) || rule.kernel_log().is_empty()) {
                    wrong.push(format!("{title}: the kernel's message is another: {log}"));
                }
            }
        }
    }
    eprintln!("{compared} verdicts of the kernel compared, one blob each");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rules that the kernel does not refuse to see broken: it counts types, but then takes the blob without those that are
/// too many, so that references to them dangle.
const LET_PASS: [Rule; 1] = [Rule::TypeCount];

/// Rules that no loaded blob can break alone, or none that this kernel reads.
const NOT_LOADABLE: [Rule; 3] = [Rule::StringsLength, Rule::Layout, Rule::ChainTarget];

#[test]
fn every_rule_has_a_case() {
    let cases = cases::all();
    let missing: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !rule.is_of_ext())
        .filter(|&&rule| !NOT_LOADABLE.contains(&rule) && !cases.iter().any(|case| case.rule == rule))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A blob with every kind, in about 90 words.
fn every_kind() -> Draft {
    let mut d = Draft::with_int();
    let long = d.int("long", 8, 64);
    let pointer = d.reference(PTR, "", 4);
    let t = d.reference(TYPEDEF, "t", 5);
    let constant = d.reference(CONST, "", 8);
    let array = d.record("", info(ARRAY, 0, false), 0, &[constant, 1, 4]);
    let plain = d.structure("plain", false, 32, &[("a", 1, 0), ("b", pointer, 64), ("c", t, 128)]);
    let packed =
        d.structure("packed", true, 16, &[("x", 1, 3 << 24), ("y", 1, 4 << 24 | 3), ("z", long, 64)]);
    let names = [d.name("a"), d.name("x")];
    d.record("u", info(UNION, 2, false), 64, &[names[0], array, 0, names[1], plain, 0]);
    let e = d.record("e", info(ENUM, 2, true), 4, &[names[0], 1, names[1], 2]);
    d.record("e64", info(ENUM64, 1, false), 8, &[names[0], 1, 2]);
    d.structure("mixed", true, 24, &[("x", e, 2 << 24), ("y", packed, 64)]);
    let fwd = d.reference(FWD, "fwd", 0);
    d.reference(PTR, "", fwd);
    let tag = d.reference(TYPE_TAG, "user", 1);
    let tagged = d.reference(PTR, "", tag);
    let proto = d.proto(1, &[("a", tagged), ("b", t), ("", 0)]);
    let function = d.record("f", info(FUNC, 1, false), proto, &[]);
    let float = d.record("double", info(FLOAT, 0, false), 8, &[]);
    let (v, w) = (d.variable("v", plain), d.variable("w", float));
    d.section(".data", 64, &[[v, 0, 32], [w, 32, 8]]);
    d.record("note", info(DECL_TAG, 0, false), function, &[1]);
    d.record("note", info(DECL_TAG, 0, false), plain, &[u32::MAX]);
    d
}

/// A small deterministic source of numbers below a limit.
fn random(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |limit| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    }
}

/// How many random blobs to compare: `BTFKIT_ROUNDS`, or 20,000.
fn rounds() -> u64 {
    std::env::var("BTFKIT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

#[test]
fn one_changed_word_gets_the_kernels_verdict() {
    let Some(running) = running_kernel() else { return };
    let draft = every_kind();
    let whole = draft.finish();
    assert!(kernel::load(&whole).is_ok(), "{}", kernel::log(&whole));
    let mut random = random(1);
    let (mut taken, mut wrong) = (0, Vec::new());
    for _ in 0..rounds() {
        let mut mutant = draft.clone();
        for _ in 0..1 + random(2) {
            let at = random(mutant.types.len() as u64) as usize;
            let old = mutant.types[at];
            mutant.types[at] = match random(7) {
                0 => random(40) as u32,
                1 => old.wrapping_add(1),
                2 => old.wrapping_sub(1),
                3 => old ^ 1 << random(32),
                4 => mutant.types[random(mutant.types.len() as u64) as usize],
                5 => old & 0xff00_0000 | random(300) as u32,
                _ => (random(1 << 16) << 16 | random(1 << 16)) as u32,
            };
        }
        if random(8) == 0 {
            let at = random(mutant.strings.len() as u64 - 2) as usize + 1;
            mutant.strings[at] = random(256) as u8;
        }
        let data = mutant.finish();
        let (report, accepted) = (verdict(&data, running), kernel::load(&data).is_ok());
        taken += u64::from(accepted);
        if report.is_clean() != accepted {
            wrong.push(format!("we say [{}], the kernel {}", describe(&report), kernel::log(&data)));
        }
    }
    eprintln!("{} mutants compared, the kernel takes {taken} of them", rounds());
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `count` types that refer to each other at random; most of what they say of themselves is fine.
fn graph(count: u32, random: &mut impl FnMut(u64) -> u64) -> Draft {
    let mut d = Draft::with_int();
    for id in 2..=count {
        // Mostly a type close by, now and then any.
        let mut any = || match random(8) {
            0 => random(u64::from(count) + 1) as u32,
            1 | 2 => 1,
            3..=5 => (id + 1).min(count),
            _ => id.saturating_sub(1 + random(6) as u32).max(1),
        };
        let (a, b, c) = (any(), any(), any());
        let name = d.name("n");
        match random(22) {
            0..=3 => d.reference(PTR, "", a),
            4..=6 => d.reference(CONST, "", a),
            7..=9 => d.reference(TYPEDEF, "t", a),
            10..=12 => d.structure("s", false, 1 << 20, &[("a", a, 0), ("b", b, 1 << 20), ("c", c, 1 << 22)]),
            13 => d.record("u", info(UNION, 2, false), 1 << 20, &[name, a, 0, name, b, 0]),
            14 | 15 => d.record("", info(ARRAY, 0, false), 0, &[a, if random(4) == 0 { b } else { 1 }, 3]),
            16 => d.proto(a, &[("p", b), ("q", c)]),
            17 => d.record("f", info(FUNC, 0, false), a, &[]),
            18 => d.variable("v", a),
            19 => d.record("tag", info(DECL_TAG, 0, false), a, &[u32::MAX]),
            20 => d.reference(TYPE_TAG, "tag", a),
            _ => d.section(".d", 1 << 20, &[[a, 0, 1 << 19]]),
        };
    }
    d
}

#[test]
fn random_graphs_get_the_kernels_verdict() {
    let Some(running) = running_kernel() else { return };
    let mut random = random(2);
    let (mut taken, mut wrong) = (0, Vec::new());
    for _ in 0..rounds() {
        let count = 2 + random(12) as u32;
        let data = graph(count, &mut random).finish();
        let (report, accepted) = (verdict(&data, running), kernel::load(&data).is_ok());
        taken += u64::from(accepted);
        if report.is_clean() != accepted {
            wrong.push(format!("we say [{}], the kernel {}", describe(&report), kernel::log(&data)));
        }
    }
    eprintln!("{} random graphs compared, the kernel takes {taken} of them", rounds());
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_kernels_own_types_rebuilt_and_reordered_get_the_same_verdict() {
    let Some(running) = running_kernel() else { return };
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("SKIPPED: no /sys/kernel/btf/vmlinux");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let mut copy = Builder::like(&btf);
    for ty in btf.types() {
        copy.push(ty).unwrap();
    }
    let by_name = order::permute(&btf, &order::by_name(&btf).unwrap()).unwrap().bytes;
    let leaves_first = order::permute(&btf, &order::leaves_first(&btf).unwrap()).unwrap().bytes;
    let blobs = [
        ("as it is", bytes.clone()),
        ("rebuilt", copy.finish().unwrap()),
        ("by name", by_name),
        ("leaves first", leaves_first),
    ];
    for (what, blob) in &blobs {
        let report = verdict(blob, running);
        let kernel = kernel::load(blob);
        eprintln!("{what}: the kernel says {kernel:?}, we [{}]", describe(&report));
        assert_eq!(report.is_clean(), kernel.is_ok(), "{what}: {}", kernel::log(blob));
        assert!(check_with(blob, None, &Options::new(Profile::Vmlinux)).is_clean());
    }
}
