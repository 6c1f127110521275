//! Which thing of one side is which of the other.

use super::classes::Class;
use super::names::Name;
use super::{Comparison, Subject};
use crate::{Kind, Type, TypeId, error::Result};

/// Pairs of meanings that are held against each other to find the ones that have most in common; of more, the first are
/// paired with the first.
const COMPARISONS: usize = 1024;

/// What is compared: a thing of the one side, of the other, or of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) subject: Subject,
    pub(super) name: Name,
    pub(super) sides: [Option<TypeId>; 2],
    /// How many there are of this name on each side, where that is not at most one.
    pub(super) meanings: Option<[usize; 2]>,
}

/// What is named, sorted by subject and name.
type Entry = (Subject, Name, TypeId);

impl Comparison<'_> {
    /// All that is to be compared. What is equal in an obvious way may be left out.
    pub(super) fn pairs(&mut self) -> Result<Vec<Pair>> {
        let sides = [self.entries(0)?, self.entries(1)?];
        let mut pairs = Vec::new();
        let mut rest = [&sides[0][..], &sides[1][..]];
        while let Some(key) = rest.iter().filter_map(|rest| rest.first()).map(|&(s, n, _)| (s, n)).min() {
            let groups = rest.map(|rest| {
                let end = rest.iter().take_while(|&&(subject, name, _)| (subject, name) == key).count();
                rest.split_at(end)
            });
            rest = groups.map(|(_, rest)| rest);
            let (subject, name) = key;
            match groups.map(|(group, _)| group) {
                [&[(.., a)], &[(.., b)]] => {
                    pairs.push(Pair { subject, name, sides: [Some(a), Some(b)], meanings: None });
                }
                groups => {
                    let mut ids = groups.map(|group| group.iter().map(|entry| entry.2).collect::<Vec<_>>());
                    for (side, ids) in ids.iter_mut().enumerate().filter(|(_, ids)| ids.is_empty()) {
                        *ids = self.in_base(side, subject, name);
                    }
                    self.pair(subject, name, ids, &mut pairs)?;
                }
            }
        }
        Ok(pairs)
    }

    /// The own things of a side that have a name.
    fn entries(&mut self, side: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for ty in self.btf(side).types() {
            if let Some(subject) = subject(ty) {
                let name = match ty.kind() {
                    Kind::Int => self.classes.integer(side, ty)?,
                    _ => self.name(side, ty.name_offset())?,
                };
                if name != 0 {
                    entries.push((subject, name, ty.id()));
                }
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn in_base(&self, side: usize, wanted: Subject, name: Name) -> Vec<TypeId> {
        let Some(base) = self.btf(side).base() else { return Vec::new() };
        let named = base.named(self.classes.names.bytes(name));
        named.filter(|&ty| subject(ty) == Some(wanted)).map(Type::id).collect()
    }

    /// Pairs the meanings of one name.
    fn pair(
        &mut self,
        subject: Subject,
        name: Name,
        ids: [Vec<TypeId>; 2],
        pairs: &mut Vec<Pair>,
    ) -> Result<()> {
        let mut bodies: [Vec<(Class, TypeId)>; 2] = [Vec::new(), Vec::new()];
        let mut words = Vec::new();
        for side in 0..2 {
            for &id in &ids[side] {
                words.clear();
                self.body(side, subject, id, &mut words)?;
                bodies[side].push((self.classes.intern(&words), id));
            }
            // Of equal ones the first counts.
            bodies[side].sort_unstable();
            bodies[side].dedup_by_key(|body| body.0);
        }
        let counts = [bodies[0].len(), bodies[1].len()];
        let meanings = (counts[0] > 1 || counts[1] > 1).then_some(counts);
        let [a, b] = &mut bodies;
        let both: Vec<Class> =
            a.iter().map(|x| x.0).filter(|x| b.binary_search_by_key(x, |y| y.0).is_ok()).collect();
        for side in [&mut *a, &mut *b] {
            side.retain(|body| both.binary_search(&body.0).is_err());
            side.sort_unstable_by_key(|body| body.1);
        }
        let [a, b] = bodies.map(|side| side.into_iter().map(|body| body.1).collect::<Vec<_>>());
        let (mut left_a, mut left_b) = (vec![true; a.len()], vec![true; b.len()]);
        for (x, y) in self.ranking(subject, &a, &b)? {
            if left_a[x] && left_b[y] {
                (left_a[x], left_b[y]) = (false, false);
                pairs.push(Pair { subject, name, sides: [Some(a[x]), Some(b[y])], meanings });
            }
        }
        let left = |ids: &[TypeId], left: &[bool]| -> Vec<TypeId> {
            ids.iter().zip(left).filter(|(_, left)| **left).map(|(id, _)| *id).collect()
        };
        for id in left(&a, &left_a) {
            pairs.push(Pair { subject, name, sides: [Some(id), None], meanings });
        }
        for id in left(&b, &left_b) {
            pairs.push(Pair { subject, name, sides: [None, Some(id)], meanings });
        }
        Ok(())
    }

    /// Pairs of meanings, those with most in common first.
    fn ranking(&mut self, subject: Subject, a: &[TypeId], b: &[TypeId]) -> Result<Vec<(usize, usize)>> {
        if a.len() * b.len() <= 1 || a.len() * b.len() > COMPARISONS {
            return Ok((0..a.len().min(b.len())).map(|index| (index, index)).collect());
        }
        let mut parts = [Vec::new(), Vec::new()];
        for (side, ids) in [a, b].into_iter().enumerate() {
            for &id in ids {
                parts[side].push(self.parts(side, subject, id)?);
            }
        }
        let mut ranking = Vec::new();
        for (x, a) in parts[0].iter().enumerate() {
            for (y, b) in parts[1].iter().enumerate() {
                let common = common(a, b);
                // Meanings without anything in common are no pair, unless there is nothing that they could have.
                if common > 0
                    || a.is_empty()
                    || b.is_empty()
                    || subject >= Subject::Typedef
                    || subject == Subject::Basic
                {
                    ranking.push((a.len() + b.len() - 2 * common, x, y));
                }
            }
        }
        ranking.sort_unstable();
        Ok(ranking.into_iter().map(|(_, x, y)| (x, y)).collect())
    }

    /// Numbers of the parts of a thing (members, enumerators, parameters), sorted.
    fn parts(&mut self, side: usize, subject: Subject, id: TypeId) -> Result<Vec<Class>> {
        let mut words = Vec::new();
        self.body(side, subject, id, &mut words)?;
        let (head, step) = match subject {
            Subject::Struct | Subject::Union => (3, 5),
            Subject::Enum => (4, 3),
            Subject::Function => (3, 2),
            Subject::Basic | Subject::Typedef | Subject::Variable => (2, 1),
        };
        let mut parts = Vec::new();
        for (at, part) in words.get(head..).unwrap_or_default().chunks_exact(step).enumerate() {
            // Names and types count, places do not: one member more moves all behind it.
            let key = match *part {
                [name, class, ..] if matches!(subject, Subject::Struct | Subject::Union | Subject::Enum) => {
                    [u32::MAX, name, class]
                }
                [name, class] => [u32::MAX - 1, name, class],
                [class, ..] => [u32::MAX - 2, at as u32, class],
                [] => continue,
            };
            parts.push(self.classes.intern(&key));
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// Words that are equal for two things of one name if nothing differs in them.
    fn body(&mut self, side: usize, subject: Subject, id: TypeId, words: &mut Vec<u32>) -> Result<()> {
        let ty = self.get(side, id)?;
        // No kind and no view begins like that.
        words.extend([u32::MAX - 3, subject as u32]);
        match subject {
            Subject::Basic => words.extend([ty.raw_size(), u32::from(is_signed(ty))]),
            Subject::Struct | Subject::Union => {
                words.push(ty.raw_size());
                for member in ty.members() {
                    words.extend([
                        self.name(side, member.name)?,
                        self.declared(side, member.type_id)?,
                        member.bit_offset,
                        u32::from(member.bitfield_size),
                        self.size(side, member.type_id) as u32,
                    ]);
                }
            }
            Subject::Enum => {
                words.extend([ty.raw_size(), u32::from(ty.kind_flag())]);
                for each in ty.enumerators() {
                    words.extend([self.name(side, each.name)?, each.value as u32, (each.value >> 32) as u32]);
                }
            }
            Subject::Typedef => words.push(self.declared(side, ty.raw_type_id())?),
            Subject::Function => {
                let Ok(proto) = self.get(side, ty.raw_type_id()) else { return Ok(()) };
                words.push(self.declared(side, proto.type_id().unwrap_or_default())?);
                for param in proto.params() {
                    words.extend([self.name(side, param.name)?, self.declared(side, param.type_id)?]);
                }
            }
            Subject::Variable => {
                let place = self.place(side, ty);
                words.extend([self.declared(side, ty.raw_type_id())?, place.section, place.size as u32]);
            }
        }
        Ok(())
    }
}

/// How many numbers two sorted lists share.
fn common(a: &[Class], b: &[Class]) -> usize {
    let (mut x, mut y, mut count) = (0, 0, 0);
    while let (Some(p), Some(q)) = (a.get(x), b.get(y)) {
        count += usize::from(p == q);
        (x, y) = (x + usize::from(p <= q), y + usize::from(q <= p));
    }
    count
}

/// Whether an integer is signed; where a floating point number is one too, it makes no difference.
pub(super) fn is_signed(ty: Type<'_>) -> bool {
    ty.int_encoding().is_some_and(|encoding| encoding.signed)
}

fn subject(ty: Type<'_>) -> Option<Subject> {
    match ty.kind() {
        Kind::Int | Kind::Float => Some(Subject::Basic),
        Kind::Struct => Some(Subject::Struct),
        Kind::Union => Some(Subject::Union),
        Kind::Enum | Kind::Enum64 if ty.vlen() > 0 => Some(Subject::Enum),
        Kind::Typedef => Some(Subject::Typedef),
        Kind::Func => Some(Subject::Function),
        Kind::Var => Some(Subject::Variable),
        _ => None,
    }
}
