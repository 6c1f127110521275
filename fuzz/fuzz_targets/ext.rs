//! A BTF and its `.BTF.ext`: `cargo +nightly fuzz run ext fuzz/corpus/ext fuzz/seeds/ext`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("ext", input);
});
