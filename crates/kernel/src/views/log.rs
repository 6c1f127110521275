//! The kernel's log, from VMCOREINFO alone: neither symbols nor types are needed.
//!
//! Since Linux 5.10 it is a ring of descriptors beside a ring of text (`kernel/printk/printk_ringbuffer.h`). A descriptor
//! counts when its state holds its own number and says that it is committed or final.

use btfkit_vmcore::{Memory, VirtualAddress, VmcoreInfo};

use super::Result;
use crate::Kernel;
use crate::expression::ExpressionError;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Record {
    /// Its number since boot.
    pub sequence: u64,
    /// When it was written, in nanoseconds since boot.
    pub nanoseconds: u64,
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// 0 for the kernel, others for what user space wrote.
    pub facility: u8,
    /// Who wrote it, if the kernel notes it.
    pub caller: Option<Caller>,
    /// Its text; lines are separated by newlines.
    pub text: String,
}

/// Who wrote a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// A task, by its thread's number.
    Thread(u32),
    /// A processor, outside of any task.
    Processor(u32),
}

/// More descriptors than any log has.
const MOST: u64 = 1 << 26;

/// The records of the log, oldest first. Those that cannot be read are left out.
///
/// # Errors
/// VMCOREINFO does not say where the log is (before Linux 5.10), or it cannot be read.
pub fn log(kernel: &Kernel) -> Result<Vec<Record>> {
    let memory = kernel.memory();
    let info = memory.dump().vmcoreinfo();
    let info = info.ok_or_else(|| {
        ExpressionError::Other("there is no VMCOREINFO, which tells where the log is".into())
    })?;
    let ring = Ring::find(memory, info)?;
    let first = ring.tail;
    // Numbers wrap around in the bits that states leave them.
    let count = ring.head.wrapping_sub(first) & ID;
    if count >= MOST {
        return Err(ExpressionError::Other("the log's descriptors make no sense".into()));
    }
    Ok((0..=count).filter_map(|index| ring.record(first.wrapping_add(index) & ID)).collect())
}

/// The bits of a descriptor's state that are its number.
const ID: u64 = !(3 << 62);
const COMMITTED: u64 = 1;
const FINALIZED: u64 = 2;

struct Ring<'k> {
    memory: &'k Memory,
    layout: Layout,
    head: u64,
    tail: u64,
    count: u64,
    descriptors: VirtualAddress,
    infos: VirtualAddress,
    text: VirtualAddress,
    text_size: u64,
}

/// Offsets and sizes in bytes.
struct Layout {
    descriptor_size: u64,
    state: u64,
    begin: u64,
    next: u64,
    info_size: u64,
    sequence: u64,
    nanoseconds: u64,
    text_length: u64,
    caller: Option<u64>,
}

impl<'k> Ring<'k> {
    fn find(memory: &'k Memory, info: &VmcoreInfo) -> Result<Self> {
        let missing = |key: &str| {
            ExpressionError::Other(format!("VMCOREINFO has no {key}, which tells where the log is"))
        };
        let offset = |key: &str| info.offset(key).ok_or_else(|| missing(&format!("OFFSET({key})")));
        let size = |key: &str| info.size(key).ok_or_else(|| missing(&format!("SIZE({key})")));
        let place = |base: VirtualAddress, offset: u64| VirtualAddress(base.0.wrapping_add(offset));
        let symbol = info.symbol("prb").ok_or_else(|| missing("SYMBOL(prb)"))?;
        let ring = memory.pointer(symbol)?;
        let descriptors = place(ring, offset("printk_ringbuffer.desc_ring")?);
        let text = place(ring, offset("printk_ringbuffer.text_data_ring")?);
        let counter = info.offset("atomic_long_t.counter").unwrap_or(0);
        let number =
            |base, key: &str| Ok::<_, ExpressionError>(memory.u64(place(base, offset(key)? + counter))?);
        let count_bits = memory.u32(place(descriptors, offset("prb_desc_ring.count_bits")?))?;
        let size_bits = memory.u32(place(text, offset("prb_data_ring.size_bits")?))?;
        if count_bits > 26 || size_bits > 34 {
            return Err(ExpressionError::Other("the log's sizes make no sense".into()));
        }
        let position = offset("prb_desc.text_blk_lpos")?;
        Ok(Self {
            memory,
            layout: Layout {
                descriptor_size: size("prb_desc")?,
                state: offset("prb_desc.state_var")? + counter,
                begin: position + offset("prb_data_blk_lpos.begin")?,
                next: position + offset("prb_data_blk_lpos.next")?,
                info_size: size("printk_info")?,
                sequence: offset("printk_info.seq")?,
                nanoseconds: offset("printk_info.ts_nsec")?,
                text_length: offset("printk_info.text_len")?,
                caller: info.offset("printk_info.caller_id"),
            },
            head: number(descriptors, "prb_desc_ring.head_id")? & ID,
            tail: number(descriptors, "prb_desc_ring.tail_id")? & ID,
            count: 1 << count_bits,
            descriptors: memory.pointer(place(descriptors, offset("prb_desc_ring.descs")?))?,
            infos: memory.pointer(place(descriptors, offset("prb_desc_ring.infos")?))?,
            text: memory.pointer(place(text, offset("prb_data_ring.data")?))?,
            text_size: 1 << size_bits,
        })
    }

    fn record(&self, id: u64) -> Option<Record> {
        let index = id % self.count;
        let order = self.memory.byte_order();
        let element = |table: VirtualAddress, size: u64| {
            let place = VirtualAddress(table.0.wrapping_add(index.wrapping_mul(size)));
            self.memory.bytes(place, size.min(4096) as usize).ok()
        };
        let layout = &self.layout;
        let descriptor = element(self.descriptors, layout.descriptor_size)?;
        let field = |offset: u64| order.u64(&descriptor, offset as usize);
        let state = field(layout.state);
        if state & ID != id || !matches!(state >> 62, COMMITTED | FINALIZED) {
            return None;
        }
        let info = element(self.infos, layout.info_size)?;
        let after_length = layout.text_length as usize + 2;
        // `flags:5, level:3`: bit-fields begin at the lowest bit where the lowest byte comes first.
        let flags = info.get(after_length + 1).copied().unwrap_or(0);
        let level = match order {
            btfkit_vmcore::ByteOrder::Little => flags >> 5,
            btfkit_vmcore::ByteOrder::Big => flags & 7,
        };
        let length = order.u16(&info, layout.text_length as usize);
        Some(Record {
            sequence: order.u64(&info, layout.sequence as usize),
            nanoseconds: order.u64(&info, layout.nanoseconds as usize),
            level,
            facility: info.get(after_length).copied().unwrap_or(0),
            caller: layout
                .caller
                .map(|offset| order.u32(&info, offset as usize))
                .filter(|&caller| caller != 0)
                .map(|caller| {
                    if caller >> 31 == 0 {
                        Caller::Thread(caller)
                    } else {
                        Caller::Processor(caller & !(1 << 31))
                    }
                }),
            text: self.text(field(layout.begin), field(layout.next), u64::from(length))?,
        })
    }

    /// The text of a record: behind its number, at its logical position, or at the ring's start if it wrapped around.
    fn text(&self, begin: u64, next: u64, length: u64) -> Option<String> {
        // Odd positions: a record without text.
        if begin & 1 != 0 {
            return Some(String::new());
        }
        let (first, end) = (begin % self.text_size, next % self.text_size);
        let first = if begin / self.text_size != next / self.text_size && end != 0 { 0 } else { first };
        let end = if end == 0 { self.text_size } else { end };
        let room = end.checked_sub(first + 8)?;
        let place = VirtualAddress(self.text.0.wrapping_add(first + 8));
        let bytes = self.memory.bytes(place, length.min(room) as usize).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
