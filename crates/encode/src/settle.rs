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
//! 4. A type that no unit of a world has is what the units that have it make of it, in their world: where a unit only
//!    declares `struct priority_table`, what other names mean in that unit says nothing of its members.
//! 5. A type is then a record in a world; and worlds that agree on all names that the record can reach have the same
//!    one. Which names those are is computed once for all records (a bit set each).
//!
//! Every choice goes by content and by how many units make it, never by the numbers that records happen to have.

use hashbrown::HashMap;

use crate::intern::UnitTypes;
use crate::names::{Name, Names};
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
/// Names reach others within a few passes over all records; where they do not, links are followed one by one.
const MOST_PASSES: usize = 32;
/// Beyond so many worlds, neighbours are not asked (C++ and Rust programs).
const MOST_WORLDS_ASKED: usize = 256;

/// The meanings of all names.
#[derive(Debug)]
pub struct Settled {
    /// By record.
    meanings: Vec<Meaning>,
    /// The names with several meanings, by name.
    pub ambiguous: Vec<AmbiguousName>,
    /// By unit.
    worlds_of_units: Vec<World>,
    /// By world, by ambiguous name: 1 + index of its content, 0 for none.
    worlds: Vec<Vec<u32>>,
    /// By record: a bit for each ambiguous name that it can reach.
    reach: Reach,
    /// By record: the worlds whose units have it.
    members: Members,
}

impl Settled {
    /// Settles all names.
    pub fn new(table: &mut RecordTable, names: &Names<'_>, units: &[UnitTypes]) -> Self {
        let contents = contents(table, units);
        let mut meanings = vec![Meaning::Unknown; table.len()];
        for (name, content) in units.iter().flat_map(|unit| &unit.conflicts) {
            meanings[name.index()] = Meaning::Unique(*content);
        }
        let mut several = Vec::new();
        for same_name in contents.chunk_by(|a, b| a.0 == b.0) {
            match same_name {
                [(name, content)] => meanings[name.index()] = Meaning::Unique(*content),
                _ => several.push((same_name[0].0, same_name.iter().map(|&(_, content)| content).collect())),
            }
        }
        let ambiguous = by_name_and_use(several, table, names, units);
        for (index, (name, _)) in ambiguous.iter().enumerate() {
            meanings[name.index()] = Meaning::Ambiguous(index as u32);
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
        let (worlds_of_units, worlds) = worlds(units, table.len(), &ambiguous);
        let members = Members::new(units, table.len(), &worlds_of_units, worlds.len());
        let mut settled = Self { meanings, ambiguous, worlds_of_units, worlds, reach, members };
        settled.ask_neighbours(table);
        settled
    }

    /// The types that units have: each record with the worlds in which it differs.
    pub fn types(&self) -> impl Iterator<Item = (RecordId, World)> + '_ {
        (0..self.meanings.len()).map(|index| RecordId(index as u32)).flat_map(|record| {
            let all = if self.reach.is_empty(record) { 1 } else { usize::MAX };
            self.members.worlds(record).take(all).map(move |world| (record, World(world as u32)))
        })
    }

    /// The world of a unit.
    pub fn world(&self, unit: u32) -> World {
        self.worlds_of_units.get(unit as usize).copied().unwrap_or_default()
    }

    /// What a record means in a world: names become their contents, where they have one. The world is the first one
    /// where it makes no difference to the record.
    pub fn resolve(&self, table: &RecordTable, record: RecordId, world: World) -> (RecordId, World) {
        let (given, mut record) = (record, record);
        // A name's content is never a name; what stands for a cycle may be one.
        for _ in 0..4 {
            if table.get(record).kind != Kind::Named {
                break;
            }
            match self.meanings.get(record.index()) {
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
        let world = match record {
            _ if self.reach.is_empty(record) => World::default(),
            _ if record == given => world,
            _ => self.home(record, world),
        };
        (record, world)
    }

    /// The world that knows a record: `world` if one of its units has it; else of those whose units do, the first that
    /// contradicts `world` in nothing that the record can reach, or the first.
    fn home(&self, record: RecordId, world: World) -> World {
        let mut worlds = self.members.worlds(record);
        let Some(first) = worlds.next() else { return world };
        if self.members.contains(record, world.0 as usize) {
            return world;
        }
        if self.worlds.len() > MOST_WORLDS_ASKED {
            return World(first as u32);
        }
        let ours = &self.worlds[world.0 as usize];
        let agrees = |other: &usize| {
            let theirs = &self.worlds[*other];
            self.reach
                .names(record)
                .all(|name| ours[name] == 0 || theirs[name] == 0 || ours[name] == theirs[name])
        };
        World(std::iter::once(first).chain(worlds).find(agrees).unwrap_or(first) as u32)
    }

    /// Is a record the same type in all worlds?
    pub fn is_one(&self, record: RecordId) -> bool {
        self.reach.is_empty(record)
    }

    /// What a world says about the names that a record can reach: worlds that say the same have the same type.
    pub fn view<'s>(&'s self, record: RecordId, world: World) -> impl Iterator<Item = u32> + use<'s> {
        let values = &self.worlds[world.0 as usize];
        self.reach.names(record).map(move |name| values[name])
    }

    /// Gives worlds a content for names that they only declare, where a neighbour tells which.
    fn ask_neighbours(&mut self, table: &RecordTable) {
        if self.ambiguous.is_empty() || self.worlds.len() > MOST_WORLDS_ASKED {
            return;
        }
        let neighbours: Vec<RecordId> = table
            .iter()
            .filter(|(id, record)| {
                matches!(record.kind, Kind::Struct | Kind::Union)
                    && record.words[0] != 0
                    && !self.reach.is_empty(*id)
                    && self.members.worlds(*id).nth(1).is_some()
            })
            .map(|(id, _)| id)
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            // (world, name) to how often each content was proposed.
            let mut proposals: HashMap<(usize, usize), Vec<u32>> = HashMap::new();
            for &record in &neighbours {
                let reached: Vec<usize> = self.reach.names(record).collect();
                for world in self.members.worlds(record) {
                    let values = &self.worlds[world];
                    for other in self.members.worlds(record).map(|other| &self.worlds[other]) {
                        let agree = reached.iter().all(|&name| {
                            values[name] == 0 || other[name] == 0 || values[name] == other[name]
                        });
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
}

/// (name, content) of all named aggregates, without those contents that only units have which tell them apart
/// themselves; sorted by name.
fn contents(table: &mut RecordTable, units: &[UnitTypes]) -> Vec<(RecordId, RecordId)> {
    let mut own = vec![false; table.len()];
    for (_, content) in units.iter().flat_map(|unit| &unit.conflicts) {
        own[content.index()] = true;
    }
    if own.contains(&true) {
        for unit in units {
            for record in &unit.records {
                own[record.index()] &= unit.conflicts.iter().any(|(_, content)| content == record);
            }
        }
    }
    let mut contents = Vec::new();
    for index in (0..table.len()).filter(|&index| !own[index]) {
        let content = RecordId(index as u32);
        let record = table.get(content);
        let kind = match record.kind {
            Kind::Struct => Aggregate::Struct,
            Kind::Union => Aggregate::Union,
            Kind::Enum => Aggregate::Enum,
            _ => continue,
        };
        let name = record.words[0];
        if name != 0 {
            contents.push((table.intern(&[head(Kind::Named, kind as u8), name]), content));
        }
    }
    contents.sort_unstable();
    contents
}

/// Names by their bytes, the contents of each by how many units have them.
fn by_name_and_use(
    mut several: Vec<(RecordId, Vec<RecordId>)>,
    table: &RecordTable,
    names: &Names<'_>,
    units: &[UnitTypes],
) -> Vec<(RecordId, Vec<RecordId>)> {
    if several.is_empty() {
        return several;
    }
    // By record: how many units have it, and which is the first. That one decides between contents that differ only in
    // what names mean in their units (C++, Rust): record numbers depend on which thread was faster.
    let mut uses = vec![(0u32, 0u32); table.len()];
    for (number, unit) in units.iter().enumerate().rev() {
        for record in &unit.records {
            let (count, first) = &mut uses[record.index()];
            (*count, *first) = (*count + 1, number as u32);
        }
    }
    for (_, contents) in &mut several {
        let key = |content: RecordId| render::content(table, names, content);
        contents.sort_by(|&a, &b| {
            let ((many, first), (other_many, other_first)) = (uses[a.index()], uses[b.index()]);
            let same = || key(a).cmp(&key(b)).then(first.cmp(&other_first));
            other_many.cmp(&many).then_with(same)
        });
    }
    several.sort_by_cached_key(|(name, _)| {
        let record = table.get(*name);
        (names.bytes(Name(record.words[0])).to_vec(), record.detail)
    });
    several
}

/// Which worlds have which records.
#[derive(Debug)]
struct Members {
    bits: Vec<u64>,
    /// Words for each record.
    width: usize,
}

impl Members {
    fn new(units: &[UnitTypes], records: usize, worlds_of_units: &[World], worlds: usize) -> Self {
        let width = worlds.div_ceil(64);
        let mut bits = vec![0u64; records * width];
        for (unit, world) in units.iter().zip(worlds_of_units) {
            let (word, bit) = (world.0 as usize / 64, 1 << (world.0 % 64));
            for record in &unit.records {
                bits[record.index() * width + word] |= bit;
            }
        }
        Self { bits, width }
    }

    fn contains(&self, record: RecordId, world: usize) -> bool {
        let word = self.bits.get(record.index() * self.width + world / 64);
        word.is_some_and(|word| word >> (world % 64) & 1 != 0)
    }

    fn worlds(&self, record: RecordId) -> impl Iterator<Item = usize> + '_ {
        let start = record.index() * self.width;
        let words = self.bits.get(start..start + self.width).unwrap_or_default();
        words.iter().enumerate().flat_map(|(index, &word)| {
            let mut word = word;
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros() as usize;
                    word &= word - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

/// Puts units into worlds.
fn worlds(units: &[UnitTypes], records: usize, ambiguous: &[AmbiguousName]) -> (Vec<World>, Vec<Vec<u32>>) {
    let names = ambiguous.len();
    if names == 0 {
        return (vec![World(0); units.len()], vec![Vec::new()]);
    }
    // By record that is a content of an ambiguous name: (1 + index of the name, 1 + index of the content).
    let mut place = vec![(0u32, 0u32); records];
    for (index, name) in ambiguous.iter().enumerate() {
        for (number, content) in name.contents.iter().enumerate() {
            place[content.index()] = (index as u32 + 1, number as u32 + 1);
        }
    }
    let mut groups: HashMap<Vec<(u32, u32)>, Vec<u32>> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        let own = |record: &RecordId| unit.conflicts.iter().any(|(_, content)| content == record);
        let mut environment: Vec<(u32, u32)> = unit
            .records
            .iter()
            .filter(|record| place[record.index()].0 != 0 && !own(record))
            .map(|record| (place[record.index()].0 - 1, place[record.index()].1))
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

/// What a name may stand for.
fn contents_of<'a>(
    name: RecordId,
    meanings: &'a [Meaning],
    ambiguous: &'a [AmbiguousName],
) -> &'a [RecordId] {
    match meanings.get(name.index()) {
        Some(Meaning::Unique(content)) => std::slice::from_ref(content),
        Some(Meaning::Ambiguous(name)) => &ambiguous[*name as usize].contents,
        Some(Meaning::Unknown) | None => &[],
    }
}

impl Reach {
    fn new(table: &RecordTable, meanings: &[Meaning], ambiguous: &[AmbiguousName]) -> Self {
        let tracked = ambiguous.len() <= MOST_NAMES_TRACKED;
        let width = if tracked { ambiguous.len().div_ceil(64) } else { 1 };
        let mut reach = Self { bits: vec![0; table.len() * width], width, names: ambiguous.len(), tracked };
        if width == 0 {
            return reach;
        }
        for (id, _) in table.iter().filter(|(_, record)| record.kind == Kind::Named) {
            if let Some(Meaning::Ambiguous(name)) = meanings.get(id.index()) {
                let name = if tracked { *name as usize } else { 0 };
                reach.bits[id.index() * width + name / 64] |= 1 << (name % 64);
            }
        }
        let mut passes = 0;
        while reach.pass(table, meanings, ambiguous) {
            passes += 1;
            if passes == MOST_PASSES {
                reach.follow(table, meanings, ambiguous);
                break;
            }
        }
        reach
    }

    /// Gives each record what the records that it refers to have reached so far; true if that was news to any.
    fn pass(&mut self, table: &RecordTable, meanings: &[Meaning], ambiguous: &[AmbiguousName]) -> bool {
        let mut changed = false;
        for (id, record) in table.iter() {
            if record.kind == Kind::Named {
                for &content in contents_of(id, meanings, ambiguous) {
                    changed |= self.join(id, content);
                }
            } else {
                for position in record.references() {
                    changed |= self.join(id, RecordId(record.words[position]));
                }
            }
        }
        changed
    }

    /// The same to the end, record by record from what they refer to: for long chains of names, where a pass gets on
    /// by one link only.
    #[cold]
    fn follow(&mut self, table: &RecordTable, meanings: &[Meaning], ambiguous: &[AmbiguousName]) {
        let mut edges: Vec<(RecordId, RecordId)> = Vec::new();
        for (id, record) in table.iter() {
            if record.kind == Kind::Named {
                edges.extend(contents_of(id, meanings, ambiguous).iter().map(|&content| (content, id)));
            } else {
                edges.extend(record.references().map(|position| (RecordId(record.words[position]), id)));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let mut waits = vec![true; table.len()];
        let mut queue: std::collections::VecDeque<RecordId> = (0..table.len() as u32).map(RecordId).collect();
        while let Some(from) = queue.pop_front() {
            waits[from.index()] = false;
            let first = edges.partition_point(|edge| edge.0 < from);
            for &(_, into) in edges[first..].iter().take_while(|edge| edge.0 == from) {
                if self.join(into, from) && !std::mem::replace(&mut waits[into.index()], true) {
                    queue.push_back(into);
                }
            }
        }
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
