//! An expression over the kernel in the demo's dump: `cargo +nightly fuzz run expression fuzz/corpus/expression fuzz/seeds/expression`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("expression", input);
});
