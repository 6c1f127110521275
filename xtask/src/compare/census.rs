//! The census of a BTF: each definition as (class, name, text), and how often it is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use btfkit_btf::{Btf, Kind, Linkage, SectionEntry, Type, TypeId};
use serde::Serialize;

use super::difference::Difference;
use super::text::{Renderer, keyword};

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Int,
    Float,
    Struct,
    Union,
    Enum,
    Forward,
    Typedef,
    /// Under the name of their first enumerator.
    AnonymousEnum,
    /// Structures and unions under the name of their first member.
    AnonymousAggregate,
    Function,
    Variable,
    Section,
    DeclTag,
    TypeTag,
    /// Pointers, arrays, qualifiers and prototypes: each shows in what uses it, so that only duplicates matter.
    Derived,
    /// Kinds that this program cannot read.
    Unknown,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Forward => "forward",
            Self::Typedef => "typedef",
            Self::AnonymousEnum => "anonymous_enum",
            Self::AnonymousAggregate => "anonymous_aggregate",
            Self::Function => "function",
            Self::Variable => "variable",
            Self::Section => "section",
            Self::DeclTag => "decl_tag",
            Self::TypeTag => "type_tag",
            Self::Derived => "derived",
            Self::Unknown => "unknown",
        })
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Whether a static function and a global one are different. A variable's linkage always counts.
    pub(crate) function_linkage: bool,
}

/// The texts of one name, each with how often it is there.
pub(crate) type Meanings = BTreeMap<String, usize>;

/// All definitions of a BTF; those of its base are not counted.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) classes: BTreeMap<Class, BTreeMap<String, Meanings>>,
}

impl Census {
    /// Whether there is the definition that only one side of a difference has.
    pub(crate) fn has(&self, difference: &Difference) -> bool {
        let texts = self.classes.get(&difference.class).and_then(|names| names.get(&difference.name));
        match (&difference.a, &difference.b) {
            (Some(text), None) | (None, Some(text)) => texts.is_some_and(|texts| texts.contains_key(text)),
            _ => false,
        }
    }

    /// Counts the definitions of a BTF.
    pub(crate) fn of(btf: &Btf<'_>, options: Options) -> Self {
        let places = places(btf);
        let renderer = Renderer::new(btf);
        let mut census = Self::default();
        let mut derived = HashMap::new();
        for ty in btf.types() {
            match ty.kind() {
                Kind::Var => census.add_variable(&renderer, ty, &places),
                Kind::Ptr | Kind::Array | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::FuncProto => {
                    *derived.entry(ty.record()).or_insert(0) += 1;
                }
                _ => {
                    let (class, name, text) = define(btf, &renderer, ty, options);
                    census.add(class, name, text);
                }
            }
        }
        census.add_derived(derived.into_values());
        census
    }

    /// Drops all classes but these; none named keeps all.
    pub(crate) fn keep(&mut self, classes: &[String]) {
        self.classes.retain(|class, _| classes.is_empty() || classes.contains(&class.to_string()));
    }

    /// How many different definitions there are of a class.
    pub(crate) fn count(&self, class: Class) -> usize {
        self.names(class).map(BTreeMap::len).sum()
    }

    /// How many definitions of a class repeat another.
    pub(crate) fn duplicates(&self, class: Class) -> usize {
        self.names(class).flat_map(BTreeMap::values).map(|count| count - 1).sum()
    }

    /// How many names of a class have more than one meaning.
    pub(crate) fn ambiguous(&self, class: Class) -> usize {
        self.names(class).filter(|meanings| meanings.len() > 1).count()
    }

    fn names(&self, class: Class) -> impl Iterator<Item = &Meanings> {
        self.classes.get(&class).into_iter().flat_map(BTreeMap::values)
    }

    fn add(&mut self, class: Class, name: String, text: String) {
        let meanings = self.classes.entry(class).or_default().entry(name).or_default();
        *meanings.entry(text).or_insert(0) += 1;
    }

    fn add_variable(&mut self, renderer: &Renderer<'_>, ty: Type<'_>, places: &Places) {
        let ty_text = renderer.reference(ty.type_id().unwrap_or_default());
        let linkage = linkage(ty);
        let nowhere = [("no section".to_owned(), SectionEntry::default())];
        for (section, entry) in places.get(&ty.id()).map_or(&nowhere[..], Vec::as_slice) {
            let place = format!("{section}+{:#x} size {}", entry.offset, entry.size);
            self.add(Class::Variable, ty.name_str().into_owned(), format!("{place}: {ty_text}{linkage}"));
        }
    }

    /// Equal records of one BTF refer to the same ids: they are duplicates whatever they mean.
    fn add_derived(&mut self, counts: impl Iterator<Item = usize>) {
        let meanings = self.classes.entry(Class::Derived).or_default().entry(String::new()).or_default();
        let repeated: usize = counts.map(|count| count - 1).sum();
        meanings.insert(String::new(), 1 + repeated);
    }
}

/// Where variables lie: section name and entry, by the variable's id.
type Places = HashMap<TypeId, Vec<(String, SectionEntry)>>;

fn places(btf: &Btf<'_>) -> Places {
    let mut places = Places::new();
    for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
        for entry in section.section_entries() {
            places.entry(entry.variable).or_default().push((section.name_str().into_owned(), entry));
        }
    }
    places
}

/// Class, name and text of any type that is neither a variable nor derived.
fn define<'b>(
    btf: &'b Btf<'b>,
    renderer: &Renderer<'b>,
    ty: Type<'b>,
    options: Options,
) -> (Class, String, String) {
    let name = ty.name_str().into_owned();
    let target = || renderer.reference(ty.type_id().unwrap_or_default());
    match ty.kind() {
        Kind::Int => (Class::Int, name, int_text(ty)),
        Kind::Float => (Class::Float, name, format!("size {}", ty.size().unwrap_or(0))),
        Kind::Struct | Kind::Union if name.is_empty() => {
            let first = ty.members().next().map(|member| renderer.string(member.name)).unwrap_or_default();
            (Class::AnonymousAggregate, first, format!("{}\n{}", keyword(ty), renderer.body(ty)))
        }
        Kind::Enum | Kind::Enum64 if name.is_empty() => {
            let first = ty.enumerators().next().map(|value| renderer.string(value.name)).unwrap_or_default();
            (Class::AnonymousEnum, first, renderer.body(ty))
        }
        Kind::Struct => (Class::Struct, name, renderer.body(ty)),
        Kind::Union => (Class::Union, name, renderer.body(ty)),
        Kind::Enum | Kind::Enum64 => (Class::Enum, name, renderer.body(ty)),
        Kind::Fwd => (Class::Forward, name, keyword(ty).to_owned()),
        Kind::Typedef => (Class::Typedef, name, target()),
        Kind::Func => (Class::Function, name, function_text(btf, renderer, ty, options)),
        Kind::DataSec => (Class::Section, name, section_text(ty)),
        Kind::DeclTag => (Class::DeclTag, tagged_text(btf, renderer, ty), tag_text(ty)),
        Kind::TypeTag => (Class::TypeTag, tag_text(ty), target()),
        kind => (Class::Unknown, format!("{kind} {name}"), format!("{} bytes", ty.record().len())),
    }
}

fn int_text(ty: Type<'_>) -> String {
    let encoding = ty.int_encoding().unwrap_or_default();
    let mut text = format!("size {}, {} bits", ty.size().unwrap_or(0), encoding.bits);
    if encoding.offset > 0 {
        text += &format!(" from bit {}", encoding.offset);
    }
    for (word, is) in [(" signed", encoding.signed), (" char", encoding.char), (" bool", encoding.bool)] {
        text += if is { word } else { "" };
    }
    text
}

fn function_text<'b>(btf: &'b Btf<'b>, renderer: &Renderer<'b>, ty: Type<'b>, options: Options) -> String {
    let proto = btf.get(ty.type_id().unwrap_or_default());
    let proto = proto.map_or_else(|_| "<no prototype>".to_owned(), |proto| renderer.prototype(proto));
    let linkage = if options.function_linkage { linkage(ty) } else { "" };
    format!("{proto}{linkage}")
}

/// A data section's own text: its variables are compared one by one.
fn section_text(ty: Type<'_>) -> String {
    format!("size {}", ty.size().unwrap_or(0))
}

fn linkage(ty: Type<'_>) -> &'static str {
    match ty.linkage() {
        Some(Linkage::Static) => " static",
        Some(Linkage::Global) => " global",
        Some(Linkage::Extern) => " extern",
        Some(_) => " other linkage",
        None => "",
    }
}

fn tag_text(ty: Type<'_>) -> String {
    let attribute = if ty.kind_flag() { " (attribute)" } else { "" };
    format!("{}{attribute}", ty.name_str())
}

/// What a declaration tag is on: `function name(2)`, `struct name.member`.
fn tagged_text<'b>(btf: &'b Btf<'b>, renderer: &Renderer<'b>, tag: Type<'b>) -> String {
    let Ok(target) = btf.get(tag.type_id().unwrap_or_default()) else { return "<no type>".into() };
    let whole = match target.kind() {
        Kind::Func => format!("function {}", target.name_str()),
        Kind::Var => format!("variable {}", target.name_str()),
        Kind::Typedef => format!("typedef {}", target.name_str()),
        _ => renderer.reference(target.id()),
    };
    match usize::try_from(tag.component_index().unwrap_or(-1)) {
        Ok(index) if target.kind() == Kind::Func => format!("{whole}({index})"),
        Ok(index) => {
            let member = target.members().nth(index).map(|member| renderer.string(member.name));
            format!("{whole}.{}", member.filter(|name| !name.is_empty()).unwrap_or_else(|| index.to_string()))
        }
        Err(_) => whole,
    }
}

/// The places of a BTF's variables: section name and offset.
pub(crate) fn variable_places(btf: &Btf<'_>) -> HashSet<(String, u64)> {
    places(btf).into_values().flatten().map(|(section, entry)| (section, u64::from(entry.offset))).collect()
}
