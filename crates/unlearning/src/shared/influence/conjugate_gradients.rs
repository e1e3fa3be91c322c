//! Ĥ⁻¹u by conjugate gradients (Hestenes and Stiefel 1952). A product Ĥv = v + (1/N)·Σ gᵢ(gᵢ·v) takes a forward pass
//! over the samples and two backward passes: one for the products gᵢ·v, one for the sum of gradients with these as
//! weights.

use unlearn_network::RowLayout;
use unlearn_training::Result;

use super::{dot, single};
use crate::{Request, shared::frozen::FrozenPass};

/// Largest norm of the residual, relative to the solution. No eigenvalue of Ĥ is below 1, so the error is no larger.
const TOLERANCE: f64 = 1e-5;

/// A solution, and the effort of computing it.
pub(super) struct Solution {
    /// The solution.
    pub(super) x: Vec<f64>,
    /// Number of products with Ĥ.
    pub(super) iterations: usize,
    /// Norm of the residual, relative to the solution's.
    pub(super) bound: f64,
}

/// Ĥ⁻¹u over the samples of a pass.
pub(super) fn solve_by_passes(
    request: &mut Request<'_>,
    layout: &RowLayout,
    pass: &FrozenPass<'_>,
    u: &[f64],
) -> Result<Solution> {
    let samples = pass.samples.len();
    let mut passes = 0;
    let hessian = |v: &[f64]| {
        // A very short direction would lose its precision in f32, so it is scaled first.
        let length = dot(v, v).sqrt();
        let direction = layout.scatter(&single(&v.iter().map(|v| v / length).collect::<Vec<_>>()));
        let mut product: Vec<f64> = v.to_vec();
        let number = (pass.number.0 + passes, pass.number.1 + passes);
        passes += 1;
        FrozenPass { number, ..*pass }.run(request, |network, batch| {
            let mut along = vec![0.0; batch.len()];
            let dlogits = batch.derivative(|batch, sample| (batch.label(sample), 1.0));
            network.add_gradient_dots(&direction, dlogits, &mut along)?;
            let dlogits = batch.derivative(|batch, sample| (batch.label(sample), f64::from(along[sample])));
            let gradients = network.backward(dlogits)?;
            let scale = length / samples as f64;
            let row = layout.gather(&gradients.parameters);
            product.iter_mut().zip(row).for_each(|(product, g)| *product += scale * f64::from(g));
            Ok(())
        })?;
        Ok(product)
    };
    // In exact arithmetic, N + 1 iterations always suffice.
    let solution = solve(hessian, u, samples + 1)?;
    let Solution { iterations, bound, .. } = solution;
    if bound > TOLERANCE {
        tracing::warn!("conjugate gradients stopped after {iterations} iterations, within {bound:e} of the solution");
    }
    Ok(solution)
}

/// Solves `hessian(x) = u` for a symmetric matrix with no eigenvalue below 1.
fn solve(mut hessian: impl FnMut(&[f64]) -> Result<Vec<f64>>, u: &[f64], most: usize) -> Result<Solution> {
    let mut solution = Solution { x: vec![0.0; u.len()], iterations: 0, bound: 0.0 };
    let (mut residual, mut direction) = (u.to_vec(), u.to_vec());
    let mut squared = dot(u, u);
    while squared > 0.0 && solution.iterations < most {
        let product = hessian(&direction)?;
        let step = squared / dot(&direction, &product);
        solution.x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= step * p);
        let before = std::mem::replace(&mut squared, dot(&residual, &residual));
        solution.iterations += 1;
        solution.bound = (squared / dot(&solution.x, &solution.x)).sqrt();
        if solution.bound <= TOLERANCE {
            break;
        }
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + squared / before * *d);
    }
    Ok(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_iterations_as_eigenvalues_and_none_for_zero() {
        let hessian = |v: &[f64]| Ok(vec![v[0], 10.0 * v[1], 10.0 * v[2]]);
        let found = solve(hessian, &[3.0, 20.0, 50.0], 9).unwrap();
        assert_eq!(found.iterations, 2);
        for (x, expected) in found.x.iter().zip([3.0, 2.0, 5.0]) {
            assert!((x - expected).abs() < 1e-12, "{:?}", found.x);
        }
        assert_eq!(solve(hessian, &[0.0; 3], 9).unwrap().iterations, 0);
    }
}
