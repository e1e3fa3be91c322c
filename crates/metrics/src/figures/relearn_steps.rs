//! Relearn time: steps of fine-tuning on the forget set until its accuracy is back. The `audit` stage measures it, because it takes the
//! model.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "relearn_steps";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Relearn steps"),
    meaning: Cow::Borrowed(
        "steps of training on the forget set until its accuracy is within 5 points of the model's before unlearning; the limit of steps if it never is",
    ),
    unit: Unit::Steps,
    range: [0.0, f64::MAX],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Audit],
    source: "Golatkar et al. 2020, arXiv 1911.04933, section 5; Tarun et al. 2023, arXiv 2111.08947",
    in_table: false,
    compute: |_| Ok(None),
};
