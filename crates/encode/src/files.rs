//! The files that hold the DWARF of one object: itself, its separate debug file, the file that `dwz` moved common
//! entries to, and the `.dwo` files or the `.dwp` package of split units.

use hashbrown::HashMap;
use std::borrow::Cow;
use std::cell::RefCell;

use crate::collect::Skeleton;
use crate::dwarf::Dwarf;
use crate::dwarf::bytes::Damage;
use crate::dwarf::unit::{UnitHeader, UnitKind, UnitRoot};
use crate::error::Result;
use crate::object::companion::Companions;
use crate::object::{Object, Section, package::Package};

/// The objects, opened.
#[derive(Debug)]
pub struct Files<'o> {
    /// The object that was asked for.
    pub object: &'o Object,
    /// Where its DWARF is, if not in itself.
    debug: Option<Object>,
    alternate: Option<Object>,
    package: Option<Object>,
    split: Vec<Object>,
    /// Units whose split part was not found: the file's name.
    pub missing: Vec<String>,
    /// That of the object, until it is asked for: in a relocatable file it takes a while to get at.
    dwarf: RefCell<Option<Dwarf<'o>>>,
}

/// The DWARF of the files, and its units.
#[derive(Debug, Default)]
pub struct Units<'d> {
    /// One for each file; the first is the object's.
    pub files: Vec<Dwarf<'d>>,
    /// The units of all files.
    pub units: Vec<UnitHeader>,
    /// By unit, for split ones.
    pub skeletons: HashMap<u32, Skeleton>,
    /// Which of the files is the one of `dwz`.
    pub alternate: Option<u32>,
    /// Unit headers that could not be read.
    pub damage: Vec<Damage>,
}

/// The strings of the DWARF of `object`, if it is relocatable, so that they take as long to index as the rest to relocate, and
/// if they stand in the file as they are. What is wrong with them is told when they are read.
pub fn strings_beside(object: &Object) -> &[u8] {
    let mut sections = object.debug_sections("str").filter(Section::has_content);
    let (Some(section), None) = (sections.next(), sections.next()) else { return &[] };
    if !object.is_relocatable() || !object.has_debug_info() || section.is_compressed() {
        return &[];
    }
    match object.section_content(section.index).map(|content| content.bytes) {
        Ok(Cow::Borrowed(bytes)) => bytes,
        _ => &[],
    }
}

/// A split unit that a skeleton names.
struct SplitUnit {
    id: Option<u64>,
    directory: Vec<u8>,
    name: Vec<u8>,
    skeleton: Skeleton,
}

impl<'o> Files<'o> {
    /// Finds all files of `object`.
    pub fn open(object: &'o Object, companions: &Companions) -> Result<Self> {
        let mut files = Self {
            object,
            debug: None,
            alternate: None,
            package: None,
            split: Vec::new(),
            missing: Vec::new(),
            dwarf: RefCell::default(),
        };
        if !object.has_debug_info() {
            files.debug = companions.debug_file(object).found;
        }
        let main = files.debug.as_ref().unwrap_or(object);
        let alternate = companions.alternate_file(main).found;
        let (skeletons, dwarf) = match files.debug.is_some() {
            true => (skeletons(&Dwarf::of(main, false)?), None),
            false => {
                let dwarf = Dwarf::of(object, false)?;
                (skeletons(&dwarf), Some(dwarf))
            }
        };
        let mut split = Vec::new();
        let mut package = None;
        if !skeletons.is_empty() {
            package = companions.package_file(main).found;
            for unit in skeletons.iter().filter(|_| package.is_none()) {
                match companions.split_unit(main, &unit.directory, &unit.name).found {
                    Some(found) => split.push(found),
                    None => files.missing.push(String::from_utf8_lossy(&unit.name).into_owned()),
                }
            }
        }
        files.alternate = alternate;
        files.package = package;
        files.split = split;
        files.dwarf = RefCell::new(dwarf);
        Ok(files)
    }

    /// The object whose symbols and sections count.
    pub fn main(&self) -> &Object {
        self.debug.as_ref().unwrap_or(self.object)
    }

    /// The units of all files.
    pub fn units(&self) -> Result<Units<'_>> {
        let mut units = Units::default();
        let mut main = match self.dwarf.take() {
            Some(dwarf) => dwarf,
            None => Dwarf::of(self.main(), false)?,
        };
        if let Some(alternate) = &self.alternate {
            let dwarf = Dwarf::of(alternate, false)?;
            main.alternate_str = Cow::Owned(dwarf.str.to_vec());
            let file = 1;
            units.add(main);
            units.add(dwarf);
            units.alternate = Some(file);
        } else {
            units.add(main);
        }
        let skeletons = skeletons(&units.files[0]);
        let by_id = |id: Option<u64>| skeletons.iter().find(|unit| unit.id == id).map(|unit| unit.skeleton);
        for object in &self.split {
            let dwarf = Dwarf::of(object, true)?.with_addresses_of(&units.files[0]);
            units.add_split(dwarf, by_id);
        }
        if let Some(object) = &self.package {
            let package = Package::new(object)?;
            let whole = Dwarf::of(object, true)?.with_addresses_of(&units.files[0]);
            let mut parts = Vec::new();
            for unit in &skeletons {
                let Some(id) = unit.id else { continue };
                parts.extend(package.unit(id)?);
            }
            for unit in whole.units(0).0 {
                if let UnitKind::Type { signature, .. } = unit.kind {
                    parts.extend(package.type_unit(signature)?);
                }
            }
            for parts in parts {
                let ranges: Vec<_> = parts.into_iter().map(|part| (part.name, part.range)).collect();
                units.add_split(whole.clone().restricted_to(&ranges), by_id);
            }
        }
        Ok(units)
    }
}

impl<'d> Units<'d> {
    fn add(&mut self, dwarf: Dwarf<'d>) -> std::ops::Range<usize> {
        let (headers, damage) = dwarf.units(self.files.len() as u32);
        let start = self.units.len();
        self.units.extend(headers);
        self.damage.extend(damage);
        self.files.push(dwarf);
        start..self.units.len()
    }

    fn add_split(&mut self, dwarf: Dwarf<'d>, skeleton: impl Fn(Option<u64>) -> Option<Skeleton>) {
        let range = self.add(dwarf);
        for number in range {
            let unit = &self.units[number];
            let file = &self.files[unit.file as usize];
            let id = unit.dwo_id.or_else(|| UnitRoot::read(file, unit).ok().and_then(|root| root.dwo_id));
            if let Some(skeleton) = skeleton(id) {
                self.skeletons.insert(number as u32, skeleton);
            }
        }
    }
}

/// The units of a file that stand for split ones.
fn skeletons(dwarf: &Dwarf<'_>) -> Vec<SplitUnit> {
    // Before DWARF 5 only the root DIE tells a skeleton; a kernel's first unit tells for all.
    let (units, _) = dwarf.units(0);
    let maybe = |unit: &&UnitHeader| {
        unit.kind == UnitKind::Skeleton || (unit.format.version < 5 && unit.kind == UnitKind::Compile)
    };
    units
        .iter()
        .filter(maybe)
        .filter_map(|unit| {
            let root = UnitRoot::read(dwarf, unit).ok()?;
            Some(SplitUnit {
                id: unit.dwo_id.or(root.dwo_id),
                directory: root.directory.map(Cow::into_owned).unwrap_or_default(),
                name: root.dwo_name?.into_owned(),
                skeleton: Skeleton { address_base: root.address_base, low_pc: root.low_pc },
            })
        })
        .collect()
}
