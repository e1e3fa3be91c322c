//! The average gap: the mean distance to Retrain over UA, MIA-efficacy, RA and TA; 0 is best.
//!
//! A figure that was measured and is undefined, for this model or for Retrain, is left out of the mean. Reports say so.

use std::borrow::Cow;

use super::{mia_efficacy, ra, ta, ua};
use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "avg_gap";

/// The figures that it averages over.
pub const OVER: [&str; 4] = [ua::NAME, mia_efficacy::NAME, ra::NAME, ta::NAME];

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Avg. gap"),
    meaning: Cow::Borrowed("mean distance of UA, MIA-efficacy, RA and TA to Retrain's, points"),
    unit: Unit::Points,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack, Need::RetrainFigures],
    source: "Jia et al. 2023, arXiv 2304.04934",
    in_table: true,
    compute: |evidence| {
        let defined = OVER.iter().filter(|name| !evidence.is_undefined_for_one(name));
        let pairs: Option<Vec<[f64; 2]>> = defined.map(|name| evidence.pair(name)).collect();
        Ok(pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| Value::exact(mean_distance(&pairs))))
    },
};

/// The mean absolute difference of pairs.
fn mean_distance(pairs: &[[f64; 2]]) -> f64 {
    pairs.iter().map(|[a, b]| (a - b).abs()).sum::<f64>() / pairs.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Evidence, Retrain, Values};

    fn values(figures: [f64; 4]) -> Values {
        OVER.iter().zip(figures).map(|(name, value)| ((*name).to_owned(), Value::exact(value))).collect()
    }

    fn gap(model: [f64; 4], retrain: [f64; 4]) -> f64 {
        let (ours, theirs) = (values(model), values(retrain));
        let retrain = Some(Retrain { scores: None, figures: &theirs });
        (FIGURE.compute)(&Evidence { scores: None, rte_seconds: None, figures: &ours, retrain }).unwrap().unwrap().value
    }

    #[test]
    fn is_the_mean_of_four_differences() {
        let expected = (77.47 + 25.0 + 0.13 + 0.52) / 4.0;
        assert!((gap([22.53, 75.0, 99.87, 94.31], [100.0, 100.0, 100.0, 94.83]) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_figure_that_is_missing_leaves_no_gap() {
        let (mut ours, theirs) = (values([1.0; 4]), values([2.0; 4]));
        ours.remove("ta");
        let retrain = Some(Retrain { scores: None, figures: &theirs });
        assert_eq!((FIGURE.compute)(&Evidence { scores: None, rte_seconds: None, figures: &ours, retrain }), Ok(None));
    }

    #[test]
    fn a_figure_that_is_undefined_for_one_of_the_models_is_left_out() {
        let of = |ours: &Values, theirs: &Values| {
            let retrain = Some(Retrain { scores: None, figures: theirs });
            (FIGURE.compute)(&Evidence { scores: None, rte_seconds: None, figures: ours, retrain }).unwrap()
        };
        let (known, theirs) = (values([10.0, 20.0, 30.0, 40.0]), values([11.0, 70.0, 33.0, 45.0]));
        let undefined = |values: &Values| {
            let mut values = values.clone();
            values.insert(mia_efficacy::NAME.to_owned(), Value::undefined("all scores are equal"));
            values
        };
        assert_eq!(of(&known, &theirs), Some(Value::exact(59.0 / 4.0)));
        assert_eq!(of(&undefined(&known), &theirs), Some(Value::exact(3.0)));
        assert_eq!(of(&known, &undefined(&theirs)), Some(Value::exact(3.0)));
        assert_eq!(of(&undefined(&known), &undefined(&theirs)), Some(Value::exact(3.0)));
        let mut unmeasured = theirs;
        unmeasured.remove(mia_efficacy::NAME);
        assert_eq!(of(&undefined(&known), &unmeasured), None);
    }

    proptest! {
        #[test]
        fn a_gap_is_a_distance(a: [u8; 4], b: [u8; 4], c: [u8; 4]) {
            let [a, b, c] = [a, b, c].map(|values| values.map(f64::from));
            prop_assert_eq!(gap(a, a), 0.0);
            prop_assert_eq!(gap(a, b), gap(b, a));
            prop_assert!(gap(a, c) <= gap(a, b) + gap(b, c));
        }
    }
}
