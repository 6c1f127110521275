//! Names of source languages, as `--lang` takes them.

use gimli::constants::{self as dw, DwLang};

/// (name, numbers): a name may stand for several editions of a language.
const LANGUAGES: [(&str, &[DwLang]); 36] = [
    ("ada", &[dw::DW_LANG_Ada83, dw::DW_LANG_Ada95]),
    ("ada83", &[dw::DW_LANG_Ada83]),
    ("ada95", &[dw::DW_LANG_Ada95]),
    ("asm", &[dw::DW_LANG_Mips_Assembler]),
    ("bliss", &[dw::DW_LANG_BLISS]),
    ("c", &[dw::DW_LANG_C]),
    ("c11", &[dw::DW_LANG_C11]),
    ("c17", &[dw::DW_LANG_C17]),
    ("c89", &[dw::DW_LANG_C89]),
    ("c99", &[dw::DW_LANG_C99]),
    ("c++", &[dw::DW_LANG_C_plus_plus]),
    ("c++03", &[dw::DW_LANG_C_plus_plus_03]),
    ("c++11", &[dw::DW_LANG_C_plus_plus_11]),
    ("c++14", &[dw::DW_LANG_C_plus_plus_14]),
    ("c++17", &[dw::DW_LANG_C_plus_plus_17]),
    ("c++20", &[dw::DW_LANG_C_plus_plus_20]),
    ("cobol74", &[dw::DW_LANG_Cobol74]),
    ("cobol85", &[dw::DW_LANG_Cobol85]),
    ("d", &[dw::DW_LANG_D]),
    ("dylan", &[dw::DW_LANG_Dylan]),
    ("fortran03", &[dw::DW_LANG_Fortran03]),
    ("fortran08", &[dw::DW_LANG_Fortran08]),
    ("fortran77", &[dw::DW_LANG_Fortran77]),
    ("fortran90", &[dw::DW_LANG_Fortran90]),
    ("fortran95", &[dw::DW_LANG_Fortran95]),
    ("go", &[dw::DW_LANG_Go]),
    ("haskell", &[dw::DW_LANG_Haskell]),
    ("java", &[dw::DW_LANG_Java]),
    ("julia", &[dw::DW_LANG_Julia]),
    ("modula2", &[dw::DW_LANG_Modula2]),
    ("objc", &[dw::DW_LANG_ObjC]),
    ("ocaml", &[dw::DW_LANG_OCaml]),
    ("opencl", &[dw::DW_LANG_OpenCL]),
    ("rust", &[dw::DW_LANG_Rust]),
    ("swift", &[dw::DW_LANG_Swift]),
    ("zig", &[DwLang(0x27)]),
];

/// The languages of a name. Letter case does not matter.
pub(crate) fn parse(name: &str) -> Result<&'static [DwLang], String> {
    let wanted = name.trim().to_ascii_lowercase();
    LANGUAGES.iter().find(|(name, _)| *name == wanted).map(|(_, numbers)| *numbers).ok_or_else(|| {
        let known: Vec<&str> = LANGUAGES.iter().map(|(name, _)| *name).collect();
        format!("unknown language; known are {}", known.join(", "))
    })
}
