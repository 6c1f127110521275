//! Records, functions and variables into BTF.

use hashbrown::HashMap;
use std::borrow::Cow;
use std::hash::{BuildHasherDefault, Hasher};

use btfkit_btf::{
    Array, Builder, Enumerator, IntEncoding, Kind as BtfKind, Member, Param, StringOffset, TypeId,
};

use crate::names::{Name, Names};
use crate::options::Features;
use crate::record::{Aggregate, Kind, Record, RecordId, RecordTable, hash_words};
use crate::settle::{Settled, World};

/// The longest name that kernels before 6.1 accept, in bytes.
const LONGEST_NAME: usize = 127;

/// Gives records their place in the output and writes them.
pub struct Emitter<'a> {
    table: &'a RecordTable,
    settled: &'a Settled,
    features: &'a Features,
    /// By record: its id in the world that is the same for all, or 0.
    ids: Vec<u32>,
    /// Ids in other worlds.
    other_ids: HashMap<(RecordId, World), u32>,
    /// By record and a hash of what worlds say about it: worlds that say different things.
    worlds: HashMap<(RecordId, u64), Vec<World>>,
    /// What was found out by them.
    same: HashMap<(RecordId, World), World>,
    queue: Vec<(RecordId, World)>,
    /// The `int` that indexes all arrays.
    index: RecordId,
    first_id: u32,
    chains: Chains,
}

impl<'a> Emitter<'a> {
    /// Prepares to write after `builder`'s base.
    pub fn new(
        table: &'a RecordTable,
        settled: &'a Settled,
        index: RecordId,
        features: &'a Features,
        builder: &Builder<'_>,
    ) -> Self {
        Self {
            table,
            settled,
            features,
            ids: vec![0; table.len()],
            other_ids: HashMap::new(),
            worlds: HashMap::new(),
            same: HashMap::new(),
            queue: Vec::new(),
            index,
            first_id: builder.next_id().0,
            chains: Chains::of(table),
        }
    }

    /// The id of a record as `world` understands it; from now on it is part of the output.
    pub fn id(&mut self, record: RecordId, world: World) -> TypeId {
        if record == RecordId::VOID {
            return TypeId::VOID;
        }
        let (mut record, mut world) = self.settled.resolve(self.table, record, world);
        while !self.features.type_tags && self.table.get(record).kind == Kind::TypeTag {
            let target = RecordId(self.table.get(record).words[1]);
            (record, world) = self.settled.resolve(self.table, target, world);
        }
        if record == RecordId::VOID {
            return TypeId::VOID;
        }
        let world = self.same_world(record, world);
        let next = self.first_id + self.queue.len() as u32;
        let id = if world == World::default() {
            &mut self.ids[record.index()]
        } else {
            self.other_ids.entry((record, world)).or_insert(0)
        };
        if *id == 0 && record != RecordId::VOID {
            *id = next;
            self.queue.push((record, world));
        }
        TypeId(*id)
    }

    /// One world for all that have the same type.
    fn same_world(&mut self, record: RecordId, world: World) -> World {
        let settled = self.settled;
        if settled.is_one(record) {
            return World::default();
        }
        if let Some(&same) = self.same.get(&(record, world)) {
            return same;
        }
        let words: Vec<u32> = settled.view(record, world).collect();
        let known = self.worlds.entry((record, hash_words(&words))).or_default();
        let alike = |&&other: &&World| settled.view(record, other).eq(words.iter().copied());
        let same = known.iter().find(alike).copied().unwrap_or_else(|| {
            known.push(world);
            world
        });
        self.same.insert((record, world), same);
        same
    }

    /// The ids of a record that is part of the output, in all worlds.
    pub fn ids_of(&self, record: RecordId) -> Vec<TypeId> {
        let mut ids = Vec::new();
        ids.extend(self.ids.get(record.index()).filter(|&&id| id != 0).map(|&id| TypeId(id)));
        ids.extend(
            self.other_ids.iter().filter(|((other, _), _)| *other == record).map(|(_, &id)| TypeId(id)),
        );
        ids
    }

    /// Writes all types that were asked for, and those that they need.
    pub fn types(&mut self, builder: &mut Builder<'_>, strings: &mut Strings<'_>) -> btfkit_btf::Result<()> {
        let mut at = 0;
        while at < self.queue.len() {
            let (record, world) = self.queue[at];
            let id = self.write(builder, strings, record, world)?;
            debug_assert_eq!(id.0, self.first_id + at as u32);
            at += 1;
        }
        Ok(())
    }

    fn write(
        &mut self,
        builder: &mut Builder<'_>,
        strings: &mut Strings<'_>,
        id: RecordId,
        world: World,
    ) -> btfkit_btf::Result<TypeId> {
        let record = self.table.get(id);
        let words = record.words;
        let target = |emitter: &mut Self, position: usize| {
            let target = emitter.chains.target(id, RecordId(words[position]));
            emitter.id(target, world)
        };
        Ok(match record.kind {
            Kind::Void => TypeId::VOID,
            Kind::Named => {
                let name = strings.identifier(builder, words[0]);
                match Aggregate::from_detail(record.detail) {
                    Aggregate::Struct => builder.forward(name, false),
                    Aggregate::Union => builder.forward(name, true),
                    Aggregate::Enum => builder.enumeration(name, 4, false, &[])?,
                    // A cycle of typedefs that means nothing.
                    Aggregate::Cycle => builder.modifier(BtfKind::Const, TypeId::VOID)?,
                }
            }
            Kind::Int => {
                let name = strings.plain(builder, words[0]);
                let encoding = IntEncoding {
                    signed: record.detail & 1 != 0,
                    char: record.detail & 2 != 0,
                    bool: record.detail & 4 != 0,
                    ..IntEncoding::unsigned(words.get(2).copied().unwrap_or(words[1] * 8) as u8)
                };
                builder.int(name, words[1], encoding)
            }
            Kind::Float => float(builder, strings, words, self.features.floats)?,
            Kind::Pointer => {
                let target = target(self, 0);
                builder.pointer(target)
            }
            Kind::Const | Kind::Volatile | Kind::Restrict => {
                let target = target(self, 0);
                let kind = match record.kind {
                    Kind::Const => BtfKind::Const,
                    Kind::Volatile => BtfKind::Volatile,
                    _ => BtfKind::Restrict,
                };
                builder.modifier(kind, target)?
            }
            Kind::Typedef => {
                let target = target(self, 1);
                let name = strings.identifier(builder, words[0]);
                builder.typedef(name, target)
            }
            Kind::TypeTag => {
                let target = target(self, 1);
                let name = strings.plain(builder, words[0]);
                if record.detail & 1 != 0 {
                    builder.type_attribute(name, target)
                } else {
                    builder.type_tag(name, target)
                }
            }
            Kind::Array => {
                let element = target(self, 0);
                let index = self.id(self.index, World::default());
                let element = if element == TypeId::VOID { index } else { element };
                builder.array(Array { element, index, count: words[1] })
            }
            Kind::Struct | Kind::Union => self.aggregate(builder, strings, record, world)?,
            Kind::Enum => enumeration(builder, strings, record, self.features.enum64)?,
            Kind::Function => self.prototype(builder, strings, record, world)?,
        })
    }

    fn aggregate(
        &mut self,
        builder: &mut Builder<'_>,
        strings: &mut Strings<'_>,
        record: Record<'_>,
        world: World,
    ) -> btfkit_btf::Result<TypeId> {
        let kind = if record.kind == Kind::Union { BtfKind::Union } else { BtfKind::Struct };
        let name = strings.identifier(builder, record.words[0]);
        let bitfields = record.detail & 1 != 0;
        let members: Vec<Member> = members(record)
            .map(|row| Member {
                name: strings.identifier(builder, row[0]),
                type_id: self.id(RecordId(row[1]), world),
                bit_offset: row[2],
                bitfield_size: if bitfields { row[3] as u8 } else { 0 },
            })
            .collect();
        builder.aggregate(kind, name, record.words[1], &members)
    }

    fn prototype(
        &mut self,
        builder: &mut Builder<'_>,
        strings: &mut Strings<'_>,
        record: Record<'_>,
        world: World,
    ) -> btfkit_btf::Result<TypeId> {
        let returns = self.id(RecordId(record.words[0]), world);
        let parameters: Vec<Param> = record.words[1..]
            .chunks_exact(2)
            .map(|parameter| Param {
                name: strings.identifier(builder, parameter[0]),
                type_id: self.id(RecordId(parameter[1]), world),
            })
            .collect();
        builder.function_proto(returns, &parameters)
    }
}

/// The members of a struct or union, without what no compiler writes and no kernel takes: members without a type, or
/// outside of their struct.
pub fn members(record: Record<'_>) -> impl Iterator<Item = &[u32]> {
    let size = u64::from(record.words[1]);
    record.words[2..].chunks_exact(4).filter(move |row| {
        let outside = u64::from(row[2]).div_ceil(8) > size;
        row[1] != RecordId::VOID.0 && !outside && (record.kind == Kind::Struct || row[2] == 0)
    })
}

/// The longest chain of modifiers in the output: kernels take 32 (`btf_check_type_tags`).
const LONGEST_CHAIN: u8 = 30;

/// Chains of modifiers. A chain that no kernel takes loses its middle.
struct Chains {
    /// By record: modifiers from it on, its own included.
    lengths: Vec<u8>,
    /// By record: what is below all modifiers.
    ends: Vec<RecordId>,
}

impl Chains {
    fn of(table: &RecordTable) -> Self {
        let mut chains =
            Self { lengths: Vec::with_capacity(table.len()), ends: Vec::with_capacity(table.len()) };
        for (id, record) in table.iter() {
            let target = match record.kind {
                Kind::Const | Kind::Volatile | Kind::Restrict => Some(record.words[0]),
                Kind::Typedef | Kind::TypeTag => Some(record.words[1]),
                _ => None,
            };
            let (length, end) = target.map_or((0, id), |target| {
                let length = chains.lengths[target as usize];
                (if length < LONGEST_CHAIN { length + 1 } else { 1 }, chains.ends[target as usize])
            });
            chains.lengths.push(length);
            chains.ends.push(end);
        }
        chains
    }

    /// What `record`, which refers to `target`, is to refer to.
    fn target(&self, record: RecordId, target: RecordId) -> RecordId {
        let is_cut = self.lengths[record.index()] == 1 && self.lengths[target.index()] != 0;
        if is_cut { self.ends[target.index()] } else { target }
    }
}

fn float(
    builder: &mut Builder<'_>,
    strings: &mut Strings<'_>,
    words: &[u32],
    floats: bool,
) -> btfkit_btf::Result<TypeId> {
    let size = words[1];
    if !floats && !matches!(size, 1 | 2 | 4 | 8 | 16) {
        let name = strings.identifier(builder, words[0]);
        return builder.aggregate(BtfKind::Struct, name, size, &[]);
    }
    let name = strings.plain(builder, words[0]);
    Ok(if floats {
        builder.float(name, size)
    } else {
        builder.int(name, size, IntEncoding::unsigned((size * 8) as u8))
    })
}

/// Without `enum64`, values are cut to 32 bits and nothing says whether they are signed.
fn enumeration(
    builder: &mut Builder<'_>,
    strings: &mut Strings<'_>,
    record: Record<'_>,
    enum64: bool,
) -> btfkit_btf::Result<TypeId> {
    let signed = enum64 && record.detail & 1 != 0;
    let name = strings.identifier(builder, record.words[0]);
    // Any other size is damage.
    let size = Some(record.words[1]).filter(|size| matches!(size, 1 | 2 | 4 | 8)).unwrap_or(4);
    let wide = enum64 && size > 4;
    let enumerators: Vec<Enumerator> = record.words[2..]
        .chunks_exact(3)
        .filter(|row| row[0] != 0)
        .map(|row| {
            let name = strings.identifier(builder, row[0]);
            let value = u64::from(row[1]) | u64::from(row[2]) << 32;
            let value = match (wide, signed) {
                (true, true) => i128::from(value as i64),
                (true, false) => i128::from(value),
                (false, true) => i128::from(row[1] as i32),
                (false, false) => i128::from(row[1]),
            };
            Enumerator { name, value }
        })
        .collect();
    if wide {
        builder.enumeration64(name, size, signed, &enumerators)
    } else {
        builder.enumeration(name, size, signed, &enumerators)
    }
}

/// Names in the output: each is looked up once.
pub struct Strings<'a> {
    names: &'a Names<'a>,
    collapsed_prefix: Option<&'a [u8]>,
    offsets: HashMap<Name, StringOffset, BuildHasherDefault<NameHasher>>,
}

impl<'a> Strings<'a> {
    /// No names yet.
    pub fn new(names: &'a Names<'a>, collapsed_prefix: Option<&'a [u8]>) -> Self {
        Self { names, collapsed_prefix, offsets: HashMap::default() }
    }

    /// Takes over what is known of the base: the offsets of names in it, [`StringOffset::EMPTY`] of those that it does not
    /// have.
    pub fn know(&mut self, base_strings: &[(Name, StringOffset)]) {
        if self.collapsed_prefix.is_some() {
            return;
        }
        self.offsets.reserve(base_strings.len());
        for &(name, offset) in base_strings {
            if offset != StringOffset::EMPTY && is_identifier(self.names.bytes(name)) {
                self.offsets.insert(name, offset);
            }
        }
    }

    /// A name that the kernel does not look at.
    pub fn plain(&mut self, builder: &mut Builder<'_>, name: u32) -> StringOffset {
        builder.string(self.names.bytes(Name(name)))
    }

    /// A name that has to be a C identifier: what is not one is made one.
    pub fn identifier(&mut self, builder: &mut Builder<'_>, name: u32) -> StringOffset {
        if name == 0 {
            return StringOffset::EMPTY;
        }
        let (names, prefix) = (self.names, self.collapsed_prefix);
        *self
            .offsets
            .entry(Name(name))
            .or_insert_with(|| builder.string(&identifier(collapsed(names.bytes(Name(name)), prefix))))
    }
}

/// `name`, or the prefix that stands for all names that start so.
pub fn collapsed<'a>(name: &'a [u8], prefix: Option<&'a [u8]>) -> &'a [u8] {
    prefix.filter(|prefix| name.starts_with(prefix)).unwrap_or(name)
}

/// `name` as the kernel accepts it: letters, digits, `_` and `.`, no digit first, at most 127 bytes. What Rust and C++
/// put into names otherwise becomes `_`; a long name is cut and ends with a hash of the whole.
pub fn identifier(name: &[u8]) -> Cow<'_, [u8]> {
    if is_identifier(name) {
        return Cow::Borrowed(name);
    }
    let mut fixed: Vec<u8> = name.iter().map(|&byte| if is_good(byte) { byte } else { b'_' }).collect();
    if fixed.first().is_some_and(u8::is_ascii_digit) {
        fixed.insert(0, b'_');
    }
    if fixed.len() > LONGEST_NAME {
        fixed.truncate(LONGEST_NAME - 17);
        fixed.extend(format!("_{:016x}", crate::record::hash_bytes(name)).bytes());
    }
    Cow::Owned(fixed)
}

fn is_identifier(name: &[u8]) -> bool {
    let starts_well = name.first().is_none_or(|first| !first.is_ascii_digit());
    starts_well && name.len() <= LONGEST_NAME && name.iter().all(|&byte| is_good(byte))
}

fn is_good(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.'
}

/// Names are numbers already: one multiplication spreads them.
#[derive(Debug, Default)]
pub struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
