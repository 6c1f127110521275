//! A BTF blob: `cargo +nightly fuzz run btf fuzz/corpus/btf fuzz/seeds/btf`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("btf", input);
});
