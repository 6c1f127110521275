//! [`Printer`]: C as it is written; here, how a name is declared to be of a type.
//!
//! C writes a type around the name: what it is made of first, then stars, the name, brackets and parameter lists. So
//! the chain of a type is taken apart from the name to the base, and written from both of its ends.

use hashbrown::{DefaultHashBuilder, HashSet};

use super::assertions::{Assertions, Reach};
use super::layout::Layouts;
use super::names::{Names, Suffix};
use super::spelling::{self, Float};
use super::{Header, Options, Tags};
use crate::{Btf, Error, Kind, StringOffset, Type, TypeId, error::Result};

pub(super) struct Printer<'b, 'o> {
    pub(super) btf: &'b Btf<'b>,
    pub(super) layouts: Layouts<'b>,
    pub(super) names: Names<'b, 'o>,
    pub(super) tags: &'o Tags,
    pub(super) options: &'o Options,
    pub(super) out: Vec<u8>,
    pub(super) assertions: Assertions,
    pub(super) count: Header,
    /// There is a structure or union in it: clang complains of attributes for none.
    pub(super) records: bool,
    /// Members written at most from here on.
    pub(super) left: u64,
    /// Names of members in the scopes of the definition being written, hashed.
    pub(super) members: HashSet<u64>,
    pub(super) scopes: u64,
    pub(super) hasher: DefaultHashBuilder,
    chain: Vec<Link>,
    type_tags: Vec<Type<'b>>,
    pointer_size: u8,
}

/// Qualifiers as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Qualifiers(u8);

impl Qualifiers {
    const WORDS: [&'static [u8]; 3] = [b"const", b"volatile", b"restrict"];
    const RESTRICT: u8 = 4;

    fn add(&mut self, kind: Kind) {
        self.0 |= match kind {
            Kind::Const => 1,
            Kind::Volatile => 2,
            Kind::Restrict => Self::RESTRICT,
            _ => 0,
        };
    }

    fn words(self) -> impl Iterator<Item = &'static [u8]> {
        Self::WORDS
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 != 0)
            .map(|(_, word)| word)
    }
}

/// A part of a declarator, as far as it is not the name or the base.
#[derive(Clone, Copy, Debug)]
enum Link {
    /// A star, its qualifiers, and where its type tags begin and end.
    Pointer(Qualifiers, usize, usize),
    Array(u32),
    Function(TypeId),
}

/// How brackets without a number are written, and other things that depend on where a declaration stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Tabs before the lines of a body inside the declaration.
    pub(super) indent: usize,
    /// `[]` rather than `[0]`.
    pub(super) flexible: bool,
    /// An object, and not only something that is mentioned.
    pub(super) by_value: bool,
    /// Levels of bodies around it.
    pub(super) depth: u32,
    /// It is a parameter.
    pub(super) parameter: bool,
    /// Parameters are written with their names.
    pub(super) named: bool,
    /// Which names of members it must not have.
    pub(super) scope: u64,
}

/// What is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'n> {
    pub(super) name: &'n [u8],
    pub(super) suffix: Suffix,
}

impl Declared<'_> {
    pub(super) const NOTHING: Self = Declared { name: b"", suffix: Suffix::NONE };
}

/// Parts that one declarator is made of at most.
const LONGEST: usize = 512;

/// Levels that parameter lists and bodies go into each other at most: what compilers take by default.
pub(super) const DEEPEST: u32 = 100;

impl<'b, 'o> Printer<'b, 'o> {
    pub(super) fn new(btf: &'b Btf<'b>, layouts: Layouts<'b>, tags: &'o Tags, options: &'o Options) -> Self {
        let (mut words, mut level) = (0, Some(btf));
        while let Some(btf) = level {
            words += btf.type_section().len() as u64 / 4;
            level = btf.base().map(|base| &**base);
        }
        Self {
            btf,
            layouts,
            names: Names::new(btf.next_id().0 as usize, &options.outside),
            tags,
            options,
            out: Vec::with_capacity(btf.type_section().len()),
            assertions: Assertions::new(options.assertions),
            count: Header::default(),
            records: false,
            // Members of anonymous types that several types have are written several times; in kernels that adds a
            // tenth.
            left: 16 * words + (1 << 16),
            members: HashSet::new(),
            scopes: 0,
            hasher: DefaultHashBuilder::default(),
            chain: Vec::new(),
            type_tags: Vec::new(),
            pointer_size: btf.pointer_size(),
        }
    }

    /// Counts what is written of a definition.
    pub(super) fn spend(&mut self, id: TypeId) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| super::too_far(self.btf, id))?;
        Ok(())
    }

    /// Declares something to be of type `id`.
    pub(super) fn declare(&mut self, id: TypeId, declared: Declared<'_>, place: Place) -> Result<()> {
        let (links, tags) = (self.chain.len(), self.type_tags.len());
        let (base, qualifiers, base_tags) = self.take_apart(id, place)?;
        let end = self.chain.len();
        self.base(base, qualifiers, base_tags..self.type_tags.len(), links, place)?;
        let anything = !declared.name.is_empty() || end > links;
        if anything {
            self.out.push(b' ');
        }
        self.left_half(links, end);
        self.out.extend_from_slice(declared.name);
        declared.suffix.write(&mut self.out);
        self.right_half(links, end, place)?;
        self.chain.truncate(links);
        self.type_tags.truncate(tags);
        Ok(())
    }

    /// Puts the parts of a declarator onto the chain, that next to the name first; returns the base, its qualifiers,
    /// and where its type tags begin.
    fn take_apart(&mut self, id: TypeId, place: Place) -> Result<(Type<'b>, Qualifiers, usize)> {
        let start = self.chain.len();
        let mut qualifiers = Qualifiers::default();
        let mut tags = self.type_tags.len();
        let mut by_value = place.by_value;
        let mut ty = self.btf.get(id)?;
        for _ in 0..LONGEST {
            match ty.kind() {
                kind @ (Kind::Const | Kind::Volatile | Kind::Restrict) => qualifiers.add(kind),
                Kind::TypeTag => self.type_tags.push(ty),
                Kind::Ptr => {
                    self.chain.push(Link::Pointer(qualifiers, tags, self.type_tags.len()));
                    qualifiers = Qualifiers::default();
                    tags = self.type_tags.len();
                    by_value = false;
                }
                // Qualifiers of an array are its elements'. No function returns an array.
                Kind::Array if !matches!(self.chain[start..].last(), Some(Link::Function(_))) => {
                    let array = ty.array().unwrap_or_default();
                    self.chain.push(Link::Array(array.count));
                    ty = self.btf.get(array.element)?;
                    continue;
                }
                // Functions are neither elements nor returned, and have no qualifiers.
                Kind::FuncProto
                    if !matches!(self.chain[start..].last(), Some(Link::Function(_) | Link::Array(_))) =>
                {
                    self.chain.push(Link::Function(ty.id()));
                    qualifiers = Qualifiers::default();
                    self.type_tags.truncate(tags);
                    by_value = false;
                }
                // Every compiler has one of its own, which need not be of the size of the kernel's.
                Kind::Typedef if by_value && self.is_builtin_list(ty) => {}
                _ => return Ok((ty, qualifiers, tags)),
            }
            ty = self.btf.get(ty.raw_type_id())?;
        }
        Err(Error::ChainTooLong(id))
    }

    /// Whether a typedef is one of the compiler's list of variable arguments, or leads to it.
    pub(super) fn is_builtin_list(&self, mut ty: Type<'b>) -> bool {
        for _ in 0..4 {
            if ty.kind() != Kind::Typedef {
                return false;
            }
            if ty.name() == BUILTIN_LIST {
                return true;
            }
            let Ok(next) = self.btf.get(ty.raw_type_id()) else { return false };
            ty = next;
        }
        false
    }

    /// What stands in front of the declarator.
    fn base(
        &mut self,
        ty: Type<'b>,
        qualifiers: Qualifiers,
        tags: std::ops::Range<usize>,
        links: usize,
        place: Place,
    ) -> Result<()> {
        let qualified = |word: &&[u8]| *word != b"restrict" || ty.kind() == Kind::Typedef;
        for word in qualifiers.words().filter(qualified) {
            self.out.extend_from_slice(word);
            self.out.push(b' ');
        }
        match ty.kind() {
            // Neither an element nor a parameter is void.
            Kind::Void => {
                let last = self.chain[links..].last();
                let bare_parameter = place.parameter && last.is_none();
                let object = bare_parameter || matches!(last, Some(Link::Array(_)));
                self.out.extend_from_slice(if object { b"char" } else { b"void" });
            }
            Kind::Int => self.integer(ty),
            Kind::Float => self.float(ty),
            Kind::Typedef => {
                let (name, suffix) = self.names.typedef(ty);
                self.out.extend_from_slice(&name);
                suffix.write(&mut self.out);
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                self.out.extend_from_slice(spelling::keyword(ty).as_bytes());
                self.out.push(b' ');
                if ty.is_named() {
                    let (name, suffix) = self.names.tag(ty);
                    self.out.extend_from_slice(&name);
                    suffix.write(&mut self.out);
                } else if ty.kind().is_enum() {
                    self.enumeration_body(ty, place.indent)?;
                } else {
                    let arrays = self.chain_shape(links).filter(|_| !place.parameter);
                    self.body(ty, place, Reach::of(arrays))?;
                }
            }
            // An array that a function would return, or the like.
            _ => self.out.extend_from_slice(b"int"),
        }
        for index in tags.rev() {
            self.out.push(b' ');
            self.type_tag(self.type_tags[index]);
        }
        Ok(())
    }

    /// Of what is between a name and the base: how many arrays; `None` if also anything else.
    fn chain_shape(&self, links: usize) -> Option<usize> {
        let links = &self.chain[links..];
        links.iter().all(|link| matches!(link, Link::Array(_))).then_some(links.len())
    }

    pub(super) fn integer(&mut self, ty: Type<'b>) {
        match spelling::integer(ty, self.pointer_size) {
            [] => {
                self.out.extend_from_slice(b"struct { unsigned char bytes[");
                spelling::number(&mut self.out, u64::from(ty.raw_size()));
                self.out.extend_from_slice(b"]; }");
            }
            name => self.out.extend_from_slice(name),
        }
    }

    pub(super) fn float(&mut self, ty: Type<'b>) {
        match spelling::float(ty) {
            Float::Plain(name) => self.out.extend_from_slice(name.as_bytes()),
            Float::Made(size) => {
                self.out.extend_from_slice(super::prologue::FLOAT.as_bytes());
                spelling::number(&mut self.out, u64::from(size));
            }
        }
    }

    /// Stars, with the parentheses that they need, from the base to the name.
    fn left_half(&mut self, links: usize, end: usize) {
        for index in (links..end).rev() {
            let Link::Pointer(qualifiers, tags, tags_end) = self.chain[index] else { continue };
            let outer = self.chain[..end].get(index + 1);
            if matches!(outer, Some(Link::Array(_) | Link::Function(_))) {
                self.out.push(b'(');
            }
            self.out.push(b'*');
            for word in qualifiers.words() {
                self.out.extend_from_slice(word);
                self.out.push(b' ');
            }
            for tag in (tags..tags_end).rev() {
                self.type_tag(self.type_tags[tag]);
                self.out.push(b' ');
            }
        }
    }

    /// Brackets and parameter lists, from the name to the base.
    fn right_half(&mut self, links: usize, end: usize, place: Place) -> Result<()> {
        // Nothing stands between a star's qualifiers and what follows.
        for index in links..end {
            match self.chain[index] {
                Link::Pointer(..) => {
                    if matches!(self.chain[..end].get(index + 1), Some(Link::Array(_) | Link::Function(_))) {
                        if self.out.last() == Some(&b' ') {
                            self.out.pop();
                        }
                        self.out.push(b')');
                    }
                }
                Link::Array(count) => {
                    self.out.push(b'[');
                    // Only the first dimension can be left open.
                    if count > 0 || !(place.flexible && index == links) {
                        spelling::number(&mut self.out, u64::from(count));
                    }
                    self.out.push(b']');
                }
                Link::Function(id) => self.parameters(id, place)?,
            }
        }
        if self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        Ok(())
    }

    /// A parameter list.
    pub(super) fn parameters(&mut self, prototype: TypeId, place: Place) -> Result<()> {
        let ty = self.btf.get(prototype)?;
        if place.depth > DEEPEST {
            return Err(super::too_deep(self.btf, prototype));
        }
        let inner =
            Place { indent: place.indent, depth: place.depth + 1, parameter: true, ..Place::default() };
        let count = ty.params().len();
        let scope = self.new_scope();
        self.out.push(b'(');
        for (index, parameter) in ty.params().enumerate() {
            self.spend(prototype)?;
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            if parameter.type_id.is_void() && index + 1 == count && parameter.name == StringOffset::EMPTY {
                // Alone, it says that nothing is known of the parameters.
                if count > 1 {
                    self.out.extend_from_slice(b"...");
                }
                continue;
            }
            if !place.named || parameter.name.is_empty() {
                self.declare(parameter.type_id, Declared::NOTHING, inner)?;
                continue;
            }
            let (name, suffix) = self.member_name(ty.string(parameter.name), scope);
            // A typedef that later parameters may be of must not be hidden.
            let name = if self.names.is_ordinary(&name) { [&name[..], b"_"].concat().into() } else { name };
            self.declare(parameter.type_id, Declared { name: &name, suffix }, inner)?;
        }
        if count == 0 {
            self.out.extend_from_slice(b"void");
        }
        self.out.push(b')');
        Ok(())
    }

    fn type_tag(&mut self, tag: Type<'b>) {
        let value = tag.name();
        if !tag.kind_flag() {
            self.out.extend_from_slice(b"__btf_type_tag(");
            spelling::literal(&mut self.out, value);
            self.out.push(b')');
        } else if is_attribute(value) {
            self.out.extend_from_slice(b"__btf_attribute(");
            self.out.extend_from_slice(value);
            self.out.push(b')');
        }
    }

    /// Tags on a whole declaration (-1), or on a member or parameter of it.
    pub(super) fn decl_tags(&mut self, id: TypeId, component: i32) {
        if self.tags.is_empty() {
            return;
        }
        let Some(tags) = self.tags.get(&id) else { return };
        for tag in tags.iter().filter_map(|&tag| self.btf.get(tag).ok()) {
            if tag.component_index() != Some(component) || super::externs::is_kfunc_tag(tag) {
                continue;
            }
            let value = tag.name();
            if !tag.kind_flag() {
                self.out.extend_from_slice(b" __btf_decl_tag(");
                spelling::literal(&mut self.out, value);
                self.out.push(b')');
            } else if is_attribute(value) {
                self.out.extend_from_slice(b" __btf_attribute(");
                self.out.extend_from_slice(value);
                self.out.push(b')');
            }
        }
    }
}

/// The compiler's own type for lists of variable arguments.
pub(super) const BUILTIN_LIST: &[u8] = b"__builtin_va_list";

/// Whether a text can only be an attribute, and not one that ends it and goes on with something else.
fn is_attribute(text: &[u8]) -> bool {
    let mut open = 0i32;
    for &byte in text {
        match byte {
            b'(' => open += 1,
            b')' => open -= 1,
            b',' if open == 0 => return false,
            b',' | b' ' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {}
            _ => return false,
        }
        if open < 0 {
            return false;
        }
    }
    open == 0 && text.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
}

#[cfg(test)]
mod tests {
    use super::is_attribute;

    #[test]
    fn only_one_whole_attribute_is_taken_as_one() {
        for text in ["address_space(1)", "noderef", "btf_x(1, 2)"] {
            assert!(is_attribute(text.as_bytes()), "{text}");
        }
        for text in ["a)) int evil; ((", "", "a(", "a, b", "a; b", "\"x\"", "(1)"] {
            assert!(!is_attribute(text.as_bytes()), "{text}");
        }
    }
}
