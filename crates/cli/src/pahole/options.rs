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

const SHOWN: &str = "as `btfkit layout`";
const IGNORED: &str = "makes no difference to BTF";
const UNSHOWN: &str = "`btfkit layout` has no such view";

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
    entry('C', "class_name", Required("NAME"), Printer, SHOWN),
    entry('a', "anon_include", NoArgument, Refused, UNSHOWN),
    entry('A', "nested_anon_include", NoArgument, Refused, UNSHOWN),
    entry('B', "bit_holes", Required("N"), Printer, SHOWN),
    entry('c', "cacheline_size", Required("SIZE"), Printer, SHOWN),
    entry(' ', "classes_as_structs", NoArgument, Refused, UNSHOWN),
    entry(' ', "compile", NoArgument, Refused, UNSHOWN),
    entry('i', "contains", Required("NAME"), Printer, SHOWN),
    entry(' ', "contains_enumerator", Required("NAME"), Refused, UNSHOWN),
    entry('D', "decl_exclude", Required("PREFIX"), Refused, UNSHOWN),
    entry('u', "defined_in", NoArgument, Refused, UNSHOWN),
    entry('x', "exclude", Required("PREFIX"), Printer, SHOWN),
    entry('p', "expand_pointers", NoArgument, Refused, UNSHOWN),
    entry('E', "expand_types", NoArgument, Printer, SHOWN),
    entry('f', "find_pointers_to", Required("NAME"), Printer, SHOWN),
    entry(' ', "first_obj_only", NoArgument, Printer, IGNORED),
    entry(' ', "fixup_silly_bitfields", NoArgument, Refused, UNSHOWN),
    entry(' ', "flat_arrays", NoArgument, Refused, UNSHOWN),
    entry(' ', "hex", NoArgument, Printer, SHOWN),
    entry('z', "hole_size_ge", Required("SIZE"), Printer, SHOWN),
    entry('H', "holes", Required("N"), Printer, SHOWN),
    entry('N', "class_name_len", NoArgument, Refused, UNSHOWN),
    entry('T', "nr_definitions", NoArgument, Refused, UNSHOWN),
    entry('n', "nr_members", NoArgument, Printer, SHOWN),
    entry('m', "nr_methods", NoArgument, Refused, UNSHOWN),
    entry('P', "packable", NoArgument, Printer, SHOWN),
    entry(' ', "packed", NoArgument, Printer, SHOWN),
    entry(' ', "padding_ge", Required("SIZE"), Printer, SHOWN),
    entry('y', "prefix_filter", Required("PREFIX"), Printer, SHOWN),
    entry('q', "quiet", NoArgument, Printer, IGNORED),
    entry('d', "recursive", NoArgument, Refused, UNSHOWN),
    entry('r', "rel_offset", NoArgument, Refused, UNSHOWN),
    entry('R', "reorganize", NoArgument, Printer, SHOWN),
    entry('t', "separator", Required("SEP"), Printer, SHOWN),
    entry('I', "show_decl_info", NoArgument, Refused, UNSHOWN),
    entry('l', "show_first_biggest_size_base_type_member", NoArgument, Refused, UNSHOWN),
    entry('M', "show_only_data_members", NoArgument, Refused, UNSHOWN),
    entry(' ', "show_private_classes", NoArgument, Refused, UNSHOWN),
    entry('S', "show_reorg_steps", NoArgument, Printer, SHOWN),
    entry('s', "sizes", NoArgument, Printer, SHOWN),
    entry(' ', "skip_emitting_atomic_typedefs", NoArgument, Refused, UNSHOWN),
    entry(' ', "skip_missing", NoArgument, Printer, IGNORED),
    entry(' ', "sort", NoArgument, Printer, SHOWN),
    entry(' ', "structs", NoArgument, Printer, SHOWN),
    entry(' ', "suppress_aligned_attribute", NoArgument, Refused, UNSHOWN),
    entry(' ', "suppress_force_paddings", NoArgument, Refused, UNSHOWN),
    entry(' ', "suppress_packed", NoArgument, Refused, UNSHOWN),
    entry(' ', "unions", NoArgument, Printer, SHOWN),
    entry(' ', "with_embedded_flexible_array", NoArgument, Printer, SHOWN),
    entry(' ', "with_flexible_array", NoArgument, Printer, SHOWN),
    entry('w', "word_size", Required("SIZE"), Refused, UNSHOWN),
];
