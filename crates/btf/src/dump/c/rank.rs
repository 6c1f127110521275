//! In which order definitions are wanted, so that headers of different kernels can be compared line by line: by what
//! they are, then by name, never by id. (What has to stand before what is for [`super::order`].)

use std::hash::{Hash, Hasher};

use crate::{Btf, Kind, Type, TypeId};

/// Where a type wants to stand: rank, name sorted by, own name. Anonymous enumerations first, then named ones, then what
/// names a basic type, then structures and unions with their typedefs, then typedefs of functions, then the rest.
struct Key<'b> {
    /// The rank, and the first bytes of the name sorted by: most comparisons end here.
    head: u128,
    sorted_by: &'b [u8],
    name: &'b [u8],
    id: TypeId,
}

const NAMED_BYTES: usize = 15;

/// Sorts types as above; those that agree in rank and names by what they hold, and by id only where that is equal too.
pub(super) fn sort(btf: &Btf<'_>, types: &mut Vec<TypeId>) {
    let mut keys: Vec<Key<'_>> = types.iter().filter_map(|&id| Some(key(btf, btf.get(id).ok()?))).collect();
    keys.sort_by(|a, b| {
        a.head.cmp(&b.head).then_with(|| a.sorted_by.cmp(b.sorted_by)).then_with(|| a.name.cmp(b.name))
    });
    let same = |a: &Key<'_>, b: &Key<'_>| a.head == b.head && a.sorted_by == b.sorted_by && a.name == b.name;
    for equals in keys.chunk_by_mut(same) {
        if equals.len() > 1 {
            equals.sort_by_cached_key(|key| (btf.get(key.id).map(|ty| content(btf, ty)).ok(), key.id));
        }
    }
    types.clear();
    types.extend(keys.iter().map(|key| key.id));
}

fn key<'b>(btf: &'b Btf<'_>, ty: Type<'b>) -> Key<'b> {
    let (rank, sorted_by) = match ty.kind() {
        kind if kind.is_enum() && !ty.is_named() => {
            (0, ty.enumerators().next().map_or(&[] as &[u8], |first| ty.string(first.name)))
        }
        Kind::Typedef => referred(btf, ty),
        _ => (rank(ty), ty.name()),
    };
    let mut bytes = [0; 16];
    bytes[0] = rank;
    let shown = sorted_by.len().min(NAMED_BYTES);
    bytes[1..=shown].copy_from_slice(&sorted_by[..shown]);
    Key { head: u128::from_be_bytes(bytes), sorted_by, name: ty.name(), id: ty.id() }
}

fn rank(ty: Type<'_>) -> u8 {
    match ty.kind() {
        Kind::Enum | Kind::Enum64 => 1,
        Kind::Int | Kind::Float => 2,
        Kind::Struct | Kind::Union | Kind::Fwd => 3,
        Kind::FuncProto => 4,
        _ => 10,
    }
}

/// Rank and name of what a typedef stands for in the end; its own name where that has none.
fn referred<'b>(btf: &'b Btf<'_>, typedef: Type<'b>) -> (u8, &'b [u8]) {
    let mut ty = typedef;
    for _ in 0..Btf::CHAIN_LIMIT {
        if !ty.kind().is_modifier() {
            break;
        }
        match ty.type_id().and_then(|id| btf.get(id).ok()) {
            Some(next) => ty = next,
            None => break,
        }
    }
    (rank(ty), if !ty.is_named() { typedef.name() } else { ty.name() })
}

/// A hash of what a type holds, one level deep, that does not depend on ids or on where strings are.
fn content(btf: &Btf<'_>, ty: Type<'_>) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let level = |hash: &mut Fnv, id: TypeId| {
        if let Ok(ty) = btf.get(id) {
            (ty.kind().number(), ty.size(), ty.name()).hash(hash);
        }
    };
    (ty.kind().number(), ty.size(), ty.vlen(), ty.kind_flag()).hash(&mut hash);
    for member in ty.members() {
        (ty.string(member.name), member.bit_offset, member.bitfield_size).hash(&mut hash);
        level(&mut hash, member.type_id);
    }
    for each in ty.enumerators() {
        (ty.string(each.name), each.value).hash(&mut hash);
    }
    if let Some(target) = ty.type_id() {
        level(&mut hash, target);
    }
    hash.finish()
}

/// The FNV-1a hash: the same on every machine and in every version.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
