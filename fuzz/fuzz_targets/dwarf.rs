//! An object with DWARF, encoded: `cargo +nightly fuzz run dwarf fuzz/corpus/dwarf fuzz/seeds/dwarf`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("dwarf", input);
});
