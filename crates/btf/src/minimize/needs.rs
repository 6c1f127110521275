//! [`Needs`]: what an object asks of kernels, whichever they are.

use std::fmt;

use hashbrown::HashSet;

use crate::core::{Spec, essential};
use crate::ext::Ext;
use crate::{Btf, Kind, TypeId, error::Result};

/// What is needed of a BPF object.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// Its BTF.
    pub btf: &'a Btf<'a>,
    /// Its section `.BTF.ext`.
    pub ext: Option<&'a [u8]>,
    /// Names of its ELF sections: those of programs say what they attach to.
    pub sections: Vec<&'a [u8]>,
}

/// What an object asks of a kernel's types.
#[derive(Clone, Debug)]
pub struct Needs<'a> {
    pub(super) btf: &'a Btf<'a>,
    pub(super) specs: Vec<Spec>,
    pub(super) named: Vec<Named>,
}

/// Something of a kernel that an object calls by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Named {
    pub(super) kind: Kind,
    /// Without flavour.
    pub(super) name: Vec<u8>,
    /// The object's own declaration, which loaders compare the kernel's with.
    pub(super) local: Option<TypeId>,
    /// Whether all members are wanted.
    pub(super) with_members: bool,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            Kind::Func => "function",
            Kind::Var => "variable",
            Kind::Typedef => "typedef",
            _ => "struct",
        };
        write!(f, "{word} {}", String::from_utf8_lossy(&self.name))
    }
}

/// Sections of programs that attach to something which BTF describes: how they begin, what of it and with which prefix.
const ATTACHMENTS: [(&[u8], Kind, &[u8]); 13] = [
    (b"fentry/", Kind::Func, b""),
    (b"fentry.s/", Kind::Func, b""),
    (b"fexit/", Kind::Func, b""),
    (b"fexit.s/", Kind::Func, b""),
    (b"fmod_ret/", Kind::Func, b""),
    (b"fmod_ret.s/", Kind::Func, b""),
    (b"fsession/", Kind::Func, b""),
    (b"tp_btf/", Kind::Typedef, b"btf_trace_"),
    (b"lsm/", Kind::Func, b"bpf_lsm_"),
    (b"lsm.s/", Kind::Func, b"bpf_lsm_"),
    (b"lsm_cgroup/", Kind::Func, b"bpf_lsm_"),
    (b"iter/", Kind::Func, b"bpf_iter_"),
    (b"iter.s/", Kind::Func, b"bpf_iter_"),
];

impl<'a> Needs<'a> {
    /// What an object asks by its relocations.
    ///
    /// # Errors
    /// `.BTF.ext` or a relocation in it is broken.
    pub fn of_relocations(object: &Object<'a>) -> Result<Self> {
        let mut specs = Vec::new();
        let (mut seen, mut known) = (HashSet::new(), HashSet::new());
        if let Some(ext) = object.ext {
            for relocation in Ext::parse(ext)?.relocations().flat_map(|section| section.records) {
                // The instruction makes no difference.
                if seen.insert((relocation.type_id, relocation.access, relocation.kind))
                    && let Some(spec) = Spec::parse(object.btf, &relocation)?
                    && known.insert(spec.clone())
                {
                    specs.push(spec);
                }
            }
        }
        Ok(Self { btf: object.btf, specs, named: Vec::new() })
    }

    /// What an object asks by its relocations, by `__ksym` declarations, `struct_ops` and what its programs attach to.
    ///
    /// # Errors
    /// As [`Needs::of_relocations`]; or a type is missing.
    pub fn of(object: &Object<'a>) -> Result<Self> {
        let mut needs = Self::of_relocations(object)?;
        let btf = object.btf;
        for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            let name = section.name();
            let operations = name.starts_with(b".struct_ops") || name.starts_with(b"?.struct_ops");
            if name != b".ksyms" && !operations {
                continue;
            }
            for entry in section.section_entries() {
                let ty = btf.get(entry.variable)?;
                if operations {
                    let ty = btf.skip_modifiers(ty.type_id().unwrap_or_default())?;
                    let name = essential(ty.name());
                    let wrapper = [&b"bpf_struct_ops_"[..], name].concat();
                    for name in [name.to_vec(), wrapper] {
                        needs.named.push(Named { kind: Kind::Struct, name, local: None, with_members: true });
                    }
                } else if matches!(ty.kind(), Kind::Func | Kind::Var) {
                    let name = essential(ty.name()).to_vec();
                    needs.named.push(Named {
                        kind: ty.kind(),
                        name,
                        local: Some(ty.id()),
                        with_members: false,
                    });
                }
            }
        }
        for section in &object.sections {
            // A question mark: loaded on demand only.
            let section = section.strip_prefix(b"?").unwrap_or(section);
            for (start, kind, prefix) in ATTACHMENTS {
                if let Some(name) = section.strip_prefix(start).filter(|name| !name.is_empty()) {
                    let name = [prefix, name].concat();
                    needs.named.push(Named { kind, name, local: None, with_members: false });
                }
            }
        }
        let mut seen = HashSet::new();
        needs.named.retain(|named| seen.insert(named.clone()));
        Ok(needs)
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty() && self.named.is_empty()
    }

    /// Kinds and names of the types that are asked for.
    pub(super) fn names(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let roots = self.specs.iter().filter_map(|spec| self.btf.get(spec.root).ok());
        let roots = roots.map(|ty| (ty.kind(), essential(ty.name())));
        roots.chain(self.named.iter().map(|named| (named.kind, &named.name[..])))
    }
}
