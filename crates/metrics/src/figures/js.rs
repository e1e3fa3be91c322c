//! Jensen–Shannon divergence between the model's and Retrain's predictions on the forget set. It is symmetric and at
//! most log 2.

use std::borrow::Cow;
use std::f64::consts::LN_2;

use crate::closeness::{mean_over_samples, sum_over_classes};
use crate::{Direction, Figure, Need, Result, Scores, Unit, Value};

/// Its name.
pub const NAME: &str = "js";

/// The entry of the registry. Its range allows for rounding.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("JS"),
    meaning: Cow::Borrowed("Jensen–Shannon divergence of the predictions on the forget set from Retrain's, nats"),
    unit: Unit::Nats,
    range: [0.0, LN_2 + 1e-12],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::RetrainScores],
    source: "Chundawat et al. 2023, arXiv 2205.08096",
    in_table: false,
    compute: |evidence| {
        evidence.forget_pair().map(|[model, retrain]| js_divergence(model, retrain).map(Value::exact)).transpose()
    },
};

/// Mean Jensen–Shannon divergence, in nats: 0 to log 2, symmetric.
///
/// # Errors
/// If the scores have other samples or classes, or no samples.
pub fn js_divergence(model: &Scores, retrain: &Scores) -> Result<f64> {
    let of_class = |q: f64, p: f64| {
        // Logarithm of the mixture (p + q) / 2, computed relative to the greater of the two.
        let (high, low) = (p.max(q), p.min(q));
        let mixture = high + ((low - high).exp().ln_1p() - LN_2);
        0.5 * (p.exp() * (p - mixture) + q.exp() * (q - mixture))
    };
    mean_over_samples(model, retrain, |q, p| sum_over_classes(q, p, of_class).max(0.0))
}
