//! Distance of the model's weights from Retrain's, not divided by anything. The `audit` stage measures it, because it takes both models.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "unlearning_error";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Unlearning error"),
    meaning: Cow::Borrowed("Euclidean distance of all weights from Retrain's"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::Lower,
    needs: &[Need::Audit],
    source: "Jia et al. 2023, arXiv 2304.04934, section 3",
    in_table: false,
    compute: |_| Ok(None),
};
