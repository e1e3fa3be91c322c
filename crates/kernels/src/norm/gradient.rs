//! The gradient at the input of a normalisation, in terms of the gradient at its output. The sums over a batch are taken
//! first. The rest is elementwise, and is left to whoever reads the gradient next.

use pulp::{Simd, WithSimd as _};
use rayon::prelude::*;

use super::{
    NormInput,
    backward::{CombineMasked, ReduceMasked},
};
use crate::{LANES, Maps, simd};

/// The gradient with respect to normalised maps as a function of dz = ∂loss/∂z: a·g + b·x + c with g = dz where the
/// `ReLU` passes.
#[derive(Clone, Copy)]
pub struct NormGradient<'a> {
    /// What the normalisation reads.
    pub input: NormInput<'a>,
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
pub fn norm_backward_terms(
    input: NormInput<'_>,
    relu: bool,
    batch: bool,
    dz: &[f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
    maps: &Maps,
) -> Vec<[f32; 3]> {
    let gradients = dweight.par_iter_mut().zip(dbias).enumerate();
    let of_channel = |(channel, gradients)| {
        let (passed, mean) = (relu.then(|| input.of_channel(channel)), input.statistics[channel].mean);
        input.reduce_channel(channel, batch, gradients, maps, |_, plane| {
            simd::dispatch_bundle(ReduceMasked { x: &input.x[plane.clone()], dz: &dz[plane], passed, mean })
        })
    };
    gradients.map(of_channel).collect()
}

impl NormGradient<'_> {
    /// Replaces dz by the gradient with respect to the normalised maps, for some pixels of a channel. `start` is the
    /// offset of the first of them in the maps, and `samples` the number of samples in their bundle.
    #[inline(always)]
    pub(crate) fn finish<S: Simd>(&self, simd: S, (channel, start, samples): (usize, usize, usize), dz: &mut [f32]) {
        let x = &self.input.x[start..start + dz.len()];
        let passed = self.relu.then(|| self.input.of_channel(channel));
        CombineMasked { x, dz: &mut *dz, passed, terms: self.terms[channel] }.with_simd(simd);
        if samples < LANES {
            dz.as_chunks_mut::<LANES>().0.iter_mut().for_each(|lanes| lanes[samples..].fill(0.0));
        }
    }

    /// The same for whole maps.
    pub(crate) fn finish_maps(&self, dz: &mut [f32], maps: &Maps) {
        struct Plane<'a>(&'a NormGradient<'a>, (usize, usize, usize), &'a mut [f32]);

        impl pulp::WithSimd for Plane<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.finish(simd, self.1, self.2);
            }
        }
        dz[..maps.len()].par_chunks_mut(maps.plane).enumerate().for_each(|(index, plane)| {
            let (bundle, channel) = maps.bundle_and_channel(index);
            let place = (channel, maps.start(bundle, channel), maps.samples(bundle));
            simd::dispatch(Plane(self, place, &mut plane[..maps.used()]));
        });
    }
}
