//! A crash dump, in whatever container: `cargo +nightly fuzz run dump fuzz/corpus/dump fuzz/seeds/dump`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("dump", input);
});
