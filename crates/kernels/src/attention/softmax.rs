//! Softmax of scores whose entries are the samples of a bundle.

use pulp::Simd;

use crate::{LANES, elementary::exp_of_nonpositive, simd::BundleKernel};

/// Replaces each row of scores by its softmax, lane by lane.
pub(super) struct Softmax<'a> {
    /// `[rows, columns, LANES]`.
    pub(super) scores: &'a mut [f32],
    pub(super) columns: usize,
    /// What is added to the scores of every lane first, `[rows, columns]`.
    pub(super) added: Option<&'a [f32]>,
}

impl BundleKernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { scores, columns, added } = self;
        for (row, scores) in scores.chunks_exact_mut(columns * LANES).enumerate() {
            let scores = S::as_mut_simd_f32s(scores).0.as_chunks_mut::<V>().0;
            if let Some(added) = added {
                for (score, added) in scores.iter_mut().zip(&added[row * columns..]) {
                    for register in score {
                        *register = simd.add_f32s(*register, simd.splat_f32s(*added));
                    }
                }
            }
            let mut largest = [simd.splat_f32s(f32::NEG_INFINITY); V];
            for score in &*scores {
                for v in 0..V {
                    // A NaN is never the largest. It turns the sum into NaN below.
                    let is_larger = simd.less_than_f32s(largest[v], score[v]);
                    largest[v] = simd.select_f32s(is_larger, score[v], largest[v]);
                }
            }
            let mut sums = [simd.splat_f32s(0.0); V];
            for score in &mut *scores {
                for v in 0..V {
                    score[v] = exp_of_nonpositive(simd, simd.sub_f32s(score[v], largest[v]));
                    sums[v] = simd.add_f32s(sums[v], score[v]);
                }
            }
            for sum in &mut sums {
                *sum = simd.div_f32s(simd.splat_f32s(1.0), *sum);
            }
            for score in scores {
                for v in 0..V {
                    score[v] = simd.mul_f32s(score[v], sums[v]);
                }
            }
        }
    }
}

/// Replaces ∂loss/∂softmax by ∂loss/∂scores, lane by lane.
pub(super) struct SoftmaxBackward<'a> {
    /// The softmax, `[rows, columns, LANES]`.
    pub(super) shares: &'a [f32],
    /// `[rows, columns, LANES]`.
    pub(super) gradients: &'a mut [f32],
    pub(super) columns: usize,
}

impl BundleKernel for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { shares, gradients, columns } = self;
        let rows = gradients.chunks_exact_mut(columns * LANES).zip(shares.chunks_exact(columns * LANES));
        for (gradients, shares) in rows {
            let gradients = S::as_mut_simd_f32s(gradients).0.as_chunks_mut::<V>().0;
            let shares = S::as_simd_f32s(shares).0.as_chunks::<V>().0;
            let mut mean = [simd.splat_f32s(0.0); V];
            for (gradient, share) in gradients.iter().zip(shares) {
                for v in 0..V {
                    mean[v] = simd.mul_add_f32s(gradient[v], share[v], mean[v]);
                }
            }
            for (gradient, share) in gradients.iter_mut().zip(shares) {
                for v in 0..V {
                    gradient[v] = simd.mul_f32s(share[v], simd.sub_f32s(gradient[v], mean[v]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        simd::dispatch_bundle,
        testing::{noise, on_every_instruction_set},
    };

    const ROWS: usize = 3;
    const COLUMNS: usize = 5;

    #[test]
    fn both_directions_agree_with_the_definition() {
        let scores: Vec<f32> = noise(ROWS * COLUMNS * LANES, 3).iter().map(|v| v * 9.0).collect();
        let added: Vec<f32> = noise(ROWS * COLUMNS, 5).iter().map(|v| v * 50.0).collect();
        let dy = noise(ROWS * COLUMNS * LANES, 7);
        let at = |row: usize, column: usize, lane: usize| (row * COLUMNS + column) * LANES + lane;
        on_every_instruction_set(|| {
            let (mut shares, mut dx) = (scores.clone(), dy.clone());
            dispatch_bundle(Softmax { scores: &mut shares, columns: COLUMNS, added: Some(&added) });
            dispatch_bundle(SoftmaxBackward { shares: &shares, gradients: &mut dx, columns: COLUMNS });
            for (row, lane) in (0..ROWS).flat_map(|row| (0..LANES).map(move |lane| (row, lane))) {
                let score = |c: usize| f64::from(scores[at(row, c, lane)]) + f64::from(added[row * COLUMNS + c]);
                let sum: f64 = (0..COLUMNS).map(|c| score(c).exp()).sum();
                let share = |c: usize| score(c).exp() / sum;
                let mean: f64 = (0..COLUMNS).map(|c| share(c) * f64::from(dy[at(row, c, lane)])).sum();
                for c in 0..COLUMNS {
                    // The scores themselves are rounded, and reach 60.
                    assert!((f64::from(shares[at(row, c, lane)]) - share(c)).abs() < 1e-5);
                    let expected = share(c) * (f64::from(dy[at(row, c, lane)]) - mean);
                    assert!((f64::from(dx[at(row, c, lane)]) - expected).abs() < 2e-5);
                }
            }
        });
    }

    #[test]
    fn a_row_with_a_nan_is_nan() {
        let mut scores = vec![0.5; 2 * LANES];
        scores[LANES + 3] = f32::NAN;
        on_every_instruction_set(|| {
            let mut shares = scores.clone();
            dispatch_bundle(Softmax { scores: &mut shares, columns: 2, added: None });
            assert!(shares[3].is_nan() && shares[LANES + 3].is_nan() && shares[4] == 0.5);
        });
    }
}
