//! The diagonal of the Fisher information: the mean over samples of the squares of their gradients.

use serde::{Deserialize, Serialize};
use unlearn_network::Network;
use unlearn_training::Result;

use crate::{
    Request,
    shared::frozen::{FrozenBatch, FrozenPass},
};

/// What is squared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The gradient of each sample: the Fisher information as it is defined.
    PerSample,
    /// The mean gradient of a batch, as in the code of arXiv 2304.04934. Gradients of a batch's samples cancel each other, so
    /// it comes out smaller, and the more so the larger the batch.
    BatchMean,
}

/// How samples are gone through.
#[derive(Debug, Clone, Copy)]
pub struct FisherOptions {
    /// What is squared.
    pub estimator: Estimator,
    /// Samples a batch: what a gradient is averaged over for [`Estimator::BatchMean`], and otherwise a matter of speed alone.
    pub batch_size: usize,
    /// Whether images are cropped and flipped as in training.
    pub augment: bool,
}

/// Over the labels that the model itself gives: Σ over classes y of p(y|x) · (∂(−ln p(y|x))/∂θ)², the mean over the samples x
/// at `samples`, per parameter in its shape; 0 at pruned weights. With [`Estimator::BatchMean`], the mean over batches of
/// Σ over y of mean p(y|x) · (mean ∂(−ln p(y|x))/∂θ)², means within a batch.
///
/// # Errors
/// No samples, an interruption, or a network that fails.
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

/// Over the labels that the data gives: the mean of (∂ℓ/∂θ)² over the samples at `samples`, per parameter in its shape; 0 at
/// pruned weights.
///
/// # Errors
/// No samples, an interruption, or a network that fails.
pub fn empirical_fisher(request: &mut Request<'_>, samples: &[u32]) -> Result<Vec<Vec<f64>>> {
    squares_at_labels(request, samples, (0, 1))
}

/// Samples a batch where it matters for speed alone.
const BATCH_SIZE: usize = 64;

/// [`empirical_fisher`] as one pass of several.
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

/// Mean of what `add` adds for each batch, which also says how many terms these are. A batch is summed in f32, batches in f64.
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
