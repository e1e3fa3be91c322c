//! Batch normalisation, fused with the residual sum and `ReLU` that follow it. Semantics are PyTorch's: biased
//! variance for normalising, unbiased variance for the running statistics, ε 1e-5, momentum 0.1.

mod backward;
mod gradient;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

pub use backward::{norm_backward, norm_backward_in_place};
pub use gradient::{NormGradient, NormReduction, norm_backward_terms};

use crate::{
    Element, LANES, Maps,
    element::register,
    simd::{self, BundleKernel, sum_lanes},
    threads,
};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f32 = 0.1;
/// Number of values that are summed in f32 before the sum is added to a total in f64.
const CHUNK: usize = 2048;

/// Mean and variance for the normalisation of a channel.
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

/// Count, mean, and sum of squared deviations from the mean.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Moments of some pixels of a channel of one bundle. Only the first `samples` lanes count.
    pub(crate) fn of<E: Element>(pixels: &[E], samples: usize) -> Self {
        let count = (pixels.len() / LANES * samples) as f64;
        let mean = simd::dispatch_bundle(Sum { values: pixels }) / count;
        let squares = if samples == LANES {
            simd::dispatch_bundle(SumOfSquares { values: pixels, mean: mean as f32 })
        } else {
            let counting = pixels.chunks_exact(LANES).flat_map(|lanes| &lanes[..samples]);
            counting.map(|v| (f64::from(v.to_f32()) - f64::from(mean as f32)).powi(2)).sum()
        };
        // Deviations are taken from the rounded mean. The error that this adds is subtracted.
        Self { count, mean, squares: (squares - count * (mean - f64::from(mean as f32)).powi(2)).max(0.0) }
    }

    /// Moments of both sets together (Chan et al. 1983, doi 10.1080/00031305.1983.10483115).
    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + distance * other.count / count,
            squares: self.squares + other.squares + distance * distance * self.count * other.count / count,
        }
    }
}

/// Merges the moments of each channel that several tasks found, in order, to statistics. The result is empty if there
/// are no moments.
pub(crate) fn merge_moments(tasks: &[Vec<Moments>], channels: usize) -> Vec<ChannelStatistics> {
    let of_channel = |channel: usize| {
        let moments = tasks.iter().map(|task| task[channel]).fold(Moments::default(), Moments::merge);
        ChannelStatistics { mean: moments.mean as f32, var: (moments.squares / moments.count) as f32 }
    };
    let found = tasks.iter().any(|task| !task.is_empty());
    if found { (0..channels).map(of_channel).collect() } else { vec![] }
}

/// Statistics of each channel over pixels and samples.
pub fn norm_statistics<E: Element>(x: &[E], maps: &Maps) -> Vec<ChannelStatistics> {
    let of_bundle = |(): &mut (), bundle: usize| -> Vec<Moments> {
        let of_channel = |channel| Moments::of(&x[maps.start(bundle, channel)..][..maps.used()], maps.samples(bundle));
        (0..maps.channels).map(of_channel).collect()
    };
    let moments = threads::results_of_tasks(maps.bundles(), &of_bundle);
    merge_moments(&moments, maps.channels)
}

/// Sum of each channel over pixels and samples, which is the gradient of a bias.
pub fn channel_sums<E: Element>(x: &[E], maps: &Maps) -> Vec<f32> {
    let of_bundle =
        |bundle, channel| simd::dispatch_bundle(Sum { values: &x[maps.start(bundle, channel)..][..maps.used()] });
    let of_channel =
        |(): &mut (), channel| (0..maps.bundles()).map(|bundle| of_bundle(bundle, channel)).sum::<f64>() as f32;
    threads::results_of_tasks(maps.channels, &of_channel)
}

/// The same sum for each sample, which is each sample's gradient of a bias: `[batch, channels]`, written over `rows`.
pub fn channel_sums_by_sample<E: Element>(x: &[E], maps: &Maps, rows: &mut [f32]) {
    threads::each_chunk(rows, LANES * maps.channels, &|bundle, rows| {
        for channel in 0..maps.channels {
            let sums = sum_by_lane(&x[maps.start(bundle, channel)..][..maps.used()]);
            rows.chunks_exact_mut(maps.channels).zip(sums).for_each(|(row, sum)| row[channel] = sum);
        }
    });
}

/// Moves running statistics towards the statistics of a batch.
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

/// Inputs of a normalisation.
#[derive(Clone, Copy)]
pub struct NormInput<'a, E = f32> {
    /// The maps to normalise.
    pub x: &'a [E],
    /// Statistics per channel.
    pub statistics: &'a [ChannelStatistics],
    /// Scale γ per channel.
    pub weight: &'a [f32],
    /// Shift β per channel.
    pub bias: &'a [f32],
}

impl<E> NormInput<'_, E> {
    /// The normalisation as one linear function per channel: scale · x + shift.
    pub fn scale_and_shift(&self) -> (Vec<f32>, Vec<f32>) {
        (0..self.statistics.len()).map(|channel| self.of_channel(channel)).unzip()
    }

    fn of_channel(&self, channel: usize) -> (f32, f32) {
        let scale = self.weight[channel] * self.statistics[channel].inverse_std();
        (scale, self.bias[channel] - self.statistics[channel].mean * scale)
    }
}

/// z = relu?(γ (x − mean) / σ + β + residual?). NaN stays NaN.
pub fn norm_apply<E: Element>(input: NormInput<'_, E>, residual: Option<&[E]>, relu: bool, z: &mut [E], maps: &Maps) {
    let used = maps.used();
    threads::each_chunk(&mut z[..maps.len()], maps.plane, &|index, z| {
        let (bundle, channel) = maps.bundle_and_channel(index);
        let start = index * maps.plane;
        let z = &mut z[..used];
        let (scale, shift) = input.of_channel(channel);
        let residual = residual.map(|r| &r[start..start + used]);
        simd::dispatch(Apply { x: &input.x[start..start + used], z, residual, scale, shift, relu });
        maps.zero_tail(bundle, z);
    });
}

/// values = relu?(values + shift + residual?). NaN stays NaN.
pub(crate) fn shift_rows<E: Element>(values: &mut [E], shift: f32, residual: Option<&[E]>, relu: bool) {
    simd::dispatch(AddAndClamp { values, residual, shift, relu });
}

/// Overwrites `dweight` and `dbias`, `[batch, channels]` each, with each sample's ∂γ and ∂β for constant statistics.
///
/// `g` is the gradient at the input of the `ReLU`, which [`norm_backward`] leaves in its `dz`.
pub fn norm_sample_gradients<E: Element>(
    input: NormInput<'_, E>,
    g: &[E],
    maps: &Maps,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let samples = LANES * maps.channels;
    let rows = dweight.par_chunks_mut(samples).zip(dbias.par_chunks_mut(samples));
    rows.enumerate().for_each(|(bundle, (dweight, dbias))| {
        for (channel, statistics) in input.statistics[..maps.channels].iter().enumerate() {
            let plane = maps.start(bundle, channel)..maps.start(bundle, channel) + maps.used();
            let (sums, products) = reduce_by_lane(&input.x[plane.clone()], &g[plane], statistics.mean);
            let inverse_std = statistics.inverse_std();
            for sample in 0..maps.samples(bundle) {
                dbias[sample * maps.channels + channel] = sums[sample];
                dweight[sample * maps.channels + channel] = products[sample] * inverse_std;
            }
        }
    });
}

/// Σ x for each lane.
fn sum_by_lane<E: Element>(x: &[E]) -> [f32; LANES] {
    simd::dispatch(|| {
        let mut sums = [0.0; LANES];
        for x in x.as_chunks::<LANES>().0 {
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x.to_f32());
        }
        sums
    })
}

/// Σ g and Σ g · (x − mean) for each lane.
fn reduce_by_lane<E: Element>(x: &[E], g: &[E], mean: f32) -> ([f32; LANES], [f32; LANES]) {
    simd::dispatch(|| {
        let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
        for (x, g) in x.as_chunks::<LANES>().0.iter().zip(g.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let g = g[lane].to_f32();
                sums[lane] += g;
                products[lane] += g * (x[lane].to_f32() - mean);
            }
        }
        (sums, products)
    })
}

/// Sums over pixels for each lane. Even and odd pixels have separate sums, which a processor adds in parallel.
struct PixelSums<S: Simd, const V: usize>([[S::f32s; V]; 2]);

impl<S: Simd, const V: usize> PixelSums<S, V> {
    #[inline(always)]
    fn zero(simd: S) -> Self {
        Self([[simd.splat_f32s(0.0); V]; 2])
    }

    /// The sum to which register `v` of a pixel is added.
    #[inline(always)]
    fn of(&mut self, pixel: usize, v: usize) -> &mut S::f32s {
        &mut self.0[pixel % 2][v]
    }

    /// Sum over all lanes of both sums.
    #[inline(always)]
    fn total(self, simd: S) -> f64 {
        let [mut sums, odd] = self.0;
        for v in 0..V {
            sums[v] = simd.add_f32s(sums[v], odd[v]);
        }
        f64::from(sum_lanes(simd, sums))
    }
}

struct Sum<'a, E> {
    values: &'a [E],
}

impl<E: Element> BundleKernel for Sum<'_, E> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for chunk in self.values.chunks(CHUNK) {
            let mut sums = PixelSums::<S, V>::zero(simd);
            for (pixel, values) in chunk.as_chunks::<LANES>().0.iter().enumerate() {
                for v in 0..V {
                    let sum = sums.of(pixel, v);
                    *sum = simd.add_f32s(*sum, register(simd, values, v));
                }
            }
            total += sums.total(simd);
        }
        total
    }
}

struct SumOfSquares<'a, E> {
    values: &'a [E],
    mean: f32,
}

impl<E: Element> BundleKernel for SumOfSquares<'_, E> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> f64 {
        let mean = simd.splat_f32s(self.mean);
        let mut total = 0.0;
        for chunk in self.values.chunks(CHUNK) {
            let mut sums = PixelSums::<S, V>::zero(simd);
            for (pixel, values) in chunk.as_chunks::<LANES>().0.iter().enumerate() {
                for v in 0..V {
                    let (distance, sum) = (simd.sub_f32s(register(simd, values, v), mean), sums.of(pixel, v));
                    *sum = simd.mul_add_f32s(distance, distance, *sum);
                }
            }
            total += sums.total(simd);
        }
        total
    }
}

/// z = relu?(scale · x + shift + residual?).
pub(crate) struct Apply<'a, X, Z> {
    pub(crate) x: &'a [X],
    pub(crate) z: &'a mut [Z],
    pub(crate) residual: Option<&'a [X]>,
    pub(crate) scale: f32,
    pub(crate) shift: f32,
    pub(crate) relu: bool,
}

impl<X: Element, Z: Element> WithSimd for Apply<'_, X, Z> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (scale, shift) = (simd.splat_f32s(self.scale), simd.splat_f32s(self.shift));
        let floor = simd.splat_f32s(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let (z, x) = (self.z.chunks_exact_mut(S::F32_LANES), self.x.chunks_exact(S::F32_LANES));
        match self.residual {
            Some(residual) => {
                for ((z, x), residual) in z.zip(x).zip(residual.chunks_exact(S::F32_LANES)) {
                    simd::prefetch_after(x);
                    simd::prefetch_after(residual);
                    let sum = simd.mul_add_f32s(X::load(simd, x), scale, shift);
                    let value = simd.add_f32s(sum, X::load(simd, residual));
                    Z::store(simd, at_least(simd, floor, value), z);
                }
            }
            None => {
                for (z, x) in z.zip(x) {
                    let value = simd.mul_add_f32s(X::load(simd, x), scale, shift);
                    Z::store(simd, at_least(simd, floor, value), z);
                }
            }
        }
    }
}

struct AddAndClamp<'a, E> {
    values: &'a mut [E],
    residual: Option<&'a [E]>,
    shift: f32,
    relu: bool,
}

impl<E: Element> WithSimd for AddAndClamp<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let shift = simd.splat_f32s(self.shift);
        let floor = simd.splat_f32s(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let values = self.values.chunks_exact_mut(S::F32_LANES);
        match self.residual {
            Some(residual) => {
                for (value, residual) in values.zip(residual.chunks_exact(S::F32_LANES)) {
                    simd::prefetch_after(residual);
                    let residual = Some(E::load(simd, residual));
                    E::store(simd, shifted(simd, E::load(simd, value), shift, residual, floor), value);
                }
            }
            None => {
                for value in values {
                    E::store(simd, shifted(simd, E::load(simd, value), shift, None, floor), value);
                }
            }
        }
    }
}

/// max(value + shift + residual?, floor). NaN stays NaN.
#[inline(always)]
pub(crate) fn shifted<S: Simd>(
    simd: S,
    value: S::f32s,
    shift: S::f32s,
    residual: Option<S::f32s>,
    floor: S::f32s,
) -> S::f32s {
    let mut sum = simd.add_f32s(value, shift);
    if let Some(residual) = residual {
        sum = simd.add_f32s(sum, residual);
    }
    at_least(simd, floor, sum)
}

/// max(value, floor), but NaN stays NaN. The maximum instruction of some instruction sets would return the floor and
/// hide a diverged network.
#[inline(always)]
fn at_least<S: Simd>(simd: S, floor: S::f32s, value: S::f32s) -> S::f32s {
    simd.select_f32s(simd.less_than_f32s(value, floor), floor, value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        assert_maps, assert_sums, at, batches, noise, noisy_maps, on_every_instruction_set, places,
        same_bits_on_any_threads,
    };

    /// One normalisation with the layers after it, and how its result is to be checked.
    struct Case {
        maps: Maps,
        x: Vec<f32>,
        residual: Option<Vec<f32>>,
        relu: bool,
        /// Whether the statistics are those of the batch. Otherwise they are constants.
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
            if self.residual.is_none() {
                let mut found = (self.dz.clone(), vec![f32::NAN; maps.channels], vec![f32::NAN; maps.channels]);
                let (in_place, weights, biases) = (&mut found.0, &mut found.1, &mut found.2);
                norm_backward_in_place(input, self.relu, self.batch, in_place, weights, biases, maps);
                let pixel = |(c, p, n)| (found.0[at(maps, c, p, n)].to_bits(), dx[at(maps, c, p, n)].to_bits());
                assert!(places(maps).map(pixel).all(|(found, expected)| found == expected), "in place");
                assert_eq!((&found.1, &found.2), (&dweight, &dbias));
            }
            [z, dz, dx, dweight, dbias]
        }

        fn statistics(&self) -> Vec<ChannelStatistics> {
            if self.batch {
                return norm_statistics(&self.x, &self.maps);
            }
            (0..self.maps.channels).map(|c| ChannelStatistics { mean: 1.5 + c as f32, var: 0.4 }).collect()
        }

        /// Checks against the definition in f64.
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
            for (found, (mean, var)) in statistics.iter().zip(&exact) {
                assert!((f64::from(found.mean) - mean).abs() <= 1e-6 * mean.abs(), "{found:?}, mean {mean}");
                assert!((f64::from(found.var) - var).abs() <= 1e-5 * var, "{found:?}, variance {var}");
            }

            let [z, masked, dx, dweight, dbias] = self.run(&statistics);
            let inverse = |c: usize| 1.0 / (exact[c].1 + EPSILON).sqrt();
            let normalised = |c, p, n| (value(x, c, p, n) - exact[c].0) * inverse(c);
            assert_maps("output", maps, &z, |c, p, n| {
                let residual = self.residual.as_ref().map_or(0.0, |r| value(r, c, p, n));
                let sum = normalised(c, p, n) * f64::from(weight[c]) + f64::from(bias[c]) + residual;
                if self.relu { sum.max(0.0) } else { sum }
            });
            // The mask is taken from the computed output, so that rounding near zero cannot change it.
            let g = |c, p, n| if self.relu && value(&z, c, p, n) <= 0.0 { 0.0 } else { value(&self.dz, c, p, n) };
            assert_maps("masked gradient", maps, &masked, g);
            let channels = || 0..maps.channels;
            let sums: Vec<f64> = channels().map(|c| over(c, &|p, n| g(c, p, n))).collect();
            let magnitudes: Vec<f64> = channels().map(|c| over(c, &|p, n| g(c, p, n).abs())).collect();
            assert_sums("gradient of the shift", &dbias, &sums, &magnitudes, 1e-6);
            assert_sums("sums", &channel_sums(&masked, maps), &sums, &magnitudes, 1e-6);
            let products: Vec<f64> = channels().map(|c| over(c, &|p, n| g(c, p, n) * normalised(c, p, n))).collect();
            // x − mean is itself a difference, with the rounding errors of x and of the mean.
            let terms = |c, p, n| g(c, p, n) * inverse(c) * (value(x, c, p, n).abs() + exact[c].0.abs());
            let magnitudes: Vec<f64> = channels().map(|c| over(c, &|p, n| terms(c, p, n).abs())).collect();
            assert_sums("gradient of the scale", &dweight, &products, &magnitudes, 1e-6);
            self.check_per_sample(&statistics, &masked);
            assert_maps("input gradient", maps, &dx, |c, p, n| {
                let through = if self.batch { (sums[c] + normalised(c, p, n) * products[c]) / count } else { 0.0 };
                f64::from(weight[c]) * inverse(c) * (g(c, p, n) - through)
            });
        }
    }

    impl Case {
        fn check_per_sample(&self, statistics: &[ChannelStatistics], g: &[f32]) {
            let Self { maps, x, weight, bias, .. } = self;
            let rows = maps.batch * maps.channels;
            let (mut dweight, mut dbias) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
            norm_sample_gradients(NormInput { x, statistics, weight, bias }, g, maps, &mut dweight, &mut dbias);
            let sums = |term: &dyn Fn(ChannelStatistics, f64, f64) -> f64| -> Vec<f64> {
                let mut sums = vec![0.0; rows];
                for (c, p, n) in places(maps) {
                    let (x, g) = (x[at(maps, c, p, n)], g[at(maps, c, p, n)]);
                    sums[n * maps.channels + c] += term(statistics[c], f64::from(x), f64::from(g));
                }
                sums
            };
            let (shifts, magnitudes) = (sums(&|_, _, g| g), sums(&|_, _, g| g.abs()));
            assert_sums("∂β by sample", &dbias, &shifts, &magnitudes, 1e-6);
            let mut biases = vec![f32::NAN; rows];
            channel_sums_by_sample(g, maps, &mut biases);
            assert_sums("sums by sample", &biases, &shifts, &magnitudes, 1e-6);
            let normalised =
                |s: ChannelStatistics, x: f64| (x - f64::from(s.mean)) / (f64::from(s.var) + EPSILON).sqrt();
            let products = sums(&|s, x, g| g * normalised(s, x));
            assert_sums("∂γ by sample", &dweight, &products, &sums(&|s, x, g| (g * normalised(s, x)).abs()), 1e-6);
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
            on_every_instruction_set(|| case.check());
        }
    }

    #[test]
    fn running_statistics_move_by_a_tenth_and_use_the_unbiased_variance() {
        let (mut mean, mut var) = ([1.0], [1.0]);
        let batch = [ChannelStatistics { mean: 2.0, var: 3.0 }];
        update_running_statistics(&batch, &Maps::new(1, 1, 2, 2), &mut mean, &mut var);
        assert!((mean[0] - 1.1f32).abs() < 1e-6 && (var[0] - (0.9 + 0.1 * 3.0 * 4.0 / 3.0)).abs() < 1e-6);
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
        on_every_instruction_set(|| assert!(case.run(&case.statistics())[0][5].is_nan()));
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
