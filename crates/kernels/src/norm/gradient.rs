//! The gradient at the input of a normalisation, in terms of the gradient at its output. The sums over a batch are taken
//! first. The rest is elementwise, and is left to whoever reads the gradient next.

use pulp::{Simd, WithSimd as _};

use super::{
    CHUNK, NormInput,
    backward::{CombineMasked, ReduceMasked, total, write_gradients},
};
use crate::{Element, LANES, Maps, simd, threads};

/// The gradient with respect to normalised maps as a function of dz = ∂loss/∂z: a·g + b·x + c with g = dz where the
/// `ReLU` passes.
#[derive(Clone, Copy)]
pub struct NormGradient<'a, E = f32> {
    /// What the normalisation reads.
    pub input: NormInput<'a, E>,
    /// Whether a `ReLU` follows.
    pub relu: bool,
    /// The factors a, b and c of each channel.
    pub terms: &'a [[f32; 3]],
}

/// The first half of [`norm_backward_in_place`](super::norm_backward_in_place): writes ∂γ and ∂β per channel, and returns
/// the terms of a [`NormGradient`].
///
/// # Panics
/// If a buffer is shorter than the layout requires.
pub fn norm_backward_terms<E: Element>(
    input: NormInput<'_, E>,
    relu: bool,
    batch: bool,
    dz: &[E],
    dweight: &mut [f32],
    dbias: &mut [f32],
    maps: &Maps,
) -> Vec<[f32; 3]> {
    let of_channel = |(): &mut (), channel| {
        let (passed, mean) = (relu.then(|| input.of_channel(channel)), input.statistics[channel].mean);
        input.reduce_channel(channel, batch, maps, |_, plane| {
            simd::dispatch_bundle(ReduceMasked { x: &input.x[plane.clone()], dz: &dz[plane], passed, mean })
        })
    };
    let found = threads::results_of_tasks(dweight.len(), &of_channel);
    write_gradients(found, dweight, dbias)
}

/// The sums that the first half needs, found by whoever writes dz.
#[derive(Clone, Copy)]
pub struct NormReduction<'a, E = f32> {
    /// What the normalisation reads.
    pub input: NormInput<'a, E>,
    /// Whether a `ReLU` follows.
    pub relu: bool,
}

impl<E: Element> NormReduction<'_, E> {
    /// The number of rows after which a sum of values in f32 ends, so that parts of maps can be reduced apart. `None` if
    /// such a sum ends inside a row.
    pub(crate) fn rows_together(maps: &Maps) -> Option<usize> {
        let row = maps.width * LANES;
        if maps.used() <= CHUNK {
            return Some(maps.height.max(1));
        }
        CHUNK.is_multiple_of(row).then(|| CHUNK / row)
    }

    /// Σ g and Σ g·(x − mean) of some rows of a channel, which begin at offset `start` of the maps: one pair for each sum
    /// in f32.
    pub(crate) fn of_rows(&self, channel: usize, start: usize, dz: &[E]) -> Vec<(f64, f64)> {
        let passed = self.relu.then(|| self.input.of_channel(channel));
        let mean = self.input.statistics[channel].mean;
        let x = &self.input.x[start..start + dz.len()];
        let chunks = x.chunks(CHUNK).zip(dz.chunks(CHUNK));
        chunks.map(|(x, dz)| simd::dispatch_bundle(ReduceMasked { x, dz, passed, mean })).collect()
    }

    /// Totals per channel. `parts` holds the results of [`NormReduction::of_rows`] as `[bundle][rows][channel]`, with
    /// `bands` sets of rows per bundle.
    pub(crate) fn totals(parts: &[Vec<Vec<(f64, f64)>>], bands: usize, channels: usize) -> Vec<(f64, f64)> {
        let of_bundle = |bundle: &[Vec<Vec<_>>], channel: usize| {
            total(bundle.iter().flat_map(|rows| rows[channel].iter().copied()))
        };
        (0..channels).map(|channel| total(parts.chunks(bands).map(|bundle| of_bundle(bundle, channel)))).collect()
    }

    /// Writes ∂γ and ∂β per channel, and returns the terms of a [`NormGradient`], given the totals per channel. `batch`
    /// says that the statistics are the batch's own.
    pub fn finish(
        &self,
        totals: &[(f64, f64)],
        batch: bool,
        dweight: &mut [f32],
        dbias: &mut [f32],
        maps: &Maps,
    ) -> Vec<[f32; 3]> {
        let of_channel = |(channel, sums): (usize, &(f64, f64))| {
            [dweight[channel], dbias[channel]] = self.input.parameter_gradients(channel, *sums);
            self.input.terms(channel, batch.then_some(*sums), maps)
        };
        totals.iter().enumerate().map(of_channel).collect()
    }
}

impl<E: Element> NormGradient<'_, E> {
    /// Replaces dz by the gradient with respect to the normalised maps, for some pixels of a channel. `start` is the
    /// offset of the first of them in the maps, and `samples` the number of samples in their bundle.
    #[inline(always)]
    pub(crate) fn finish<S: Simd>(&self, simd: S, (channel, start, samples): (usize, usize, usize), dz: &mut [E]) {
        let x = &self.input.x[start..start + dz.len()];
        let passed = self.relu.then(|| self.input.of_channel(channel));
        CombineMasked { x, dz: &mut *dz, passed, terms: self.terms[channel] }.with_simd(simd);
        if samples < LANES {
            dz.as_chunks_mut::<LANES>().0.iter_mut().for_each(|lanes| lanes[samples..].fill(E::default()));
        }
    }

    /// Replaces dz by the gradient with respect to the normalised maps.
    ///
    /// # Panics
    /// If a buffer is shorter than the layout requires.
    pub fn finish_maps(&self, dz: &mut [E], maps: &Maps) {
        struct Plane<'a, E>(&'a NormGradient<'a, E>, (usize, usize, usize), &'a mut [E]);

        impl<E: Element> pulp::WithSimd for Plane<'_, E> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.finish(simd, self.1, self.2);
            }
        }
        threads::each_chunk(&mut dz[..maps.len()], maps.plane, &|index, plane| {
            let (bundle, channel) = maps.bundle_and_channel(index);
            let place = (channel, maps.start(bundle, channel), maps.samples(bundle));
            simd::dispatch(Plane(self, place, &mut plane[..maps.used()]));
        });
    }
}
