//! TA, testing accuracy: the accuracy on the test set without the classes that were forgotten completely.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "ta";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("TA"),
    meaning: Cow::Borrowed("accuracy on the test set, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Test],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| evidence.scores.map(|s| s.test.accuracy().map(Value::exact)).transpose(),
};
