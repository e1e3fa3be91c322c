//! Objectives of training: a function of the logits with its gradient, and an optional penalty on the weights.
//!
//! Objectives need no autograd and do not depend on the executor. One that describes itself as data is computed
//! wherever the network learns; the functions here are the reference.

use unlearn_network::{LossTerm, Penalty};
use unlearn_samples::{Batch, Mixed};

use crate::{Result, divergence::add_divergence};

/// An objective over one batch.
pub trait Objective {
    /// Is called with each batch, and the number of its epoch, before the forward pass. An objective computes here
    /// what its loss needs besides the logits, such as a teacher's output or newly drawn labels. The result must be a
    /// function of epoch and batch, because a resumed run enters an epoch at any batch.
    ///
    /// # Errors
    /// Whatever prevents the computation of the loss.
    fn prepare(&mut self, _epoch: usize, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    /// Returns the mean loss over the batch, and writes ∂(mean loss)/∂logits `[count, classes]`.
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64;

    /// Keys of the settings, besides the recipe's, that make the loss diverge if they are too strong.
    fn strong_settings(&self) -> &[&'static str] {
        &[]
    }

    /// The same loss as data, if it is a sum of terms that a device can compute as well. `None` means that only
    /// [`Objective::loss`] knows it, which then gets the logits from the device. Is called after
    /// [`Objective::prepare`]; [`evaluate`] of the terms must equal the loss.
    fn known_loss<'a>(&'a self, _batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        None
    }

    /// What the objective adds on the weights. `progress` is the share of the run's epochs that is complete, in 0..1. It
    /// is constant within an epoch.
    fn penalty(&self, _progress: f64) -> Penalty<'_> {
        Penalty::None
    }
}

/// The sum of a loss's terms on the host, with ∂loss/∂logits `[count, classes]` in `dlogits`.
pub fn evaluate(terms: &[LossTerm<'_>], classes: usize, logits: &[f32], dlogits: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (number, term) in terms.iter().enumerate() {
        loss += match *term {
            LossTerm::CrossEntropy { labels, mixed, smoothing, weight } => {
                let earlier = if number > 0 { dlogits.to_vec() } else { vec![] };
                let loss = cross_entropy(labels, mixed, logits, smoothing, weight, dlogits);
                dlogits.iter_mut().zip(&earlier).for_each(|(d, earlier)| *d += earlier);
                loss
            }
            LossTerm::Divergence { teacher, temperature, weight } => {
                if number == 0 {
                    dlogits.fill(0.0);
                }
                add_divergence(teacher, logits, classes, temperature, weight, dlogits)
            }
        };
    }
    if terms.is_empty() {
        dlogits.fill(0.0);
    }
    loss
}

/// Cross-entropy, optionally with label smoothing (Szegedy et al. 2016, arXiv 1512.00567, section 7). If images were
/// overlaid (mixup), the targets are shared between both labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct CrossEntropy {
    /// Share of the target that is spread evenly over all classes, in 0..1.
    pub label_smoothing: f64,
}

impl CrossEntropy {
    /// The same as [`Objective::loss`], with `labels` in place of the batch's own.
    pub fn against(&self, labels: &[u32], logits: &[f32], dlogits: &mut [f32]) -> f64 {
        cross_entropy(labels, None, logits, self.label_smoothing, 1.0, dlogits)
    }

    /// This loss times `weight`, as data. A negative weight turns descent into ascent.
    pub fn term<'a>(&self, weight: f64, labels: &'a [u32], mixed: Option<&'a Mixed>) -> LossTerm<'a> {
        let mixed = mixed.map(|mixed| (&mixed.labels[..], mixed.share));
        LossTerm::CrossEntropy { labels, mixed, smoothing: self.label_smoothing, weight }
    }

    /// The same as [`Objective::loss`], times `weight`. A negative weight turns descent into ascent.
    pub fn weighted(&self, weight: f64, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        let term = self.term(weight, &batch.labels, batch.mixed.as_ref());
        evaluate(&[term], logits.len() / batch.labels.len(), logits, dlogits)
    }
}

impl Objective for CrossEntropy {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        self.weighted(1.0, batch, logits, dlogits)
    }

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![self.term(1.0, &batch.labels, batch.mixed.as_ref())])
    }
}

/// −cross-entropy. Gradient descent on it is gradient ascent on the cross-entropy.
#[derive(Debug, Clone, Copy, Default)]
pub struct NegatedCrossEntropy;

impl Objective for NegatedCrossEntropy {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().weighted(-1.0, batch, logits, dlogits)
    }

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![CrossEntropy::default().term(-1.0, &batch.labels, batch.mixed.as_ref())])
    }
}

fn cross_entropy(
    labels: &[u32],
    mixed: Option<(&[u32], f64)>,
    logits: &[f32],
    smoothing: f64,
    weight: f64,
    dlogits: &mut [f32],
) -> f64 {
    let classes = logits.len() / labels.len();
    let scale = weight / labels.len() as f64;
    let own = mixed.map_or(1.0, |(_, share)| share);
    let mut total = 0.0;
    for (sample, (logits, dlogits)) in logits.chunks(classes).zip(dlogits.chunks_mut(classes)).enumerate() {
        let log_sum = log_sum_exp(logits);
        let label = labels[sample] as usize;
        let other = mixed.map(|(labels, _)| labels[sample] as usize);
        for (class, (z, d)) in logits.iter().zip(dlogits).enumerate() {
            let mut share = if class == label { own } else { 0.0 };
            if other == Some(class) {
                share += 1.0 - own;
            }
            let target = smoothing / classes as f64 + share * (1.0 - smoothing);
            total += target * (log_sum - f64::from(*z));
            *d = (scale * ((f64::from(*z) - log_sum).exp() - target)) as f32;
        }
    }
    total * scale
}

/// ln Σ exp z, without overflow.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    logits.iter().map(|z| (f64::from(*z) - max).exp()).sum::<f64>().ln() + max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(labels: &[u32]) -> Batch {
        Batch { labels: labels.to_vec(), indices: vec![0; labels.len()], ..Batch::default() }
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let (labels, logits) = ([2, 0], vec![0.3f32, -1.2, 2.0, 0.1, 0.0, 0.7]);
        let smooth = CrossEntropy { label_smoothing: 0.1 };
        let objectives: [Box<dyn Objective>; 3] =
            [Box::new(CrossEntropy::default()), Box::new(smooth), Box::new(NegatedCrossEntropy)];
        for mut objective in objectives {
            let mut gradient = vec![0.0; 6];
            let mut ignored = vec![0.0; 6];
            objective.loss(&batch(&labels), &logits, &mut gradient);
            for i in 0..6 {
                let mut at = |step: f32| {
                    let mut moved = logits.clone();
                    moved[i] += step;
                    objective.loss(&batch(&labels), &moved, &mut ignored)
                };
                let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((difference - f64::from(gradient[i])).abs() < 1e-4, "{difference} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn targets_of_overlaid_samples_are_shared_by_both_labels() {
        let logits = [0.3f32, -1.2, 2.0, 0.1, 0.0, 0.7];
        let smooth = CrossEntropy { label_smoothing: 0.1 };
        let of = |labels: &[u32], mixed: Option<Mixed>| {
            let mut gradient = vec![0.0; 6];
            let loss = { smooth }.loss(&Batch { mixed, ..batch(labels) }, &logits, &mut gradient);
            (loss, gradient)
        };
        let (loss, gradient) = of(&[2, 0], Some(Mixed { labels: vec![1, 0], share: 0.7 }));
        let ((first, of_first), (second, of_second)) = (of(&[2, 0], None), of(&[1, 0], None));
        assert!((loss - (0.7 * first + 0.3 * second)).abs() < 1e-12, "{loss}");
        for (i, g) in gradient.iter().enumerate() {
            assert!((g - (0.7 * of_first[i] + 0.3 * of_second[i])).abs() < 1e-6, "{g}");
        }
        assert_ne!(loss, first);
    }

    #[test]
    fn uniform_logits_cost_the_logarithm_of_the_number_of_classes() {
        let loss = CrossEntropy::default().loss(&batch(&[1]), &[5.0; 4], &mut [0.0; 4]);
        assert!((loss - 4f64.ln()).abs() < 1e-12);
    }
}
