//! `layer`: every layer is pruned to the same sparsity (Zhu & Gupta 2017, arXiv 1710.01878, section 3).

use super::Scope;

pub(super) const SCOPE: Scope = Scope {
    name: "layer",
    summary: "the same sparsity in every layer",
    source: "Zhu & Gupta 2017, arXiv 1710.01878, section 3",
    quota: Some(|shape| shape.iter().product::<usize>() as f64),
};
