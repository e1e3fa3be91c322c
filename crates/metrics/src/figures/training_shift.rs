//! `‖m ⊙ (θ_t − θ_0)‖`, a factor of the bound of the unlearning error. The `curvature` stage measures it on the model before unlearning.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "training_shift";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Training shift"),
    meaning: Cow::Borrowed("distance of the kept weights before unlearning from the initial ones"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::Neither,
    needs: &[Need::Audit],
    source: "Jia et al. 2023, arXiv 2304.04934, proposition 2",
    in_table: false,
    compute: |_| Ok(None),
};
