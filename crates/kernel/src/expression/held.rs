//! Walks over structures that hold pointers to their elements: xarrays, idrs, maple trees.
//!
//! Both kinds of tree mark what is not an element in the lowest two bits of an entry: `10` is internal, and above 4096 a
//! node; the lowest bit alone is a number that is held in place of a pointer, and no element here.
//! (`include/linux/xarray.h`, `include/linux/maple_tree.h`)

use std::collections::HashSet;
use std::sync::Arc;

use btfkit_btf::Btf;
use btfkit_vmcore::{Memory, VirtualAddress};

use super::{ExpressionError, Holder, Partly};
use crate::ctype::{CType, Shape};
use crate::types::member_offset;
use crate::value::{Value, field};

type Result<T> = std::result::Result<T, ExpressionError>;

/// Nodes that are met in one walk, at most.
const MOST_NODES: usize = 4 << 20;
/// Internal entries below this are marks, not nodes.
const MARKS: u64 = 4096;

/// The elements of type `ctype` that `start` holds pointers to, or what it points to, as far as they can be read, and why
/// not further.
pub(super) fn walk(
    memory: &Memory,
    holder: Holder,
    start: &Value,
    ctype: &CType,
) -> Result<Partly<Vec<Value>>> {
    let holder_value = match start.ctype.shape() {
        Shape::Pointer(_) => start.target(memory)?,
        _ => start.clone(),
    };
    let Shape::Aggregate(btf, _) = holder_value.ctype.shape() else {
        return Err(holder_value.not("a structure that holds elements").into());
    };
    let mut elements = Vec::new();
    let end = match holder {
        Holder::XArray => xarray(memory, &btf, &holder_value, &mut elements),
        Holder::Idr => {
            let tree = holder_value.member("idr_rt")?;
            xarray(memory, &btf, &tree, &mut elements)
        }
        Holder::MapleTree => maple_tree(memory, &btf, &holder_value, &mut elements),
    };
    let element = |element: u64| Value::at(ctype.clone(), VirtualAddress(element));
    Ok((elements.into_iter().map(element).collect(), end.err()))
}

fn is_node(entry: u64) -> bool {
    entry & 3 == 2 && entry > MARKS
}

fn is_element(entry: u64) -> bool {
    entry != 0 && entry & 3 == 0
}

/// Nodes that are met once each.
struct Nodes(HashSet<u64>);

impl Nodes {
    fn enter(&mut self, node: u64) -> Result<()> {
        if self.0.len() == MOST_NODES || !self.0.insert(node) {
            return Err(ExpressionError::Other(format!("the tree comes back to its node at {node:#x}")));
        }
        Ok(())
    }
}

fn missing(what: &str) -> ExpressionError {
    ExpressionError::Other(format!("the kernel's types have no {what}"))
}

/// Offset in bytes and length of an array in a named structure.
fn array(btf: &Arc<Btf<'static>>, name: &str, member: &str) -> Result<(u64, u64)> {
    let find = || {
        let ty = btf.named(name.as_bytes()).find(|ty| ty.kind().is_aggregate())?;
        let found = field(btf, ty.id(), member.as_bytes())?;
        match found.ctype.shape() {
            Shape::Array(_, count) => Some((found.bit_offset / 8, count)),
            _ => None,
        }
    };
    find().ok_or_else(|| missing(&format!("{name}.{member}")))
}

fn words(memory: &Memory, node: u64, (offset, count): (u64, u64)) -> Result<Vec<u64>> {
    let count = count.min(1024) as usize;
    let bytes = memory.bytes(VirtualAddress(node.wrapping_add(offset)), count * 8)?;
    Ok((0..count).map(|index| memory.byte_order().u64(&bytes, index * 8)).collect())
}

fn xarray(memory: &Memory, btf: &Arc<Btf<'static>>, holder: &Value, elements: &mut Vec<u64>) -> Result<()> {
    let head = holder.member("xa_head")?.to_number(memory)? as u64;
    let slots = array(btf, "xa_node", "slots")?;
    let mut nodes = Nodes(HashSet::new());
    let mut open = vec![head];
    while let Some(entry) = open.pop() {
        if is_node(entry) {
            nodes.enter(entry)?;
            let mut entries = words(memory, entry - 2, slots)?;
            entries.reverse();
            open.extend(entries);
        } else if is_element(entry) {
            elements.push(entry);
        }
    }
    Ok(())
}

/// The kinds of nodes in a maple tree (`enum maple_type`); a node's kind is in bits 3 to 6 of the pointer to it.
const LEAF: u64 = 1;
const RANGE: u64 = 2;
const ALLOCATION_RANGE: u64 = 3;

fn maple_tree(
    memory: &Memory,
    btf: &Arc<Btf<'static>>,
    holder: &Value,
    elements: &mut Vec<u64>,
) -> Result<()> {
    let root = holder.member("ma_root")?.to_number(memory)? as u64;
    if member_offset(btf, "maple_range_64", "slot").is_none() {
        return Err(missing("maple_range_64"));
    }
    let range = (array(btf, "maple_range_64", "pivot")?, array(btf, "maple_range_64", "slot")?);
    let allocation = (array(btf, "maple_arange_64", "pivot")?, array(btf, "maple_arange_64", "slot")?);
    let mut nodes = Nodes(HashSet::new());
    // Entries, and the last index that each is for.
    let mut open = vec![(root, u64::MAX, true)];
    while let Some((entry, last, is_inner)) = open.pop() {
        if !is_inner || !is_node(entry | 2) {
            if is_element(entry) {
                elements.push(entry);
            }
            continue;
        }
        // A tree of one element has it in place of its root.
        if entry == root && !is_node(entry) {
            if is_element(entry) {
                elements.push(entry);
            }
            continue;
        }
        let (node, kind) = (entry & !0xff, entry >> 3 & 0xf);
        nodes.enter(node)?;
        let (pivots, slots) = match kind {
            LEAF | RANGE => range,
            ALLOCATION_RANGE => allocation,
            _ => {
                return Err(ExpressionError::Other(format!(
                    "the tree's node at {node:#x} is of unknown kind {kind}"
                )));
            }
        };
        let (pivots, slots) = (words(memory, node, pivots)?, words(memory, node, slots)?);
        let mut children = Vec::new();
        for (index, slot) in slots.into_iter().enumerate() {
            // The last pivot that is used is the node's own end; what is behind it is unused.
            let pivot = pivots.get(index).copied().filter(|&pivot| pivot != 0 || index == 0).unwrap_or(last);
            if slot != 0 {
                children.push((slot, pivot, kind != LEAF));
            }
            if pivot >= last {
                break;
            }
        }
        children.reverse();
        open.extend(children);
    }
    Ok(())
}
