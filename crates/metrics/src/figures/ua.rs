//! UA, unlearning accuracy: the share of the forget set that the model classifies wrongly.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "ua";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("UA"),
    meaning: Cow::Borrowed("100 − accuracy on the forget set, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| evidence.scores.map(|s| Ok(Value::exact(100.0 - s.forget.accuracy()?))).transpose(),
};
