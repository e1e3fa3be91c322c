//! Activation distance: mean Euclidean distance between the model's and Retrain's probability vectors on the forget
//! set, 0 to √2.

use std::borrow::Cow;
use std::f64::consts::SQRT_2;

use crate::closeness::{mean_over_samples, sum_over_classes};
use crate::{Direction, Figure, Need, Result, Scores, Unit, Value};

/// Its name.
pub const NAME: &str = "activation_distance";

/// The entry of the registry. Its range allows for rounding.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Activation distance"),
    meaning: Cow::Borrowed("mean distance of the probabilities on the forget set to Retrain's, 0 to √2"),
    unit: Unit::None,
    range: [0.0, SQRT_2 + 1e-12],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::RetrainScores],
    source: "Golatkar et al. 2021, arXiv 2012.13431",
    in_table: false,
    compute: |evidence| {
        evidence.forget_pair().map(|[model, retrain]| activation_distance(model, retrain).map(Value::exact)).transpose()
    },
};

/// Mean Euclidean distance of the probability vectors.
///
/// # Errors
/// If the scores have other samples or classes, or no samples.
pub fn activation_distance(model: &Scores, retrain: &Scores) -> Result<f64> {
    mean_over_samples(model, retrain, |q, p| sum_over_classes(q, p, |q, p| (p.exp() - q.exp()).powi(2)).sqrt())
}
