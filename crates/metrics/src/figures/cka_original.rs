//! Likeness of the model's features to those before unlearning, on the forget set. The `audit` stage measures it, because it takes both
//! models.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "cka_original";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("CKA to before"),
    meaning: Cow::Borrowed("linear CKA of the features of forgotten samples with those before unlearning, 0 to 1"),
    unit: Unit::None,
    range: [0.0, 1.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Audit],
    source: "Kornblith et al. 2019, arXiv 1905.00414; arXiv 2604.08271",
    in_table: false,
    compute: |_| Ok(None),
};
