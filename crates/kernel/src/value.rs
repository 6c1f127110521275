//! Values: a type, and where its bytes are. Nothing is read before it is asked for.

use std::sync::Arc;

use btfkit_btf::{Btf, TypeId};
use btfkit_vmcore::{Error as MemoryError, Memory, VirtualAddress};

use crate::ctype::{CType, Shape};
use crate::types::member;

/// A value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its type.
    pub ctype: CType,
    /// Where its bytes are.
    pub place: Place,
}

/// Where a value's bytes are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the kernel's memory.
    Memory(VirtualAddress),
    /// Some bits in the kernel's memory.
    Bits {
        /// The first byte of the aggregate that has them.
        address: VirtualAddress,
        /// Where they start, in bits from there.
        bit_offset: u64,
        /// How many they are: at most 128.
        bits: u32,
    },
    /// Nowhere: an integer that was computed.
    Number(i128),
}

/// Why a value is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Its bytes cannot be read.
    Memory(MemoryError),
    /// It is not of a type that this can be done with.
    Type(String),
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(error) => write!(f, "{error}"),
            Self::Type(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ValueError {}

impl From<MemoryError> for ValueError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

/// Results of asking values.
pub type Result<T, E = ValueError> = std::result::Result<T, E>;

/// A member as it was found: what it is, and where in its aggregate.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its type.
    pub ctype: CType,
    /// Where it starts, in bits from the start of the aggregate.
    pub bit_offset: u64,
    /// Its width in bits if it is a bit-field, else 0.
    pub bitfield_size: u32,
}

impl Value {
    /// A value in memory.
    pub fn at(ctype: CType, address: VirtualAddress) -> Self {
        Self { ctype, place: Place::Memory(address) }
    }

    /// A computed number.
    pub fn number(ctype: CType, number: i128) -> Self {
        let number = match ctype.shape() {
            Shape::Integer { bytes, signed, .. } => wrap(number, u32::from(bytes) * 8, signed),
            Shape::Pointer(_) => wrap(number, 64, false),
            Shape::Enumeration(..) => wrap(number, ctype.size().unwrap_or(4) as u32 * 8, is_signed(&ctype)),
            _ => number,
        };
        Self { ctype, place: Place::Number(number) }
    }

    /// Its address, if it has one.
    pub fn address(&self) -> Option<VirtualAddress> {
        match self.place {
            Place::Memory(address) => Some(address),
            _ => None,
        }
    }

    /// The number that it is: of an integer, an enumeration, a pointer; of an array or function, its address.
    ///
    /// # Errors
    /// It is none of these, or cannot be read.
    pub fn to_number(&self, memory: &Memory) -> Result<i128> {
        if let Place::Number(number) = self.place {
            return Ok(number);
        }
        let (bytes, signed) = match self.ctype.shape() {
            Shape::Integer { bytes, signed, .. } => (bytes, signed),
            Shape::Pointer(_) => (8, false),
            Shape::Enumeration(..) => (self.ctype.size().unwrap_or(4) as u8, is_signed(&self.ctype)),
            Shape::Array(..) | Shape::Function => {
                let address = self.address().ok_or_else(|| self.not("an address"))?;
                return Ok(i128::from(address.0));
            }
            _ => return Err(self.not("a number")),
        };
        match self.place {
            Place::Memory(address) => {
                let mut buffer = [0; 16];
                let buffer = &mut buffer[..usize::from(bytes.min(16))];
                memory.read(address, buffer)?;
                Ok(wrap(assemble(buffer, memory), u32::from(bytes) * 8, signed))
            }
            Place::Bits { address, bit_offset, bits } => read_bits(memory, address, bit_offset, bits, signed),
            Place::Number(number) => Ok(number),
        }
    }

    /// The bytes that it has in memory.
    ///
    /// # Errors
    /// It has none, or they cannot be read.
    pub fn bytes(&self, memory: &Memory) -> Result<Vec<u8>> {
        let address = self.address().ok_or_else(|| self.not("in memory"))?;
        let size = self.ctype.size().ok_or_else(|| self.not("of a size"))?;
        Ok(memory.bytes(address, size as usize)?)
    }

    /// The member of this name; members of anonymous structures and unions count as its own.
    ///
    /// # Errors
    /// It is no structure or union, or has no such member.
    pub fn member(&self, name: &str) -> Result<Value> {
        let Shape::Aggregate(btf, id) = self.ctype.shape() else {
            return Err(self.not("a structure or union"));
        };
        let field = field(&btf, id, name.as_bytes())
            .ok_or_else(|| ValueError::Type(format!("{} has no member {name}", self.ctype)))?;
        self.field(&field)
    }

    /// The member that was found so.
    ///
    /// # Errors
    /// This is not in memory.
    pub fn field(&self, field: &Field) -> Result<Value> {
        let address = self.address().ok_or_else(|| self.not("in memory"))?;
        let place = if field.bitfield_size == 0 {
            Place::Memory(VirtualAddress(address.0.wrapping_add(field.bit_offset / 8)))
        } else {
            Place::Bits { address, bit_offset: field.bit_offset, bits: field.bitfield_size }
        };
        Ok(Value { ctype: field.ctype.clone(), place })
    }

    /// What a pointer points to, or an array starts with.
    ///
    /// # Errors
    /// It is neither, points to nothing that has a type, or cannot be read.
    pub fn target(&self, memory: &Memory) -> Result<Value> {
        match self.ctype.shape() {
            Shape::Pointer(CType::Void) => {
                Err(ValueError::Type("it is a pointer to void: cast it first".into()))
            }
            Shape::Pointer(target) => Ok(Value::at(target, VirtualAddress(self.to_number(memory)? as u64))),
            Shape::Array(element, _) => {
                Ok(Value::at(element, self.address().ok_or_else(|| self.not("in memory"))?))
            }
            _ => Err(self.not("a pointer or an array")),
        }
    }

    /// An element of an array, or of what a pointer points to.
    ///
    /// # Errors
    /// As [`Value::target`]; or the elements have no size.
    pub fn element(&self, memory: &Memory, index: i128) -> Result<Value> {
        let first = self.target(memory)?;
        let size = first.ctype.size().ok_or_else(|| first.not("of a size"))?;
        let base = first.address().unwrap_or_default();
        let offset = (index as i64).wrapping_mul(size as i64) as u64;
        Ok(Value::at(first.ctype, VirtualAddress(base.0.wrapping_add(offset))))
    }

    /// The pointer to it.
    ///
    /// # Errors
    /// It has no address.
    pub fn address_of(&self) -> Result<Value> {
        let address = self.address().ok_or_else(|| self.not("in memory"))?;
        Ok(Value::number(self.ctype.clone().pointer(), i128::from(address.0)))
    }

    pub(crate) fn not(&self, what: &str) -> ValueError {
        ValueError::Type(format!("{} is not {what}", self.ctype))
    }
}

/// Finds a member, also in anonymous aggregates.
pub fn field(btf: &Arc<Btf<'static>>, id: TypeId, name: &[u8]) -> Option<Field> {
    let (member, bit_offset) = member(btf, id, name)?;
    Some(Field {
        ctype: CType::Btf(btf.clone(), member.type_id),
        bit_offset,
        bitfield_size: u32::from(member.bitfield_size),
    })
}

fn is_signed(ctype: &CType) -> bool {
    match ctype.shape() {
        Shape::Integer { signed, .. } => signed,
        Shape::Enumeration(btf, id) => btf.get(id).is_ok_and(btfkit_btf::Type::kind_flag),
        _ => false,
    }
}

/// `number` as an integer of so many bits holds it.
pub(crate) fn wrap(number: i128, bits: u32, signed: bool) -> i128 {
    if bits == 0 || bits >= 128 {
        return number;
    }
    let shift = 128 - bits;
    if signed { number << shift >> shift } else { ((number as u128) << shift >> shift) as i128 }
}

fn assemble(bytes: &[u8], memory: &Memory) -> i128 {
    let mut number = 0u128;
    let mut push = |byte: &u8| number = number << 8 | u128::from(*byte);
    match memory.byte_order() {
        btfkit_vmcore::ByteOrder::Little => bytes.iter().rev().for_each(&mut push),
        btfkit_vmcore::ByteOrder::Big => bytes.iter().for_each(&mut push),
    }
    number as i128
}

fn read_bits(memory: &Memory, address: VirtualAddress, offset: u64, bits: u32, signed: bool) -> Result<i128> {
    let bits = bits.min(128);
    let (first, last) = (offset / 8, (offset + u64::from(bits)).div_ceil(8));
    let mut buffer = [0; 17];
    let buffer = &mut buffer[..(last - first) as usize];
    memory.read(VirtualAddress(address.0.wrapping_add(first)), buffer)?;
    let little = memory.byte_order() == btfkit_vmcore::ByteOrder::Little;
    // Bit by bit, so that 128 bits across 17 bytes need no wider number.
    let within = (offset % 8) as u32;
    let number = (0..bits).fold(0u128, |number, index| {
        let place = within + if little { bits - 1 - index } else { index };
        let byte = buffer[(place / 8) as usize];
        let shift = if little { place % 8 } else { 7 - place % 8 };
        number << 1 | u128::from(byte >> shift & 1)
    });
    Ok(wrap(number as i128, bits, signed))
}
