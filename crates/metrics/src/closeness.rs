//! How close an unlearned model is to Retrain, from both models' predictions on the same samples. The figures of
//! closeness share this code.
//!
//! Divergences are in nats, of the softmax of the logits, averaged over samples. A model that predicts exactly as
//! Retrain does has a mean of 0 (agreement: 100 %).

use crate::{Error, Result, Scores};

/// The mean of a function of both models' log-probabilities.
pub(crate) fn mean_over_samples(model: &Scores, retrain: &Scores, of: impl Fn(&[f64], &[f64]) -> f64) -> Result<f64> {
    check_samples(model, retrain)?;
    let total: f64 = model.log_probabilities().zip(retrain.log_probabilities()).map(|(q, p)| of(&q, &p)).sum();
    Ok(total / model.len() as f64)
}

/// The sum over classes of a function of both log-probabilities.
pub(crate) fn sum_over_classes(q: &[f64], p: &[f64], of_class: impl Fn(f64, f64) -> f64) -> f64 {
    q.iter().zip(p).map(|(&q, &p)| of_class(q, p)).sum()
}

/// Refuses scores of different samples or classes.
pub(crate) fn check_samples(model: &Scores, retrain: &Scores) -> Result<()> {
    if model.is_empty() {
        return Err(Error::Empty { what: "samples" });
    }
    let shape = |scores: &Scores| [scores.len(), scores.classes()];
    if shape(model) != shape(retrain) {
        return Err(Error::Unlike { model: shape(model), retrain: shape(retrain) });
    }
    let differs = model.positions().iter().zip(retrain.positions()).position(|(a, b)| a != b);
    match differs {
        None => Ok(()),
        Some(row) => Err(Error::OtherSample { row, model: model.positions()[row], retrain: retrain.positions()[row] }),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::figures::activation_distance::activation_distance;
    use crate::figures::agreement::prediction_agreement;
    use crate::figures::js::js_divergence;
    use crate::figures::kl::kl_divergence;

    fn scores(logits: Vec<f32>, classes: usize) -> Scores {
        let labels = vec![0; logits.len() / classes];
        Scores::new(logits, labels, classes).unwrap()
    }

    #[test]
    fn divergences_are_scipys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/metrics.json")).unwrap();
        let case = &golden["closeness"];
        let floats = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (model, retrain) = (scores(floats("model"), classes), scores(floats("retrain"), classes));
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
    fn samples_must_be_the_same() {
        let (two, three) = (scores(vec![0.0; 6], 2), scores(vec![0.0; 6], 3));
        let message = js_divergence(&two, &three).unwrap_err().to_string();
        assert!(message.contains("3 samples of 2 classes") && message.contains("2 samples of 3 classes"), "{message}");
        let elsewhere = two.clone().at(vec![0, 7, 2]).unwrap();
        let message = prediction_agreement(&elsewhere, &two).unwrap_err().to_string();
        assert!(
            message.contains("sample 1") && message.contains("position 7") && message.contains("position 1"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn a_model_is_close_to_itself_and_never_nearer_than_zero(
            pairs in prop::collection::vec((-400.0_f32..400.0, -400.0_f32..400.0), 4),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (a, b) = (scores(a, 2), scores(b, 2));
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
