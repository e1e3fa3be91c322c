//! The worst case: the forget set whose unlearning fails most, by bi-level selection (Fan et al. 2024, arXiv 2403.07362, "Challenging
//! forgetting").
//!
//! The upper level seeks weights w of the samples, each in 0..1 and with the number of samples to forget as their sum, for which the loss of
//! the weighted samples after unlearning is smallest: min over w of Σ wᵢ·ℓᵢ(θ(w)). The lower level unlearns: θ(w) comes from the model by
//! steps of sign gradient descent on the mean of (1 − wᵢ)·ℓᵢ − wᵢ·ℓᵢ. The derivative of a sign is 0, so θ(w) counts as a constant in the
//! upper gradient, which is ℓᵢ(θ(w)) (their section 4). Each round unlearns anew from the model, takes one step of the upper level, and
//! projects w onto its set.
//!
//! Deviations: losses are divided by their standard deviation, so that one step length serves every data set, and there is no penalty ‖w‖²,
//! because rounds are few.

use serde::{Deserialize, Serialize};
use unlearn_metrics::softmax::cross_entropy;
use unlearn_network::{Mode, Network};
use unlearn_random::derived_seed;
use unlearn_samples::{Augmentation, BatchOptions, BatchPlan, ImageSet};
use unlearn_training::{CrossEntropy, Objective, Result, Session, predict};

use crate::hard::Search;

/// What decides the result of a selection, beside the model and its data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WorstCase {
    /// Number of samples to forget.
    pub(crate) count: usize,
    /// How the search goes on.
    pub(crate) search: Search,
}

/// Samples per step of unlearning.
const BATCH_SIZE: usize = 256;
/// Step length of the upper level, in units of a weight for a loss of one standard deviation.
const STEP: f64 = 0.5;

/// The weight of each sample at `positions`: the higher, the harder. The network ends as it was.
pub(super) fn select(
    network: &mut Network,
    (images, positions): (&ImageSet, &[u32]),
    WorstCase { count, search }: WorstCase,
    seed: u64,
    session: Session<'_>,
) -> Result<Vec<f64>> {
    let original = network.state().clone();
    let mut weights = vec![count as f64 / positions.len() as f64; positions.len()];
    for round in 0..search.rounds {
        network.set_state(original.clone());
        let seed = derived_seed(seed, &format!("worst case {round}"));
        unlearn(network, (images, positions), &weights, search, seed, session)?;
        let found = predict(network, images, positions)?;
        session.go_on()?;
        let losses: Vec<f64> = found
            .logits
            .chunks(found.classes)
            .zip(&found.labels)
            .map(|(logits, label)| cross_entropy(logits, *label))
            .collect();
        let n = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / n;
        let deviation = (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / n).sqrt();
        let scale = if deviation > 0.0 { STEP / deviation } else { 0.0 };
        weights.iter_mut().zip(&losses).for_each(|(weight, loss)| *weight -= scale * (loss - mean));
        project(&mut weights, count);
    }
    network.set_state(original);
    Ok(weights)
}

/// Steps of sign gradient descent on the mean of (1 − 2w)·ℓ.
fn unlearn(
    network: &mut Network,
    (images, positions): (&ImageSet, &[u32]),
    weights: &[f64],
    Search { steps, lr, .. }: Search,
    seed: u64,
    session: Session<'_>,
) -> Result<()> {
    let options = BatchOptions::training(BATCH_SIZE.min(positions.len()), Augmentation::NONE, seed);
    let plan = BatchPlan::new(images, positions, options)?;
    let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
    let (mut done, mut epoch) = (0, 0);
    while done < steps {
        for batch in plan.epoch(epoch, 0) {
            if done == steps {
                break;
            }
            session.go_on()?;
            let batch = batch?;
            network.forward(&batch.images, Mode::Frozen, &mut logits)?;
            dlogits.resize(logits.len(), 0.0);
            CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
            let classes = logits.len() / batch.labels.len();
            for (row, position) in dlogits.chunks_mut(classes).zip(&batch.indices) {
                // A batch holds only samples of `positions`, which are ascending.
                let weight = positions.binary_search(position).map_or(0.0, |at| weights[at]);
                for value in row.iter_mut() {
                    *value *= (1.0 - 2.0 * weight) as f32;
                }
            }
            network.backward(&dlogits)?;
            let (parameters, gradients) = network.parameters_and_gradients();
            for (values, gradients) in parameters.iter_mut().zip(&gradients.parameters) {
                for (value, gradient) in values.iter_mut().zip(gradients) {
                    if *gradient != 0.0 {
                        *value -= lr as f32 * gradient.signum();
                    }
                }
            }
            done += 1;
        }
        epoch += 1;
    }
    Ok(())
}

/// The nearest weights in 0..1 whose sum is `count`: clamp(w − τ), with τ found by bisection.
fn project(weights: &mut [f64], count: usize) {
    let clamped = |weight: f64, tau: f64| (weight - tau).clamp(0.0, 1.0);
    let (least, greatest) = weights.iter().fold((f64::MAX, f64::MIN), |(a, b), w| (a.min(*w), b.max(*w)));
    let (mut low, mut high) = (least - 1.0, greatest);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        let sum: f64 = weights.iter().map(|weight| clamped(*weight, middle)).sum();
        if sum > count as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    for weight in weights.iter_mut() {
        *weight = clamped(*weight, high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_is_the_nearest_point_of_the_set() {
        // The sum of 2 is reached with τ = 0.25: (0.95, 0.75, 0.25, 0.05, 0).
        let mut weights = [1.2, 1.0, 0.5, 0.3, -3.0];
        project(&mut weights, 2);
        for (found, expected) in weights.iter().zip([0.95, 0.75, 0.25, 0.05, 0.0]) {
            assert!((found - expected).abs() < 1e-9, "{weights:?}");
        }
        let mut far = [9.0, -4.0, 8.0, 0.1];
        project(&mut far, 2);
        assert!(far.iter().zip([1.0, 0.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{far:?}");
        let mut inside = [0.2, 0.5, 0.3];
        project(&mut inside, 1);
        assert!(inside.iter().zip([0.2, 0.5, 0.3]).all(|(a, b)| (a - b).abs() < 1e-9), "{inside:?}");
    }
}
