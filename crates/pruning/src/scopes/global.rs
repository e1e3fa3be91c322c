//! `global`: the weights of all layers are ranked together, as in the paper (arXiv 2304.04934, section 4.1).

use super::Scope;

pub(super) const SCOPE: Scope = Scope {
    name: "global",
    summary: "all layers are ranked together",
    source: "Jia et al. 2023, arXiv 2304.04934, section 4.1",
    quota: None,
};
