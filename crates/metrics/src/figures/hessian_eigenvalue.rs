//! σ(m), a factor of the bound of the unlearning error. The `curvature` stage measures it on the model before unlearning.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "hessian_eigenvalue";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Hessian eigenvalue"),
    meaning: Cow::Borrowed("largest eigenvalue of the loss's Hessian over the kept weights, before unlearning"),
    unit: Unit::None,
    range: [f64::MIN, f64::MAX],
    direction: Direction::Neither,
    needs: &[Need::Audit],
    source: "Jia et al. 2023, arXiv 2304.04934, proposition 2",
    in_table: false,
    compute: |_| Ok(None),
};
