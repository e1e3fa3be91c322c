//! MIA-efficacy as the paper's tables report it: the efficacy of the support-vector machine that looks at the confidence.
//!
//! The attack measures it, over several draws of the members it is fitted on; this is the same number under the name of the tables.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "mia_efficacy";

/// The attack's figure that it is.
pub const MEASURED_AS: &str = "mia_efficacy.confidence";

/// The entry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("MIA-efficacy"),
    meaning: Cow::Borrowed("forget set that an SVC on the confidence takes for unseen, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| Ok(evidence.figures.get(MEASURED_AS).cloned()),
};
