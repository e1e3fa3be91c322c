//! Distance of the model's weights from Retrain's. The `audit` stage measures it, because it takes both models.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "weight_distance";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Weight distance"),
    meaning: Cow::Borrowed("distance of the weights from Retrain's, in units of the norm of Retrain's weights"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::Lower,
    needs: &[Need::Audit],
    source: "Golatkar et al. 2020, arXiv 1911.04933; Thudi et al. 2022, arXiv 2109.13398",
    in_table: false,
    compute: |_| Ok(None),
};
