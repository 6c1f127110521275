//! The string section of a BTF: `cargo +nightly fuzz run strings fuzz/corpus/strings fuzz/seeds/strings`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("strings", input);
});
