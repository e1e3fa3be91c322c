//! MIA-efficacy as in the paper's tables: the efficacy of the support-vector machine on the confidence.
//!
//! The attack measures it over several draws of the members that it is fitted on. This figure repeats that number
//! under the name used in the tables.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "mia_efficacy";

/// The attack's figure that this figure repeats.
pub const MEASURED_AS: &str = "mia_efficacy.confidence";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("MIA-efficacy"),
    meaning: Cow::Borrowed("share of the forget set that an attack on the confidence takes for unseen, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| Ok(evidence.figures.get(MEASURED_AS).cloned()),
};
