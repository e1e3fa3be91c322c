//! Backward pass through a normalisation, its `ReLU` and its residual sum.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{CHUNK, NormInput, PixelSums};
use crate::{
    Element, LANES, Maps,
    element::{register, set_register},
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Backward pass through [`norm_apply`](super::norm_apply).
///
/// `dz` holds ∂loss/∂z. On return it holds the gradient at the input of the `ReLU`, which is the gradient of the
/// residual branch. `dx` may not alias it. `batch` says that the statistics are the batch's own; the gradient then
/// flows through them. Writes ∂γ and ∂β per channel.
///
/// # Panics
/// If a buffer is shorter than the layout requires.
#[expect(clippy::too_many_arguments, reason = "inputs and outputs of a fused backward pass")]
pub fn norm_backward<E: Element>(
    input: NormInput<'_, E>,
    z: Option<&[E]>,
    batch: bool,
    dz: &mut [E],
    dx: &mut [E],
    dweight: &mut [f32],
    dbias: &mut [f32],
    maps: &Maps,
) {
    assert!(dz.len() >= maps.len() && dx.len() >= maps.len(), "maps do not fit");
    let (dz, dx) = (Shared::new(dz), Shared::new(dx));
    let reduce = |channel: usize, plane: Range<usize>| {
        // SAFETY: the planes of a channel lie in the buffer, and no other task uses them.
        let dz = unsafe { dz.slice_mut(plane.start, plane.len()) };
        let (x, z) = (&input.x[plane.clone()], z.map(|z| &z[plane]));
        simd::dispatch_bundle(Reduce { x, z, dz, mean: input.statistics[channel].mean })
    };
    by_channel(input, batch, (dweight, dbias), maps, reduce, |_, bundle, plane, terms| {
        // SAFETY: as above.
        let (g, dx) = unsafe { (dz.slice(plane.start, plane.len()), dx.slice_mut(plane.start, plane.len())) };
        simd::dispatch(Combine { x: &input.x[plane], g, dx, terms });
        maps.zero_tail(bundle, dx);
    });
}

/// The same for normalisations without a residual branch, which nothing else needs the gradient of. `dz` becomes the
/// gradient with respect to the normalised maps. The mask of the `ReLU` is computed again from the maps `x`, which
/// costs less than reading the output.
///
/// # Panics
/// If a buffer is shorter than the layout requires.
pub fn norm_backward_in_place<E: Element>(
    input: NormInput<'_, E>,
    relu: bool,
    batch: bool,
    dz: &mut [E],
    dweight: &mut [f32],
    dbias: &mut [f32],
    maps: &Maps,
) {
    assert!(dz.len() >= maps.len(), "maps do not fit");
    let dz = Shared::new(dz);
    let passed = |channel| relu.then(|| input.of_channel(channel));
    let reduce = |channel: usize, plane: Range<usize>| {
        // SAFETY: the planes of a channel lie in the buffer, and no other task uses them.
        let dz = unsafe { dz.slice(plane.start, plane.len()) };
        let (x, mean) = (&input.x[plane], input.statistics[channel].mean);
        simd::dispatch_bundle(ReduceMasked { x, dz, passed: passed(channel), mean })
    };
    by_channel(input, batch, (dweight, dbias), maps, reduce, |channel, bundle, plane, terms| {
        // SAFETY: as above.
        let dz = unsafe { dz.slice_mut(plane.start, plane.len()) };
        simd::dispatch(CombineMasked { x: &input.x[plane], dz, passed: passed(channel), terms });
        maps.zero_tail(bundle, dz);
    });
}

/// Passes twice over the planes of each channel. First, `reduce(channel, plane)` returns a plane's Σ g and
/// Σ g·(x − mean). Their totals give ∂γ, ∂β and the terms for `combine(channel, bundle, plane, terms)`. A channel is
/// finished before the next one begins, so that the second pass finds its data in a cache.
fn by_channel<E: Element>(
    input: NormInput<'_, E>,
    batch: bool,
    (dweight, dbias): (&mut [f32], &mut [f32]),
    maps: &Maps,
    reduce: impl Fn(usize, Range<usize>) -> (f64, f64) + Sync,
    combine: impl Fn(usize, usize, Range<usize>, [f32; 3]) + Sync,
) {
    let found = threads::results_of_tasks(dweight.len(), &|(): &mut (), channel| {
        let (gradients, terms) = input.reduce_channel(channel, batch, maps, &reduce);
        planes(channel, maps).enumerate().for_each(|(bundle, plane)| combine(channel, bundle, plane, terms));
        (gradients, ())
    });
    write_gradients(found, dweight, dbias);
}

/// Writes ∂γ and ∂β of every channel, and returns what was found with them.
pub(super) fn write_gradients<T>(found: Vec<([f32; 2], T)>, dweight: &mut [f32], dbias: &mut [f32]) -> Vec<T> {
    let channels = found.into_iter().zip(dweight.iter_mut().zip(dbias));
    let write = |(([weight, bias], rest), (dweight, dbias)): (([f32; 2], T), (&mut f32, &mut f32))| {
        (*dweight, *dbias) = (weight, bias);
        rest
    };
    channels.map(write).collect()
}

/// The sums of both parts, in order.
pub(super) fn total(parts: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    parts.fold((0.0, 0.0), |(sum, product), part| (sum + part.0, product + part.1))
}

/// The planes of a channel, bundle by bundle.
fn planes(channel: usize, maps: &Maps) -> impl Iterator<Item = Range<usize>> {
    (0..maps.bundles()).map(move |bundle| {
        let start = maps.start(bundle, channel);
        start..start + maps.used()
    })
}

impl<E: Element> NormInput<'_, E> {
    /// ∂γ and ∂β of a channel and the terms of its dx, given each plane's Σ g and Σ g·(x − mean).
    pub(super) fn reduce_channel(
        &self,
        channel: usize,
        batch: bool,
        maps: &Maps,
        reduce: impl Fn(usize, Range<usize>) -> (f64, f64),
    ) -> ([f32; 2], [f32; 3]) {
        let sums = total(planes(channel, maps).map(|plane| reduce(channel, plane)));
        (self.parameter_gradients(channel, sums), self.terms(channel, batch.then_some(sums), maps))
    }

    /// ∂γ and ∂β of a channel, given its Σ g and Σ g·(x − mean).
    pub(super) fn parameter_gradients(&self, channel: usize, (sum, product): (f64, f64)) -> [f32; 2] {
        [(product * f64::from(self.statistics[channel].inverse_std())) as f32, sum as f32]
    }

    /// The factors a, b and c of dx = a·g + b·x + c for a channel. The gradient through the mean and variance of a
    /// batch depends on Σ g and Σ g·(x − mean). `sums` is `None` if the statistics are constants.
    pub(super) fn terms(&self, channel: usize, sums: Option<(f64, f64)>, maps: &Maps) -> [f32; 3] {
        let statistics = &self.statistics[channel];
        let inverse_std = f64::from(statistics.inverse_std());
        let a = f64::from(self.weight[channel]) * inverse_std;
        let (b, c) = sums.map_or((0.0, 0.0), |(sum, product)| {
            let count = maps.samples_per_channel() as f64;
            let b = -a * product * inverse_std * inverse_std / count;
            (b, -a * sum / count - b * f64::from(statistics.mean))
        });
        [a, b, c].map(|term| term as f32)
    }
}

/// Applies the mask of the `ReLU` to dz in place, and returns (Σ g, Σ g·(x − mean)).
struct Reduce<'a, E> {
    x: &'a [E],
    z: Option<&'a [E]>,
    dz: &'a mut [E],
    mean: f32,
}

impl<E: Element> BundleKernel for Reduce<'_, E> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> (f64, f64) {
        let zero = simd.splat_f32s(0.0);
        let mean = simd.splat_f32s(self.mean);
        let (mut total, mut product_total) = (0.0, 0.0);
        for (i, (x, dz)) in self.x.chunks(CHUNK).zip(self.dz.chunks_mut(CHUNK)).enumerate() {
            let mut sums = GradientSums::<S, V>::zero(simd, mean);
            let x = x.as_chunks::<LANES>().0;
            let dz = dz.as_chunks_mut::<LANES>().0;
            if let Some(z) = self.z {
                let end = (i * CHUNK + CHUNK).min(z.len());
                let z = z[i * CHUNK..end].as_chunks::<LANES>().0;
                for (pixel, ((dz, x), z)) in dz.iter_mut().zip(x).zip(z).enumerate() {
                    simd::prefetch_after(dz);
                    simd::prefetch_after(x);
                    simd::prefetch_after(z);
                    for v in 0..V {
                        let passes = simd.less_than_f32s(zero, register(simd, z, v));
                        let g = simd.select_f32s(passes, register(simd, dz, v), zero);
                        set_register(simd, dz, v, g);
                        sums.add(simd, (pixel, v), g, register(simd, x, v));
                    }
                }
            } else {
                for (pixel, (g, x)) in dz.iter().zip(x).enumerate() {
                    simd::prefetch_after(g);
                    simd::prefetch_after(x);
                    for v in 0..V {
                        sums.add(simd, (pixel, v), register(simd, g, v), register(simd, x, v));
                    }
                }
            }
            let (sum, product) = sums.totals(simd);
            total += sum;
            product_total += product;
        }
        (total, product_total)
    }
}

/// Σ g and Σ g·(x − mean).
struct GradientSums<S: Simd, const V: usize> {
    mean: S::f32s,
    sums: PixelSums<S, V>,
    products: PixelSums<S, V>,
}

impl<S: Simd, const V: usize> GradientSums<S, V> {
    #[inline(always)]
    fn zero(simd: S, mean: S::f32s) -> Self {
        Self { mean, sums: PixelSums::zero(simd), products: PixelSums::zero(simd) }
    }

    /// Register `v` of a pixel.
    #[inline(always)]
    fn add(&mut self, simd: S, (pixel, v): (usize, usize), g: S::f32s, x: S::f32s) {
        let (sum, product) = (self.sums.of(pixel, v), self.products.of(pixel, v));
        *sum = simd.add_f32s(*sum, g);
        *product = simd.mul_add_f32s(g, simd.sub_f32s(x, self.mean), *product);
    }

    #[inline(always)]
    fn totals(self, simd: S) -> (f64, f64) {
        (self.sums.total(simd), self.products.total(simd))
    }
}

/// dx = a·g + b·x + c.
struct Combine<'a, E> {
    x: &'a [E],
    g: &'a [E],
    dx: &'a mut [E],
    terms: [f32; 3],
}

impl<E: Element> WithSimd for Combine<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [a, b, c] = self.terms.map(|term| simd.splat_f32s(term));
        let (x, g) = (self.x.chunks_exact(S::F32_LANES), self.g.chunks_exact(S::F32_LANES));
        for ((dx, x), g) in self.dx.chunks_exact_mut(S::F32_LANES).zip(x).zip(g) {
            simd::prefetch_after(x);
            simd::prefetch_after(g);
            let through_batch = simd.mul_add_f32s(E::load(simd, x), b, c);
            E::store(simd, simd.mul_add_f32s(E::load(simd, g), a, through_batch), dx);
        }
    }
}

/// (Σ g, Σ g·(x − mean)) of the gradient g at the input of the `ReLU`, if there is one. `passed` holds a scale and a
/// shift: g is dz where scale · x + shift is positive, and 0 elsewhere.
pub(super) struct ReduceMasked<'a, E> {
    pub(super) x: &'a [E],
    pub(super) dz: &'a [E],
    pub(super) passed: Option<(f32, f32)>,
    pub(super) mean: f32,
}

impl<E: Element> BundleKernel for ReduceMasked<'_, E> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> (f64, f64) {
        let mean = simd.splat_f32s(self.mean);
        let (mut total, mut product_total) = (0.0, 0.0);
        for (x, dz) in self.x.chunks(CHUNK).zip(self.dz.chunks(CHUNK)) {
            let mut sums = GradientSums::<S, V>::zero(simd, mean);
            let (x, dz) = (x.as_chunks::<LANES>().0, dz.as_chunks::<LANES>().0);
            let pixels = dz.iter().zip(x).enumerate();
            if let Some(passed) = self.passed {
                for (pixel, (dz, x)) in pixels {
                    simd::prefetch_after(dz);
                    simd::prefetch_after(x);
                    for v in 0..V {
                        let (x, dz) = (register(simd, x, v), register(simd, dz, v));
                        sums.add(simd, (pixel, v), masked(simd, passed, x, dz), x);
                    }
                }
            } else {
                for (pixel, (dz, x)) in pixels {
                    simd::prefetch_after(dz);
                    simd::prefetch_after(x);
                    for v in 0..V {
                        sums.add(simd, (pixel, v), register(simd, dz, v), register(simd, x, v));
                    }
                }
            }
            let (sum, product) = sums.totals(simd);
            total += sum;
            product_total += product;
        }
        (total, product_total)
    }
}

/// dz = a·g + b·x + c, with g as in [`ReduceMasked`].
pub(super) struct CombineMasked<'a, E> {
    pub(super) x: &'a [E],
    pub(super) dz: &'a mut [E],
    pub(super) passed: Option<(f32, f32)>,
    pub(super) terms: [f32; 3],
}

impl<E: Element> WithSimd for CombineMasked<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [a, b, c] = self.terms.map(|term| simd.splat_f32s(term));
        // Loops rather than iterators with closures, which lose the instruction set where they are not inlined.
        let (values, x) = (self.dz.chunks_exact_mut(S::F32_LANES), self.x.chunks_exact(S::F32_LANES));
        if let Some(passed) = self.passed {
            for (dz, x) in values.zip(x) {
                simd::prefetch_after(x);
                simd::prefetch_after(dz);
                let (g, x) = (E::load(simd, dz), E::load(simd, x));
                let through_batch = simd.mul_add_f32s(x, b, c);
                E::store(simd, simd.mul_add_f32s(masked(simd, passed, x, g), a, through_batch), dz);
            }
        } else {
            for (dz, x) in values.zip(x) {
                simd::prefetch_after(x);
                simd::prefetch_after(dz);
                let through_batch = simd.mul_add_f32s(E::load(simd, x), b, c);
                E::store(simd, simd.mul_add_f32s(E::load(simd, dz), a, through_batch), dz);
            }
        }
    }
}

/// dz where scale · x + shift is positive, and 0 elsewhere. The sum is computed as in
/// [`norm_apply`](super::norm_apply).
#[inline(always)]
fn masked<S: Simd>(simd: S, (scale, shift): (f32, f32), x: S::f32s, dz: S::f32s) -> S::f32s {
    let z = simd.mul_add_f32s(x, simd.splat_f32s(scale), simd.splat_f32s(shift));
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(zero, z), dz, zero)
}
