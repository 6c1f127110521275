//! The options that pahole has, as a table: parsed by it, printed by `--help`, and held against the manual by a test.

/// Whether an option has an argument, and what to call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// It has none.
    None,
    /// It must have one: `--opt=VAL`, `--opt VAL`, `-oVAL`, `-o VAL`.
    Required(&'static str),
    /// It may have one: `--opt=VAL`, `-oVAL`.
    Optional(&'static str),
}

/// How the option fares here, beside what it does in pahole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same.
    Same,
    /// The same where pahole's result is right; the remark says what is better.
    Better,
    /// Taken, and makes no difference.
    NoEffect,
    /// Refused: the remark says why.
    Refused,
    /// Of the struct printer.
    Printer,
}

impl Verdict {
    /// As the manual calls it.
    #[cfg(test)]
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::NoEffect => "no effect",
            Self::Refused => "refused",
            Self::Printer => "printer",
        }
    }
}

/// One option.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its letter.
    pub(super) letter: Option<char>,
    /// Its long name, by which the rest of the program knows it.
    pub(super) name: &'static str,
    /// Its argument.
    pub(super) arity: Arity,
    /// How it fares.
    pub(super) verdict: Verdict,
    /// A remark for the manual and for messages.
    pub(super) remark: &'static str,
}

const fn entry(
    letter: char,
    name: &'static str,
    arity: Arity,
    verdict: Verdict,
    remark: &'static str,
) -> Entry {
    let letter = if letter == ' ' { None } else { Some(letter) };
    Entry { letter, name, arity, verdict, remark }
}

use Arity::{None as NoArgument, Optional, Required};
use Verdict::{Better, NoEffect, Printer, Refused, Same};

const PRINTER: &str = "prints types";

/// Every option, those of encoding first.
#[rustfmt::skip]
pub(super) static OPTIONS: &[Entry] = &[
    entry('J', "btf_encode", NoArgument, Better, "writes .BTF into each FILE; a failure is a failure"),
    entry(' ', "btf_encode_detached", Required("FILE"), Better, "raw BTF into a file, which is complete or not there"),
    entry(' ', "btf_base", Required("FILE"), Better, "raw BTF, or an ELF file with .BTF; one of another kernel is told"),
    entry('j', "jobs", Optional("N"), Better, "threads; as many as there are processors without N, and without the option"),
    entry(' ', "btf_features", Required("LIST"), Better, "see the table of features"),
    entry(' ', "btf_features_strict", Required("LIST"), Better, "the same, and an unknown feature is an error"),
    entry(' ', "supported_btf_features", NoArgument, Same, "prints the features"),
    entry(' ', "lang", Required("LIST"), Better, "only units in these languages; names of newer languages are known, too"),
    entry(' ', "lang_exclude", Required("LIST"), Better, "no units in these languages; else PAHOLE_LANG_EXCLUDE counts"),
    entry('F', "format_path", Required("LIST"), Same, "must have dwarf in it, to encode from"),
    entry('X', "cu_exclude", Required("PREFIX"), Same, "no units whose name starts so"),
    entry(' ', "kabi_prefix", Required("STRING"), Same, "each name that starts so becomes STRING"),
    entry(' ', "btf_gen_floats", NoArgument, Same, "feature float"),
    entry(' ', "btf_gen_optimized", NoArgument, NoEffect, "as in pahole since 1.31"),
    entry(' ', "btf_gen_all", NoArgument, Better, "all features (pahole 1.27 to 1.31: none)"),
    entry(' ', "btf_attributes", NoArgument, Same, "feature attributes"),
    entry(' ', "btf_encode_force", NoArgument, NoEffect, "an invalid variable never ends an encode"),
    entry(' ', "reproducible_build", NoArgument, NoEffect, "output is always reproducible"),
    entry(' ', "skip_encoding_btf_vars", NoArgument, Same, "no variables, unless global_var is asked for"),
    entry(' ', "skip_encoding_btf_decl_tag", NoArgument, Same, "not feature decl_tag"),
    entry(' ', "skip_encoding_btf_type_tag", NoArgument, Same, "not feature type_tag"),
    entry(' ', "skip_encoding_btf_enum64", NoArgument, Same, "not feature enum64"),
    entry(' ', "skip_encoding_btf_inconsistent_proto", NoArgument, Same, "feature consistent_func"),
    entry(' ', "features", Required("LIST"), NoEffect, "units that refer to each other are always read as one"),
    entry(' ', "hashbits", Required("BITS"), NoEffect, "tables grow as they need to"),
    entry(' ', "ptr_table_stats", NoArgument, NoEffect, "there is no such table"),
    entry('V', "verbose", NoArgument, Better, "says what is in the output, what is not and why"),
    entry(' ', "version", NoArgument, Same, "prints v1.31: what kernels' build scripts know how to use"),
    entry(' ', "numeric_version", NoArgument, Same, "prints 131"),
    entry(' ', "devel_version", NoArgument, Same, "prints v1.31"),
    entry('?', "help", NoArgument, Same, "prints the options"),
    entry(' ', "usage", NoArgument, Same, "prints a short usage"),
    entry('Z', "ctf_encode", NoArgument, Refused, "CTF is not written; pahole has switched it off, too"),
    entry(' ', "running_kernel_vmlinux", NoArgument, Refused, "not looked for; name the vmlinux itself"),
    entry(' ', "prettify", Required("PATH"), Refused, "raw data is not printed"),
    entry(' ', "header_type", Required("TYPE"), Refused, "of --prettify"),
    entry(' ', "range", Required("STRUCT"), Refused, "of --prettify"),
    entry(' ', "seek_bytes", Required("BYTES"), Refused, "of --prettify"),
    entry(' ', "size_bytes", Required("BYTES"), Refused, "of --prettify"),
    entry(' ', "skip", Required("COUNT"), Refused, "of --prettify"),
    entry(' ', "count", Required("COUNT"), Refused, "of --prettify"),
    entry('C', "class_name", Required("NAME"), Printer, PRINTER),
    entry('a', "anon_include", NoArgument, Printer, PRINTER),
    entry('A', "nested_anon_include", NoArgument, Printer, PRINTER),
    entry('B', "bit_holes", Required("N"), Printer, PRINTER),
    entry('c', "cacheline_size", Required("SIZE"), Printer, PRINTER),
    entry(' ', "classes_as_structs", NoArgument, Printer, PRINTER),
    entry(' ', "compile", NoArgument, Printer, PRINTER),
    entry('i', "contains", Required("NAME"), Printer, PRINTER),
    entry(' ', "contains_enumerator", Required("NAME"), Printer, PRINTER),
    entry('D', "decl_exclude", Required("PREFIX"), Printer, PRINTER),
    entry('u', "defined_in", NoArgument, Printer, PRINTER),
    entry('x', "exclude", Required("PREFIX"), Printer, PRINTER),
    entry('p', "expand_pointers", NoArgument, Printer, PRINTER),
    entry('E', "expand_types", NoArgument, Printer, PRINTER),
    entry('f', "find_pointers_to", Required("NAME"), Printer, PRINTER),
    entry(' ', "first_obj_only", NoArgument, Printer, PRINTER),
    entry(' ', "fixup_silly_bitfields", NoArgument, Printer, PRINTER),
    entry(' ', "flat_arrays", NoArgument, Printer, PRINTER),
    entry(' ', "hex", NoArgument, Printer, PRINTER),
    entry('z', "hole_size_ge", Required("SIZE"), Printer, PRINTER),
    entry('H', "holes", Required("N"), Printer, PRINTER),
    entry('N', "class_name_len", NoArgument, Printer, PRINTER),
    entry('T', "nr_definitions", NoArgument, Printer, PRINTER),
    entry('n', "nr_members", NoArgument, Printer, PRINTER),
    entry('m', "nr_methods", NoArgument, Printer, PRINTER),
    entry('P', "packable", NoArgument, Printer, PRINTER),
    entry(' ', "packed", NoArgument, Printer, PRINTER),
    entry(' ', "padding_ge", Required("SIZE"), Printer, PRINTER),
    entry('y', "prefix_filter", Required("PREFIX"), Printer, PRINTER),
    entry('q', "quiet", NoArgument, Printer, PRINTER),
    entry('d', "recursive", NoArgument, Printer, PRINTER),
    entry('r', "rel_offset", NoArgument, Printer, PRINTER),
    entry('R', "reorganize", NoArgument, Printer, PRINTER),
    entry('t', "separator", Required("SEP"), Printer, PRINTER),
    entry('I', "show_decl_info", NoArgument, Printer, PRINTER),
    entry('l', "show_first_biggest_size_base_type_member", NoArgument, Printer, PRINTER),
    entry('M', "show_only_data_members", NoArgument, Printer, PRINTER),
    entry(' ', "show_private_classes", NoArgument, Printer, PRINTER),
    entry('S', "show_reorg_steps", NoArgument, Printer, PRINTER),
    entry('s', "sizes", NoArgument, Printer, PRINTER),
    entry(' ', "skip_emitting_atomic_typedefs", NoArgument, Printer, PRINTER),
    entry(' ', "skip_missing", NoArgument, Printer, PRINTER),
    entry(' ', "sort", NoArgument, Printer, PRINTER),
    entry(' ', "structs", NoArgument, Printer, PRINTER),
    entry(' ', "suppress_aligned_attribute", NoArgument, Printer, PRINTER),
    entry(' ', "suppress_force_paddings", NoArgument, Printer, PRINTER),
    entry(' ', "suppress_packed", NoArgument, Printer, PRINTER),
    entry(' ', "unions", NoArgument, Printer, PRINTER),
    entry(' ', "with_embedded_flexible_array", NoArgument, Printer, PRINTER),
    entry(' ', "with_flexible_array", NoArgument, Printer, PRINTER),
    entry('w', "word_size", Required("SIZE"), Printer, PRINTER),
];
