//! A base and a BTF split on it: `cargo +nightly fuzz run split fuzz/corpus/split fuzz/seeds/split`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("split", input);
});
