//! A kernel's symbol table in its memory: `cargo +nightly fuzz run kallsyms fuzz/corpus/kallsyms fuzz/seeds/kallsyms`.

#![no_main]

#[allow(dead_code)]
#[path = "../../xtask/src/fuzz_smoke/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = target::run("kallsyms", input);
});
