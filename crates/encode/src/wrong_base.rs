//! Was a module built against another kernel than the base is of?
//!
//! Each module carries the kernel's `struct module`, in which the kernel finds what it loads, and nearly all know
//! `struct task_struct`. Of these the kernel has one. Where the module's is of another size, or has other members at
//! other places, the two were not compiled from one configuration and source, and BTF on that base would describe
//! another kernel than the module runs on.

use btfkit_btf::{Btf, Kind, Type, TypeId};

use crate::base::Base;
use crate::error::{Error, Result};
use crate::object::Object;

/// What every module has, and nothing else.
const MODULE_SECTION: &str = ".gnu.linkonce.this_module";

/// Names that the kernel gives one meaning, in the order in which they are looked at.
pub const KERNEL_STRUCTS: [&[u8]; 2] = [b"module", b"task_struct"];

/// Ids of the structures of each of these names.
pub type KernelStructs = [Vec<TypeId>; KERNEL_STRUCTS.len()];

/// Refuses the output of a module that was built against another kernel. `btf` is the output, on its base.
pub fn refuse(object: &Object, btf: &Btf<'_>, base: Option<&Base>) -> Result<()> {
    let Some(base) = base else { return Ok(()) };
    if object.section_by_name(MODULE_SECTION).is_none() {
        return Ok(());
    }
    for (number, name) in KERNEL_STRUCTS.into_iter().enumerate() {
        let offset = btf.find_string(name);
        // Nearly always it is the base's and stands in the output no more.
        for own in btf.types().filter(|ty| Some(ty.name_offset()) == offset && ty.kind() == Kind::Struct) {
            let (ids, base) = (&base.kernel_structs()?[number], base.btf()?);
            let known: Vec<Type<'_>> = ids.iter().filter_map(|&id| base.get(id).ok()).collect();
            if let Some(theirs) = known.first()
                && known.iter().all(|known| difference(*known, own).is_some())
            {
                return Err(Error::OtherKernel {
                    name: String::from_utf8_lossy(name).into_owned(),
                    difference: difference(*theirs, own).unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}

/// The ids of a base's structures of each of these names. One pass over the types: to index a kernel's names takes twenty
/// times as long.
pub fn kernel_structs(base: &Btf<'_>) -> KernelStructs {
    let names = KERNEL_STRUCTS.map(|name| base.find_string(name));
    let mut found = KernelStructs::default();
    let mut level = Some(base);
    while let Some(btf) = level {
        for ty in btf.types() {
            let name = Some(ty.name_offset());
            if let Some(number) = names.iter().position(|known| *known == name)
                && ty.kind() == Kind::Struct
            {
                found[number].push(ty.id());
            }
        }
        level = btf.base().map(|base| &**base);
    }
    found
}

/// What tells two structures apart at first sight; what their members refer to is not looked at.
fn difference(base: Type<'_>, own: Type<'_>) -> Option<String> {
    let place = |bit: u32| match bit % 8 {
        0 => format!("offset {}", bit / 8),
        _ => format!("bit {bit}"),
    };
    for (theirs, ours) in base.members().zip(own.members()) {
        let (a, b) = (base.string(theirs.name), own.string(ours.name));
        let name = String::from_utf8_lossy(b);
        if a != b {
            let other = String::from_utf8_lossy(a);
            return Some(format!("member {name} where the base has {other}, at {}", place(ours.bit_offset)));
        }
        if (theirs.bit_offset, theirs.bitfield_size) != (ours.bit_offset, ours.bitfield_size) {
            let (here, there) = (place(ours.bit_offset), place(theirs.bit_offset));
            return Some(format!("member {name} at {here}, the base at {there}"));
        }
    }
    let (ours, theirs) = (own.size().unwrap_or(0), base.size().unwrap_or(0));
    if ours != theirs {
        return Some(format!("{ours} bytes, the base {theirs}"));
    }
    let (ours, theirs) = (own.vlen(), base.vlen());
    (ours != theirs).then(|| format!("{ours} members, the base {theirs}"))
}
