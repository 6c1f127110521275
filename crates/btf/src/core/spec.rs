//! [`Spec`]: a relocation in terms of the object's own types.

use crate::ext::{Relocation, RelocationKind};
use crate::names::compared_part;
use crate::{Btf, Error, Kind, StringOffset, Type, TypeId, error::Result};

/// What a relocation asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// The local type that it starts from.
    pub root: TypeId,
    /// What of it is asked for.
    pub question: Question,
}

/// What of a type is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// A field: its offset, its size, whether it is there.
    Field(Vec<Step>),
    /// The type as a whole: its size, its id, whether it is there.
    Type,
    /// Whether a type is like this one all the way down.
    Match,
    /// An enumerator: its value, whether it is there.
    Enumerator(Vec<u8>),
}

/// A step from a type to a part of it. Members without a name leave no step: a kernel may nest them otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into a structure's or union's member.
    Member {
        /// Its name.
        name: Vec<u8>,
        /// Its local type.
        type_id: TypeId,
    },
    /// To an element of an array.
    Element {
        /// Which, from 0.
        index: u32,
    },
}

/// Longest access that is followed, in steps. Compilers make a handful.
const LONGEST: usize = 64;

impl Spec {
    /// Reads a relocation of an object with this BTF. `None` for one that asks nothing of the kernel: the id of a local
    /// type.
    ///
    /// # Errors
    /// The relocation's kind is not known; its access string is no list of numbers, too long, or leads nowhere; or a
    /// type is missing.
    pub fn parse(btf: &Btf<'_>, relocation: &Relocation) -> Result<Option<Self>> {
        let root = relocation.type_id;
        let bad =
            |reason: &'static str| Error::BadRelocation { instruction: relocation.instruction, root, reason };
        let access =
            numbers(btf.string(relocation.access)?).ok_or_else(|| bad("its access string is broken"))?;
        let whole = || match access[..] {
            [0] => Ok(()),
            _ => Err(bad("it asks for a whole type, but its access string is not \"0\"")),
        };
        btf.get(root)?;
        let question = match relocation.kind {
            RelocationKind::TypeIdLocal => return Ok(None),
            RelocationKind::TypeIdTarget | RelocationKind::TypeExists | RelocationKind::TypeSize => {
                whole()?;
                Question::Type
            }
            RelocationKind::TypeMatches => {
                whole()?;
                Question::Match
            }
            RelocationKind::EnumeratorExists | RelocationKind::EnumeratorValue => {
                let ty = btf.skip_modifiers(root)?;
                let enumerator = match access[..] {
                    // Its name is the first word of it.
                    [index] if ty.kind().is_enum() && index < ty.vlen() => {
                        let words = if ty.kind() == Kind::Enum64 { 3 } else { 2 };
                        Some(StringOffset(ty.word(3 + words * index as usize)))
                    }
                    _ => None,
                };
                let enumerator = enumerator.ok_or_else(|| bad("it leads to no enumerator"))?;
                Question::Enumerator(compared_part(ty.owner(), enumerator).to_vec())
            }
            RelocationKind::FieldByteOffset
            | RelocationKind::FieldByteSize
            | RelocationKind::FieldExists
            | RelocationKind::FieldSigned
            | RelocationKind::FieldLeftShift
            | RelocationKind::FieldRightShift => {
                Question::Field(steps(btf, root, &access)?.ok_or_else(|| bad("it leads to no field"))?)
            }
            RelocationKind::Unknown(_) => return Err(bad("its kind is not known")),
        };
        Ok(Some(Self { root, question }))
    }

    /// The question for people: `struct task_struct.mm.pgd`, `enum pid_type::PIDTYPE_TGID`.
    pub fn show(&self, btf: &Btf<'_>) -> String {
        let mut text =
            btf.get(self.root).map_or_else(|_| self.root.to_string(), |ty| keyword(ty) + &ty.name_str());
        match &self.question {
            Question::Field(steps) => {
                for step in steps {
                    match step {
                        Step::Member { name, .. } => text = text + "." + &String::from_utf8_lossy(name),
                        Step::Element { index } => text += &format!("[{index}]"),
                    }
                }
            }
            Question::Type => {}
            Question::Match => text += " (all of it)",
            Question::Enumerator(name) => text = text + "::" + &String::from_utf8_lossy(name),
        }
        text
    }
}

fn keyword(ty: Type<'_>) -> String {
    match ty.kind() {
        Kind::Struct => "struct ".into(),
        Kind::Union => "union ".into(),
        Kind::Enum | Kind::Enum64 => "enum ".into(),
        Kind::Typedef => "typedef ".into(),
        Kind::Fwd => "fwd ".into(),
        _ => String::new(),
    }
}

/// The numbers of `0:1:2`.
fn numbers(text: &[u8]) -> Option<Vec<u32>> {
    let number = |part: &[u8]| -> Option<u32> {
        let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        digits.then(|| std::str::from_utf8(part).ok()?.parse().ok())?
    };
    let mut numbers = Vec::new();
    for part in text.split(|&byte| byte == b':') {
        if numbers.len() == LONGEST {
            return None;
        }
        numbers.push(number(part)?);
    }
    Some(numbers)
}

/// The way to a field. The first number counts whole values of the root, as a pointer to it would.
fn steps(btf: &Btf<'_>, root: TypeId, access: &[u32]) -> Result<Option<Vec<Step>>> {
    let mut ty = btf.skip_modifiers(root)?;
    let mut steps = Vec::new();
    // Whether what `ty` is the type of is the last member of what has it: then an array may go on beyond its end.
    let mut last = false;
    for &index in access.iter().skip(1) {
        let next = match ty.array() {
            Some(array) => {
                if index >= array.count && !(last && array.count == 0) {
                    return Ok(None);
                }
                steps.push(Step::Element { index });
                last = false;
                array.element
            }
            None => {
                let Some(member) = ty.member(index) else { return Ok(None) };
                let name = compared_part(ty.owner(), member.name);
                if !name.is_empty() {
                    steps.push(Step::Member { name: name.to_vec(), type_id: member.type_id });
                }
                last = index + 1 == ty.vlen();
                member.type_id
            }
        };
        ty = btf.skip_modifiers(next)?;
    }
    Ok(Some(steps))
}
