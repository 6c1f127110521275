//! What a value shows: plain data, for a table, for JSON, for Python.

use btfkit_btf::{Btf, Type, TypeId};
use btfkit_vmcore::VirtualAddress;
use std::sync::Arc;

use crate::Kernel;
use crate::ctype::{CType, Look, Shape};
use crate::value::{Field, Value};

/// A value, shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// One thing: a number, an enumerator, a pointer.
    Scalar(String),
    /// The characters of an array up to the first NUL.
    Text(TextShown),
    /// The members of a structure or union, in order; anonymous ones have an empty name.
    Members(Vec<(String, Shown)>),
    /// Elements of an array.
    Elements(ElementsShown),
    /// Why it cannot be shown.
    Error(ErrorShown),
    /// Not shown: it is deeper than was asked for.
    Deeper,
}

/// Characters of an array.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TextShown {
    /// The text; what is no UTF-8 is U+FFFD.
    pub text: String,
}

/// Elements of an array.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ElementsShown {
    /// Runs of equal elements: the element, and how many of it.
    pub runs: Vec<(Shown, u64)>,
    /// How many elements follow that are not shown.
    pub more: u64,
}

/// Why something is not there.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ErrorShown {
    /// In one line.
    pub error: String,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// As their type suggests.
    #[default]
    Natural,
    /// `0x2a`.
    Hexadecimal,
    /// `42`.
    Decimal,
    /// `0b101010`.
    Binary,
    /// `'*'`.
    Character,
    /// A pointer, or an array, as text.
    Text,
}

/// How much is shown, and how.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How deep structures are unfolded.
    pub depth: usize,
    /// How many elements of an array.
    pub elements: u64,
    /// How numbers are written.
    pub numbers: Numbers,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 12, elements: 64, numbers: Numbers::Natural }
    }
}

/// Longest text that a pointer is followed to.
const LONGEST_TEXT: usize = 4096;
/// Fields of all depths together.
const MOST_FIELDS: usize = 200_000;

/// Shows a value.
pub fn show(kernel: &Kernel, value: &Value, limits: Limits) -> Shown {
    Shower { kernel, limits, left: std::cell::Cell::new(MOST_FIELDS) }.value(value, 0)
}

struct Shower<'k> {
    kernel: &'k Kernel,
    limits: Limits,
    left: std::cell::Cell<usize>,
}

impl Shower<'_> {
    fn value(&self, value: &Value, depth: usize) -> Shown {
        let Some(left) = self.left.get().checked_sub(1) else { return Shown::Deeper };
        let memory = self.kernel.memory();
        self.left.set(if memory.check_interrupt().is_ok() { left } else { 0 });
        match value.ctype.shape() {
            Shape::Aggregate(btf, id) => match btf.get(id) {
                Ok(ty) if depth <= self.limits.depth => self.members(value, &btf, ty, depth),
                _ => Shown::Deeper,
            },
            Shape::Array(element, count) => self.array(value, &element, count, depth),
            Shape::Function => match value.address() {
                Some(address) => Shown::Scalar(self.symbol(address).unwrap_or_else(|| address.to_string())),
                None => error(&value.not("in memory")),
            },
            Shape::Void | Shape::Incomplete => match value.address() {
                Some(address) => Shown::Scalar(match self.symbol(address) {
                    Some(symbol) => format!("{symbol} at {address}"),
                    None => format!("at {address}"),
                }),
                None => error(&value.not("a value")),
            },
            Shape::Float(bytes) => match value.bytes(memory) {
                Ok(raw) => Shown::Scalar(self.float(&raw, bytes)),
                Err(reason) => error(&reason),
            },
            _ => match value.to_number(memory) {
                Ok(number) => self.number(value, number),
                Err(reason) => error(&reason),
            },
        }
    }

    fn float(&self, raw: &[u8], bytes: u8) -> String {
        let order = self.kernel.memory().byte_order();
        match bytes {
            4 => f32::from_bits(order.u32(raw, 0)).to_string(),
            8 => f64::from_bits(order.u64(raw, 0)).to_string(),
            _ => raw.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn members(&self, value: &Value, btf: &Arc<Btf<'static>>, ty: Type<'_>, depth: usize) -> Shown {
        let members = ty.members().map(|member| {
            let field = Field {
                ctype: CType::Btf(btf.clone(), member.type_id),
                bit_offset: u64::from(member.bit_offset),
                bitfield_size: u32::from(member.bitfield_size),
            };
            let shown = match value.field(&field) {
                Ok(found) => self.value(&found, depth + 1),
                Err(reason) => error(&reason),
            };
            (String::from_utf8_lossy(ty.string(member.name)).into_owned(), shown)
        });
        Shown::Members(members.collect())
    }

    fn array(&self, value: &Value, element: &CType, count: u64, depth: usize) -> Shown {
        let Some(address) = value.address() else { return error(&value.not("in memory")) };
        let is_text = matches!(element.shape(), Shape::Integer { bytes: 1, look: Look::Character, .. });
        if is_text && matches!(self.limits.numbers, Numbers::Natural | Numbers::Text) {
            // An array without a length ends somewhere.
            let limit = if count == 0 { LONGEST_TEXT } else { count as usize };
            return match self.kernel.memory().c_string(address, limit) {
                Ok(bytes) => Shown::Text(TextShown { text: String::from_utf8_lossy(&bytes).into_owned() }),
                Err(reason) => error(&reason),
            };
        }
        let size = element.size().unwrap_or(0);
        let wanted = count.min(self.limits.elements);
        let mut runs: Vec<(Shown, u64)> = Vec::new();
        for index in 0..wanted {
            let place = VirtualAddress(address.0.wrapping_add(index.wrapping_mul(size)));
            let shown = self.value(&Value::at(element.clone(), place), depth + 1);
            match runs.last_mut() {
                Some((last, times)) if *last == shown => *times += 1,
                _ => runs.push((shown, 1)),
            }
        }
        Shown::Elements(ElementsShown { runs, more: count - wanted })
    }

    fn number(&self, value: &Value, number: i128) -> Shown {
        match self.limits.numbers {
            Numbers::Hexadecimal => return Shown::Scalar(hexadecimal(value, number)),
            Numbers::Decimal => return Shown::Scalar(number.to_string()),
            Numbers::Binary => return Shown::Scalar(format!("{:#b}", number as u128)),
            Numbers::Character => return Shown::Scalar(character(number)),
            Numbers::Natural | Numbers::Text => {}
        }
        match value.ctype.shape() {
            Shape::Pointer(target) => self.pointer(&target, number as u64),
            Shape::Enumeration(btf, id) => Shown::Scalar(enumerator(&btf, id, number)),
            Shape::Integer { look: Look::Boolean, .. } if number == 0 || number == 1 => {
                Shown::Scalar((number == 1).to_string())
            }
            Shape::Integer { look: Look::Character, .. } if (32..127).contains(&number) => {
                Shown::Scalar(format!("{number} {}", character(number)))
            }
            _ => Shown::Scalar(number.to_string()),
        }
    }

    fn pointer(&self, target: &CType, address: u64) -> Shown {
        let place = VirtualAddress(address);
        let is_text = matches!(target.shape(), Shape::Integer { bytes: 1, look: Look::Character, .. });
        if self.limits.numbers == Numbers::Text || (is_text && address != 0) {
            return match self.kernel.memory().c_string(place, LONGEST_TEXT) {
                Ok(bytes) if self.limits.numbers == Numbers::Text => {
                    Shown::Text(TextShown { text: String::from_utf8_lossy(&bytes).into_owned() })
                }
                Ok(bytes)
                    if bytes.iter().all(|byte| (32..127).contains(byte) || byte.is_ascii_whitespace()) =>
                {
                    Shown::Scalar(format!("{address:#x} {:?}", String::from_utf8_lossy(&bytes)))
                }
                Ok(_) => Shown::Scalar(format!("{address:#x}")),
                Err(reason) if self.limits.numbers == Numbers::Text => error(&reason),
                Err(_) => Shown::Scalar(format!("{address:#x}")),
            };
        }
        if address == 0 {
            return Shown::Scalar("NULL".into());
        }
        Shown::Scalar(match self.symbol(place) {
            Some(symbol) => format!("{address:#x} <{symbol}>"),
            None => format!("{address:#x}"),
        })
    }

    /// `symbol+0x10`, for addresses in the kernel's image.
    fn symbol(&self, address: VirtualAddress) -> Option<String> {
        let (symbol, offset, module) = self.kernel.symbol_at(address)?;
        let behind = if offset == 0 { String::new() } else { format!("+{offset:#x}") };
        let module = module.map_or_else(String::new, |module| format!(" [{module}]"));
        Some(format!("{}{behind}{module}", symbol.name))
    }
}

fn error(reason: &dyn std::fmt::Display) -> Shown {
    Shown::Error(ErrorShown { error: reason.to_string() })
}

/// As many digits as the type has bits; negative numbers as their bits.
fn hexadecimal(value: &Value, number: i128) -> String {
    let bits = value.ctype.size().unwrap_or(8).clamp(1, 16) * 8;
    let number = crate::value::wrap(number, bits as u32, false);
    format!("{:#x}", number as u128)
}

fn character(number: i128) -> String {
    match u8::try_from(number) {
        Ok(byte) => format!("'{}'", std::ascii::escape_default(byte)),
        Err(_) => number.to_string(),
    }
}

/// An enumerator's name; several joined by `|` where each is a bit and together they are the number.
fn enumerator(btf: &Btf<'_>, id: TypeId, number: i128) -> String {
    let Ok(ty) = btf.get(id) else { return number.to_string() };
    let name = |each: btfkit_btf::Enumerator| String::from_utf8_lossy(ty.string(each.name)).into_owned();
    if let Some(found) = ty.enumerators().find(|each| each.value == number) {
        return name(found);
    }
    let is_flags =
        ty.enumerators().all(|each| each.value == 0 || (each.value > 0 && each.value.count_ones() == 1));
    if is_flags && number > 0 {
        let flags: Vec<_> =
            ty.enumerators().filter(|each| each.value != 0 && number & each.value != 0).collect();
        if flags.iter().fold(0, |all, each| all | each.value) == number {
            return flags.into_iter().map(name).collect::<Vec<_>>().join("|");
        }
    }
    number.to_string()
}
