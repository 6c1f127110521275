//! Times what this crate does on one BTF file: `cargo run --release --example timings [FILE]`. Best of five, one core.

use btfkit_btf::{Btf, Builder, ByteOrder, Kind, Member, TypeId, check, order};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/sys/kernel/btf/vmlinux".into());
    let bytes = std::fs::read(&path).expect("the file can be read");
    let btf = Btf::parse(&bytes).expect("the file is BTF");
    println!("{path}: {} bytes, {} types", bytes.len(), btf.type_count());
    time("parse", || Btf::parse(&bytes));
    time("visit all references", || {
        let mut sum = 0u64;
        btf.types().for_each(|ty| ty.for_each_reference(|id| sum += u64::from(id.0)));
        sum
    });
    time("first look-up by name", || {
        Btf::parse(&bytes).map(|btf| btf.find(b"task_struct", Kind::Struct).is_some())
    });
    time("build: push every type", || {
        let mut builder = Builder::like(&btf);
        builder.reserve(btf.type_count() as usize);
        btf.types().for_each(|ty| drop(builder.push(ty)));
        builder.finish()
    });
    time("build: 200,000 pointers, members and names", || {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        builder.reserve(200_000);
        for id in 1..=100_000 {
            let name = builder.string(format!("struct_{id}").as_bytes());
            builder.pointer(TypeId(id));
            let member = Member { name, type_id: TypeId(id), ..Member::default() };
            drop(builder.aggregate(Kind::Struct, name, 8, &[member; 4]));
        }
        builder.finish()
    });
    time("build: copy whole", || Builder::from_btf(&btf).finish());
    time("check as vmlinux", || check::check(&bytes, None, check::Profile::Vmlinux));
    time("check as loaded", || check::check(&bytes, None, check::Profile::Load));
    for profile in [check::Profile::Vmlinux, check::Profile::Load] {
        let report = check::check(&bytes, None, profile);
        println!("             {profile:?}: {} violations", report.total);
        report.violations.iter().take(5).for_each(|violation| println!("             {violation}"));
    }
    time("order by name", || order::by_name(&btf));
    time("order leaves first", || order::leaves_first(&btf));
    let by_name = order::by_name(&btf).expect("every kind is known");
    time("permute", || order::permute(&btf, &by_name));
}

fn time<T>(what: &str, mut run: impl FnMut() -> T) {
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{:>9.3} ms  {what}", best.as_secs_f64() * 1e3);
}
