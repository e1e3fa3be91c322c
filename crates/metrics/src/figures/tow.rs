//! Tug-of-war score: Π over forget, retain and test set of 1 − |accuracy − Retrain's accuracy| / 100. The best value
//! is 1.

use std::borrow::Cow;

use super::{ra, ta, ua};
use crate::{Direction, Evidence, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "tow";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("ToW"),
    meaning: Cow::Borrowed(
        "tug of war: product over forget, retain and test set of 1 − distance to Retrain's accuracy",
    ),
    unit: Unit::None,
    range: [0.0, 1.0],
    direction: Direction::Higher,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::RetrainFigures],
    source: "Zhao et al. 2024, arXiv 2406.01257",
    in_table: false,
    // The difference of two UA values equals that of the accuracies on the forget set.
    compute: |evidence| Ok(product(evidence, [ua::NAME, ra::NAME, ta::NAME])),
};

/// The product over figures in percent of 1 − distance to Retrain's value. `None` if a figure is missing for a model.
pub(super) fn product(evidence: &Evidence<'_>, names: [&str; 3]) -> Option<Value> {
    let pairs: Option<Vec<[f64; 2]>> = names.map(|name| evidence.pair(name)).into_iter().collect();
    pairs.map(|pairs| Value::exact(pairs.iter().map(|[a, b]| 1.0 - (a - b).abs() / 100.0).product()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Retrain, Values};

    /// The score from accuracies on forget, retain and test set.
    fn tug_of_war(model: [f64; 3], retrain: [f64; 3]) -> f64 {
        let values = |[forget, retain, test]: [f64; 3]| -> Values {
            let figures = [(ua::NAME, 100.0 - forget), (ra::NAME, retain), (ta::NAME, test)];
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
