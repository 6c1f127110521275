//! The toolbox on broken BTF: what compares, splits, merges, distils, minimises, measures and prints it.

use std::sync::Arc;

use btfkit_btf::distill::distill;
use btfkit_btf::dump::{Output, c, json, raw};
use btfkit_btf::minimize::{self, Needs};
use btfkit_btf::relocate::relocate;
use btfkit_btf::size::Size;
use btfkit_btf::structure::{Structure, Structures};
use btfkit_btf::{Btf, core, diff, merge, places, split};

/// Compares a BTF with itself, takes its variables out, and merges it with itself.
pub(super) fn reshape(btf: &Btf<'_>) {
    if let Ok(diff) = diff::compare(btf, btf) {
        assert!(diff.is_empty(), "a BTF differs from itself");
    }
    let _ = (split::variables(btf, false), split::variables(btf, true), places::merge_equal(btf));
    for flatten in [false, true] {
        let _ =
            merge::merge(&[btf, btf], flatten, |_, _| Vec::new()).and_then(|merged| merged.builder.finish());
    }
}

/// Moves a split BTF to a base: as it is, and from a distilled one.
pub(super) fn move_to<'a>(split: &Btf<'a>, base: Arc<Btf<'a>>) {
    let _ = relocate(split, Arc::clone(&base));
    if let Ok(distilled) = distill(split) {
        let small = Arc::new(Btf::parse(distilled.base).expect("a distilled base is BTF"));
        let split = Btf::parse_split(distilled.split, small).expect("what stands on it is BTF");
        let _ = relocate(&split, base);
    }
}

/// Minimises a BTF for itself as an object, and compares its first types with themselves.
pub(super) fn keep_parts(btf: &Btf<'_>) {
    let Ok(target) = core::Target::new(btf, []) else { return };
    let sections = vec![&b"fentry/main"[..], b"lsm/x", b"tp_btf/x"];
    if let Ok(needs) = Needs::of(&minimize::Object { btf, ext: None, sections })
        && let Ok(minimized) = minimize::minimize(&target, &[needs])
    {
        Btf::parse(minimized.bytes).expect("a minimised BTF is BTF");
    }
    for ty in btf.types().take(4) {
        let place = core::Place { btf: 0, id: ty.id() };
        let _ = core::types::compatible(btf, ty.id(), &target, place, &mut core::Effort::new(10_000), |_| {});
        let _ = core::types::matches(btf, ty.id(), &target, place, &mut core::Effort::new(10_000), |_| {});
        let steps: Vec<_> = ty
            .members()
            .take(1)
            .map(|member| core::Step::Member {
                name: ty.string(member.name).to_vec(),
                type_id: member.type_id,
            })
            .collect();
        let _ = core::field::find(btf, &target, place, &steps, &mut core::Effort::new(10_000));
    }
}

/// Prints every type in each form, and counts every byte once.
pub(super) fn show(btf: &Btf<'_>) {
    let (mut lines, mut text) = (Vec::new(), Vec::new());
    let (mut raw_output, mut output) = (Output::new(&mut lines), Output::new(&mut text));
    let mut document = json::Document::new(btf);
    document.begin(&mut output);
    for ty in btf.types() {
        let written = raw::write(&mut raw_output, ty).and_then(|()| document.write(&mut output, ty));
        assert!(written.is_ok(), "memory can be written to");
    }
    document.end(&mut output);
    let written = raw_output.finish().and_then(|()| output.finish());
    assert!(written.is_ok(), "memory can be written to");
    let json = std::str::from_utf8(&text).ok();
    assert!(json.is_some_and(|json| json.lines().count() <= 2 + btf.types().len()), "a dump is not JSON");
    let size = Size::of(btf);
    let parts = size.header + size.layout + size.unused + size.type_share().bytes + size.string_share().bytes;
    assert_eq!(parts - size.overlapping, size.total, "the bytes of a BTF do not add up");
}

/// Measures every structure and looks for a better order of its members; writes everything as C.
pub(super) fn lay_out(btf: &Btf<'_>) {
    let mut structures = Structures::new(btf);
    for ty in btf.types() {
        let better = structures.get(ty.id()).and_then(Structure::repack);
        assert!(better.is_none_or(|better| better.saved > 0), "an order that saves nothing is not better");
    }
    let everything = c::Options { variables: true, assertions: true, ..c::Options::default() };
    let _ = c::header(btf, None, &everything);
}
