//! Sound blobs with a few things changed, shown to `check` and to the running kernel.
//!
//! `BTFKIT_ROUNDS` says how many to compare, `BTFKIT_SEED` which: a run can be repeated, and a long one cut in pieces.
//!
//! For another kernel than the running one, in two steps: `BTFKIT_BLOBS=FILE` writes the blobs, each after its length, and
//! asks nobody; `init.c` beside this, the only program of a virtual machine, shows them to the kernel there;
//! `BTFKIT_VERDICTS=FILE BTFKIT_KERNEL=6.1.192` compares with what it said: a byte for each blob, `1` if it was taken.
//!
//! Changes know the format: a word becomes an interesting number, an id another type's, a name another string's; records
//! change places, are doubled or dropped; counts go up and down, with and without the elements; kinds, flags, header
//! fields and strings change. What is changed are blobs made here and pieces of the running kernel's own types.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::Arc;

use btfkit_btf::check::Version;
use btfkit_btf::{Btf, Builder, ByteOrder, IntEncoding, TypeId};

use crate::draft::*;
use crate::sanitized::everything;
use crate::{cases, describe, every_kind, kernel, random, rounds, running_kernel, verdict};

/// Numbers at the edges of what some field can hold.
const EDGES: [u32; 34] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    12,
    16,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    129,
    255,
    256,
    0x7fff,
    0xffff,
    0x1_0000,
    0xf_fffe,
    0xf_ffff,
    0x10_0000,
    0xff_ffff,
    0x100_0000,
    0x1fff_ffff,
    0x2000_0000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// A blob taken apart.
#[derive(Clone)]
struct Parts {
    records: Vec<Vec<u32>>,
    strings: Vec<u8>,
}

impl Parts {
    /// Takes a sound blob apart.
    fn of(blob: &[u8]) -> Option<Self> {
        let btf = Btf::parse(blob).ok()?;
        let records: Vec<Vec<u32>> = btf.types().map(|ty| ty.words().collect()).collect();
        // What takes the kernel long is not worth looking at thousands of times.
        (!records.is_empty() && blob.len() < 1 << 16)
            .then(|| Self { records, strings: btf.string_section().to_vec() })
    }

    fn finish(&self) -> Vec<u8> {
        let types: Vec<u32> = self.records.concat();
        let (length, strings) = (types.len() as u32 * 4, self.strings.len() as u32);
        let words = [0x0001_eb9f, 24, 0, length, length, strings].into_iter().chain(types);
        words.flat_map(u32::to_ne_bytes).chain(self.strings.iter().copied()).collect()
    }

    /// Changes one thing.
    fn change(&mut self, random: &mut impl FnMut(u64) -> u64) {
        let count = self.records.len();
        let mut below = |limit: usize| random(limit.max(1) as u64) as usize;
        let (at, other) = (below(count), below(count));
        let word = below(self.records[at].len());
        let words = references(&self.records[at]);
        match below(17) {
            0 | 1 => self.records[at][word] = EDGES[below(EDGES.len())],
            2 => self.records[at][word] = self.records[at][word].wrapping_add(1),
            3 => self.records[at][word] = self.records[at][word].wrapping_sub(1),
            4 => self.records[at][word] ^= 1 << below(32),
            // Ids, one past the last included.
            5..=7 if !words.is_empty() => {
                self.records[at][words[below(words.len())]] = below(count + 2) as u32;
            }
            8 => self.records.swap(at, other),
            9 => self.records.insert(other, self.records[at].clone()),
            10 if count > 1 => drop(self.records.remove(at)),
            11 => {
                let names = names(&self.records[at]);
                self.records[at][names[below(names.len())]] = below(self.strings.len() + 2) as u32;
            }
            12 => self.count(at, below(2) == 0, below(2) == 0),
            13 => self.records[at][1] ^= 1 << 31,
            14 => self.records[at][1] = self.records[at][1] & !(0x1f << 24) | (below(21) as u32) << 24,
            15 if !self.strings.is_empty() => {
                let place = below(self.strings.len());
                self.strings[place] = below(256) as u8;
            }
            // A number that stands somewhere else.
            _ => {
                let from = &self.records[other];
                let word_of_other = from[below(from.len())];
                self.records[at][word] = word_of_other;
            }
        }
    }

    /// Counts one element more or less, and has it or not.
    fn count(&mut self, at: usize, more: bool, follow: bool) {
        let record = &mut self.records[at];
        let vlen = record[1] & 0xffff;
        let new = if more { vlen.wrapping_add(1) } else { vlen.wrapping_sub(1) } & 0xffff;
        record[1] = record[1] & !0xffff | new;
        let step = element_size(record[1] >> 24 & 0x1f);
        if follow && step > 0 {
            if more {
                let last = record.len().checked_sub(step).filter(|&last| last >= 3);
                let element = last.map_or_else(|| vec![1; step], |last| record[last..].to_vec());
                record.extend(element);
            } else if record.len() >= 3 + step {
                record.truncate(record.len() - step);
            }
        }
    }
}

/// Words of an element.
fn element_size(kind: u32) -> usize {
    match kind {
        STRUCT | UNION | DATASEC | ENUM64 => 3,
        ENUM | FUNC_PROTO => 2,
        _ => 0,
    }
}

/// Which words of a record are type ids.
fn references(record: &[u32]) -> Vec<usize> {
    let elements = |first: usize, step: usize| (first..record.len()).step_by(step);
    match record[1] >> 24 & 0x1f {
        ARRAY => vec![3, 4],
        STRUCT | UNION => elements(4, 3).collect(),
        FUNC_PROTO => std::iter::once(2).chain(elements(4, 2)).collect(),
        DATASEC => elements(3, 3).collect(),
        INT | ENUM | FWD | FLOAT | ENUM64 => Vec::new(),
        _ => vec![2],
    }
    .into_iter()
    .filter(|&word| word < record.len())
    .collect()
}

/// Which words of a record are names.
fn names(record: &[u32]) -> Vec<usize> {
    let step = match record[1] >> 24 & 0x1f {
        STRUCT | UNION | ENUM64 => 3,
        ENUM | FUNC_PROTO => 2,
        _ => return vec![0],
    };
    std::iter::once(0).chain((3..record.len()).step_by(step)).collect()
}

/// Changes a field of the header, or how long it says to be.
fn change_header(blob: &mut Vec<u8>, random: &mut impl FnMut(u64) -> u64) {
    let field = 4 * (1 + random(5) as usize);
    let mut word = u32::from_ne_bytes(blob[field..field + 4].try_into().expect("four bytes"));
    match random(6) {
        0 => word = EDGES[random(EDGES.len() as u64) as usize],
        1 => word = word.wrapping_add(1),
        2 => word = word.wrapping_sub(1),
        3 => word = word.wrapping_add(4),
        4 => word = word.wrapping_sub(4),
        // A longer header, of which the rest may be zero.
        _ => {
            let longer = 4 * (1 + random(4) as usize);
            let zero = random(2) == 0;
            blob.splice(24..24, vec![if zero { 0 } else { random(3) as u8 }; longer]);
            poke(blob, 4, 24 + longer as u32);
            return;
        }
    }
    poke(blob, field, word);
    if random(4) == 0 {
        let at = random(blob.len() as u64) as usize;
        match random(3) {
            0 => blob.truncate(at),
            1 => blob.extend_from_slice(&[0; 4]),
            _ => blob[at % 4] ^= 1 << random(8),
        }
    }
}

/// Pieces of the running kernel's types: some types and what they are made of, as far as it fits.
fn pieces(random: &mut impl FnMut(u64) -> u64) -> Vec<Vec<u8>> {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return Vec::new() };
    let Ok(btf) = Btf::parse(bytes) else { return Vec::new() };
    let btf = Arc::new(btf);
    let mut pieces = Vec::new();
    while pieces.len() < 300 {
        let mut chosen: Vec<TypeId> = Vec::new();
        let size = 4 + random(40) as usize;
        let mut next = vec![TypeId(1 + random(u64::from(btf.type_count())) as u32)];
        while let (Some(id), true) = (next.pop(), chosen.len() < size) {
            let Ok(ty) = btf.get(id) else { continue };
            // Some names have a meaning to the kernel beyond BTF: bpf_spin_lock, bpf_timer, ….
            if id.is_void() || chosen.contains(&id) || ty.name().starts_with(b"bpf_") || ty.vlen() > 60 {
                continue;
            }
            chosen.push(id);
            ty.for_each_reference(|id| next.insert(0, id));
        }
        if random(2) == 0 {
            chosen.reverse();
        }
        // What does not fit is an integer.
        let map: HashMap<TypeId, TypeId> =
            chosen.iter().enumerate().map(|(index, &id)| (id, TypeId(index as u32 + 2))).collect();
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let name = builder.string(b"long");
        builder.int(name, 8, IntEncoding::signed(64));
        for &id in &chosen {
            let other =
                |id: TypeId| if id.is_void() { id } else { map.get(&id).copied().unwrap_or(TypeId(1)) };
            builder.push_mapped(btf.get(id).expect("it was there"), other).expect("it fits");
        }
        pieces.push(builder.finish().expect("a few types"));
    }
    pieces
}

/// Who says what is right.
struct Judge {
    version: Version,
    source: Source,
}

enum Source {
    Running,
    /// What another kernel said, blob by blob.
    Recorded(std::vec::IntoIter<u8>),
    /// Nobody yet: the blobs are written down.
    Later(File),
}

impl Judge {
    fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        if let Some(path) = variable("BTFKIT_BLOBS") {
            return Some(Self {
                version: Version::NEWEST,
                source: Source::Later(File::create(path).unwrap()),
            });
        }
        if let Some(path) = variable("BTFKIT_VERDICTS") {
            let version = variable("BTFKIT_KERNEL").expect("BTFKIT_KERNEL says whose verdicts these are");
            let verdicts = std::fs::read(path).unwrap().into_iter();
            return Some(Self { version: version.parse().unwrap(), source: Source::Recorded(verdicts) });
        }
        Some(Self { version: running_kernel()?, source: Source::Running })
    }

    /// Whether the kernel takes a blob, if that is known now.
    fn takes(&mut self, data: &[u8]) -> Option<bool> {
        match &mut self.source {
            Source::Running => Some(kernel::load(data).is_ok()),
            Source::Recorded(verdicts) => Some(verdicts.next().expect("a verdict for each blob") == b'1'),
            Source::Later(file) => {
                file.write_all(&(data.len() as u32).to_ne_bytes()).unwrap();
                file.write_all(data).unwrap();
                None
            }
        }
    }

    /// What the running kernel has to say about a blob.
    fn words(&self, data: &[u8]) -> String {
        match self.source {
            Source::Running => kernel::log(data),
            _ => format!("of {} the contrary", self.version),
        }
    }
}

#[test]
fn changed_blobs_get_the_kernels_verdict() {
    let Some(mut judge) = Judge::of_environment() else { return };
    let seed = std::env::var("BTFKIT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut random = random(seed);
    let mut seeds = vec![every_kind().finish(), everything().finish()];
    seeds.extend(cases::all().iter().flat_map(|case| [(case.make)(false), (case.make)(true)]));
    let own = seeds.len();
    seeds.extend(pieces(&mut random));
    let (of_own, of_pieces) = seeds.split_at(own);
    let apart = |blobs: &[Vec<u8>]| blobs.iter().filter_map(|blob| Parts::of(blob)).collect::<Vec<_>>();
    let (of_own, of_pieces) = (apart(of_own), apart(of_pieces));

    let (mut seen, mut taken, mut rules, mut wrong) = (HashSet::new(), 0u64, HashSet::new(), Vec::new());
    let mut made = 0u64;
    while (seen.len() as u64) < rounds() && made < rounds() * 2 {
        made += 1;
        let seeds = if of_pieces.is_empty() || random(2) == 0 { &of_own } else { &of_pieces };
        let mut parts = seeds[random(seeds.len() as u64) as usize].clone();
        let in_header = random(10) == 0;
        for _ in 0..if in_header { random(2) } else { 1 + random(3) } {
            parts.change(&mut random);
        }
        let mut data = parts.finish();
        if in_header {
            change_header(&mut data, &mut random);
        }
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        let Some(accepted) = judge.takes(&data) else { continue };
        let report = verdict(&data, judge.version);
        taken += u64::from(accepted);
        rules.extend(report.violations.iter().map(|violation| violation.rule));
        if report.is_clean() != accepted {
            let words = judge.words(&data);
            wrong.push(format!("{}\nwe say [{}], the kernel {words}", hex(&data), describe(&report)));
        }
    }
    eprintln!(
        "{} different mutants compared, the kernel takes {taken} of them; {} rules broken",
        seen.len(),
        rules.len()
    );
    assert!(seen.len() as u64 == rounds(), "most mutants must differ: {} of {made}", seen.len());
    let count = wrong.len();
    wrong.truncate(10);
    assert!(wrong.is_empty(), "{count} verdicts differ\n{}", wrong.join("\n"));
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}
