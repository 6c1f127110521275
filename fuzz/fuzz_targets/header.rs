//! The header of a BTF: `cargo +nightly fuzz run header fuzz/corpus/header fuzz/seeds/header`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("header", input);
});
