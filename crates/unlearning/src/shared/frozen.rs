//! Passes over samples in evaluation mode, with per-sample gradients or gradients of weighted sums.

use std::cmp::Ordering;

use unlearn_network::{Mode, Network};
use unlearn_samples::{Augmentation, Batch, BatchOptions, BatchPlan};
use unlearn_training::{Error, Position, Result, see};

use crate::Request;

/// One pass over samples, in their order, with running statistics.
pub(crate) struct FrozenPass<'a> {
    /// Positions of the samples.
    pub(crate) samples: &'a [u32],
    /// Samples per forward pass.
    pub(crate) batch_size: usize,
    /// Whether images are cropped and flipped as in training. A sample gets the same crop and flip in every pass.
    pub(crate) augment: bool,
    /// Number of this pass within the method, counted from 0, and the total number of passes. Used for reporting
    /// progress only.
    pub(crate) number: (usize, usize),
}

/// A batch and the network's output for it.
pub(crate) struct FrozenBatch<'a> {
    batch: &'a Batch,
    /// `[count, classes]`.
    probabilities: &'a [f64],
    classes: usize,
    dlogits: &'a mut Vec<f32>,
    logits: &'a mut Vec<f32>,
}

impl FrozenPass<'_> {
    /// Calls `body` after the forward pass of each batch, in order.
    ///
    /// # Errors
    /// If there are no samples, the run is interrupted, the network fails, or `body` returns an error.
    pub(crate) fn run(
        &self,
        request: &mut Request<'_>,
        mut body: impl FnMut(&mut Network, &mut FrozenBatch<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.samples.is_empty() {
            return Err(Error::Empty("take gradients of"));
        }
        let augmentation = if self.augment { request.task.augmentation } else { Augmentation::NONE };
        let plain = BatchOptions::evaluation(self.batch_size);
        let options = BatchOptions { augmentation, seed: request.task.seed, ..plain };
        let plan = BatchPlan::new(request.task.images, self.samples, options)?.in_bytes(request.network.takes_bytes());
        let (classes, batches) = (request.network.graph().classes(), plan.batches_per_epoch());
        let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
        for (number, batch) in plan.epoch(0, 0).enumerate() {
            let batch = batch?;
            see(request.network, &batch, Mode::Frozen, &mut logits)?;
            let probabilities = probabilities(&logits, classes);
            let (dlogits, logits) = (&mut dlogits, &mut logits);
            let mut frozen = FrozenBatch { batch: &batch, probabilities: &probabilities, classes, dlogits, logits };
            let loss = frozen.loss();
            body(request.network, &mut frozen)?;
            let (pass, passes) = self.number;
            request.task.session.progress.step(Position { epoch: pass, batch: number + 1 }, passes, batches, loss);
            request.task.session.go_on()?;
        }
        Ok(())
    }
}

impl FrozenBatch<'_> {
    /// Number of samples.
    pub(crate) fn len(&self) -> usize {
        self.batch.len()
    }

    /// Number of classes.
    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    /// The label of a sample.
    pub(crate) fn label(&self, sample: usize) -> usize {
        self.batch.labels[sample] as usize
    }

    /// The probability that the network assigns to a class of a sample.
    pub(crate) fn probability(&self, sample: usize, class: usize) -> f64 {
        self.probabilities[sample * self.classes + class]
    }

    /// For each sample, `weight · ∂(−ln p(class))/∂logits`, `[count, classes]`. `of` returns the sample's class and
    /// weight.
    pub(crate) fn derivative(&mut self, of: impl Fn(&Self, usize) -> (usize, f64)) -> &[f32] {
        let mut dlogits = std::mem::take(self.dlogits);
        dlogits.clear();
        for (sample, probabilities) in self.probabilities.chunks_exact(self.classes).enumerate() {
            let (label, weight) = of(self, sample);
            let target = |class| f64::from(u8::from(class == label));
            let row = probabilities.iter().enumerate().map(|(class, p)| (weight * (p - target(class))) as f32);
            dlogits.extend(row);
        }
        *self.dlogits = dlogits;
        self.dlogits
    }

    /// For each sample, column `number` of the Cholesky factor of diag(p) − ppᵀ, `[count, classes]`. That matrix is
    /// the covariance of ∂(−ln p(y))/∂logits over labels y drawn from the network's distribution.
    ///
    /// A sum over labels of squares, weighted by their probabilities, equals a sum over columns of squares. This
    /// takes one pass fewer than there are classes.
    pub(crate) fn covariance_factor(&mut self, number: usize) -> &[f32] {
        self.dlogits.clear();
        for p in self.probabilities.chunks_exact(self.classes) {
            // The sum starts at the end, so that small values are not lost.
            let after: f64 = p[number + 1..].iter().rev().sum();
            let pivot = p[number];
            // If no probability remains, nothing varies.
            let diagonal = if after > 0.0 { (pivot * (after / (after + pivot))).sqrt() } else { 0.0 };
            let factor = |class: usize| match class.cmp(&number) {
                Ordering::Equal => diagonal as f32,
                Ordering::Greater if diagonal > 0.0 => (-p[class] / after * diagonal) as f32,
                _ => 0.0,
            };
            self.dlogits.extend((0..self.classes).map(factor));
        }
        self.dlogits
    }

    /// Repeats the forward pass, because [`Network::backward`] ends it.
    pub(crate) fn forward_again(&mut self, network: &mut Network) -> Result<()> {
        see(network, self.batch, Mode::Frozen, self.logits)
    }

    /// Mean cross-entropy.
    fn loss(&self) -> f64 {
        let of = |sample| -self.probability(sample, self.label(sample)).ln();
        (0..self.len()).map(of).sum::<f64>() / self.len() as f64
    }
}

/// The softmax of every row, in f64. In f32, 1 − p of a confident network would lose its digits.
fn probabilities(logits: &[f32], classes: usize) -> Vec<f64> {
    let mut probabilities = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(classes) {
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let exponentials = row.iter().map(|z| (f64::from(*z) - largest).exp());
        let sum: f64 = exponentials.clone().sum();
        probabilities.extend(exponentials.map(|e| e / sum));
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_make_the_covariance_of_the_derivative() {
        let logits = [0.3f32, -1.0, 2.5, 0.0, 40.0, -70.0, 3.0, -200.0];
        let probabilities = probabilities(&logits, 4);
        let batch = Batch { labels: vec![0, 0], indices: vec![0, 0], ..Batch::default() };
        let (dlogits, logits) = (&mut vec![], &mut vec![]);
        let mut frozen = FrozenBatch { batch: &batch, probabilities: &probabilities, classes: 4, dlogits, logits };
        let factors: Vec<Vec<f32>> = (0..3).map(|number| frozen.covariance_factor(number).to_vec()).collect();
        for (sample, p) in probabilities.chunks_exact(4).enumerate() {
            for (i, j) in (0..16).map(|k| (k / 4, k % 4)) {
                let product = |factor: &Vec<f32>| f64::from(factor[4 * sample + i]) * f64::from(factor[4 * sample + j]);
                let found: f64 = factors.iter().map(product).sum();
                // 1 − p as the sum of the others, which keeps its digits if p is nearly 1.
                let others: f64 = (0..4).filter(|k| *k != i).map(|k| p[k]).sum();
                let expected = if i == j { p[i] * others } else { -p[i] * p[j] };
                assert!((found - expected).abs() <= 1e-6 * expected.abs() + 1e-30, "{i}, {j}: {found} {expected}");
            }
        }
    }
}
