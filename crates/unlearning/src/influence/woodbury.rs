//! Ĥ⁻¹u by the identity of Woodbury: u − Gᵀ(N·I + GGᵀ)⁻¹Gu, with the N gradients as the rows of G.
//!
//! G is in f32, as the executor makes it; whatever is made of it is in f64, since u and what is taken from it nearly cancel
//! along the gradients that matter most.

use rayon::prelude::*;
use unlearn_network::RowLayout;
use unlearn_training::{Error, Result};

use super::{cholesky, gram::gram};
use crate::{Request, frozen::FrozenPass};

/// Memory of the matrices, in MiB, rounded up.
pub(super) fn mebibytes(samples: usize, width: usize) -> usize {
    let bytes = samples * (width * size_of::<f32>() + samples * size_of::<f64>());
    bytes.div_ceil(1 << 20)
}

/// Ĥ⁻¹u over the samples of a pass.
pub(super) fn solve(
    request: &mut Request<'_>,
    layout: &RowLayout,
    pass: &FrozenPass<'_>,
    u: &[f64],
) -> Result<Vec<f64>> {
    let width = layout.width();
    let mut rows = vec![0.0; pass.samples.len() * width];
    let mut first = 0;
    pass.run(request, |network, batch| {
        let of_batch = &mut rows[first * width..][..batch.len() * width];
        first += batch.len();
        Ok(network.sample_gradients(batch.derivative(|batch, sample| (batch.label(sample), 1.0)), of_batch)?)
    })?;
    let interrupt = request.session.interrupt;
    let interrupted = || interrupt.load(std::sync::atomic::Ordering::Relaxed);
    solve_rows(&rows, u, interrupted).ok_or(Error::Interrupted)
}

/// The same for gradients `[samples, width]`; nothing once `stop` holds.
fn solve_rows(rows: &[f32], u: &[f64], stop: impl Fn() -> bool + Sync) -> Option<Vec<f64>> {
    let width = u.len();
    let samples = rows.len() / width;
    let mut matrix = gram(rows, width, stop)?;
    matrix.iter_mut().step_by(samples + 1).for_each(|diagonal| *diagonal += samples as f64);
    let along: Vec<f64> = rows.par_chunks_exact(width).map(|row| product(row, u)).collect();
    let weights = cholesky::solve(&mut matrix, &along);
    let mut solution = u.to_vec();
    solution.par_chunks_mut(COLUMNS).enumerate().for_each(|(number, values)| {
        for (row, weight) in rows.chunks_exact(width).zip(&weights) {
            let row = &row[number * COLUMNS..];
            values.iter_mut().zip(row).for_each(|(value, g)| *value -= weight * f64::from(*g));
        }
    });
    Some(solution)
}

/// Values of the solution that stay in cache while all rows pass.
const COLUMNS: usize = 1024;

fn product(row: &[f32], u: &[f64]) -> f64 {
    row.iter().zip(u).map(|(g, u)| f64::from(*g) * u).sum()
}
