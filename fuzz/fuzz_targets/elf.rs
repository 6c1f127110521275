//! An ELF file: `cargo +nightly fuzz run elf fuzz/corpus/elf fuzz/seeds/elf`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("elf", input);
});
