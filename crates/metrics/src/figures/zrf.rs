//! Zero retrain forgetting: how random the predictions on the forget set are. The `audit` stage measures it, because it takes a random
//! network beside the model.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "zrf";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("ZRF"),
    meaning: Cow::Borrowed(
        "1 − mean Jensen–Shannon divergence of the predictions on the forget set from those of a random network; nats",
    ),
    unit: Unit::None,
    range: [0.0, 1.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Audit],
    source: "Chundawat et al. 2023, arXiv 2205.08096, section 4",
    in_table: false,
    compute: |_| Ok(None),
};
