//! Ĥ⁻¹u by Woodbury's identity: u − Gᵀ(N·I + GGᵀ)⁻¹Gu. The rows of G are the N gradients.
//!
//! G is in f32, as the executor computes it. All further computation is in f64, because u and the subtracted term
//! nearly cancel along the most important gradients.

use rayon::prelude::*;
use unlearn_network::RowLayout;
use unlearn_training::{Error, Result};

use super::{cholesky, dot, gram::gram};
use crate::{Request, shared::frozen::FrozenPass};

/// Memory of the matrices, in MiB, rounded up.
pub(super) fn mebibytes(samples: usize, width: usize) -> usize {
    let bytes = samples * (width * size_of::<f32>() + samples * size_of::<f64>());
    bytes.div_ceil(1 << 20)
}

/// G, the per-sample gradients.
pub(super) struct SampleGradients {
    /// Positions of the samples.
    pub(super) samples: Vec<u32>,
    /// `[samples, width]`.
    rows: Vec<f32>,
    width: usize,
}

impl SampleGradients {
    /// The gradients of a pass's samples.
    pub(super) fn collect(request: &mut Request<'_>, layout: &RowLayout, pass: &FrozenPass<'_>) -> Result<Self> {
        let width = layout.width();
        let mut rows = vec![0.0; pass.samples.len() * width];
        let mut first = 0;
        pass.run(request, |network, batch| {
            let of_batch = &mut rows[first * width..][..batch.len() * width];
            first += batch.len();
            Ok(network.sample_gradients(batch.derivative(|batch, sample| (batch.label(sample), 1.0)), of_batch)?)
        })?;
        Ok(Self { samples: pass.samples.to_vec(), rows, width })
    }

    /// values += Gᵀ · weights.
    pub(super) fn add_combination(&self, weights: &[f64], values: &mut [f64]) {
        values.par_chunks_mut(COLUMNS).enumerate().for_each(|(number, values)| {
            for (row, weight) in self.rows.chunks_exact(self.width).zip(weights) {
                let row = &row[number * COLUMNS..];
                values.iter_mut().zip(row).for_each(|(value, g)| *value += weight * f64::from(*g));
            }
        });
    }

    /// Ĥ⁻¹u, or `None` as soon as `stop` returns true.
    fn solve_unless(&self, u: &[f64], stop: impl Fn() -> bool + Sync) -> Option<Vec<f64>> {
        let samples = self.samples.len();
        let mut matrix = gram(&self.rows, self.width, stop)?;
        matrix.iter_mut().step_by(samples + 1).for_each(|diagonal| *diagonal += samples as f64);
        let taken: Vec<f64> = self.rows.par_chunks_exact(self.width).map(|row| -dot(row, u)).collect();
        let weights = cholesky::solve(&mut matrix, &taken);
        let mut solution = u.to_vec();
        self.add_combination(&weights, &mut solution);
        Some(solution)
    }

    /// Ĥ⁻¹u.
    ///
    /// # Errors
    /// If the run is interrupted.
    pub(super) fn solve(&self, request: &Request<'_>, u: &[f64]) -> Result<Vec<f64>> {
        request.task.session.go_on()?;
        let interrupt = request.task.session.interrupt;
        let interrupted = || interrupt.load(std::sync::atomic::Ordering::Relaxed);
        self.solve_unless(u, interrupted).ok_or(Error::Interrupted)
    }
}

/// Number of a combination's values that stay in cache while all rows are read.
const COLUMNS: usize = 1024;
