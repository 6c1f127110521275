//! What stands before what.
//!
//! C wants a structure complete where it is held by value (a strong link) and its tag known where a pointer leads to it
//! (a weak link); a typedef has to stand before anything that names it. Definitions are visited in the order in which
//! they are wanted, each after what it has strong links to and after the typedefs that it names. A tag that nobody has
//! mentioned yet is declared ahead only where C needs it: in a parameter list, where a mention would be gone at its end.
//!
//! Types without a name are part of the definition that mentions them. Each is walked once for that definition, however
//! often it is mentioned, and not again for later ones: so the walk is linear in the size of the BTF.

use crate::{Btf, Error, Kind, Type, TypeId, error::Result};

/// Definitions hold each other by value, or name each other in typedefs, no deeper than this.
const DEEPEST: u32 = 160;

/// A line or a block of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `struct foo;`
    Forward(TypeId),
    /// A structure, union, enumeration or typedef.
    Define(TypeId),
}

/// Declared for everything that follows, and by no definition.
const GLOBAL: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    Active,
    Done,
}

/// How a type is mentioned.
#[derive(Clone, Copy)]
struct Mention {
    /// The definition that it is part of.
    by: u32,
    /// In a parameter list.
    in_parameters: bool,
    depth: u32,
}

impl Mention {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn as_parameter(self) -> Self {
        Self { in_parameters: true, ..self.deeper() }
    }
}

pub(super) struct Order<'b, 'o> {
    btf: &'b Btf<'b>,
    /// Whether a header of the user's defines this type.
    is_outside: &'o dyn Fn(Type<'b>) -> bool,
    state: Vec<State>,
    /// Which definition a type was walked for: so that it can be mentioned, and so that it is complete.
    mentioned: Vec<u32>,
    complete: Vec<u32>,
    /// Which definition, or [`GLOBAL`], made a tag known.
    declared: Vec<u32>,
    pub(super) steps: Vec<Step>,
    /// Structures and unions, each after those that it holds by value.
    pub(super) aggregates: Vec<TypeId>,
}

impl<'b, 'o> Order<'b, 'o> {
    pub(super) fn new(btf: &'b Btf<'b>, is_outside: &'o dyn Fn(Type<'b>) -> bool) -> Self {
        let count = btf.next_id().0 as usize;
        Self {
            btf,
            is_outside,
            state: vec![State::Untouched; count],
            mentioned: vec![0; count],
            complete: vec![0; count],
            declared: vec![0; count],
            steps: Vec::new(),
            aggregates: Vec::new(),
        }
    }

    /// Puts the definition of a type next, after all that it needs.
    pub(super) fn define(&mut self, id: TypeId) -> Result<()> {
        let ty = self.btf.get(id)?;
        self.define_at(ty, 0)?;
        if ty.kind() == Kind::Typedef {
            // Whoever asks for a typedef wants to use it.
            self.complete(ty.raw_type_id(), Mention { by: id.0, in_parameters: false, depth: 0 })?;
        }
        Ok(())
    }

    /// Puts all next that the declaration of a function or variable needs.
    pub(super) fn declare(&mut self, declaration: Type<'b>) -> Result<()> {
        let id = declaration.id().0;
        let mention = Mention { by: id, in_parameters: false, depth: 0 };
        let target = declaration.raw_type_id();
        let complete = declaration.kind() == Kind::Var;
        if complete {
            self.complete(target, mention)?;
        } else {
            self.mention(target, mention)?;
        }
        self.state[id as usize] = State::Done;
        Ok(())
    }

    /// Whether the definition of an anonymous type stands inside another one.
    pub(super) fn is_inside(&self, id: TypeId) -> bool {
        self.mentioned[id.0 as usize] != 0
    }

    fn define_at(&mut self, ty: Type<'b>, depth: u32) -> Result<()> {
        let id = ty.id();
        let at = id.0 as usize;
        match self.state[at] {
            State::Done => return Ok(()),
            State::Active => return Err(super::cycle(self.btf, id)),
            State::Untouched => {}
        }
        if (self.is_outside)(ty) {
            self.state[at] = State::Done;
            self.declared[at] = GLOBAL;
            return Ok(());
        }
        self.state[at] = State::Active;
        let mention = Mention { by: id.0, in_parameters: false, depth: depth + 1 };
        match ty.kind() {
            Kind::Struct | Kind::Union => {
                if !self.is_declared(at, id.0) {
                    self.declared[at] = id.0;
                }
                self.body(ty, mention)?;
            }
            Kind::Typedef => self.mention(ty.raw_type_id(), mention)?,
            _ => {}
        }
        self.steps.push(Step::Define(id));
        self.state[at] = State::Done;
        Ok(())
    }

    /// Walks the members of an aggregate.
    fn body(&mut self, ty: Type<'b>, mention: Mention) -> Result<()> {
        for member in ty.members() {
            self.complete(member.type_id, mention.deeper())?;
        }
        self.aggregates.push(ty.id());
        Ok(())
    }

    /// Whether what was done for definition `done_for` holds in definition `by`: it is the same, or stands before it.
    fn holds(&self, done_for: u32, by: u32) -> bool {
        done_for == GLOBAL
            || (done_for != 0 && (done_for == by || self.state[done_for as usize] == State::Done))
    }

    fn is_declared(&self, at: usize, by: u32) -> bool {
        self.holds(self.declared[at], by)
    }

    /// Sees to it that a type is complete before the definition that mentions it.
    fn complete(&mut self, id: TypeId, mention: Mention) -> Result<()> {
        let at = id.0 as usize;
        if self.complete.get(at).is_some_and(|&by| self.holds(by, mention.by)) {
            return Ok(());
        }
        let ty = self.enter(id, mention)?;
        match ty.kind() {
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if ty.is_named() => {
                return self.define_at(ty, mention.depth);
            }
            Kind::Typedef => {
                self.define_at(ty, mention.depth)?;
                if !(self.is_outside)(ty) {
                    self.complete(ty.raw_type_id(), mention.deeper())?;
                }
            }
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                self.complete(ty.raw_type_id(), mention.deeper())?;
            }
            _ => self.inside(ty, mention)?,
        }
        self.complete[at] = mention.by;
        self.mentioned[at] = mention.by;
        Ok(())
    }

    /// Sees to it that a type can be mentioned: tags are known, typedefs stand before.
    fn mention(&mut self, id: TypeId, mention: Mention) -> Result<()> {
        let at = id.0 as usize;
        if self.mentioned.get(at).is_some_and(|&by| self.holds(by, mention.by)) {
            return Ok(());
        }
        let ty = self.enter(id, mention)?;
        match ty.kind() {
            Kind::Struct | Kind::Union if ty.is_named() => {
                self.tag(ty, mention);
                return Ok(());
            }
            Kind::Enum | Kind::Enum64 if ty.is_named() => {
                return self.define_at(ty, mention.depth);
            }
            Kind::Typedef => return self.define_at(ty, mention.depth),
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                self.mention(ty.raw_type_id(), mention.deeper())?;
            }
            _ => self.inside(ty, mention)?,
        }
        self.mentioned[at] = mention.by;
        Ok(())
    }

    /// What is the same whether the type has to be complete or not.
    fn inside(&mut self, ty: Type<'b>, mention: Mention) -> Result<()> {
        let at = ty.id().0 as usize;
        if self.state[at] == State::Active {
            return Err(super::cycle(self.btf, TypeId(mention.by)));
        }
        let before = std::mem::replace(&mut self.state[at], State::Active);
        match ty.kind() {
            Kind::Void | Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => {}
            Kind::Fwd => self.tag(ty, mention),
            Kind::Ptr => self.mention(ty.raw_type_id(), mention.deeper())?,
            Kind::Array => {
                let element = ty.array().unwrap_or_default().element;
                self.complete(element, mention.deeper())?;
            }
            Kind::FuncProto => {
                self.mention(ty.raw_type_id(), mention.deeper())?;
                for parameter in ty.params() {
                    self.mention(parameter.type_id, mention.as_parameter())?;
                }
            }
            Kind::Struct | Kind::Union => {
                // Its second time here is for another definition; where it stands among aggregates does not change.
                let known = self.complete[at] != 0;
                self.body(ty, mention)?;
                if known {
                    self.aggregates.pop();
                }
                self.complete[at] = mention.by;
            }
            found => {
                return Err(Error::WrongKind { found, wanted: "a type of objects or functions" });
            }
        }
        self.state[at] = before;
        Ok(())
    }

    fn enter(&self, id: TypeId, mention: Mention) -> Result<Type<'b>> {
        if mention.depth > DEEPEST {
            return Err(super::too_deep(self.btf, TypeId(mention.by)));
        }
        self.btf.get(id)
    }

    /// Makes a tag known.
    fn tag(&mut self, ty: Type<'b>, mention: Mention) {
        let at = ty.id().0 as usize;
        if self.is_declared(at, mention.by) {
            return;
        }
        if mention.in_parameters {
            self.declared[at] = GLOBAL;
            if !(self.is_outside)(ty) {
                self.steps.push(Step::Forward(ty.id()));
            }
        } else {
            self.declared[at] = mention.by;
        }
    }
}
