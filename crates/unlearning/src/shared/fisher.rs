//! The diagonal of the Fisher information: the mean over samples of their squared gradients.

use serde::{Deserialize, Serialize};
use unlearn_network::Network;
use unlearn_training::Result;

use crate::{
    Request,
    shared::frozen::{FrozenBatch, FrozenPass},
};

/// Which gradients are squared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The gradient of each sample, as the Fisher information is defined.
    PerSample,
    /// The mean gradient of a batch, as in the code of arXiv 2304.04934. Gradients of a batch's samples partly
    /// cancel, so the result is smaller, more so for larger batches.
    BatchMean,
}

/// Options of the pass over the samples.
#[derive(Debug, Clone, Copy)]
pub struct FisherOptions {
    /// Which gradients are squared.
    pub estimator: Estimator,
    /// Samples per batch. [`Estimator::BatchMean`] averages over a batch. Otherwise, it affects the speed only.
    pub batch_size: usize,
    /// Whether images are cropped and flipped as in training.
    pub augment: bool,
}

/// The Fisher information over labels from the model's own distribution: the mean over the samples x at `samples` of
/// Σ over classes y of p(y|x) · (∂(−ln p(y|x))/∂θ)², one tensor per parameter in its shape, with 0 at pruned weights.
/// With [`Estimator::BatchMean`], the mean over batches of Σ over y of mean p(y|x) · (mean ∂(−ln p(y|x))/∂θ)², with
/// means within a batch.
///
/// # Errors
/// If there are no samples, the run is interrupted, or the network fails.
pub fn expected_fisher(request: &mut Request<'_>, samples: &[u32], options: FisherOptions) -> Result<Vec<Vec<f64>>> {
    let FisherOptions { estimator, batch_size, augment } = options;
    let pass = FrozenPass { samples, batch_size, augment, number: (0, 1) };
    match estimator {
        Estimator::PerSample => sum_squares(request, &pass, |network, batch, squares| {
            for factor in 0..batch.classes() - 1 {
                network.add_squared_gradients(batch.covariance_factor(factor), squares)?;
            }
            Ok(batch.len())
        }),
        Estimator::BatchMean => sum_squares(request, &pass, |network, batch, squares| {
            let count = batch.len() as f64;
            for class in 0..batch.classes() {
                if class > 0 {
                    batch.forward_again(network)?;
                }
                let mean = (0..batch.len()).map(|sample| batch.probability(sample, class)).sum::<f64>() / count;
                let gradients = network.backward(batch.derivative(|_, _| (class, 1.0 / count)))?;
                for (squares, gradient) in squares.iter_mut().zip(&gradients.parameters) {
                    squares.iter_mut().zip(gradient).for_each(|(square, g)| *square += mean as f32 * g * g);
                }
            }
            Ok(1)
        }),
    }
}

/// The empirical Fisher information, over the labels of the data: the mean of (∂ℓ/∂θ)² over the samples at `samples`,
/// one tensor per parameter in its shape, with 0 at pruned weights.
///
/// # Errors
/// If there are no samples, the run is interrupted, or the network fails.
pub fn empirical_fisher(request: &mut Request<'_>, samples: &[u32]) -> Result<Vec<Vec<f64>>> {
    squares_at_labels(request, samples, (0, 1))
}

/// Samples per batch if this affects the speed only.
const BATCH_SIZE: usize = 64;

/// [`empirical_fisher`] for one of several passes.
pub(crate) fn squares_at_labels(
    request: &mut Request<'_>,
    samples: &[u32],
    number: (usize, usize),
) -> Result<Vec<Vec<f64>>> {
    let pass = FrozenPass { samples, batch_size: BATCH_SIZE, augment: false, number };
    sum_squares(request, &pass, |network, batch, squares| {
        network.add_squared_gradients(batch.derivative(|batch, sample| (batch.label(sample), 1.0)), squares)?;
        Ok(batch.len())
    })
}

/// Mean of the terms that `add` adds for each batch. `add` also returns their number. Sums are in f32 within a batch,
/// and in f64 over batches.
fn sum_squares(
    request: &mut Request<'_>,
    pass: &FrozenPass<'_>,
    mut add: impl FnMut(&mut Network, &mut FrozenBatch<'_>, &mut [Vec<f32>]) -> Result<usize>,
) -> Result<Vec<Vec<f64>>> {
    let parameters = request.network.state().parameters();
    let mut totals: Vec<Vec<f64>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
    let mut of_batch: Vec<Vec<f32>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
    let mut terms = 0;
    pass.run(request, |network, batch| {
        for values in &mut of_batch {
            values.fill(0.0);
        }
        terms += add(network, batch, &mut of_batch)?;
        for (total, squares) in totals.iter_mut().flatten().zip(of_batch.iter().flatten()) {
            *total += f64::from(*squares);
        }
        Ok(())
    })?;
    totals.iter_mut().flatten().for_each(|total| *total /= terms as f64);
    Ok(totals)
}
