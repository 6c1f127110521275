//! Locations: where a variable lives, and in which register a parameter arrives (DWARF 5, 2.5 and 2.6).

use gimli::constants as dw;

use super::bytes::{Bytes, Damage};
use super::unit::{Format, UnitRoot};
use super::{Dwarf, target_section};
use crate::object::SectionIndex;

/// A fixed place in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address; in relocatable files the offset in `section`.
    pub value: u64,
    /// The section, where the file is relocatable.
    pub section: Option<SectionIndex>,
}

/// Where a parameter is when its function is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Has it any location at all?
    pub located: bool,
    /// The DWARF number of the register that holds it, if that can be told.
    pub register: Option<u16>,
}

/// The address that `expression` stands for, if it is nothing but an address, or an address plus a constant.
///
/// Pieces, implicit values, thread-local and computed places are none: a variable that the compiler took apart has
/// no one place. `field` is the offset of the expression in `.debug_info`.
pub fn static_address(
    expression: Bytes<'_>,
    field: usize,
    dwarf: &Dwarf<'_>,
    root: &UnitRoot<'_>,
    format: Format,
) -> Result<Option<Address>, Damage> {
    let Some(&operation) = expression.data.first() else { return Ok(None) };
    let mut at = 1;
    let mut address = match dw::DwOp(operation) {
        dw::DW_OP_addr => {
            let value = expression.sized(at, usize::from(format.address_size))?;
            at += usize::from(format.address_size);
            Address { value, section: target_section(&dwarf.info_targets, field + 1) }
        }
        dw::DW_OP_addrx | dw::DW_OP_GNU_addr_index => {
            let index = expression.uleb(&mut at)?;
            let (value, section) = dwarf.indexed_address(index, root.address_base, format.address_size)?;
            Address { value, section }
        }
        _ => return Ok(None),
    };
    if expression.data.get(at) == Some(&dw::DW_OP_plus_uconst.0) {
        at += 1;
        address.value = address.value.wrapping_add(expression.uleb(&mut at)?);
    }
    Ok((at == expression.data.len()).then_some(address))
}

/// Which register the value described by one location expression is in; the second is true for
/// `DW_OP_entry_value`, which says what the register held on entry.
fn register(expression: Bytes<'_>) -> Result<Option<(u16, bool)>, Damage> {
    let Some(&operation) = expression.data.first() else { return Ok(None) };
    let mut at = 1;
    let number = |number: u64| u16::try_from(number).ok();
    Ok(match dw::DwOp(operation) {
        dw::DwOp(code @ 0x50..=0x6f) => Some((u16::from(code - 0x50), false)),
        dw::DW_OP_regx => number(expression.uleb(&mut at)?).map(|register| (register, false)),
        dw::DwOp(code @ 0x70..=0x8f) => {
            expression.sleb(&mut at)?;
            (expression.data.get(at) == Some(&dw::DW_OP_stack_value.0))
                .then_some((u16::from(code - 0x70), false))
        }
        dw::DW_OP_entry_value | dw::DW_OP_GNU_entry_value => {
            let length = expression.uleb(&mut at)?;
            let length = usize::try_from(length).map_err(|_| Damage::Truncated)?;
            let inner = Bytes { data: expression.block(at, length)?, ..expression };
            match inner.data.first().copied() {
                Some(code @ 0x50..=0x6f) => Some((u16::from(code - 0x50), true)),
                Some(code) if code == dw::DW_OP_regx.0 => {
                    number(inner.uleb(&mut 1)?).map(|register| (register, true))
                }
                _ => None,
            }
        }
        _ => None,
    })
}

/// Where a parameter with a single location is.
pub fn arrival_of_expression(expression: Bytes<'_>) -> Result<Arrival, Damage> {
    Ok(Arrival {
        located: !expression.data.is_empty(),
        register: register(expression)?.map(|(register, _)| register),
    })
}

/// Offset in the location lists' section of list `index` (DWARF 5, 7.29).
pub fn list_offset(
    dwarf: &Dwarf<'_>,
    root: &UnitRoot<'_>,
    format: Format,
    index: u64,
) -> Result<u64, Damage> {
    let size = usize::from(format.offset_size);
    let base = usize::try_from(root.location_lists_base).map_err(|_| Damage::Truncated)?;
    let at = usize::try_from(index)
        .ok()
        .and_then(|index| index.checked_mul(size)?.checked_add(base))
        .ok_or(Damage::Truncated)?;
    Ok(root.location_lists_base.wrapping_add(dwarf.bytes(&dwarf.loclists).sized(at, size)?))
}

/// Where a parameter with a location list is: its first location decides, but for values that are only known as
/// "what that register held on entry", which any location may say.
pub fn arrival_of_list(dwarf: &Dwarf<'_>, format: Format, offset: u64) -> Result<Arrival, Damage> {
    let mut at = usize::try_from(offset).map_err(|_| Damage::Truncated)?;
    let mut arrival = Arrival::default();
    loop {
        let expression = if format.version >= 5 {
            next_of_loclists(dwarf.bytes(&dwarf.loclists), &mut at, format)?
        } else {
            next_of_loc(dwarf.bytes(&dwarf.loc), &mut at, format, dwarf.is_split)?
        };
        let Some(expression) = expression else { return Ok(arrival) };
        let found = register(expression)?;
        match found {
            Some((register, _)) if !arrival.located => {
                return Ok(Arrival { located: true, register: Some(register) });
            }
            Some((register, true)) => return Ok(Arrival { located: true, register: Some(register) }),
            _ => arrival.located = true,
        }
    }
}

/// The next expression of a list in `.debug_loclists`; `None` at its end.
fn next_of_loclists<'a>(
    section: Bytes<'a>,
    at: &mut usize,
    format: Format,
) -> Result<Option<Bytes<'a>>, Damage> {
    let address = usize::from(format.address_size);
    loop {
        let kind = section.u8(*at)?;
        *at += 1;
        let numbers = match dw::DwLle(kind as u8) {
            dw::DW_LLE_end_of_list => return Ok(None),
            dw::DW_LLE_base_addressx => {
                section.uleb(at)?;
                continue;
            }
            dw::DW_LLE_base_address => {
                *at += address;
                continue;
            }
            // DW_LLE_GNU_view_pair
            dw::DwLle(9) => {
                section.uleb(at)?;
                section.uleb(at)?;
                continue;
            }
            dw::DW_LLE_startx_endx | dw::DW_LLE_startx_length | dw::DW_LLE_offset_pair => 2,
            dw::DW_LLE_default_location => 0,
            dw::DW_LLE_start_end => {
                *at += 2 * address;
                0
            }
            dw::DW_LLE_start_length => {
                *at += address;
                1
            }
            _ => return Err(Damage::UnknownForm),
        };
        for _ in 0..numbers {
            section.uleb(at)?;
        }
        let length = usize::try_from(section.uleb(at)?).map_err(|_| Damage::Truncated)?;
        let data = section.block(*at, length)?;
        *at += length;
        return Ok(Some(Bytes { data, ..section }));
    }
}

/// The next expression of a list in `.debug_loc`; `None` at its end.
fn next_of_loc<'a>(
    section: Bytes<'a>,
    at: &mut usize,
    format: Format,
    is_split: bool,
) -> Result<Option<Bytes<'a>>, Damage> {
    let size = usize::from(format.address_size);
    let highest = if size == 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
    let expression = |at: &mut usize| {
        let length = section.u16(*at)? as usize;
        let data = section.block(*at + 2, length)?;
        *at += 2 + length;
        Ok(Some(Bytes { data, ..section }))
    };
    if is_split {
        // GNU's forerunner of DWARF 5's lists: addresses by index, lengths of 4 bytes.
        loop {
            let kind = section.u8(*at)?;
            *at += 1;
            let numbers = match kind {
                0 => return Ok(None),
                1 | 3 => 1,
                2 => 2,
                4 => 0,
                _ => return Err(Damage::UnknownForm),
            };
            for _ in 0..numbers {
                section.uleb(at)?;
            }
            *at += match kind {
                3 => 4,
                4 => 8,
                _ => 0,
            };
            if kind != 1 {
                return expression(at);
            }
        }
    }
    loop {
        let first = section.sized(*at, size)?;
        let second = section.sized(*at + size, size)?;
        *at += 2 * size;
        if first == 0 && second == 0 {
            return Ok(None);
        }
        if first == highest {
            continue; // a base address
        }
        return expression(at);
    }
}

/// The lowest address of a range list: where a function that was split into parts is entered.
pub fn first_of_ranges(
    dwarf: &Dwarf<'_>,
    root: &UnitRoot<'_>,
    format: Format,
    offset: u64,
    indexed: bool,
) -> Result<Option<Address>, Damage> {
    let size = usize::from(format.address_size);
    let mut at = usize::try_from(offset).map_err(|_| Damage::Truncated)?;
    if format.version < 5 {
        let section = dwarf.bytes(&dwarf.ranges);
        let highest = if size == 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
        let mut base = root.low_pc;
        loop {
            let target = target_section(&dwarf.range_targets, at);
            let first = section.sized(at, size)?;
            let second = section.sized(at + size, size)?;
            at += 2 * size;
            match (first, second) {
                (0, 0) if target.is_none() => return Ok(None),
                (first, second) if first == highest => base = second,
                (first, _) => {
                    return Ok(Some(Address { value: base.wrapping_add(first), section: target }));
                }
            }
        }
    }
    let section = dwarf.bytes(&dwarf.rnglists);
    if indexed {
        let entry = usize::from(format.offset_size);
        let base = usize::try_from(root.range_lists_base).map_err(|_| Damage::Truncated)?;
        let slot = at.checked_mul(entry).and_then(|at| at.checked_add(base)).ok_or(Damage::Truncated)?;
        let relative = section.sized(slot, entry)?;
        at = usize::try_from(relative.wrapping_add(root.range_lists_base)).map_err(|_| Damage::Truncated)?;
    }
    let mut base = Address { value: root.low_pc, section: None };
    loop {
        let kind = section.u8(at)?;
        at += 1;
        let target = |at: usize| target_section(&dwarf.range_targets, at);
        match dw::DwRle(kind as u8) {
            dw::DW_RLE_end_of_list => return Ok(None),
            dw::DW_RLE_base_addressx => {
                let index = section.uleb(&mut at)?;
                let (value, section) =
                    dwarf.indexed_address(index, root.address_base, format.address_size)?;
                base = Address { value, section };
            }
            dw::DW_RLE_startx_endx | dw::DW_RLE_startx_length => {
                let index = section.uleb(&mut at)?;
                let (value, section) =
                    dwarf.indexed_address(index, root.address_base, format.address_size)?;
                return Ok(Some(Address { value, section }));
            }
            dw::DW_RLE_offset_pair => {
                let offset = section.uleb(&mut at)?;
                return Ok(Some(Address { value: base.value.wrapping_add(offset), ..base }));
            }
            dw::DW_RLE_base_address => {
                base = Address { value: section.sized(at, size)?, section: target(at) };
                at += size;
            }
            dw::DW_RLE_start_end | dw::DW_RLE_start_length => {
                return Ok(Some(Address { value: section.sized(at, size)?, section: target(at) }));
            }
            _ => return Err(Damage::UnknownForm),
        }
    }
}
