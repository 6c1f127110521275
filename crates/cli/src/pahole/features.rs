//! `--btf_features`: what is on, and what each feature means to the encoder.

/// A feature that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Feature {
    EncodeForce,
    Var,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    OptimizedFunc,
    ConsistentFunc,
    DeclTagKfuncs,
    ReproducibleBuild,
    DistilledBase,
    GlobalVar,
    Attributes,
    TrueSignature,
    Layout,
    ForceCuMerging,
    GlobalVarLean,
}

use Feature as F;

/// (feature, name, whether `default` has it, what it does here), in the order in which pahole lists them; our own last.
#[rustfmt::skip]
pub(super) static FEATURES: [(Feature, &str, bool, &str); 17] = [
    (F::EncodeForce, "encode_force", true, "always so: an invalid variable never ends an encode"),
    (F::Var, "var", true, "per-CPU variables"),
    (F::Float, "float", true, "FLOAT; without it INT, or a struct without members where no integer has the size"),
    (F::DeclTag, "decl_tag", true, "DECL_TAG"),
    (F::TypeTag, "type_tag", true, "TYPE_TAG"),
    (F::Enum64, "enum64", true, "ENUM64 and signed ENUM; without it ENUM, and 32 bits of the values"),
    (F::OptimizedFunc, "optimized_func", true, "no effect, as in pahole since 1.31"),
    (F::ConsistentFunc, "consistent_func", true, "no functions whose name has several prototypes"),
    (F::DeclTagKfuncs, "decl_tag_kfuncs", true, "tags bpf_kfunc and bpf_fastcall; needs decl_tag"),
    (F::ReproducibleBuild, "reproducible_build", false, "always so"),
    (F::DistilledBase, "distilled_base", false, "with --btf_base and into an ELF file: .BTF.base beside .BTF"),
    (F::GlobalVar, "global_var", false, "every variable, in its section"),
    (F::Attributes, "attributes", false, "address_space(1) on the arena pointers of kfuncs"),
    (F::TrueSignature, "true_signature", false, "optimised functions as the compiler left them"),
    (F::Layout, "layout", false, "a layout section, never in split BTF"),
    (F::ForceCuMerging, "force_cu_merging", false, "no effect: units that refer to each other are read as one"),
    (F::GlobalVarLean, "global_var_lean", false, "btfkit's own: variables without what is freed after boot and what macros make"),
];

/// Which features are on.
#[derive(Debug, Clone)]
pub(super) struct Features {
    on: u32,
    /// Whether a list was given: then only what lists name is on.
    listed: bool,
}

impl Default for Features {
    /// What pahole does when nothing is said about features.
    fn default() -> Self {
        let mut features = Self { on: 0, listed: false };
        for feature in [F::Var, F::DeclTag, F::TypeTag, F::Enum64] {
            features.set(feature, true);
        }
        features
    }
}

impl Features {
    /// Whether it is on.
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.on >> feature as u8 & 1 != 0
    }

    /// Switches it.
    pub(super) fn set(&mut self, feature: Feature, on: bool) {
        self.on = self.on & !(1 << feature as u8) | u32::from(on) << feature as u8;
    }

    /// Switches on what a list names: features, `default`, `all`; `+` in front stands for `default`. The first list
    /// switches off what nobody named. The answer is what it names and nobody knows.
    pub(super) fn add_list(&mut self, list: &str) -> Vec<String> {
        if !self.listed {
            (self.on, self.listed) = (0, true);
        }
        let (plus, names) = match list.strip_prefix('+') {
            Some(names) => (true, names),
            None => (false, list),
        };
        if plus {
            self.set_where(|_, default| default);
        }
        let mut unknown = Vec::new();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match (name, FEATURES.iter().find(|feature| feature.1 == name)) {
                (_, Some(feature)) => self.set(feature.0, true),
                ("default", _) => self.set_where(|_, default| default),
                ("all", _) => self.set_all(),
                _ => unknown.push(name.to_owned()),
            }
        }
        unknown
    }

    /// Switches on all that pahole has.
    pub(super) fn set_all(&mut self) {
        self.set_where(|feature, _| feature != F::GlobalVarLean);
    }

    fn set_where(&mut self, wanted: impl Fn(Feature, bool) -> bool) {
        for &(feature, _, default, _) in &FEATURES {
            if wanted(feature, default) {
                self.set(feature, true);
            }
        }
    }

    /// The variables that are asked for.
    pub(super) fn variables(&self) -> btfkit_encode::Variables {
        use btfkit_encode::Variables;
        if self.has(F::GlobalVar) {
            Variables::All
        } else if self.has(F::GlobalVarLean) {
            Variables::Lean
        } else if self.has(F::Var) {
            Variables::PerCpu
        } else {
            Variables::None
        }
    }

    /// As the encoder takes them.
    pub(super) fn encoder(&self) -> btfkit_encode::Features {
        btfkit_encode::Features {
            floats: self.has(F::Float),
            enum64: self.has(F::Enum64),
            declaration_tags: self.has(F::DeclTag),
            type_tags: self.has(F::TypeTag),
            kfunc_tags: self.has(F::DeclTagKfuncs),
            attributes: self.has(F::Attributes),
            consistent_functions: self.has(F::ConsistentFunc),
        }
    }
}

/// The names of all features, as `--supported_btf_features` prints them.
pub(super) fn supported() -> String {
    FEATURES.map(|feature| feature.1).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(lists: &[&str]) -> Features {
        let mut features = Features::default();
        for list in lists {
            features.add_list(list);
        }
        features
    }

    #[test]
    fn the_first_list_switches_off_what_it_does_not_name_and_further_ones_add() {
        let features = listed(&["var", "float"]);
        assert!(features.has(F::Var) && features.has(F::Float));
        assert!(!features.has(F::DeclTag) && !features.has(F::Enum64));
    }

    #[test]
    fn plus_and_default_stand_for_the_defaults() {
        for list in ["+global_var", "default,global_var"] {
            let features = listed(&[list]);
            for (feature, name, default, _) in FEATURES {
                assert_eq!(features.has(feature), default || feature == F::GlobalVar, "{list}: {name}");
            }
        }
    }

    #[test]
    fn all_is_everything_that_pahole_has() {
        let features = listed(&["all"]);
        assert!(FEATURES.iter().all(|feature| features.has(feature.0) || feature.0 == F::GlobalVarLean));
        assert_eq!(features.variables(), btfkit_encode::Variables::All);
    }

    #[test]
    fn unknown_names_are_told() {
        assert_eq!(Features::default().add_list("var,inline,,nonsense"), ["inline", "nonsense"]);
    }

    #[test]
    fn each_feature_stands_at_its_own_bit() {
        for (index, feature) in FEATURES.iter().enumerate() {
            assert_eq!(feature.0 as usize, index);
        }
    }
}
