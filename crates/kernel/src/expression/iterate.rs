//! Walks over what the kernel chains together. No walk is endless: an element that comes again ends it with an error.

use std::collections::HashSet;

use btfkit_vmcore::{Memory, VirtualAddress};

use super::{Chain, ExpressionError, Partly};
use crate::ctype::{CType, Shape};
use crate::value::Value;

type Result<T> = std::result::Result<T, ExpressionError>;

/// More elements than this are no structure of a kernel.
const MOST: usize = 10_000_000;

/// The elements of type `ctype` that are chained by the member at `offset` bytes, as far as the chain can be followed, and
/// why it could not be followed further. `start` is the head, or points to it.
pub(super) fn walk(
    memory: &Memory,
    chain: Chain,
    start: &Value,
    ctype: &CType,
    offset: u64,
) -> Result<Partly<Vec<Value>>> {
    let head = match start.address() {
        Some(address) if !matches!(start.ctype.shape(), Shape::Pointer(_)) => address,
        _ => VirtualAddress(start.to_number(memory)? as u64),
    };
    let mut nodes = Nodes::new();
    // Of these the elements themselves are chained, not members of them.
    let is_element = chain == Chain::Pointers;
    let end = match chain {
        Chain::List => list(memory, head, &mut nodes),
        Chain::HashList | Chain::LockLessList => chained(memory, head, &mut nodes),
        Chain::RedBlackTree => memory
            .pointer(head)
            .map_err(ExpressionError::from)
            .and_then(|root| red_black_tree(memory, root, &mut nodes)),
        Chain::Pointers => {
            let first = match start.ctype.shape() {
                Shape::Pointer(_) => start.to_number(memory)? as u64,
                _ => head.0,
            };
            pointers(memory, VirtualAddress(first), offset, &mut nodes)
        }
    };
    let element = |node: VirtualAddress| {
        let start = if is_element { node.0 } else { node.0.wrapping_sub(offset) };
        Value::at(ctype.clone(), VirtualAddress(start))
    };
    Ok((nodes.nodes.into_iter().map(element).collect(), end.err()))
}

/// Nodes that are met once each.
struct Nodes {
    seen: HashSet<VirtualAddress>,
    nodes: Vec<VirtualAddress>,
}

impl Nodes {
    fn new() -> Self {
        Self { seen: HashSet::new(), nodes: Vec::new() }
    }

    fn push(&mut self, node: VirtualAddress) -> Result<()> {
        if !self.seen.insert(node) || self.nodes.len() == MOST {
            let count = self.nodes.len();
            return Err(ExpressionError::Other(format!(
                "after {count} elements the chain comes back to {node} instead of its end"
            )));
        }
        self.nodes.push(node);
        Ok(())
    }
}

/// A ring: `next` is the first word of `struct list_head`.
fn list(memory: &Memory, head: VirtualAddress, nodes: &mut Nodes) -> Result<()> {
    let mut node = memory.pointer(head)?;
    while node != head {
        if node.0 == 0 {
            return Err(ExpressionError::Other(format!(
                "after {} elements the list ends in NULL",
                nodes.nodes.len()
            )));
        }
        nodes.push(node)?;
        node = memory.pointer(node)?;
    }
    Ok(())
}

/// A chain that ends with NULL: `next` is the first word of head and nodes.
fn chained(memory: &Memory, head: VirtualAddress, nodes: &mut Nodes) -> Result<()> {
    let mut node = memory.pointer(head)?;
    while node.0 != 0 {
        nodes.push(node)?;
        node = memory.pointer(node)?;
    }
    Ok(())
}

/// Elements whose member at `offset` points to the next, up to NULL or the first again.
fn pointers(memory: &Memory, first: VirtualAddress, offset: u64, nodes: &mut Nodes) -> Result<()> {
    let mut node = first;
    while node.0 != 0 {
        nodes.push(node)?;
        node = memory.pointer(VirtualAddress(node.0.wrapping_add(offset)))?;
        if node == first {
            break;
        }
    }
    Ok(())
}

/// In order: `struct rb_node` is {parent and colour, right, left}.
fn red_black_tree(memory: &Memory, root: VirtualAddress, nodes: &mut Nodes) -> Result<()> {
    let mut seen = HashSet::new();
    let mut path = Vec::new();
    let mut node = root;
    loop {
        while node.0 != 0 {
            if !seen.insert(node) {
                return Err(ExpressionError::Other(format!("the tree comes back to {node}")));
            }
            path.push(node);
            node = memory.pointer(VirtualAddress(node.0.wrapping_add(16)))?;
        }
        let Some(next) = path.pop() else { return Ok(()) };
        nodes.push(next)?;
        node = memory.pointer(VirtualAddress(next.0.wrapping_add(8)))?;
    }
}
