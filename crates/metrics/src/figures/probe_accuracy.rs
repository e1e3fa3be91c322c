//! Accuracy of a linear probe on the features of the model for forgotten samples: what its representation still knows of them. The `audit`
//! stage measures it, because it takes the model.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "probe";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Probe"),
    meaning: Cow::Borrowed("accuracy on held-out forgotten samples of a linear probe on the model's features, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Audit],
    source: "arXiv 2604.08271; Alain & Bengio 2016, arXiv 1610.01644",
    in_table: false,
    compute: |_| Ok(None),
};
