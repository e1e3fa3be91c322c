//! How close an unlearned model is to Retrain, by what both predict on the same samples.
//!
//! Divergences are in nats, of the softmax of the logits, averaged over samples. Every mean here is 0 (agreement: 100 %) for a
//! model that predicts exactly as Retrain does.

use std::f64::consts::LN_2;

use crate::{Error, Logits, Result};

/// Mean Kullback–Leibler divergence KL(retrain ‖ model), in nats.
///
/// # Errors
/// Logits of different shapes.
pub fn kl_divergence(model: &Logits, retrain: &Logits) -> Result<f64> {
    mean_over_samples(model, retrain, |q, p| sum(q, p, |q, p| p.exp() * (p - q)).max(0.0))
}

/// Mean Jensen–Shannon divergence, in nats: 0 to log 2, symmetric.
///
/// # Errors
/// Logits of different shapes.
pub fn js_divergence(model: &Logits, retrain: &Logits) -> Result<f64> {
    let of_class = |q: f64, p: f64| {
        // log of the mixture (p + q) / 2, by the greater of the two.
        let (high, low) = (p.max(q), p.min(q));
        let mixture = high + ((low - high).exp().ln_1p() - LN_2);
        0.5 * (p.exp() * (p - mixture) + q.exp() * (q - mixture))
    };
    mean_over_samples(model, retrain, |q, p| sum(q, p, of_class).max(0.0))
}

/// Activation distance: mean Euclidean distance of the probability vectors, 0 to √2.
///
/// Golatkar et al. 2021 (arXiv 2012.13431).
///
/// # Errors
/// Logits of different shapes.
pub fn activation_distance(model: &Logits, retrain: &Logits) -> Result<f64> {
    mean_over_samples(model, retrain, |q, p| sum(q, p, |q, p| (p.exp() - q.exp()).powi(2)).sqrt())
}

/// Share of samples, in percent, for which both predict the same class.
///
/// # Errors
/// Logits of different shapes.
pub fn prediction_agreement(model: &Logits, retrain: &Logits) -> Result<f64> {
    check_shapes(model, retrain)?;
    let equal = model.predictions().zip(retrain.predictions()).filter(|(a, b)| a == b).count();
    Ok(100.0 * equal as f64 / model.samples() as f64)
}

/// Tug-of-war score: Π over forget, retain and test set of 1 − |accuracy − Retrain's| / 100, from 0 to 1; 1 is best.
///
/// Accuracies in percent, in the same order of sets. Zhao et al. 2024 (arXiv 2406.01257).
///
/// # Errors
/// An accuracy that is not between 0 and 100.
pub fn tug_of_war(accuracies: [f64; 3], retrain: [f64; 3]) -> Result<f64> {
    if let Some(&value) = accuracies.iter().chain(&retrain).find(|v| !(0.0..=100.0).contains(*v)) {
        return Err(Error::Percent { what: "an accuracy", value });
    }
    Ok(accuracies.iter().zip(retrain).map(|(a, b)| 1.0 - (a - b).abs() / 100.0).product())
}

/// The mean of a function of both models' log-probabilities.
fn mean_over_samples(model: &Logits, retrain: &Logits, of: impl Fn(&[f64], &[f64]) -> f64) -> Result<f64> {
    check_shapes(model, retrain)?;
    let total: f64 = model.log_probabilities().zip(retrain.log_probabilities()).map(|(q, p)| of(&q, &p)).sum();
    Ok(total / model.samples() as f64)
}

fn sum(q: &[f64], p: &[f64], of_class: impl Fn(f64, f64) -> f64) -> f64 {
    q.iter().zip(p).map(|(&q, &p)| of_class(q, p)).sum()
}

fn check_shapes(model: &Logits, retrain: &Logits) -> Result<()> {
    if (model.samples(), model.classes()) == (retrain.samples(), retrain.classes()) {
        return Ok(());
    }
    let (rows, classes) = (retrain.samples(), retrain.classes());
    Err(Error::Length { what: "the model's logits", found: model.samples() * model.classes(), rows, classes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn divergences_are_scipys() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/metrics/metrics.json")).unwrap();
        let case = &golden["closeness"];
        let floats = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
        let (model, retrain) = (floats("model"), floats("retrain"));
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (model, retrain) = (Logits::new(&model, classes).unwrap(), Logits::new(&retrain, classes).unwrap());
        let check = |key: &str, value: Result<f64>| {
            let expected = case[key].as_f64().unwrap();
            assert!((value.unwrap() - expected).abs() < 1e-12 * (1.0 + expected), "{key}");
        };
        check("kl_divergence", kl_divergence(&model, &retrain));
        check("js_divergence", js_divergence(&model, &retrain));
        check("activation_distance", activation_distance(&model, &retrain));
        check("prediction_agreement", prediction_agreement(&model, &retrain));
    }

    #[test]
    fn tug_of_war_is_a_product() {
        assert_eq!(tug_of_war([50.0, 100.0, 90.0], [50.0, 100.0, 90.0]), Ok(1.0));
        assert_eq!(tug_of_war([100.0, 100.0, 75.0], [50.0, 100.0, 100.0]), Ok(0.375));
        assert!(tug_of_war([101.0, 0.0, 0.0], [0.0; 3]).is_err());
    }

    #[test]
    fn shapes_must_agree() {
        let (two, three) = (Logits::new(&[0.0; 6], 2).unwrap(), Logits::new(&[0.0; 6], 3).unwrap());
        let message = js_divergence(&two, &three).unwrap_err().to_string();
        assert!(message.contains("6 values do not make 2 rows of 3 classes"), "{message}");
    }

    proptest! {
        #[test]
        fn a_model_is_close_to_itself_and_never_nearer_than_zero(
            pairs in prop::collection::vec((-400.0_f32..400.0, -400.0_f32..400.0), 4),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (a, b) = (Logits::new(&a, 2).unwrap(), Logits::new(&b, 2).unwrap());
            for measure in [kl_divergence, js_divergence, activation_distance] {
                prop_assert_eq!(measure(&a, &a), Ok(0.0));
                let value = measure(&a, &b).unwrap();
                prop_assert!(value.is_finite() && value >= 0.0);
            }
            prop_assert!(js_divergence(&a, &b).unwrap() <= LN_2 + 1e-12);
            prop_assert_eq!(prediction_agreement(&a, &a), Ok(100.0));
        }
    }
}
