//! The rules, one entry each.

macro_rules! rules {
    ($($name:ident $id:literal $source:literal $message:literal;)*) => {
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

            /// The function of the kernel's `kernel/bpf/btf.c` that the rule comes from.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source,)* }
            }
        }
    };
}

rules! {
    // The blob.
    BlobSize "blob-size" "btf_parse" "blob is larger than the 16 MiB that can be loaded";
    Header "header" "btf_parse_hdr" "header is cut short";
    HeaderTail "header-tail" "btf_parse_hdr" "header has non-zero bytes beyond what the kernel knows";
    Magic "magic" "btf_parse_hdr" "magic number is wrong";
    Version "version" "btf_parse_hdr" "version is not 1";
    Flags "flags" "btf_parse_hdr" "header flags are not 0";
    SectionInside "section-inside" "btf_check_sec_info" "section reaches beyond the end of the blob";
    SectionGap "section-gap" "btf_check_sec_info" "bytes between the sections belong to none";
    SectionOverlap "section-overlap" "btf_check_sec_info" "sections overlap";
    SectionTail "section-tail" "btf_check_sec_info" "bytes after the last section belong to none";
    StringsLast "strings-last" "btf_parse_str_sec" "string section is not the last one";
    StringsPresent "strings-present" "btf_parse_str_sec" "string section is empty";
    StringsLength "strings-length" "btf_parse_str_sec" "string section is longer than 16 MiB";
    StringsFirst "strings-first" "btf_parse_str_sec" "string section does not begin with the empty string";
    StringsEnd "strings-end" "btf_parse_str_sec" "string section does not end in a NUL byte";
    TypesAligned "types-aligned" "btf_check_all_metas" "type section is not aligned to 4 bytes";
    TypesPresent "types-present" "btf_check_all_metas" "there is no type";
    Layout "layout" "btf_parse_layout_sec" "layout section is not made of whole, aligned entries";

    // Each record.
    Record "record" "btf_check_meta" "record reaches beyond the end of the type section";
    Info "info" "btf_check_meta" "reserved bits of the info word are set";
    KnownKind "known-kind" "btf_check_meta" "kind is not known to the kernel";
    TypeCount "type-count" "btf_add_type" "there are more types than the kernel can number";
    NameOffset "name-offset" "btf_check_meta" "name lies outside the strings";
    NoName "no-name" "btf_ref_type_check_meta" "this kind has no name, yet one is given";
    Name "name" "btf_name_valid_identifier" "name is missing or no identifier";
    SectionName "section-name" "btf_name_valid_section" "section name is missing or not printable";
    TagValue "tag-value" "btf_decl_tag_check_meta" "tag has no value";
    NoElements "no-elements" "btf_ref_type_check_meta" "this kind has no elements, yet some are counted";
    NoKindFlag "no-kind-flag" "btf_ref_type_check_meta" "this kind has no kind flag, yet it is set";
    NoSize "no-size" "btf_array_check_meta" "this kind has neither size nor type, yet one is given";
    TypeNumber "type-number" "btf_ref_type_check_meta" "type id is void here, or larger than any can be";
    IntBits "int-bits" "btf_int_check_meta" "reserved bits of the encoding are set";
    IntWidth "int-width" "btf_int_check_meta" "integer is wider than 128 bits";
    IntSize "int-size" "btf_int_check_meta" "integer's bits do not fit in its size";
    IntEncoding "int-encoding" "btf_int_check_meta" "integer is more than one of signed, character, boolean";
    MemberName "member-name" "btf_struct_check_meta" "member's name is no identifier";
    UnionMember "union-member" "btf_struct_check_meta" "member of a union does not start at 0";
    MemberOrder "member-order" "btf_struct_check_meta" "member starts before the one ahead of it";
    MemberStart "member-start" "btf_struct_check_meta" "member starts beyond the end of its aggregate";
    EnumSize "enum-size" "btf_enum_check_meta" "enumeration's size is not 1, 2, 4 or 8 bytes";
    EnumeratorName "enumerator-name" "btf_enum_check_meta" "enumerator's name is missing or no identifier";
    FloatSize "float-size" "btf_float_check_meta" "floating point size is not 2, 4, 8, 12 or 16 bytes";
    FunctionLinkage "function-linkage" "btf_func_check_meta" "function is neither static nor global";
    VariableLinkage "variable-linkage" "btf_var_check_meta" "variable is neither static nor global";
    SectionSize "section-size" "btf_datasec_check_meta" "data section is empty";
    EntryOffset "entry-offset" "btf_datasec_check_meta" "variable overlaps the one ahead of it, or starts outside the section";
    EntrySize "entry-size" "btf_datasec_check_meta" "variable takes no bytes, or more than the section has";
    EntryEnd "entry-end" "btf_datasec_check_meta" "variable reaches beyond the end of the section";
    Component "component" "btf_decl_tag_check_meta" "tag's component is below -1";

    // Chains of modifiers.
    TagOrder "tag-order" "btf_check_type_tags" "type tag stands behind another modifier";
    ChainLength "chain-length" "btf_check_type_tags" "more than 32 modifiers in a chain, or a cycle of them";
    ChainTarget "chain-target" "btf_check_type_tags" "modifier refers to a type that is not there";

    // What references lead to.
    Depth "depth" "btf_resolve" "more than 32 types have to be resolved before this one: store leaves first";
    Loop "loop" "btf_resolve" "type contains itself";
    Target "target" "btf_modifier_resolve" "refers to a type that is not there or cannot stand here";
    ArrayIndex "array-index" "btf_array_resolve" "array's index type is not a plain integer";
    ArrayElement "array-element" "btf_array_resolve" "array's element type has no size, or is an integer with odd bits";
    ArraySize "array-size" "btf_array_resolve" "array is larger than 4 GiB";
    MemberType "member-type" "btf_struct_resolve" "member's type has no size, or cannot be a member";
    MemberAlign "member-align" "btf_struct_check_member" "member does not start where its type allows";
    MemberEnd "member-end" "btf_struct_check_member" "member reaches beyond the end of its aggregate";
    BitfieldSize "bitfield-size" "btf_int_check_kflag_member" "bit-field is wider than its type, or its type cannot be one";
    BitfieldType "bitfield-type" "btf_int_check_kflag_member" "integer in an aggregate with bit-fields has odd bits";
    BitfieldSpan "bitfield-span" "btf_int_check_member" "bit-field spans more than 128 bits with those before it in its byte";
    FunctionProto "function-proto" "btf_func_resolve" "function's type is not a prototype";
    ParamNamed "param-named" "btf_func_check" "function has a parameter without a name";
    ReturnType "return-type" "btf_func_proto_check" "return type has no size";
    ParamType "param-type" "btf_func_proto_check" "parameter's type has no size";
    ParamName "param-name" "btf_func_proto_check" "parameter's name is no identifier, or an ellipsis has one";
    VariableType "variable-type" "btf_var_resolve" "variable's type has no size";
    EntryVariable "entry-variable" "btf_datasec_resolve" "section entry is not a variable, or one without a size";
    EntryShort "entry-short" "btf_datasec_resolve" "section entry is smaller than its variable";
    TagTarget "tag-target" "btf_decl_tag_resolve" "tag is on something that cannot have one";
    TagComponent "tag-component" "btf_decl_tag_resolve" "tag is on a member or parameter that is not there";
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
        assert!(
            Rule::ALL.iter().all(|rule| !rule.message().contains('\n') && rule.source().starts_with("btf_"))
        );
    }
}
