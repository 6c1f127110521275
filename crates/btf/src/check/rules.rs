//! The rules, one entry each.

macro_rules! rules {
    ($($name:ident $id:literal $source:literal [$($log:literal)*] $message:literal;)*) => {
        /// A rule of the kernel's verifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $message] $name,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The rule's name, as in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What is wrong where it is broken, in one line.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// The function of the kernel that the rule comes from: of `kernel/bpf/btf.c`, or for `.BTF.ext` of
            /// `kernel/bpf/verifier.c` or libbpf's and the kernel's `relo_core.c`.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source,)* }
            }

            /// How the kernel's own message begins, by which its log can be searched: one of these, depending on the
            /// kind of type. None where the kernel says nothing.
            pub const fn kernel_log(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($log,)*],)* }
            }
        }
    };
}

rules! {
    // The blob.
    BlobSize "blob-size" "btf_parse" [] "blob is larger than the 16 MiB that can be loaded";
    Header "header" "btf_parse_hdr" ["hdr_len not found" "btf_header not found" "Unsupported btf_header"] "header is cut short";
    HeaderTail "header-tail" "btf_parse_hdr" ["Unsupported btf_header"] "header has non-zero bytes beyond what the kernel knows";
    Magic "magic" "btf_parse_hdr" ["Invalid magic"] "magic number is wrong";
    Version "version" "btf_parse_hdr" ["Unsupported version"] "version is not 1";
    Flags "flags" "btf_parse_hdr" ["Unsupported flags"] "header flags are not 0";
    SectionInside "section-inside" "btf_check_sec_info" ["Total section length too long" "Invalid section offset"] "section reaches beyond the end of the blob";
    SectionGap "section-gap" "btf_check_sec_info" ["Unsupported section found"] "bytes between the sections belong to none";
    SectionOverlap "section-overlap" "btf_check_sec_info" ["Section overlap found"] "sections overlap";
    SectionTail "section-tail" "btf_check_sec_info" ["Unsupported section found"] "bytes after the last section belong to none";
    StringsLast "strings-last" "btf_parse_str_sec" ["String section is not at the end"] "string section is not the last one";
    StringsPresent "strings-present" "btf_parse_str_sec" ["Invalid string section"] "string section is empty";
    StringsLength "strings-length" "btf_parse_str_sec" ["Invalid string section"] "string section is longer than 16 MiB";
    StringsFirst "strings-first" "btf_parse_str_sec" ["Invalid string section"] "string section does not begin with the empty string";
    StringsEnd "strings-end" "btf_parse_str_sec" ["Invalid string section"] "string section does not end in a NUL byte";
    TypesAligned "types-aligned" "btf_check_all_metas" ["Unaligned type_off"] "type section is not aligned to 4 bytes";
    TypesPresent "types-present" "btf_check_all_metas" ["No type found"] "there is no type";
    Layout "layout" "btf_parse_layout_sec" [] "layout section is not made of whole, aligned entries";

    // Each record.
    Record "record" "btf_check_meta" ["meta_left:"] "record reaches beyond the end of the type section";
    Info "info" "btf_check_meta" ["Invalid btf_info:"] "reserved bits of the info word are set";
    KnownKind "known-kind" "btf_check_meta" ["Invalid kind:"] "kind is not known to the kernel";
    TypeCount "type-count" "btf_add_type" ["Exceeded max num of types"] "there are more types than the kernel can number";
    NameOffset "name-offset" "btf_check_meta" ["Invalid name_offset:" "Invalid member name_offset:"] "name lies outside the strings";
    NoName "no-name" "btf_ref_type_check_meta" ["Invalid name"] "this kind has no name, yet one is given";
    Name "name" "btf_name_valid_identifier" ["Invalid name"] "name is missing or no identifier";
    SectionName "section-name" "btf_name_valid_section" ["Invalid name"] "section name is missing or not printable";
    TagValue "tag-value" "btf_decl_tag_check_meta" ["Invalid value" "Invalid name"] "tag has no value";
    NoElements "no-elements" "btf_ref_type_check_meta" ["vlen != 0"] "this kind has no elements, yet some are counted";
    NoKindFlag "no-kind-flag" "btf_ref_type_check_meta" ["Invalid btf_info kind_flag"] "this kind has no kind flag, yet it is set";
    NoSize "no-size" "btf_array_check_meta" ["size != 0" "type != 0"] "this kind has neither size nor type, yet one is given";
    TypeNumber "type-number" "btf_ref_type_check_meta" ["Invalid type_id" "Invalid elem" "Invalid index"] "type id is void here, or larger than any can be";
    IntBits "int-bits" "btf_int_check_meta" ["Invalid int_data:"] "reserved bits of the encoding are set";
    IntWidth "int-width" "btf_int_check_meta" ["nr_bits exceeds 128"] "integer is wider than 128 bits";
    IntSize "int-size" "btf_int_check_meta" ["nr_bits exceeds type_size"] "integer's bits do not fit in its size";
    IntEncoding "int-encoding" "btf_int_check_meta" ["Unsupported encoding"] "integer is more than one of signed, character, boolean";
    MemberName "member-name" "btf_struct_check_meta" ["Invalid name"] "member's name is no identifier";
    UnionMember "union-member" "btf_struct_check_meta" ["Invalid member bits_offset"] "member of a union does not start at 0";
    MemberOrder "member-order" "btf_struct_check_meta" ["Invalid member bits_offset"] "member starts before the one ahead of it";
    MemberStart "member-start" "btf_struct_check_meta" ["Member bits_offset exceeds its struct size"] "member starts beyond the end of its aggregate";
    EnumSize "enum-size" "btf_enum_check_meta" ["Unexpected size"] "enumeration's size is not 1, 2, 4 or 8 bytes";
    EnumeratorName "enumerator-name" "btf_enum_check_meta" ["Invalid name"] "enumerator's name is missing or no identifier";
    FloatSize "float-size" "btf_float_check_meta" ["Invalid type_size"] "floating point size is not 2, 4, 8, 12 or 16 bytes";
    FunctionLinkage "function-linkage" "btf_func_check_meta" ["Invalid func linkage"] "function is neither static nor global";
    VariableLinkage "variable-linkage" "btf_var_check_meta" ["Linkage not supported"] "variable is neither static nor global";
    SectionSize "section-size" "btf_datasec_check_meta" ["size == 0"] "data section is empty";
    EntryOffset "entry-offset" "btf_datasec_check_meta" ["Invalid offset"] "variable overlaps the one ahead of it, or starts outside the section";
    EntrySize "entry-size" "btf_datasec_check_meta" ["Invalid size"] "variable takes no bytes, or more than the section has";
    EntryEnd "entry-end" "btf_datasec_check_meta" ["Invalid offset+size"] "variable reaches beyond the end of the section";
    Component "component" "btf_decl_tag_check_meta" ["Invalid component_idx"] "tag's component is below -1";

    // Chains of modifiers.
    TagOrder "tag-order" "btf_check_type_tags" ["Type tags don't precede modifiers"] "type tag stands behind another modifier";
    ChainLength "chain-length" "btf_check_type_tags" ["Max chain length or cycle detected"] "more than 32 modifiers in a chain, or a cycle of them";
    ChainTarget "chain-target" "btf_check_type_tags" [] "modifier refers to a type that is not there";

    // What references lead to.
    Depth "depth" "btf_resolve" ["Exceeded max resolving depth:"] "more than 32 types have to be resolved before this one: store leaves first";
    Loop "loop" "btf_resolve" ["Loop detected"] "type contains itself";
    Target "target" "btf_modifier_resolve" ["Invalid type_id"] "refers to a type that is not there or cannot stand here";
    ArrayIndex "array-index" "btf_array_resolve" ["Invalid index"] "array's index type is not a plain integer";
    ArrayElement "array-element" "btf_array_resolve" ["Invalid elem" "Invalid array of int"] "array's element type has no size, or is an integer with odd bits";
    ArraySize "array-size" "btf_array_resolve" ["Array size overflows U32_MAX"] "array is larger than 4 GiB";
    MemberType "member-type" "btf_struct_resolve" ["Invalid member" "Unsupported check_member" "Unsupported check_kflag_member"] "member's type has no size, or cannot be a member";
    MemberAlign "member-align" "btf_struct_check_member" ["Member is not byte aligned" "Member is not properly aligned" "Invalid member offset"] "member does not start where its type allows";
    MemberEnd "member-end" "btf_struct_check_member" ["Member exceeds struct_size" "bits_offset exceeds U32_MAX"] "member reaches beyond the end of its aggregate";
    BitfieldSize "bitfield-size" "btf_int_check_kflag_member" ["Invalid member bitfield_size"] "bit-field is wider than its type, or its type cannot be one";
    BitfieldType "bitfield-type" "btf_int_check_kflag_member" ["Invalid member base type"] "integer in an aggregate with bit-fields has odd bits";
    BitfieldSpan "bitfield-span" "btf_int_check_member" ["nr_copy_bits exceeds 128"] "bit-field spans more than 128 bits with those before it in its byte";
    FunctionProto "function-proto" "btf_func_resolve" ["Invalid type_id"] "function's type is not a prototype";
    ParamNamed "param-named" "btf_func_check" ["Invalid arg#"] "function has a parameter without a name";
    ReturnType "return-type" "btf_func_proto_check" ["Invalid return type"] "return type has no size";
    ParamType "param-type" "btf_func_proto_check" ["Invalid arg#"] "parameter's type has no size";
    ParamName "param-name" "btf_func_proto_check" ["Invalid arg#"] "parameter's name is no identifier, or an ellipsis has one";
    VariableType "variable-type" "btf_var_resolve" ["Invalid type_id"] "variable's type has no size";
    EntryVariable "entry-variable" "btf_datasec_resolve" ["Not a VAR kind member" "Invalid type"] "section entry is not a variable, or one without a size";
    EntryShort "entry-short" "btf_datasec_resolve" ["Invalid size"] "section entry is smaller than its variable";
    TagTarget "tag-target" "btf_decl_tag_resolve" ["Invalid type_id"] "tag is on something that cannot have one";
    TagComponent "tag-component" "btf_decl_tag_resolve" ["Invalid component_idx"] "tag is on a member or parameter that is not there";

    // The section .BTF.ext, which a loader hands over with a program.
    ExtTables "ext-tables" "check_btf_info" [] ".BTF.ext cannot be read";
    ExtSection "ext-section" "btf_ext_setup_info" [] "records are about a section without a name";
    ExtOrder "ext-order" "check_btf_func" ["same or smaller insn offset" "nonzero insn_off" "Invalid line_info["] "instructions do not ascend, or do not start on one";
    ExtFunction "ext-function" "check_btf_func" ["invalid type id"] "type of a function's start is no FUNC";
    ExtString "ext-string" "check_btf_line" ["Invalid line_info["] "file or line text lies outside the strings";
    ExtType "ext-type" "bpf_core_apply" [] "type of a relocation is not there";
    ExtAccess "ext-access" "bpf_core_parse_spec" [] "access string of a relocation is not made of numbers with colons between";
    ExtKind "ext-kind" "bpf_core_parse_spec" [] "kind of a relocation is not known";
}

impl Rule {
    /// Whether the rule is about `.BTF.ext` and not about BTF.
    pub const fn is_of_ext(self) -> bool {
        self as u32 >= Self::ExtTables as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn names_are_unique_and_messages_one_line() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!(!rule.message().contains('\n'));
            assert!(rule.is_of_ext() || rule.source().starts_with("btf_"));
            assert_eq!(rule.is_of_ext(), rule.name().starts_with("ext-"));
        }
    }
}
