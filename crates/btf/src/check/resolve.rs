//! What the references lead to: the kernel's resolve phase, step by step as it does it.
//!
//! The kernel walks from every type to those that it is made of, with a stack of 32 entries. Where it stops depends on
//! where it began: from a pointer it follows pointers and modifiers only, from an aggregate or array it follows
//! everything but pointers. So cycles through pointers are fine, and the stack's depth depends on what was resolved
//! before: on the order in which types are stored. Verdicts agree with the kernel only if this is done the same way.
//!
//! After a fault, the types on the stack count as failed, and nothing more is said of those that are made of them.

use super::members::{Place, is_regular};
use super::names::{Fault, Names};
use super::{Feature, Findings, Rule};
use crate::{Btf, Kind, StringOffset, Type, TypeId};

/// Entries of the kernel's stack.
const DEPTH: usize = 32;

/// Resolves every own type.
pub(super) fn check(findings: &mut Findings, btf: &Btf<'_>) {
    let count = btf.type_count() as usize;
    let mut resolver = Resolver {
        findings,
        btf,
        first: btf.first_id().0,
        pointer_size: u32::from(btf.pointer_size()),
        states: vec![State::New; count],
        results: vec![Resolved::default(); count],
        stack: Vec::with_capacity(DEPTH),
        mode: Mode::Undecided,
    };
    for ty in btf.types() {
        if needs_resolve(ty.kind()) {
            resolver.resolve(ty.id());
        }
        if ty.kind() == Kind::FuncProto {
            resolver.function_proto(ty);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnStack,
    Resolved,
    Failed,
}

/// What a type came to: the type behind it, and an array's size in bytes.
#[derive(Clone, Copy, Default)]
struct Resolved {
    id: TypeId,
    size: u32,
}

/// How far to follow, decided by the first pointer, aggregate or array on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Undecided,
    Pointer,
    Aggregate,
}

/// A type being resolved, and its member or entry to look at next.
#[derive(Clone, Copy)]
struct Frame {
    id: TypeId,
    next: u32,
}

/// What a look at the top of the stack came to.
enum Step {
    Push(TypeId),
    Done(Resolved),
    Fault(Rule, Option<u32>),
    /// Newer kernels go on.
    Since(Feature, Rule, Option<u32>),
    /// Made of a type that failed.
    Spoilt,
}

/// The answer to: what size does a value of this type have?
enum Sized<'a> {
    Yes(Type<'a>, u32),
    No,
    Failed,
}

struct Resolver<'f, 'a> {
    findings: &'f mut Findings,
    btf: &'a Btf<'a>,
    first: u32,
    pointer_size: u32,
    states: Vec<State>,
    results: Vec<Resolved>,
    stack: Vec<Frame>,
    mode: Mode,
}

fn needs_resolve(kind: Kind) -> bool {
    kind.is_modifier()
        || matches!(
            kind,
            Kind::Ptr
                | Kind::Struct
                | Kind::Union
                | Kind::Array
                | Kind::Var
                | Kind::Func
                | Kind::DeclTag
                | Kind::DataSec
        )
}

/// Kinds that may refer but never be referred to by a type.
fn is_source_only(kind: Kind) -> bool {
    matches!(kind, Kind::Var | Kind::DeclTag | Kind::DataSec)
}

fn is_without_size(kind: Kind) -> bool {
    matches!(kind, Kind::Void | Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::DeclTag)
}

/// What a pointer or modifier may come to in spite of having no size.
fn may_be_without_size(kind: Kind) -> bool {
    matches!(kind, Kind::Void | Kind::Fwd | Kind::FuncProto)
}

impl<'a> Resolver<'_, 'a> {
    fn resolve(&mut self, root: TypeId) {
        if self.state(root) != State::New {
            return;
        }
        self.mode = Mode::Undecided;
        self.push(root);
        while let Some(&Frame { id, next }) = self.stack.last() {
            let Ok(ty) = self.btf.get(id) else { return };
            match self.step(ty, next) {
                Step::Push(target) => match self.refused(target) {
                    Some(rule) => self.fail(root, rule, None),
                    None => self.push(target),
                },
                Step::Done(result) => {
                    self.set(id, State::Resolved);
                    self.results[(id.0 - self.first) as usize] = result;
                    self.stack.pop();
                }
                Step::Fault(rule, element) => self.fail(id, rule, element),
                Step::Since(feature, rule, element) => {
                    self.findings.since(feature, rule, ty, element, format_args!(""));
                    self.abandon();
                }
                Step::Spoilt => self.abandon(),
            }
        }
    }

    /// Why a type cannot go on the stack.
    fn refused(&self, id: TypeId) -> Option<Rule> {
        if self.stack.len() == DEPTH {
            Some(Rule::Depth)
        } else if self.state(id) == State::OnStack {
            Some(Rule::Loop)
        } else {
            None
        }
    }

    fn push(&mut self, id: TypeId) {
        self.set(id, State::OnStack);
        self.stack.push(Frame { id, next: 0 });
        if self.mode == Mode::Undecided {
            match self.btf.get(id).map(Type::kind) {
                Ok(Kind::Ptr) => self.mode = Mode::Pointer,
                Ok(Kind::Struct | Kind::Union | Kind::Array) => self.mode = Mode::Aggregate,
                _ => {}
            }
        }
    }

    fn fail(&mut self, id: TypeId, rule: Rule, element: Option<u32>) {
        if let Ok(ty) = self.btf.get(id) {
            self.findings.element(rule, ty, element, format_args!(""));
        }
        self.abandon();
    }

    fn abandon(&mut self) {
        while let Some(frame) = self.stack.pop() {
            self.set(frame.id, State::Failed);
        }
    }

    fn step(&mut self, ty: Type<'a>, next: u32) -> Step {
        match ty.kind() {
            Kind::Ptr => self.pointer(ty, true),
            kind if kind.is_modifier() => self.pointer(ty, false),
            Kind::Var => self.variable(ty),
            Kind::Array => self.array(ty),
            Kind::Struct | Kind::Union => self.aggregate(ty, next),
            Kind::Func => self.function(ty),
            Kind::DeclTag => self.decl_tag(ty),
            Kind::DataSec => self.data_section(ty, next),
            _ => Step::Done(Resolved::default()),
        }
    }

    /// The target of a reference, if it is there and can be one.
    fn target(&self, id: TypeId) -> Option<Type<'a>> {
        self.btf.get(id).ok().filter(|target| !is_source_only(target.kind()))
    }

    /// Whether the walk has to go to `target` before it can go on.
    fn must_push(&self, target: Type<'a>) -> bool {
        let kind = target.kind();
        let follows = match self.mode {
            Mode::Undecided => needs_resolve(kind),
            Mode::Pointer => kind.is_modifier() || kind == Kind::Ptr,
            Mode::Aggregate => kind.is_modifier() || kind == Kind::Array || kind.is_aggregate(),
        };
        follows && matches!(self.state(target.id()), State::New | State::OnStack)
    }

    /// A modifier that was resolved from an aggregate may have stopped at a pointer: the walk goes on there.
    fn pointer_behind(&self, target: Type<'a>) -> Option<Type<'a>> {
        let behind = target.kind().is_modifier().then(|| self.behind(target.id())).flatten()?;
        (behind.kind() == Kind::Ptr && self.must_push(behind)).then_some(behind)
    }

    fn pointer(&mut self, ty: Type<'a>, is_pointer: bool) -> Step {
        let mut id = ty.raw_type_id();
        let Some(target) = self.target(id) else { return Step::Fault(Rule::Target, None) };
        if self.must_push(target) {
            return Step::Push(id);
        }
        if is_pointer && let Some(behind) = self.pointer_behind(target) {
            return Step::Push(behind.id());
        }
        match self.sized(id) {
            Sized::Yes(behind, _) => id = behind.id(),
            Sized::Failed => return Step::Spoilt,
            Sized::No => {
                let mut behind = Some(target);
                // A function that was resolved already counts as its prototype here.
                if self.state(id) == State::Resolved {
                    behind = self.behind(id);
                    id = behind.map_or(TypeId::VOID, Type::id);
                }
                if !behind.is_some_and(|behind| may_be_without_size(behind.kind())) {
                    return Step::Fault(Rule::Target, None);
                }
            }
        }
        Step::Done(Resolved { id, size: 0 })
    }

    fn variable(&mut self, ty: Type<'a>) -> Step {
        let id = ty.raw_type_id();
        if id.is_void() && ty.word(3) == 2 && self.findings.is_object() {
            return Step::Done(Resolved::default());
        }
        let Some(target) = self.target(id) else { return Step::Fault(Rule::VariableType, None) };
        if self.must_push(target) {
            return Step::Push(id);
        }
        if let Some(behind) = self.pointer_behind(target) {
            return Step::Push(behind.id());
        }
        match self.sized(id) {
            Sized::Yes(behind, _) => Step::Done(Resolved { id: behind.id(), size: 0 }),
            Sized::No => Step::Fault(Rule::VariableType, None),
            Sized::Failed => Step::Spoilt,
        }
    }

    fn array(&mut self, ty: Type<'a>) -> Step {
        let Some(array) = ty.array() else { return Step::Spoilt };
        let sized_target =
            |id| self.target(id).filter(|target| !target.id().is_void() && !is_without_size(target.kind()));
        let Some(index) = sized_target(array.index) else { return Step::Fault(Rule::ArrayIndex, None) };
        if self.must_push(index) {
            return Step::Push(array.index);
        }
        match self.sized(array.index) {
            Sized::Yes(index, _) if index.int_encoding().is_some_and(is_regular) => {}
            Sized::Failed => return Step::Spoilt,
            _ => return Step::Fault(Rule::ArrayIndex, None),
        }
        let Some(element) = sized_target(array.element) else { return Step::Fault(Rule::ArrayElement, None) };
        if self.must_push(element) {
            return Step::Push(array.element);
        }
        let (element, size) = match self.sized(array.element) {
            Sized::Yes(element, size) => (element, size),
            Sized::No => return Step::Fault(Rule::ArrayElement, None),
            Sized::Failed => return Step::Spoilt,
        };
        if element.int_encoding().is_some_and(|encoding| !is_regular(encoding)) {
            return Step::Fault(Rule::ArrayElement, None);
        }
        match size.checked_mul(array.count) {
            Some(size) => Step::Done(Resolved { id: element.id(), size }),
            None => Step::Fault(Rule::ArraySize, None),
        }
    }

    fn aggregate(&mut self, ty: Type<'a>, next: u32) -> Step {
        for index in next..ty.vlen() {
            let at = 3 + index as usize * 3;
            let id = TypeId(ty.word(at + 1));
            let target = self.target(id).filter(|target| !is_without_size(target.kind()));
            let Some(target) = target else { return Step::Fault(Rule::MemberType, Some(index)) };
            if self.must_push(target) {
                self.go_on_at(index);
                return Step::Push(id);
            }
            let behind = if target.kind().is_modifier() {
                if self.state(id) == State::Failed {
                    continue;
                }
                self.behind(id)
            } else {
                Some(target)
            };
            let Some(behind) = behind else { return Step::Fault(Rule::MemberType, Some(index)) };
            let size = match self.sized(behind.id()) {
                Sized::Yes(_, size) => size,
                Sized::No => 0,
                Sized::Failed => continue,
            };
            let place = Place {
                aggregate: ty.raw_size(),
                flag: ty.kind_flag(),
                word: ty.word(at + 2),
                target: behind,
                size,
            };
            if let Some(rule) = place.fault() {
                return Step::Fault(rule, Some(index));
            }
        }
        Step::Done(Resolved::default())
    }

    fn function(&mut self, ty: Type<'a>) -> Step {
        let proto = self.btf.get(ty.raw_type_id()).ok().filter(|proto| proto.kind() == Kind::FuncProto);
        let Some(proto) = proto else { return Step::Fault(Rule::FunctionProto, None) };
        let mut params = proto.params();
        match params.position(|param| param.name.is_empty() && !param.type_id.is_void()) {
            Some(_) if ty.vlen() == 2 && self.findings.is_object() => {
                Step::Done(Resolved { id: proto.id(), size: 0 })
            }
            Some(index) => Step::Fault(Rule::ParamNamed, Some(index as u32)),
            None => Step::Done(Resolved { id: proto.id(), size: 0 }),
        }
    }

    fn decl_tag(&mut self, ty: Type<'a>) -> Step {
        let id = ty.raw_type_id();
        let target = self.btf.get(id).ok().filter(|target| {
            matches!(target.kind(), Kind::Func | Kind::Struct | Kind::Union | Kind::Var | Kind::Typedef)
        });
        let Some(target) = target else { return Step::Fault(Rule::TagTarget, None) };
        if self.must_push(target) {
            return Step::Push(id);
        }
        if let Some(component) = ty.component_index().filter(|&component| component != -1) {
            let count = match target.kind() {
                Kind::Struct | Kind::Union => target.vlen(),
                Kind::Func => self.btf.get(target.raw_type_id()).map_or(0, Type::vlen),
                _ => 0,
            };
            if component as u32 >= count {
                return Step::Fault(Rule::TagComponent, None);
            }
        }
        Step::Done(Resolved { id, size: 0 })
    }

    fn data_section(&mut self, ty: Type<'a>, next: u32) -> Step {
        // Kernels that do not yet, go on as the variable before has them: behind a pointer, nothing but modifiers and
        // pointers is followed.
        if self.findings.takes(Feature::SectionModes) {
            self.mode = Mode::Undecided;
        }
        for index in next..ty.vlen() {
            let at = 3 + index as usize * 3;
            let id = TypeId(ty.word(at));
            let variable = self.btf.get(id).ok();
            // What is external is for the loader to place.
            let is_external = |ty: Type<'_>| ty.linkage() == Some(crate::Linkage::Extern);
            if self.findings.is_object() && variable.is_some_and(is_external) {
                continue;
            }
            let variable = variable.filter(|variable| variable.kind() == Kind::Var);
            let Some(variable) = variable else { return Step::Fault(Rule::EntryVariable, Some(index)) };
            if self.must_push(variable) {
                // The kernel does not come back to this entry: only where the variable was resolved before, as one
                // stored before its section is, are the sizes compared.
                self.go_on_at(index + 1);
                return Step::Push(id);
            }
            match self.sized(variable.raw_type_id()) {
                Sized::Yes(_, size) if ty.word(at + 2) < size => {
                    return Step::Fault(Rule::EntryShort, Some(index));
                }
                Sized::No if self.state(id) == State::New => {
                    return Step::Since(Feature::SectionModes, Rule::EntryVariable, Some(index));
                }
                Sized::No if self.state(id) != State::Failed => {
                    return Step::Fault(Rule::EntryVariable, Some(index));
                }
                _ => {}
            }
        }
        Step::Done(Resolved::default())
    }

    /// Not on the stack: prototypes are checked when their turn comes, and resolve what they need then.
    fn function_proto(&mut self, ty: Type<'a>) {
        let returns = ty.raw_type_id();
        if !returns.is_void() && !self.is_value(returns) {
            self.findings.ty(Rule::ReturnType, ty, format_args!("{returns}"));
        }
        let mut count = ty.vlen();
        let param = |index: u32| {
            (StringOffset(ty.word(3 + index as usize * 2)), TypeId(ty.word(4 + index as usize * 2)))
        };
        if let Some(last) = count.checked_sub(1).filter(|&last| param(last).1.is_void()) {
            if !param(last).0.is_empty() {
                self.findings.element(Rule::ParamName, ty, Some(last), format_args!(""));
            }
            count = last;
        }
        let names = Names::new(self.btf, self.findings.options.kernel);
        for index in 0..count {
            let (name, id) = param(index);
            let fault = if !name.is_empty() && !names.contains(name) {
                Some(Fault::Bad)
            } else {
                names.optional_identifier_fault(name, ty.kind())
            };
            let detail = format_args!("string offset {name}");
            match fault {
                Some(Fault::Bad) => self.findings.element(Rule::ParamName, ty, Some(index), detail),
                Some(Fault::Since(feature)) => {
                    self.findings.since(feature, Rule::ParamName, ty, Some(index), detail);
                }
                None => {}
            }
            if !self.is_value(id) {
                self.findings.element(Rule::ParamType, ty, Some(index), format_args!("{id}"));
            }
        }
    }

    /// Whether values of this type can be passed; resolves it if that was not done yet. So do those that failed.
    fn is_value(&mut self, id: TypeId) -> bool {
        let Some(target) = self.target(id) else { return false };
        if needs_resolve(target.kind()) {
            self.resolve(id);
        }
        !matches!(self.sized(id), Sized::No)
    }

    fn sized(&self, id: TypeId) -> Sized<'a> {
        let Ok(mut ty) = self.btf.get(id) else { return Sized::No };
        if ty.kind().is_modifier() || ty.kind() == Kind::Var {
            if self.state(id) == State::Failed {
                return Sized::Failed;
            }
            match self.behind(id) {
                Some(behind) => ty = behind,
                None => return Sized::No,
            }
        }
        match ty.kind() {
            Kind::Int
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Enum64
            | Kind::Float
            | Kind::DataSec => Sized::Yes(ty, ty.raw_size()),
            Kind::Ptr => Sized::Yes(ty, self.pointer_size),
            Kind::Array if self.state(ty.id()) == State::Failed => Sized::Failed,
            Kind::Array => Sized::Yes(ty, self.array_size(ty.id())),
            _ => Sized::No,
        }
    }

    /// What a resolved modifier, pointer or variable stands for.
    fn behind(&self, id: TypeId) -> Option<Type<'a>> {
        match self.own(id) {
            Some(index) => self.btf.get(self.results[index].id).ok(),
            None => self.btf.skip_modifiers(id).ok(),
        }
    }

    fn array_size(&self, id: TypeId) -> u32 {
        match self.own(id) {
            Some(index) => self.results[index].size,
            None => self.btf.size_of(id).ok().and_then(|size| u32::try_from(size).ok()).unwrap_or(u32::MAX),
        }
    }

    fn own(&self, id: TypeId) -> Option<usize> {
        id.0.checked_sub(self.first).map(|index| index as usize).filter(|&index| index < self.states.len())
    }

    /// Types of a base count as resolved.
    fn state(&self, id: TypeId) -> State {
        self.own(id).map_or(State::Resolved, |index| self.states[index])
    }

    fn set(&mut self, id: TypeId, state: State) {
        if let Some(index) = self.own(id) {
            self.states[index] = state;
        }
    }

    fn go_on_at(&mut self, index: u32) {
        if let Some(frame) = self.stack.last_mut() {
            frame.next = index;
        }
    }
}
