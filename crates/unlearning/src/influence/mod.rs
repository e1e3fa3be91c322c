//! What samples did to a model: the product of an inverse Hessian with the gradient that their removal leaves.
//!
//! With m samples to forget and n to retain, u = Σ over D_f of ∇ℓ / (m + n) − m / ((m + n)·n) · Σ over D_r of ∇ℓ is minus the
//! gradient of the retained loss at weights that are optimal for all samples, and Ĥ⁻¹u the Newton step to the weights without
//! D_f. Ĥ = I + (1/N)·Σ gᵢgᵢᵀ is made of the gradients of N samples of D_r.

mod cholesky;
mod conjugate_gradients;
mod gram;
mod wood_fisher;
mod woodbury;

use serde::{Deserialize, Serialize};
use unlearn_datasets::{permutation::choice, stream::stream};
use unlearn_network::RowLayout;
use unlearn_training::Result;

use crate::{Request, frozen::FrozenPass};

/// How Ĥ⁻¹u is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// `woodbury` where its matrices fit in memory, else `conjugate-gradients`.
    Auto,
    /// Exact: Ĥ⁻¹u = u − Gᵀ(N·I + GGᵀ)⁻¹Gu with the N gradients as the rows of G, which are held in memory.
    Woodbury,
    /// Exact up to 1e-5 of the solution's norm: two passes over the N samples for each iteration, and little memory.
    ConjugateGradients,
    /// The recursion of the code of arXiv 2304.04934, which never multiplies a new gradient by the inverse: what it takes from
    /// u stays parallel to the first gradient. N is 1,000 whatever the samples, the first 1,002 of D_r in their order.
    WoodFisher,
}

/// How to compute an influence.
#[derive(Debug, Clone, Copy)]
pub struct InfluenceOptions {
    /// How Ĥ⁻¹u is computed.
    pub solver: Solver,
    /// N: samples that Ĥ is made of, drawn from D_r by the request's seed; all of D_r if it has no more.
    pub samples: usize,
    /// What [`Solver::Auto`] may use for Woodbury's matrices, in MiB: N·P values in f32 and N² in f64, for P kept parameters.
    pub memory_mib: usize,
    /// Whether images are cropped and flipped as in training.
    pub augment: bool,
}

/// What D_f did to a model.
#[derive(Debug, Clone)]
pub struct Influence {
    /// u, per parameter in its shape; 0 at pruned weights.
    pub gradient: Vec<Vec<f32>>,
    /// Ĥ⁻¹u, which is to be added to the parameters, in their shapes; 0 at pruned weights.
    pub change: Vec<Vec<f32>>,
    /// What computed it.
    pub solver: Solver,
    /// Iterations of conjugate gradients; 0 for other solvers.
    pub iterations: usize,
}

/// Samples a forward pass.
const BATCH_SIZE: usize = 64;

/// The influence of the request's forget set on its model, which stays as it is.
///
/// # Errors
/// No samples, an interruption, or a network that fails.
pub fn influence(request: &mut Request<'_>, options: &InfluenceOptions) -> Result<Influence> {
    let layout = request.network.row_layout();
    let gradient = removal_gradient(request, &layout, options.augment)?;
    let samples = choice(&mut stream("influence samples", &[request.seed]), request.retain, options.samples);
    let solver = match options.solver {
        Solver::Auto if woodbury::mebibytes(samples.len(), layout.width()) <= options.memory_mib => Solver::Woodbury,
        Solver::Auto => Solver::ConjugateGradients,
        chosen => chosen,
    };
    tracing::info!("influence of {} parameters by {solver:?} over {} samples", layout.width(), samples.len());
    let pass = FrozenPass { samples: &samples, batch_size: BATCH_SIZE, augment: options.augment, number: (2, 3) };
    let (change, iterations) = match solver {
        Solver::Auto | Solver::Woodbury => (woodbury::solve(request, &layout, &pass, &gradient)?, 0),
        Solver::ConjugateGradients => {
            let solution = conjugate_gradients::solve_by_passes(request, &layout, &pass, &gradient)?;
            (solution.x, solution.iterations)
        }
        Solver::WoodFisher => (wood_fisher::solve(request, &layout, &pass, &gradient)?, 0),
    };
    let scatter = |row: &[f64]| layout.scatter(&single(row));
    Ok(Influence { gradient: scatter(&gradient), change: scatter(&change), solver, iterations })
}

/// u as a row.
fn removal_gradient(request: &mut Request<'_>, layout: &RowLayout, augment: bool) -> Result<Vec<f64>> {
    let (of_forget, of_retain) = (request.forget.len() as f64, request.retain.len() as f64);
    let all = of_forget + of_retain;
    let mut u = vec![0.0; layout.width()];
    let sets = [(request.forget, 1.0 / all), (request.retain, -of_forget / (all * of_retain))];
    for (number, (samples, weight)) in sets.into_iter().enumerate() {
        let pass = FrozenPass { samples, batch_size: BATCH_SIZE, augment, number: (number, 3) };
        pass.run(request, |network, batch| {
            let gradients = network.backward(batch.derivative(|batch, sample| (batch.label(sample), 1.0)))?;
            let row = layout.gather(&gradients.parameters);
            u.iter_mut().zip(row).for_each(|(u, g)| *u += weight * f64::from(g));
            Ok(())
        })?;
    }
    Ok(u)
}

/// In single precision.
fn single(row: &[f64]) -> Vec<f32> {
    row.iter().map(|value| *value as f32).collect()
}

/// Sum of products.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
