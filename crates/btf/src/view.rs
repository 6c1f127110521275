//! [`Btf`]: a view over the bytes of a BTF blob.
//!
//! Opening walks the records once to note where each starts: one `u32` per type. Nothing else is parsed before it is
//! asked for, and nothing is copied. Structure is checked as far as memory safety and [`Type`]'s accessors need it;
//! whether a kernel would take the blob is for [`crate::check`] to say.

use crate::header::Header;
use crate::kind::Info;
use crate::layout::{self, KindLayout};
use crate::names::NameIndex;
use crate::strings::{LevelStrings, SoughtStrings};
use crate::{ByteOrder, Error, Kind, StringOffset, Type, TypeId, error::Result};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Names that are looked for one by one before an index is made: on a kernel's 107,000 types a scan takes 0.3 ms, making the
/// index 12.
const SCANS: u32 = 32;

/// A BTF blob, mapped, borrowed or owned, in either byte order, alone or split on a base.
pub struct Btf<'a> {
    data: Cow<'a, [u8]>,
    header: Header,
    types: Range<usize>,
    strings: Range<usize>,
    layout: Range<usize>,
    /// Where each own type starts, in bytes from the start of the type section.
    offsets: Vec<u32>,
    base: Option<Arc<Btf<'a>>>,
    first_id: u32,
    first_string: u32,
    names: OnceLock<NameIndex>,
    /// How often a name was looked for without an index.
    name_lookups: AtomicU32,
    level_strings: OnceLock<LevelStrings>,
    sought_strings: OnceLock<SoughtStrings>,
    pointer_size: OnceLock<u8>,
}

impl<'a> Btf<'a> {
    /// Opens a blob that stands alone.
    ///
    /// # Errors
    /// The header is not BTF's, a section or a record lies outside, or a kind is unknown and no layout section tells
    /// how long its records are.
    pub fn parse(data: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        Self::open(data.into(), None)
    }

    /// Opens a blob split on `base`: its ids and string offsets go on where those of `base` end.
    ///
    /// # Errors
    /// As [`Btf::parse`]; also when the two differ in byte order.
    pub fn parse_split(data: impl Into<Cow<'a, [u8]>>, base: Arc<Btf<'a>>) -> Result<Self> {
        Self::open(data.into(), Some(base))
    }

    fn open(data: Cow<'a, [u8]>, base: Option<Arc<Btf<'a>>>) -> Result<Self> {
        match Self::open_up_to_fault(data, base)? {
            (btf, None) => Ok(btf),
            (_, Some(fault)) => Err(fault),
        }
    }

    /// Opens a blob as far as its records can be told apart, and says why not further.
    pub(crate) fn open_up_to_fault(
        data: Cow<'a, [u8]>,
        base: Option<Arc<Btf<'a>>>,
    ) -> Result<(Self, Option<Error>)> {
        let header = Header::parse(&data)?;
        let (first_id, first_string) = match &base {
            Some(base) if base.byte_order() != header.order => return Err(Error::BaseByteOrder),
            Some(base) => (base.end_id(), base.end_string()),
            None => (1, 0),
        };
        let types = header.range("type", header.type_offset, header.type_length, data.len())?;
        let strings = header.range("string", header.string_offset, header.string_length, data.len())?;
        let layout = header.range("layout", header.layout_offset, header.layout_length, data.len())?;
        if data[strings.clone()].last().is_some_and(|&last| last != 0) {
            return Err(Error::StringsUnterminated);
        }
        if base.is_none() && data[strings.clone()].first().is_some_and(|&first| first != 0) {
            return Err(Error::StringsFirst);
        }
        let mut btf = Self {
            data,
            header,
            types,
            strings,
            layout,
            offsets: Vec::new(),
            base,
            first_id,
            first_string,
            names: OnceLock::new(),
            name_lookups: AtomicU32::new(0),
            level_strings: OnceLock::new(),
            sought_strings: OnceLock::new(),
            pointer_size: OnceLock::new(),
        };
        if first_string.checked_add(header.string_length).is_none() {
            return Err(Error::TooLarge);
        }
        let (offsets, fault) = btf.record_offsets();
        btf.offsets = offsets;
        Ok((btf, fault))
    }

    /// Walks the records and notes where each starts, up to the first that cannot be told.
    fn record_offsets(&self) -> (Vec<u32>, Option<Error>) {
        let section = self.type_section();
        // Records average 25 bytes in a kernel.
        let mut offsets = Vec::with_capacity(section.len() / 22);
        let ids = i32::MAX as usize - (self.first_id as usize).min(i32::MAX as usize);
        let mut at = match self.header.order {
            ByteOrder::Little => skip_known(section, ids, &mut offsets, u32::from_le_bytes),
            ByteOrder::Big => skip_known(section, ids, &mut offsets, u32::from_be_bytes),
        };
        let mut fault = None;
        while at < section.len() {
            match self.record_size(self.first_id.saturating_add(offsets.len() as u32), at) {
                Ok(size) => {
                    offsets.push(at as u32);
                    at += size;
                }
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        offsets.shrink_to_fit();
        (offsets, fault)
    }

    /// Size in bytes of the record of type `id` that starts at `at`.
    #[inline]
    fn record_size(&self, id: u32, at: usize) -> Result<usize> {
        let (rest, offset) = (&self.type_section()[at..], at as u32);
        let id = TypeId(id);
        if id.0 > i32::MAX as u32 {
            return Err(Error::TooLarge);
        }
        if rest.len() < 12 {
            return Err(Error::TypeTruncated { id, offset });
        }
        let info = Info(self.header.order.word(rest, 1));
        let kind = info.kind();
        let size = layout::record_size(kind, info.vlen(), |kind| self.kind_layout(kind))
            .filter(|_| kind != Kind::Void)
            .ok_or(Error::UnknownKind { id, kind, offset })?;
        if size > rest.len() as u64 {
            return Err(Error::TypeTruncated { id, offset });
        }
        Ok(size as usize)
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Order of the bytes of all numbers.
    #[inline]
    pub fn byte_order(&self) -> ByteOrder {
        self.header.order
    }

    /// The base this is split on.
    pub fn base(&self) -> Option<&Arc<Btf<'a>>> {
        self.base.as_ref()
    }

    /// Number of own types: those of a base are not counted, neither is `void`.
    pub fn type_count(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// Id of the first own type: 1, or where the base ends.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// The id after the last: ids below it, from 0 on, are those of `void`, of the bases and of this.
    #[inline]
    pub fn next_id(&self) -> TypeId {
        TypeId(self.end_id())
    }

    #[inline]
    fn end_id(&self) -> u32 {
        self.first_id + self.offsets.len() as u32
    }

    /// Offset of the first own string: 0, or where the strings of the base end.
    pub fn first_string(&self) -> StringOffset {
        StringOffset(self.first_string)
    }

    /// The offset after the last own string.
    pub fn end_string(&self) -> u32 {
        self.first_string + self.strings.len() as u32
    }

    /// All bytes of the blob.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The bytes of the type section.
    #[inline]
    pub fn type_section(&self) -> &[u8] {
        &self.data[self.types.clone()]
    }

    /// The bytes of the string section.
    #[inline]
    pub fn string_section(&self) -> &[u8] {
        &self.data[self.strings.clone()]
    }

    /// The bytes of the layout section; empty when there is none.
    pub fn layout_section(&self) -> &[u8] {
        &self.data[self.layout.clone()]
    }

    /// The bytes of the header beyond the fields known here.
    pub fn header_tail(&self) -> &[u8] {
        let known =
            if self.header.length < Header::WITH_LAYOUT { Header::CLASSIC } else { Header::WITH_LAYOUT };
        &self.data[known as usize..self.header.length as usize]
    }

    /// What the layout section says of `kind`; a split blob without one asks its base.
    pub fn kind_layout(&self, kind: u8) -> Option<KindLayout> {
        if self.layout.is_empty() {
            return self.base.as_ref()?.kind_layout(kind);
        }
        layout::entry(self.layout_section(), self.header.order, kind)
    }

    /// The own types, in the order of their ids.
    #[inline]
    pub fn types(&self) -> impl ExactSizeIterator<Item = Type<'_>> + DoubleEndedIterator + Clone {
        (0..self.offsets.len()).map(|index| self.own(index))
    }

    /// For each own type, in the order of ids, what stands in the type section from its record on.
    #[inline]
    pub(crate) fn tails(&self) -> impl Iterator<Item = &[u8]> {
        let section = self.type_section();
        self.offsets.iter().map(move |&at| section.get(at as usize..).unwrap_or_default())
    }

    /// The type with this id, in this blob or in a base. `void` has an empty record of kind [`Kind::Void`].
    ///
    /// # Errors
    /// No type has this id.
    #[inline]
    pub fn get(&self, id: TypeId) -> Result<Type<'_>> {
        let mut level: &Btf<'_> = self;
        loop {
            if let Some(index) = id.0.checked_sub(level.first_id) {
                if (index as usize) < level.offsets.len() {
                    return Ok(level.own(index as usize));
                }
                return Err(Error::NoSuchType(id));
            }
            match &level.base {
                Some(base) => level = base,
                None => return Ok(Type::void(level)),
            }
        }
    }

    /// Where the record of an own type stands, in bytes from the start of the blob.
    pub fn record_offset(&self, id: TypeId) -> Option<usize> {
        let index = id.0.checked_sub(self.first_id)? as usize;
        Some(self.types.start + *self.offsets.get(index)? as usize)
    }

    #[inline]
    pub(crate) fn own(&self, index: usize) -> Type<'_> {
        let section = self.type_section();
        let start = self.offsets[index] as usize;
        let end = self.offsets.get(index + 1).map_or(section.len(), |&next| next as usize);
        Type::new(self, TypeId(self.first_id + index as u32), &section[start..end])
    }

    /// The string at `offset`, without its NUL.
    ///
    /// # Errors
    /// The offset lies outside the strings of this blob and its bases.
    #[inline]
    pub fn string(&self, offset: StringOffset) -> Result<&[u8]> {
        let rest = self.string_tail(offset).ok_or(Error::NoSuchString(offset))?;
        Ok(until_nul(rest))
    }

    /// The string at `offset` for showing: bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// As [`Btf::string`].
    pub fn str(&self, offset: StringOffset) -> Result<Cow<'_, str>> {
        self.string(offset).map(String::from_utf8_lossy)
    }

    /// The string section that `offset` falls into, from there on.
    #[inline]
    pub(crate) fn string_tail(&self, offset: StringOffset) -> Option<&[u8]> {
        let mut level: &Btf<'_> = self;
        while offset.0 < level.first_string {
            level = level.base.as_ref()?;
        }
        let section = level.string_section();
        let at = (offset.0 - level.first_string) as usize;
        // Offset 0 is the empty string even where the section is empty.
        if at == 0 && level.first_string == 0 && section.is_empty() {
            return Some(&[]);
        }
        section.get(at..).filter(|rest| !rest.is_empty())
    }

    /// All types with this name: those of the lowest base first, each level's in the order of ids.
    pub fn named<'b>(&'b self, name: &[u8]) -> impl Iterator<Item = Type<'b>> + use<'a, 'b> {
        let mut levels = Vec::new();
        let mut next = Some(self);
        while let Some(level) = next {
            levels.push(level.own_named(name));
            next = level.base.as_deref();
        }
        levels.into_iter().rev().flatten()
    }

    /// The first type with this name and kind, looking into the lowest base first.
    pub fn find(&self, name: &[u8], kind: Kind) -> Option<Type<'_>> {
        self.named(name).find(|ty| ty.kind() == kind)
    }

    /// Own types with this name, in the order of ids. The first few times they are looked for one by one; an index is made
    /// for those who ask more often.
    pub fn own_named<'b>(&'b self, name: &[u8]) -> impl Iterator<Item = Type<'b>> + use<'a, 'b> {
        let indexed =
            self.names.get().is_some() || self.name_lookups.fetch_add(1, Ordering::Relaxed) >= SCANS;
        let (index, positions, scanned) = if indexed {
            let index = self.names.get_or_init(|| NameIndex::new(self));
            (Some(index), index.positions(self, name), Vec::new())
        } else {
            (None, 0..0, self.scan_for(name))
        };
        let found = positions.filter_map(move |position| Some(index?.own_index(position)));
        found.chain(scanned).map(|index| self.own(index))
    }

    /// The indices of own types with this name, found by a look at each type's offset.
    fn scan_for(&self, name: &[u8]) -> Vec<usize> {
        if name.is_empty() {
            let is_anonymous = |index: &usize| self.own(*index).name().is_empty();
            return (0..self.offsets.len()).filter(is_anonymous).collect();
        }
        // Where the name stands in the strings, also as the end of a longer one: few places, often none.
        let mut places = Vec::new();
        let mut level = Some(self);
        let wanted = [name, &[0]].concat();
        while let Some(btf) = level {
            let section = btf.string_section();
            let found = memchr::memmem::find_iter(section, &wanted).map(|at| btf.first_string + at as u32);
            places.extend(found);
            // The last string may lack its end.
            if section.ends_with(name) {
                places.push(btf.first_string + (section.len() - name.len()) as u32);
            }
            level = btf.base.as_deref();
        }
        if places.is_empty() {
            return Vec::new();
        }
        // As they stand in the blob, so that no number's bytes need be swapped.
        let mut places: Vec<u32> =
            places.into_iter().map(|place| u32::from_ne_bytes(self.byte_order().bytes(place))).collect();
        places.sort_unstable();
        // Most types' offsets are none of them, which a few bits tell.
        let mut bits = [0u64; 64];
        let bit = |offset: u32| {
            let mixed = offset ^ offset >> 16;
            ((mixed >> 6 & 63) as usize, 1u64 << (mixed & 63))
        };
        for &place in &places {
            let (word, mask) = bit(place);
            bits[word] |= mask;
        }
        let types = self.type_section();
        let is_named = |index: &usize| {
            let start = self.offsets[*index] as usize;
            let Some(word) = types.get(start..).and_then(<[u8]>::first_chunk) else { return false };
            let offset = u32::from_ne_bytes(*word);
            let (word, mask) = bit(offset);
            bits[word] & mask != 0 && places.binary_search(&offset).is_ok()
        };
        (0..self.offsets.len()).filter(is_named).collect()
    }

    /// Whether the own types are sorted by name, anonymous ones first, as kernels from 7.0 on and libbpf search them.
    pub fn is_sorted_by_name(&self) -> bool {
        self.names.get_or_init(|| NameIndex::new(self)).is_sorted()
    }

    /// The offset of `string`, when it is a whole string of this blob or a base.
    pub fn find_string(&self, string: &[u8]) -> Option<StringOffset> {
        if string.is_empty() {
            return Some(StringOffset::EMPTY);
        }
        if let Some(found) = self.base.as_ref().and_then(|base| base.find_string(string)) {
            return Some(found);
        }
        let sought = || self.sought_strings.get().and_then(|sought| sought.find(string));
        let found = match self.level_strings.get() {
            None => sought().unwrap_or_else(|| self.level_strings().find(self.string_section(), string)),
            Some(all) => all.find(self.string_section(), string),
        };
        Some(StringOffset(self.first_string + found?))
    }

    /// Finds many strings at once: for each of `names`, of which each ends with a NUL, the offset of the first string of this
    /// blob or a base that it is the whole of, or [`StringOffset::EMPTY`] if there is none.
    ///
    /// The first call, if nothing was searched before, takes half the time in which [`Btf::find_string`] first indexes all
    /// strings of a kernel, and searches for these names need no index afterwards. Later calls search one by one.
    pub fn find_strings(&self, names: Vec<u8>) -> Vec<StringOffset> {
        let fit = names.len() <= i32::MAX as usize;
        let mut names = Some(names);
        let mut answer = None;
        if fit && self.level_strings.get().is_none() {
            let sought = self.sought_strings.get_or_init(|| {
                let names = names.take().unwrap_or_default();
                let of_base = self.base.as_ref().map(|base| base.find_strings(names.clone()));
                let (sought, numbers) = SoughtStrings::new(self, names);
                answer = Some((of_base, numbers));
                sought
            });
            if let Some((of_base, numbers)) = answer {
                let own = |&number: &u32| match sought.place(number) {
                    Some(place) => StringOffset(self.first_string + place),
                    None => StringOffset::EMPTY,
                };
                let own = numbers.iter().map(own);
                return match of_base {
                    Some(of_base) => own.zip(of_base).map(|(own, base)| own.max(base)).collect(),
                    None => own.collect(),
                };
            }
        }
        // Others were sought before, or all are known.
        let names = names.unwrap_or_default();
        let whole = names.split_inclusive(|&byte| byte == 0).filter_map(|name| name.strip_suffix(&[0]));
        whole.map(|name| self.find_string(name).unwrap_or_default()).collect()
    }

    /// Indexes all strings, of the bases, too.
    pub(crate) fn know_all_strings(&self) {
        if let Some(base) = &self.base {
            base.know_all_strings();
        }
        self.level_strings();
    }

    /// The own strings that were sought, if not all are known.
    pub(crate) fn sought_strings(&self) -> Option<&SoughtStrings> {
        self.sought_strings.get().filter(|_| self.level_strings.get().is_none())
    }

    /// The own strings by content.
    pub(crate) fn level_strings(&self) -> &LevelStrings {
        self.level_strings.get_or_init(|| LevelStrings::new(self))
    }

    /// Size of a pointer in bytes: that of an integer named `long`, `unsigned long` or the like; 8 when there is none.
    pub fn pointer_size(&self) -> u8 {
        if let Some(base) = &self.base {
            return base.pointer_size();
        }
        *self.pointer_size.get_or_init(|| {
            let long = |ty: &Type<'_>| {
                const LONG: [&[u8]; 6] = [
                    b"long",
                    b"long int",
                    b"unsigned long",
                    b"long unsigned int",
                    b"unsigned long int",
                    b"long signed int",
                ];
                ty.kind() == Kind::Int && matches!(ty.raw_size(), 4 | 8) && LONG.contains(&ty.name())
            };
            self.types().find(long).map_or(8, |ty| ty.raw_size() as u8)
        })
    }

    /// Follows typedefs, `const`, `volatile`, `restrict` and type tags to the type that they stand for.
    ///
    /// # Errors
    /// A type is missing, or the chain does not end within [`Btf::CHAIN_LIMIT`] steps.
    pub fn skip_modifiers(&self, id: TypeId) -> Result<Type<'_>> {
        let mut ty = self.get(id)?;
        for _ in 0..Self::CHAIN_LIMIT {
            if !ty.kind().is_modifier() {
                return Ok(ty);
            }
            ty = self.get(ty.raw_type_id())?;
        }
        Err(Error::ChainTooLong(id))
    }

    /// Longest chain of modifiers and arrays that is followed. The kernel stops at 32.
    pub const CHAIN_LIMIT: usize = 256;

    /// Size in bytes of a value of this type.
    ///
    /// # Errors
    /// The type has no size, a type is missing, or a chain is too long or a cycle.
    pub fn size_of(&self, id: TypeId) -> Result<u64> {
        let mut count = 1u64;
        let mut ty = self.get(id)?;
        for _ in 0..Self::CHAIN_LIMIT {
            let size = match ty.kind() {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float
                | Kind::DataSec => u64::from(ty.raw_size()),
                Kind::Ptr => u64::from(self.pointer_size()),
                Kind::Array => {
                    let array = ty.array().ok_or(Error::NoSize(id))?;
                    count = count.saturating_mul(u64::from(array.count));
                    ty = self.get(array.element)?;
                    continue;
                }
                kind if kind.is_modifier() || kind == Kind::Var => {
                    ty = self.get(ty.raw_type_id())?;
                    continue;
                }
                _ => return Err(Error::NoSize(id)),
            };
            return Ok(count.saturating_mul(size));
        }
        Err(Error::ChainTooLong(id))
    }
}

/// Notes where each of at most `ids` records starts, up to the first that takes a closer look, and gives where that one
/// does. Each record tells where the next one starts, so that the time is that of a chain of loads, and anything more in
/// it is felt.
#[inline]
fn skip_known(section: &[u8], ids: usize, offsets: &mut Vec<u32>, word: impl Fn([u8; 4]) -> u32) -> usize {
    let mut at = 0;
    while offsets.len() < ids
        && let Some(&[_, _, _, _, a, b, c, d, ..]) = section.get(at..).and_then(<[u8]>::first_chunk::<12>)
    {
        let info = word([a, b, c, d]);
        let (fixed, element) = layout::KNOWN_SIZES[(info >> 24 & 0x7f) as usize];
        let end = at + usize::from(fixed) + (info & Info::VLEN_MAX) as usize * usize::from(element);
        if fixed == 0 || end > section.len() {
            break;
        }
        offsets.push(at as u32);
        at = end;
    }
    at
}

/// What stands before the first NUL, or all. Names are short: eight bytes at a time beat a call of a general search.
#[inline]
fn until_nul(bytes: &[u8]) -> &[u8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    while let Some(&chunk) = bytes[at..].first_chunk::<8>() {
        let value = u64::from_le_bytes(chunk);
        // The lowest set bit is exact: it marks the first zero byte.
        let zeros = value.wrapping_sub(ONES) & !value & (ONES << 7);
        if zeros != 0 {
            return &bytes[..at + zeros.trailing_zeros() as usize / 8];
        }
        at += 8;
    }
    let end = bytes[at..].iter().position(|&byte| byte == 0).map_or(bytes.len(), |end| at + end);
    &bytes[..end]
}

impl fmt::Debug for Btf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("header", &self.header)
            .field("first_id", &self.first_id)
            .field("type_count", &self.offsets.len())
            .field("split", &self.base.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::until_nul;

    #[test]
    fn a_string_ends_at_its_nul_or_with_its_section() {
        for length in 0..20 {
            let name: Vec<u8> = (0..length).map(|i| b'a' + i).collect();
            for tail in [&b""[..], b"\0", b"\0\x01\0", b"\0rest of the section\0"] {
                assert_eq!(until_nul(&[&name, tail].concat()), name);
            }
        }
        assert_eq!(until_nul(b"\xff\x80\x81\0\0\0\0\0\0"), b"\xff\x80\x81");
    }
}
