//! Functions and variables.

use super::Wanted;
use super::declarator::{Declared, Place, Printer};
use super::spelling;
use crate::{Btf, Kind, Type, TypeId, error::Result};
use hashbrown::HashMap;

/// The tag of functions that BPF programs can call.
pub(super) const KFUNC: &[u8] = b"bpf_kfunc";

/// The tag of those that keep the registers of their caller.
const FASTCALL: &[u8] = b"bpf_fastcall";

/// Whether a tag on a declaration says what kind of function this is, which is written in another way.
pub(super) fn is_kfunc_tag(tag: Type<'_>) -> bool {
    let function = || tag.owner().get(tag.raw_type_id()).is_ok_and(|ty| ty.kind() == Kind::Func);
    (tag.name() == KFUNC || tag.name() == FASTCALL) && function()
}

/// Sorts functions by name; those of one name by id.
pub(super) fn sort_by_name(btf: &Btf<'_>, functions: &mut [TypeId]) {
    functions.sort_by_cached_key(|&id| (btf.get(id).map(|ty| ty.name().to_vec()).unwrap_or_default(), id));
}

/// Where a variable is.
#[derive(Clone, Copy, Debug)]
struct Spot<'b> {
    section: &'b [u8],
    offset: u32,
    size: u32,
}

impl<'b> Printer<'b, '_> {
    /// Declares functions and variables.
    pub(super) fn externs(&mut self, wanted: &Wanted) -> Result<()> {
        self.assertions.definition(&[]);
        for &id in &wanted.functions {
            self.function(id, &[])?;
        }
        if !wanted.functions.is_empty() {
            self.out.push(b'\n');
        }
        if !wanted.kfuncs.is_empty() {
            self.out.extend_from_slice(KFUNCS);
            for &id in &wanted.kfuncs {
                let fastcall = self.tags.get(&id).is_some_and(|tags| {
                    tags.iter().any(|&tag| self.btf.get(tag).is_ok_and(|tag| tag.name() == FASTCALL))
                });
                let marks: &[&[u8]] = if fastcall {
                    &[b"__weak", b"__ksym", b"__bpf_fastcall"]
                } else {
                    &[b"__weak", b"__ksym"]
                };
                self.function(id, marks)?;
            }
            self.out.extend_from_slice(b"#endif\n\n");
        }
        if !wanted.variables.is_empty() {
            self.out.extend_from_slice(KSYM);
            self.variables(&wanted.variables)?;
        }
        Ok(())
    }

    fn function(&mut self, id: TypeId, marks: &[&[u8]]) -> Result<()> {
        let ty = self.btf.get(id)?;
        if self.options.outside.has_ordinary(ty.name()) {
            return Ok(());
        }
        let (name, suffix) = self.names.function(ty.name());
        self.out.extend_from_slice(b"extern ");
        let place = Place { named: true, ..Place::default() };
        self.declare(ty.raw_type_id(), Declared { name: &name, suffix }, place)?;
        for mark in marks {
            self.out.push(b' ');
            self.out.extend_from_slice(mark);
        }
        self.decl_tags(id, -1);
        self.out.extend_from_slice(b";\n");
        self.count.functions += 1;
        Ok(())
    }

    /// Declares variables by section and name.
    fn variables(&mut self, variables: &[TypeId]) -> Result<()> {
        let spots = spots(self.btf);
        let mut sorted = Vec::with_capacity(variables.len());
        for &id in variables {
            let ty = self.btf.get(id)?;
            let spot = spots.get(&id).copied();
            // What has no place comes last.
            sorted.push((
                spot.is_none(),
                spot.map(|spot| spot.section),
                ty.name(),
                spot.map(|spot| spot.offset),
                id,
            ));
        }
        sorted.sort_unstable();
        let mut section = None;
        for (_, of, name, _, id) in sorted {
            if self.options.outside.has_ordinary(name) {
                continue;
            }
            if section != Some(of) {
                section = Some(of);
                self.out.extend_from_slice(b"\n/* ");
                self.comment(of.unwrap_or(b"of no section"));
                self.out.extend_from_slice(b" */\n");
            }
            self.variable(id, spots.get(&id).copied())?;
        }
        self.out.push(b'\n');
        Ok(())
    }

    fn variable(&mut self, id: TypeId, spot: Option<Spot<'b>>) -> Result<()> {
        let ty = self.btf.get(id)?;
        let (name, suffix) = self.names.ordinary(ty.name());
        self.out.extend_from_slice(b"extern ");
        let place = Place { flexible: true, scope: self.new_scope(), ..Place::default() };
        self.declare(ty.raw_type_id(), Declared { name: &name, suffix }, place)?;
        self.out.extend_from_slice(b" __ksym");
        self.decl_tags(id, -1);
        self.out.push(b';');
        if let Some(spot) = spot {
            self.out.extend_from_slice(b" /* ");
            self.comment(spot.section);
            self.out.extend_from_slice(format!(" + {:#x}, ", spot.offset).as_bytes());
            spelling::number(&mut self.out, u64::from(spot.size));
            self.out.extend_from_slice(b" bytes */");
        }
        self.out.push(b'\n');
        self.count.variables += 1;
        Ok(())
    }

    /// A name inside a comment, which it must not end.
    fn comment(&mut self, text: &[u8]) {
        let shown = text.iter().map(|&byte| match byte {
            b'*' | b'\\' | b'?' | ..=0x1f | 0x7f.. => b'_',
            other => other,
        });
        self.out.extend(shown);
    }
}

/// Where each variable is, by the data sections of the BTF and its bases.
fn spots<'b>(btf: &'b Btf<'_>) -> HashMap<TypeId, Spot<'b>> {
    let mut spots = HashMap::new();
    let mut level = Some(btf);
    while let Some(btf) = level {
        for section in btf.types().filter(|ty| ty.kind() == Kind::DataSec) {
            for entry in section.section_entries() {
                let spot = Spot { section: section.name(), offset: entry.offset, size: entry.size };
                spots.entry(entry.variable).or_insert(spot);
            }
        }
        level = btf.base().map(|base| &**base);
    }
    spots
}

const KFUNCS: &[u8] = b"/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

#ifndef __bpf_fastcall
#if defined(__has_attribute)
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#endif
#endif
#endif
#ifndef __bpf_fastcall
#define __bpf_fastcall
#endif

";

const KSYM: &[u8] = b"/* Variables: section, offset in it, size */
#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif
";
