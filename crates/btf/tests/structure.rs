//! How structures lie in memory: gaps, attributes, better orders, and structures that no compiler makes.

use btfkit_btf::structure::{Sharing, Structure, Structures, containers, pointers};
use btfkit_btf::{Array, Btf, Builder, ByteOrder, IntEncoding, Kind, Member, TypeId};

/// A BTF in the making, with the types that most structures are of.
struct Draft {
    builder: Builder<'static>,
    char: TypeId,
    int: TypeId,
    long: TypeId,
}

impl Draft {
    fn new(order: ByteOrder) -> Self {
        let mut builder = Builder::new(order);
        let [char, int, long] = [(b"char" as &[u8], 1), (b"int", 4), (b"long", 8)].map(|(name, size)| {
            let name = builder.string(name);
            builder.int(name, size, IntEncoding::signed(size as u8 * 8))
        });
        Self { builder, char, int, long }
    }

    /// A structure of members by type, first bit and width of a bit-field.
    fn structure(&mut self, name: &str, size: u32, members: &[(TypeId, u32, u8)]) -> TypeId {
        let name = self.builder.string(name.as_bytes());
        let members: Vec<Member> = members
            .iter()
            .enumerate()
            .map(|(index, &(type_id, bit_offset, bitfield_size))| {
                let name = self.builder.string(format!("m{index}").as_bytes());
                Member { name, type_id, bit_offset, bitfield_size }
            })
            .collect();
        self.builder.aggregate(Kind::Struct, name, size, &members).unwrap()
    }

    fn finish(self) -> Btf<'static> {
        Btf::parse(self.builder.finish().unwrap()).unwrap()
    }
}

/// One structure, measured.
fn measured(size: u32, members: impl FnOnce(&Draft) -> Vec<(TypeId, u32, u8)>) -> Structure {
    let mut draft = Draft::new(ByteOrder::NATIVE);
    let members = members(&draft);
    let id = draft.structure("s", size, &members);
    let btf = draft.finish();
    Structures::new(&btf).get(id).unwrap().clone()
}

#[test]
fn gaps_are_holes_between_members_and_padding_behind_the_last() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut draft = Draft::new(order);
        let (char, long) = (draft.char, draft.long);
        // struct s { char a; long b; char c; };
        let id = draft.structure("s", 24, &[(char, 0, 0), (long, 64, 0), (char, 128, 0)]);
        let btf = draft.finish();
        let mut structures = Structures::new(&btf);
        let s = structures.get(id).unwrap();
        assert_eq!((s.fields[0].hole, s.fields[1].hole), (7, 0));
        assert_eq!((s.holes, s.sum_holes, s.padding, s.sum_members), (1, 7, 7, 10));
        assert_eq!((s.natural_alignment, s.alignment, s.packed), (8, 0, false));
    }
}

#[test]
fn gaps_of_bits_end_where_their_unit_or_the_next_member_begins() {
    // struct s { int a:3, :2, b:3; int c; };
    let s = measured(8, |d| vec![(d.int, 0, 3), (d.int, 5, 3), (d.int, 32, 0)]);
    assert_eq!((s.fields[0].bit_hole, s.fields[1].bit_hole), (2, 24));
    assert_eq!((s.bit_holes, s.sum_bit_holes, s.holes, s.sum_bits), (2, 26, 0, 6));
    // struct s { int a:4; long b; };
    let s = measured(16, |d| vec![(d.int, 0, 4), (d.long, 64, 0)]);
    assert_eq!((s.fields[0].bit_hole, s.fields[0].hole), (28, 4));
    // struct s { char a; int b:30; }; without room between: the unit of b begins with a.
    let s = measured(8, |d| vec![(d.char, 0, 0), (d.int, 8, 20)]);
    assert_eq!((s.fields[1].offset, s.fields[1].bit_offset, s.fields[1].sharing), (0, 8, Sharing::Previous));
    // struct s { int a:1; char b; };
    let s = measured(4, |d| vec![(d.int, 0, 1), (d.char, 8, 0)]);
    assert_eq!((s.fields[0].bit_hole, s.fields[1].sharing, s.padding), (7, Sharing::Next, 2));
    // struct s { long a; int b:1; };
    let s = measured(16, |d| vec![(d.long, 0, 0), (d.int, 64, 1)]);
    assert_eq!((s.bit_padding, s.padding), (31, 4));
}

#[test]
fn bit_fields_of_older_btf_have_their_width_in_their_type() {
    let mut draft = Draft::new(ByteOrder::NATIVE);
    let name = draft.builder.string(b"unsigned int");
    let three = draft.builder.int(name, 4, IntEncoding::unsigned(3));
    let id = draft.structure("s", 4, &[(three, 0, 0), (three, 3, 0)]);
    let btf = draft.finish();
    let mut structures = Structures::new(&btf);
    let s = structures.get(id).unwrap();
    assert_eq!((s.fields[1].offset, s.fields[1].bit_offset, s.fields[1].bit_size), (0, 3, 3));
    assert_eq!((s.sum_bits, s.bit_padding), (6, 26));
}

#[test]
fn attributes_are_inferred_from_gaps_and_from_their_absence() {
    // struct s { char a; long b; } packed;
    let s = measured(9, |d| vec![(d.char, 0, 0), (d.long, 8, 0)]);
    assert!(s.packed && s.alignment == 0 && s.required_alignment == 1);
    // struct s { int a; int b aligned(16); };
    let s = measured(32, |d| vec![(d.int, 0, 0), (d.int, 128, 0)]);
    assert_eq!((s.fields[1].alignment, s.forced().holes, s.forced().sum_holes), (16, 1, 12));
    assert_eq!((s.padding, s.alignment), (12, 16));
    // A cache line is preferred to what would do as well.
    let s = measured(128, |d| vec![(d.long, 0, 0), (d.long, 64, 0), (d.int, 512, 0)]);
    assert_eq!(s.fields[2].alignment, 64);
}

#[test]
fn a_better_order_keeps_alignments_and_moves_little() {
    // struct s { int a; long b; short-sized c; long d; char e; }
    let s = measured(32, |d| {
        vec![(d.char, 0, 0), (d.long, 64, 0), (d.int, 128, 0), (d.char, 160, 0), (d.long, 192, 0)]
    });
    let better = s.repack().unwrap();
    assert_eq!((better.structure.size, better.saved), (24, 8));
    assert!(better.structure.fields.iter().all(|f| f.offset.is_multiple_of(f.natural_alignment)));
    assert_eq!(better.structure.fields[0].name, s.fields[0].name, "the first stays");
    // The moves lead there.
    let mut names: Vec<_> = s.fields.iter().map(|field| field.name).collect();
    for step in &better.moves {
        let moved = names.remove(step.index);
        assert_eq!(moved, step.name);
        names.insert(step.target, moved);
    }
    assert_eq!(names, better.structure.fields.iter().map(|field| field.name).collect::<Vec<_>>());
    assert!(measured(16, |d| vec![(d.long, 0, 0), (d.int, 64, 0), (d.char, 96, 0)]).repack().is_none());
    // What is packed, or laid out by rules that BTF does not tell, is left alone.
    assert!(measured(9, |d| vec![(d.char, 0, 0), (d.long, 8, 0)]).repack().is_none());
    assert!(measured(64, |d| vec![(d.char, 0, 0), (d.char, 100, 3), (d.char, 256, 0)]).repack().is_none());
}

#[test]
fn structures_are_found_by_what_is_in_them() {
    let mut draft = Draft::new(ByteOrder::NATIVE);
    let int = draft.int;
    let inner = draft.structure("inner", 4, &[(int, 0, 0)]);
    let pointer = draft.builder.pointer(inner);
    let outer = draft.structure("outer", 16, &[(inner, 0, 0), (pointer, 64, 0)]);
    let btf = draft.finish();
    let found: Vec<TypeId> = containers(&btf, &[inner]).iter().map(|ty| ty.id()).collect();
    assert_eq!(found, [outer]);
    let found = pointers(&btf, &[inner]);
    assert_eq!((found[0].0.id(), found[0].1[0].bit_offset), (outer, 64));
    assert!(containers(&btf, &[TypeId(4_000_000)]).is_empty());
}

#[test]
fn nesting_as_deep_as_the_btf_is_long_needs_no_deep_stack() {
    let mut draft = Draft::new(ByteOrder::NATIVE);
    let first = draft.builder.next_id();
    const DEPTH: u32 = 200_000;
    for level in 0..DEPTH {
        let inside = if level + 1 == DEPTH { draft.int } else { TypeId(first.0 + level + 1) };
        draft.structure("s", 4, &[(inside, 0, 0)]);
    }
    let btf = draft.finish();
    let mut structures = Structures::new(&btf);
    assert_eq!(structures.get(first).unwrap().natural_alignment, 4);
}

#[test]
fn what_no_compiler_makes_is_measured_all_the_same() {
    let mut draft = Draft::new(ByteOrder::NATIVE);
    let (char, int) = (draft.char, draft.int);
    let id = draft.builder.next_id();
    let huge = draft.builder.array(Array { element: TypeId(id.0 + 1), index: int, count: u32::MAX });
    // Contains itself, an array of four thousand million of itself, what does not exist, and overlaps.
    draft.structure(
        "s",
        u32::MAX,
        &[
            (TypeId(id.0 + 1), 64, 0),
            (huge, 32, 0),
            (TypeId(7_000_000), 0xff_ffff, 255),
            (huge, 7, 255),
            (char, 0, 0),
            (int, 0xff_ffff, 31),
            (int, 3, 200),
        ],
    );
    let around = draft.structure("t", 0, &[(huge, 0xff_fff8, 0), (huge, 0, 0)]);
    let btf = draft.finish();
    let mut structures = Structures::new(&btf);
    for id in 0..=btf.next_id().0 {
        if let Some(structure) = structures.get(TypeId(id)).cloned() {
            let _ = (structure.repack(), structure.forced(), structures.inner(&structure));
            assert!(structure.with_order(&[0, 9]).is_none());
        }
    }
    assert_eq!(structures.get(around).unwrap().fields.len(), 2);
}
