//! Batch normalisation, fused with the residual add and ReLU that follow it. Semantics are PyTorch's: biased variance for
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
    fn inverse_std(&self) -> f32 {
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

/// z = relu?(γ (x − mean) / σ + β + residual?).
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
/// `dz` holds ∂loss/∂z. On return it holds ∂loss/∂z behind the ReLU, which is the gradient of the residual branch, or, where
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
                    *z = simd.max_f32s(value, floor);
                }
            }
            None => {
                for (z, x) in z.iter_mut().zip(x) {
                    *z = simd.max_f32s(simd.mul_add_f32s(*x, scale, shift), floor);
                }
            }
        }
    }
}

/// Masks dz by the ReLU, in place, and returns (Σ g, Σ g·(x − mean)).
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
