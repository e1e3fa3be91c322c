//! ZRF: how random the predictions on the forget set are.

use crate::figures::js::js_divergence;
use crate::{Result, Scores};

/// 1 − mean Jensen–Shannon divergence (nats) of a model's predictions on the forget set from those of a network with
/// random weights: from 1 − log 2 to 1. Retrain's value is the one to reach, not 1.
///
/// Chundawat et al. 2023, arXiv 2205.08096, with natural logarithms as in the authors' code.
///
/// # Errors
/// If the scores have other samples or classes, or no samples.
pub fn zrf(model: &Scores, random: &Scores) -> Result<f64> {
    Ok(1.0 - js_divergence(model, random)?)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;

    #[test]
    fn is_one_for_a_random_network_and_least_for_certainty_elsewhere() {
        let scores = |logits: [f32; 4]| Scores::new(logits.to_vec(), vec![0, 1], 2).unwrap();
        let random = scores([0.1, 0.0, 0.0, 0.2]);
        assert_eq!(zrf(&random, &random), Ok(1.0));
        let opposite = zrf(&scores([900.0, 0.0, 0.0, 900.0]), &scores([0.0, 900.0, 900.0, 0.0])).unwrap();
        assert!((opposite - (1.0 - LN_2)).abs() < 1e-12);
        let other = Scores::new(vec![0.0; 6], vec![0, 1, 1], 2).unwrap();
        assert!(zrf(&random, &other).is_err());
    }
}
