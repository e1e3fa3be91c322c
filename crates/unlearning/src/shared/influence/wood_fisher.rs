//! The recursion of the code of arXiv 2304.04934 in place of Ĥ⁻¹u, for comparison with published results.
//!
//! It starts with o = g₁ and k = u. For each further gradient g, k ← k − (k·g)/(N + o·g)·o and
//! o ← o − (o·g)/(N + o·g)·o. Woodbury's identity would apply the inverse to g. The recursion applies it to g₁ only, so that o stays a
//! multiple c·g₁ and k is u − s·g₁. The numbers c and s depend on the gradients only through their products with u
//! and g₁.

use unlearn_network::RowLayout;
use unlearn_training::Result;

use super::single;
use crate::{Request, shared::frozen::FrozenPass};

/// N, which is constant in that code.
const N: f64 = 1000.0;
/// Number of samples after which the loop in that code ends.
const SAMPLES: usize = 1002;

/// The result of the recursion for u over the first samples of D_r. Only the options of `pass` are used, not its
/// samples.
pub(super) fn solve(
    request: &mut Request<'_>,
    layout: &RowLayout,
    pass: &FrozenPass<'_>,
    u: &[f64],
) -> Result<Vec<f64>> {
    let samples = &request.retain[..request.retain.len().min(SAMPLES)];
    let mut first = vec![0.0; layout.width()];
    FrozenPass { samples: &samples[..samples.len().min(1)], ..*pass }.run(request, |network, batch| {
        let dlogits = batch.derivative(|batch, sample| (batch.label(sample), 1.0));
        Ok(network.sample_gradients(dlogits, &mut first)?)
    })?;
    let directions = [layout.scatter(&single(u)), layout.scatter(&first)];
    let (mut c, mut s, mut is_first) = (1.0, 0.0, true);
    FrozenPass { samples, ..*pass }.run(request, |network, batch| {
        let dlogits = batch.derivative(|batch, sample| (batch.label(sample), 1.0));
        let mut products = [(); 2].map(|()| vec![0.0; dlogits.len() / network.graph().classes()]);
        for (direction, products) in directions.iter().zip(&mut products) {
            network.add_gradient_dots(direction, dlogits, products)?;
        }
        let [with_u, with_first] = products;
        for (with_u, with_first) in with_u.into_iter().zip(with_first).skip(usize::from(is_first)) {
            let (with_u, with_first) = (f64::from(with_u), f64::from(with_first));
            let along = c * with_first;
            s += (with_u - s * with_first) / (N + along) * c;
            c -= along / (N + along) * c;
        }
        is_first = false;
        Ok(())
    })?;
    Ok(u.iter().zip(&first).map(|(u, g)| u - s * f64::from(*g)).collect())
}
