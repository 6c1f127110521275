//! Walks over what the kernel chains together. No walk is endless: an element that comes again ends it with an error.

use std::collections::HashSet;

use btfkit_vmcore::{Memory, VirtualAddress};

use super::{Chain, ExpressionError};
use crate::ctype::{CType, Shape};
use crate::value::Value;

type Result<T> = std::result::Result<T, ExpressionError>;

/// More elements than this are no structure of a kernel.
const MOST: usize = 10_000_000;

/// The elements of type `ctype` that are chained by the member at `offset` bytes. `start` is the head, or points to it.
pub(super) fn walk(
    memory: &Memory,
    chain: Chain,
    start: &Value,
    ctype: &CType,
    offset: u64,
) -> Result<Vec<Value>> {
    let head = match start.address() {
        Some(address) if !matches!(start.ctype.shape(), Shape::Pointer(_)) => address,
        _ => VirtualAddress(start.to_number(memory)? as u64),
    };
    let nodes = match chain {
        Chain::List => list(memory, head)?,
        Chain::HashList | Chain::LockLessList => chained(memory, head)?,
        Chain::RedBlackTree => red_black_tree(memory, memory.pointer(head)?)?,
        // These chain the elements themselves, not members of them.
        Chain::Pointers => {
            let first = match start.ctype.shape() {
                Shape::Pointer(_) => start.to_number(memory)? as u64,
                _ => head.0,
            };
            let elements = pointers(memory, VirtualAddress(first), offset)?;
            return Ok(elements.into_iter().map(|element| Value::at(ctype.clone(), element)).collect());
        }
    };
    let element =
        |node: VirtualAddress| Value::at(ctype.clone(), VirtualAddress(node.0.wrapping_sub(offset)));
    Ok(nodes.into_iter().map(element).collect())
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
fn list(memory: &Memory, head: VirtualAddress) -> Result<Vec<VirtualAddress>> {
    let mut nodes = Nodes::new();
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
    Ok(nodes.nodes)
}

/// A chain that ends with NULL: `next` is the first word of head and nodes.
fn chained(memory: &Memory, head: VirtualAddress) -> Result<Vec<VirtualAddress>> {
    let mut nodes = Nodes::new();
    let mut node = memory.pointer(head)?;
    while node.0 != 0 {
        nodes.push(node)?;
        node = memory.pointer(node)?;
    }
    Ok(nodes.nodes)
}

/// Elements whose member at `offset` points to the next, up to NULL or the first again.
fn pointers(memory: &Memory, first: VirtualAddress, offset: u64) -> Result<Vec<VirtualAddress>> {
    let mut nodes = Nodes::new();
    let mut node = first;
    while node.0 != 0 {
        nodes.push(node)?;
        node = memory.pointer(VirtualAddress(node.0.wrapping_add(offset)))?;
        if node == first {
            break;
        }
    }
    Ok(nodes.nodes)
}

/// In order: `struct rb_node` is {parent and colour, right, left}.
fn red_black_tree(memory: &Memory, root: VirtualAddress) -> Result<Vec<VirtualAddress>> {
    let mut nodes = Nodes::new();
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
        let Some(next) = path.pop() else { return Ok(nodes.nodes) };
        nodes.push(next)?;
        node = memory.pointer(VirtualAddress(next.0.wrapping_add(8)))?;
    }
}
