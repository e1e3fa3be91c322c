//! The influence of samples on a model: the product of an inverse Hessian with the gradient that their removal
//! leaves.
//!
//! There are m samples to forget and n to retain. u = Σ over D_f of ∇ℓ / (m + n) − m / ((m + n)·n) · Σ over D_r of ∇ℓ
//! is minus the gradient of the retain loss at weights that are optimal for all samples. Ĥ⁻¹u is the Newton step to
//! the weights without D_f. Ĥ = I + (1/N)·Σ gᵢgᵢᵀ is computed from the gradients of N samples of D_r.

mod cholesky;
mod conjugate_gradients;
mod gram;
mod wood_fisher;
mod woodbury;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use unlearn_network::RowLayout;
use unlearn_random::{choice, stream};
use unlearn_training::Result;

use self::woodbury::SampleGradients;
use crate::{Request, shared::frozen::FrozenPass};

/// Computation of Ĥ⁻¹u.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// `woodbury` if its matrices fit in memory, or else `conjugate-gradients`.
    Auto,
    /// Exact: Ĥ⁻¹u = u − Gᵀ(N·I + GGᵀ)⁻¹Gu. The rows of G are the N gradients, which are held in memory.
    Woodbury,
    /// Exact to 1e-5 of the solution's norm: two passes over the N samples per iteration, with little memory.
    ConjugateGradients,
    /// The recursion of the code of arXiv 2304.04934. It never multiplies a new gradient by the inverse, so it only
    /// subtracts a multiple of the first gradient from u. N is always 1,000, and the samples are the first 1,002 of
    /// D_r.
    WoodFisher,
}

/// Options of [`influence`].
#[derive(Debug, Clone, Copy)]
pub struct InfluenceOptions {
    /// Computation of Ĥ⁻¹u.
    pub solver: Solver,
    /// N: number of samples that Ĥ is computed from. They are drawn from D_r by the request's seed. If D_r has no
    /// more, all are used.
    pub samples: usize,
    /// Memory that [`Solver::Auto`] may use for Woodbury's matrices, in MiB: N·P values in f32 and N² in f64, for P
    /// kept parameters.
    pub memory_mib: usize,
    /// Whether images are cropped and flipped as in training.
    pub augment: bool,
}

/// The influence of D_f on a model.
#[derive(Debug, Clone)]
pub struct Influence {
    /// u: one tensor per parameter in its shape, with 0 at pruned weights.
    pub gradient: Vec<Vec<f32>>,
    /// Ĥ⁻¹u, which is to be added to the parameters: one tensor per parameter in its shape, with 0 at pruned weights.
    pub change: Vec<Vec<f32>>,
    /// The solver that was used.
    pub solver: Solver,
    /// Iterations of conjugate gradients, or 0 for other solvers.
    pub iterations: usize,
}

/// Samples per forward pass.
const BATCH_SIZE: usize = 64;

/// The influence of the request's forget set on its model. The model does not change.
///
/// # Errors
/// If there are no samples, the run is interrupted, or the network fails.
pub fn influence(request: &mut Request<'_>, options: &InfluenceOptions) -> Result<Influence> {
    let layout = request.network.row_layout();
    let samples = choice(&mut stream("influence samples", &[request.task.seed]), request.retain, options.samples);
    let solver = match options.solver {
        Solver::Auto if woodbury::mebibytes(samples.len(), layout.width()) <= options.memory_mib => Solver::Woodbury,
        Solver::Auto => Solver::ConjugateGradients,
        chosen => chosen,
    };
    tracing::info!("influence of {} parameters by {solver:?} over {} samples", layout.width(), samples.len());
    let pass = |number| FrozenPass { samples: &samples, batch_size: BATCH_SIZE, augment: options.augment, number };
    let (gradient, change, iterations) = match solver {
        Solver::Auto | Solver::Woodbury => {
            let gradients = SampleGradients::collect(request, &layout, &pass((0, 3)))?;
            let u = removal_gradient(request, &layout, options.augment, Some(&gradients))?;
            let change = gradients.solve(request, &u)?;
            (u, change, 0)
        }
        Solver::ConjugateGradients => {
            let u = removal_gradient(request, &layout, options.augment, None)?;
            let solution = conjugate_gradients::solve_by_passes(request, &layout, &pass((2, 3)), &u)?;
            (u, solution.x, solution.iterations)
        }
        Solver::WoodFisher => {
            let u = removal_gradient(request, &layout, options.augment, None)?;
            let change = wood_fisher::solve(request, &layout, &pass((2, 3)), &u)?;
            (u, change, 0)
        }
    };
    let scatter = |row: &[f64]| layout.scatter(&single(row));
    Ok(Influence { gradient: scatter(&gradient), change: scatter(&change), solver, iterations })
}

/// u as a row. Available gradients of retain samples are not computed again.
fn removal_gradient(
    request: &mut Request<'_>,
    layout: &RowLayout,
    augment: bool,
    at_hand: Option<&SampleGradients>,
) -> Result<Vec<f64>> {
    let (of_forget, of_retain) = (request.forget.len() as f64, request.retain.len() as f64);
    let all = of_forget + of_retain;
    let [weight_of_forget, weight_of_retain] = [1.0 / all, -of_forget / (all * of_retain)];
    let mut u = vec![0.0; layout.width()];
    let mut others = request.retain.to_vec();
    if let Some(gradients) = at_hand {
        gradients.add_combination(&vec![weight_of_retain; gradients.samples.len()], &mut u);
        let seen: HashSet<u32> = gradients.samples.iter().copied().collect();
        others.retain(|sample| !seen.contains(sample));
    }
    let mut sets = vec![(request.forget, weight_of_forget)];
    if at_hand.is_none() || !others.is_empty() {
        sets.push((&others, weight_of_retain));
    }
    for (number, (samples, weight)) in (usize::from(at_hand.is_some())..).zip(sets) {
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

/// The row in single precision.
fn single(row: &[f64]) -> Vec<f32> {
    row.iter().map(|value| *value as f32).collect()
}

/// Number of independent sums in [`dot`]. They overlap in the processor's pipeline; a single sum would wait for each
/// addition.
const SUMS: usize = 8;

/// Sum of products.
fn dot<A: Copy + Into<f64>>(a: &[A], b: &[f64]) -> f64 {
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    let mut sums = [0.0; SUMS];
    for (a, b) in a.iter().zip(b) {
        for i in 0..SUMS {
            sums[i] += a[i].into() * b[i];
        }
    }
    let rest = rest_of_a.iter().zip(rest_of_b).map(|(a, b)| (*a).into() * b).sum::<f64>();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_products_leaves_none_out() {
        for len in [0, 1, 7, 8, 9, 40, 43] {
            let (a, b): (Vec<f32>, Vec<f64>) = (0..len).map(|i| ((i + 1) as f32, f64::from(i - 3))).unzip();
            // The values are whole numbers, so the sum is exact in any order.
            let expected: i32 = (0..len).map(|i| (i + 1) * (i - 3)).sum();
            assert_eq!(dot(&a, &b), f64::from(expected), "{len} products");
        }
    }
}
