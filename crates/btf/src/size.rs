//! Where the bytes of a BTF are: by section of the blob, by kind, by section of variables, and strings by what uses them.
//!
//! Each byte of the blob is counted once in `header`, `types`, `layout`, `strings` or `unused`; `sections` and
//! `duplicates` tell parts of these again, from another side.

use crate::{Btf, Kind, TypeId};
use hashbrown::{HashMap, HashSet};

/// A number of things and the bytes they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Share {
    /// How many.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Share {
    fn add(&mut self, bytes: usize) {
        *self += Self { count: 1, bytes: bytes as u64 };
    }
}

impl std::ops::AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// The records of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KindSize {
    /// The kind; serialized as the kernel's header has it (`FUNC_PROTO`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "kind_as_text"))]
    pub kind: Kind,
    /// Its records, names not included.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub share: Share,
}

#[cfg(feature = "serde")]
#[allow(clippy::trivially_copy_pass_by_ref)]
fn kind_as_text<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

/// What a string is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Owner {
    /// Names of functions.
    Functions,
    /// Names of parameters.
    Parameters,
    /// Names of members.
    Members,
    /// Names of enumerators.
    Enumerators,
    /// Names of variables.
    Variables,
    /// Names of types: integers, structures, unions, enumerations, typedefs and the like.
    Types,
    /// Names of data sections.
    Sections,
    /// Tags of declarations and of types.
    Tags,
    /// Used for more than one of these, as is the empty string of all that has no name.
    Shared,
    /// Used for nothing in this blob.
    Unused,
}

impl Owner {
    /// All, in the order they are told.
    pub const ALL: [Self; 10] = [
        Self::Functions,
        Self::Parameters,
        Self::Members,
        Self::Enumerators,
        Self::Variables,
        Self::Types,
        Self::Sections,
        Self::Tags,
        Self::Shared,
        Self::Unused,
    ];

    /// What the name of a type of this kind is.
    const fn of_name(kind: Kind) -> Self {
        match kind {
            Kind::Func => Self::Functions,
            Kind::Var => Self::Variables,
            Kind::DataSec | Kind::LocSec => Self::Sections,
            Kind::DeclTag | Kind::TypeTag => Self::Tags,
            _ => Self::Types,
        }
    }

    /// What the names of its elements are, if they have any.
    const fn of_elements(kind: Kind) -> Option<Self> {
        match kind {
            Kind::FuncProto => Some(Self::Parameters),
            Kind::Struct | Kind::Union => Some(Self::Members),
            Kind::Enum | Kind::Enum64 => Some(Self::Enumerators),
            _ => None,
        }
    }

    /// The owner of a string with these users, a bit each.
    const fn from_users(users: u8) -> Self {
        match users.count_ones() {
            0 => Self::Unused,
            1 => Self::ALL[users.trailing_zeros() as usize],
            _ => Self::Shared,
        }
    }
}

/// The strings of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StringSize {
    /// What they are used for.
    pub owner: Owner,
    /// The strings, each with its NUL.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub share: Share,
}

/// What the variables of one section take. All of it is in [`Size::types`] and [`Size::strings`] too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SectionSize {
    /// The section's name; empty for variables that are in none.
    pub name: String,
    /// How many variables it places; for those in none, how many records there are.
    pub variables: u64,
    /// Bytes of its DATASEC records and of the VAR records of its variables. A variable in several sections counts for
    /// the first.
    pub record_bytes: u64,
    /// Bytes of names that are used for variables alone, those of this section first.
    pub name_bytes: u64,
}

/// What is stored twice, byte for byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Duplicates {
    /// Records with the same name, content and references as an earlier one of this blob.
    pub types: Share,
    /// Strings that an earlier string of this blob equals.
    pub strings: Share,
    /// Strings that a base has too.
    pub strings_of_base: Share,
}

/// Where the bytes of a blob are. A base is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Size {
    /// All bytes.
    pub total: u64,
    /// Bytes of the header.
    pub header: u64,
    /// Bytes of the layout section.
    pub layout: u64,
    /// Bytes that are in no section: between them or at the end.
    pub unused: u64,
    /// Bytes that more than one section has, as in no valid blob; they are counted for each.
    pub overlapping: u64,
    /// The type section, by kind, in the order of their numbers.
    pub types: Vec<KindSize>,
    /// The string section, by owner, in the order of [`Owner::ALL`]; owners without a string are left out.
    pub strings: Vec<StringSize>,
    /// The variables, by section, in the order of their first ids.
    pub sections: Vec<SectionSize>,
    /// What is stored twice.
    pub duplicates: Duplicates,
}

impl Size {
    /// Counts the bytes of `btf`, without those of its base.
    pub fn of(btf: &Btf<'_>) -> Self {
        let mut size = Self {
            total: btf.bytes().len() as u64,
            header: btf.header().length.into(),
            layout: btf.layout_section().len() as u64,
            ..Self::default()
        };
        (size.unused, size.overlapping) = size.outside_sections(btf);
        let mut variables = Variables::new(btf);
        size.types = kinds(btf);
        size.strings = strings(btf, &mut variables, &mut size.duplicates);
        size.sections = variables.sections;
        let mut records = HashSet::new();
        for ty in btf.types() {
            if !records.insert(ty.record()) {
                size.duplicates.types.add(ty.record().len());
            }
        }
        size
    }

    /// The whole type section.
    pub fn type_share(&self) -> Share {
        sum(self.types.iter().map(|kind| kind.share))
    }

    /// The whole string section.
    pub fn string_share(&self) -> Share {
        sum(self.strings.iter().map(|owner| owner.share))
    }

    /// Adds another blob: a base to what is split on it. What both have is not looked for.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.header += other.header;
        self.layout += other.layout;
        self.unused += other.unused;
        self.overlapping += other.overlapping;
        for added in &other.types {
            match self.types.iter_mut().find(|kind| kind.kind == added.kind) {
                Some(kind) => kind.share += added.share,
                None => self.types.push(*added),
            }
        }
        self.types.sort_by_key(|kind| kind.kind.number());
        for added in &other.strings {
            match self.strings.iter_mut().find(|owner| owner.owner == added.owner) {
                Some(owner) => owner.share += added.share,
                None => self.strings.push(*added),
            }
        }
        self.strings.sort_by_key(|owner| owner.owner);
        let known: HashMap<String, usize> =
            self.sections.iter().enumerate().map(|(index, section)| (section.name.clone(), index)).collect();
        for added in &other.sections {
            match known.get(&added.name) {
                Some(&index) => {
                    let section = &mut self.sections[index];
                    section.variables += added.variables;
                    section.record_bytes += added.record_bytes;
                    section.name_bytes += added.name_bytes;
                }
                None => self.sections.push(added.clone()),
            }
        }
        self.duplicates.types += other.duplicates.types;
        self.duplicates.strings += other.duplicates.strings;
        self.duplicates.strings_of_base += other.duplicates.strings_of_base;
    }

    /// Bytes that no section has, and bytes that more than one has.
    fn outside_sections(&self, btf: &Btf<'_>) -> (u64, u64) {
        let header = btf.header();
        let section = |offset: u32, length: u32| {
            let start = self.header + u64::from(offset);
            (start, start + u64::from(length))
        };
        let mut sections = [
            (0, self.header),
            section(header.type_offset, header.type_length),
            section(header.string_offset, header.string_length),
            section(header.layout_offset, header.layout_length),
        ];
        sections.sort_unstable();
        let (mut covered, mut end, mut all) = (0, 0, 0);
        for (start, stop) in sections {
            covered += stop.saturating_sub(start.max(end));
            end = end.max(stop);
            all += stop - start;
        }
        (self.total - covered, all - covered)
    }
}

fn sum(shares: impl Iterator<Item = Share>) -> Share {
    let mut sum = Share::default();
    for share in shares {
        sum += share;
    }
    sum
}

fn kinds(btf: &Btf<'_>) -> Vec<KindSize> {
    let mut shares = [Share::default(); 128];
    for ty in btf.types() {
        shares[usize::from(ty.kind().number())].add(ty.record().len());
    }
    let present = shares.iter().enumerate().filter(|(_, share)| share.count > 0);
    present.map(|(number, &share)| KindSize { kind: Kind::from_number(number as u8), share }).collect()
}

/// The sections of variables while they are counted.
struct Variables {
    sections: Vec<SectionSize>,
    /// Offset in the own strings of a variable's name, and the section it counts for; sorted.
    names: Vec<(u32, usize)>,
}

impl Variables {
    fn new(btf: &Btf<'_>) -> Self {
        let mut sections: Vec<SectionSize> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut section_of: HashMap<TypeId, usize> = HashMap::new();
        let mut index_of = |sections: &mut Vec<SectionSize>, name: &str| {
            *by_name.entry_ref(name).or_insert_with(|| {
                sections.push(SectionSize { name: name.to_owned(), ..SectionSize::default() });
                sections.len() - 1
            })
        };
        for ty in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            let index = index_of(&mut sections, &ty.name_str());
            sections[index].record_bytes += ty.record().len() as u64;
            for entry in ty.section_entries() {
                sections[index].variables += 1;
                section_of.entry(entry.variable).or_insert(index);
            }
        }
        let mut names = Vec::new();
        for ty in btf.types().filter(|ty| ty.kind() == Kind::Var) {
            let index = section_of.get(&ty.id()).copied().unwrap_or_else(|| {
                let index = index_of(&mut sections, "");
                sections[index].variables += 1;
                index
            });
            sections[index].record_bytes += ty.record().len() as u64;
            if let Some(offset) = ty.name_offset().0.checked_sub(btf.first_string().0) {
                names.push((offset, index));
            }
        }
        names.sort_unstable();
        Self { sections, names }
    }
}

/// Tells each own string's owner. A name may begin within a string: what uses a string's end uses the string.
fn strings(btf: &Btf<'_>, variables: &mut Variables, duplicates: &mut Duplicates) -> Vec<StringSize> {
    let section = btf.string_section();
    let users = users(btf);
    let mut shares = [Share::default(); Owner::ALL.len()];
    let mut seen = HashSet::new();
    let mut names = variables.names.iter().copied().peekable();
    let mut start = 0;
    for string in section.split_inclusive(|&byte| byte == 0) {
        let end = start + string.len();
        let used = users[start..end].iter().fold(0, |all, users| all | users);
        let empty = start == 0 && string == [0] && btf.base().is_none();
        let owner = if empty { Owner::Shared } else { Owner::from_users(used) };
        shares[owner as usize].add(string.len());
        let mut place = None;
        while let Some((_, index)) = names.next_if(|&(offset, _)| (offset as usize) < end) {
            place.get_or_insert(index);
        }
        if let (Owner::Variables, Some(index)) = (owner, place) {
            variables.sections[index].name_bytes += string.len() as u64;
        }
        if !seen.insert(string) {
            duplicates.strings.add(string.len());
        } else if let Some(base) = btf.base()
            && base.find_string(&string[..string.len() - 1]).is_some()
        {
            duplicates.strings_of_base.add(string.len());
        }
        start = end;
    }
    let present = Owner::ALL.into_iter().zip(shares).filter(|(_, share)| share.count > 0);
    present.map(|(owner, share)| StringSize { owner, share }).collect()
}

/// For each byte of the own strings, a bit for each owner that has a name which begins there.
fn users(btf: &Btf<'_>) -> Vec<u8> {
    let mut users = vec![0_u8; btf.string_section().len()];
    let first = btf.first_string().0;
    let mut mark = |offset: u32, owner: Owner| {
        let own = offset.checked_sub(first).filter(|_| offset != 0);
        if let Some(users) = own.and_then(|own| users.get_mut(own as usize)) {
            *users |= 1 << owner as u8;
        }
    };
    for ty in btf.types() {
        mark(ty.name_offset().0, Owner::of_name(ty.kind()));
        if let (Some(owner), Some(shape)) = (Owner::of_elements(ty.kind()), ty.kind().shape()) {
            for index in shape.element_names(ty.vlen()) {
                mark(ty.word(index), owner);
            }
        }
    }
    users
}
