//! RTE, run-time efficiency: the run time of the method, without evaluation, loading and saving.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "rte_seconds";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("RTE"),
    meaning: Cow::Borrowed("run time of the method alone, seconds"),
    unit: Unit::Seconds,
    range: [0.0, f64::MAX],
    direction: Direction::Lower,
    needs: &[Need::RunTime],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| Ok(evidence.rte_seconds.map(Value::exact)),
};
