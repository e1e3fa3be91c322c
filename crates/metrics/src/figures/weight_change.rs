//! Distance of the model's weights from those before unlearning. The `audit` stage measures it, because it takes both models.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "weight_change";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Weight change"),
    meaning: Cow::Borrowed("distance of the weights from those before unlearning, in units of the norm of those"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Audit],
    source: "Thudi et al. 2022, arXiv 2109.13398",
    in_table: false,
    compute: |_| Ok(None),
};
