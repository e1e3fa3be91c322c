//! Tug-of-war score with an attack: as `tow`, with the MIA-efficacy in place of the accuracy on the forget set. The best value is 1.

use std::borrow::Cow;

use super::{mia_efficacy, ra, ta, tow};
use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "tow_mia";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("ToW-MIA"),
    meaning: Cow::Borrowed(
        "tug of war: product of 1 − distance to Retrain over the MIA-efficacy and the accuracies on retain and test set",
    ),
    unit: Unit::None,
    range: [0.0, 1.0],
    direction: Direction::Higher,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack, Need::RetrainFigures],
    source: "Zhao et al. 2024, arXiv 2406.01257",
    in_table: false,
    compute: |evidence| Ok(tow::product(evidence, [mia_efficacy::NAME, ra::NAME, ta::NAME])),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evidence, Retrain, Value, Values};

    /// The score from the MIA-efficacy and the accuracies on retain and test set.
    fn tug_of_war(model: [f64; 3], retrain: [f64; 3]) -> f64 {
        let values = |[efficacy, retain, test]: [f64; 3]| -> Values {
            let figures = [(mia_efficacy::NAME, efficacy), (ra::NAME, retain), (ta::NAME, test)];
            figures.map(|(name, value)| (name.to_owned(), Value::exact(value))).into()
        };
        let (ours, theirs) = (values(model), values(retrain));
        let retrain = Some(Retrain { scores: None, figures: &theirs });
        (FIGURE.compute)(&Evidence { scores: None, rte_seconds: None, figures: &ours, retrain }).unwrap().unwrap().value
    }

    #[test]
    fn is_a_product() {
        assert_eq!(tug_of_war([50.0, 100.0, 90.0], [50.0, 100.0, 90.0]), 1.0);
        assert_eq!(tug_of_war([100.0, 100.0, 75.0], [50.0, 100.0, 100.0]), 0.375);
    }
}
