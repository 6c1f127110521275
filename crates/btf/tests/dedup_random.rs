//! Deduplication of random graphs against the definition of sameness, computed the slow way.

use btfkit_btf::{
    Array, Btf, Builder, ByteOrder, Enumerator, IntEncoding, Kind, Linkage, Member, Param, TypeId, dedup,
};
use std::collections::HashMap;
use std::sync::Arc;

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % u64::from(bound)) as u32
    }
}

/// A type of a random graph; references are indices into the graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    kind: Kind,
    name: Option<u32>,
    /// A size, a flag, a component: whatever else the kind holds.
    detail: u32,
    children: Vec<usize>,
}

fn graph(random: &mut Random, size: usize, forwards: bool) -> Vec<Node> {
    (0..size)
        .map(|_| {
            let kinds: &[(Kind, u32, bool)] = &[
                (Kind::Int, 0, true),
                (Kind::Ptr, 1, false),
                (Kind::Ptr, 1, false),
                (Kind::Const, 1, false),
                (Kind::Array, 1, false),
                (Kind::Struct, 3, true),
                (Kind::Struct, 3, true),
                (Kind::Struct, 2, false),
                (Kind::Union, 2, true),
                (Kind::Typedef, 1, true),
                (Kind::FuncProto, 2, false),
                (Kind::Func, 1, true),
                (Kind::Enum, 0, true),
                (Kind::Enum, 0, false),
                (Kind::DeclTag, 1, true),
                (Kind::Fwd, 0, true),
                (Kind::Fwd, 0, true),
            ];
            let (kind, most, named) =
                kinds[random.below(kinds.len() as u32 - if forwards { 0 } else { 2 }) as usize];
            let children = match kind {
                Kind::Struct | Kind::Union | Kind::FuncProto => random.below(most + 1),
                _ => most,
            };
            Node {
                kind,
                name: named.then(|| random.below(2)),
                detail: u32::from(
                    !matches!(kind, Kind::Ptr | Kind::Const | Kind::Typedef | Kind::FuncProto)
                        && random.below(4) == 0,
                ),
                children: (0..children).map(|_| random.below(size as u32) as usize).collect(),
            }
        })
        .collect()
}

/// Writes the nodes in this order; the ids of `order[0]`, `order[1]`, … are 1, 2, ….
fn build(nodes: &[Node], order: &[usize]) -> Vec<u8> {
    build_with(Builder::new(ByteOrder::Little), nodes, order)
}

/// The same behind what the builder has or stands on.
fn build_with(mut builder: Builder<'_>, nodes: &[Node], order: &[usize]) -> Vec<u8> {
    let mut place = vec![TypeId::VOID; nodes.len()];
    for (at, &index) in order.iter().enumerate() {
        place[index] = TypeId(builder.next_id().0 + at as u32);
    }
    for &index in order {
        let node = &nodes[index];
        let name =
            node.name.map_or_else(Default::default, |name| builder.string(format!("name{name}").as_bytes()));
        let field = builder.string(b"field");
        let child = |at: usize| place[node.children[at]];
        let detail = node.detail;
        match node.kind {
            Kind::Int => builder.int(name, 4, IntEncoding::unsigned(31 + detail as u8)),
            Kind::Ptr => builder.pointer(child(0)),
            Kind::Const => builder.modifier(Kind::Const, child(0)).unwrap(),
            Kind::Array => builder.array(Array { element: child(0), index: child(0), count: detail }),
            Kind::Struct | Kind::Union => {
                let members: Vec<Member> = (0..node.children.len())
                    .map(|at| Member { name: field, type_id: child(at), ..Member::default() })
                    .collect();
                builder.aggregate(node.kind, name, detail, &members).unwrap()
            }
            Kind::Typedef => builder.typedef(name, child(0)),
            Kind::FuncProto => {
                let params: Vec<Param> =
                    (0..node.children.len()).map(|at| Param { name: field, type_id: child(at) }).collect();
                builder.function_proto(TypeId::VOID, &params).unwrap()
            }
            Kind::Func => builder.function(name, child(0), Linkage::from_number(detail)),
            Kind::Enum => {
                let values = [Enumerator { name: field, value: i128::from(detail) }];
                builder.enumeration(name, 4, false, &values).unwrap()
            }
            Kind::DeclTag => builder.decl_tag(name, child(0), detail as i32),
            Kind::Fwd => builder.forward(name, detail != 0),
            other => unreachable!("{other}"),
        };
    }
    builder.finish().unwrap()
}

/// Sameness by its definition: everything is the same until it is seen to differ, level by level. A forward declaration
/// has the colour of the definitions of its name as long as they have one.
fn colours(nodes: &[Node]) -> Vec<usize> {
    let tag = |node: &Node| match node.kind {
        Kind::Fwd => (node.detail != 0, node.name),
        kind => (kind == Kind::Union, node.name),
    };
    let is_definition = |node: &Node| matches!(node.kind, Kind::Struct | Kind::Union) && node.name.is_some();
    let mut colours = vec![0; nodes.len()];
    loop {
        let mut known = HashMap::new();
        let mut next: Vec<usize> = nodes
            .iter()
            .map(|node| {
                let children: Vec<usize> = node.children.iter().map(|&child| colours[child]).collect();
                let fresh = known.len();
                *known
                    .entry((node.kind, node.name, node.detail, node.children.len(), children))
                    .or_insert(fresh)
            })
            .collect();
        let settled = next.clone();
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Fwd) {
            let mut meanings: Vec<usize> = (0..nodes.len())
                .filter(|&other| is_definition(&nodes[other]) && tag(&nodes[other]) == tag(node))
                .map(|other| settled[other])
                .collect();
            meanings.sort_unstable();
            meanings.dedup();
            if let [only] = meanings[..] {
                next[index] = only;
            }
        }
        let count = |colours: &[usize]| colours.iter().collect::<std::collections::HashSet<_>>().len();
        if count(&next) == count(&colours) {
            return next;
        }
        colours = next;
    }
}

/// Numbers the classes of a partition by their first members.
fn normal<T: std::hash::Hash + Eq>(partition: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut known = HashMap::new();
    partition
        .into_iter()
        .map(|class| {
            let fresh = known.len();
            *known.entry(class).or_insert(fresh)
        })
        .collect()
}

/// The partition that deduplication makes of the nodes when they are written in this order.
fn deduplicated(nodes: &[Node], order: &[usize]) -> (Vec<usize>, dedup::Report) {
    let bytes = build(nodes, order);
    let btf = Btf::parse(bytes).unwrap();
    let found = dedup::deduplicate(&btf).unwrap();
    let mut partition = vec![TypeId::VOID; nodes.len()];
    for (at, &index) in order.iter().enumerate() {
        partition[index] = found.map()[at];
    }
    for &representative in found.map() {
        assert_eq!(found.representative(representative), representative);
    }
    let once = found.rewrite(&btf).unwrap().builder.finish().unwrap();
    let once = Btf::parse(once).unwrap();
    assert_eq!(once.type_count(), found.report.types_out);
    let again = dedup::deduplicate(&once).unwrap();
    assert_eq!(again.report.types_out, once.type_count(), "a second time finds more: {nodes:?}");
    (normal(partition), found.report)
}

fn shuffled(random: &mut Random, size: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..size).collect();
    for last in (1..size).rev() {
        order.swap(last, random.below(last as u32 + 1) as usize);
    }
    order
}

#[test]
fn types_merge_exactly_when_they_are_the_same_unfolded() {
    let mut random = Random(0x5EED);
    for round in 0..6000 {
        let size = 2 + random.below(40) as usize;
        let nodes = graph(&mut random, size, false);
        let order: Vec<usize> = (0..size).collect();
        let (partition, _) = deduplicated(&nodes, &order);
        assert_eq!(partition, normal(colours(&nodes)), "round {round}: {nodes:#?}");
    }
}

#[test]
fn forward_declarations_are_the_one_type_of_their_name() {
    let mut random = Random(0xF0F0);
    let (mut compared, mut resolved) = (0, 0);
    for round in 0..12000 {
        let size = 2 + random.below(20) as usize;
        let nodes = graph(&mut random, size, true);
        let order: Vec<usize> = (0..size).collect();
        let (partition, report) = deduplicated(&nodes, &order);
        let ambiguous = |node: &&Node| {
            node.kind == Kind::Fwd && {
                let kind = if node.detail != 0 { Kind::Union } else { Kind::Struct };
                let colours = colours(&nodes);
                let mut meanings: Vec<usize> = (0..size)
                    .filter(|&other| nodes[other].kind == kind && nodes[other].name == node.name)
                    .map(|other| colours[other])
                    .collect();
                meanings.sort_unstable();
                meanings.dedup();
                meanings.len() > 1
            }
        };
        if nodes.iter().any(|node| ambiguous(&node)) {
            continue;
        }
        compared += 1;
        resolved += report.forwards_resolved;
        assert_eq!(partition, normal(colours(&nodes)), "round {round}: {nodes:#?}");
    }
    assert!(compared > 1000 && resolved > 500, "{compared} graphs, {resolved} forward declarations");
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let mut random = Random(0xCAFE);
    for round in 0..6000 {
        let size = 2 + random.below(40) as usize;
        let nodes = graph(&mut random, size, true);
        let order: Vec<usize> = (0..size).collect();
        let (partition, report) = deduplicated(&nodes, &order);
        let order = shuffled(&mut random, size);
        let (other, other_report) = deduplicated(&nodes, &order);
        assert_eq!(partition, other, "round {round}: {nodes:#?} in order {order:?}");
        assert_eq!(report.forwards_left, other_report.forwards_left);
        assert_eq!(report.ambiguous.len(), other_report.ambiguous.len());
    }
}

#[test]
fn a_base_that_many_share_gives_what_it_gives_to_one() {
    let mut random = Random(0x5eed_ba5e);
    for round in 0..3000 {
        let (base_size, size) = (1 + random.below(24) as usize, 1 + random.below(16) as usize);
        let nodes = graph(&mut random, base_size, round % 2 == 0);
        let order: Vec<usize> = (0..base_size).collect();
        let mut base = Arc::new(Btf::parse(build(&nodes, &order)).unwrap());
        if round % 3 == 0 {
            // Two levels, the upper one with copies of the lower one's types.
            let upper = build_with(Builder::split(Arc::clone(&base)), &nodes, &order);
            base = Arc::new(Btf::parse_split(upper, base).unwrap());
        }
        let own = graph(&mut random, size, round % 2 == 0);
        // Much of it is the base's.
        let own: Vec<Node> = own
            .into_iter()
            .enumerate()
            .map(|(index, node)| match nodes.get(index) {
                Some(known) if known.children.iter().all(|&child| child < size) => known.clone(),
                _ => node,
            })
            .collect();
        let order: Vec<usize> = (0..size).collect();
        let split = build_with(Builder::split(Arc::clone(&base)), &own, &order);
        let split = Btf::parse_split(split, Arc::clone(&base)).unwrap();
        let alone = dedup::deduplicate(&split).unwrap();
        let shared = dedup::deduplicate_on(&split, &dedup::Base::new(Arc::clone(&base)).unwrap()).unwrap();
        assert_eq!(alone.map(), shared.map(), "round {round}: {nodes:?} {own:?}");
        assert_eq!(alone.report, shared.report);

        // With names sought, some of them types' and most times all that these have.
        let base = opened_again(&base);
        let names = [b"name0" as &[u8], b"name1", b"field", b"another"];
        let sought: Vec<&[u8]> = names.into_iter().filter(|_| random.below(8) != 0).collect();
        base.find_strings(sought.iter().flat_map(|name| [*name, b"\0"].concat()).collect());
        let split = Btf::parse_split(split.bytes().to_vec(), Arc::clone(&base)).unwrap();
        let candidates = dedup::Candidates::new(&base).unwrap();
        let among = dedup::deduplicate_among(&split, || Some(candidates)).unwrap();
        assert_eq!(alone.map(), among.map(), "round {round}: {nodes:?} {own:?} {sought:?}");
        assert_eq!(alone.report, among.report);
        assert_eq!(alone.map(), dedup::deduplicate(&split).unwrap().map());
    }
}

fn opened_again(btf: &Btf<'_>) -> Arc<Btf<'static>> {
    let bytes = btf.bytes().to_vec();
    Arc::new(match btf.base() {
        Some(base) => Btf::parse_split(bytes, opened_again(base)).unwrap(),
        None => Btf::parse(bytes).unwrap(),
    })
}
