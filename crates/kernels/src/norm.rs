//! Batch normalisation, fused with the residual add and `ReLU` that follow it. Semantics are PyTorch's: biased variance for
//! normalising, unbiased for the running variance, ε 1e-5, momentum 0.1.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{Maps, simd};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f32 = 0.1;
/// Values summed in f32 before the sum moves on in f64.
const CHUNK: usize = 2048;

/// Mean and variance that a channel is normalised by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelStatistics {
    /// Mean.
    pub mean: f32,
    /// Biased variance of a batch, or the running variance.
    pub var: f32,
}

impl ChannelStatistics {
    fn inverse_std(self) -> f32 {
        (1.0 / (f64::from(self.var) + EPSILON).sqrt()) as f32
    }
}

/// Statistics of each channel over pixels and samples.
pub fn norm_statistics(x: &[f32], maps: &Maps) -> Vec<ChannelStatistics> {
    let count = maps.samples_per_channel() as f64;
    let statistics = |plane: &[f32]| {
        let mean = simd::dispatch(Sum { values: plane }) / count;
        let squares = if maps.batch == maps.lanes {
            simd::dispatch(SumOfSquares { values: plane, mean: mean as f32 })
        } else {
            let samples = plane.chunks_exact(maps.lanes).flat_map(|lanes| &lanes[..maps.batch]);
            samples.map(|v| (f64::from(*v) - mean).powi(2)).sum()
        };
        ChannelStatistics { mean: mean as f32, var: (squares / count) as f32 }
    };
    planes(x, maps).map(statistics).collect()
}

/// Moves running statistics towards a batch's.
pub fn update_running_statistics(
    batch: &[ChannelStatistics],
    maps: &Maps,
    running_mean: &mut [f32],
    running_var: &mut [f32],
) {
    let count = maps.samples_per_channel() as f32;
    let unbiased = count / (count - 1.0).max(1.0);
    for ((batch, mean), var) in batch.iter().zip(running_mean).zip(running_var) {
        *mean = (1.0 - MOMENTUM) * *mean + MOMENTUM * batch.mean;
        *var = (1.0 - MOMENTUM) * *var + MOMENTUM * batch.var * unbiased;
    }
}

/// What a normalisation reads.
#[derive(Clone, Copy)]
pub struct NormInput<'a> {
    /// The maps to normalise.
    pub x: &'a [f32],
    /// Statistics per channel.
    pub statistics: &'a [ChannelStatistics],
    /// Scale γ per channel.
    pub weight: &'a [f32],
    /// Shift β per channel.
    pub bias: &'a [f32],
}

/// z = relu?(γ (x − mean) / σ + β + residual?); NaN stays NaN.
pub fn norm_apply(input: NormInput<'_>, residual: Option<&[f32]>, relu: bool, z: &mut [f32], maps: &Maps) {
    let used = maps.used();
    z[..maps.len()].par_chunks_mut(maps.plane).enumerate().for_each(|(channel, z)| {
        let start = channel * maps.plane;
        let z = &mut z[..used];
        let scale = input.weight[channel] * input.statistics[channel].inverse_std();
        let shift = input.bias[channel] - input.statistics[channel].mean * scale;
        let residual = residual.map(|r| &r[start..start + used]);
        simd::dispatch(Apply { x: &input.x[start..start + used], z, residual, scale, shift, relu });
        zero_tail(z, maps);
    });
}

/// The way back through [`norm_apply`].
///
/// `dz` holds ∂loss/∂z. On return it holds ∂loss/∂z behind the `ReLU`, which is the gradient of the residual branch, or, where
/// `keep_residual` is false, it may hold anything. `dx` may not alias it. `batch` says that the statistics were the batch's
/// own, which the gradient then flows through. Returns (∂γ, ∂β) per channel.
#[expect(clippy::too_many_arguments, reason = "everything a fused backward pass reads and writes")]
pub fn norm_backward(
    input: NormInput<'_>,
    z: Option<&[f32]>,
    batch: bool,
    dz: &mut [f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
    maps: &Maps,
) {
    let used = maps.used();
    let count = maps.samples_per_channel() as f64;
    dz[..maps.len()]
        .par_chunks_mut(maps.plane)
        .zip(dx[..maps.len()].par_chunks_mut(maps.plane))
        .zip(dweight.par_iter_mut().zip(dbias.par_iter_mut()))
        .enumerate()
        .for_each(|(channel, ((dz, dx), (dweight, dbias)))| {
            let start = channel * maps.plane;
            let x = &input.x[start..start + used];
            let z = z.map(|z| &z[start..start + used]);
            let (dz, dx) = (&mut dz[..used], &mut dx[..used]);
            let statistics = &input.statistics[channel];
            let inverse_std = f64::from(statistics.inverse_std());
            let (sum, product) = simd::dispatch(Reduce { x, z, dz, mean: statistics.mean });
            *dbias = sum as f32;
            *dweight = (product * inverse_std) as f32;
            // dx = a·g + b·x + c, with b and c the parts that flow through the batch's mean and variance.
            let a = f64::from(input.weight[channel]) * inverse_std;
            let b = if batch { -a * product * inverse_std * inverse_std / count } else { 0.0 };
            let c = if batch { -a * sum / count - b * f64::from(statistics.mean) } else { 0.0 };
            simd::dispatch(Combine { x, g: dz, dx, a: a as f32, b: b as f32, c: c as f32 });
            zero_tail(dx, maps);
        });
}

fn planes<'a>(x: &'a [f32], maps: &Maps) -> impl IndexedParallelIterator<Item = &'a [f32]> {
    let used = maps.used();
    x[..maps.len()].par_chunks(maps.plane).map(move |plane| &plane[..used])
}

fn zero_tail(plane: &mut [f32], maps: &Maps) {
    if maps.batch < maps.lanes {
        plane.chunks_exact_mut(maps.lanes).for_each(|lanes| lanes[maps.batch..].fill(0.0));
    }
}

struct Sum<'a> {
    values: &'a [f32],
}

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for chunk in self.values.chunks(CHUNK) {
            let mut sums = [simd.splat_f32s(0.0); 2];
            for (i, value) in S::as_simd_f32s(chunk).0.iter().enumerate() {
                sums[i % 2] = simd.add_f32s(sums[i % 2], *value);
            }
            total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(sums[0], sums[1])));
        }
        total
    }
}

struct SumOfSquares<'a> {
    values: &'a [f32],
    mean: f32,
}

impl WithSimd for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mean = simd.splat_f32s(self.mean);
        let mut total = 0.0;
        for chunk in self.values.chunks(CHUNK) {
            let mut sums = [simd.splat_f32s(0.0); 2];
            for (i, value) in S::as_simd_f32s(chunk).0.iter().enumerate() {
                let distance = simd.sub_f32s(*value, mean);
                sums[i % 2] = simd.mul_add_f32s(distance, distance, sums[i % 2]);
            }
            total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(sums[0], sums[1])));
        }
        total
    }
}

struct Apply<'a> {
    x: &'a [f32],
    z: &'a mut [f32],
    residual: Option<&'a [f32]>,
    scale: f32,
    shift: f32,
    relu: bool,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (scale, shift) = (simd.splat_f32s(self.scale), simd.splat_f32s(self.shift));
        let floor = simd.splat_f32s(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let x = S::as_simd_f32s(self.x).0;
        let z = S::as_mut_simd_f32s(self.z).0;
        match self.residual {
            Some(residual) => {
                for ((z, x), residual) in z.iter_mut().zip(x).zip(S::as_simd_f32s(residual).0) {
                    let value = simd.add_f32s(simd.mul_add_f32s(*x, scale, shift), *residual);
                    *z = at_least(simd, floor, value);
                }
            }
            None => {
                for (z, x) in z.iter_mut().zip(x) {
                    *z = at_least(simd, floor, simd.mul_add_f32s(*x, scale, shift));
                }
            }
        }
    }
}

/// max(value, floor), but NaN stays NaN: the maximum of some instruction sets would return the floor and hide a diverged
/// network.
#[inline(always)]
fn at_least<S: Simd>(simd: S, floor: S::f32s, value: S::f32s) -> S::f32s {
    simd.select_f32s(simd.less_than_f32s(value, floor), floor, value)
}

/// Masks dz by the `ReLU`, in place, and returns (Σ g, Σ g·(x − mean)).
struct Reduce<'a> {
    x: &'a [f32],
    z: Option<&'a [f32]>,
    dz: &'a mut [f32],
    mean: f32,
}

impl WithSimd for Reduce<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let zero = simd.splat_f32s(0.0);
        let mean = simd.splat_f32s(self.mean);
        let (mut total, mut product_total) = (0.0, 0.0);
        for (i, (x, dz)) in self.x.chunks(CHUNK).zip(self.dz.chunks_mut(CHUNK)).enumerate() {
            let (mut sum, mut product) = (zero, zero);
            let x = S::as_simd_f32s(x).0;
            let dz = S::as_mut_simd_f32s(dz).0;
            if let Some(z) = self.z {
                let end = (i * CHUNK + CHUNK).min(z.len());
                let z = S::as_simd_f32s(&z[i * CHUNK..end]).0;
                for ((dz, x), z) in dz.iter_mut().zip(x).zip(z) {
                    let g = simd.select_f32s(simd.less_than_f32s(zero, *z), *dz, zero);
                    *dz = g;
                    sum = simd.add_f32s(sum, g);
                    product = simd.mul_add_f32s(g, simd.sub_f32s(*x, mean), product);
                }
            } else {
                for (g, x) in dz.iter().zip(x) {
                    sum = simd.add_f32s(sum, *g);
                    product = simd.mul_add_f32s(*g, simd.sub_f32s(*x, mean), product);
                }
            }
            total += f64::from(simd.reduce_sum_f32s(sum));
            product_total += f64::from(simd.reduce_sum_f32s(product));
        }
        (total, product_total)
    }
}

/// dx = a·g + b·x + c.
struct Combine<'a> {
    x: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
    a: f32,
    b: f32,
    c: f32,
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (a, b, c) = (simd.splat_f32s(self.a), simd.splat_f32s(self.b), simd.splat_f32s(self.c));
        let (x, g) = (S::as_simd_f32s(self.x).0, S::as_simd_f32s(self.g).0);
        for ((dx, x), g) in S::as_mut_simd_f32s(self.dx).0.iter_mut().zip(x).zip(g) {
            *dx = simd.mul_add_f32s(*g, a, simd.mul_add_f32s(*x, b, c));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        assert_close, assert_maps, at, batches, noise, noisy_maps, on_both_paths, places, same_bits_on_any_threads,
    };

    /// One normalisation with what stands behind it, and how its result is to be checked.
    struct Case {
        maps: Maps,
        x: Vec<f32>,
        residual: Option<Vec<f32>>,
        relu: bool,
        /// Whether statistics are the batch's; otherwise they are constants.
        batch: bool,
        dz: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
    }

    impl Case {
        fn new(maps: Maps, residual: bool, relu: bool, batch: bool) -> Self {
            let mut x = noisy_maps(&maps, 3);
            places(&maps).for_each(|(c, p, n)| x[at(&maps, c, p, n)] += 2.0 + c as f32);
            Self {
                maps,
                x,
                residual: residual.then(|| noisy_maps(&maps, 5)),
                relu,
                batch,
                dz: noisy_maps(&maps, 7),
                weight: noise(maps.channels, 11),
                bias: noise(maps.channels, 13),
            }
        }

        /// Forward and backward: z, masked gradient, dx, ∂γ, ∂β.
        fn run(&self, statistics: &[ChannelStatistics]) -> [Vec<f32>; 5] {
            let Self { maps, x, weight, bias, .. } = self;
            let input = NormInput { x, statistics, weight, bias };
            let mut z = vec![f32::NAN; maps.len()];
            norm_apply(input, self.residual.as_deref(), self.relu, &mut z, maps);
            let (mut dz, mut dx) = (self.dz.clone(), vec![f32::NAN; maps.len()]);
            let (mut dweight, mut dbias) = (vec![f32::NAN; maps.channels], vec![f32::NAN; maps.channels]);
            let output = self.relu.then_some(&z[..]);
            norm_backward(input, output, self.batch, &mut dz, &mut dx, &mut dweight, &mut dbias, maps);
            [z, dz, dx, dweight, dbias]
        }

        fn statistics(&self) -> Vec<ChannelStatistics> {
            if self.batch {
                return norm_statistics(&self.x, &self.maps);
            }
            (0..self.maps.channels).map(|c| ChannelStatistics { mean: 1.5 + c as f32, var: 0.4 }).collect()
        }

        /// The definition, in f64.
        fn check(&self) {
            let Self { maps, x, weight, bias, .. } = self;
            let count = maps.samples_per_channel() as f64;
            let over = |c: usize, f: &dyn Fn(usize, usize) -> f64| -> f64 {
                places(maps).filter(|place| place.0 == c).map(|(_, p, n)| f(p, n)).sum()
            };
            let value = |of: &[f32], c, p, n| f64::from(of[at(maps, c, p, n)]);
            let statistics = self.statistics();
            let exact: Vec<(f64, f64)> = (0..maps.channels)
                .map(|c| {
                    if !self.batch {
                        return (f64::from(statistics[c].mean), f64::from(statistics[c].var));
                    }
                    let mean = over(c, &|p, n| value(x, c, p, n)) / count;
                    (mean, over(c, &|p, n| (value(x, c, p, n) - mean).powi(2)) / count)
                })
                .collect();
            let column = |f: fn(&ChannelStatistics) -> f32| statistics.iter().map(f).collect::<Vec<_>>();
            assert_close("mean", &column(|s| s.mean), &exact.iter().map(|s| s.0).collect::<Vec<_>>());
            assert_close("variance", &column(|s| s.var), &exact.iter().map(|s| s.1).collect::<Vec<_>>());

            let [z, masked, dx, dweight, dbias] = self.run(&statistics);
            let inverse = |c: usize| 1.0 / (exact[c].1 + EPSILON).sqrt();
            let normalised = |c, p, n| (value(x, c, p, n) - exact[c].0) * inverse(c);
            assert_maps("output", maps, &z, |c, p, n| {
                let residual = self.residual.as_ref().map_or(0.0, |r| value(r, c, p, n));
                let sum = normalised(c, p, n) * f64::from(weight[c]) + f64::from(bias[c]) + residual;
                if self.relu { sum.max(0.0) } else { sum }
            });
            // The mask is read off the output found, so that a value near zero cannot fall on either side.
            let g = |c, p, n| if self.relu && value(&z, c, p, n) <= 0.0 { 0.0 } else { value(&self.dz, c, p, n) };
            assert_maps("masked gradient", maps, &masked, g);
            let sums: Vec<f64> = (0..maps.channels).map(|c| over(c, &|p, n| g(c, p, n))).collect();
            let products: Vec<f64> =
                (0..maps.channels).map(|c| over(c, &|p, n| g(c, p, n) * normalised(c, p, n))).collect();
            assert_close("gradient of the shift", &dbias, &sums);
            assert_close("gradient of the scale", &dweight, &products);
            assert_maps("input gradient", maps, &dx, |c, p, n| {
                let through = if self.batch { (sums[c] + normalised(c, p, n) * products[c]) / count } else { 0.0 };
                f64::from(weight[c]) * inverse(c) * (g(c, p, n) - through)
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 1usize..6, height in 2usize..8, width in 2usize..8, batch in batches(),
            residual: bool, relu: bool, statistics_of_the_batch: bool,
        ) {
            let case = Case::new(Maps::new(channels, height, width, batch), residual, relu, statistics_of_the_batch);
            on_both_paths(|| case.check());
        }
    }

    #[test]
    fn running_statistics_move_by_a_tenth_and_use_the_unbiased_variance() {
        let (mut mean, mut var) = ([1.0], [1.0]);
        let batch = [ChannelStatistics { mean: 2.0, var: 3.0 }];
        update_running_statistics(&batch, &Maps::new(1, 1, 2, 2), &mut mean, &mut var);
        assert_close("mean", &mean, &[1.1]);
        assert_close("variance", &var, &[0.9 + 0.1 * 3.0 * 4.0 / 3.0]);
    }

    #[test]
    fn a_large_mean_costs_the_variance_no_digits() {
        let maps = Maps::new(1, 20, 20, 32);
        let mut x = noisy_maps(&maps, 3);
        let spread = norm_statistics(&x, &maps)[0].var;
        places(&maps).for_each(|(c, p, n)| x[at(&maps, c, p, n)] += 1000.0);
        let shifted = norm_statistics(&x, &maps)[0];
        assert!((shifted.var / spread - 1.0).abs() < 1e-3, "{} {spread}", shifted.var);
    }

    #[test]
    fn a_diverged_network_stays_visible() {
        let maps = Maps::new(1, 2, 2, 16);
        let mut case = Case::new(maps, true, true, false);
        case.x[5] = f32::NAN;
        on_both_paths(|| assert!(case.run(&case.statistics())[0][5].is_nan()));
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let case = Case::new(Maps::new(9, 9, 7, 37), true, true, true);
        same_bits_on_any_threads(|| {
            let [.., dweight, dbias] = case.run(&case.statistics());
            dweight.into_iter().chain(dbias).chain(case.statistics().iter().flat_map(|s| [s.mean, s.var])).collect()
        });
    }
}
