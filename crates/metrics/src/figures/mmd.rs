//! Maximum mean discrepancy of the logits on the forget set from Retrain's. The `audit` stage measures it, because its time grows with the
//! square of the samples.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "mmd";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("MMD"),
    meaning: Cow::Borrowed(
        "squared maximum mean discrepancy (biased) of the logits of forgotten samples from Retrain's",
    ),
    unit: Unit::None,
    range: [0.0, 2.0],
    direction: Direction::Lower,
    needs: &[Need::Audit],
    source: "Gretton et al. 2012, JMLR 13, equation 5",
    in_table: false,
    compute: |_| Ok(None),
};
