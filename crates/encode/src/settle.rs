//! What each name means in each unit.
//!
//! Records cut references to named structs, unions and enums down to the name. Nearly all names mean one thing in the
//! whole program; for them nothing is to be done. A name is *ambiguous* if units give it different contents
//! (`struct sched_class` of a network driver and of the scheduler), and then everything that can reach it is as
//! ambiguous: `struct task_struct` exists once for each meaning of the names below it.
//!
//! 1. For each unit, its *environment*: which content it gives to each ambiguous name, if any.
//! 2. Units whose environments do not contradict each other share a *world*. Worlds are made greedily, the most
//!    common environment first; there are a handful.
//! 3. A name that a world has no content for stays a forward declaration, unless a neighbour knows better: a type that
//!    this world shares with another one that does have a content for the name, and agrees with it in all else.
//! 4. A type is then a record in a world; and worlds that agree on all names that the record can reach have the same
//!    one. Which names those are is computed once for all records (a bit set each).
//!
//! Every choice goes by content and by how many units make it, never by the numbers that records happen to have.

use std::collections::HashMap;

use crate::intern::UnitTypes;
use crate::names::{FrozenNames, Name};
use crate::record::{Aggregate, Kind, RecordId, RecordTable, head};
use crate::render;

/// A set of units that agree on what names mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct World(pub u32);

/// What a record that is a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// No unit has a content for it.
    Unknown,
    /// This content, everywhere.
    Unique(RecordId),
    /// It depends on the world: an index into the ambiguous names.
    Ambiguous(u32),
}

/// A name with several meanings.
#[derive(Debug, Clone)]
pub struct AmbiguousName {
    /// `struct`, `union` or `enum`.
    pub kind: Aggregate,
    /// The name.
    pub name: Name,
    /// Its contents, the one that most units have first.
    pub contents: Vec<RecordId>,
}

/// Beyond so many ambiguous names, reachability is not told apart by name.
const MOST_NAMES_TRACKED: usize = 4096;
/// Beyond so many worlds, neighbours are not asked (C++ and Rust programs).
const MOST_WORLDS_ASKED: usize = 256;

/// The meanings of all names.
#[derive(Debug)]
pub struct Settled {
    meanings: HashMap<RecordId, Meaning>,
    /// The names with several meanings, by name.
    pub ambiguous: Vec<AmbiguousName>,
    /// By unit.
    worlds_of_units: Vec<World>,
    /// By world, by ambiguous name: 1 + index of its content, 0 for none.
    worlds: Vec<Vec<u32>>,
    /// By record: a bit for each ambiguous name that it can reach.
    reach: Reach,
}

impl Settled {
    /// Settles all names.
    pub fn new(table: &mut RecordTable, names: &FrozenNames<'_>, units: &[UnitTypes]) -> Self {
        let plain_names = plain_names(table);
        let contents = contents(table, units, &plain_names);
        let mut meanings: HashMap<RecordId, Meaning> = HashMap::new();
        let mut ambiguous = Vec::new();
        let mut counts: HashMap<RecordId, u32> = HashMap::new();
        for (&name, candidates) in &contents {
            if let [one] = candidates[..] {
                meanings.insert(name, Meaning::Unique(one));
            } else {
                counts.extend(candidates.iter().map(|&content| (content, 0)));
                ambiguous.push((name, candidates.clone()));
            }
        }
        for unit in units {
            for &(name, content) in &unit.conflicts {
                meanings.insert(name, Meaning::Unique(content));
            }
            if !counts.is_empty() {
                for record in &unit.records {
                    if let Some(count) = counts.get_mut(record) {
                        *count += 1;
                    }
                }
            }
        }
        for (_, candidates) in &mut ambiguous {
            let key = |content: RecordId| render::content(table, names, content);
            candidates.sort_by(|&a, &b| counts[&b].cmp(&counts[&a]).then_with(|| key(a).cmp(&key(b))));
        }
        ambiguous.sort_by(|(a, _), (b, _)| {
            let (a, b) = (table.get(*a), table.get(*b));
            let name = |words: &[u32]| names.bytes(Name(words[0])).to_vec();
            name(a.words).cmp(&name(b.words)).then(a.detail.cmp(&b.detail))
        });
        let mut place: HashMap<RecordId, (u32, u32)> = HashMap::new();
        for (index, (name, candidates)) in ambiguous.iter().enumerate() {
            meanings.insert(*name, Meaning::Ambiguous(index as u32));
            for (number, &content) in candidates.iter().enumerate() {
                place.insert(content, (index as u32, number as u32 + 1));
            }
        }
        let ambiguous: Vec<AmbiguousName> = ambiguous
            .into_iter()
            .map(|(name, contents)| {
                let record = table.get(name);
                let kind = Aggregate::from_detail(record.detail);
                AmbiguousName { kind, name: Name(record.words[0]), contents }
            })
            .collect();
        let reach = Reach::new(table, &meanings, &ambiguous);
        let (worlds_of_units, worlds) = worlds(units, &place, ambiguous.len());
        let mut settled = Self { meanings, ambiguous, worlds_of_units, worlds, reach };
        settled.ask_neighbours(table, units);
        settled
    }

    /// The world of a unit.
    pub fn world(&self, unit: u32) -> World {
        self.worlds_of_units.get(unit as usize).copied().unwrap_or_default()
    }

    /// What a record means in a world: names become their contents, where they have one; the world becomes the first
    /// one that makes no difference to the record.
    pub fn resolve(&self, table: &RecordTable, record: RecordId, world: World) -> (RecordId, World) {
        let mut record = record;
        // A name's content is never a name; what stands for a cycle may be one.
        for _ in 0..4 {
            if table.get(record).kind != Kind::Named {
                break;
            }
            match self.meanings.get(&record) {
                Some(Meaning::Unique(content)) => record = *content,
                Some(Meaning::Ambiguous(index)) => {
                    let number = self.worlds[world.0 as usize][*index as usize];
                    if number == 0 {
                        return (record, World::default());
                    }
                    record = self.ambiguous[*index as usize].contents[number as usize - 1];
                }
                Some(Meaning::Unknown) | None => return (record, World::default()),
            }
        }
        (record, self.first_alike(record, world))
    }

    /// The first world that agrees with `world` on all names that `record` can reach.
    fn first_alike(&self, record: RecordId, world: World) -> World {
        if self.reach.is_empty(record) {
            return World::default();
        }
        let values = &self.worlds[world.0 as usize];
        let alike = |other: &Vec<u32>| self.reach.names(record).all(|name| values[name] == other[name]);
        let first = self.worlds[..world.0 as usize].iter().position(alike);
        World(first.map_or(world.0, |first| first as u32))
    }

    /// Gives worlds a content for names that they only declare, where a neighbour tells which.
    fn ask_neighbours(&mut self, table: &RecordTable, units: &[UnitTypes]) {
        if self.ambiguous.is_empty() || self.worlds.len() > MOST_WORLDS_ASKED {
            return;
        }
        // By named aggregate that can reach an ambiguous name: the worlds that have it.
        let mut members: HashMap<RecordId, Vec<bool>> = HashMap::new();
        for (unit, types) in units.iter().enumerate() {
            let world = self.worlds_of_units[unit].0 as usize;
            for &record in &types.records {
                if self.reach.is_empty(record) {
                    continue;
                }
                let view = table.get(record);
                if matches!(view.kind, Kind::Struct | Kind::Union) && view.words[0] != 0 {
                    members.entry(record).or_insert_with(|| vec![false; self.worlds.len()])[world] = true;
                }
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            // (world, name) to how often each content was proposed.
            let mut proposals: HashMap<(usize, usize), Vec<u32>> = HashMap::new();
            for (&record, present) in &members {
                let reached: Vec<usize> = self.reach.names(record).collect();
                for (world, values) in self.worlds.iter().enumerate().filter(|(world, _)| present[*world]) {
                    for (_, other) in self.worlds.iter().enumerate().filter(|(other, _)| present[*other]) {
                        let agree = reached
                            .iter()
                            .all(|&name| values[name] == 0 || other[name] == 0 || values[name] == other[name]);
                        if !agree {
                            continue;
                        }
                        for &name in reached.iter().filter(|&&name| values[name] == 0 && other[name] != 0) {
                            let counts = proposals
                                .entry((world, name))
                                .or_insert_with(|| vec![0; self.ambiguous[name].contents.len() + 1]);
                            counts[other[name] as usize] += 1;
                        }
                    }
                }
            }
            for ((world, name), counts) in proposals {
                // Contents are sorted by how many units have them: the first proposed one it is.
                if let Some(number) = counts.iter().position(|&count| count > 0) {
                    self.worlds[world][name] = number as u32;
                    changed = true;
                }
            }
        }
    }

    /// Number of worlds.
    pub fn world_count(&self) -> usize {
        self.worlds.len()
    }
}

/// By record: the name that the content of a named aggregate has elsewhere, or `void`.
fn plain_names(table: &mut RecordTable) -> Vec<RecordId> {
    let mut names = vec![RecordId::VOID; table.len()];
    for index in 0..names.len() {
        let record = table.get(RecordId(index as u32));
        let kind = match record.kind {
            Kind::Struct => Aggregate::Struct,
            Kind::Union => Aggregate::Union,
            Kind::Enum => Aggregate::Enum,
            _ => continue,
        };
        let name = record.words[0];
        if name != 0 {
            names[index] = table.intern(&[head(Kind::Named, kind as u8), name]);
        }
    }
    names
}

/// By name: the contents that units give it, without those that a unit tells apart by itself.
fn contents(
    table: &RecordTable,
    units: &[UnitTypes],
    plain_names: &[RecordId],
) -> HashMap<RecordId, Vec<RecordId>> {
    let mut seen = vec![false; table.len()];
    for unit in units {
        if unit.conflicts.is_empty() {
            for record in &unit.records {
                seen[record.index()] = true;
            }
        } else {
            let own: std::collections::HashSet<RecordId> =
                unit.conflicts.iter().map(|&(_, content)| content).collect();
            for record in unit.records.iter().filter(|record| !own.contains(record)) {
                seen[record.index()] = true;
            }
        }
    }
    let mut contents: HashMap<RecordId, Vec<RecordId>> = HashMap::new();
    for (index, &name) in plain_names.iter().enumerate() {
        if name != RecordId::VOID && seen[index] {
            contents.entry(name).or_default().push(RecordId(index as u32));
        }
    }
    contents
}

/// Puts units into worlds.
fn worlds(
    units: &[UnitTypes],
    place: &HashMap<RecordId, (u32, u32)>,
    names: usize,
) -> (Vec<World>, Vec<Vec<u32>>) {
    if names == 0 {
        return (vec![World(0); units.len()], vec![Vec::new()]);
    }
    let mut groups: HashMap<Vec<(u32, u32)>, Vec<u32>> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        let own: Vec<RecordId> = unit.conflicts.iter().map(|&(_, content)| content).collect();
        let mut environment: Vec<(u32, u32)> = unit
            .records
            .iter()
            .filter_map(|record| place.get(record).copied().filter(|_| !own.contains(record)))
            .collect();
        environment.sort_unstable();
        groups.entry(environment).or_default().push(index as u32);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, ours), (b, theirs)| theirs.len().cmp(&ours.len()).then_with(|| a.cmp(b)));
    let mut worlds: Vec<Vec<u32>> = Vec::new();
    let mut of_units = vec![World(0); units.len()];
    for (environment, members) in groups {
        let fits = |world: &Vec<u32>| {
            environment.iter().all(|&(name, number)| [0, number].contains(&world[name as usize]))
        };
        let index = worlds.iter().position(fits).unwrap_or_else(|| {
            worlds.push(vec![0; names]);
            worlds.len() - 1
        });
        for (name, number) in environment {
            worlds[index][name as usize] = number;
        }
        for unit in members {
            of_units[unit as usize] = World(index as u32);
        }
    }
    (of_units, worlds)
}

/// Which ambiguous names each record can reach.
#[derive(Debug)]
struct Reach {
    bits: Vec<u64>,
    /// Words for each record; 0 if no name is ambiguous.
    width: usize,
    /// If there are too many names to track: 1 bit for all of them.
    names: usize,
    tracked: bool,
}

impl Reach {
    fn new(table: &RecordTable, meanings: &HashMap<RecordId, Meaning>, ambiguous: &[AmbiguousName]) -> Self {
        let tracked = ambiguous.len() <= MOST_NAMES_TRACKED;
        let width = if tracked { ambiguous.len().div_ceil(64) } else { 1 };
        let mut reach = Self { bits: vec![0; table.len() * width], width, names: ambiguous.len(), tracked };
        if width == 0 {
            return reach;
        }
        let mut changed = true;
        while changed {
            changed = false;
            for (id, record) in table.iter() {
                if record.kind == Kind::Named {
                    match meanings.get(&id) {
                        Some(Meaning::Unique(content)) => changed |= reach.join(id, *content),
                        Some(Meaning::Ambiguous(name)) => {
                            let name = if tracked { *name as usize } else { 0 };
                            let word = &mut reach.bits[id.index() * width + name / 64];
                            changed |= *word >> (name % 64) & 1 == 0;
                            *word |= 1 << (name % 64);
                            for &content in &ambiguous[name].contents {
                                changed |= reach.join(id, content);
                            }
                        }
                        Some(Meaning::Unknown) | None => {}
                    }
                } else {
                    for position in record.references() {
                        changed |= reach.join(id, RecordId(record.words[position]));
                    }
                }
            }
        }
        reach
    }

    #[inline]
    fn join(&mut self, into: RecordId, from: RecordId) -> bool {
        let mut changed = false;
        for word in 0..self.width {
            let bits = self.bits[from.index() * self.width + word];
            let target = &mut self.bits[into.index() * self.width + word];
            changed |= bits & !*target != 0;
            *target |= bits;
        }
        changed
    }

    fn is_empty(&self, record: RecordId) -> bool {
        let start = record.index() * self.width;
        self.bits.get(start..start + self.width).is_none_or(|bits| bits.iter().all(|&word| word == 0))
    }

    fn names(&self, record: RecordId) -> impl Iterator<Item = usize> + '_ {
        let start = record.index() * self.width;
        let bits = self.bits.get(start..start + self.width).unwrap_or_default();
        (0..self.names).filter(move |&name| !self.tracked || bits[name / 64] >> (name % 64) & 1 != 0)
    }
}
