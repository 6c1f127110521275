//! What the scan does with a DIE, by its tag, and which attributes it asks of it.

use gimli::constants as dw;

/// The attributes that the encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    Ignored,
    Name,
    Type,
    ByteSize,
    BitSize,
    Encoding,
    MemberLocation,
    BitOffset,
    DataBitOffset,
    UpperBound,
    Count,
    ConstValue,
    Declaration,
    External,
    Specification,
    AbstractOrigin,
    LowPc,
    EntryPc,
    Ranges,
    Location,
    Inline,
    CallingConvention,
    Artificial,
    Sibling,
    Signature,
    Annotation,
    LinkageName,
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = Field::LinkageName as usize + 1;
}

/// What the scan does with a DIE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Base,
    Pointer,
    Typedef,
    Const,
    Volatile,
    Restrict,
    /// A modifier that BTF has no kind for: the type below stands for it.
    Transparent,
    Struct,
    Union,
    Enum,
    Array,
    SubroutineType,
    Unspecified,
    /// A type that BTF cannot express, of a size that may be known.
    Opaque,
    Member,
    Enumerator,
    Subrange,
    Parameter,
    UnspecifiedParameters,
    Subprogram,
    /// A function as clang's assembler describes it.
    Label,
    Variable,
    /// `DW_TAG_LLVM_annotation`: a tag on its parent.
    ChildAnnotation,
    /// `DW_TAG_GNU_annotation`: a tag that others refer to.
    SharedAnnotation,
    /// Holds DIEs that matter: lexical blocks, namespaces, modules.
    Scope,
    /// A copy of a function inside another one: static variables may have their place here.
    Inlined,
    /// Neither it nor what is below it matters.
    Ignored,
}

impl Role {
    pub fn of(tag: dw::DwTag) -> Self {
        match tag {
            dw::DW_TAG_base_type => Self::Base,
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type => Self::Pointer,
            dw::DW_TAG_typedef | dw::DW_TAG_template_alias => Self::Typedef,
            dw::DW_TAG_const_type => Self::Const,
            dw::DW_TAG_volatile_type => Self::Volatile,
            dw::DW_TAG_restrict_type => Self::Restrict,
            dw::DW_TAG_atomic_type
            | dw::DW_TAG_packed_type
            | dw::DW_TAG_shared_type
            | dw::DW_TAG_immutable_type => Self::Transparent,
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_interface_type => Self::Struct,
            dw::DW_TAG_union_type => Self::Union,
            dw::DW_TAG_enumeration_type => Self::Enum,
            dw::DW_TAG_array_type => Self::Array,
            dw::DW_TAG_subroutine_type => Self::SubroutineType,
            dw::DW_TAG_unspecified_type => Self::Unspecified,
            dw::DW_TAG_string_type
            | dw::DW_TAG_set_type
            | dw::DW_TAG_file_type
            | dw::DW_TAG_dynamic_type
            | dw::DW_TAG_coarray_type => Self::Opaque,
            dw::DW_TAG_member => Self::Member,
            dw::DW_TAG_enumerator => Self::Enumerator,
            dw::DW_TAG_subrange_type | dw::DW_TAG_generic_subrange => Self::Subrange,
            dw::DW_TAG_formal_parameter => Self::Parameter,
            dw::DW_TAG_unspecified_parameters => Self::UnspecifiedParameters,
            dw::DW_TAG_subprogram => Self::Subprogram,
            dw::DW_TAG_label => Self::Label,
            dw::DW_TAG_variable => Self::Variable,
            dw::DW_TAG_inlined_subroutine => Self::Inlined,
            DW_TAG_LLVM_ANNOTATION => Self::ChildAnnotation,
            DW_TAG_GNU_ANNOTATION => Self::SharedAnnotation,
            dw::DW_TAG_lexical_block
            | dw::DW_TAG_namespace
            | dw::DW_TAG_module
            | dw::DW_TAG_common_block
            | dw::DW_TAG_try_block
            | dw::DW_TAG_catch_block
            | dw::DW_TAG_with_stmt
            | dw::DW_TAG_GNU_formal_parameter_pack => Self::Scope,
            _ => Self::Ignored,
        }
    }

    pub fn may_be_plain(self) -> bool {
        matches!(
            self,
            Self::Member
                | Self::Enumerator
                | Self::Parameter
                | Self::Pointer
                | Self::Const
                | Self::Volatile
                | Self::Typedef
        )
    }

    /// Which attributes a DIE of this role is asked for.
    pub fn field(self, name: dw::DwAt) -> Field {
        let field = match name {
            dw::DW_AT_name => Field::Name,
            dw::DW_AT_type => Field::Type,
            dw::DW_AT_byte_size => Field::ByteSize,
            dw::DW_AT_bit_size => Field::BitSize,
            dw::DW_AT_encoding => Field::Encoding,
            dw::DW_AT_data_member_location => Field::MemberLocation,
            dw::DW_AT_bit_offset => Field::BitOffset,
            dw::DW_AT_data_bit_offset => Field::DataBitOffset,
            dw::DW_AT_upper_bound => Field::UpperBound,
            dw::DW_AT_count => Field::Count,
            dw::DW_AT_const_value => Field::ConstValue,
            dw::DW_AT_declaration => Field::Declaration,
            dw::DW_AT_external => Field::External,
            dw::DW_AT_specification => Field::Specification,
            dw::DW_AT_abstract_origin => Field::AbstractOrigin,
            dw::DW_AT_low_pc => Field::LowPc,
            dw::DW_AT_entry_pc => Field::EntryPc,
            dw::DW_AT_ranges => Field::Ranges,
            dw::DW_AT_location => Field::Location,
            dw::DW_AT_inline => Field::Inline,
            dw::DW_AT_calling_convention => Field::CallingConvention,
            dw::DW_AT_artificial => Field::Artificial,
            dw::DW_AT_sibling => Field::Sibling,
            dw::DW_AT_signature => Field::Signature,
            dw::DW_AT_linkage_name | dw::DW_AT_MIPS_linkage_name => Field::LinkageName,
            DW_AT_GNU_ANNOTATION => Field::Annotation,
            _ => return Field::Ignored,
        };
        let wanted: &[Field] = match self {
            Self::Base => &[Field::Name, Field::ByteSize, Field::BitSize, Field::Encoding],
            Self::Pointer
            | Self::Const
            | Self::Volatile
            | Self::Restrict
            | Self::Transparent
            | Self::Typedef
            | Self::Unspecified => &[Field::Name, Field::Type, Field::Annotation],
            Self::Opaque => &[Field::Name, Field::Type, Field::ByteSize, Field::Annotation],
            Self::Struct | Self::Union => &[
                Field::Name,
                Field::ByteSize,
                Field::Declaration,
                Field::Specification,
                Field::AbstractOrigin,
                Field::Signature,
                Field::Annotation,
                Field::Sibling,
            ],
            Self::Enum => &[
                Field::Name,
                Field::ByteSize,
                Field::Declaration,
                Field::Type,
                Field::Specification,
                Field::Signature,
                Field::Encoding,
                Field::Sibling,
            ],
            Self::Array => &[Field::Type, Field::Sibling],
            Self::SubroutineType => &[Field::Type, Field::Sibling],
            Self::Member => &[
                Field::Name,
                Field::Type,
                Field::ByteSize,
                Field::BitSize,
                Field::MemberLocation,
                Field::BitOffset,
                Field::DataBitOffset,
                Field::Declaration,
                Field::External,
                Field::Annotation,
            ],
            Self::Enumerator => &[Field::Name, Field::ConstValue],
            Self::Subrange => &[Field::UpperBound, Field::Count],
            Self::Parameter => &[
                Field::Name,
                Field::Type,
                Field::AbstractOrigin,
                Field::Location,
                Field::ConstValue,
                Field::Annotation,
            ],
            Self::Label => &[Field::Name, Field::LowPc],
            Self::Subprogram => &[
                Field::Name,
                Field::Type,
                Field::Declaration,
                Field::Specification,
                Field::AbstractOrigin,
                Field::LowPc,
                Field::EntryPc,
                Field::Ranges,
                Field::Inline,
                Field::CallingConvention,
                Field::Sibling,
                Field::Annotation,
            ],
            Self::Variable => &[
                Field::Name,
                Field::Type,
                Field::Declaration,
                Field::External,
                Field::Specification,
                Field::AbstractOrigin,
                Field::Location,
                Field::Artificial,
                Field::LinkageName,
                Field::Annotation,
            ],
            Self::ChildAnnotation | Self::SharedAnnotation => {
                &[Field::Name, Field::ConstValue, Field::Annotation]
            }
            Self::Scope | Self::Inlined | Self::Ignored | Self::UnspecifiedParameters => &[Field::Sibling],
        };
        if wanted.contains(&field) { field } else { Field::Ignored }
    }
}

/// `DW_TAG_LLVM_annotation`, a user attribute as clang writes it.
const DW_TAG_LLVM_ANNOTATION: dw::DwTag = dw::DwTag(0x6000);
/// `DW_TAG_GNU_annotation`, a user attribute as gcc 16 writes it.
const DW_TAG_GNU_ANNOTATION: dw::DwTag = dw::DwTag(0x6001);
/// `DW_AT_GNU_annotation`, the first of a chain of `DW_TAG_GNU_annotation`.
const DW_AT_GNU_ANNOTATION: dw::DwAt = dw::DwAt(0x2139);
