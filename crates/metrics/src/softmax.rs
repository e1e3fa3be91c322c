//! Probabilities, losses and predictions from logits. All figures and attacks use this softmax and this argmax.

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

    proptest! {
        #[test]
        fn the_three_agree(row in prop::collection::vec(-60.0_f32..60.0, 2..8)) {
            let (p, log_p) = (softmax(&row), log_softmax(&row));
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (c, (p, log_p)) in p.iter().zip(&log_p).enumerate() {
                prop_assert!((p.ln() - log_p).abs() < 1e-9);
                prop_assert!((cross_entropy(&row, c as u32) + log_p).abs() < 1e-9);
            }
        }
    }
}
