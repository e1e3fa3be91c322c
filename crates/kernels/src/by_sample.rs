//! Gradients of a layer's parameters, sample by sample: `[bundles, values, LANES]`. Lanes past the batch hold zeros.

use rayon::prelude::*;

use crate::{LANES, simd::sum_of_lanes, threads};

/// Sums over all samples, `[values]`, written over `sums`: the gradient of the whole loss.
pub fn sums_over_samples(by_sample: &[f32], sums: &mut [f32]) {
    let values = sums.len();
    let (by_sample, _) = by_sample.as_chunks::<LANES>();
    sums.par_iter_mut().with_min_len(256).enumerate().for_each(|(value, sum)| {
        let bundles = by_sample.get(value..).unwrap_or_default().iter().step_by(values);
        *sum = bundles.map(|lanes| f64::from(sum_of_lanes(*lanes))).sum::<f64>() as f32;
    });
}

/// One row for each sample, `[batch, values]`, written over `rows`.
pub fn rows_of_samples(by_sample: &[f32], values: usize, rows: &mut [f32]) {
    let (by_sample, _) = by_sample.as_chunks::<LANES>();
    threads::each_chunk(rows, values.max(1), &|sample, row| {
        let lanes = &by_sample[sample / LANES * values..][..row.len()];
        row.iter_mut().zip(lanes).for_each(|(value, lanes)| *value = lanes[sample % LANES]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_rows_hold_what_the_lanes_held() {
        let (batch, values) = (19, 3);
        let mut by_sample = vec![0.0; 2 * values * LANES];
        for sample in 0..batch {
            for value in 0..values {
                by_sample[(sample / LANES * values + value) * LANES + sample % LANES] = (sample * 10 + value) as f32;
            }
        }
        let mut rows = vec![f32::NAN; batch * values];
        rows_of_samples(&by_sample, values, &mut rows);
        assert_eq!(rows[17 * values..18 * values], [170.0, 171.0, 172.0]);
        let mut sums = vec![f32::NAN; values];
        sums_over_samples(&by_sample, &mut sums);
        assert_eq!(sums, [1710.0, 1729.0, 1748.0]);
    }
}
