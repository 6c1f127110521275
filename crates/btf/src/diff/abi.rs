//! Whom a change breaks that was built against the first BTF and meets the second.
//!
//! - *core*: a BPF program. It is relocated when it is loaded: members are found by name wherever they lie, also in
//!   anonymous aggregates, and their size is adjusted where they grew. It breaks where a name is gone, where what is
//!   read is another thing or shorter, where the place is no longer whole bytes, and where a function that it attaches
//!   to or calls takes or returns something else.
//! - *module*: machine code with sizes, offsets and values built in. It breaks where any of these changed that it can
//!   have used; names of members are nothing to it.

use super::{Breaks, Comparison};
use crate::{Kind, Type, TypeId, error::Result};

impl Comparison<'_> {
    /// Whom it breaks that what had type `a` has type `b`.
    pub(super) fn retyped(&mut self, a: TypeId, b: TypeId) -> Result<Breaks> {
        let module = !self.same_shape(a, b)?;
        Ok(Breaks { module, core: module && !self.is_wider(a, b)? })
    }

    /// Whether two types are the same as far as values go, or two pointers of which one does not say to what.
    pub(super) fn same_shape(&mut self, a: TypeId, b: TypeId) -> Result<bool> {
        if self.same_value(a, b)? {
            return Ok(true);
        }
        let (Some(a), Some(b)) = (self.bare(0, a), self.bare(1, b)) else { return Ok(false) };
        let to_void = |side: usize, ty: Type<'_>| {
            self.bare(side, ty.raw_type_id()).is_some_and(|target| target.kind() == Kind::Void)
        };
        Ok(a.kind() == Kind::Ptr && b.kind() == Kind::Ptr && (to_void(0, a) || to_void(1, b)))
    }

    /// Whether `b` is a wider integer of the same sign, or a longer array of the same elements, than `a`: what a program
    /// relocated by names reads all the same.
    fn is_wider(&mut self, a: TypeId, b: TypeId) -> Result<bool> {
        let (Some(a), Some(b)) = (self.bare(0, a), self.bare(1, b)) else { return Ok(false) };
        if let (Some(x), Some(y)) = (a.int_encoding(), b.int_encoding()) {
            return Ok(x.signed == y.signed && a.raw_size() <= b.raw_size());
        }
        if let (Some(x), Some(y)) = (a.array(), b.array()) {
            // An array without a length has whatever there is.
            return Ok((x.count <= y.count || y.count == 0) && self.same_value(x.element, y.element)?);
        }
        Ok(a.kind().is_enum() && b.kind().is_enum() && a.name() == b.name())
    }

    /// What is behind typedefs, qualifiers and tags.
    pub(super) fn bare(&self, side: usize, id: TypeId) -> Option<Type<'_>> {
        self.btf(side).skip_modifiers(id).ok()
    }

    /// Whether a value of type `id` ends in nothing: an array without a length.
    pub(super) fn is_flexible(&self, side: usize, id: TypeId) -> bool {
        self.bare(side, id).and_then(Type::array).is_some_and(|array| array.count == 0)
    }
}
