//! The BTF that outputs are split on.

use std::sync::{Arc, OnceLock};

use btfkit_btf::{Btf, dedup};

use crate::error::Result;

/// A BTF to split outputs on, and what has been found out about it: that is done once, when it is first needed, for all
/// encodes that share it.
#[derive(Debug, Clone)]
pub struct Base(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    btf: Arc<Btf<'static>>,
    index: OnceLock<Result<dedup::Base<'static>, btfkit_btf::Error>>,
}

impl Base {
    /// The BTF itself.
    pub fn btf(&self) -> &Arc<Btf<'static>> {
        &self.0.btf
    }

    /// What deduplication needs to know of it.
    pub(crate) fn index(&self) -> Result<&dedup::Base<'static>> {
        let index = self.0.index.get_or_init(|| dedup::Base::new(Arc::clone(&self.0.btf)));
        index.as_ref().map_err(|error| error.clone().into())
    }
}

impl From<Arc<Btf<'static>>> for Base {
    fn from(btf: Arc<Btf<'static>>) -> Self {
        Self(Arc::new(Shared { btf, index: OnceLock::new() }))
    }
}
