//! Layer normalisation: each pixel of each sample is normalised over its channels (arXiv 1607.06450).

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::{
    LANES, Maps,
    shared::Shared,
    simd::{self, BundleKernel},
};

/// Registers of neighbouring values that a kernel holds while it walks over the channels.
const RUN: usize = 8;
/// Target number of tasks: enough to balance a handful of cores.
const TASKS: usize = 16;

/// The layer's parameters.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormParameters<'a> {
    /// Scale γ per channel.
    pub weight: &'a [f32],
    /// Shift β per channel.
    pub bias: &'a [f32],
    /// Constant added to a variance. At least the smallest normal number is added, so that an empty lane stays finite.
    pub epsilon: f64,
}

impl LayerNormParameters<'_> {
    fn epsilon(&self) -> f32 {
        (self.epsilon as f32).max(f32::MIN_POSITIVE)
    }
}

/// y = γ (x − mean) / √(variance + ε) + β, with mean and (biased) variance over the channels of each pixel.
///
/// # Panics
/// If a buffer is shorter than the layout.
pub fn layer_norm(parameters: LayerNormParameters<'_>, x: &[f32], y: &mut [f32], maps: &Maps) {
    assert!(x.len() >= maps.len() && y.len() >= maps.len(), "buffers of {} and {}: {maps:?}", x.len(), y.len());
    let to = Shared::new(y);
    pieces(maps).into_par_iter().for_each(|(bundle, pixels)| {
        simd::dispatch_bundle(Forward { parameters, x, to, place: Place { maps, bundle, pixels } });
    });
}

/// dx = the gradient with respect to x, written over `dx`, and the gradients of γ and β by sample,
/// `[bundles, channels, LANES]`, written over `dweight` and `dbias`.
///
/// # Panics
/// As [`layer_norm`].
pub fn layer_norm_backward(
    parameters: LayerNormParameters<'_>,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    maps: &Maps,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let buffers = [x.len(), dy.len(), dx.len()];
    assert!(buffers.iter().all(|len| *len >= maps.len()), "buffers of {buffers:?} values: {maps:?}");
    let len = maps.channels * LANES;
    let to = Shared::new(dx);
    let pieces = pieces(maps);
    let partial: Vec<_> = pieces
        .par_iter()
        .map(|(bundle, pixels)| {
            let place = Place { maps, bundle: *bundle, pixels: pixels.clone() };
            let mut sums = vec![0.0; 2 * len];
            simd::dispatch_bundle(Backward { parameters, x, dy, to, place, sums: &mut sums });
            sums
        })
        .collect();
    dweight[..maps.bundles() * len].fill(0.0);
    dbias[..maps.bundles() * len].fill(0.0);
    for ((bundle, _), sums) in pieces.iter().zip(partial) {
        for (to, from) in [&mut *dweight, &mut *dbias].into_iter().zip(sums.chunks_exact(len)) {
            to[bundle * len..][..len].iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// Pixels of one bundle that a task computes. Their number depends on the shapes alone.
fn pieces(maps: &Maps) -> Vec<(usize, Range<usize>)> {
    let pixels = maps.height * maps.width;
    let of_bundle = TASKS.div_ceil(maps.bundles().max(1)).min(pixels);
    let piece =
        move |bundle| (0..of_bundle).map(move |i| (bundle, i * pixels / of_bundle..(i + 1) * pixels / of_bundle));
    (0..maps.bundles()).flat_map(piece).collect()
}

struct Place<'a> {
    maps: &'a Maps,
    bundle: usize,
    pixels: Range<usize>,
}

impl Place<'_> {
    /// Offset of the first value.
    fn start(&self) -> usize {
        self.maps.start(self.bundle, 0) + self.pixels.start * LANES
    }
}

/// The registers at `R` places from `offset` on.
///
/// # Safety
/// All of them lie in `values`.
#[inline(always)]
unsafe fn run<S: Simd, const R: usize>(simd: S, values: &[f32], offset: usize) -> [S::f32s; R] {
    debug_assert!(offset + R * S::F32_LANES <= values.len());
    let mut registers = [simd.splat_f32s(0.0); R];
    for (r, register) in registers.iter_mut().enumerate() {
        // SAFETY: guaranteed by the caller.
        *register = unsafe { simd::load(simd, values.as_ptr().wrapping_add(offset + r * S::F32_LANES)) };
    }
    registers
}

/// The mean of each lane over the channels.
///
/// # Safety
/// `R` registers from `offset` on lie in the used part of every channel.
#[inline(always)]
unsafe fn means<S: Simd, const R: usize>(simd: S, x: &[f32], offset: usize, maps: &Maps) -> [S::f32s; R] {
    let mut sums = [simd.splat_f32s(0.0); R];
    for channel in 0..maps.channels {
        // SAFETY: guaranteed by the caller.
        let x = unsafe { run::<S, R>(simd, x, offset + channel * maps.plane) };
        for r in 0..R {
            sums[r] = simd.add_f32s(sums[r], x[r]);
        }
    }
    let share = simd.splat_f32s(1.0 / maps.channels as f32);
    for sum in &mut sums {
        *sum = simd.mul_f32s(*sum, share);
    }
    sums
}

/// 1 / √(sum / channels + ε).
#[inline(always)]
fn inverse_deviations<S: Simd, const R: usize>(
    simd: S,
    mut sums: [S::f32s; R],
    maps: &Maps,
    epsilon: f32,
) -> [S::f32s; R] {
    let share = simd.splat_f32s(1.0 / maps.channels as f32);
    for sum in &mut sums {
        let deviation = simd.sqrt_f32s(simd.mul_add_f32s(*sum, share, simd.splat_f32s(epsilon)));
        *sum = simd.div_f32s(simd.splat_f32s(1.0), deviation);
    }
    sums
}

struct Forward<'a> {
    parameters: LayerNormParameters<'a>,
    x: &'a [f32],
    to: Shared<'a>,
    place: Place<'a>,
}

impl BundleKernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Place { maps, bundle, ref pixels } = self.place;
        let (start, registers) = (self.place.start(), pixels.len() * V);
        let mut at = 0;
        while at < registers {
            let offset = start + at * S::F32_LANES;
            if at + RUN <= registers {
                self.tile::<S, RUN>(simd, offset);
                at += RUN;
            } else {
                self.tile::<S, 1>(simd, offset);
                at += 1;
            }
        }
        if maps.samples(bundle) < LANES {
            for channel in 0..maps.channels {
                // SAFETY: these are the task's pixels of a channel, which no other task uses.
                let values = unsafe { self.to.slice_mut(start + channel * maps.plane, pixels.len() * LANES) };
                maps.zero_tail(bundle, values);
            }
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, offset: usize) {
        let (maps, LayerNormParameters { weight, bias, .. }) = (self.place.maps, self.parameters);
        // SAFETY: `run` walks over the task's pixels, which `layer_norm` asserts to lie in both buffers. No other task
        // writes there.
        unsafe {
            let mean = means::<S, R>(simd, self.x, offset, maps);
            let mut squares = [simd.splat_f32s(0.0); R];
            for channel in 0..maps.channels {
                let x = run::<S, R>(simd, self.x, offset + channel * maps.plane);
                for r in 0..R {
                    let distance = simd.sub_f32s(x[r], mean[r]);
                    squares[r] = simd.mul_add_f32s(distance, distance, squares[r]);
                }
            }
            let inverse = inverse_deviations(simd, squares, maps, self.parameters.epsilon());
            for (channel, (weight, bias)) in weight.iter().zip(bias).enumerate() {
                let offset = offset + channel * maps.plane;
                let x = run::<S, R>(simd, self.x, offset);
                let (weight, bias) = (simd.splat_f32s(*weight), simd.splat_f32s(*bias));
                for r in 0..R {
                    let normalised = simd.mul_f32s(simd.sub_f32s(x[r], mean[r]), inverse[r]);
                    let value = simd.mul_add_f32s(normalised, weight, bias);
                    simd::store(simd, self.to.at(offset + r * S::F32_LANES), value);
                }
            }
        }
    }
}

struct Backward<'a> {
    parameters: LayerNormParameters<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    to: Shared<'a>,
    place: Place<'a>,
    /// Gradients of γ and then of β, `[2, channels, LANES]`.
    sums: &'a mut [f32],
}

impl BundleKernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let (start, registers) = (self.place.start(), self.place.pixels.len() * V);
        let mut at = 0;
        while at < registers {
            if at + RUN <= registers {
                self.tile::<S, RUN, V>(simd, start, at);
                at += RUN;
            } else {
                self.tile::<S, 1, V>(simd, start, at);
                at += 1;
            }
        }
    }
}

impl Backward<'_> {
    /// Computes `R` registers, starting at register `at` of the task's pixels.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, start: usize, at: usize) {
        let (maps, weight) = (self.place.maps, self.parameters.weight);
        let (x, dy, offset) = (self.x, self.dy, start + at * S::F32_LANES);
        let zero = simd.splat_f32s(0.0);
        // SAFETY: `run` walks over the task's pixels, which `layer_norm_backward` asserts to lie in all buffers. No
        // other task writes there.
        unsafe {
            let mean = means::<S, R>(simd, x, offset, maps);
            let (mut squares, mut sums, mut products) = ([zero; R], [zero; R], [zero; R]);
            for (channel, weight) in weight.iter().enumerate() {
                let offset = offset + channel * maps.plane;
                let (x, dy) = (run::<S, R>(simd, x, offset), run::<S, R>(simd, dy, offset));
                let weight = simd.splat_f32s(*weight);
                for r in 0..R {
                    let (distance, scaled) = (simd.sub_f32s(x[r], mean[r]), simd.mul_f32s(dy[r], weight));
                    squares[r] = simd.mul_add_f32s(distance, distance, squares[r]);
                    sums[r] = simd.add_f32s(sums[r], scaled);
                    products[r] = simd.mul_add_f32s(scaled, distance, products[r]);
                }
            }
            let inverse = inverse_deviations(simd, squares, maps, self.parameters.epsilon());
            let share = simd.splat_f32s(1.0 / maps.channels as f32);
            for r in 0..R {
                sums[r] = simd.mul_f32s(sums[r], share);
                products[r] = simd.mul_f32s(simd.mul_f32s(products[r], share), inverse[r]);
            }
            let (dweights, dbiases) = self.sums.split_at_mut(maps.channels * LANES);
            let dweights = S::as_mut_simd_f32s(dweights).0.as_chunks_mut::<V>().0;
            let dbiases = S::as_mut_simd_f32s(dbiases).0.as_chunks_mut::<V>().0;
            for (channel, (weight, (dweight, dbias))) in weight.iter().zip(dweights.iter_mut().zip(dbiases)).enumerate()
            {
                let offset = offset + channel * maps.plane;
                let (x, dy) = (run::<S, R>(simd, x, offset), run::<S, R>(simd, dy, offset));
                let weight = simd.splat_f32s(*weight);
                for r in 0..R {
                    // The register of a bundle. A lane's pixels are added in their order, whatever fills a register.
                    let v = if R.is_multiple_of(V) { r % V } else { (at + r) % V };
                    let normalised = simd.mul_f32s(simd.sub_f32s(x[r], mean[r]), inverse[r]);
                    dweight[v] = simd.mul_add_f32s(dy[r], normalised, dweight[v]);
                    dbias[v] = simd.add_f32s(dbias[v], dy[r]);
                    let through = simd.mul_add_f32s(normalised, products[r], sums[r]);
                    let value = simd.sub_f32s(simd.mul_f32s(dy[r], weight), through);
                    simd::store(simd, self.to.at(offset + r * S::F32_LANES), simd.mul_f32s(value, inverse[r]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        rows_of_samples, sums_over_samples,
        testing::{
            assert_maps, assert_sums, at, batches, noise, noisy_maps, on_every_instruction_set, places,
            same_bits_on_any_threads,
        },
    };

    struct Case {
        maps: Maps,
        x: Vec<f32>,
        dy: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
    }

    const EPSILON: f64 = 1e-5;

    impl Case {
        fn new(maps: Maps) -> Self {
            let mut x = noisy_maps(&maps, 3);
            // Neighbouring features differ by at least one. If all features of a token were nearly equal, the division by
            // their deviation would magnify the rounding of the values themselves.
            places(&maps).for_each(|(c, p, n)| x[at(&maps, c, p, n)] += p as f32 * 0.5 + (c % 2) as f32 * 3.0);
            let (weight, bias) = (noise(maps.channels, 7), noise(maps.channels, 11));
            Self { maps, x, dy: noisy_maps(&maps, 5), weight, bias }
        }

        /// y, dx, and the gradients of γ and β by sample.
        fn run(&self) -> [Vec<f32>; 4] {
            let Self { maps, x, dy, weight, bias } = self;
            let parameters = LayerNormParameters { weight, bias, epsilon: EPSILON };
            let (mut y, mut dx) = (vec![f32::NAN; maps.len()], vec![f32::NAN; maps.len()]);
            layer_norm(parameters, x, &mut y, maps);
            let [mut dweight, mut dbias] = [(); 2].map(|()| vec![f32::NAN; maps.bundles() * maps.channels * LANES]);
            layer_norm_backward(parameters, x, dy, &mut dx, maps, &mut dweight, &mut dbias);
            [y, dx, dweight, dbias]
        }

        /// Checks against the definition in f64.
        fn check(&self) {
            let Self { maps, x, dy, weight, bias } = self;
            let channels = maps.channels as f64;
            let value = |of: &[f32], c, p, n| f64::from(of[at(maps, c, p, n)]);
            let over = |f: &dyn Fn(usize) -> f64| (0..maps.channels).map(f).sum::<f64>() / channels;
            let mean = |p, n| over(&|c| value(x, c, p, n));
            let inverse = |p, n| 1.0 / (over(&|c| (value(x, c, p, n) - mean(p, n)).powi(2)) + EPSILON).sqrt();
            let normalised = |c, p, n| (value(x, c, p, n) - mean(p, n)) * inverse(p, n);
            let scaled = |c: usize, p, n| value(dy, c, p, n) * f64::from(weight[c]);
            let [y, dx, dweight, dbias] = self.run();
            assert_maps("layer norm", maps, &y, |c, p, n| {
                normalised(c, p, n) * f64::from(weight[c]) + f64::from(bias[c])
            });
            assert_maps("layer norm, input", maps, &dx, |c, p, n| {
                let (sums, products) = (over(&|c| scaled(c, p, n)), over(&|c| scaled(c, p, n) * normalised(c, p, n)));
                inverse(p, n) * (scaled(c, p, n) - sums - normalised(c, p, n) * products)
            });
            let size = maps.batch * maps.channels;
            let (mut exact, mut magnitudes) = ([vec![0.0; size], vec![0.0; size]], [vec![0.0; size], vec![0.0; size]]);
            for (c, p, n) in places(maps) {
                let terms = [value(dy, c, p, n) * normalised(c, p, n), value(dy, c, p, n)];
                let sizes = [value(dy, c, p, n).abs() * (1.0 + normalised(c, p, n).abs()), terms[1].abs()];
                for of in 0..2 {
                    exact[of][n * maps.channels + c] += terms[of];
                    magnitudes[of][n * maps.channels + c] += sizes[of];
                }
            }
            for (of, found) in [&dweight, &dbias].into_iter().enumerate() {
                let mut rows = vec![f32::NAN; size];
                rows_of_samples(found, maps.channels, &mut rows);
                assert_sums("by sample", &rows, &exact[of], &magnitudes[of], 1e-5);
                let mut sums = vec![f32::NAN; maps.channels];
                sums_over_samples(found, &mut sums);
                let total = |rows: &[f64]| -> Vec<f64> {
                    (0..maps.channels).map(|c| rows[c..].iter().step_by(maps.channels).sum()).collect()
                };
                assert_sums("in all", &sums, &total(&exact[of]), &total(&magnitudes[of]), 1e-5);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 2usize..40, height in 1usize..4, width in 1usize..8, batch in batches(),
        ) {
            let case = Case::new(Maps::new(channels, height, width, batch));
            on_every_instruction_set(|| case.check());
        }
    }

    #[test]
    fn an_empty_lane_is_harmless_even_without_epsilon() {
        let maps = Maps::new(3, 1, 2, 5);
        let case = Case::new(maps);
        let parameters = LayerNormParameters { weight: &case.weight, bias: &case.bias, epsilon: 0.0 };
        let (mut dx, mut dweight, mut dbias) = (vec![f32::NAN; maps.len()], vec![1.0; 3 * LANES], vec![1.0; 3 * LANES]);
        layer_norm_backward(parameters, &case.x, &case.dy, &mut dx, &maps, &mut dweight, &mut dbias);
        for lanes in dweight.chunks(LANES).chain(dbias.chunks(LANES)).chain([&dx[..LANES]]) {
            assert!(lanes[..5].iter().all(|v| v.is_finite()) && lanes[5..].iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let case = Case::new(Maps::new(21, 5, 13, 37));
        same_bits_on_any_threads(|| {
            let [y, dx, dweight, dbias] = case.run();
            let maps = case.maps;
            let used = |values: &[f32]| values.chunks(maps.plane).flat_map(|p| p[..maps.used()].to_vec()).collect();
            [used(&y), used(&dx), dweight, dbias].concat()
        });
    }
}
