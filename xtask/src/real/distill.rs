//! Modules leave their kernel's BTF for a distilled base, and come back.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use btfkit_btf::distill::distill;
use btfkit_btf::relocate::relocate;
use btfkit_btf::{Btf, IntEncoding, Kind, Type, TypeId};
use object::{Object, ObjectSection};

use super::{Subject, have, readers};
use crate::command;

/// How many modules the peer distils: it reads the whole base for each.
const PEER_MODULES: usize = 8;

/// Every module is the same after distilling and relocating to the same kernel; and what pahole distils has the same
/// base as ours, and is after relocation what pahole makes without distilling.
pub(crate) fn check(subject: &Subject<'_>) -> Result<String> {
    let base = Arc::new(Btf::parse(fs::read(&subject.btf)?)?);
    let (mut before, mut after, mut distilled_bases) = (0, 0, 0);
    for module in &subject.kernel.modules {
        let name = module.file_name().context("a module has a name")?;
        let encoded = subject.folder.join(name).with_extension("distill.btf");
        subject.encoder.encode(module, &encoded, &[OsStr::new("--base"), subject.btf.as_os_str()])?;
        let module = Btf::parse_split(fs::read(&encoded)?, Arc::clone(&base))?;
        let distilled = round_trip(&module, &base).with_context(|| name.display().to_string())?;
        before += module.bytes().len();
        after += distilled.split.len();
        distilled_bases += distilled.base.len();
    }
    let pahole = have(&subject.peers.pahole)?;
    for module in subject.kernel.modules.iter().take(PEER_MODULES) {
        as_pahole(pahole, module, subject, &base).with_context(|| module.display().to_string())?;
    }
    Ok(format!(
        "{} modules come back the same, {} of them held against pahole; {before} bytes became {after} + {distilled_bases}",
        subject.kernel.modules.len(),
        PEER_MODULES.min(subject.kernel.modules.len())
    ))
}

fn round_trip(module: &Btf<'static>, base: &Arc<Btf<'static>>) -> Result<btfkit_btf::distill::Distilled> {
    let distilled = distill(module)?;
    let small = Arc::new(Btf::parse(distilled.base.clone())?);
    readers::rules(&distilled.base, None).context("the distilled base")?;
    readers::rules(&distilled.split, Some(&small)).context("the split BTF on it")?;
    let split = Btf::parse_split(distilled.split.clone(), small)?;
    let again = Btf::parse_split(relocate(&split, Arc::clone(base))?.bytes, Arc::clone(base))?;
    same(module, &again)?;
    Ok(distilled)
}

/// Whether the own types of two BTFs on one base are the same, one by one, where `b` may have copies of what `a` finds in
/// the base. Types that refer to each other are compared once per pair: that is enough, as any difference shows.
fn same(a: &Btf<'_>, b: &Btf<'_>) -> Result<()> {
    ensure!(a.type_count() <= b.type_count(), "types are missing");
    let mut pending: Vec<(TypeId, TypeId)> =
        a.types().zip(b.types()).map(|(a, b)| (a.id(), b.id())).collect();
    let mut seen: HashSet<(TypeId, TypeId)> = pending.iter().copied().collect();
    while let Some((id_a, id_b)) = pending.pop() {
        let (ty_a, ty_b) = (a.get(id_a)?, b.get(id_b)?);
        ensure!(alike(ty_a) == alike(ty_b), "{ty_a:?} has become {ty_b:?}");
        let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
        ty_a.for_each_reference(|id| from_a.push(id));
        ty_b.for_each_reference(|id| from_b.push(id));
        for pair in from_a.into_iter().zip(from_b) {
            let base = pair.0 == pair.1 && pair.0 < a.first_id();
            if !base && seen.insert(pair) {
                pending.push(pair);
            }
        }
    }
    Ok(())
}

/// All that a type says itself, but for the ids that it refers to.
fn alike(ty: Type<'_>) -> (Kind, u32, bool, Option<u32>, Vec<String>) {
    let mut parts = vec![ty.name_str().into_owned()];
    let string = |offset| String::from_utf8_lossy(ty.string(offset)).into_owned();
    parts.extend(
        ty.members().map(|each| format!("{} {} {}", string(each.name), each.bit_offset, each.bitfield_size)),
    );
    parts.extend(ty.enumerators().map(|each| format!("{} {}", string(each.name), each.value)));
    parts.extend(ty.params().map(|each| string(each.name)));
    parts.extend(ty.section_entries().map(|each| format!("{} {}", each.offset, each.size)));
    parts.extend(ty.array().map(|array| array.count.to_string()));
    parts.extend(ty.int_encoding().map(|encoding| encoding.word().to_string()));
    parts.extend(ty.linkage().map(|linkage| linkage.number().to_string()));
    parts.extend(ty.component_index().map(|index| index.to_string()));
    (ty.kind(), ty.vlen(), ty.kind_flag(), ty.size(), parts)
}

/// Holds a module that pahole encodes against the same one that pahole distils.
fn as_pahole(
    pahole: &crate::fixtures::Pahole,
    module: &Path,
    subject: &Subject<'_>,
    base: &Arc<Btf<'static>>,
) -> Result<()> {
    let encode = |features: &str| -> Result<fs::File> {
        let copy = subject.folder.join("pahole.ko");
        fs::copy(module, &copy)?;
        let mut encode: Command = pahole.command();
        encode.arg("-J").arg(format!("--btf_features={features}")).arg("--btf_base").arg(&subject.btf);
        command::output(encode.arg(&copy))?;
        Ok(fs::File::open(&copy)?)
    };
    let plain = Btf::parse_split(section(&encode("default")?, ".BTF")?, Arc::clone(base))?;
    let file = encode("default,distilled_base")?;
    let small = Arc::new(Btf::parse(section(&file, ".BTF.base")?)?);
    let theirs = Btf::parse_split(section(&file, ".BTF")?, Arc::clone(&small))?;
    let relocated = Btf::parse_split(relocate(&theirs, Arc::clone(base))?.bytes, Arc::clone(base))?;
    same(&plain, &relocated).context("pahole's, relocated")?;

    let ours = Btf::parse(round_trip(&plain, base)?.base)?;
    let (ours, theirs) = (found_by(&ours), found_by(&small));
    // Forward declarations are in our split BTF: see docs/distill.md.
    let difference: Vec<_> = theirs.symmetric_difference(&ours).collect();
    ensure!(difference.is_empty(), "the distilled bases differ: {difference:?}");
    Ok(())
}

/// What the types of a distilled base are found by, forward declarations left out.
fn found_by(base: &Btf<'_>) -> BTreeSet<(u8, String, Option<u32>, u32)> {
    base.types()
        .filter(|ty| ty.kind() != Kind::Fwd)
        .map(|ty| {
            let encoding = ty.int_encoding().map_or(0, IntEncoding::word);
            (ty.kind().number(), ty.name_str().into_owned(), ty.size(), encoding)
        })
        .collect()
}

fn section(file: &fs::File, name: &str) -> Result<Vec<u8>> {
    // SAFETY: the map is only read; nothing here writes to the file, and a new one takes its place.
    let map = unsafe { memmap2::Mmap::map(file) }?;
    let elf = object::File::parse(&map[..])?;
    let section = elf.section_by_name(name).with_context(|| format!("pahole made no {name}"))?;
    Ok(section.data()?.to_vec())
}
