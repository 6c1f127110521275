//! Chains of modifiers: type tags stand first, and none is too long.

use super::{Findings, Rule};
use crate::{Btf, Kind};

/// Modifiers that the kernel follows.
const LIMIT: usize = 32;

/// Follows the chain from every modifier. A chain that meets a type with a lower id ends there, since that one's chain
/// was followed before: so a chain of any length passes when it is stored from its end.
pub(super) fn check(findings: &mut Findings, btf: &Btf<'_>) {
    for start in btf.types().filter(|ty| ty.kind().is_modifier()) {
        let mut ty = start;
        let mut in_tags = start.kind() == Kind::TypeTag;
        let mut length = 0;
        while ty.kind().is_modifier() {
            if length == LIMIT {
                findings.ty(Rule::ChainLength, start, format_args!(""));
                break;
            }
            length += 1;
            if ty.kind() != Kind::TypeTag {
                in_tags = false;
            } else if !in_tags {
                findings.ty(Rule::TagOrder, start, format_args!("tag {}", ty.id()));
                break;
            }
            if ty.id() < start.id() {
                break;
            }
            let Ok(next) = btf.get(ty.raw_type_id()) else {
                findings.ty(Rule::ChainTarget, start, format_args!("{}", ty.raw_type_id()));
                break;
            };
            ty = next;
        }
    }
}
