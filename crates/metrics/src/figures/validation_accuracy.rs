//! Accuracy on the validation set, if there is one.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "validation_accuracy";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("VA"),
    meaning: Cow::Borrowed("accuracy on the validation set, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Validation],
    source: "common practice; the paper picks checkpoints by it",
    in_table: false,
    compute: |evidence| {
        let validation = evidence.scores.and_then(|scores| scores.validation.as_ref());
        validation.map(|scores| scores.accuracy().map(Value::exact)).transpose()
    },
};
