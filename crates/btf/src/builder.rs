//! [`Builder`]: the mirror image of [`Btf`] that writes.
//!
//! Records are kept as native 32-bit words and turned into the blob's byte order once, at the end.

use crate::header::Header;
use crate::kind::Info;
use crate::layout;
use crate::strings::StringTable;
use crate::types::{Array, Enumerator, IntEncoding, Linkage, Member, Param, SectionEntry};
use crate::{Btf, ByteOrder, Error, Kind, StringOffset, Type, TypeId, error::Result};
use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;

/// Writes a BTF blob, type by type. Ids are given out in order; a record may refer to an id that is not given out yet.
pub struct Builder<'a> {
    order: ByteOrder,
    base: Option<Arc<Btf<'a>>>,
    first_id: u32,
    first_string: u32,
    count: u32,
    words: Vec<u32>,
    strings: StringTable,
    header_length: u32,
    header_tail: Vec<u8>,
    layout: Vec<u8>,
    wide_vlen: bool,
}

impl<'a> Builder<'a> {
    /// Starts a blob that stands alone.
    pub fn new(order: ByteOrder) -> Self {
        Self {
            order,
            base: None,
            first_id: 1,
            first_string: 0,
            count: 0,
            words: Vec::new(),
            strings: StringTable::new(vec![0]),
            header_length: Header::CLASSIC,
            header_tail: Vec::new(),
            layout: Vec::new(),
            wide_vlen: false,
        }
    }

    /// Starts a blob split on `base`: ids and string offsets go on where those of `base` end, and its strings are used
    /// again.
    pub fn split(base: Arc<Btf<'a>>) -> Self {
        Self {
            first_id: base.next_id().0,
            first_string: base.end_string(),
            strings: StringTable::new(Vec::new()),
            ..Self::new(base.byte_order())
        }
        .with_base(base)
    }

    fn with_base(mut self, base: Arc<Btf<'a>>) -> Self {
        self.base = Some(base);
        self
    }

    /// Starts with everything that `btf` holds: its types, its strings at their offsets, its header and layout section.
    /// Finished as it is, it gives `btf`'s bytes again (when its sections lie as every tool writes them: types, layout,
    /// strings).
    pub fn from_btf(btf: &Btf<'a>) -> Self {
        let header = btf.header();
        let order = btf.byte_order();
        Self {
            order,
            base: btf.base().cloned(),
            first_id: btf.first_id().0,
            first_string: btf.first_string().0,
            count: btf.type_count(),
            words: btf.type_section().as_chunks().0.iter().map(|&word| order.u32(word)).collect(),
            strings: StringTable::new(btf.string_section().to_vec()),
            header_length: header.length,
            header_tail: btf.header_tail().to_vec(),
            layout: btf.layout_section().to_vec(),
            wide_vlen: true,
        }
    }

    /// Starts without types, with the strings of `btf` at their offsets, and with its header and layout section if
    /// `with_layout`; else with the short header.
    pub(crate) fn with_strings_of(btf: &Btf<'a>, with_layout: bool) -> Self {
        let all = Self { count: 0, words: Vec::new(), ..Self::from_btf(btf) };
        if with_layout {
            return all;
        }
        Self { header_length: Header::CLASSIC, header_tail: Vec::new(), layout: Vec::new(), ..all }
    }

    /// Adds a record of these words: a whole one.
    pub(crate) fn push_words(&mut self, words: impl IntoIterator<Item = u32>) -> TypeId {
        self.words.extend(words);
        self.give_id()
    }

    /// Starts an empty blob with the byte order, base, header and layout section of `btf`.
    pub fn like(btf: &Btf<'a>) -> Self {
        Self::like_on(btf, btf.base().cloned())
    }

    /// Starts an empty blob with the byte order, header and layout section of `btf`, on another base of the same byte
    /// order.
    pub(crate) fn like_on(btf: &Btf<'a>, base: Option<Arc<Btf<'a>>>) -> Self {
        let new = match base {
            Some(base) => Self::split(base),
            None => Self::new(btf.byte_order()),
        };
        Self {
            header_length: btf.header().length,
            header_tail: btf.header_tail().to_vec(),
            layout: btf.layout_section().to_vec(),
            wide_vlen: true,
            ..new
        }
    }

    /// Writes a 32-byte header and a layout section, so that readers can step over kinds they do not know. Kernels
    /// before 7.1 refuse such a blob.
    pub fn with_layout(mut self) -> Self {
        self.header_length = self.header_length.max(Header::WITH_LAYOUT);
        self.layout = layout::section();
        self
    }

    /// Allows more than 65,535 elements in one record. Kernels before 7.2 refuse such a record.
    pub fn with_wide_vlen(mut self) -> Self {
        self.wide_vlen = true;
        self
    }

    /// Makes room for about `types` types of average size, and their strings.
    pub fn reserve(&mut self, types: usize) {
        self.strings.reserve(types);
        self.words.reserve(types.saturating_mul(7));
    }

    /// Order of the bytes that will be written.
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Id that the next type gets.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.first_id + self.count)
    }

    /// Number of types so far.
    pub fn type_count(&self) -> u32 {
        self.count
    }

    /// Bytes of strings so far.
    pub fn string_length(&self) -> usize {
        self.strings.bytes().len()
    }

    /// The offset of `string`, which ends at its first NUL if it has one; added when it is new here and in the base.
    pub fn string(&mut self, string: &[u8]) -> StringOffset {
        self.whole_string(CStr::from_bytes_until_nul(string).map_or(string, CStr::to_bytes))
    }

    /// The offset of a string without NUL.
    fn whole_string(&mut self, string: &[u8]) -> StringOffset {
        if string.is_empty() {
            return StringOffset::EMPTY;
        }
        if let Some(found) = self.base.as_ref().and_then(|base| base.find_string(string)) {
            return found;
        }
        StringOffset(self.first_string.wrapping_add(self.strings.intern(string)))
    }

    /// Adds an integer of `size` bytes.
    pub fn int(&mut self, name: StringOffset, size: u32, encoding: IntEncoding) -> TypeId {
        self.record(name, Info::new(Kind::Int, 0, false), size, [encoding.word()])
    }

    /// Adds a pointer.
    pub fn pointer(&mut self, target: TypeId) -> TypeId {
        self.reference(Kind::Ptr, StringOffset::EMPTY, target)
    }

    /// Adds an array.
    pub fn array(&mut self, array: Array) -> TypeId {
        let info = Info::new(Kind::Array, 0, false);
        self.record(StringOffset::EMPTY, info, 0, [array.element.0, array.index.0, array.count])
    }

    /// Adds a structure or union of `size` bytes. Where any member is a bit-field, the record takes the form that has
    /// room for bit-fields.
    ///
    /// # Errors
    /// `kind` is neither; there are too many members; or a member of an aggregate with bit-fields starts at bit 2^24 or
    /// later.
    pub fn aggregate(
        &mut self,
        kind: Kind,
        name: StringOffset,
        size: u32,
        members: &[Member],
    ) -> Result<TypeId> {
        if !kind.is_aggregate() {
            return Err(Error::WrongKind { found: kind, wanted: "STRUCT or UNION" });
        }
        let vlen = self.vlen(kind, members.len())?;
        let flag = members.iter().any(|member| member.bitfield_size != 0);
        if flag && let Some(far) = members.iter().find(|member| member.bit_offset >= 1 << 24) {
            return Err(Error::BitfieldOffset { bit_offset: far.bit_offset });
        }
        let words = members.iter().flat_map(|member| {
            let offset = member.bit_offset | u32::from(member.bitfield_size) << 24;
            [member.name.0, member.type_id.0, offset]
        });
        Ok(self.record(name, Info::new(kind, vlen, flag), size, words))
    }

    /// Adds an enumeration of `size` bytes with values of up to 32 bits.
    ///
    /// # Errors
    /// There are too many enumerators, or a value does not fit.
    pub fn enumeration(
        &mut self,
        name: StringOffset,
        size: u32,
        signed: bool,
        enumerators: &[Enumerator],
    ) -> Result<TypeId> {
        let vlen = self.vlen(Kind::Enum, enumerators.len())?;
        in_range(enumerators, i128::from(i32::MIN)..=i128::from(u32::MAX), 32)?;
        let words = enumerators.iter().flat_map(|each| [each.name.0, each.value as u32]);
        Ok(self.record(name, Info::new(Kind::Enum, vlen, signed), size, words))
    }

    /// Adds an enumeration of `size` bytes with values of up to 64 bits.
    ///
    /// # Errors
    /// There are too many enumerators, or a value does not fit.
    pub fn enumeration64(
        &mut self,
        name: StringOffset,
        size: u32,
        signed: bool,
        enumerators: &[Enumerator],
    ) -> Result<TypeId> {
        let vlen = self.vlen(Kind::Enum64, enumerators.len())?;
        in_range(enumerators, i128::from(i64::MIN)..=i128::from(u64::MAX), 64)?;
        let words =
            enumerators.iter().flat_map(|each| [each.name.0, each.value as u32, (each.value >> 32) as u32]);
        Ok(self.record(name, Info::new(Kind::Enum64, vlen, signed), size, words))
    }

    /// Adds a forward declaration of a structure or a union. (One of an enumeration is an enumeration without
    /// enumerators.)
    pub fn forward(&mut self, name: StringOffset, union: bool) -> TypeId {
        self.record(name, Info::new(Kind::Fwd, 0, union), 0, [])
    }

    /// Adds a `const`, `volatile` or `restrict`.
    ///
    /// # Errors
    /// `kind` is none of these.
    pub fn modifier(&mut self, kind: Kind, target: TypeId) -> Result<TypeId> {
        match kind {
            Kind::Const | Kind::Volatile | Kind::Restrict => {
                Ok(self.reference(kind, StringOffset::EMPTY, target))
            }
            _ => Err(Error::WrongKind { found: kind, wanted: "CONST, VOLATILE or RESTRICT" }),
        }
    }

    /// Adds a typedef.
    pub fn typedef(&mut self, name: StringOffset, target: TypeId) -> TypeId {
        self.reference(Kind::Typedef, name, target)
    }

    /// Adds a function: a name for a prototype.
    pub fn function(&mut self, name: StringOffset, proto: TypeId, linkage: Linkage) -> TypeId {
        self.record(name, Info::new(Kind::Func, linkage.number(), false), proto.0, [])
    }

    /// Adds a function prototype. `...` is a last parameter with neither name nor type.
    ///
    /// # Errors
    /// There are too many parameters.
    pub fn function_proto(&mut self, returns: TypeId, params: &[Param]) -> Result<TypeId> {
        let vlen = self.vlen(Kind::FuncProto, params.len())?;
        let words = params.iter().flat_map(|param| [param.name.0, param.type_id.0]);
        Ok(self.record(StringOffset::EMPTY, Info::new(Kind::FuncProto, vlen, false), returns.0, words))
    }

    /// Adds a variable.
    pub fn variable(&mut self, name: StringOffset, type_id: TypeId, linkage: Linkage) -> TypeId {
        self.record(name, Info::new(Kind::Var, 0, false), type_id.0, [linkage.number()])
    }

    /// Adds a data section of `size` bytes. Kernels want the entries sorted by offset and apart from each other.
    ///
    /// # Errors
    /// There are too many entries.
    pub fn data_section(
        &mut self,
        name: StringOffset,
        size: u32,
        entries: &[SectionEntry],
    ) -> Result<TypeId> {
        let vlen = self.vlen(Kind::DataSec, entries.len())?;
        let words = entries.iter().flat_map(|entry| [entry.variable.0, entry.offset, entry.size]);
        Ok(self.record(name, Info::new(Kind::DataSec, vlen, false), size, words))
    }

    /// Adds a floating point number of `size` bytes.
    pub fn float(&mut self, name: StringOffset, size: u32) -> TypeId {
        self.record(name, Info::new(Kind::Float, 0, false), size, [])
    }

    /// Adds a tag on a declaration: on its `component`th member or parameter, or on all of it with -1.
    pub fn decl_tag(&mut self, value: StringOffset, target: TypeId, component: i32) -> TypeId {
        self.record(value, Info::new(Kind::DeclTag, 0, false), target.0, [component as u32])
    }

    /// Adds a tag on a type.
    pub fn type_tag(&mut self, value: StringOffset, target: TypeId) -> TypeId {
        self.reference(Kind::TypeTag, value, target)
    }

    /// Adds an attribute of a type (`address_space(1)`): a tag with the flag that says so, which kernels from 6.14 on take.
    pub fn type_attribute(&mut self, value: StringOffset, target: TypeId) -> TypeId {
        self.record(value, Info::new(Kind::TypeTag, 0, true), target.0, [])
    }

    /// Copies a type of any kind, also an unknown one. Its strings become strings of this blob; the ids that it refers
    /// to stay what they are.
    ///
    /// # Errors
    /// The record has more than 65,535 elements and that was not allowed.
    pub fn push(&mut self, ty: Type<'_>) -> Result<TypeId> {
        self.push_mapped(ty, |id| id)
    }

    /// Copies a type as [`Builder::push`] does, with `map` applied to every id that it refers to (`void` included).
    ///
    /// # Errors
    /// As [`Builder::push`].
    pub fn push_mapped(&mut self, ty: Type<'_>, map: impl FnMut(TypeId) -> TypeId) -> Result<TypeId> {
        self.push_rewritten(ty, map, |builder, offset| builder.whole_string(ty.string(offset)))
    }

    /// Copies a type, with every id that it refers to and every string offset in it rewritten.
    pub(crate) fn push_rewritten(
        &mut self,
        ty: Type<'_>,
        mut map: impl FnMut(TypeId) -> TypeId,
        mut string: impl FnMut(&mut Self, StringOffset) -> StringOffset,
    ) -> Result<TypeId> {
        let vlen = self.vlen(ty.kind(), ty.vlen() as usize)?;
        let start = self.words.len();
        self.words.extend(ty.words());
        self.words[start] = string(self, ty.name_offset()).0;
        if let Some(shape) = ty.kind().shape() {
            for index in shape.element_names(vlen) {
                self.words[start + index] = string(self, StringOffset(self.words[start + index])).0;
            }
            for index in shape.references(vlen) {
                self.words[start + index] = map(TypeId(self.words[start + index])).0;
            }
        }
        Ok(self.give_id())
    }

    /// The finished blob.
    ///
    /// # Errors
    /// There are more types or strings than 32-bit numbers can tell apart.
    pub fn finish(self) -> Result<Vec<u8>> {
        let strings = self.strings.bytes();
        let types_length = self.words.len() * 4;
        let total = types_length + self.layout.len() + strings.len();
        let last_id = u64::from(self.first_id) + self.words.len() as u64 / 3;
        let last_string = u64::from(self.first_string) + strings.len() as u64;
        if total > i32::MAX as usize || last_id > i32::MAX as u64 || last_string > i32::MAX as u64 {
            return Err(Error::TooLarge);
        }
        let mut blob = Vec::with_capacity(self.header_length as usize + total);
        let magic = match self.order {
            ByteOrder::Little => Header::MAGIC.to_le_bytes(),
            ByteOrder::Big => Header::MAGIC.to_be_bytes(),
        };
        blob.extend_from_slice(&[magic[0], magic[1], 1, 0]);
        let (layout_length, strings_length) = (self.layout.len() as u32, strings.len() as u32);
        let types_length = types_length as u32;
        let layout_offset = if layout_length == 0 { 0 } else { types_length };
        let fields = [
            self.header_length,
            0,
            types_length,
            types_length + layout_length,
            strings_length,
            layout_offset,
            layout_length,
        ];
        let known = if self.header_length < Header::WITH_LAYOUT { 5 } else { 7 };
        for field in &fields[..known] {
            blob.extend_from_slice(&self.order.bytes(*field));
        }
        blob.extend_from_slice(&self.header_tail);
        let types = blob.len();
        blob.resize(types + types_length as usize, 0);
        for (bytes, &word) in blob[types..].chunks_exact_mut(4).zip(&self.words) {
            bytes.copy_from_slice(&self.order.bytes(word));
        }
        blob.extend_from_slice(&self.layout);
        blob.extend_from_slice(strings);
        Ok(blob)
    }

    fn reference(&mut self, kind: Kind, name: StringOffset, target: TypeId) -> TypeId {
        self.record(name, Info::new(kind, 0, false), target.0, [])
    }

    fn record(
        &mut self,
        name: StringOffset,
        info: Info,
        size_or_type: u32,
        rest: impl IntoIterator<Item = u32>,
    ) -> TypeId {
        self.words.extend([name.0, info.0, size_or_type]);
        self.words.extend(rest);
        self.give_id()
    }

    fn give_id(&mut self) -> TypeId {
        let id = self.next_id();
        self.count += 1;
        id
    }

    fn vlen(&self, kind: Kind, count: usize) -> Result<u32> {
        let limit = if self.wide_vlen { Info::VLEN_MAX } else { 0xffff };
        u32::try_from(count).ok().filter(|&count| count <= limit).ok_or(Error::TooManyElements {
            kind,
            count,
            limit,
        })
    }
}

fn in_range(enumerators: &[Enumerator], range: std::ops::RangeInclusive<i128>, bits: u32) -> Result<()> {
    match enumerators.iter().find(|each| !range.contains(&each.value)) {
        Some(&Enumerator { value, .. }) => Err(Error::EnumeratorRange { value, bits }),
        None => Ok(()),
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("order", &self.order)
            .field("next_id", &self.next_id())
            .field("string_length", &self.string_length())
            .finish_non_exhaustive()
    }
}
