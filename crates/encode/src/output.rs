//! Everything into one BTF: types, functions, variables, data sections, tags; then each once, in order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use btfkit_btf::{Btf, Builder, ByteOrder, Linkage, SectionEntry, StringOffset, TypeId, dedup, order};

use crate::base::Aside;
use crate::collect::{Collected, StateTag};
use crate::emit::{Emitter, Strings, collapsed, identifier, members};
use crate::error::{Error, Result};
use crate::functions::{FunctionChoice, FunctionSymbols, KFUNC_TAGS, KfuncTag, Verdict};
use crate::names::{Name, Names};
use crate::object::Object;
use crate::options::Options;
use crate::parallel::both;
use crate::record::RecordId;
use crate::settle::Settled;
use crate::side_file;
use crate::symbols::DataSymbols;
use crate::variables::Selection;

/// All that is known when everything is read, settled and selected.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The object whose sections and symbols count.
    pub object: &'a Object,
    /// What was asked for.
    pub options: &'a Options,
    /// What the units hold.
    pub collected: &'a Collected,
    /// Names.
    pub names: &'a Names<'a>,
    /// The offsets of some names in the base, [`StringOffset::EMPTY`] of those that it does not have.
    pub base_strings: &'a [(Name, StringOffset)],
    /// What names of types mean.
    pub settled: &'a Settled,
    /// The `int` that indexes all arrays.
    pub index: RecordId,
    /// What became of each function.
    pub choices: &'a [FunctionChoice],
    /// What became of each variable.
    pub selection: &'a Selection,
    /// Data symbols and sections.
    pub data: &'a DataSymbols,
    /// Function symbols.
    pub symbols: &'a FunctionSymbols,
    /// Kernel functions for BPF programs.
    pub kfuncs: &'a [KfuncTag],
}

/// Writes everything, in no particular order and with duplicates.
pub fn write(facts: &Facts<'_>) -> Result<Vec<u8>> {
    let Facts { object, options, collected, names, settled, index, choices, selection, data, kfuncs, .. } =
        *facts;
    let order = if object.is_big_endian() { ByteOrder::Big } else { ByteOrder::Little };
    let mut builder = match &options.base {
        Some(base) => Builder::split(Arc::clone(base.btf()?)),
        None => Builder::new(order),
    };
    if options.layout && options.base.is_none() {
        builder = builder.with_layout();
    }
    let table = &collected.table;
    let mut strings = Strings::new(names, options.collapsed_prefix.as_deref());
    strings.know(facts.base_strings);
    let mut emitter = Emitter::new(table, settled, index, &options.features, &builder);
    if !options.only_variables {
        for (record, world) in settled.types() {
            emitter.id(record, world);
        }
    }
    let kept: Vec<&FunctionChoice> =
        choices.iter().filter(|choice| choice.verdict == Verdict::Kept).collect();
    let prototypes: Vec<TypeId> =
        kept.iter().map(|choice| emitter.id(choice.prototype, settled.world(choice.unit))).collect();
    let types: Vec<TypeId> =
        selection.variables.iter().map(|variable| emitter.id(variable.target, variable.world)).collect();
    emitter.types(&mut builder, &mut strings)?;

    let mut tags: BTreeMap<(TypeId, i32, Vec<u8>), ()> = BTreeMap::new();
    let features = &options.features;
    let prefix = options.collapsed_prefix.as_deref();
    if !options.only_variables {
        for &(record, component, value) in &collected.type_tags {
            let view = table.get(record);
            if component >= 0 && component as usize >= members(view).count() {
                continue;
            }
            for id in emitter.ids_of(record) {
                tags.insert((id, component, names.bytes(value).to_vec()), ());
            }
        }
    }
    let state_tags: BTreeMap<(u32, u32), Vec<&StateTag>> =
        collected.state_tags.iter().fold(BTreeMap::new(), |mut map, tag| {
            map.entry(tag.state).or_insert_with(Vec::new).push(tag);
            map
        });
    for (choice, &prototype) in kept.iter().zip(&prototypes) {
        let bytes = identifier(collapsed(names.bytes(choice.name), prefix)).into_owned();
        let name = builder.string(&bytes);
        let id = builder.function(name, prototype, Linkage::Static);
        if features.kfunc_tags
            && let Ok(found) = kfuncs.binary_search_by(|kfunc| kfunc.name.as_slice().cmp(&bytes))
        {
            let [all, fastcall] = KFUNC_TAGS;
            tags.insert((id, -1, all.to_vec()), ());
            if kfuncs[found].fastcall {
                tags.insert((id, -1, fastcall.to_vec()), ());
            }
        }
        let state = &collected.functions[choice.state as usize];
        for tag in state_tags.get(&(state.unit, state.node)).into_iter().flatten() {
            let parameters = table.get(choice.prototype).words.len() / 2;
            let changed = parameters != table.get(state.prototype).words.len() / 2;
            let Some(component) = state.component(tag.component, changed) else { continue };
            if component < parameters as i32 {
                tags.insert((id, component, names.bytes(tag.value).to_vec()), ());
            }
        }
    }
    let mut entries: BTreeMap<u32, Vec<SectionEntry>> = BTreeMap::new();
    let mut first = None;
    for (variable, &target) in selection.variables.iter().zip(&types) {
        let name = builder.string(&identifier(collapsed(names.bytes(variable.name), prefix)));
        let linkage = if variable.global { Linkage::Global } else { Linkage::Static };
        let id = builder.variable(name, target, linkage);
        first.get_or_insert(id);
        if let Some(place) = variable.place {
            let entry =
                SectionEntry { variable: id, offset: place.offset as u32, size: variable.size as u32 };
            entries.entry(place.section).or_default().push(entry);
        }
        let state = &collected.variables[variable.state as usize];
        for tag in state_tags.get(&(state.unit, state.node)).into_iter().flatten() {
            tags.insert((id, -1, names.bytes(tag.value).to_vec()), ());
        }
    }
    for (section, entries) in entries {
        let Some(section) = data.section(section) else { continue };
        if entries.len() > usize::from(u16::MAX) {
            let name = String::from_utf8_lossy(&section.name).into_owned();
            return Err(Error::TooManyVariables { section: name, count: entries.len() });
        }
        let name = builder.string(&section.name);
        builder.data_section(name, u32::try_from(section.size).unwrap_or(u32::MAX), &entries)?;
    }
    if !features.declaration_tags {
        tags.clear();
    } else if let (Some(base), Some(first), true) = (&options.base, first, options.only_variables) {
        let told = side_file::provenance(object, base.btf()?);
        tags.extend(told.tags().into_iter().map(|tag| ((first, -1, tag), ())));
    }
    for ((target, component, value), ()) in tags {
        let value: StringOffset = builder.string(&value);
        builder.decl_tag(value, target, component);
    }
    Ok(builder.finish()?)
}

/// Merges duplicates and sorts by name.
pub fn finish(bytes: Vec<u8>, options: &Options, aside: Option<Aside>, threads: usize) -> Result<Vec<u8>> {
    let raw = view(bytes, options)?;
    if let Some(base) = &options.base {
        // The base has most of it: only what is left is worth sorting.
        let unique = base.deduplicate(&raw, aside)?;
        let unique = view(unique.rewrite(&raw)?.builder.finish()?, options)?;
        return Ok(order::permute(&unique, &order::by_name(&unique)?)?.bytes);
    }
    let (unique, order) = both(threads, || dedup::deduplicate(&raw), || order::by_name(&raw));
    let (unique, mut order) = (unique?, order?);
    order.retain(|&id| unique.representative(id) == id);
    Ok(order::permute_merged(&raw, &order, |id| unique.representative(id))?.bytes)
}

/// A BTF of this encode, on its base if it has one.
pub fn view<'a>(bytes: impl Into<Cow<'a, [u8]>>, options: &'a Options) -> Result<Btf<'a>> {
    Ok(match &options.base {
        Some(base) => Btf::parse_split(bytes, Arc::clone(base.btf()?))?,
        None => Btf::parse(bytes)?,
    })
}
