//! Kullback–Leibler divergence from Retrain's predictions on the forget set: mean KL(retrain ‖ model).

use std::borrow::Cow;

use crate::closeness::{mean_over_samples, sum_over_classes};
use crate::{Direction, Figure, Need, Result, Scores, Unit, Value};

/// Its name.
pub const NAME: &str = "kl";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("KL"),
    meaning: Cow::Borrowed("KL divergence of the predictions on the forget set from Retrain's, nats"),
    unit: Unit::Nats,
    range: [0.0, f64::MAX],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::RetrainScores],
    source: "Golatkar et al. 2020, arXiv 1911.04933",
    in_table: false,
    compute: |evidence| {
        evidence.forget_pair().map(|[model, retrain]| kl_divergence(model, retrain).map(Value::exact)).transpose()
    },
};

/// Mean Kullback–Leibler divergence KL(retrain ‖ model), in nats.
///
/// # Errors
/// If the scores have other samples or classes, or no samples.
pub fn kl_divergence(model: &Scores, retrain: &Scores) -> Result<f64> {
    mean_over_samples(model, retrain, |q, p| sum_over_classes(q, p, |q, p| p.exp() * (p - q)).max(0.0))
}
