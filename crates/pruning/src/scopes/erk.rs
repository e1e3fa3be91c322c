//! `erk`: Erdős–Rényi-kernel. The density of a weight `[n, c, h, w]` is proportional to (n + c + h + w) / (n · c · h
//! · w), so that the number of kept weights is proportional to n + c + h + w. A layer whose density would exceed 1
//! stays whole, and the others share the rest (Evci et al. 2020, arXiv 1911.11134, section 3 (1); Mocanu et al. 2018,
//! arXiv 1707.04780).

use super::Scope;

pub(super) const SCOPE: Scope = Scope {
    name: "erk",
    summary: "layers keep weights in proportion to the sum of their dimensions (Erdős–Rényi-kernel)",
    source: "Evci et al. 2020, arXiv 1911.11134, section 3 (1)",
    quota: Some(|shape| shape.iter().sum::<usize>() as f64),
};
