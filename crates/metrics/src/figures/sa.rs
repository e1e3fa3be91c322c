//! SA, standard accuracy: the accuracy on the clean test set of a model that was trained with a backdoor. It equals TA, and has the name
//! that the literature on backdoors uses.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "sa";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("SA"),
    meaning: Cow::Borrowed("accuracy on the test set without the trigger, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Higher,
    needs: &[Need::Test, Need::Triggered],
    source: "Jia et al. 2023, arXiv 2304.04934, section 5",
    in_table: false,
    compute: |evidence| {
        let backdoored = evidence.scores.filter(|scores| scores.triggered.is_some());
        backdoored.map(|scores| scores.test.accuracy().map(Value::exact)).transpose()
    },
};
