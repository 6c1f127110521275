//! The order in which types are stored, and changing it.
//!
//! - [`by_name`]: (name, kind, content), so that ids depend on content alone. Anonymous types come first. Kernels from
//!   7.0 on, and libbpf, search types sorted so by bisection.
//! - [`leaves_first`]: what a type is made of before the type. The kernel resolves a loaded blob with a stack of 32
//!   types that are not resolved yet, so that long chains load in this order only.
//! - [`permute`]: rewrites a blob in a given order; strings follow in the order of their use.

mod content;

use crate::names::{self, NameKey};
use crate::{Btf, Builder, Error, Kind, StringOffset, TypeId, error::Result};
use content::Content;

/// A blob written in another order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permuted {
    /// The new blob.
    pub bytes: Vec<u8>,
    /// The new id of each old own type, from the first on; `void` for one that was left out.
    pub ids: Vec<TypeId>,
}

/// The own types sorted by name, then kind, then content. Which order they have now makes no difference: types that are
/// alike are told apart by what they refer to, as far as that takes. Only types that are equal in all respects keep
/// their order. Names are compared by their first 1024 bytes.
///
/// # Errors
/// A kind is unknown, so that what it refers to is too; or names overlap each other beyond measure.
pub fn by_name(btf: &Btf<'_>) -> Result<Vec<TypeId>> {
    refuse_unknown_kinds(btf)?;
    let keys = names::sorted(btf);
    let name = |key: &NameKey| names::compared_part(btf, key.name);
    let mut content = Content::new(btf);
    let mut order = Vec::with_capacity(keys.len());
    let mut ties = Vec::new();
    for same_name in keys.chunk_by(|a, b| a.name == b.name || name(a) == name(b)) {
        if let [single] = same_name {
            order.push(single.index);
        } else {
            sort_by_content(btf, &mut content, same_name, &mut order, &mut ties)?;
        }
    }
    content::refine(&mut content, &mut order, ties)?;
    let first = btf.first_id().0;
    Ok(order.into_iter().map(|index| TypeId(first + index)).collect())
}

/// Appends types of one name to `order`, sorted by kind and content; runs that stay equal go to `ties`.
fn sort_by_content(
    btf: &Btf<'_>,
    content: &mut Content<'_>,
    same_name: &[NameKey],
    order: &mut Vec<u32>,
    ties: &mut Vec<std::ops::Range<usize>>,
) -> Result<()> {
    let mut keyed = Vec::with_capacity(same_name.len());
    for key in same_name {
        let kind = btf.own(key.index as usize).kind().number();
        keyed.push((kind, content.of(key.index)?, key.index));
    }
    keyed.sort_unstable();
    for equal in keyed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        if equal.len() > 1 {
            ties.push(order.len()..order.len() + equal.len());
        }
        order.extend(equal.iter().map(|key| key.2));
    }
    Ok(())
}

/// The own types, each after those it is made of as far as cycles allow: what a pointer points to comes first too,
/// unless that is a structure or union. Otherwise sorted as by [`by_name`].
///
/// # Errors
/// As [`by_name`].
pub fn leaves_first(btf: &Btf<'_>) -> Result<Vec<TypeId>> {
    let roots = by_name(btf)?;
    let first = btf.first_id().0;
    let mut seen = vec![false; roots.len()];
    let mut order = Vec::with_capacity(roots.len());
    // Each entry: a type being visited, and where its references, last first, start on `pending`.
    let mut path: Vec<(TypeId, usize)> = Vec::new();
    let mut pending: Vec<TypeId> = Vec::new();
    let mut visit = |id: TypeId, path: &mut Vec<(TypeId, usize)>, pending: &mut Vec<TypeId>| {
        let Some(index) = id.0.checked_sub(first).map(|index| index as usize) else { return };
        if index >= seen.len() || seen[index] {
            return;
        }
        seen[index] = true;
        path.push((id, pending.len()));
        let ty = btf.own(index);
        let start = pending.len();
        ty.for_each_reference(|target| {
            let own = target.0.checked_sub(first).filter(|&index| index < btf.type_count());
            let Some(target_index) = own else { return };
            let weak = ty.kind() == Kind::Ptr && btf.own(target_index as usize).kind().is_aggregate();
            if !weak {
                pending.push(target);
            }
        });
        pending[start..].reverse();
    };
    for root in roots {
        visit(root, &mut path, &mut pending);
        while let Some(&(id, start)) = path.last() {
            if pending.len() > start {
                let next = pending.pop().unwrap_or_default();
                visit(next, &mut path, &mut pending);
            } else {
                order.push(id);
                path.pop();
            }
        }
    }
    Ok(order)
}

/// Rewrites the own types of `btf` in this order, with the references among them. Types not named are left out. Own
/// strings are written anew in the order of their use, those of a base are used as they are; byte order, header and
/// layout section stay.
///
/// # Errors
/// The order names a type twice or a foreign one, a type left out is referred to, a kind is unknown, or names overlap
/// each other so much that the strings would outgrow the blob.
pub fn permute(btf: &Btf<'_>, order: &[TypeId]) -> Result<Permuted> {
    permute_merged(btf, order, |id| id)
}

/// The same, where some types stand for others: references to a type that is not in the order go to the one that
/// `stands_for` gives for it, an own type in the order or one of a base.
///
/// # Errors
/// As of [`permute`].
pub fn permute_merged(
    btf: &Btf<'_>,
    order: &[TypeId],
    stands_for: impl Fn(TypeId) -> TypeId,
) -> Result<Permuted> {
    refuse_unknown_kinds(btf)?;
    let first = btf.first_id().0;
    let mut ids = vec![TypeId::VOID; btf.type_count() as usize];
    for (position, &id) in order.iter().enumerate() {
        let slot = id.0.checked_sub(first).and_then(|index| ids.get_mut(index as usize));
        let slot = slot.filter(|slot| slot.is_void()).ok_or(Error::BadOrder(id))?;
        *slot = TypeId(first + position as u32);
    }
    for index in 0..ids.len() {
        if ids[index].is_void() {
            let other = stands_for(TypeId(first + index as u32));
            ids[index] = match other.0.checked_sub(first) {
                Some(other) => ids.get(other as usize).copied().unwrap_or_default(),
                None => other,
            };
        }
    }
    let mut builder = Builder::like(btf);
    builder.reserve(order.len());
    let mut strings = StringMap::new(btf);
    let mut left_out = None;
    for &id in order {
        let map = |target: TypeId| match target.0.checked_sub(first).map(|index| ids.get(index as usize)) {
            Some(Some(new)) => {
                if new.is_void() {
                    left_out = Some(Error::LeftOut { id: target, by: id });
                }
                *new
            }
            // Of a base, or broken: it stays what it is.
            _ => target,
        };
        builder.push_rewritten(btf.get(id)?, map, |builder, offset| strings.map(builder, offset))?;
        if let Some(error) = left_out.take() {
            return Err(error);
        }
        if strings.outgrown {
            return Err(Error::NamesOverlap);
        }
    }
    Ok(Permuted { bytes: builder.finish()?, ids })
}

/// Old string offsets to new ones, each string looked up once.
struct StringMap<'a> {
    btf: &'a Btf<'a>,
    /// For each offset in the own strings, the new offset plus one; 0 where it is not known yet.
    known: Vec<u32>,
    limit: usize,
    outgrown: bool,
}

impl<'a> StringMap<'a> {
    fn new(btf: &'a Btf<'a>) -> Self {
        let length = btf.string_section().len();
        // Strings that share their tails grow when they are written out, but not by much.
        Self { btf, known: vec![0; length], limit: length.saturating_mul(4) + 4096, outgrown: false }
    }

    fn map(&mut self, builder: &mut Builder<'_>, offset: StringOffset) -> StringOffset {
        let first = self.btf.first_string().0;
        // Strings of a base stay; so does an offset outside all strings, which cannot be told a better place.
        let own = offset.0.checked_sub(first).map(|at| at as usize).filter(|&at| at < self.known.len());
        let Some(at) = own else { return offset };
        if self.known[at] == 0 {
            if builder.string_length() > self.limit {
                self.outgrown = true;
                return StringOffset::EMPTY;
            }
            let new = self.btf.string(offset).map_or(offset, |string| builder.string(string));
            self.known[at] = new.0 + 1;
        }
        StringOffset(self.known[at] - 1)
    }
}

fn refuse_unknown_kinds(btf: &Btf<'_>) -> Result<()> {
    match btf.types().find(|ty| matches!(ty.kind(), Kind::Unknown(_))) {
        Some(ty) => {
            let offset = ty.record().as_ptr().addr() - btf.type_section().as_ptr().addr();
            Err(Error::UnknownKind { id: ty.id(), kind: ty.kind(), offset: offset as u32 })
        }
        None => Ok(()),
    }
}
