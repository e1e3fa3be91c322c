//! ASR over all test images, those of the target class too, as the paper's code counts. A model without a backdoor has about
//! 100 / classes percent, not 0.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "asr_compat";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("ASR (all)"),
    meaning: Cow::Borrowed("share of the triggered test images of all classes that are classified as the target, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Triggered],
    source: "code of Jia et al. 2023, arXiv 2304.04934",
    in_table: false,
    compute: |evidence| {
        let Some(triggered) = evidence.scores.and_then(|scores| scores.triggered.as_ref()) else { return Ok(None) };
        Ok(Some(Value::exact(triggered.success_rate(|_| true)?)))
    },
};
