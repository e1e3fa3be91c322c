//! Probabilities, losses and predictions from logits. All figures and attacks use this softmax and this argmax.
//!
//! Attacks that compare models look at φ = log p − log(1 − p), the log-odds of the true class. It is also the margin: the
//! true class's logit less the log-sum-exp of the others. [`log_odds`] is the one place where it is computed.

use crate::{Error, Result};

/// The softmax of a row of finite logits: one probability per class.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let greatest = f64::from(greatest(logits));
    let p: Vec<f64> = logits.iter().map(|&v| (f64::from(v) - greatest).exp()).collect();
    let sum: f64 = p.iter().sum();
    p.into_iter().map(|v| v / sum).collect()
}

/// The logarithm of the softmax. It is exact even where the softmax itself rounds to 0 or 1.
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let greatest = f64::from(greatest(logits));
    let log_sum = logits.iter().map(|&v| (f64::from(v) - greatest).exp()).sum::<f64>().ln();
    logits.iter().map(|&v| f64::from(v) - greatest - log_sum).collect()
}

/// Cross-entropy of a row with its label, in nats: log Σ exp z − `z_label`.
pub fn cross_entropy(logits: &[f32], label: u32) -> f64 {
    let greatest = f64::from(greatest(logits));
    let log_sum_exp = logits.iter().map(|&v| (f64::from(v) - greatest).exp()).sum::<f64>().ln() + greatest;
    log_sum_exp - f64::from(logits[label as usize])
}

/// φ = log p − log(1 − p) of the label's probability p, and the margin `z_label` − log Σ exp z of the other classes: one
/// number, in nats. It is finite wherever the logits are, also where p rounds to 0 or 1.
///
/// `logits` has at least two classes.
pub fn log_odds(logits: &[f32], label: u32) -> f64 {
    let label = label as usize;
    let others = || logits[..label].iter().chain(&logits[label + 1..]).map(|&v| f64::from(v));
    let greatest = others().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = others().map(|v| (v - greatest).exp()).sum::<f64>().ln();
    f64::from(logits[label]) - greatest - log_sum
}

/// φ = log p − log(1 − p), for a probability whose logits are not known.
///
/// # Errors
/// If the probability is not strictly between 0 and 1: a rounded 1 says nothing of how certain the model was.
pub fn log_odds_of(probability: f64) -> Result<f64> {
    if probability > 0.0 && probability < 1.0 {
        return Ok(probability.ln() - (-probability).ln_1p());
    }
    Err(Error::Probability { value: probability })
}

/// The predicted class: the one with the greatest logit, and the lowest among equals.
pub fn argmax(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, c| if logits[c] > logits[best] { c } else { best })
}

fn greatest(logits: &[f32]) -> f32 {
    logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// log(1 − p) as the sum over the other classes.
    fn log_p_of_rest(row: &[f32], label: usize) -> f64 {
        let rest = log_softmax(row).into_iter().enumerate().filter(|(c, _)| *c != label).map(|(_, v)| v.exp());
        rest.sum::<f64>().ln()
    }

    #[test]
    fn of_equals_the_lowest_class_is_predicted() {
        assert_eq!(argmax(&[1.0, 2.0, 0.0]), 1);
        assert_eq!(argmax(&[5.0, 5.0, 0.0]), 0);
        assert_eq!(argmax(&[0.0, 7.0, 7.0]), 1);
    }

    #[test]
    fn an_even_row_costs_the_logarithm_of_the_class_count_and_certainty_its_distance() {
        assert!((cross_entropy(&[300.0; 4], 3) - 4.0_f64.ln()).abs() < 1e-12);
        // A wrong answer with certainty costs the distance of the logits, not infinity.
        assert_eq!(cross_entropy(&[2000.0, 0.0], 1), 2000.0);
    }

    #[test]
    fn log_odds_are_numpys_and_stay_exact_where_probabilities_round() {
        let golden: serde_json::Value =
            serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["log_odds"].as_array().unwrap() {
            let logits: Vec<f32> = serde_json::from_value(case["logits"].clone()).unwrap();
            let (label, expected) = (case["label"].as_u64().unwrap() as u32, case["phi"].as_f64().unwrap());
            let found = log_odds(&logits, label);
            assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{case}: {found}");
        }
        // p rounds to 1 and to 0, but the margins are 2000 and −2000.
        assert_eq!([log_odds(&[2000.0, 0.0], 0), log_odds(&[2000.0, 0.0], 1)], [2000.0, -2000.0]);
        assert!((log_odds_of(0.75).unwrap() - 3.0_f64.ln()).abs() < 1e-15);
        for rounded in [0.0, 1.0, f64::NAN, 1.5] {
            assert!(log_odds_of(rounded).unwrap_err().to_string().contains("give logits"));
        }
    }

    proptest! {
        #[test]
        fn the_three_agree(row in prop::collection::vec(-60.0_f32..60.0, 2..8)) {
            let (p, log_p) = (softmax(&row), log_softmax(&row));
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (c, (p, log_p)) in p.iter().zip(&log_p).enumerate() {
                prop_assert!((p.ln() - log_p).abs() < 1e-9);
                prop_assert!((cross_entropy(&row, c as u32) + log_p).abs() < 1e-9);
                let rest: f64 = log_p_of_rest(&row, c);
                prop_assert!((log_odds(&row, c as u32) - (log_p - rest)).abs() < 1e-9);
            }
        }
    }
}
