//! Agreement: the share of the forget set for which the model and Retrain predict the same class.

use std::borrow::Cow;

use crate::closeness::check_samples;
use crate::{Direction, Figure, Need, Result, Scores, Unit, Value};

/// Its name.
pub const NAME: &str = "agreement";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Agreement"),
    meaning: Cow::Borrowed("share of the forget set for which Retrain predicts the same class, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Higher,
    needs: &[Need::Forget, Need::RetrainScores],
    source: "common practice",
    in_table: false,
    compute: |evidence| {
        evidence
            .forget_pair()
            .map(|[model, retrain]| prediction_agreement(model, retrain).map(Value::exact))
            .transpose()
    },
};

/// Share of samples, in percent, for which both models predict the same class.
///
/// # Errors
/// If the scores have other samples or classes, or no samples.
pub fn prediction_agreement(model: &Scores, retrain: &Scores) -> Result<f64> {
    check_samples(model, retrain)?;
    let equal = model.predictions().zip(retrain.predictions()).filter(|(a, b)| a == b).count();
    Ok(100.0 * equal as f64 / model.len() as f64)
}
