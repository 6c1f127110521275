//! What kernels learnt to take over the years, one entry each.

use super::Version;
use crate::Kind;

macro_rules! features {
    ($($(#[$note:meta])* $name:ident $id:literal $major:literal.$minor:literal $updates:tt $source:literal $what:literal;)*) => {
        /// Something in BTF that kernels take from some release on, and refuse before.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
        #[non_exhaustive]
        pub enum Feature {
            $(#[doc = $what] $(#[$note])* $name,)*
        }

        impl Feature {
            /// Every feature, the oldest first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The feature's name, as in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What it is, in a few words.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// The first release that takes it.
            pub const fn since(self) -> Version {
                match self { $(Self::$name => Version::new($major, $minor, 0),)* }
            }

            /// Stable updates of older releases that take it too.
            pub const fn updates(self) -> &'static [Version] {
                match self { $(Self::$name => {
                    const UPDATES: &[Version] = updates! $updates;
                    UPDATES
                })* }
            }

            /// The commit that made kernels take it, as far as it has been released; else where it is announced.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source,)* }
            }
        }
    };
}

macro_rules! updates {
    ($([$major:literal $minor:literal $patch:literal])*) => { &[$(Version::new($major, $minor, $patch),)*] };
}

features! {
    KindFlag "kind-flag" 5 . 0 () "9d5f9f701b18" "bit-fields, and forward declarations of unions, by the kind flag";
    Functions "functions" 5 . 0 () "2667a2626f4d" "FUNC and FUNC_PROTO";
    WideIntegers "wide-integers" 5 . 1 () "b1e8818cabf4" "integers of more than 64 bits";
    Variables "variables" 5 . 2 () "1dc92851849c" "VAR and DATASEC";
    EnumSizes "enum-sizes" 5 . 5 () "9eea98497951" "enumerations of 1, 2 and 8 bytes";
    ManyTypes "many-types" 5 . 5 () "a0791f0df7d2" "more than 65,535 types, or 64 KiB of strings";
    GlobalFunctions "global-functions" 5 . 6 () "51c39bb1d5d1" "functions with global linkage";
    EmptySections "empty-sections" 5 . 12 () "13ca51d5eb35" "data sections without variables";
    Floats "floats" 5 . 13 () "b1828f0b0482" "FLOAT";
    DeclTags "decl-tags" 5 . 16 () "b5ea834dde6b" "DECL_TAG";
    TypeTags "type-tags" 5 . 17 () "8c42d2fa4eea" "TYPE_TAG";
    Enum64 "enum64" 6 . 0 () "6089fb325cf7" "ENUM64";
    SignedEnums "signed-enums" 6 . 0 () "6089fb325cf7" "signed enumerations, by the kind flag";
    LongNames "long-names" 6 . 1 () "b8a94bfb3395" "names of more than 128 bytes";
    SectionModes "section-modes" 6 . 3 () "9b459804ff99"
        "data sections that lie ahead of their variables, one behind a pointer, structure or array";
    Dots "dots" 6 . 4 ([5 10 186] [5 15 119] [6 1 36] [6 3 10]) "9724160b3942"
        "dots in names of other things than variables and sections";
    SectionNames "section-names" 6 . 9 () "bd70a8fb7ca4" "names of data sections that are no identifiers";
    TagFlag "tag-flag" 6 . 15 () "53ee0d66d7a6" "tags that are attributes of the language, by the kind flag";
    /// The release is the one expected.
    Layout "layout" 7 . 1 () "struct btf_header" "the layout section and the header that has it";
    /// The release is the one expected.
    WideCounts "wide-counts" 7 . 2 () "BTF_MAX_VLEN" "more than 65,535 elements in a record";
    /// The release is the one expected.
    InlineKinds "inline-kinds" 7 . 4 () "BTF_KIND_LOC_PARAM" "LOC_PARAM, LOC_PROTO and LOCSEC";
}

impl Version {
    /// Whether this kernel takes `feature`.
    pub fn takes(self, feature: Feature) -> bool {
        let same_release = |update: &Version| (update.major, update.minor) == (self.major, self.minor);
        self >= feature.since()
            || feature.updates().iter().any(|update| same_release(update) && self.patch >= update.patch)
    }
}

impl Feature {
    /// What a kernel has to take for there to be records of this kind; `None` for the kinds that were there from the
    /// start, and for those that are not known here.
    pub const fn of_kind(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Func | Kind::FuncProto => Self::Functions,
            Kind::Var | Kind::DataSec => Self::Variables,
            Kind::Float => Self::Floats,
            Kind::DeclTag => Self::DeclTags,
            Kind::TypeTag => Self::TypeTags,
            Kind::Enum64 => Self::Enum64,
            Kind::LocParam | Kind::LocProto | Kind::LocSec => Self::InlineKinds,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_in_the_order_they_came_and_names_are_unique() {
        assert!(Feature::ALL.is_sorted_by_key(|feature| feature.since()));
        let mut names: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Feature::ALL.len());
        assert!(Feature::ALL.iter().all(|feature| Version::NEWEST.takes(*feature)));
        assert!(!Version::OLDEST.takes(Feature::Functions));
    }

    #[test]
    fn stable_updates_take_what_their_release_did_not() {
        let takes = |text: &str| text.parse::<Version>().unwrap().takes(Feature::Dots);
        for (text, expected) in [
            ("6.1", false),
            ("6.1.35", false),
            ("6.1.36", true),
            ("6.2.16", false),
            ("6.3.10", true),
            ("6.4", true),
            ("5.10.186", true),
            ("5.4.300", false),
        ] {
            assert_eq!(takes(text), expected, "{text}");
        }
    }
}
